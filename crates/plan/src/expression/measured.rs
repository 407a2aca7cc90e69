//! The left side of a comparison, and what a limit may refer to: a metric, where it is measured, functions.

use plimsoll_record::metric::{METRICS, Metric as Sampled};

use crate::criteria::{Elsewhere, Integrity, Metric};
use crate::reader::Text;
use crate::words;

use super::{EXAMPLE, Names, functions, place, sampled};

/// Words that stand for a metric as they are; percentiles and logs have words of their own.
pub(super) const PLAIN: [(&str, Metric); 13] = [
    ("mean", Metric::Mean),
    ("max", Metric::Max),
    ("error_rate", Metric::ErrorRate),
    ("throughput", Metric::Throughput),
    ("count", Metric::Count),
    ("limited_share", Metric::LimitedShare),
    ("limiter.effectiveness", Metric::LimiterEffectiveness),
    ("limiter.false_rejects", Metric::LimiterFalseRejects),
    ("redis.fragmentation", Metric::Fragmentation),
    ("lost_writes", Metric::Integrity(Integrity::LostWrites)),
    ("stale_reads", Metric::Integrity(Integrity::StaleReads)),
    ("corrupted_reads", Metric::Integrity(Integrity::CorruptedReads)),
    ("knee", Metric::Knee(None)),
];

/// A metric and where it says that it is measured.
#[derive(Debug)]
pub(crate) struct Measured {
    pub(crate) metric: Metric,
    pub(crate) place: Elsewhere,
}

impl From<Metric> for Measured {
    fn from(metric: Metric) -> Self {
        Self { metric, place: Elsewhere::default() }
    }
}

pub(super) fn parse(text: &Text<'_>, names: &Names<'_>) -> Option<Measured> {
    if let Some(rest) = text.content.strip_prefix("log.") {
        return sampled::log(text, rest, names.logs()).map(Measured::from);
    }
    let Some(open) = text.content.find('(') else { return metric(text, names).map(Measured::from) };
    if !text.content.ends_with(')') {
        text.reject("the parenthesis is not closed before the comparison", None, EXAMPLE);
        return None;
    }
    let word = text.part(0..open);
    let arguments = arguments(text, open + 1..text.content.len() - 1);
    match functions::call(text, &word, &arguments, names) {
        functions::Call::Of(measured) => Some(measured),
        functions::Call::Rejected => None,
        functions::Call::Metric => {
            let metric = metric(&word, names)?;
            let place = place::read(&arguments, &metric, names)?;
            Some(Measured { metric, place })
        }
    }
}

/// The parts between commas that stand in no parentheses of their own.
fn arguments<'a>(text: &Text<'a>, inside: std::ops::Range<usize>) -> Vec<Text<'a>> {
    let mut list = Vec::new();
    let (mut depth, mut start) = (0_i32, inside.start);
    for (at, c) in text.content[inside.clone()].char_indices() {
        depth += i32::from(c == '(') - i32::from(c == ')');
        if c == ',' && depth == 0 {
            list.push(text.part(start..inside.start + at));
            start = inside.start + at + 1;
        }
    }
    list.push(text.part(start..inside.end));
    list
}

/// A metric by its word alone.
pub(super) fn metric(text: &Text<'_>, names: &Names<'_>) -> Option<Metric> {
    let word = text.content.as_str();
    if let Some(metric) = plain(word) {
        return Some(metric);
    }
    if let Some(number) = percentile_number(word) {
        return percentile(text, number);
    }
    if Sampled::find_of(word).is_some() {
        let help = format!("say which value: `max({0})`, `last({0})`, `slope({0})`, ...", text.content);
        text.reject(format!("`{word}` is sampled over time"), None, help);
    } else if let Some(example) = functions::example(word) {
        text.reject(format!("`{word}` of what?"), None, format!("write for example `{example}`"));
    } else if word.is_empty() {
        text.reject("nothing is compared", None, EXAMPLE);
    } else {
        unknown(text, names);
    }
    None
}

pub(super) fn plain(word: &str) -> Option<Metric> {
    PLAIN.iter().find(|(plain, _)| *plain == word).map(|(_, metric)| metric.clone())
}

fn unknown(text: &Text<'_>, names: &Names<'_>) {
    let sampled: Vec<String> = METRICS.iter().map(Sampled::name).collect();
    let plain = || PLAIN.iter().map(|(word, _)| *word).chain(["p50", "p95", "p99", "service.p99"]);
    let near = words::nearest(&text.content, plain().chain(sampled.iter().map(String::as_str)));
    let logs = names.logs().iter().map(|log| format!("log.{}.lines", log.name)).collect::<Vec<_>>();
    let valid = words::list(plain().chain(logs.iter().map(String::as_str)));
    let help = format!(
        "valid are {valid}, functions such as `slope(redis.used_memory)`, `share(5xx)`, `drift(p95)`, \
         `recovery_time(PHASE)`, and a place in parentheses: `p95(ENDPOINT)`; see docs/criteria.md"
    );
    text.reject(format!("unknown metric `{}`", text.content), near, help);
}

/// The number of `p99.9` or `service.p99.9`.
pub(super) fn percentile_number(word: &str) -> Option<&str> {
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
