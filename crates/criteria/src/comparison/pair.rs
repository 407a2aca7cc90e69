//! Two runs, from their blocks of time: a paired block bootstrap.
//!
//! Both windows are cut into the same number of blocks, and the same blocks are drawn for both, so that the shape of the
//! schedule cancels out. The spread of the log ratio over the draws is its standard error; the interval takes
//! Student's t of one less than the blocks, at a confidence that holds for all endpoints together (Bonferroni). What
//! runs of one code differ by from day to day is not in it: that takes more base runs.

use std::collections::BTreeMap;

use plimsoll_record::summary::{Facts, Scope, Window};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::{Change, METRICS, Tolerance};
use crate::statistics::{BATCH_SECONDS, MIN_BATCHES, student_quantile};

const SEED: u64 = 0x706c_696d_7061_6972;
const DRAWS: usize = 200;
const MOST_BLOCKS: usize = 30;

/// Why two runs cannot be compared.
#[derive(Debug, thiserror::Error)]
pub enum CompareError {
    /// A run has no such phase.
    #[error("run {run} has no phase `{phase}`; it has {known}")]
    NoPhase {
        /// The run.
        run: String,
        /// The phase.
        phase: String,
        /// The phases it has.
        known: String,
    },
    /// A run is too short.
    #[error("run {run} lasted {seconds:.0} s in phase `{phase}`; a comparison takes {needed:.0} s or more", needed = BATCH_SECONDS * MIN_BATCHES as f64 / 2.0)]
    TooShort {
        /// The run.
        run: String,
        /// The phase.
        phase: String,
        /// How long it lasted.
        seconds: f64,
    },
}

/// Compares `candidate` with `base` in a phase of both, endpoint by endpoint; all endpoints together come first.
///
/// # Errors
/// [`CompareError`] when a run has no such phase, or it is too short to be cut into blocks.
pub fn against_one(
    base: &Facts,
    candidate: &Facts,
    phase: &str,
    tolerance: Tolerance,
) -> Result<Vec<Change>, CompareError> {
    let (mine, theirs) = (Side::of(candidate, phase)?, Side::of(base, phase)?);
    let blocks = mine.blocks().min(theirs.blocks());
    let endpoints = theirs.endpoints().into_iter().filter(|name| mine.operation(name).is_some());
    let endpoints: Vec<String> = endpoints.collect();
    let confidence = 1.0 - 0.05 / endpoints.len().max(1) as f64;
    let mut changes = Vec::new();
    for endpoint in std::iter::once("").chain(endpoints.iter().map(String::as_str)) {
        let (base, candidate) = (theirs.matrix(endpoint, blocks), mine.matrix(endpoint, blocks));
        changes.extend(of_endpoint(endpoint, &base, &candidate, confidence, tolerance));
    }
    Ok(changes)
}

fn of_endpoint(
    endpoint: &str,
    base: &Matrix,
    candidate: &Matrix,
    confidence: f64,
    tolerance: Tolerance,
) -> Vec<Change> {
    let blocks = base.finished.len();
    let whole = vec![1; blocks];
    let (before, after) = (base.numbers(&whole), candidate.numbers(&whole));
    let mut rng = ChaCha8Rng::seed_from_u64(SEED);
    let mut spreads = vec![Vec::with_capacity(DRAWS); METRICS.len()];
    for _ in 0..DRAWS {
        let mut drawn = vec![0; blocks];
        (0..blocks).for_each(|_| drawn[rng.random_range(0..blocks)] += 1);
        let (before, after) = (base.numbers(&drawn), candidate.numbers(&drawn));
        for (place, metric) in METRICS.into_iter().enumerate() {
            let scaled = |value: Option<f64>| value.and_then(|value| metric.scaled(value));
            if let (Some(before), Some(after)) = (scaled(before[place]), scaled(after[place])) {
                spreads[place].push(after - before);
            }
        }
    }
    let t = student_quantile(f64::midpoint(confidence, 1.0), blocks - 1);
    let widen = (blocks as f64 / (blocks - 1) as f64).sqrt();
    let changes = METRICS.into_iter().zip(spreads).enumerate().filter_map(|(place, (metric, spread))| {
        // A number that most draws do not have is not known.
        let half = (spread.len() * 2 > DRAWS).then(|| t * widen * deviation(&spread))?;
        metric.change(endpoint, before[place]?, after[place]?, half, tolerance)
    });
    changes.collect()
}

fn deviation(values: &[f64]) -> f64 {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt()
}

/// One of the two runs.
struct Side<'a> {
    facts: &'a Facts,
    phase: u32,
    window: Window,
}

impl<'a> Side<'a> {
    fn of(facts: &'a Facts, phase: &str) -> Result<Self, CompareError> {
        let run = facts.run.info().id.clone();
        let phases = facts.traffic.iter().flat_map(|traffic| &traffic.header.body.phases);
        let names: Vec<&str> = phases.map(|phase| phase.name.as_str()).collect();
        let Some(index) = names.iter().position(|name| *name == phase) else {
            let known = if names.is_empty() { "no traffic".to_owned() } else { names.join(", ") };
            return Err(CompareError::NoPhase { run, phase: phase.to_owned(), known });
        };
        let window = facts.phase_windows()[index];
        let side = Self { facts, phase: index as u32, window };
        if side.blocks() < MIN_BATCHES {
            return Err(CompareError::TooShort { run, phase: phase.to_owned(), seconds: window.seconds() });
        }
        Ok(side)
    }

    /// Blocks of ten seconds or more.
    fn blocks(&self) -> usize {
        ((self.window.seconds() / (BATCH_SECONDS / 2.0)) as usize).min(MOST_BLOCKS)
    }

    fn endpoints(&self) -> Vec<String> {
        self.facts.traffic.as_ref().map(|traffic| traffic.header.body.operations.clone()).unwrap_or_default()
    }

    fn operation(&self, endpoint: &str) -> Option<u32> {
        self.endpoints().iter().position(|name| name == endpoint).map(|index| index as u32)
    }

    fn matrix(&self, endpoint: &str, blocks: usize) -> Matrix {
        let mut matrix = Matrix { seconds: self.window.seconds() / blocks as f64, ..Matrix::empty(blocks) };
        let operation = self.operation(endpoint);
        let scope = Scope { phase: Some(self.phase), operation, ..Scope::default() };
        let length = self.window.seconds() * 1e9 / blocks as f64;
        let mut histograms = vec![plimsoll_record::latency::Histogram::default(); blocks];
        for row in self.facts.intervals(&scope) {
            // Answers that came after the phase belong to its last block.
            let block = ((row.at_ns.since(self.window.from) as f64 / length) as usize).min(blocks - 1);
            histograms[block].merge(&row.served.response);
            matrix.finished[block] += row.ledger.finished();
            matrix.failures[block] += row.ledger.failures();
            matrix.answered[block] += row.ledger.answered();
            matrix.censored[block] += row.ledger.censored();
        }
        let mut bins: BTreeMap<u64, Vec<u32>> = BTreeMap::new();
        for (block, histogram) in histograms.iter().enumerate() {
            for (top, n) in histogram.bins() {
                bins.entry(top).or_insert_with(|| vec![0; blocks])[block] += u32::try_from(n).unwrap_or(u32::MAX);
            }
        }
        matrix.bins = bins.into_iter().collect();
        matrix
    }
}

/// What happened in each block.
struct Matrix {
    /// Length of a block.
    seconds: f64,
    /// Counts by block of each bin, ascending by the bin's upper end in nanoseconds.
    bins: Vec<(u64, Vec<u32>)>,
    finished: Vec<u64>,
    failures: Vec<u64>,
    answered: Vec<u64>,
    censored: Vec<u64>,
}

impl Matrix {
    fn empty(blocks: usize) -> Self {
        let none = || vec![0; blocks];
        Self { seconds: 0.0, bins: Vec::new(), finished: none(), failures: none(), answered: none(), censored: none() }
    }

    /// The metrics in the order of [`METRICS`], each block counted as often as it was drawn.
    fn numbers(&self, drawn: &[u64]) -> [Option<f64>; METRICS.len()] {
        let sum = |of: &[u64]| of.iter().zip(drawn).map(|(n, times)| n * times).sum::<u64>() as f64;
        let (finished, failures) = (sum(&self.finished), sum(&self.failures));
        let counts: Vec<(u64, u64)> = self
            .bins
            .iter()
            .map(|(top, blocks)| (*top, blocks.iter().zip(drawn).map(|(n, times)| u64::from(*n) * times).sum()))
            .collect();
        let answers = counts.iter().map(|(_, n)| n).sum::<u64>() as f64;
        let total = answers + sum(&self.censored);
        let quantile = |q: f64| {
            let rank = (q * total).ceil().max(1.0);
            let mut seen = 0.0;
            let found = counts.iter().find(|(_, n)| {
                seen += *n as f64;
                seen >= rank
            });
            found.map(|(top, _)| *top as f64 / 1e9)
        };
        let mean = counts.iter().map(|(top, n)| *top as f64 / 1e9 * *n as f64).sum::<f64>() / answers;
        [
            quantile(0.5),
            quantile(0.95),
            quantile(0.99),
            (answers > 0.0).then_some(mean),
            (finished > 0.0).then(|| failures / finished),
            Some(sum(&self.answered) / (self.seconds * drawn.iter().sum::<u64>() as f64)),
        ]
    }
}

#[cfg(test)]
mod tests {
    use plimsoll_record::ledger::Outcome;

    use super::super::Finding;
    use super::*;
    use crate::testing::{Noise, Recorded, Script, Second};

    /// Two minutes of 50 requests a second whose speed wanders with the mood of the service.
    fn run(seed: u64, factor: f64, errors: u64) -> Recorded {
        let mut noise = Noise::seeded(seed);
        let mood = noise.autoregressive(120, 5.0);
        let script = Script::of(120, |i| {
            let base = 100.0 * factor * (0.03 * mood[i as usize]).exp();
            let ok_ms = (0..50).map(|_| (base * (0.2 * noise.normal()).exp()) as u64).collect();
            Second { ok_ms, others: vec![(Outcome::UnexpectedStatus, errors)] }
        });
        script.criteria("").record()
    }

    fn finding(base: &Recorded, candidate: &Recorded, metric: &str) -> Finding {
        let changes = against_one(&base.facts, &candidate.facts, "steady", Tolerance::default()).unwrap();
        let change = changes.iter().find(|change| change.metric == metric && change.endpoint.is_empty());
        change.unwrap_or_else(|| panic!("no {metric} in {changes:?}")).finding
    }

    #[test]
    fn a_service_that_got_slower_is_found_and_one_that_got_faster_too() {
        let (base, slower) = (run(1, 1.0, 0), run(2, 1.3, 0));
        assert_eq!(finding(&base, &slower, "p95"), Finding::MuchWorse);
        assert_eq!(finding(&slower, &base, "p95"), Finding::Better);
        assert_eq!(finding(&base, &run(3, 1.0, 5), "error_rate"), Finding::MuchWorse);
    }

    #[test]
    fn runs_of_the_same_service_are_seldom_called_worse() {
        let worse = (0..20).filter(|pair| {
            let (base, candidate) = (run(100 + 2 * pair, 1.0, 0), run(101 + 2 * pair, 1.0, 0));
            ["p95", "mean"].iter().any(|metric| finding(&base, &candidate, metric) >= Finding::Worse)
        });
        assert!(worse.count() <= 1);
    }

    #[test]
    fn the_same_runs_give_the_same_numbers() {
        let (base, other) = (run(1, 1.0, 0), run(2, 1.1, 0));
        let once = || against_one(&base.facts, &other.facts, "steady", Tolerance::default()).unwrap();
        assert_eq!(once(), once());
    }

    #[test]
    fn what_cannot_be_compared_says_why() {
        let (long, short) = (run(1, 1.0, 0), Script::healthy(30).record());
        let error = against_one(&long.facts, &short.facts, "steady", Tolerance::default()).unwrap_err().to_string();
        assert!(error.contains("lasted 30 s") && error.contains("60 s or more"), "{error}");
        let error = against_one(&long.facts, &short.facts, "spike", Tolerance::default()).unwrap_err().to_string();
        assert!(error.contains("no phase `spike`") && error.contains("steady"), "{error}");
    }
}
