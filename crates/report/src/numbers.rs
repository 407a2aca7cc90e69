//! The few numbers that sum a run up, for the top of the page and of the Markdown summary.

use plimsoll_record::metric::{Metric, Source};
use plimsoll_record::summary::{Facts, SeriesStats, Totals};
use plimsoll_record::units::Unit;

use crate::text;

/// A number with its name.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct KeyNumber {
    pub(crate) name: &'static str,
    pub(crate) value: String,
    /// What it says, more exactly.
    pub(crate) detail: String,
}

/// The numbers of a whole run. What was not measured says so.
pub(crate) fn key_numbers(facts: &Facts, totals: &Totals) -> Vec<KeyNumber> {
    let mut numbers = Vec::new();
    if facts.traffic.is_some() {
        numbers.extend(traffic(totals));
    }
    numbers.push(redis(facts));
    numbers
}

fn traffic(totals: &Totals) -> Vec<KeyNumber> {
    let ledger = &totals.ledger;
    let answers_of = |n: u64| format!("of {} finished", text::count(n));
    vec![
        KeyNumber {
            name: "requests",
            value: text::count(ledger.scheduled()),
            detail: format!("in {}", Unit::Seconds.show(totals.seconds)),
        },
        KeyNumber {
            name: "throughput",
            value: text::optional(Unit::PerSecond, totals.throughput(), "no time passed"),
            detail: format!("offered {}", text::optional(Unit::PerSecond, totals.offered(), "nothing")),
        },
        KeyNumber {
            name: "error rate",
            value: text::optional(Unit::Share, totals.error_rate(), "nothing finished"),
            detail: text::counted(ledger.failures(), "failure", "failures"),
        },
        KeyNumber {
            name: "rate-limited",
            value: text::optional(Unit::Share, totals.limited_share(), "nothing finished"),
            detail: answers_of(ledger.finished()),
        },
        KeyNumber {
            name: "p50 response",
            value: text::percentile(totals.response(0.50)),
            detail: format!("service {}", text::percentile(totals.service(0.50))),
        },
        KeyNumber {
            name: "p95 response",
            value: text::percentile(totals.response(0.95)),
            detail: format!("service {}", text::percentile(totals.service(0.95))),
        },
        KeyNumber {
            name: "p99 response",
            value: text::percentile(totals.response(0.99)),
            detail: format!("service {}", text::percentile(totals.service(0.99))),
        },
    ]
}

fn redis(facts: &Facts) -> KeyNumber {
    let name = "Redis memory, peak";
    match stats(facts, "redis.used_memory") {
        Some(used) => KeyNumber {
            name,
            value: Unit::Bytes.show(used.max),
            detail: format!("{} since the first sample", change(Unit::Bytes, used.change())),
        },
        None => KeyNumber { name, value: "not watched".to_owned(), detail: String::new() },
    }
}

/// A sampled metric in six numbers, over everything that was sampled; `None` without a sample.
pub(crate) fn stats(facts: &Facts, metric: &str) -> Option<SeriesStats> {
    let metric = Metric::find(metric).expect("renderers name metrics of the catalogue");
    facts.series(metric.source)?.stats(metric, None)
}

/// A difference with its sign.
pub(crate) fn change(unit: Unit, value: f64) -> String {
    let sign = if value > 0.0 { "+" } else { "" };
    format!("{sign}{}", unit.show(value))
}

/// True when a source was sampled at all.
pub(crate) fn watched(facts: &Facts, source: Source) -> bool {
    facts.series(source).is_some_and(|series| !series.samples.is_empty())
}
