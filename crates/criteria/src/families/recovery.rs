//! `recovery_time(spike) < 60s`: how long after the end of a phase is the service what it was before?
//!
//! Before the phase, the percentile of each interval says what is normal: the band ends at
//! `max(median + 3 * 1.4826 MAD, 1.1 * median)`. The service has recovered at the first of five intervals in a row in
//! the band, with no more errors than are normal, and with 95 % of what is offered answered. What was watched for less
//! than the limit and has not recovered is undecided.

use std::time::Duration;

use plimsoll_plan::{Load, RateShape};
use plimsoll_record::summary::{Scope, Totals, Window};

use crate::goal::{Finding, Goal, Standing, interval};
use crate::place::Place;
use crate::run::JudgedRun;
use crate::statistics::{CONFIDENCE, Range, median};
use crate::words;

/// Makes the median absolute deviation of normal noise its standard deviation.
const MAD_TO_SIGMA: f64 = 1.4826;
const SIGMAS: f64 = 3.0;
/// A quiet service is allowed this much more than its median all the same.
const LEAST_BAND: f64 = 1.1;
/// Recovered means: this many intervals in a row.
const IN_A_ROW: usize = 5;
const LEAST_ANSWERED: f64 = 0.95;
/// More errors than this are never normal; up to this they always are.
const ERRORS_ALLOWED: f64 = 0.01;
/// The band needs this many intervals, and is made of this many at most.
const FEWEST_BEFORE: usize = 5;
const MOST_BEFORE: f64 = 120.0;

pub(super) fn examine(run: &JudgedRun<'_>, place: &Place, goal: &Goal, phase: &str, quantile: f64) -> Finding {
    let times = match Times::of(run, phase) {
        Ok(times) => times,
        Err(missing) => return Finding::missing(missing),
    };
    let look = Look { run, operation: place.scope.operation, quantile };
    let before = look.totals(times.before);
    let Some(length) = look.interval_length(&before, times.before) else {
        return Finding::missing(format!("too few requests came before phase `{phase}` to know what is normal"));
    };
    let normal = match Normal::of(&look.intervals(times.before, length), quantile) {
        Some(normal) => normal,
        None => {
            return Finding::missing(format!("the time before phase `{phase}` is too short to know what is normal"));
        }
    };
    let after = look.intervals(times.after, length);
    let samples = after.iter().map(|totals| totals.ledger.finished()).sum();
    if samples == 0 {
        return Finding::missing(format!("nothing was recorded after phase `{phase}`"));
    }
    let outcome = outcome(&after, &normal, quantile);
    let percentile = format!("p{}", (quantile * 1e4).round() / 1e2);
    let basis = format!(
        "{percentile} was {} before, and counts as recovered up to {}; intervals of {}",
        words::duration(normal.median_s),
        words::duration(normal.band_s),
        words::duration(length)
    );
    finding(goal, &outcome, length, samples, &basis)
}

fn finding(goal: &Goal, outcome: &Outcome, length: f64, samples: u64, basis: &str) -> Finding {
    match outcome {
        Outcome::Recovered(intervals) => {
            let value = *intervals as f64 * length;
            // It recovered somewhere in the interval before.
            let range = Range { low: (value - length).max(0.0), high: value };
            let standing = goal.compare_range(range);
            let reason = format!("is {}, limit {}; {basis}", goal.show(value), goal.show_limit());
            Finding {
                standing,
                value: Some(value),
                interval: Some(interval(range, CONFIDENCE)),
                samples,
                reason,
                ..Finding::missing("")
            }
        }
        Outcome::NotYet(intervals) => {
            let value = *intervals as f64 * length;
            let sure = goal.compare(value) == Standing::Missed && goal.wants_less();
            let longer = words::duration(goal.limit + IN_A_ROW as f64 * length);
            let mut reason = format!(
                "is at least {}, limit {}: it had not recovered when the run ended; {basis}",
                goal.show(value),
                goal.show_limit()
            );
            if !sure {
                reason += &format!("; watch it for {longer} after the phase");
            }
            let standing = if sure { Standing::Missed } else { Standing::Undecided };
            Finding { standing, value: Some(value), at_least: true, samples, reason, ..Finding::missing("") }
        }
    }
}

/// When it was disturbed, what came before and what after.
struct Times {
    before: Window,
    after: Window,
}

impl Times {
    fn of(run: &JudgedRun<'_>, name: &str) -> Result<Self, String> {
        let absent = || format!("the record has no phase `{name}`");
        let at = run.plan.phases.iter().position(|phase| phase.name == name).ok_or_else(absent)?;
        let windows = run.facts.phase_windows();
        let whole = *windows.get(at).ok_or_else(absent)?;
        let end = run.facts.run_window().map_or(whole.to, |window| window.to);
        if let Load::Open { rate: RateShape::Spike { at, length, .. }, .. } = &run.plan.phases[at].load {
            let from = whole.from.after(*at);
            let to = from.after(*length);
            return Ok(Self { before: Window { from: whole.from, to: from }, after: Window { from: to, to: end } });
        }
        let before = at.checked_sub(1).map(|before| windows[before]);
        let before = before.ok_or_else(|| format!("there is nothing before phase `{name}` to compare with"))?;
        Ok(Self { before, after: Window { from: whole.to, to: end } })
    }
}

struct Look<'r, 'a> {
    run: &'r JudgedRun<'a>,
    operation: Option<u32>,
    quantile: f64,
}

impl Look<'_, '_> {
    fn totals(&self, window: Window) -> Totals {
        let mut totals = Totals { seconds: window.seconds(), ..Totals::default() };
        self.rows(window).for_each(|row| totals.add(row));
        totals
    }

    fn rows(&self, window: Window) -> impl Iterator<Item = &plimsoll_record::traffic::Interval> {
        let scope = Scope { operation: self.operation, window: Some(window), ..Scope::default() };
        self.run.facts.intervals(&scope)
    }

    /// Long enough that the percentile of an interval is not simply its largest value. Whole intervals of the record.
    fn interval_length(&self, before: &Totals, window: Window) -> Option<f64> {
        let needed = 1.0 / (1.0 - self.quantile);
        let rate = before.ledger.finished() as f64 / window.seconds();
        let recorded = self.run.facts.traffic.as_ref()?.header.body.every_ns as f64 / 1e9;
        let wanted = f64::max(needed / rate, window.seconds() / MOST_BEFORE);
        let length = (wanted / recorded - 1e-9).ceil().max(1.0) * recorded;
        (rate > 0.0 && length.is_finite()).then_some(length)
    }

    fn intervals(&self, window: Window, length: f64) -> Vec<Totals> {
        let count = (window.seconds() / length + 1e-9).floor() as usize;
        let mut intervals = vec![Totals { seconds: length, ..Totals::default() }; count];
        let whole = Window { to: window.from.after(Duration::from_secs_f64(length * count as f64)), ..window };
        for row in self.rows(whole) {
            let at = (row.at_ns.since(window.from) as f64 / 1e9 / length) as usize;
            if let Some(totals) = intervals.get_mut(at) {
                totals.add(row);
            }
        }
        intervals
    }
}

/// What is normal.
struct Normal {
    median_s: f64,
    band_s: f64,
    error_share: f64,
}

impl Normal {
    fn of(before: &[Totals], quantile: f64) -> Option<Self> {
        let values: Vec<f64> = before.iter().filter_map(|totals| seconds(totals, quantile)).collect();
        if values.len() < FEWEST_BEFORE {
            return None;
        }
        let (median_s, band_s) = band(&values)?;
        let worst = before.iter().filter_map(Totals::error_rate).fold(0.0, f64::max);
        Some(Self { median_s, band_s, error_share: worst.max(ERRORS_ALLOWED) })
    }

    fn holds(&self, totals: &Totals, quantile: f64) -> bool {
        let offered = totals.ledger.scheduled() as f64;
        // One may be under way at the interval's edge.
        let answered = totals.ledger.answered() as f64 + 1.0;
        let errors = totals.error_rate().is_some_and(|share| share <= self.error_share);
        let fast = seconds(totals, quantile).is_some_and(|value| value <= self.band_s);
        fast && errors && answered >= LEAST_ANSWERED * offered
    }
}

/// The median, and the upper end of what is normal: `max(median + 3 * 1.4826 MAD, 1.1 * median)`.
fn band(values: &[f64]) -> Option<(f64, f64)> {
    let middle = median(values.to_vec())?;
    let deviation = median(values.iter().map(|value| (value - middle).abs()).collect())?;
    Some((middle, f64::max(middle + SIGMAS * MAD_TO_SIGMA * deviation, LEAST_BAND * middle)))
}

/// The percentile of an interval, when it is known.
fn seconds(totals: &Totals, quantile: f64) -> Option<f64> {
    totals.response(quantile).filter(|value| !value.at_least).map(|value| value.nanos as f64 / 1e9)
}

#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    /// After so many intervals.
    Recovered(usize),
    /// Not in so many intervals; what came after those was too short to tell.
    NotYet(usize),
}

fn outcome(after: &[Totals], normal: &Normal, quantile: f64) -> Outcome {
    first_in_a_row(&after.iter().map(|totals| normal.holds(totals, quantile)).collect::<Vec<_>>())
}

fn first_in_a_row(good: &[bool]) -> Outcome {
    match good.windows(IN_A_ROW).position(|row| row.iter().all(|good| *good)) {
        Some(at) => Outcome::Recovered(at),
        None => Outcome::NotYet(good.len() - good.iter().rev().take_while(|good| **good).count()),
    }
}

#[cfg(test)]
mod tests {
    use plimsoll_record::ledger::Outcome as Ended;
    use plimsoll_record::verdict::Judgement;
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{Script, Second, expect};

    /// 60 s of 20/s, 20 s of 80/s, and then `after` seconds of which the first `slow` are slow.
    fn spike(after: u64, slow: u64, criterion: &str) -> Script {
        let ok = |n: usize, i: u64, ms: u64| Second {
            ok_ms: (0..n as u64).map(|k| ms + (k + i) % 5).collect(),
            others: Vec::new(),
        };
        let second = move |i: u64| match i {
            0..60 => ok(20, i, 50),
            60..80 => ok(80, i, 400),
            i if i < 80 + slow => ok(20, i, 300),
            i => ok(20, i, 52),
        };
        let phases = [("before", 60, "\"20/s\""), ("spike", 20, "\"80/s\""), ("after", after, "\"20/s\"")];
        let lines = format!("require = [\"{criterion}\"]");
        Script::of(80 + after, second).phases_are(&phases).criteria(&lines)
    }

    #[test]
    fn the_time_to_recover_is_measured_from_the_end_of_the_spike() {
        let result = spike(60, 12, "recovery_time(spike) < 30s").result();
        expect(&result, Judgement::Pass, &["is 12.0 s, limit 30.0 s", "p95 was 54.", "intervals of 1.00 s"]);
        expect(&spike(60, 40, "recovery_time(spike) < 30s").result(), Judgement::Fail, &["is 40.0 s"]);
        let at_once = spike(60, 0, "recovery_time(spike) < 30s").result();
        assert_eq!((at_once.judgement, at_once.value), (Judgement::Pass, Some(0.0)));
    }

    #[test]
    fn what_was_not_watched_long_enough_is_undecided() {
        let short = spike(20, 20, "recovery_time(spike) < 30s").result();
        expect(&short, Judgement::Inconclusive, &["is at least 20.0 s", "watch it for 35.0 s after the phase"]);
        assert!(short.at_least);
        expect(&spike(40, 40, "recovery_time(spike) < 30s").result(), Judgement::Fail, &["had not recovered"]);
        // Four good seconds at the end are not five.
        let nearly = spike(24, 20, "recovery_time(spike) < 30s").result();
        expect(&nearly, Judgement::Inconclusive, &["is at least 20.0 s"]);
    }

    #[test]
    fn fast_errors_are_no_recovery() {
        let mut script = spike(60, 0, "recovery_time(spike) < 30s");
        for second in &mut script.seconds[80..130] {
            second.others.push((Ended::Refused, 5));
        }
        expect(&script.result(), Judgement::Fail, &["is 50.0 s"]);
    }

    #[test]
    fn without_anything_before_there_is_no_normal() {
        let mut script = spike(60, 12, "recovery_time(spike) < 30s");
        script.seconds[..60].iter_mut().for_each(|second| *second = Second::default());
        expect(&script.result(), Judgement::Inconclusive, &["too few requests came before phase `spike`"]);
    }

    #[test]
    fn the_band_of_the_worked_example() {
        // docs/statistics.md, "Recovery".
        let (median, band) = band(&[0.100, 0.104, 0.098, 0.102, 0.100, 0.110, 0.099]).unwrap();
        assert!((median - 0.100).abs() < 1e-12 && (band - 0.110).abs() < 1e-4, "{median} {band}");
        let (_, noisy) = super::band(&[0.10, 0.14, 0.08, 0.12, 0.10]).unwrap();
        assert!((noisy - (0.10 + 3.0 * 1.4826 * 0.02)).abs() < 1e-12, "{noisy}");
    }

    #[test]
    fn five_in_a_row_count_and_four_do_not() {
        let good = |text: &str| text.chars().map(|c| c == '+').collect::<Vec<_>>();
        assert_eq!(first_in_a_row(&good("--++++-+++++-")), Outcome::Recovered(7));
        assert_eq!(first_in_a_row(&good("+++++")), Outcome::Recovered(0));
        assert_eq!(first_in_a_row(&good("--++++")), Outcome::NotYet(2));
        assert_eq!(first_in_a_row(&good("")), Outcome::NotYet(0));
    }

    proptest! {
        #[test]
        fn another_bad_interval_never_makes_it_recover_sooner(good in prop::collection::vec(any::<bool>(), 0..40), at in 0usize..40) {
            let time = |outcome| match outcome { Outcome::Recovered(n) | Outcome::NotYet(n) => n };
            let mut worse = good.clone();
            if let Some(one) = worse.get_mut(at) {
                *one = false;
            }
            prop_assert!(time(first_in_a_row(&worse)) >= time(first_in_a_row(&good)));
        }
    }
}
