//! `[watch]`: the logs to follow.

use std::path::{Path, PathBuf};

use crate::diagnostics::Problem;
use crate::patterns::Pattern;
use crate::reader::{Field, Reader};
use crate::tree::Value;
use crate::watch::{LOG_EVENTS, LogWatch, SlowLines};
use crate::words;

/// Reads `logs`.
pub(super) fn read(field: &Field<'_>) -> Vec<LogWatch> {
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
    let patterns = reader.field("patterns").map(|field| patterns(&field)).unwrap_or_default();
    let slow = reader.optional("slow", slow);
    let count_by = reader.field("count_by");
    if let (Some(field), None, true) = (&count_by, reader.table.get("event"), patterns.is_empty()) {
        field.reject("`count_by` without `event`", "add the event whose lines are counted: `event = \"...\"`");
    }
    let count_by = count_by.and_then(|field| field.text("the name of a field")).map(|text| text.content);
    LogWatch { name, path, event: event.map(|text| text.content), count_by, patterns, slow }
}

/// The name of a log that has none: its file's stem, with characters that fit no name replaced.
fn stem(path: &Path, reader: &Reader<'_>) -> String {
    let stem = path.file_stem().map(|stem| stem.to_string_lossy()).unwrap_or_default();
    if stem.is_empty() && reader.table.get("path").is_some() {
        reader.reject("the log's path has no file name", "write for example `path = \"logs/errors.log\"`");
    }
    stem.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).collect()
}

/// `{ retried = 'retry \d+', rejected = 'rejected by (?<limit_type>\w+)' }`.
fn patterns(field: &Field<'_>) -> Vec<(String, Pattern)> {
    let table = field.table("`patterns`");
    let mut all = Vec::new();
    for entry in &table.table.entries {
        let taken = LOG_EVENTS.iter().map(|known| known.word).chain(["lines", "slow"]).any(|word| word == entry.key);
        if !words::is_name(&entry.key) || taken {
            let title = format!("`{}` cannot be the name of a pattern", entry.key);
            let help = "take a word of letters, digits, `-` and `_` that is not counted already";
            field.context.report(Problem::new(&entry.origin, title).help(help));
        }
        let Some(text) = Field::of(entry, field.context).text("a regular expression") else { continue };
        match Pattern::new(&text.content) {
            Ok(pattern) => all.push((entry.key.clone(), pattern)),
            Err(error) => text.reject(error.to_string(), None, "write for example `'took \\d{4,} ?ms'`"),
        }
    }
    all
}

/// `{ field = "duration_ms", above = 1000 }`.
fn slow(field: &Field<'_>) -> Option<SlowLines> {
    let reader = field.table("`slow`");
    let name = reader.required("field", "\"duration_ms\"", |field| field.text("the field that says how long it took"));
    let above = reader.required("above", "1000", number);
    reader.finish();
    Some(SlowLines { field: name?.content, above: above? })
}

fn number(field: &Field<'_>) -> Option<f64> {
    let number = match &field.node.value {
        Value::Integer(integer) => Some(*integer as f64),
        Value::Float(float) => Some(*float),
        _ => None,
    };
    let sound = number.filter(|number| number.is_finite() && *number >= 0.0);
    if sound.is_none() {
        field.reject("`above` is a number, 0 or more, in the unit of the field", "write for example `above = 1000`");
    }
    sound
}
