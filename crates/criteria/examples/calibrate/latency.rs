//! Simulated response times of a service with moods, judged at the very limit: where the truth is a hair above it a
//! pass is wrong, a hair below it a fail.

use std::collections::BTreeMap;
use std::path::Path;

use plimsoll_criteria::judge;
use plimsoll_plan::{Plan, SourceText, Surroundings};
use plimsoll_record::Offset;
use plimsoll_record::files::{End, EndReason, FORMAT, FactFile, Header};
use plimsoll_record::latency::Latency;
use plimsoll_record::ledger::{Ledger, Outcome};
use plimsoll_record::run::RunDir;
use plimsoll_record::summary::Facts;
use plimsoll_record::timings::Timings;
use plimsoll_record::traffic::{GeneratorInterval, Interval, PhaseFact, Traffic, TrafficFact, TrafficHeader};
use plimsoll_record::verdict::Judgement;

use super::noise::Noise;

/// The median response time, in seconds.
const MEDIAN_S: f64 = 0.05;
/// How much requests of one mood differ, and how much moods do: standard deviations of the logarithm.
const WITHIN: f64 = 0.5;
const REQUESTS_PER_SECOND: u64 = 50;
/// How far the limits lie from the truth, as a share of it: more than a bin of the histogram.
const HAIR: f64 = 0.003;
const SECOND: u64 = 1_000_000_000;
/// The length of an interval of the record.
const INTERVAL_S: usize = 5;

/// A percentile of a service whose moods have a memory.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Load {
    /// The percentile's name, and the standard normal quantile it lies at.
    percentile: (&'static str, f64),
    /// How much moods differ.
    moods: f64,
    /// In so many seconds moods are forgotten to 37 %; 9.5 s is a correlation of 0.9 from second to second.
    memory_s: f64,
}

const P95: (&str, f64) = ("p95", 1.644_853_627);
const P99: (&str, f64) = ("p99", 2.326_347_874);

pub(crate) const LOADS: [Load; 4] = [
    Load { percentile: P95, moods: 0.0, memory_s: 9.5 },
    Load { percentile: P95, moods: 0.3, memory_s: 9.5 },
    Load { percentile: P99, moods: 0.3, memory_s: 9.5 },
    Load { percentile: P95, moods: 0.3, memory_s: 2.0 },
];

/// The lengths of runs that are simulated, in minutes.
pub(crate) const MINUTES: [u64; 3] = [2, 5, 10];

impl Load {
    pub(crate) fn name(self) -> String {
        let name = self.percentile.0;
        match self.moods {
            0.0 => format!("{name}, requests independent"),
            _ => format!("{name}, moods that last {} s", self.memory_s),
        }
    }

    /// The percentile that is true: response times are log-normal, with both spreads together.
    fn truth_s(self) -> f64 {
        MEDIAN_S * (self.percentile.1 * WITHIN.hypot(self.moods)).exp()
    }

    fn number(self) -> u64 {
        LOADS.iter().position(|load| *load == self).unwrap_or(LOADS.len()) as u64
    }
}

/// What became of the runs of one load and length.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    runs: u64,
    passed_above: u64,
    failed_below: u64,
    undecided: u64,
}

impl Tally {
    /// The share that passed although the truth lies above the limit.
    pub(crate) fn wrong_pass(&self) -> f64 {
        self.passed_above as f64 / self.runs.max(1) as f64
    }

    /// The share that failed although the truth lies below the limit.
    pub(crate) fn wrong_fail(&self) -> f64 {
        self.failed_below as f64 / self.runs.max(1) as f64
    }

    /// The share of both that was inconclusive.
    pub(crate) fn undecided(&self) -> f64 {
        self.undecided as f64 / (2 * self.runs).max(1) as f64
    }
}

/// Judges simulated runs. Nothing of them is written to the directory.
pub(crate) struct Bench {
    facts: Facts,
}

impl Bench {
    pub(crate) fn in_dir(dir: &Path) -> Self {
        RunDir::create_or_join(dir, "calibrate", "calibrate").expect("an empty directory takes a run");
        let facts = Facts::load(dir).expect("a run that was just made can be loaded");
        Self { facts }
    }

    pub(crate) fn tally(&mut self, load: Load, minutes: u64, base: u64, runs: u64) -> Tally {
        let plan = plan(load, minutes);
        let mut tally = Tally { runs, ..Tally::default() };
        for number in 0..runs {
            let mut noise = Noise::of(base, 1_000 + load.number(), minutes, number);
            self.facts.traffic = Some(traffic(load, minutes * 60, &mut noise));
            let verdict = judge(&self.facts, &plan, &plan.criteria).expect("there is no file to be damaged");
            let [above, below] = [0, 1].map(|index| verdict.criteria[index].judgement);
            tally.passed_above += u64::from(above == Judgement::Pass);
            tally.failed_below += u64::from(below == Judgement::Fail);
            tally.undecided +=
                u64::from(above == Judgement::Inconclusive) + u64::from(below == Judgement::Inconclusive);
        }
        tally
    }
}

/// The first criterion is missed by a hair, the second is met by one.
fn plan(load: Load, minutes: u64) -> Plan {
    let name = load.percentile.0;
    let [below, above] = [1.0 - HAIR, 1.0 + HAIR].map(|share| load.truth_s() * share * 1e6);
    let text = format!(
        r#"
schema = 1
name = "calibrate"
[target]
url = "http://127.0.0.1:1"
[[phases]]
name = "steady"
duration = "{minutes}m"
rate = "{REQUESTS_PER_SECOND}/s"
[flows.one]
[[flows.one.steps]]
name = "one"
get = "/"
[criteria]
phase = "steady"
require = ["{name} < {below:.0}us", "{name} < {above:.0}us"]
"#
    );
    let source = SourceText { name: "calibrate".to_owned(), text };
    plimsoll_plan::parse(&source, &[], &Surroundings::NONE).unwrap_or_else(|problems| panic!("{problems}"))
}

fn traffic(load: Load, seconds: u64, noise: &mut Noise) -> FactFile<Traffic> {
    let moods: Vec<f64> =
        noise.autoregressive(seconds as usize, load.memory_s).iter().map(|mood| load.moods * mood).collect();
    let mut facts = Vec::new();
    for (i, moods) in (0..).step_by(INTERVAL_S).zip(moods.chunks(INTERVAL_S)) {
        facts.push(TrafficFact::Interval(Box::new(interval(i, moods, noise))));
        facts.push(TrafficFact::Generator(GeneratorInterval {
            at_ns: offset(i),
            len_ns: moods.len() as u64 * SECOND,
            sent: moods.len() as u64 * REQUESTS_PER_SECOND,
            busiest_worker: 0.1,
            ..GeneratorInterval::default()
        }));
    }
    let body = TrafficHeader {
        start_ns: Offset::ZERO,
        every_ns: INTERVAL_S as u64 * SECOND,
        phases: vec![PhaseFact {
            name: "steady".to_owned(),
            start_ns: Offset::ZERO,
            end_ns: Some(offset(seconds)),
            planned_arrivals: None,
        }],
        operations: vec!["one".to_owned()],
        checks: Vec::new(),
        workers: 1,
        segment: None,
        tick_ns: None,
        max_send_lag_ns: 10_000_000,
        lookup_ns: None,
    };
    let header = Header { format: FORMAT, producer: "calibrate".to_owned(), at_ns: Offset::ZERO, body };
    FactFile { header, facts, end: Some(End { at_ns: offset(seconds), reason: EndReason::Completed }) }
}

fn interval(from: u64, moods: &[f64], noise: &mut Noise) -> Interval {
    let requests = moods.len() as u64 * REQUESTS_PER_SECOND;
    let mut ledger = Ledger::default();
    ledger.schedule(requests);
    ledger.finish_many(Outcome::Ok, requests);
    let mut served = Latency::default();
    for mood in moods.iter().flat_map(|mood| std::iter::repeat_n(mood, REQUESTS_PER_SECOND as usize)) {
        let nanos = (MEDIAN_S * (mood + WITHIN * noise.normal()).exp() * 1e9) as u64;
        served.record(nanos, nanos);
    }
    Interval {
        at_ns: offset(from),
        len_ns: moods.len() as u64 * SECOND,
        phase: 0,
        operation: 0,
        ledger,
        pending: 0,
        served,
        limited: Latency::default(),
        censored: Latency::default(),
        timings: Timings::default(),
        retries: 0,
        statuses: BTreeMap::new(),
        checks: BTreeMap::new(),
        body_bytes: 0,
        worst: None,
    }
}

fn offset(seconds: u64) -> Offset {
    Offset((seconds * SECOND).cast_signed())
}
