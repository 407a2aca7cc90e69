//! The truth of each trial: distributions of response times that follow from what was done to the server or to
//! loadgen, before anything is measured. No clock, no I/O.
//!
//! A distribution is a mixture of points and uniform pieces, which is all that freezes, overload and a queue with
//! known arrivals need. Nothing here is fitted to the run it is compared with.

use std::time::Duration;

use plimsoll_engine::schedule::{Schedule, Share};
use plimsoll_plan::{Arrivals, Rate, RateShape};

/// However slow the backlog drains, theory does not let it grow for ever: beyond this it is no backlog but an overload.
const LEAST_SPARE: f64 = 0.05;
/// Runs simulated for the sampling error of a mean.
const SIMULATED: u64 = 200;

/// A probability distribution of seconds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Distribution {
    pieces: Vec<Piece>,
}

/// Uniform between two times, or a point when they are the same.
#[derive(Clone, Copy, Debug)]
struct Piece {
    low: f64,
    high: f64,
    mass: f64,
}

impl Distribution {
    /// Everything takes `base`, except shares of all arrivals that are spread evenly between two times.
    fn mostly(base: f64, spread: impl IntoIterator<Item = (f64, f64, f64)>) -> Self {
        let mut pieces: Vec<Piece> = spread.into_iter().map(|(low, high, mass)| Piece { low, high, mass }).collect();
        let rest = 1.0 - pieces.iter().map(|piece| piece.mass).sum::<f64>();
        pieces.push(Piece { low: base, high: base, mass: rest.max(0.0) });
        Self { pieces }
    }

    /// Each of these times once.
    pub(crate) fn of(times: &[f64]) -> Self {
        let mass = 1.0 / times.len() as f64;
        Self { pieces: times.iter().map(|time| Piece { low: *time, high: *time, mass }).collect() }
    }

    /// P(L <= x).
    pub(crate) fn cdf(&self, x: f64) -> f64 {
        self.pieces.iter().map(|piece| piece.mass * piece.share_up_to(x)).sum()
    }

    /// The smallest time that at least the share `q` does not exceed.
    pub(crate) fn quantile(&self, q: f64) -> f64 {
        let mut low = self.pieces.iter().map(|piece| piece.low).fold(f64::INFINITY, f64::min);
        let mut high = self.pieces.iter().map(|piece| piece.high).fold(0.0, f64::max);
        // A sum of many small masses comes a little short of the whole.
        let q = q - 1e-9;
        for _ in 0..60 {
            let middle = f64::midpoint(low, high);
            if self.cdf(middle) >= q { high = middle } else { low = middle }
        }
        high
    }

    pub(crate) fn mean(&self) -> f64 {
        self.pieces.iter().map(|piece| piece.mass * f64::midpoint(piece.low, piece.high)).sum()
    }
}

impl Piece {
    fn share_up_to(&self, x: f64) -> f64 {
        if x >= self.high {
            1.0
        } else if x <= self.low {
            0.0
        } else {
            (x - self.low) / (self.high - self.low)
        }
    }
}

/// Steady arrivals for `seconds` while everything stands still `holds` times, each for so long, and a backlog is
/// worked off at `drain` requests per second afterwards.
///
/// Arrival a seconds into a freeze of S is number `rate * a` of the backlog. Its answer comes at S + a * rate / drain, so
/// it takes S - a (1 - rate/drain): evenly spread over (0, S), by all that arrive until the backlog is gone, in
/// S / (1 - rate/drain).
#[derive(Clone, Debug)]
pub(crate) struct Freezes {
    pub(crate) base: f64,
    pub(crate) holds: Vec<f64>,
    pub(crate) seconds: f64,
    pub(crate) rate: f64,
    pub(crate) drain: f64,
}

impl Freezes {
    pub(crate) fn distribution(&self) -> Distribution {
        let spare = (1.0 - self.rate / self.drain).max(LEAST_SPARE);
        let held = self.holds.iter().map(|hold| (self.base, self.base + hold, hold / spare / self.seconds));
        Distribution::mostly(self.base, held)
    }
}

/// A freeze that lasts from `tail` seconds before the last arrival until after loadgen has given up, `patience` after
/// it: the times those arrivals were waited for, which bound what they would have taken.
pub(crate) fn abandoned(base: f64, seconds: f64, tail: f64, patience: f64) -> Distribution {
    Distribution::mostly(base, [(patience, patience + tail, tail / seconds)])
}

/// One server that takes `service` for each request, asked at `rate` per second, which is more than it can do.
pub(crate) fn overload(base: f64, service: f64, rate: f64, seconds: f64) -> Distribution {
    let backlog = (rate * service - 1.0) * seconds;
    Distribution::mostly(base + service, [(base + service, base + service + backlog, 1.0)])
}

/// How long each arrival of one server with a fixed service time takes, by Lindley's recursion: it starts when it is
/// there and the one before it is done.
pub(crate) fn queue(arrivals: &[f64], service: f64) -> Vec<f64> {
    let mut free_at = f64::NEG_INFINITY;
    let time = |arrival: &f64| {
        free_at = arrival.max(free_at) + service;
        free_at - arrival
    };
    arrivals.iter().map(time).collect()
}

/// The mean wait in a queue with Poisson arrivals, one server and a fixed service time (Pollaczek and Khinchine).
pub(crate) fn mean_wait(rate: f64, service: f64) -> f64 {
    let utilisation = rate * service;
    service * utilisation / (2.0 * (1.0 - utilisation))
}

/// The standard deviation of the mean wait that runs of this length find, by simulating some. A queue remembers its busy times,
/// so it is many times larger than independent waits would have.
pub(crate) fn mean_wait_error(rate: f64, service: f64, length: Duration) -> f64 {
    let rate = Rate::per_second(rate).expect("trials have positive rates");
    let mean = |seed: u64| {
        let schedule = Schedule::new(&RateShape::Constant(rate), Arrivals::Poisson, length, seed);
        let arrivals: Vec<f64> = schedule.cursor(Share::WHOLE).map(|planned| planned.at_ns as f64 / 1e9).collect();
        let times = queue(&arrivals, service);
        times.iter().sum::<f64>() / times.len().max(1) as f64
    };
    let means: Vec<f64> = (0..SIMULATED).map(mean).collect();
    let centre = means.iter().sum::<f64>() / means.len() as f64;
    let squares: f64 = means.iter().map(|mean| (mean - centre).powi(2)).sum();
    (squares / (means.len() - 1) as f64).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn near(found: f64, wanted: f64, within: f64) {
        assert!((found - wanted).abs() <= within, "{found} is not {wanted}");
    }

    fn freezes(drain: f64) -> Freezes {
        Freezes { base: 0.001, holds: vec![1.0; 10], seconds: 100.0, rate: 1_000.0, drain }
    }

    /// What a service of unlimited patience does: arrivals in order, a freeze at the end of each tenth second, `drain`
    /// answers per second as long as there is a backlog.
    fn simulated(freezes: &Freezes) -> Vec<f64> {
        let mut free_at: f64 = 0.0;
        let time = |i: u64| {
            let at = (i as f64 + 0.5) / freezes.rate;
            let since = at.rem_euclid(10.0);
            let thawed = if (8.5..9.5).contains(&since) { at - since + 9.5 } else { at };
            let done = thawed.max(free_at);
            let backlog = done > at + 1e-9;
            free_at = if backlog { done + 1.0 / freezes.drain } else { done };
            done - at + freezes.base
        };
        (0..(freezes.rate * freezes.seconds) as u64).map(time).collect()
    }

    #[test]
    fn a_freeze_of_a_second_in_ten_has_the_known_quantiles() {
        let truth = freezes(f64::INFINITY).distribution();
        near(truth.quantile(0.5), 0.001, 1e-6);
        near(truth.quantile(0.95), 0.501, 1e-6);
        near(truth.quantile(0.99), 0.901, 1e-6);
        near(truth.mean(), 0.051, 1e-6);
        near(truth.cdf(0.501), 0.95, 1e-6);
    }

    #[test]
    fn a_backlog_that_drains_is_the_same_in_theory_and_in_simulation() {
        for drain in [1e9, 50_000.0, 5_000.0] {
            let freezes = Freezes { holds: vec![1.0], seconds: 10.0, ..freezes(drain) };
            let (truth, found) = (freezes.distribution(), Distribution::of(&simulated(&freezes)));
            for q in [0.5, 0.85, 0.95, 0.99, 0.999] {
                near(found.quantile(q), truth.quantile(q), 0.003);
            }
            near(found.mean(), truth.mean(), 0.001);
        }
    }

    #[test]
    fn an_overload_grows_evenly_in_theory_and_in_simulation() {
        let (service, rate, seconds) = (0.002, 600.0, 10.0);
        let arrivals: Vec<f64> = (0..6_000).map(|i| (f64::from(i) + 0.5) / rate).collect();
        let found = Distribution::of(&queue(&arrivals, service));
        let truth = overload(0.0, service, rate, seconds);
        near(truth.quantile(1.0), 2.002, 1e-6);
        for q in [0.1, 0.5, 0.9, 0.99] {
            near(found.quantile(q), truth.quantile(q), 0.001);
        }
    }

    #[test]
    fn a_queue_at_four_fifths_waits_two_service_times_on_average() {
        near(mean_wait(400.0, 0.002), 0.004, 1e-12);
        let rate = RateShape::Constant(Rate::per_second(400.0).unwrap());
        let schedule = Schedule::new(&rate, Arrivals::Poisson, Duration::from_secs(2_000), 1);
        let arrivals: Vec<f64> = schedule.cursor(Share::WHOLE).map(|planned| planned.at_ns as f64 / 1e9).collect();
        let times = queue(&arrivals, 0.002);
        near(times.iter().sum::<f64>() / times.len() as f64 - 0.002, 0.004, 0.0002);
    }

    #[test]
    fn a_longer_run_knows_the_mean_wait_better() {
        let error = |seconds| mean_wait_error(400.0, 0.002, Duration::from_secs(seconds));
        let (short, long) = (error(4), error(64));
        assert!((2.0..8.0).contains(&(short / long)), "{short} and {long}: a factor of about 4");
    }

    #[test]
    fn abandoned_arrivals_are_known_by_how_long_they_were_waited_for() {
        let truth = abandoned(0.001, 10.0, 1.0, 0.5);
        near(truth.quantile(0.89), 0.001, 1e-6);
        near(truth.quantile(0.95), 1.0, 1e-6);
    }
}
