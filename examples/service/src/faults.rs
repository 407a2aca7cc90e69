//! Which faults are on: their words, their values, and how both are read and written.
//! What a fault then does to a request is the business of `replies`, `body`, `limiter`, `leak` and `link`.

use std::{fmt, str::FromStr, time::Duration};

use crate::{
    clock::Tick,
    units::{self, ByteSize, Share},
};

/// The words accepted by `--fault NAME=VALUE` and by `POST /admin/faults`, each with the shape of its value.
pub(crate) const WORDS: [(&str, &str); 8] = [
    ("latency", "a duration such as 20ms"),
    ("freeze", "how long/how often, such as 1s/10s, the first shorter than the second"),
    ("errors", "a share such as 5%"),
    ("leak", "keys per second x bytes per key, such as 100x1000, up to 100000 keys/s and 1 GB/s"),
    ("limiter", "on, off or strict"),
    ("maxmemory", "a size such as 3mb"),
    ("close", "a share such as 5%"),
    ("stall", "a share such as 1%"),
];

const MAX_LEAK_KEYS_PER_SECOND: u32 = 100_000;
const MAX_LEAK_BYTES_PER_SECOND: u64 = 1_000_000_000;

/// One fault switched on or off: what a flag or a JSON key asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Latency(Option<Duration>),
    Freeze(Option<Freeze>),
    Errors(Option<Share>),
    Leak(Option<Leak>),
    Limiter(LimiterMode),
    MaxMemory(Option<ByteSize>),
    Close(Option<Share>),
    Stall(Option<Share>),
}

/// All replies are held during the first `hold` of each `every`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Freeze {
    pub(crate) hold: Duration,
    pub(crate) every: Duration,
}

/// Keys without an expiry, written in the background.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Leak {
    pub(crate) keys_per_second: u32,
    pub(crate) value_bytes: u32,
}

/// Whether the limiter keeps its promise, limits nothing, or limits far too early.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum LimiterMode {
    #[default]
    On,
    Off,
    Strict,
}

/// Every fault's present state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Faults {
    pub(crate) latency: Option<Duration>,
    /// With the moment it was set: the cycles count from there.
    pub(crate) freeze: Option<(Freeze, Tick)>,
    pub(crate) errors: Option<Share>,
    pub(crate) leak: Option<Leak>,
    pub(crate) limiter: LimiterMode,
    pub(crate) maxmemory: Option<ByteSize>,
    /// Connections closed in the middle of the reply's body.
    pub(crate) close: Option<Share>,
    /// Replies whose body stops in the middle and never ends.
    pub(crate) stall: Option<Share>,
}

/// A fault word or value that nobody knows.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum FaultError {
    #[error("`{0}` is not of the form NAME=VALUE; the names are {names}", names = names())]
    NotAnAssignment(String),
    #[error("unknown fault `{0}`; the faults are {names}", names = names())]
    UnknownName(String),
    #[error("`{value}` is no value for the fault `{name}`: it takes {shape}, or off")]
    BadValue { name: &'static str, value: String, shape: &'static str },
}

impl Faults {
    pub(crate) fn apply(&mut self, change: Change) {
        match change {
            Change::Latency(latency) => self.latency = latency,
            Change::Freeze(freeze) => self.freeze = freeze.map(|freeze| (freeze, Tick::now())),
            Change::Errors(share) => self.errors = share,
            Change::Leak(leak) => self.leak = leak,
            Change::Limiter(mode) => self.limiter = mode,
            Change::MaxMemory(size) => self.maxmemory = size,
            Change::Close(share) => self.close = share,
            Change::Stall(share) => self.stall = share,
        }
    }

    /// Every word with its present value, in the order of [`WORDS`]; `off` where nothing is set.
    pub(crate) fn shown(&self) -> [(&'static str, String); WORDS.len()] {
        [
            Change::Latency(self.latency),
            Change::Freeze(self.freeze.map(|(freeze, _set)| freeze)),
            Change::Errors(self.errors),
            Change::Leak(self.leak),
            Change::Limiter(self.limiter),
            Change::MaxMemory(self.maxmemory),
            Change::Close(self.close),
            Change::Stall(self.stall),
        ]
        .map(|change| (change.name(), change.value()))
    }
}

impl Change {
    /// The change that `name` = `value` asks for.
    pub(crate) fn of(name: &str, value: &str) -> Result<Self, FaultError> {
        let Some(&(name, shape)) = WORDS.iter().find(|(word, _)| *word == name) else {
            return Err(FaultError::UnknownName(name.to_owned()));
        };
        Self::of_known(name, value).ok_or_else(|| FaultError::BadValue { name, value: value.to_owned(), shape })
    }

    fn of_known(name: &str, value: &str) -> Option<Self> {
        let off = value == "off";
        Some(match name {
            "latency" if off => Self::Latency(None),
            "latency" => Self::Latency(Some(units::duration(value)?)),
            "freeze" if off => Self::Freeze(None),
            "freeze" => Self::Freeze(Some(Freeze::parse(value)?)),
            "errors" if off => Self::Errors(None),
            "errors" => Self::Errors(Some(Share::parse(value)?)),
            "leak" if off => Self::Leak(None),
            "leak" => Self::Leak(Some(Leak::parse(value)?)),
            "limiter" => Self::Limiter(LimiterMode::parse(value)?),
            "maxmemory" if off => Self::MaxMemory(None),
            "maxmemory" => Self::MaxMemory(Some(ByteSize::parse(value)?)),
            "close" if off => Self::Close(None),
            "close" => Self::Close(Some(Share::parse(value)?)),
            "stall" if off => Self::Stall(None),
            "stall" => Self::Stall(Some(Share::parse(value)?)),
            _ => return None,
        })
    }

    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Latency(_) => "latency",
            Self::Freeze(_) => "freeze",
            Self::Errors(_) => "errors",
            Self::Leak(_) => "leak",
            Self::Limiter(_) => "limiter",
            Self::MaxMemory(_) => "maxmemory",
            Self::Close(_) => "close",
            Self::Stall(_) => "stall",
        }
    }

    pub(crate) fn value(&self) -> String {
        let shown = match self {
            Self::Latency(latency) => latency.map(units::show_duration),
            Self::Freeze(freeze) => freeze.map(|freeze| freeze.to_string()),
            Self::Errors(share) | Self::Close(share) | Self::Stall(share) => share.map(|share| share.to_string()),
            Self::Leak(leak) => leak.map(|leak| leak.to_string()),
            Self::Limiter(mode) => Some(mode.to_string()),
            Self::MaxMemory(size) => size.map(|size| size.to_string()),
        };
        shown.unwrap_or_else(|| "off".to_owned())
    }
}

impl FromStr for Change {
    type Err = FaultError;

    fn from_str(text: &str) -> Result<Self, FaultError> {
        let (name, value) = text.split_once('=').ok_or_else(|| FaultError::NotAnAssignment(text.to_owned()))?;
        Self::of(name, value)
    }
}

impl Freeze {
    fn parse(text: &str) -> Option<Self> {
        let (hold, every) = text.split_once('/')?;
        let (hold, every) = (units::duration(hold)?, units::duration(every)?);
        (hold < every).then_some(Self { hold, every })
    }

    /// How much longer a reply is held that is ready `since_set` after the fault was set.
    pub(crate) fn remaining(&self, since_set: Duration) -> Duration {
        // Durations are whole microseconds of at most an hour, so the remainder fits easily.
        let into_cycle = since_set.as_micros() % self.every.as_micros();
        let into_cycle = Duration::from_micros(u64::try_from(into_cycle).unwrap_or(u64::MAX));
        self.hold.saturating_sub(into_cycle)
    }
}

impl fmt::Display for Freeze {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (hold, every) = (units::show_duration(self.hold), units::show_duration(self.every));
        write!(f, "{hold}/{every}")
    }
}

impl Leak {
    fn parse(text: &str) -> Option<Self> {
        let (keys, bytes) = text.split_once('x')?;
        let leak = Self { keys_per_second: units::whole(keys)?, value_bytes: units::whole(bytes)? };
        let bytes_per_second = u64::from(leak.keys_per_second) * u64::from(leak.value_bytes);
        let sane = leak.keys_per_second >= 1
            && leak.value_bytes >= 1
            && leak.keys_per_second <= MAX_LEAK_KEYS_PER_SECOND
            && bytes_per_second <= MAX_LEAK_BYTES_PER_SECOND;
        sane.then_some(leak)
    }
}

impl fmt::Display for Leak {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.keys_per_second, self.value_bytes)
    }
}

impl LimiterMode {
    fn parse(text: &str) -> Option<Self> {
        match text {
            "on" => Some(Self::On),
            "off" => Some(Self::Off),
            "strict" => Some(Self::Strict),
            _ => None,
        }
    }
}

impl fmt::Display for LimiterMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::On => "on",
            Self::Off => "off",
            Self::Strict => "strict",
        })
    }
}

fn names() -> String {
    WORDS.map(|(name, _shape)| name).join(", ")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn duration() -> impl Strategy<Value = Duration> {
        (1u64..3_600_000_000).prop_map(Duration::from_micros)
    }

    fn change() -> impl Strategy<Value = Change> {
        let freeze = (1u64..1_000_000_000, 1u64..1_000_000_000).prop_map(|(hold, more)| Freeze {
            hold: Duration::from_micros(hold),
            every: Duration::from_micros(hold + more),
        });
        let leak = (1u32..=100_000, 1u32..=10_000)
            .prop_map(|(keys_per_second, value_bytes)| Leak { keys_per_second, value_bytes });
        let mode = prop_oneof![Just(LimiterMode::On), Just(LimiterMode::Off), Just(LimiterMode::Strict)];
        prop_oneof![
            proptest::option::of(duration()).prop_map(Change::Latency),
            proptest::option::of(freeze).prop_map(Change::Freeze),
            proptest::option::of((1u32..=1_000_000).prop_map(Share::from_millionths)).prop_map(Change::Errors),
            proptest::option::of(leak).prop_map(Change::Leak),
            mode.prop_map(Change::Limiter),
            proptest::option::of((1u32..=1_000_000).prop_map(Share::from_millionths)).prop_map(Change::Close),
            proptest::option::of((1u32..=1_000_000).prop_map(Share::from_millionths)).prop_map(Change::Stall),
            proptest::option::of((1u64..1 << 50).prop_map(ByteSize)).prop_map(Change::MaxMemory),
        ]
    }

    proptest! {
        #[test]
        fn every_fault_reads_back_as_it_was_written(change in change()) {
            let written = format!("{}={}", change.name(), change.value());
            prop_assert_eq!(written.parse::<Change>(), Ok(change));
        }

        #[test]
        fn no_text_makes_the_parser_panic_and_what_it_accepts_is_stable(
            name in prop::sample::select(WORDS.map(|(name, _)| name).to_vec()),
            value in "[0-9.a-z%/x-]{0,12}|\\PC{0,12}",
        ) {
            if let Ok(change) = Change::of(name, &value) {
                prop_assert_eq!(Change::of(name, &change.value()), Ok(change));
            }
        }

        #[test]
        fn a_reply_is_never_held_longer_than_the_freeze_lasts(
            hold_us in 1u64..1_000_000, more_us in 1u64..10_000_000, at_us in 0u64..u64::MAX / 2,
        ) {
            let every = Duration::from_micros(hold_us + more_us);
            let freeze = Freeze { hold: Duration::from_micros(hold_us), every };
            let at = Duration::from_micros(at_us);
            let free_at = at + freeze.remaining(at);
            prop_assert!(freeze.remaining(at) <= freeze.hold);
            prop_assert_eq!(freeze.remaining(free_at), Duration::ZERO);
        }
    }

    #[test]
    fn an_unknown_word_is_answered_with_the_valid_ones() {
        let message = "latencyy=20ms".parse::<Change>().unwrap_err().to_string();
        assert_eq!(
            message,
            "unknown fault `latencyy`; the faults are latency, freeze, errors, leak, limiter, maxmemory, close, stall"
        );
    }

    #[test]
    fn a_wrong_value_is_answered_with_the_shape_it_takes() {
        let message = "errors=120%".parse::<Change>().unwrap_err().to_string();
        assert_eq!(message, "`120%` is no value for the fault `errors`: it takes a share such as 5%, or off");
        for wrong in [
            "latency=20",
            "latency=2h",
            "freeze=10s/1s",
            "freeze=1s",
            "leak=100",
            "leak=0x5",
            "leak=100000x100000",
            "limiter=maybe",
            "maxmemory=3",
            "maxmemory=0mb",
            "errors=0%",
            "close=5",
            "stall=1s",
        ] {
            let error = wrong.parse::<Change>().unwrap_err();
            assert!(matches!(error, FaultError::BadValue { .. }), "{wrong}: {error}");
        }
        assert!(matches!("latency".parse::<Change>(), Err(FaultError::NotAnAssignment(_))));
    }

    #[test]
    fn a_freeze_holds_the_start_of_each_cycle_only() {
        let freeze = Freeze::parse("1s/10s").unwrap();
        let held = |ms| freeze.remaining(Duration::from_millis(ms)).as_millis();
        assert_eq!([held(0), held(400), held(1000), held(9999), held(10_250)], [1000, 600, 0, 0, 750]);
    }
}
