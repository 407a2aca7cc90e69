//! `memwatch flush`: a clean start, never without being told to.
//!
//! It shows what would go, asks, and wants the host of another machine named a second time.

use std::io::{IsTerminal as _, Write as _};
use std::net::IpAddr;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use plimsoll_plan::{RedisPlace, RedisSource};
use plimsoll_record::RunClock;
use plimsoll_record::keys::{Checkpoint, Occasion};
use plimsoll_record::units::{Unit, show_count};
use plimsoll_sampler::flush::{Extent, Flushed, flush};
use plimsoll_sampler::keys::{self, Options};

use crate::args::FlushArgs;
use crate::exit::{Fatal, STOPPED};
use crate::keys::{by_database, unreadable};
use crate::setup::redis_or_default;

const PATIENCE: Duration = Duration::from_secs(5);

pub(crate) async fn run(args: &FlushArgs) -> Result<ExitCode, Fatal> {
    let source = redis_or_default(args.redis.as_deref())?;
    permitted(&source, args.host.as_deref())?;
    let extent = args.db.map_or(Extent::All, Extent::Database);
    let databases = args.db.into_iter().collect();
    let clock = RunClock::start();
    let options = Options { samples: 1_000, patience: PATIENCE, databases, ..Options::default() };
    let read = keys::read(&source, &options, Occasion::Start, clock).await;
    let found = read.map_err(|failure| unreadable(&source, failure))?;
    let what = match extent {
        Extent::Database(number) => format!("db{number} of {}", source),
        Extent::All => format!("every database of {}", source),
    };
    let keys: u64 = found.databases.iter().map(|database| database.keys).sum();
    if keys == 0 {
        say(&format!("{what} holds no keys: nothing to delete\n"))?;
        return Ok(ExitCode::SUCCESS);
    }
    if !agreed(args, &what, keys, &found)? {
        say("nothing was deleted\n")?;
        return Ok(ExitCode::from(STOPPED));
    }
    let flushed = flush(&source, extent, clock, PATIENCE).await.map_err(|failure| unreadable(&source, failure))?;
    say(&outcome(keys, flushed))?;
    Ok(ExitCode::SUCCESS)
}

/// Refuses another machine's Redis unless its host is named again: the most costly mistake is the wrong URL.
fn permitted(source: &RedisSource, named: Option<&str>) -> Result<(), Fatal> {
    let place = match source {
        RedisSource::Server(server) => &server.place,
        RedisSource::Endpoint(_) => {
            return Err(Fatal::usage_message("an HTTP endpoint cannot delete keys: give the URL of Redis itself"));
        }
        RedisSource::Several(_) => return Err(Fatal::usage_message("one server is emptied at a time: name one")),
    };
    let host = match place {
        RedisPlace::Tcp(address) => address.host.as_str(),
        RedisPlace::Socket(_) => "localhost",
        RedisPlace::Cluster(_) | RedisPlace::Sentinel { .. } => {
            return Err(Fatal::usage_message("one server is emptied at a time: give the redis:// URL of a primary"));
        }
    };
    match named {
        Some(named) if named != host => Err(Fatal::usage_message(format!(
            "--host {named} is not the host of the URL, which is {host}: which one is meant?"
        ))),
        None if !is_this_machine(host) => Err(Fatal::usage_message(format!(
            "{host} is not this machine: to delete its keys all the same, name it again with --host {host}"
        ))),
        _ => Ok(()),
    }
}

fn is_this_machine(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Shows what would go, and asks unless that was answered beforehand.
fn agreed(args: &FlushArgs, what: &str, keys: u64, found: &Checkpoint) -> Result<bool, Fatal> {
    say(&format!("{what}:\n{}", by_database(found)))?;
    if args.yes {
        return Ok(true);
    }
    if !std::io::stdin().is_terminal() {
        return Err(Fatal::usage_message("there is no terminal to ask on: add --yes to delete these keys"));
    }
    say(&format!("Delete {}? [y/N] ", counted(keys)))?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer).context("cannot read the answer").map_err(Fatal::environment)?;
    Ok(["y", "yes"].contains(&answer.trim().to_ascii_lowercase().as_str()))
}

fn counted(keys: u64) -> String {
    if keys == 1 { "this key".to_owned() } else { format!("these {} keys", show_count(keys as f64)) }
}

fn outcome(keys: u64, flushed: Flushed) -> String {
    let mut text = format!("deleted {} keys", show_count(keys as f64));
    if let (Some(before), Some(after)) = (flushed.used_before, flushed.used_after) {
        text.push_str(&format!(", memory {} -> {}", Unit::Bytes.show(before), Unit::Bytes.show(after)));
    }
    if flushed.still_freeing {
        text.push_str(" and still falling");
    }
    if flushed.keys_left > 0 {
        text.push_str(&format!(
            "; {} keys are there again: something still writes",
            show_count(flushed.keys_left as f64)
        ));
    }
    text.push('\n');
    text
}

fn say(text: &str) -> Result<(), Fatal> {
    let mut out = anstream::stdout();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush()).context("cannot write to the terminal");
    written.map_err(Fatal::environment)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(url: &str, named: Option<&str>, allowed: bool) {
        let source = redis_or_default(Some(url)).unwrap();
        let outcome = permitted(&source, named);
        assert_eq!(outcome.is_ok(), allowed, "{url} {named:?}: {outcome:?}");
    }

    #[test]
    fn another_machine_must_be_named_twice() {
        check("redis://127.0.0.1:6379", None, true);
        check("redis://localhost", None, true);
        check("redis://[::1]:6379", None, true);
        check("redis://cache.example.org", None, false);
        check("redis://10.0.0.7", None, false);
        check("redis://localhost.example.org", None, false);
        check("redis://cache.example.org", Some("cache.example.org"), true);
        check("redis://cache.example.org", Some("cache"), false);
        check("redis://127.0.0.1", Some("cache.example.org"), false);
        check("unix:/run/redis.sock", None, true);
        check("redis-cluster://127.0.0.1:7000", None, false);
    }

    #[test]
    fn what_came_of_it_is_told_also_when_somebody_writes_on() {
        let flushed = Flushed { used_before: Some(5e6), used_after: Some(1e6), keys_left: 3, still_freeing: false };
        assert_eq!(
            outcome(1200, flushed),
            "deleted 1,200 keys, memory 5.00 MB -> 1.00 MB; 3 keys are there again: something still writes\n"
        );
    }
}
