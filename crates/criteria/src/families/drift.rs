//! `drift(p95) < 20%`: does it get slower the longer it runs?
//!
//! The time is cut into parts; a robust line goes through the logarithms of their values, so that its slope is a
//! growth in percent, and over the whole time it makes the drift, with the 90 % interval of slopes. A single bad
//! minute does not bend the line, as it does not make a degradation.

use plimsoll_plan::Metric;
use plimsoll_record::summary::{Percentile, Totals};

use crate::goal::{Finding, Goal, Standing, interval};
use crate::place::Place;
use crate::run::JudgedRun;
use crate::statistics::{MIN_POINTS, Range, SLOPE_CONFIDENCE, estimate_slope};
use crate::words;

/// How long a part is, unless that makes too few or too many of them.
const PART_S: f64 = 15.0;
const FEWEST_PARTS: f64 = 12.0;
const MOST_PARTS: f64 = 120.0;
const SHORTEST_PART_S: f64 = 2.0;

pub(super) fn examine(run: &JudgedRun<'_>, place: &Place, goal: &Goal, metric: &Metric) -> Finding {
    let parts = Parts::of(run, place, metric);
    let samples = parts.samples;
    let Some(estimate) = estimate_slope(&parts.points) else {
        return Finding { samples, ..Finding::missing(parts.too_few(metric)) };
    };
    let seconds = place.seconds();
    let total = |slope: f64| (slope * seconds).exp_m1();
    let (value, range) =
        (total(estimate.slope), Range { low: total(estimate.range.low), high: total(estimate.range.high) });
    let standing = goal.compare_range(range);
    let mut reason = format!(
        "is {} {}, limit {}; over {}, {} parts of {:.0} s",
        goal.show(value),
        goal.show_range(range),
        goal.show_limit(),
        words::duration(seconds),
        estimate.points,
        parts.part_s
    );
    let mut finding = Finding::missing("");
    if standing == Standing::Undecided {
        let factor = factor(goal, value, range);
        finding.evidence.decides_after_s = words::longer(seconds, factor);
        reason += &format!("; {}", words::how_much_longer(seconds, factor));
    }
    let bounds = parts.bounds;
    Finding {
        standing,
        value: Some(value),
        interval: Some(interval(range, SLOPE_CONFIDENCE)),
        samples,
        effective_samples: Some(estimate.effective),
        reason,
        ..finding
    }
    .never_met((bounds > 0).then(|| format!("in {bounds} parts more timed out than the percentile leaves out")))
}

/// As for slopes: `T' = T (h / d)^(2/3)`, on the logarithm.
fn factor(goal: &Goal, value: f64, range: Range) -> f64 {
    let (b, limit) = (value.ln_1p(), goal.limit.ln_1p());
    let half = if b < limit { range.high.ln_1p() - b } else { b - range.low.ln_1p() };
    (half / (b - limit).abs()).powf(2.0 / 3.0)
}

struct Parts {
    part_s: f64,
    /// (seconds, logarithm of the value) of each part with enough requests.
    points: Vec<(f64, f64)>,
    samples: u64,
    /// Parts of which only a lower bound is known.
    bounds: usize,
    needed: u64,
}

impl Parts {
    fn of(run: &JudgedRun<'_>, place: &Place, metric: &Metric) -> Self {
        let seconds = place.seconds();
        let fitting = (seconds / SHORTEST_PART_S).floor();
        let count = (seconds / PART_S).clamp(FEWEST_PARTS, MOST_PARTS).min(fitting).max(1.0) as usize;
        let part_s = seconds / count as f64;
        let cut = place.parts(count);
        let mut totals = vec![Totals { seconds: part_s, ..Totals::default() }; count];
        for row in run.facts.intervals(&place.scope) {
            totals[cut.index(row.at_ns)].add(row);
        }
        let needed = needed(metric);
        let samples = totals.iter().map(|totals| totals.ledger.finished()).sum();
        let mut parts = Self { part_s, points: Vec::new(), samples, bounds: 0, needed };
        for (n, totals) in totals.iter().enumerate().filter(|(_, totals)| totals.ledger.finished() >= needed) {
            let (value, is_bound) = value(totals, metric);
            parts.bounds += usize::from(is_bound);
            if value > 0.0 {
                parts.points.push(((n as f64 + 0.5) * part_s, value.ln()));
            }
        }
        parts
    }

    fn too_few(&self, metric: &Metric) -> String {
        let what = if matches!(metric, Metric::Percentile { .. }) { " of which the percentile is one" } else { "" };
        format!(
            "only {} parts of {:.0} s had {} requests{what}, {MIN_POINTS} are needed; run longer or at a higher rate",
            self.points.len(),
            self.part_s,
            self.needed
        )
    }
}

/// The fewest requests of which a percentile is not simply the largest.
fn needed(metric: &Metric) -> u64 {
    match metric {
        Metric::Percentile { quantile, .. } => (1.0 / (1.0 - quantile) - 1e-9).ceil() as u64,
        _ => 1,
    }
}

fn value(totals: &Totals, metric: &Metric) -> (f64, bool) {
    let seconds = |percentile: Option<Percentile>| {
        percentile.map_or((0.0, false), |percentile| (percentile.nanos as f64 / 1e9, percentile.at_least))
    };
    match metric {
        Metric::Percentile { quantile, service: true } => seconds(totals.service(*quantile)),
        Metric::Percentile { quantile, service: false } => seconds(totals.response(*quantile)),
        Metric::Throughput => (totals.throughput().unwrap_or(0.0), false),
        _ => (totals.served.response.mean().unwrap_or(0.0) / 1e9, false),
    }
}

#[cfg(test)]
mod tests {
    use plimsoll_record::ledger::Outcome;
    use plimsoll_record::verdict::Judgement;

    use crate::testing::{Noise, Script, Second, expect};

    fn run(seconds: u64, criterion: &str, ms: impl Fn(u64) -> f64) -> Script {
        let mut noise = Noise::seeded(9);
        let second = |i| Second {
            ok_ms: (0..50).map(|_| (ms(i) * (0.2 * noise.normal()).exp()) as u64).collect(),
            others: vec![],
        };
        Script::of(seconds, second).criteria(&format!("require = [\"{criterion}\"]"))
    }

    #[test]
    fn a_service_that_gets_slower_has_its_growth_named() {
        let slower = |i: u64| 100.0 * (1.0 + i as f64 / 600.0);
        let result = run(600, "drift(p95) < 20%", slower).result();
        expect(&result, Judgement::Fail, &["limit 20.0 %", "40 parts of 15 s"]);
        let (value, interval) = (result.value.unwrap(), result.interval.unwrap());
        // From 100 to 200 ms: a straight line through the logarithms rises a little less than to the double.
        assert!((0.8..1.2).contains(&value) && interval.low > 0.7, "{value} {interval:?}");
    }

    #[test]
    fn a_steady_service_passes_and_a_bad_minute_is_no_drift() {
        expect(&run(600, "drift(p95) < 20%", |_| 100.0).result(), Judgement::Pass, &[]);
        let hiccup = |i: u64| if (400..445).contains(&i) { 800.0 } else { 100.0 };
        expect(&run(600, "drift(mean) < 20%", hiccup).result(), Judgement::Pass, &[]);
    }

    #[test]
    fn the_drift_of_the_worked_example() {
        // docs/statistics.md, "Drift".
        let ms = [1000, 1010, 1020, 1030, 1041, 1051, 1062, 1072, 1083, 1094, 1105, 1116];
        let script = Script::of(180, |i| Second::ok(10, ms[(i / 15) as usize]));
        let result = script.criteria(r#"require = ["drift(mean) < 20%"]"#).result();
        expect(&result, Judgement::Pass, &["12 parts of 15 s"]);
        assert!((result.value.unwrap() - 0.127).abs() < 0.003, "{result:?}");
    }

    #[test]
    fn few_requests_show_no_drift_and_timeouts_cannot_pass() {
        let few = Script::of(120, |_| Second::ok(1, 10)).criteria(r#"require = ["drift(p99) < 20%"]"#).result();
        expect(&few, Judgement::Inconclusive, &["only 0 parts of 10 s had 100 requests", "run longer"]);
        let timeouts = Script::of(120, |_| Second::ok(90, 10).and(Outcome::TimedOut, 10))
            .criteria(r#"require = ["drift(p95) < 20%"]"#);
        expect(&timeouts.result(), Judgement::Inconclusive, &["more timed out"]);
    }
}
