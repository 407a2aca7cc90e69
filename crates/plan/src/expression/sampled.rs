//! What memwatch samples and counts: `slope(redis.used_memory)`, `log.errors.oom`.

use plimsoll_record::metric::{METRICS, Metric as Sampled, Source};

use crate::criteria::{Function, Metric};
use crate::reader::Text;
use crate::watch::{LogWatch, Watch};
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
pub(super) fn series(function: Function, text: &Text<'_>, watch: Option<&Watch>) -> Option<Metric> {
    let word = text.content.as_str();
    let found = Sampled::find_of(word).map(|(metric, _)| metric);
    if found.is_none() {
        if measured::plain(word).is_some() || measured::percentile_number(word).is_some() {
            let help = format!("write it alone: `{word} < ...`; functions take series that are sampled over time");
            text.reject(format!("`{word}` is no sampled series"), None, help);
        } else {
            unknown(text);
        }
    }
    let metric = found?;
    let of = which(text, metric, watch)?;
    Some(Metric::Series { function, metric, of })
}

/// The name of the series that is meant: the one stated, else the only one. None inside where a source has only one.
#[expect(clippy::option_option, reason = "the outer one is a problem that was noted")]
fn which(text: &Text<'_>, metric: &Sampled, watch: Option<&Watch>) -> Option<Option<String>> {
    if !metric.source.is_named() {
        return Some(None);
    }
    let names = watch.map(|watch| watch.names(metric.source)).unwrap_or_default();
    let prefix = metric.source.prefix();
    let stated = Sampled::find_of(&text.content).and_then(|(_, of)| of);
    match (stated, names.as_slice()) {
        (Some(stated), _) if names.contains(&stated) => Some(Some(stated.to_owned())),
        // That nothing is watched is said where the rest of the plan is looked at.
        (_, []) => Some(None),
        (None, [only]) => Some(Some((*only).to_owned())),
        (Some(stated), _) => {
            let help = format!("{prefix}s of [watch] are: {}", words::list(names.iter().copied()));
            let near = words::nearest(stated, names.iter().copied());
            let place = text.part(prefix.len() + 1..prefix.len() + 1 + stated.len());
            place.reject(format!("there is no {prefix} `{stated}`"), near, help);
            None
        }
        (None, _) => {
            let each = names.iter().map(|name| metric.name_of(Some(name))).collect::<Vec<_>>();
            let help = format!("say which one: {}", words::list(each.iter().map(String::as_str)));
            text.reject(format!("several {prefix}s are watched"), None, help);
            None
        }
    }
}

fn unknown(text: &Text<'_>) {
    let names: Vec<String> = METRICS.iter().map(Sampled::name).collect();
    let near = words::nearest(&text.content, names.iter().map(String::as_str));
    let prefix = text.content.split('.').next().unwrap_or_default();
    let related: Vec<&str> =
        names.iter().map(String::as_str).filter(|name| name.split('.').next() == Some(prefix)).collect();
    let help = if related.is_empty() {
        let prefixes: Vec<String> = Source::ALL.iter().map(|source| format!("{}.", source.prefix())).collect();
        let prefixes = words::list(prefixes.iter().map(String::as_str));
        format!("the names of series begin with {prefixes}, such as `redis.used_memory`")
    } else {
        format!("valid are {}", words::list(related))
    };
    text.reject(format!("unknown series `{}`", text.content), near, help);
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
    let events = || log.events();
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
