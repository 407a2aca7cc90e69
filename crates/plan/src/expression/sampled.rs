//! What memwatch samples and counts: `slope(redis.used_memory)`, `log.errors.oom`.

use plimsoll_record::metric::{METRICS, Metric as Sampled};

use crate::criteria::{Function, Metric};
use crate::reader::Text;
use crate::watch::{LOG_EVENTS, LogWatch};
use crate::words;

use super::measured;

pub(super) const FUNCTIONS: [(&str, Function); 7] = [
    ("slope", Function::Slope),
    ("max", Function::Max),
    ("peak", Function::Max),
    ("min", Function::Min),
    ("mean", Function::Mean),
    ("last", Function::Last),
    ("rate", Function::Rate),
];

pub(super) fn function(word: &str) -> Option<Function> {
    FUNCTIONS.iter().find(|(known, _)| *known == word).map(|(_, function)| *function)
}

/// A function of a series.
pub(super) fn series(function: Function, text: &Text<'_>) -> Option<Metric> {
    let word = text.content.as_str();
    let found = Sampled::find(word);
    if found.is_none() {
        if measured::plain(word).is_some() || measured::percentile_number(word).is_some() {
            let help = format!("write it alone: `{word} < ...`; functions take series that are sampled over time");
            text.reject(format!("`{word}` is no sampled series"), None, help);
        } else {
            unknown(text);
        }
    }
    found.map(|metric| Metric::Series { function, metric })
}

fn unknown(text: &Text<'_>) {
    let names: Vec<String> = METRICS.iter().map(Sampled::name).collect();
    let near = words::nearest(&text.content, names.iter().map(String::as_str));
    let prefix = text.content.split('.').next().unwrap_or_default();
    let related: Vec<&str> =
        names.iter().map(String::as_str).filter(|name| name.split('.').next() == Some(prefix)).collect();
    let valid = if related.is_empty() { names.iter().map(String::as_str).collect() } else { related };
    text.reject(format!("unknown series `{}`", text.content), near, format!("valid are {}", words::list(valid)));
}

/// `log.errors.oom`: names may hold no dot, events may.
pub(super) fn log(text: &Text<'_>, rest: &str, logs: &[LogWatch]) -> Option<Metric> {
    let (name, event) = rest.split_once('.').unwrap_or((rest, ""));
    let start = text.content.len() - rest.len();
    let Some(log) = logs.iter().find(|log| log.name == name) else {
        let names = || logs.iter().map(|log| log.name.as_str());
        let help = format!("logs of [watch] are: {}", words::list(names()));
        let place = text.part(start..start + name.len());
        place.reject(format!("there is no log `{name}`"), words::nearest(name, names()), help);
        return None;
    };
    let events = || ["lines"].into_iter().chain(log.event.as_deref()).chain(LOG_EVENTS.iter().map(|known| known.word));
    if events().any(|known| known == event) {
        return Some(Metric::Log { log: name.to_owned(), event: event.to_owned() });
    }
    let help = format!("counted in `{name}` are: {}", words::list(events()));
    if event.is_empty() {
        text.reject(format!("the criterion does not say what to count in the log `{name}`"), None, help);
    } else {
        let place = text.part(text.content.len() - event.len()..text.content.len());
        place.reject(format!("the log `{name}` has no event `{event}`"), words::nearest(event, events()), help);
    }
    None
}
