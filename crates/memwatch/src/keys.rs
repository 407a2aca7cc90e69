//! `memwatch keys`: which keys hold the memory, and which patterns grew in a run.
//!
//! What is read, estimated and compared is decided in the libraries; here it is asked for and shown.

mod difference;
mod look;

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use plimsoll_plan::RedisSource;
use plimsoll_record::RunClock;
use plimsoll_record::keys::{Checkpoint, Estimate, Occasion};
use plimsoll_record::series::GapReason;
use plimsoll_record::summary::{Facts, KeyGrowth, PatternGrowth};
use plimsoll_record::units::Unit;
use plimsoll_sampler::keys::{self, Options};
use plimsoll_sampler::probe::Failure;
use plimsoll_sampler::{StartError, redis};
use serde_json::{Value, json};

use crate::args::{Databases, Format, KeysArgs};
use crate::exit::Fatal;
use crate::setup::redis_or_default;

pub(crate) use self::difference::left_behind;
pub(crate) use self::look::by_database;

const PATIENCE: Duration = Duration::from_secs(5);
/// The share of Redis's own account of its data that the keys read should explain.
const EXPLAINED: f64 = 0.85;
/// Less than this is not worth a remark.
const UNEXPLAINED_BYTES: f64 = 1e6;

pub(crate) async fn run(args: &KeysArgs) -> Result<ExitCode, Fatal> {
    let text = match &args.diff {
        Some(run) => difference(run, args)?,
        None => look(args).await?,
    };
    match anstream::stdout().write_all(text.as_bytes()) {
        // Whoever reads only the beginning has what was wanted.
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Fatal::environment(anyhow::Error::new(error).context("cannot write the keys")))
        }
        _ => Ok(ExitCode::SUCCESS),
    }
}

async fn look(args: &KeysArgs) -> Result<String, Fatal> {
    let source = redis_or_default(args.redis.as_deref())?;
    let databases = match args.db {
        Databases::All => Vec::new(),
        Databases::One(number) => vec![number],
    };
    let options =
        Options { samples: args.samples, budget: args.budget, patience: PATIENCE, databases, ..Options::default() };
    let read = keys::read(&source, &options, Occasion::Start, RunClock::start()).await;
    let checkpoint = read.map_err(|failure| unreadable(&source, failure))?;
    let unexplained = match args.db {
        Databases::All => unexplained(&source, &checkpoint).await,
        Databases::One(_) => None,
    };
    let address = source.to_string();
    Ok(match args.format {
        Format::Text => look::as_text(&address, &checkpoint, args, unexplained),
        Format::Json => {
            let keys = serde_json::to_value(&checkpoint).context("cannot show the keys").map_err(Fatal::environment)?;
            let elsewhere = unexpected(&checkpoint, &args.expect_db);
            format!("{:#}\n", json!({"address": address, "keys": keys, "unexpected_databases": elsewhere}))
        }
    })
}

/// Why keys could not be read, with the way out.
pub(crate) fn unreadable(source: &RedisSource, failure: Failure) -> Fatal {
    match failure.reason {
        GapReason::Unreachable | GapReason::TimedOut => StartError::redis(source, failure).into(),
        _ => Fatal::environment(anyhow::anyhow!("cannot read the keys of {source}: {}", failure.detail)),
    }
}

/// Databases that hold keys and were not meant to.
pub(crate) fn unexpected(checkpoint: &Checkpoint, expected: &[u32]) -> Vec<u32> {
    let numbers = checkpoint.databases.iter().map(|database| database.number);
    numbers.filter(|number| !expected.is_empty() && !expected.contains(number)).collect()
}

/// Redis's own account of its data set, in bytes, when the keys that were drawn are far from explaining it: a few very
/// large keys are rarely drawn.
async fn unexplained(source: &RedisSource, checkpoint: &Checkpoint) -> Option<f64> {
    if checkpoint.databases.iter().all(|database| database.exact) {
        return None;
    }
    let explained: f64 = checkpoint.databases.iter().map(|database| database.bytes.upper).sum();
    let servers = redis::inspect(source, PATIENCE).await.ok()?;
    let dataset: f64 = servers.iter().map(|(_, info)| info.number("used_memory_dataset")).sum::<Option<f64>>()?;
    (explained < EXPLAINED * dataset && dataset - explained > UNEXPLAINED_BYTES).then_some(dataset)
}

fn difference(run: &Path, args: &KeysArgs) -> Result<String, Fatal> {
    let facts = Facts::load(run).map_err(Fatal::usage)?;
    let growth = facts.key_growth(None).ok_or_else(|| {
        Fatal::usage_message(format!(
            "{} has fewer than two checkpoints of keys: record it with memwatch and a Redis to watch, and leave \
             `keys = false` out of [watch]",
            run.display()
        ))
    })?;
    Ok(match args.format {
        Format::Text => difference::as_text(&growth, args.top),
        Format::Json => format!("{:#}\n", as_json(&growth)),
    })
}

fn as_json(growth: &KeyGrowth) -> Value {
    let estimate =
        |estimate: Estimate| json!({"value": estimate.value, "lower": estimate.lower, "upper": estimate.upper});
    let pattern = |pattern: &PatternGrowth| {
        json!({
            "database": pattern.database,
            "pattern": pattern.pattern,
            "keys": estimate(pattern.keys),
            "bytes": estimate(pattern.bytes),
            "bytes_per_second": estimate(pattern.bytes_per_second),
            "keys_without_ttl": estimate(pattern.lasting),
            "share_without_ttl": pattern.lasting_share,
            "grew": pattern.bytes.lower > 0.0,
        })
    };
    json!({
        "from_seconds": growth.window.from.as_secs_f64(),
        "to_seconds": growth.window.to.as_secs_f64(),
        "patterns": growth.patterns.iter().map(pattern).collect::<Vec<_>>(),
    })
}

fn bytes(value: f64) -> String {
    Unit::Bytes.show(value)
}

/// A pattern cut to this many characters; the end tells more than the middle.
fn fitted(text: &str, width: usize) -> String {
    let length = text.chars().count();
    if length <= width {
        return text.to_owned();
    }
    let kept = width.saturating_sub(3);
    let (head, tail) = (kept.div_ceil(2), kept / 2);
    let head: String = text.chars().take(head).collect();
    let tail: String = text.chars().skip(length - tail).collect();
    format!("{head}...{tail}")
}

/// Columns of the terminal, within reason; what a page has where there is none.
fn width() -> usize {
    crate::table::terminal_width().unwrap_or(100).clamp(60, 160)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_pattern_keeps_its_beginning_and_its_end() {
        assert_eq!(fitted("session:{uuid}", 20), "session:{uuid}");
        assert_eq!(fitted("service:orders:tenant:{n}:basket:{uuid}", 20), "service:o...t:{uuid}");
        assert_eq!(fitted("service:orders:tenant:{n}", 20).chars().count(), 20);
    }
}
