//! `slope(redis.used_memory) < 1 MB/min`: does it grow, and how fast?
//!
//! Met and missed both need the whole interval of the slope on one side of the limit: a series is not stable because
//! growth was not significant. How the slope is found, and what else may look like growth, is in `memory`.

use plimsoll_plan::Comparison;
use plimsoll_record::metric::Metric;
use plimsoll_record::verdict::{GrowthState, StepKind};

use super::coverage::{self, Coverage};
use super::series::no_samples;
use crate::goal::{Finding, Goal, Standing, interval};
use crate::memory::{Growth, Horizon, Question, SHORT_WINDOW_S, reason, shortest_window, usual_guard};
use crate::place::Place;
use crate::run::JudgedRun;
use crate::statistics::SLOPE_CONFIDENCE;

pub(super) fn examine(run: &JudgedRun<'_>, place: &Place, goal: &Goal, metric: &Metric, of: Option<&str>) -> Finding {
    let found = growth(run, place, metric, of, goal.limit);
    let Some((growth, coverage)) = found else { return no_samples(metric, of) };
    if let Some(reason) = coverage.too_little() {
        return Finding { samples: growth.samples, ..Finding::missing(reason) };
    }
    let reason = reason::sentence(&growth, goal.limit, goal.unit);
    let Some(outcome) = &growth.outcome else {
        return Finding { samples: growth.samples, ..Finding::missing(reason) };
    };
    let estimate = outcome.trend.estimate;
    let finding = Finding {
        standing: if is_about_growth(goal) { standing(outcome.state) } else { goal.compare_range(estimate.range) },
        value: Some(estimate.slope),
        interval: Some(interval(estimate.range, SLOPE_CONFIDENCE)),
        samples: growth.samples,
        effective_samples: Some(estimate.effective),
        reason,
        ..Finding::missing("")
    };
    finding.never_met(coverage.obstacle().or_else(|| cut_short(&growth)))
}

/// The usual question: does it grow by less than so much? Others (`slope(redis.keys) > 0`) compare the interval.
fn is_about_growth(goal: &Goal) -> bool {
    matches!(goal.comparison, Comparison::Less | Comparison::LessOrEqual) && goal.limit >= 0.0
}

fn standing(state: GrowthState) -> Standing {
    match state {
        GrowthState::Stable => Standing::Met,
        GrowthState::Leaking | GrowthState::Growing => Standing::Missed,
        GrowthState::Filling | GrowthState::Settling | GrowthState::Inconclusive => Standing::Undecided,
    }
}

/// `None` without a sample.
fn growth(
    run: &JudgedRun<'_>,
    place: &Place,
    metric: &Metric,
    of: Option<&str>,
    limit: f64,
) -> Option<(Growth, Coverage)> {
    let series = run.facts.series_of(metric.source, of)?;
    let window = coverage::window(series, place.window)?;
    let growth = Growth::of(&Question { series, metric, window, limit, sampled_ttl_s: Horizon::sampled(run.facts) })?;
    let coverage = Coverage::of(series, metric, growth.window);
    Some((growth, coverage))
}

/// A flush empties the data set: what is left of the window must still be most of it.
fn cut_short(growth: &Growth) -> Option<String> {
    (growth.segment.seconds() < growth.window.seconds() / 2.0).then(|| {
        format!(
            "Redis was flushed, and only {:.1} s to {:.1} s could be looked at",
            growth.segment.from.as_secs_f64(),
            growth.segment.to.as_secs_f64()
        )
    })
}

/// The shortest phase with enough buckets of this length behind the guard, in seconds.
pub(crate) fn shortest_phase(bucket_s: f64) -> f64 {
    shortest_window(bucket_s)
}

/// Whether a phase of this length is too short to tell growth from slow noise.
pub(crate) fn is_short(phase_s: f64) -> bool {
    phase_s - usual_guard(phase_s) < SHORT_WINDOW_S
}

/// Sudden changes that last and that nothing explains, each as (seconds on the run's clock, change in bytes).
pub(crate) fn steps(
    run: &JudgedRun<'_>,
    place: &Place,
    metric: &Metric,
    of: Option<&str>,
    limit: f64,
) -> Vec<(f64, f64)> {
    let Some((growth, _)) = growth(run, place, metric, of, limit) else { return Vec::new() };
    let unexplained = growth.ledger.steps.iter().filter(|step| step.kind == StepKind::Unexplained);
    unexplained.map(|step| (step.at_ns.as_secs_f64(), step.bytes)).collect()
}

#[cfg(test)]
mod tests {
    use plimsoll_record::series::{Gap, GapReason, Mark, MarkKind, SeriesFact};
    use plimsoll_record::verdict::Judgement;

    use crate::testing::{Script, Second, at, expect};

    const MEMORY: &str = r#"require = ["slope(redis.used_memory) < 1 MB/min"]"#;

    /// A quiet run; only Redis matters here.
    fn run(seconds: u64, bytes: impl Fn(u64) -> f64) -> Script {
        Script::of(seconds, |_| Second::ok(1, 10)).used_memory(bytes).criteria(MEMORY)
    }

    #[test]
    fn a_leak_fails_in_megabytes_per_minute() {
        let wobble = |i: u64| 20e3 * ((i * 7919) % 13) as f64;
        let result = run(60, |i| 5e6 + 6.1e6 / 60.0 * i as f64 + wobble(i)).result();
        expect(&result, Judgement::Fail, &["grows 6.", "MB/min [", "limit 1.00 MB/min"]);
        let (value, interval) = (result.value.unwrap() * 60.0 / 1e6, result.interval.unwrap());
        assert!((value - 6.1).abs() < 0.3, "{value}");
        assert!(
            interval.low <= result.value.unwrap()
                && result.value.unwrap() <= interval.high
                && interval.confidence == 0.9
        );
    }

    #[test]
    fn quiet_memory_passes_even_in_a_short_run() {
        let result = run(60, |i| 1.2e6 + 20e3 * ((i * 7919) % 13) as f64).result();
        expect(&result, Judgement::Pass, &["level within the noise"]);
        assert!(result.margin.is_some_and(|margin| margin > 0.5));
    }

    #[test]
    fn a_run_too_short_for_a_slope_says_how_long_it_must_be() {
        let result = run(20, |_| 1e6).result();
        expect(&result, Judgement::Inconclusive, &["too few for a slope", "must last 35.0 s or more"]);
    }

    #[test]
    fn growth_that_settles_is_not_called_growing_and_growth_that_begins_late_is_not_called_stable() {
        let settles = run(300, |i| 10e6 + 200e3 * i.min(200) as f64).result();
        expect(&settles, Judgement::Inconclusive, &["settling: it slowed down from", "run longer"]);
        let late = run(600, |i| 10e6 + 60e3 * i.saturating_sub(450) as f64).result();
        expect(&late, Judgement::Inconclusive, &["MB/min in the last half"]);
    }

    #[test]
    fn redis_killed_in_the_middle_never_passes() {
        let mut script = run(60, |_| 1e6);
        for i in 30..60 {
            let gap = Gap { at_ns: at(i as f64 + 0.5), reason: GapReason::Unreachable, detail: String::new() };
            script.redis[i] = SeriesFact::Gap(gap);
        }
        expect(&script.result(), Judgement::Inconclusive, &["unreachable"]);
    }

    #[test]
    fn redis_restarted_in_the_middle_never_passes() {
        let mut script = run(300, |_| 1e6);
        script.redis.remove(100);
        let mark = Mark { at_ns: at(100.5), kind: MarkKind::Restarted, detail: String::new() };
        script.redis.push(SeriesFact::Mark(mark));
        expect(&script.result(), Judgement::Inconclusive, &["Redis was restarted at 100.5 s"]);
    }

    #[test]
    fn the_longest_stretch_without_a_flush_is_judged() {
        let flushed_at = |second: u64| {
            let mut script = run(200, |i| if i < second { 50e6 + 1e5 * i as f64 } else { 1e6 });
            let at_ns = at(second as f64);
            script.redis.push(SeriesFact::Mark(Mark { at_ns, kind: MarkKind::Flushed, detail: String::new() }));
            script.result()
        };
        expect(&flushed_at(60), Judgement::Pass, &["60.0 s to 200.0 s"]);
        expect(&flushed_at(150), Judgement::Fail, &["20.0 s to 150.0 s"]);
    }
}
