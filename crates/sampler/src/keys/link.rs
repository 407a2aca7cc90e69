//! A connection of its own for reading keys: everything asked through it is counted and timed.
//!
//! Apart from the connection that samples, so that neither waits for the other. It knows nothing of patterns.

use std::time::Duration;

use fred::prelude::Value;
use plimsoll_plan::{RedisPlace, RedisSource};
use plimsoll_record::RunClock;
use plimsoll_record::series::GapReason;

use crate::info::Info;
use crate::probe::Failure;
use crate::redis::{Ask, Dial, Link};

/// A connection with a meter.
pub(crate) struct Metered {
    link: Link,
    clock: RunClock,
    commands: u64,
    waited: Duration,
}

impl Metered {
    /// Connects to a server.
    pub(crate) async fn connect(source: &RedisSource, clock: RunClock, patience: Duration) -> Result<Self, Failure> {
        let refused = |why: &str| Err(Failure::new(GapReason::Refused, why));
        let server = match source {
            RedisSource::Server(server) => server,
            RedisSource::Endpoint(_) => {
                return refused("an HTTP endpoint tells nothing about keys: give the URL of Redis itself");
            }
            RedisSource::Several(_) => return refused("keys are read from one server at a time: name one"),
        };
        if let RedisPlace::Sentinel { .. } = server.place {
            return refused("sentinels hold no keys: give the URL of the primary");
        }
        let link = Dial::new(server, patience).open().await?;
        Ok(Self { link, clock, commands: 0, waited: Duration::ZERO })
    }

    /// Commands sent so far.
    pub(crate) fn commands(&self) -> u64 {
        self.commands
    }

    /// Time spent waiting for answers so far.
    pub(crate) fn waited(&self) -> Duration {
        self.waited
    }

    /// Asks one thing.
    pub(crate) async fn ask(&mut self, ask: Ask) -> Result<Value, Failure> {
        let mut answers = self.all(vec![ask]).await?;
        answers.pop().unwrap_or_else(|| Err(Failure::new(GapReason::Malformed, "Redis answered nothing")))
    }

    /// A section of INFO.
    pub(crate) async fn info(&mut self, section: &'static str) -> Result<Info, Failure> {
        let answer = self.ask(Ask::new("INFO").with(section)).await?;
        text(&answer).map(|text| Info::parse(&text)).ok_or_else(|| malformed("INFO"))
    }

    /// Asks several things at once; gives the answers in order. An answer may be an error of its own.
    pub(crate) async fn all(&mut self, asks: Vec<Ask>) -> Result<Vec<Result<Value, Failure>>, Failure> {
        self.commands += asks.len() as u64;
        let asked = self.clock.now();
        let answers = self.link.ask_all(asks).await;
        self.waited += Duration::from_nanos(self.clock.now().since(asked));
        answers
    }

    /// Leaves Redis alone for as long as `pause`.
    pub(crate) async fn rest(&self, pause: Duration) {
        tokio::time::sleep(pause).await;
    }
}

/// An answer that is not what the command gives.
pub(crate) fn malformed(command: &str) -> Failure {
    Failure::new(GapReason::Malformed, format!("{command} gave an answer that was not understood"))
}

/// The answer as text.
pub(crate) fn text(answer: &Value) -> Option<String> {
    answer.as_bytes().map(|bytes| String::from_utf8_lossy(bytes).into_owned())
}

/// The answer as a whole number that is not negative.
pub(crate) fn number(answer: &Value) -> Option<u64> {
    answer.as_i64().and_then(|number| u64::try_from(number).ok())
}

/// Time that Redis spent in the commands that read keys, since its start.
#[derive(Clone, Copy, Debug)]
pub(super) struct Executed(Option<f64>);

/// The commands that hardly anybody else sends: what they cost is the cost of reading keys.
const OURS: [&str; 6] = ["randomkey", "scan", "type", "pttl", "memory|usage", "memory"];

impl Executed {
    /// From `INFO commandstats`; unknown where that is not told.
    pub(super) fn of(info: &Info) -> Self {
        let spent = |command: &&str| {
            let text = info.text(&format!("cmdstat_{command}"))?;
            let usec = text.split(',').find_map(|part| part.strip_prefix("usec="))?;
            usec.parse::<f64>().ok()
        };
        Self(info.has_section("commandstats").then(|| OURS.iter().filter_map(spent).sum()))
    }

    /// Nanoseconds since `before`; `None` when it is not told, or was reset in between.
    pub(super) fn since(self, before: Self) -> Option<u64> {
        let spent = self.0? - before.0?;
        (spent >= 0.0).then_some((spent * 1e3) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redis_says_itself_what_reading_keys_cost_it() {
        let executed = |text: &str| Executed::of(&Info::parse(text));
        let before = executed("# Commandstats\ncmdstat_get:calls=9,usec=900,usec_per_call=1.0\n");
        let after = executed("# Commandstats\ncmdstat_scan:calls=1,usec=40\ncmdstat_memory|usage:calls=3,usec=20\n");
        assert_eq!(after.since(before), Some(60_000));
        assert_eq!(before.since(after), None, "the statistics were reset");
        assert_eq!(after.since(executed("")), None);
    }
}
