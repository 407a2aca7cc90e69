//! From the command line to what is watched and where it is recorded: plan, environment, options, run directory.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use plimsoll_plan::{Alert, KeysWatch, Plan, ProcessWatch, RedisSource, SourceText, Surroundings, Trigger, Watch};
use plimsoll_record::RunDir;
use plimsoll_record::events::Level;

use crate::args::Sources;
use crate::exit::Fatal;

/// Who writes the record.
pub(crate) const PRODUCER: &str = concat!("memwatch ", env!("CARGO_PKG_VERSION"));

const DEFAULT_REDIS: &str = "redis://127.0.0.1:6379";
const DEFAULT_INTERVAL: Duration = Duration::from_secs(1);
/// Without a plan: what is worth a warning, and what is critical. Growth is in bytes per second.
const DEFAULT_ALERTS: [(Trigger, Level); 4] = [
    (Trigger::Growth(10e6 / 60.0), Level::Warn),
    (Trigger::Growth(50e6 / 60.0), Level::Critical),
    (Trigger::Evictions(0.0), Level::Warn),
    (Trigger::RejectedClients(0.0), Level::Warn),
];

/// What is watched, and the run it is recorded into.
#[derive(Debug)]
pub(crate) struct Setup {
    pub(crate) watch: Watch,
    pub(crate) run: Option<RunDir>,
}

impl Setup {
    /// Works out what the options mean. The run directory is created or joined, and gets the plan as it stands:
    /// options of memwatch alone don't change what both tools agree on.
    pub(crate) fn new(sources: &Sources) -> Result<Self, Fatal> {
        let plan = sources.plan.as_deref().map(|path| read_plan(path, sources)).transpose()?;
        let planned = plan.as_ref().and_then(|plan| plan.watch.clone());
        let mut watch = planned.map_or_else(unplanned, Ok)?;
        if let Some(url) = &sources.redis {
            watch.redis = Some(redis_source(url)?);
        }
        if let Some(interval) = sources.interval {
            watch.every = interval;
        }
        if !sources.expect_db.is_empty() {
            watch.databases.clone_from(&sources.expect_db);
        }
        if let Some(pid) = sources.pid {
            watch.process = Some(ProcessWatch::Pid(pid));
        }
        if watch.redis.as_ref().is_some_and(RedisSource::trusts_anyone) {
            let warning = "the certificate of Redis is not checked (insecure): whoever answers is believed";
            anstream::eprintln!("memwatch: warning: {warning}");
        }
        let run = sources.run_dir.as_deref().map(|dir| open_run(dir, plan.as_ref())).transpose()?;
        Ok(Self { watch, run })
    }
}

/// Redis as an option names it, else the environment, else this machine's.
pub(crate) fn redis_or_default(option: Option<&str>) -> Result<RedisSource, Fatal> {
    let from_environment = || variable("REDIS_URL").unwrap_or_else(|| DEFAULT_REDIS.to_owned());
    redis_source(&option.map_or_else(from_environment, str::to_owned))
}

fn read_plan(path: &Path, sources: &Sources) -> Result<Plan, Fatal> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("cannot read the plan {}", path.display()))
        .map_err(Fatal::usage)?;
    let source = SourceText { name: path.display().to_string(), text };
    let directory = path.parent().unwrap_or(Path::new(""));
    let file = |name: &str| std::fs::read(directory.join(name));
    let parse = if sources.quick { plimsoll_plan::parse_quick } else { plimsoll_plan::parse };
    Ok(parse(&source, &sources.set, &Surroundings { environment: &variable, file: &file })?)
}

/// What is watched when no plan says so: Redis and the host.
fn unplanned() -> Result<Watch, Fatal> {
    let alert = |(trigger, level)| Alert::new(trigger, level, level == Level::Critical);
    Ok(Watch {
        every: DEFAULT_INTERVAL,
        redis: Some(redis_or_default(None)?),
        alerts: DEFAULT_ALERTS.into_iter().map(alert).collect(),
        keys: Some(KeysWatch::default()),
        ..Watch::default()
    })
}

/// Without a plan of its own memwatch stores none: the tool it runs beside may have one.
fn open_run(dir: &Path, plan: Option<&Plan>) -> Result<RunDir, Fatal> {
    let run = RunDir::create_or_join(dir, plan.map_or("watch", |plan| &plan.name), PRODUCER)?;
    if let Some(plan) = plan {
        run.store_plan(&plan.to_toml())?;
    }
    Ok(run)
}

/// A variable of the environment; empty counts as unset.
#[expect(clippy::disallowed_methods, reason = "the binary reads the environment and hands a lookup to the libraries")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn redis_source(text: &str) -> Result<RedisSource, Fatal> {
    let no_file = |_: &str| Err(std::io::ErrorKind::NotFound.into());
    let surroundings = Surroundings { environment: &variable, file: &no_file };
    // The text itself may hold a password: only what is wrong with it is said.
    plimsoll_plan::parse_redis(text, &surroundings)
        .map_err(|problems| Fatal::usage_message(format!("--redis: {}", problems.in_words())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redis_can_be_named_by_url_or_as_in_a_plan() {
        assert_eq!(redis_source("redis://me:pw@10.0.0.1/2").unwrap().to_string(), "redis://10.0.0.1:6379/2");
        let table = "{ url = 'rediss://10.0.0.1', tls = { insecure = true } }";
        assert!(redis_source(table).unwrap().trusts_anyone());
    }

    #[test]
    fn a_wrong_url_is_explained_without_repeating_it() {
        for text in ["hunter2@localhost", "redis://:hunter2@", "memcached://hunter2"] {
            let message = format!("{:?}", redis_source(text).unwrap_err());
            assert!(message.contains("redis://") && !message.contains("hunter2"), "{message}");
        }
    }
}
