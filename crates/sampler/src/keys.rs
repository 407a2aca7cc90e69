//! What the keys of a Redis are made of: patterns of their names, how many there are, and the memory they hold.
//!
//! Databases of moderate size are read whole; of a large one random keys are drawn, and every number is an estimate with its
//! interval. What it may cost Redis is bounded and measured: keys are read in short batches with pauses as long
//! as the batches, so that others come through, until the budget is used up. A long SCAN is avoided on purpose: it keeps the
//! server's own expiry from its work. Nothing is judged here, and nothing is changed in Redis.

mod estimate;
mod link;
mod pattern;
mod read;
mod tally;
mod tree;

use std::time::Duration;

use plimsoll_plan::RedisSource;
use plimsoll_record::RunClock;
use plimsoll_record::keys::{Checkpoint, KeysCost, Occasion};

use self::link::Executed;
pub(crate) use self::link::{Metered, number};
use self::read::Reading;
use crate::info::{Database, Info};
use crate::probe::Failure;

/// What to read, and what it may cost.
#[derive(Clone, Debug)]
pub struct Options {
    /// Random keys to draw from a database that is too large to be read whole: one of at most twice as many keys is.
    pub samples: u64,
    /// The most time to wait for Redis's answers, over all databases: more than Redis can have worked for them.
    pub budget: Duration,
    /// Patterns listed per database.
    pub patterns: usize,
    /// Largest keys named per database.
    pub largest: usize,
    /// How long one answer may take.
    pub patience: Duration,
    /// Only these databases; all that hold keys when empty.
    pub databases: Vec<u32>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            samples: 5_000,
            budget: Duration::from_millis(250),
            patterns: 100,
            largest: 5,
            patience: Duration::from_secs(2),
            databases: Vec::new(),
        }
    }
}

/// What a user needs to be allowed to do so that keys can be read.
pub const RIGHTS: &str = "~* +ping +info +client|id +select +dbsize +randomkey +scan +type +pttl +memory|usage +llen +hlen +scard +zcard +xlen";

/// Reads the keys once.
///
/// # Errors
/// [`Failure`] when the source is no Redis server, cannot be reached, refuses a command, or leaves one unanswered.
pub async fn read(
    source: &RedisSource,
    options: &Options,
    occasion: Occasion,
    clock: RunClock,
) -> Result<Checkpoint, Failure> {
    read_all(source, options, occasion, clock).await.map_err(with_rights)
}

async fn read_all(
    source: &RedisSource,
    options: &Options,
    occasion: Occasion,
    clock: RunClock,
) -> Result<Checkpoint, Failure> {
    let at_ns = clock.now();
    let mut link = Metered::connect(source, clock, options.patience).await?;
    let before = Executed::of(&link.info("commandstats").await?);
    let databases = wanted(&link.info("keyspace").await?, &options.databases);
    let mut left: f64 = databases.iter().map(|database| database.keys).sum();
    let mut read = Vec::new();
    for database in databases {
        // Each database gets its share of what is left of the budget.
        let budget = options.budget.saturating_sub(link.waited());
        let share = budget.mul_f64((database.keys / left.max(1.0)).clamp(0.0, 1.0));
        left -= database.keys;
        read.extend(Reading::new(&mut link, options, share).database(&database).await?);
    }
    let executed = Executed::of(&link.info("commandstats").await?).since(before);
    let cost = KeysCost {
        commands: link.commands(),
        waited_ns: u64::try_from(link.waited().as_nanos()).unwrap_or(u64::MAX),
        executed_ns: executed,
    };
    let took_ns = clock.now().since(at_ns);
    Ok(Checkpoint { at_ns, occasion, took_ns, cost, databases: read })
}

fn wanted(info: &Info, numbers: &[u32]) -> Vec<Database> {
    let all = info.databases().unwrap_or_default().into_iter();
    all.filter(|database| numbers.is_empty() || numbers.contains(&database.number)).collect()
}

/// A refused command is no fault of Redis: the user may not send it.
fn with_rights(mut failure: Failure) -> Failure {
    if failure.detail.contains("NOPERM") {
        failure.detail.push_str(&format!("; reading keys needs these rights: {RIGHTS}"));
    }
    failure
}
