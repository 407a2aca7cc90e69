//! Comparing a run with the truth: quantiles, mean, distance of the distributions, counts.

use plimsoll_record::calibration::{Compared, Counts, Trial};
use plimsoll_record::latency::Histogram;
use plimsoll_record::summary::Totals;
use plimsoll_record::units::Unit;
use plimsoll_record::verdict::Judgement;

use super::load::Measured;
use super::theory::Distribution;

const QUANTILES: [(&str, f64); 5] = [("p50", 0.5), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99), ("p99.9", 0.999)];
/// How far a number may be from the truth, as a share.
const TOLERANCE: f64 = 0.01;
/// How far the distributions may be apart.
const DISTANCE: f64 = 0.005;
/// Bins of a histogram are at most this share wide.
const BIN: f64 = 1e-3;
/// loadgen kept from its core for so long, or a server late by so much, explains a miss.
const LAG_THAT_EXPLAINS_NS: u64 = 20_000_000;
const LATENESS_THAT_EXPLAINS_NS: u64 = 1_000_000;
/// Of the time, both processes together, ready to run and without a core.
const WAITING_THAT_EXPLAINS: f64 = 0.02;

/// What is true of a trial.
#[derive(Clone, Debug)]
pub(super) struct Truth {
    /// The distribution of response times.
    pub(super) likely: Distribution,
    /// The same at the far end of what theory leaves open; equal to `likely` when it leaves nothing open.
    pub(super) furthest: Distribution,
    /// Seconds by which times may be off before distributions count as different.
    pub(super) slack: f64,
    /// Seconds between two neighbouring times of so few arrivals.
    pub(super) grain: f64,
    /// Arrivals that are left without an answer.
    pub(super) unfinished: u64,
    /// True when loadgen was stopped on purpose, so that having been held up explains nothing.
    pub(super) stopped: bool,
    /// Seconds beyond which nobody waited for an answer, so that distributions cannot be compared.
    pub(super) horizon: f64,
}

impl Truth {
    /// Nothing is left open, and every arrival is answered.
    pub(super) fn known(likely: Distribution, slack: f64, rate: f64) -> Self {
        let (furthest, grain) = (likely.clone(), 1.0 / rate);
        Self { likely, furthest, slack, grain, unfinished: 0, stopped: false, horizon: f64::INFINITY }
    }

    fn compare(&self, what: &str, measured: Option<(f64, bool)>, read: impl Fn(&Distribution) -> f64) -> Compared {
        let (truth_s, open) = (read(&self.likely), (read(&self.furthest) - read(&self.likely)).abs());
        Compared {
            what: what.to_owned(),
            truth_s,
            measured_s: measured.map(|(value, _)| value),
            at_least: measured.is_some_and(|(_, at_least)| at_least),
            allowed_s: Compared::tolerance(TOLERANCE, truth_s) + open + self.grain,
        }
    }

    fn values(&self, totals: &Totals) -> Vec<Compared> {
        let quantile = |(name, q): &(&str, f64)| {
            let measured = totals.response(*q).map(|found| (found.nanos as f64 / 1e9, found.at_least));
            self.compare(name, measured, |truth| truth.quantile(*q))
        };
        let mean = totals.served.response.mean().map(|nanos| (nanos / 1e9, totals.ledger.censored() > 0));
        let mut values: Vec<Compared> = QUANTILES.iter().map(quantile).collect();
        values.push(self.compare("mean", mean, Distribution::mean));
        values
    }

    /// The furthest that theory leaves the distributions apart.
    fn open_distance(&self) -> f64 {
        let top = self.likely.quantile(1.0).max(self.furthest.quantile(1.0));
        let at = |i: u32| top * f64::from(i) / 1_000.0;
        (0..=1_000).map(|i| (self.likely.cdf(at(i)) - self.furthest.cdf(at(i))).abs()).fold(0.0, f64::max)
    }
}

/// The largest distance of the two distribution functions (Kolmogorov and Smirnov), where the truth's slack to either
/// side makes no difference (as in Lévy's metric): a step of the theory is never quite upright in a measurement.
/// `unanswered` arrivals are slower than all others.
pub(super) fn distance(measured: &Histogram, unanswered: u64, truth: &Truth) -> f64 {
    let total = (measured.count() + unanswered).max(1) as f64;
    let (mut counted, mut furthest) = (0, 0.0_f64);
    let bins = measured.bins().map(|(upper_ns, n)| (upper_ns as f64 / 1e9, n));
    for (upper, n) in bins.take_while(|(upper, _)| *upper < truth.horizon) {
        let before = counted as f64 / total;
        counted += n;
        // Up to this bin the measured function is flat; at its end it has risen.
        let missing = truth.likely.cdf(upper * (1.0 - BIN) - truth.slack) - before;
        let surplus = counted as f64 / total - truth.likely.cdf(upper + truth.slack);
        furthest = furthest.max(missing).max(surplus);
    }
    furthest
}

/// Compares a run with the truth. A miss is held against loadgen unless the machine was busy with something else.
pub(super) fn score(name: &str, setting: String, run: &Measured, truth: &Truth) -> Trial {
    let mut trial = Trial {
        name: name.to_owned(),
        setting,
        judgement: Judgement::Pass,
        reason: String::new(),
        values: truth.values(&run.totals),
        distance: distance(&run.totals.served.response, run.totals.ledger.censored(), truth),
        allowed_distance: DISTANCE + truth.open_distance(),
        counts: counts(run, truth.unfinished),
    };
    judge(&mut trial, busy(run, truth).as_deref());
    trial
}

fn counts(run: &Measured, expected_unfinished: u64) -> Counts {
    let ledger = &run.totals.ledger;
    Counts {
        planned: run.planned(),
        scheduled: ledger.scheduled(),
        answered: ledger.answered(),
        unfinished: ledger.censored(),
        expected_unfinished,
        seen_by_server: run.server.requests,
    }
}

/// Sets judgement and reason. Lost arrivals have no excuse; times have one when the machine was busy.
pub(super) fn judge(trial: &mut Trial, busy: Option<&str>) {
    let counts = &trial.counts;
    // One in a hundred may fall to the other side of the freeze's edge.
    let unexpected = counts.unfinished.abs_diff(counts.expected_unfinished);
    let mut misses: Vec<String> =
        trial.values.iter().filter(|value| !value.holds()).map(|value| value.what.clone()).collect();
    misses.extend((trial.distance > trial.allowed_distance).then(|| "the distribution".to_owned()));
    misses.extend((unexpected > counts.expected_unfinished / 100 + 2).then(|| "unfinished arrivals".to_owned()));
    let misses = misses.join(", ");
    (trial.judgement, trial.reason) = if !counts.are_conserved() {
        (Judgement::Fail, "arrivals were lost or counted twice".to_owned())
    } else if misses.is_empty() {
        (Judgement::Pass, "within tolerance".to_owned())
    } else if let Some(busy) = busy {
        (Judgement::Inconclusive, format!("{misses} missed, and the machine was busy: {busy}"))
    } else {
        (Judgement::Fail, format!("{misses} missed, and nothing held loadgen up: its numbers are wrong here"))
    };
}

/// What kept loadgen or the server from their work, if anything did.
fn busy(run: &Measured, truth: &Truth) -> Option<String> {
    let seconds = |nanos: u64| Unit::Seconds.show(nanos as f64 / 1e9);
    let lag = run.facts.generator().map(|row| row.send_lag_max_ns).max().unwrap_or(0);
    let stopped = truth.stopped;
    if !stopped && (!run.health.contaminated.is_empty() || lag > LAG_THAT_EXPLAINS_NS) {
        return Some(format!("loadgen was held up for {}", seconds(lag)));
    }
    let late = run.server.late_ns;
    if late > LATENESS_THAT_EXPLAINS_NS {
        return Some(format!("the built-in server was {} late", seconds(late)));
    }
    let waited = run.waited_for_core / run.totals.seconds;
    (waited > WAITING_THAT_EXPLAINS).then(|| {
        format!("loadgen and the built-in server waited for a core for {} of the time", Unit::Share.show(waited))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calibrate::theory::Freezes;

    fn freeze() -> Truth {
        let freezes = Freezes { base: 0.000_1, holds: vec![1.0; 10], seconds: 100.0, rate: 1_000.0, drain: 1e9 };
        Truth::known(freezes.distribution(), 0.001, 1_000.0)
    }

    /// 100 s of 1,000 requests per second, with a freeze of 1 s in each 10: the times as `seen` by a generator.
    fn frozen(seen: impl Fn(f64) -> Option<f64>) -> Totals {
        let mut totals = Totals::default();
        for i in 0..100_000 {
            let since = (f64::from(i) + 0.5) / 1_000.0 % 10.0;
            let time = if (4.5..5.5).contains(&since) { 5.5 - since } else { 0.000_1 };
            if let Some(time) = seen(time) {
                let nanos = (time * 1e9) as u64;
                totals.served.record(nanos, nanos);
                totals.ledger.schedule(1);
                totals.ledger.finish(plimsoll_record::ledger::Outcome::Ok);
            }
        }
        totals
    }

    fn scored(totals: &Totals, busy: Option<&str>) -> Trial {
        let (truth, responses) = (freeze(), &totals.served.response);
        let answered = totals.ledger.answered();
        let counts =
            Counts { planned: answered, scheduled: answered, answered, seen_by_server: answered, ..Counts::default() };
        let mut trial = Trial {
            name: "freeze-50".to_owned(),
            setting: String::new(),
            judgement: Judgement::Pass,
            reason: String::new(),
            values: truth.values(totals),
            distance: distance(responses, 0, &truth),
            allowed_distance: DISTANCE,
            counts,
        };
        judge(&mut trial, busy);
        trial
    }

    #[test]
    fn who_counts_from_the_intended_time_passes() {
        let trial = scored(&frozen(Some), None);
        assert_eq!(trial.judgement, Judgement::Pass, "{trial:#?}");
        assert!(trial.distance < 0.001, "{trial:#?}");
    }

    #[test]
    fn who_waits_for_an_answer_before_the_next_request_fails() {
        // One connection sends one request into each freeze and misses the others that were due.
        let coordinated = frozen(|time| (!(0.001..=0.999).contains(&time)).then_some(time));
        let trial = scored(&coordinated, None);
        assert_eq!(trial.judgement, Judgement::Fail, "{trial:#?}");
        assert!(trial.reason.contains("p95, p99") && trial.reason.contains("the distribution"), "{}", trial.reason);
    }

    #[test]
    fn times_that_are_a_fiftieth_too_long_fail() {
        let trial = scored(&frozen(|time| Some(time * 1.02)), None);
        assert_eq!(trial.judgement, Judgement::Fail, "{trial:#?}");
    }

    #[test]
    fn a_busy_machine_excuses_times_and_not_lost_arrivals() {
        let wrong = frozen(|time| Some(time * 1.1));
        let mut trial = scored(&wrong, Some("loadgen was held up for 1.00 s"));
        assert_eq!(trial.judgement, Judgement::Inconclusive);
        assert!(trial.reason.contains("held up"), "{}", trial.reason);
        trial.counts.answered -= 1;
        judge(&mut trial, Some("loadgen was held up for 1.00 s"));
        assert_eq!(trial.judgement, Judgement::Fail);
    }

    #[test]
    fn too_many_unfinished_arrivals_are_a_miss() {
        let mut trial = scored(&frozen(Some), None);
        trial.counts.answered -= 10;
        trial.counts.unfinished += 10;
        judge(&mut trial, None);
        assert!(trial.reason.starts_with("unfinished arrivals missed"), "{}", trial.reason);
    }
}
