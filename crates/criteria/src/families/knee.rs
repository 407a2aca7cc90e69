//! `knee(p95 < 2s) >= 20/s`: up to which rate does it hold?
//!
//! A phase whose rate rises is cut into steps (its own, if it is a staircase). The first step breaks whose criterion is
//! surely missed, or of which surely less than 98 % came back well. What was carried is the rate of the step before, so the
//! knee lies between the two.

use plimsoll_plan::{Expression, Load, Phase, RateShape};
use plimsoll_record::summary::{Totals, Window};

use crate::families;
use crate::goal::{Finding, Goal, Standing, interval};
use crate::judge::JudgeError;
use crate::place::Place;
use crate::run::JudgedRun;
use crate::statistics::{CONFIDENCE, Range, kneedle, normal_quantile, wilson};

/// Less than this share of what was offered came back well: past the capacity.
const LEAST_GOODPUT: f64 = 0.98;
/// Steps of a ramp: this long, unless that makes too few or too many.
const STEP_S: f64 = 15.0;
const FEWEST_STEPS: f64 = 6.0;
const MOST_STEPS: f64 = 20.0;
/// With fewer levels a bend cannot be told from a line.
const LEVELS_FOR_KNEEDLE: usize = 6;

pub(super) fn examine(
    run: &JudgedRun<'_>,
    place: &Place,
    goal: &Goal,
    condition: Option<&Expression>,
) -> Result<Finding, JudgeError> {
    let windows = steps(run, place);
    if windows.len() < 2 {
        let help = "judge it in a phase with a rising `rate` (`5/s -> 50/s`, or steps), or in several phases";
        return Ok(Finding::missing(format!("the rate does not rise here; {help}")));
    }
    let mut levels = Vec::new();
    for window in windows {
        levels.extend(Level::of(run, &place.within(window), condition)?);
    }
    if levels.is_empty() {
        return Ok(Finding::missing("no arrival was scheduled here"));
    }
    levels.sort_by(|a, b| a.offered.total_cmp(&b.offered));
    Ok(finding(goal, &levels))
}

/// What happened at one rate.
#[derive(Clone, Debug)]
struct Level {
    offered: f64,
    /// What came back well, per second.
    good: f64,
    standing: Standing,
    why: String,
    samples: u64,
}

impl Level {
    fn of(run: &JudgedRun<'_>, place: &Place, condition: Option<&Expression>) -> Result<Option<Self>, JudgeError> {
        let totals = run.totals(&place.scope);
        let Some(offered) = totals.offered().filter(|offered| *offered > 0.0) else { return Ok(None) };
        let share = goodput(&totals, offered);
        let samples = totals.ledger.finished();
        let level = Self { offered, good: share * offered, standing: Standing::Met, why: String::new(), samples };
        if share < LEAST_GOODPUT {
            // One answer too few of twenty is no collapse.
            let scheduled = totals.ledger.scheduled() as f64;
            let surely = wilson(share, scheduled, normal_quantile(f64::midpoint(CONFIDENCE, 1.0))).high < LEAST_GOODPUT;
            let why = format!("only {:.1} % of what was offered came back well", share * 100.0);
            let standing = if surely { Standing::Missed } else { Standing::Undecided };
            return Ok(Some(Self { standing, why, ..level }));
        }
        let Some(condition) = condition else { return Ok(Some(level)) };
        let goal = Goal::at(condition, condition.limit.offset);
        let found = families::examine(run, place, &goal, &condition.metric)?;
        Ok(Some(Self { standing: found.standing, why: found.reason, ..level }))
    }
}

/// What came back well, as a share of what was offered. What is rightly under way at the end, rate times service time
/// of requests (Little 1961), counts as come back.
fn goodput(totals: &Totals, offered: f64) -> f64 {
    let service_s = totals.service(0.95).map_or(0.0, |percentile| percentile.nanos as f64 / 1e9);
    let good = (totals.ledger.finished() - totals.ledger.failures()) as f64;
    ((good + (offered * service_s).ceil()) / totals.ledger.scheduled() as f64).min(1.0)
}

fn finding(goal: &Goal, levels: &[Level]) -> Finding {
    let samples = levels.iter().map(|level| level.samples).sum();
    let broke = levels.iter().position(|level| level.standing == Standing::Missed);
    // Up to the first step that is not surely carried.
    let carried = levels.iter().take_while(|level| level.standing == Standing::Met).last();
    let low = carried.map_or(0.0, |level| level.offered);
    let high = broke.map_or(f64::INFINITY, |at| levels[at].offered);
    let mut reason = match (carried, broke) {
        (_, Some(at)) => format!(
            "is {}, limit {}: it broke at {}, where {}",
            goal.show(low),
            goal.show_limit(),
            goal.show(high),
            if levels[at].why.is_empty() { "its criterion is missed" } else { &levels[at].why }
        ),
        (Some(_), None) => format!("is at least {}, limit {}: no rate broke it", goal.show(low), goal.show_limit()),
        (None, None) => {
            format!("is not known, limit {}: no rate was surely carried; hold each rate longer", goal.show_limit())
        }
    };
    let most = levels.iter().map(|level| level.good).fold(0.0, f64::max);
    reason += &format!("; at most {} came back well", goal.show(most));
    reason += &second_opinion(goal, levels);
    let known = carried.is_some() || broke.is_some();
    let standing = if known { goal.compare_range(Range { low, high }) } else { Standing::Undecided };
    let range = Range { low, high };
    Finding {
        standing,
        value: Some(low).filter(|_| known),
        at_least: broke.is_none(),
        interval: high.is_finite().then(|| interval(range, CONFIDENCE)),
        samples,
        reason,
        ..Finding::missing("")
    }
}

fn second_opinion(goal: &Goal, levels: &[Level]) -> String {
    if levels.len() < LEVELS_FOR_KNEEDLE {
        return String::new();
    }
    let points: Vec<(f64, f64)> = levels.iter().map(|level| (level.offered, level.good)).collect();
    match kneedle(&points) {
        Some(at) => format!("; the curve of what came back bends at {}", goal.show(at)),
        None => "; the curve of what came back does not bend".to_owned(),
    }
}

/// The stretches of a rising load: the phases themselves when there are several, the steps of a staircase, or parts of
/// a ramp.
fn steps(run: &JudgedRun<'_>, place: &Place) -> Vec<Window> {
    let windows = run.facts.phase_windows();
    let here = (0..).zip(&run.plan.phases).zip(windows).filter(|((index, _), _)| place.scope.has_phase(*index));
    let here: Vec<(&Phase, Window)> = here.map(|((_, phase), window)| (phase, window)).collect();
    here.iter().flat_map(|(phase, window)| cut(*window, parts(phase, *window))).collect()
}

fn parts(phase: &Phase, window: Window) -> usize {
    match &phase.load {
        Load::Open { rate: RateShape::Steps(rates), .. } => rates.len(),
        Load::Open { rate: RateShape::Ramp { from, to }, .. } if from < to => {
            (window.seconds() / STEP_S).floor().clamp(FEWEST_STEPS, MOST_STEPS) as usize
        }
        Load::Closed { spawn_rate: Some(_), .. } => {
            (window.seconds() / STEP_S).floor().clamp(FEWEST_STEPS, MOST_STEPS) as usize
        }
        _ => 1,
    }
}

fn cut(window: Window, count: usize) -> Vec<Window> {
    let length = window.to.since(window.from) / count.max(1) as u64;
    let edge = |n: u64| window.from.after(std::time::Duration::from_nanos(length * n));
    (0..count as u64).map(|n| Window { from: edge(n), to: edge(n + 1) }).collect()
}

#[cfg(test)]
mod tests {
    use plimsoll_record::ledger::Outcome;
    use plimsoll_record::verdict::Judgement;

    use crate::testing::{Script, Second, expect};

    /// Six steps of 20 s at 10, 20, ... 60/s. Up to 30/s all is well; beyond, what is too much takes two seconds, or
    /// fails.
    fn staircase(criterion: &str, fails: bool) -> Script {
        let second = |i: u64| {
            let rate = (i / 20 + 1) * 10;
            let well = Second::ok(rate.min(30) as usize, 50);
            let over = rate.saturating_sub(30);
            if fails {
                return well.and(Outcome::UnexpectedStatus, over);
            }
            let slow = vec![2_000; over as usize];
            Second { ok_ms: well.ok_ms.into_iter().chain(slow).collect(), others: vec![] }
        };
        let rate = r#"{ steps = ["10/s", "20/s", "30/s", "40/s", "50/s", "60/s"] }"#;
        let lines = format!("require = [\"{criterion}\"]");
        Script::of(120, second).phases_are(&[("stress", 120, rate)]).criteria(&lines)
    }

    #[test]
    fn the_first_rate_at_which_the_criterion_is_missed_is_named() {
        let words = ["is 30.0/s", "it broke at 40.0/s, where is 2.00 s"];
        let result = staircase("knee(p95 < 1s, stress) > 20/s", false).result();
        expect(&result, Judgement::Pass, &words);
        let interval = result.interval.unwrap();
        assert_eq!((interval.low, interval.high), (30.0, 40.0));
        expect(&staircase("knee(p95 < 1s, stress) > 45/s", false).result(), Judgement::Fail, &words);
        expect(&staircase("knee(p95 < 1s, stress) > 35/s", false).result(), Judgement::Inconclusive, &words);
    }

    #[test]
    fn what_does_not_come_back_well_breaks_without_a_criterion() {
        let result = staircase("knee(stress) > 20/s", true).result();
        expect(
            &result,
            Judgement::Pass,
            &["only 75.4 % of what was offered", "at most 30.2/s came back well", "bends at 30.0/s"],
        );
    }

    #[test]
    fn a_rate_that_nothing_breaks_is_a_lower_bound() {
        let result = staircase("knee(p95 < 10s, stress) > 45/s", false).result();
        expect(&result, Judgement::Pass, &["is at least 60.0/s", "no rate broke it", "does not bend"]);
        assert!(result.at_least && result.interval.is_none());
        let beyond = staircase("knee(p95 < 10s, stress) > 70/s", false).result();
        expect(&beyond, Judgement::Inconclusive, &[]);
    }

    #[test]
    fn a_constant_rate_has_no_knee() {
        let result = Script::healthy(60).criteria(r#"require = ["knee > 20/s"]"#).result();
        expect(&result, Judgement::Inconclusive, &["the rate does not rise here"]);
    }
}
