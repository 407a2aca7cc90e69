//! `[watch]`: Redis, host, process, logs, alerts.

use std::path::{Path, PathBuf};
use std::time::Duration;

use plimsoll_record::events::Level;
use plimsoll_record::units::Unit;

use crate::quantities;
use crate::reader::{Field, Reader};
use crate::watch::{Alert, LogWatch, ProcessWatch, Watch};

use super::redis;

const EVERY: Duration = Duration::from_secs(1);
const SHORTEST: Duration = Duration::from_millis(100);

/// Reads `[watch]`.
pub(super) fn read(field: &Field<'_>) -> Watch {
    let reader = field.table("[watch]");
    let every = reader.optional("every", |field| field.duration(SHORTEST, "1s")).unwrap_or(EVERY);
    let redis = reader.field("redis").map(|field| redis::read(&field));
    let host = reader.optional("host", Field::boolean).unwrap_or(true);
    let process = reader.field("process").map(|field| process(&field));
    let logs = reader.field("logs").map(|field| logs(&field)).unwrap_or_default();
    let alerts = reader.field("alerts").map(|field| alerts(&field, redis.is_some())).unwrap_or_default();
    reader.finish();
    Watch { every, redis, host, process, logs, alerts }
}

fn process(field: &Field<'_>) -> ProcessWatch {
    let reader = field.table("`process`");
    let pid = reader.optional("pid", |field| field.whole(1));
    let name = reader.optional("name", |field| field.text("the name of an executable"));
    match (&reader.table.get("pid"), &reader.table.get("name")) {
        (Some(_), Some(_)) => reader.reject("`process` has both `pid` and `name`", "keep one of them"),
        (None, None) => reader.reject("`process` names no process", "write `{ pid = 1234 }` or `{ name = \"redis\" }`"),
        _ => {}
    }
    reader.finish();
    match (pid, name) {
        (Some(pid), _) => ProcessWatch::Pid(pid),
        (None, name) => ProcessWatch::Name(name.map(|name| name.content).unwrap_or_default()),
    }
}

fn logs(field: &Field<'_>) -> Vec<LogWatch> {
    let mut logs: Vec<LogWatch> = Vec::new();
    for reader in field.tables("a log") {
        let log = log(&reader);
        if logs.iter().any(|other| other.name == log.name && !log.name.is_empty()) {
            let help = "give one of them its own name: `name = \"...\"`";
            reader.reject(format!("two logs are named `{}`", log.name), help);
        }
        reader.finish();
        logs.push(log);
    }
    logs
}

fn log(reader: &Reader<'_>) -> LogWatch {
    let path = reader.required("path", "\"logs/errors.log\"", |field| field.text("the path of the log file"));
    let path = PathBuf::from(path.map(|path| path.content).unwrap_or_default());
    let name = match reader.field("name") {
        Some(field) => field.name().unwrap_or_default(),
        None => stem(&path, reader),
    };
    let event = reader.optional("event", |field| field.text("the value of the lines' `event` field"));
    let count_by = reader.field("count_by");
    if let (Some(field), None) = (&count_by, reader.table.get("event")) {
        field.reject("`count_by` without `event`", "add the event whose lines are counted: `event = \"...\"`");
    }
    let count_by = count_by.and_then(|field| field.text("the name of a field"));
    LogWatch { name, path, event: event.map(|text| text.content), count_by: count_by.map(|text| text.content) }
}

/// The name of a log that has none: its file's stem, with characters that fit no name replaced.
fn stem(path: &Path, reader: &Reader<'_>) -> String {
    let stem = path.file_stem().map(|stem| stem.to_string_lossy()).unwrap_or_default();
    if stem.is_empty() && reader.table.get("path").is_some() {
        reader.reject("the log's path has no file name", "write for example `path = \"logs/errors.log\"`");
    }
    stem.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).collect()
}

fn alerts(field: &Field<'_>, has_redis: bool) -> Vec<Alert> {
    let readers = field.tables("an alert");
    if !has_redis && !readers.is_empty() {
        let help = "add `redis = \"redis://127.0.0.1:6379\"` to [watch], or leave the alerts out";
        field.reject("alerts on growth need a Redis to watch", help);
    }
    let mut alerts: Vec<Alert> = Vec::new();
    for reader in readers {
        let alert = alert(&reader);
        if alerts.iter().any(|other| other.level == alert.level) && reader.table.get("level").is_some() {
            reader.reject("two alerts have the same level", "the lower growth decides: keep that one");
        }
        reader.finish();
        alerts.push(alert);
    }
    alerts
}

fn alert(reader: &Reader<'_>) -> Alert {
    let growth = reader.required("growth", "\"10MB/min\"", growth).unwrap_or(1.0);
    let words = [("warn", Level::Warn), ("critical", Level::Critical)];
    let level = reader.required("level", "\"warn\"", |field| field.choice(&words)).unwrap_or(Level::Critical);
    let stop = reader.field("stop");
    let stops = stop.as_ref().and_then(Field::boolean).unwrap_or(false);
    if let (Some(field), true, Level::Warn) = (stop, stops, level) {
        field.reject("a warning does not stop the run", "write `level = \"critical\"`, or leave `stop` out");
    }
    Alert { growth, level, stop: stops }
}

fn growth(field: &Field<'_>) -> Option<f64> {
    let text = field.quantity_text("10MB/min")?;
    let growth = quantities::number(&text, field.key, Unit::BytesPerSecond, "10MB/min")?;
    if growth <= 0.0 {
        text.reject("`growth` must be above zero", None, "write for example `10MB/min`");
    }
    Some(growth)
}
