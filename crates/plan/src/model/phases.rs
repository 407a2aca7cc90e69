//! What a plan says about load: phases, rates, recorded arrivals, crowds of users.
//!
//! Plain data. When arrivals come from it is the engine's business.

use std::fmt;
use std::num::{NonZeroU32, NonZeroU64};
use std::sync::Arc;
use std::time::Duration;

/// A phase of load. Phases follow one another without a pause, unless they state when they start.
#[derive(Clone, Debug, PartialEq)]
pub struct Phase {
    /// Its name, unique in the plan.
    pub name: String,
    /// When it starts, from the start of the traffic; phases may overlap. `None`: when the phase before it ends.
    pub start: Option<Duration>,
    /// How long it lasts. `None` only for a closed phase that ends with its iterations; a phase after it states its
    /// start.
    pub duration: Option<Duration>,
    /// What load.
    pub load: Load,
}

/// What load a phase makes.
#[derive(Clone, Debug, PartialEq)]
pub enum Load {
    /// Open model: arrivals come on a schedule, whatever the service does.
    Open {
        /// Arrivals per second over the phase.
        rate: RateShape,
        /// How they are spaced.
        arrivals: Arrivals,
    },
    /// Open model: arrivals come as they were recorded elsewhere.
    Replay(Replay),
    /// Closed model: each user waits for its answer, thinks, and goes on.
    Closed {
        /// How many users at once.
        users: NonZeroU32,
        /// Users started per second; `None`: all at once.
        spawn_rate: Option<Rate>,
        /// Users leave one after another, evenly over this time before the phase's end; `None`: all at its end.
        /// At most the phase's duration.
        ramp_down: Option<Duration>,
        /// The pause between an answer and the next request.
        think: ThinkTime,
        /// A user starts iterations this far apart, however long they take; one that takes longer is followed at
        /// once. A flow's own pacing goes before. The think time stands between requests of an iteration only.
        pacing: Option<Duration>,
        /// How often they go through a flow; `None`: until the phase ends.
        iterations: Option<Iterations>,
    },
}

/// How often the users of a closed phase go through a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Iterations {
    /// This often in all: whoever is ready takes the next one.
    Shared(NonZeroU64),
    /// Each user this often.
    PerUser(NonZeroU32),
}

impl Iterations {
    /// How many there are in all with this many users.
    #[must_use]
    pub fn of(self, users: u64) -> u64 {
        match self {
            Self::Shared(all) => all.get(),
            Self::PerUser(each) => users.saturating_mul(u64::from(each.get())),
        }
    }
}

/// Arrivals as they were recorded elsewhere, in an access log for instance.
#[derive(Clone, Debug, PartialEq)]
pub struct Replay {
    /// The file's name, as the plan states it.
    pub file: String,
    /// How many times as fast as recorded. Positive and finite.
    pub speed: f64,
    /// When they came.
    pub recording: Recording,
}

impl Replay {
    /// When an arrival comes that was recorded `recorded_ns` after the recording began, in nanoseconds from the start
    /// of the phase.
    #[must_use]
    pub fn at_ns(&self, recorded_ns: u64) -> u64 {
        (recorded_ns as f64 / self.speed) as u64
    }
}

/// The times of recorded arrivals.
#[derive(Clone, PartialEq, Eq)]
pub enum Recording {
    /// In nanoseconds from the beginning of the recording, in order.
    Times(Arc<[u64]>),
    /// Only how many there were: all that the plan of a run directory keeps of them.
    Count(u64),
}

impl Recording {
    /// How many arrivals.
    #[must_use]
    pub fn count(&self) -> u64 {
        match self {
            Self::Times(times) => times.len() as u64,
            Self::Count(count) => *count,
        }
    }
}

/// A million times help nobody: their number is shown.
impl fmt::Debug for Recording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Times(times) => write!(f, "Times({})", times.len()),
            Self::Count(count) => write!(f, "Count({count})"),
        }
    }
}

/// Events per second: finite and not negative.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Rate(f64);

impl Rate {
    /// A rate of `per_second` events per second; `None` unless finite and not negative.
    #[must_use]
    pub fn per_second(per_second: f64) -> Option<Self> {
        (per_second.is_finite() && per_second >= 0.0).then_some(Self(per_second))
    }

    /// Events per second.
    #[must_use]
    pub fn as_per_second(self) -> f64 {
        self.0
    }
}

/// How the rate of an open phase develops.
#[derive(Clone, Debug, PartialEq)]
pub enum RateShape {
    /// The same all the time: `"18/s"`.
    Constant(Rate),
    /// Linear from one rate to another: `"18/s -> 0/s"`.
    Ramp {
        /// The rate at the start of the phase.
        from: Rate,
        /// The rate at its end.
        to: Rate,
    },
    /// One rate after another, each for an equal share of the phase: `{ steps = ["5/s", "10/s", "20/s"] }`.
    Steps(Vec<Rate>),
    /// A higher or lower rate for a while: `{ base = "20/s", spike = "80/s", at = "30s", for = "10s" }`.
    Spike {
        /// The rate before and after.
        base: Rate,
        /// The rate meanwhile.
        spike: Rate,
        /// When it begins, from the start of the phase.
        at: Duration,
        /// How long it lasts. It ends within the phase.
        length: Duration,
    },
    /// A sine that begins at its lowest, as a day does: `{ mean = "20/s", amplitude = "10/s", period = "1h" }`.
    Wave {
        /// The rate in the middle.
        mean: Rate,
        /// How far it goes above and below, at most `mean`.
        amplitude: Rate,
        /// From one lowest point to the next.
        period: Duration,
    },
}

/// How arrivals of an open phase are spaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrivals {
    /// Evenly. The default.
    Uniform,
    /// As a Poisson process: independent users.
    Poisson,
}

/// The pause of a closed user between an answer and the next request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ThinkTime {
    /// None: the next request follows at once.
    None,
    /// Always the same: `"2s"`.
    Constant(Duration),
    /// Uniformly between two durations: `"5s..15s"`.
    Uniform {
        /// The shortest.
        min: Duration,
        /// The longest.
        max: Duration,
    },
    /// Normal, cut off at zero: `"normal(10s, 2s)"`.
    Normal {
        /// The mean.
        mean: Duration,
        /// The standard deviation.
        deviation: Duration,
    },
    /// Log-normal, as people's pauses often are: `"lognormal(8s, p95 = 20s)"`. Its sigma is
    /// ln(p95 / median) / 1.6449 (the 0.95 quantile of the normal distribution).
    LogNormal {
        /// Half of the pauses are shorter. Above zero.
        median: Duration,
        /// 95 % of the pauses are shorter. At least the median.
        p95: Duration,
    },
    /// Exponential: `"exponential(10s)"`.
    Exponential {
        /// The mean.
        mean: Duration,
    },
}

impl From<Duration> for ThinkTime {
    fn from(always: Duration) -> Self {
        Self::Constant(always)
    }
}
