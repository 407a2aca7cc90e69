//! `alerts` and `keys` of `[watch]`.

use std::time::Duration;

use plimsoll_record::events::Level;
use plimsoll_record::units::Unit;

use crate::quantities;
use crate::reader::{Field, Reader};
use crate::tree::Value;
use crate::watch::{Actions, Alert, KeysWatch, Trigger};

use super::target::web_url;

/// Checkpoints of keys closer than this would leave nothing of their budget of 1 %.
const SHORTEST_BETWEEN_CHECKPOINTS: Duration = Duration::from_secs(10);
const FEWEST_SAMPLES: i128 = 10;

/// Reads `alerts`.
pub(super) fn alerts(field: &Field<'_>, has_redis: bool) -> Vec<Alert> {
    let readers = field.tables("an alert");
    if !has_redis && !readers.is_empty() {
        let help = "add `redis = \"redis://127.0.0.1:6379\"` to [watch], or leave the alerts out";
        field.reject("alerts need a Redis to watch", help);
    }
    let mut alerts: Vec<Alert> = Vec::new();
    for reader in readers {
        let alert = alert(&reader);
        let same = |other: &Alert| other.level == alert.level && other.trigger.word() == alert.trigger.word();
        // What stands in for a limit that was not understood is no second alert.
        let stated = ["level", alert.trigger.word()].iter().all(|word| reader.table.get(word).is_some());
        if stated && alerts.iter().any(same) {
            let title = format!("two alerts on `{}` have the same level", alert.trigger.word());
            reader.reject(title, "the lower limit decides: keep that one");
        }
        reader.finish();
        alerts.push(alert);
    }
    alerts
}

fn alert(reader: &Reader<'_>) -> Alert {
    let trigger = trigger(reader);
    let words = [("warn", Level::Warn), ("critical", Level::Critical)];
    let level = reader.required("level", "\"warn\"", |field| field.choice(&words)).unwrap_or(Level::Critical);
    let stop = reader.field("stop");
    let stops = stop.as_ref().and_then(Field::boolean).unwrap_or(false);
    if let (Some(field), true, Level::Warn) = (stop, stops, level) {
        field.reject("a warning does not stop the run", "write `level = \"critical\"`, or leave `stop` out");
    }
    Alert { trigger, level, stop: stops, actions: actions(reader) }
}

/// The one key that says what must not be exceeded.
fn trigger(reader: &Reader<'_>) -> Trigger {
    let read = [
        reader.optional("growth", |field| above_zero(field, Unit::BytesPerSecond, "10MB/min").map(Trigger::Growth)),
        reader.optional("size", |field| above_zero(field, Unit::Bytes, "100MB").map(Trigger::Size)),
        reader.optional("of_maxmemory", |field| above_zero(field, Unit::Share, "80%").map(Trigger::OfMaxmemory)),
        reader.optional("evictions", |field| rate(field).map(Trigger::Evictions)),
        reader.optional("oom_errors", |field| count(field).map(Trigger::OomErrors)),
        reader.optional("blocked_clients", |field| count(field).map(Trigger::BlockedClients)),
        reader.optional("rejected_clients", |field| count(field).map(Trigger::RejectedClients)),
    ];
    let words = ["growth", "size", "of_maxmemory", "evictions", "oom_errors", "blocked_clients", "rejected_clients"];
    let stated: Vec<&str> = words.into_iter().filter(|word| reader.table.get(word).is_some()).collect();
    match stated[..] {
        [] => reader.reject("the alert has no limit", format!("add one of {}", crate::words::list(words))),
        [_] => {}
        _ => reader.reject(
            format!("the alert has several limits: {}", crate::words::list(stated)),
            "make an alert of its own of each",
        ),
    }
    read.into_iter().flatten().next().unwrap_or(Trigger::Growth(1.0))
}

fn actions(reader: &Reader<'_>) -> Actions {
    let run = reader.field("run").map(|field| program(&field)).unwrap_or_default();
    let webhook = reader.optional("webhook", |field| {
        let text = field.text("an address on this machine")?;
        let url = web_url(&text, "http://127.0.0.1:9000/alarm")?;
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let local = host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
        if url.scheme() != "http" || !local {
            let help = "write for example `http://127.0.0.1:9000/alarm`, and let a program there pass it on";
            text.reject("a webhook is an http:// address of this machine", None, help);
        }
        if text.has_environment() {
            text.reject("", None, "the address is recorded: leave secrets out of it");
        }
        Some(url)
    });
    Actions { run, webhook }
}

fn program(field: &Field<'_>) -> Vec<String> {
    if !matches!(field.node.value, Value::List(_)) {
        field.reject(
            format!("`{}` is {}", field.key, field.node.value.kind()),
            "there is no shell: write a list, for example `[\"notify-send\", \"memwatch\"]`",
        );
        return Vec::new();
    }
    // As stated: a program reads its environment itself, and the record is no place for what is in it.
    let words: Vec<String> = field.items().iter().filter_map(|item| item.string("a word").map(str::to_owned)).collect();
    if words.first().is_none_or(String::is_empty) {
        field.reject("`run` names no program", "write for example `[\"notify-send\", \"memwatch\"]`");
    }
    words
}

fn above_zero(field: &Field<'_>, unit: Unit, example: &str) -> Option<f64> {
    let text = field.quantity_text(example)?;
    let number = quantities::number(&text, field.key, unit, example)?;
    if number <= 0.0 {
        text.reject(format!("`{}` must be above zero", field.key), None, format!("write for example `{example}`"));
    }
    Some(number)
}

fn rate(field: &Field<'_>) -> Option<f64> {
    quantities::rate(&field.quantity_text("10/s")?, field.key, "10/s").map(|rate| rate.as_per_second())
}

fn count(field: &Field<'_>) -> Option<f64> {
    field.whole::<u32>(0).map(f64::from)
}

/// Reads `keys`: a table, or `true` or `false`.
pub(super) fn keys(field: &Field<'_>) -> Option<KeysWatch> {
    if let Value::Boolean(wanted) = field.node.value {
        return wanted.then(KeysWatch::default);
    }
    let reader = field.table("`keys`");
    let default = KeysWatch::default();
    let every = reader.optional("every", |field| field.duration(SHORTEST_BETWEEN_CHECKPOINTS, "5m"));
    let samples = reader.optional("samples", |field| field.whole::<u64>(FEWEST_SAMPLES)).unwrap_or(default.samples);
    let budget = reader.optional("budget", |field| field.positive_duration("250ms")).unwrap_or(default.budget);
    reader.finish();
    Some(KeysWatch { every, samples, budget })
}

/// Reads `databases`: the numbers of those that are meant to hold keys.
pub(super) fn databases(field: &Field<'_>) -> Vec<u32> {
    field.items().iter().filter_map(|item| item.whole::<u32>(0)).collect()
}
