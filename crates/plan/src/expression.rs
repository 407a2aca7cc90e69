//! The one-line language of criteria.
//!
//! ```text
//! criterion  = measured comparison limit ;
//! measured   = metric | function "(" series ")" ;
//! metric     = "p" number | "service.p" number              percentiles of response and of service time
//!            | "mean" | "max"                                of response time
//!            | "error_rate" | "throughput" | "count" | "limited_share"
//!            | "limiter.effectiveness" | "limiter.false_rejects"
//!            | "redis.fragmentation"
//!            | "log." name "." ( "lines" | event ) ;         lines counted in a followed log
//! function   = "slope" | "max" | "min" | "mean" | "last" ;
//! series     = a word of plimsoll_record::metric ;
//! comparison = "<" | "<=" | ">" | ">=" | "==" ;
//! limit      = number [ unit ] ;                             as in plimsoll_record::units
//! ```
//!
//! Space may stand between all of these. Here words are understood; whether the rest of the plan gives what they
//! need is checked by the reader of `[criteria]`.

use std::ops::Range;

use plimsoll_record::metric::{METRICS, Metric as Sampled};
use plimsoll_record::units::{Quantity, Unit};

use crate::criteria::{Comparison, Expression, Function, Metric};
use crate::quantities::{example, kind};
use crate::reader::Text;
use crate::watch::{LOG_EVENTS, LogWatch};
use crate::words;

const COMPARISONS: [(&str, Comparison); 5] = [
    ("<", Comparison::Less),
    ("<=", Comparison::LessOrEqual),
    (">", Comparison::Greater),
    (">=", Comparison::GreaterOrEqual),
    ("==", Comparison::Equal),
];

const FUNCTIONS: [(&str, Function); 5] = [
    ("slope", Function::Slope),
    ("max", Function::Max),
    ("min", Function::Min),
    ("mean", Function::Mean),
    ("last", Function::Last),
];

/// Words that stand for a metric as they are; percentiles and logs have words of their own.
const PLAIN: [(&str, Metric); 9] = [
    ("mean", Metric::Mean),
    ("max", Metric::Max),
    ("error_rate", Metric::ErrorRate),
    ("throughput", Metric::Throughput),
    ("count", Metric::Count),
    ("limited_share", Metric::LimitedShare),
    ("limiter.effectiveness", Metric::LimiterEffectiveness),
    ("limiter.false_rejects", Metric::LimiterFalseRejects),
    ("redis.fragmentation", Metric::Fragmentation),
];

const EXAMPLE: &str = "write for example `p99 < 500ms` or `slope(redis.used_memory) < 1 MB/min`";

/// Understands a criterion, or notes what is wrong with it.
pub(crate) fn parse(text: &Text<'_>, logs: &[LogWatch]) -> Option<Expression> {
    let Some(operator) = operator(&text.content) else {
        text.reject("the criterion compares nothing", None, EXAMPLE);
        return None;
    };
    let comparison = comparison(&text.part(operator.clone()));
    let metric = measured(&text.part(0..operator.start), logs);
    let limit_text = text.part(operator.end..text.content.len());
    let metric = metric?;
    let limit = limit(&limit_text, &text.part(0..operator.start), &metric)?;
    Some(Expression { metric, comparison: comparison?, limit })
}

/// The first run of characters of which comparisons are made.
fn operator(text: &str) -> Option<Range<usize>> {
    let is_operator = |c: char| matches!(c, '<' | '>' | '=' | '!' | '~');
    let start = text.find(is_operator)?;
    let length = text[start..].find(|c| !is_operator(c)).unwrap_or(text.len() - start);
    Some(start..start + length)
}

fn comparison(text: &Text<'_>) -> Option<Comparison> {
    let found = COMPARISONS.iter().find(|(word, _)| *word == text.content).map(|(_, comparison)| *comparison);
    if found.is_none() {
        let valid = words::list(COMPARISONS.iter().map(|(word, _)| *word));
        text.reject(format!("unknown comparison `{}`", text.content), None, format!("valid are {valid}"));
    }
    found
}

fn measured(text: &Text<'_>, logs: &[LogWatch]) -> Option<Metric> {
    if let Some(rest) = text.content.strip_prefix("log.") {
        return log(text, rest, logs);
    }
    match text.content.find('(') {
        Some(open) => series(text, open),
        None => metric(text, logs),
    }
}

fn metric(text: &Text<'_>, logs: &[LogWatch]) -> Option<Metric> {
    let word = text.content.as_str();
    if let Some((_, metric)) = PLAIN.iter().find(|(plain, _)| *plain == word) {
        return Some(metric.clone());
    }
    if let Some(number) = percentile_number(word) {
        return percentile(text, number);
    }
    if let Some(sampled) = Sampled::find(word) {
        let help = format!("say which value: `max({0})`, `last({0})`, `slope({0})`, ...", sampled.name());
        text.reject(format!("`{word}` is sampled over time"), None, help);
    } else if word.is_empty() {
        text.reject("nothing is compared", None, EXAMPLE);
    } else {
        unknown_metric(text, logs);
    }
    None
}

fn unknown_metric(text: &Text<'_>, logs: &[LogWatch]) {
    let sampled: Vec<String> = METRICS.iter().map(Sampled::name).collect();
    let plain = || PLAIN.iter().map(|(word, _)| *word).chain(["p50", "p95", "p99", "service.p99"]);
    let near = words::nearest(&text.content, plain().chain(sampled.iter().map(String::as_str)));
    let logs = logs.iter().map(|log| format!("log.{}.lines", log.name)).collect::<Vec<_>>();
    let valid = words::list(plain().chain(logs.iter().map(String::as_str)));
    let help = format!("valid are {valid}, and functions of a series such as `slope(redis.used_memory)`");
    text.reject(format!("unknown metric `{}`", text.content), near, help);
}

/// The number of `p99.9` or `service.p99.9`.
fn percentile_number(word: &str) -> Option<&str> {
    let number = word.strip_prefix("service.").unwrap_or(word).strip_prefix('p')?;
    let numeric = number.starts_with(|c: char| c.is_ascii_digit())
        && number.chars().all(|c| c.is_ascii_digit() || c == '.')
        && number.matches('.').count() <= 1;
    numeric.then_some(number)
}

fn percentile(text: &Text<'_>, number: &str) -> Option<Metric> {
    // Through the text, because 99.9 / 100 is not the double nearest to 0.999.
    let quantile: f64 = format!("{number}e-2").parse().unwrap_or(f64::NAN);
    if quantile > 0.0 && quantile < 1.0 {
        return Some(Metric::Percentile { quantile, service: text.content.starts_with("service.") });
    }
    let help = "percentiles lie between 0 and 100, both excluded; the largest value is `max`";
    text.reject(format!("there is no percentile {number}"), None, help);
    None
}

/// `slope(redis.used_memory)`.
fn series(text: &Text<'_>, open: usize) -> Option<Metric> {
    let function = function(&text.part(0..open));
    let Some(inside) = text.content[open + 1..].strip_suffix(')') else {
        text.reject("the parenthesis is not closed before the comparison", None, EXAMPLE);
        return None;
    };
    let metric = sampled(&text.part(open + 1..open + 1 + inside.len()))?;
    Some(Metric::Series { function: function?, metric })
}

fn function(text: &Text<'_>) -> Option<Function> {
    let found = FUNCTIONS.iter().find(|(word, _)| *word == text.content).map(|(_, function)| *function);
    if found.is_none() {
        let names = || FUNCTIONS.iter().map(|(word, _)| *word);
        let help = format!("valid are {}", words::list(names()));
        text.reject(format!("unknown function `{}`", text.content), words::nearest(&text.content, names()), help);
    }
    found
}

fn sampled(text: &Text<'_>) -> Option<&'static Sampled> {
    let word = text.content.as_str();
    let found = Sampled::find(word);
    if found.is_none() {
        if PLAIN.iter().any(|(plain, _)| *plain == word) || percentile_number(word).is_some() {
            let help = format!("write it alone: `{word} < ...`; functions take series that are sampled over time");
            text.reject(format!("`{word}` is no sampled series"), None, help);
        } else {
            unknown_series(text);
        }
    }
    found
}

fn unknown_series(text: &Text<'_>) {
    let names: Vec<String> = METRICS.iter().map(Sampled::name).collect();
    let near = words::nearest(&text.content, names.iter().map(String::as_str));
    let prefix = text.content.split('.').next().unwrap_or_default();
    let related: Vec<&str> =
        names.iter().map(String::as_str).filter(|name| name.split('.').next() == Some(prefix)).collect();
    let valid = if related.is_empty() { names.iter().map(String::as_str).collect() } else { related };
    text.reject(format!("unknown series `{}`", text.content), near, format!("valid are {}", words::list(valid)));
}

/// `log.errors.oom`: names may hold no dot, events may.
fn log(text: &Text<'_>, rest: &str, logs: &[LogWatch]) -> Option<Metric> {
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

/// The limit, in the metric's unit.
fn limit(text: &Text<'_>, measured: &Text<'_>, metric: &Metric) -> Option<Quantity> {
    let unit = metric.unit();
    let help = format!("write for example `{}`", example(unit));
    let quantity = match Quantity::parse(&text.content) {
        Ok(quantity) => quantity,
        Err(error) => {
            text.reject(error.to_string(), None, help);
            return None;
        }
    };
    let plain_count = unit == Unit::Count && quantity.unit == Unit::Ratio;
    if quantity.unit == unit || plain_count {
        return Some(Quantity { value: quantity.value, unit });
    }
    let title = match quantity.unit {
        Unit::Ratio => format!("`{}` has no unit, but `{}` is {}", text.content, measured.content, kind(unit)),
        other => format!("`{}` is {}, but `{}` is {}", text.content, kind(other), measured.content, kind(unit)),
    };
    text.reject(title, None, help);
    None
}
