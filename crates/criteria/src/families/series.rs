//! `max(host.cpu_share) < 90%`, `last(redis.keys) < 1000`: the largest, smallest, mean or last sample.
//!
//! Samples are compared as they stand: they are what was seen. What happened between them is not known, so with too
//! many holes nothing passes.

use plimsoll_plan::Function;
use plimsoll_record::Offset;
use plimsoll_record::metric::Metric;

use super::coverage::{self, Coverage};
use crate::goal::{Finding, Goal};
use crate::place::Place;
use crate::run::JudgedRun;
use crate::words;

pub(super) fn examine(
    run: &JudgedRun<'_>,
    place: &Place,
    goal: &Goal,
    function: Function,
    (metric, of): (&Metric, Option<&str>),
) -> Finding {
    let found = run.facts.series_of(metric.source, of).and_then(|series| {
        let window = coverage::window(series, place.window)?;
        let values = series.values(metric, Some(window));
        Some((Coverage::of(series, metric, window), series.stats(metric, Some(window))?, values))
    });
    let Some((coverage, stats, values)) = found else { return no_samples(metric, of) };
    if let Some(reason) = coverage.too_little() {
        return Finding { samples: stats.count as u64, ..Finding::missing(reason) };
    }
    let (value, what) = match function {
        Function::Max => (stats.max, "the largest of"),
        Function::Min => (stats.min, "the smallest of"),
        Function::Mean | Function::Slope => (stats.mean, "the mean of"),
        Function::Last => (stats.last, "the last of"),
        Function::Rate => match rate(&values) {
            Some(rate) => (rate, "from the first to the last of"),
            None => return Finding { samples: 1, ..Finding::missing("one sample is too few for a rate") },
        },
    };
    let mut finding = Finding::plain(goal, value, stats.count as u64, "is");
    finding.reason += &format!(": {what} {} samples", words::count(stats.count as u64));
    finding.never_met(coverage.obstacle())
}

/// Per second, from the first to the last value.
fn rate(values: &[(Offset, f64)]) -> Option<f64> {
    let ((first_at, first), (last_at, last)) = (values.first()?, values.last()?);
    let seconds = last_at.since(*first_at) as f64 / 1e9;
    (seconds > 0.0).then(|| (last - first) / seconds)
}

pub(super) fn no_samples(metric: &Metric, of: Option<&str>) -> Finding {
    Finding::missing(format!("there is no sample of {} here; was memwatch running?", metric.name_of(of)))
}

#[cfg(test)]
mod tests {
    use plimsoll_record::series::{Gap, GapReason, Mark, MarkKind, SeriesFact};
    use plimsoll_record::verdict::Judgement;

    use crate::testing::{Script, at, expect};

    fn clients(criterion: &str) -> Script {
        let script = Script::healthy(60).redis(|i| vec![("connected_clients", 10.0 + i as f64)]);
        script.criteria(&format!("require = [\"{criterion}\"]"))
    }

    /// Takes samples out, as an unreachable Redis does.
    fn with_hole(mut script: Script, from: usize, to: usize) -> Script {
        for i in from..to {
            script.redis[i] = SeriesFact::Gap(Gap {
                at_ns: at(i as f64 + 0.5),
                reason: GapReason::Unreachable,
                detail: String::new(),
            });
        }
        script
    }

    #[test]
    fn each_function_takes_its_sample() {
        let value = |function: &str| clients(&format!("{function}(redis.connected_clients) < 1000")).result().value;
        assert_eq!((value("max"), value("min"), value("last")), (Some(69.0), Some(10.0), Some(69.0)));
        assert_eq!(value("mean"), Some(39.5));
    }

    #[test]
    fn the_limit_decides() {
        expect(&clients("max(redis.connected_clients) < 100").result(), Judgement::Pass, &["60 samples"]);
        expect(&clients("max(redis.connected_clients) < 50").result(), Judgement::Fail, &["is 69, limit 50"]);
    }

    #[test]
    fn what_was_seen_beyond_the_limit_counts_and_what_was_not_seen_cannot_pass() {
        let holed = |criterion| with_hole(clients(criterion), 30, 36).result();
        expect(&holed("max(redis.connected_clients) < 50"), Judgement::Fail, &[]);
        let reason = &["not sampled for 10 % of the time (unreachable), longest from 29.5 s to 36.5 s"];
        expect(&holed("max(redis.connected_clients) < 100"), Judgement::Inconclusive, reason);
        let gone = with_hole(clients("max(redis.connected_clients) < 50"), 30, 60).result();
        expect(&gone, Judgement::Inconclusive, &["unreachable"]);
    }

    #[test]
    fn a_single_late_sample_does_no_harm() {
        let result = with_hole(clients("max(redis.connected_clients) < 100"), 30, 31).result();
        expect(&result, Judgement::Pass, &[]);
    }

    #[test]
    fn a_restart_cannot_pass() {
        let mut script = clients("max(redis.connected_clients) < 100");
        script.redis.push(SeriesFact::Mark(Mark { at_ns: at(33.0), kind: MarkKind::Restarted, detail: String::new() }));
        expect(&script.result(), Judgement::Inconclusive, &["Redis was restarted at 33.0 s"]);
    }

    #[test]
    fn a_metric_that_was_never_read_is_inconclusive() {
        let result = clients("last(redis.keys) < 100").result();
        expect(&result, Judgement::Inconclusive, &["no sample of redis.keys"]);
        assert_eq!((result.value, result.samples), (None, 0));
    }
}
