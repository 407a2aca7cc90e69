//! Synthetic runs for tests: what happened is written through the record's own writers into a temporary directory
//! and read back, so that tests judge what the tool would judge.

use std::collections::BTreeMap;

use plimsoll_plan::{Plan, SourceText, Surroundings};
use plimsoll_record::Offset;
use plimsoll_record::checks::{CheckCount, CheckFact};
use plimsoll_record::events::{Event, Events, EventsHeader};
use plimsoll_record::files::{EndReason, FactKind, FactWriter};
use plimsoll_record::ledger::{Ledger, Outcome};
use plimsoll_record::logs::{FollowedLog, LogFact, Logs, LogsHeader};
use plimsoll_record::requests::{Kept, RequestRow, RequestWriter};
use plimsoll_record::run::RunDir;
use plimsoll_record::series::{Redis, Sample, SeriesFact, SeriesHeader};
use plimsoll_record::summary::Facts;
use plimsoll_record::traffic::{
    GeneratorInterval, Interval, PhaseFact, SegmentFact, SlowInterval, TrafficFact, TrafficHeader, TrafficWriter,
};
use plimsoll_record::verdict::{CriterionResult, Judgement, Verdict};
use tempfile::TempDir;

/// What requests that timed out were waited for.
const TIMEOUT_NS: u64 = 30_000_000_000;
pub(crate) const SECOND: u64 = 1_000_000_000;

pub(crate) fn at(seconds: f64) -> Offset {
    Offset((seconds * 1e9).round() as i64)
}

/// What the service did in one second: latencies in milliseconds, and counts of everything else.
#[derive(Clone, Debug, Default)]
pub(crate) struct Second {
    pub(crate) ok_ms: Vec<u64>,
    pub(crate) others: Vec<(Outcome, u64)>,
}

impl Second {
    pub(crate) fn ok(n: usize, ms: u64) -> Self {
        Self { ok_ms: vec![ms; n], others: Vec::new() }
    }

    pub(crate) fn and(mut self, outcome: Outcome, n: u64) -> Self {
        self.others.push((outcome, n));
        self
    }

    fn ledger(&self) -> Ledger {
        let mut ledger = Ledger::default();
        ledger.finish_many(Outcome::Ok, self.ok_ms.len() as u64);
        for (outcome, n) in &self.others {
            ledger.finish_many(*outcome, *n);
        }
        ledger.schedule(ledger.finished());
        ledger
    }
}

/// A run to be recorded: from second 0 a phase `steady` whose criteria are judged, unless there are others.
#[derive(Debug)]
pub(crate) struct Script {
    pub(crate) criteria: String,
    pub(crate) seconds: Vec<Second>,
    /// What a second operation, `write`, did meanwhile; the first is `check`.
    pub(crate) writes: Vec<Second>,
    /// Other phases than `steady`, one after another: name, seconds, rate.
    pub(crate) phases: Vec<(&'static str, u64, &'static str)>,
    pub(crate) generator: Vec<GeneratorInterval>,
    pub(crate) planned: Option<u64>,
    pub(crate) segment: Option<SegmentFact>,
    pub(crate) traffic: bool,
    pub(crate) end: Option<EndReason>,
    pub(crate) redis: Vec<SeriesFact>,
    pub(crate) requests: Vec<RequestRow>,
    pub(crate) kept: Kept,
    pub(crate) slow: Vec<SlowInterval>,
    pub(crate) logs: Option<Vec<LogFact>>,
    pub(crate) events: Vec<Event>,
}

impl Script {
    /// A run of `seconds` seconds in which each second went as `second` says.
    pub(crate) fn of(seconds: u64, second: impl FnMut(u64) -> Second) -> Self {
        let healthy = |i: u64| GeneratorInterval {
            at_ns: Offset((i * SECOND).cast_signed()),
            len_ns: SECOND,
            sent: 100,
            busiest_worker: 0.1,
            ..GeneratorInterval::default()
        };
        Self {
            criteria: String::new(),
            seconds: (0..seconds).map(second).collect(),
            writes: Vec::new(),
            phases: Vec::new(),
            generator: (0..seconds).map(healthy).collect(),
            planned: None,
            segment: None,
            traffic: true,
            end: Some(EndReason::Completed),
            redis: Vec::new(),
            requests: Vec::new(),
            kept: Kept::All,
            slow: Vec::new(),
            logs: None,
            events: Vec::new(),
        }
    }

    /// A healthy run of 100 requests of 10 ms per second.
    pub(crate) fn healthy(seconds: u64) -> Self {
        Self::of(seconds, |_| Second::ok(100, 10))
    }

    /// `[criteria]` lines of the plan, judged in phase `steady`.
    pub(crate) fn criteria(mut self, lines: &str) -> Self {
        self.criteria = lines.to_owned();
        self
    }

    /// One sample of Redis per second.
    pub(crate) fn redis(mut self, sample: impl Fn(u64) -> Vec<(&'static str, f64)>) -> Self {
        let samples = (0..self.seconds.len() as u64).map(|i| redis_sample(i as f64 + 0.5, &sample(i)));
        self.redis = samples.collect();
        self
    }

    /// `used_memory` per second, in bytes.
    pub(crate) fn used_memory(self, bytes: impl Fn(u64) -> f64) -> Self {
        self.redis(|i| vec![("used_memory", bytes(i))])
    }

    pub(crate) fn plan(&self) -> Plan {
        let criteria = &self.criteria;
        let step = if self.writes.is_empty() { "" } else { "[[flows.check.steps]]\nname = \"write\"\npost = \"/\"" };
        let default = if self.phases.is_empty() { "phase = \"steady\"" } else { "" };
        let phases: String = self.phases().iter().map(phase).collect();
        let text = format!(
            r#"
schema = 1
name = "test"
[target]
url = "http://127.0.0.1:1"
timeout = "5s"
{phases}
[flows.check]
[[flows.check.steps]]
name = "check"
get = "/"
expect = {{ status = [200], limited = 429 }}
{step}
[limiter]
key = "user.id"
limits = ["5/s", "10/min"]
window = "fixed"
[watch]
redis = "redis://127.0.0.1:1"
logs = [{{ path = "errors.log" }}, {{ path = "limits.log", event = "RATE_LIMITED", count_by = "type" }}]
[criteria]
{default}
{criteria}
"#
        );
        let source = SourceText { name: "test plan".to_owned(), text };
        plimsoll_plan::parse(&source, &[], &Surroundings::NONE).unwrap_or_else(|problems| panic!("{problems}"))
    }

    fn phases(&self) -> Vec<(&'static str, u64, &'static str)> {
        let steady = ("steady", self.seconds.len().max(1) as u64, "\"100/s\"");
        if self.phases.is_empty() { vec![steady] } else { self.phases.clone() }
    }

    /// The same run with these phases: name, seconds, rate as it stands in the plan.
    pub(crate) fn phases_are(mut self, phases: &[(&'static str, u64, &'static str)]) -> Self {
        self.phases = phases.to_vec();
        self
    }

    /// The same run with a second operation.
    pub(crate) fn writes(mut self, second: impl FnMut(u64) -> Second) -> Self {
        self.writes = (0..self.seconds.len() as u64).map(second).collect();
        self
    }

    /// Records the run.
    pub(crate) fn record(&self) -> Recorded {
        let dir = tempfile::tempdir().unwrap();
        let run = RunDir::create_or_join(dir.path(), "test", "test 1").unwrap();
        set_wall_clock(&run);
        if self.traffic {
            self.write_traffic(&run);
        }
        let series = SeriesHeader { source: "redis".to_owned(), identity: BTreeMap::new(), every_ns: SECOND };
        write_facts::<Redis>(&run, series, &self.redis);
        write_facts::<Events>(&run, EventsHeader {}, &self.events);
        if let Some(logs) = &self.logs {
            let names = ["errors", "limits"].map(|name| FollowedLog { name: name.into(), path: format!("{name}.log") });
            write_facts::<Logs>(&run, LogsHeader { logs: names.into() }, logs);
        }
        if !self.requests.is_empty() {
            let mut log = RequestWriter::create(run.path(), self.kept).unwrap();
            log.write(&self.requests).unwrap();
            log.finish().unwrap();
        }
        Recorded { facts: Facts::load(dir.path()).unwrap(), plan: self.plan(), dir }
    }

    /// Records and judges the run.
    pub(crate) fn judge(&self) -> Verdict {
        self.record().judge()
    }

    /// Records and judges the run; its only criterion.
    pub(crate) fn result(&self) -> CriterionResult {
        let verdict = self.judge();
        assert_eq!(verdict.criteria.len(), 1, "{:?}", verdict.criteria);
        verdict.criteria[0].clone()
    }

    fn phase_facts(&self) -> Vec<PhaseFact> {
        let mut start = 0;
        let fact = |(name, seconds, _): (&str, u64, &str)| {
            let start_ns = at(start as f64);
            start += seconds;
            let end_ns = Some(at(start as f64));
            PhaseFact { name: name.to_owned(), start_ns, end_ns, planned_arrivals: self.planned }
        };
        self.phases().into_iter().map(fact).collect()
    }

    fn write_traffic(&self, run: &RunDir) {
        let end = Offset((self.seconds.len() as u64 * SECOND).cast_signed());
        let operations = if self.writes.is_empty() { 1 } else { 2 };
        let phases = self.phase_facts();
        let header = TrafficHeader {
            start_ns: Offset::ZERO,
            every_ns: SECOND,
            phases: self.phase_facts(),
            operations: ["check", "write"].map(str::to_owned).into_iter().take(operations).collect(),
            checks: vec![CheckFact { operation: 0, name: "has items".to_owned(), soft: false }],
            workers: 1,
            segment: self.segment,
            tick_ns: None,
            max_send_lag_ns: 10_000_000,
            lookup_ns: None,
        };
        let mut writer = TrafficWriter::create(run.path(), "loadgen test", Offset::ZERO, header).unwrap();
        for (operation, seconds) in (0..).zip([&self.seconds, &self.writes]) {
            for (i, second) in (0..).zip(seconds) {
                let mut row = Interval { operation, phase: phase_of(&phases, at(i as f64)), ..interval(i, second) };
                if operation > 0 {
                    row.checks.clear();
                }
                writer.write(&TrafficFact::Interval(Box::new(row))).unwrap();
            }
        }
        for row in &self.generator {
            writer.write(&TrafficFact::Generator(row.clone())).unwrap();
        }
        for row in &self.slow {
            writer.write(&TrafficFact::Slow(row.clone())).unwrap();
        }
        match self.end {
            Some(reason) => writer.finish(end, reason).unwrap(),
            None => writer.flush().unwrap(),
        }
    }
}

/// The check of the plan held for every answer that did not fail it.
fn checks(second: &Second) -> CheckCount {
    CheckCount { passed: second.ok_ms.len() as u64, failed: second.ledger().count(Outcome::FailedCheck) }
}

fn phase((name, seconds, rate): &(&str, u64, &str)) -> String {
    format!("[[phases]]\nname = \"{name}\"\nduration = \"{seconds}s\"\nrate = {rate}\n")
}

fn phase_of(phases: &[PhaseFact], at: Offset) -> u32 {
    let index = phases.iter().position(|phase| phase.end_ns.is_none_or(|end| at < end));
    index.unwrap_or(phases.len() - 1) as u32
}

fn interval(i: u64, second: &Second) -> Interval {
    let mut interval = Interval {
        at_ns: Offset((i * SECOND).cast_signed()),
        len_ns: SECOND,
        phase: 0,
        operation: 0,
        ledger: second.ledger(),
        pending: 0,
        served: plimsoll_record::latency::Latency::default(),
        limited: plimsoll_record::latency::Latency::default(),
        censored: plimsoll_record::latency::Latency::default(),
        timings: plimsoll_record::timings::Timings::default(),
        statuses: BTreeMap::new(),
        checks: BTreeMap::from([(0, checks(second))]),
        body_bytes: 0,
        retries: 0,
        worst: None,
    };
    for ms in &second.ok_ms {
        interval.served.record(ms * 1_000_000, ms * 1_000_000);
    }
    for _ in 0..interval.ledger.count(Outcome::TimedOut) {
        interval.censored.record(TIMEOUT_NS, TIMEOUT_NS);
    }
    interval
}

/// Lets every run begin at the same wall time, a full minute: the windows of limiters are aligned to it.
fn set_wall_clock(run: &RunDir) {
    let path = run.path().join("run.json");
    let mut info: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    info["anchor"]["unix_ns"] = 1_800_000_000_000_000_000_i64.into();
    std::fs::write(&path, info.to_string()).unwrap();
}

fn write_facts<K: FactKind>(run: &RunDir, header: K::Header, facts: &[K::Fact]) {
    let mut writer = FactWriter::<K>::create(run.path(), "memwatch test", Offset::ZERO, header).unwrap();
    facts.iter().for_each(|fact| writer.write(fact).unwrap());
    writer.finish(Offset(i64::MAX), EndReason::Completed).unwrap();
}

pub(crate) fn redis_sample(seconds: f64, values: &[(&'static str, f64)]) -> SeriesFact {
    let values = values.iter().map(|(key, value)| ((*key).to_owned(), *value)).collect();
    SeriesFact::Sample(Sample { at_ns: at(seconds), took_ns: 50_000, values })
}

/// A recorded run. The directory lives as long as it does.
#[derive(Debug)]
pub(crate) struct Recorded {
    pub(crate) facts: Facts,
    pub(crate) plan: Plan,
    pub(crate) dir: TempDir,
}

impl Recorded {
    /// Writes the request log anew, every row `by_ns` later.
    pub(crate) fn rewrite_requests(&mut self, rows: &[RequestRow], by_ns: i64) {
        let kept = self.facts.requests().unwrap().unwrap().kept;
        std::fs::remove_file(self.dir.path().join(plimsoll_record::requests::FILE)).unwrap();
        let moved: Vec<RequestRow> =
            rows.iter().map(|row| RequestRow { intended: Offset(row.intended.0 + by_ns), ..*row }).collect();
        let mut log = RequestWriter::create(self.dir.path(), kept).unwrap();
        log.write(&moved).unwrap();
        log.finish().unwrap();
    }

    /// As if it had been recorded elsewhere.
    pub(crate) fn on_another_machine(&mut self) {
        let path = self.dir.path().join("run.json");
        let mut info: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        info["machine"]["cores"] = 4_096.into();
        std::fs::write(&path, info.to_string()).unwrap();
        self.facts = Facts::load(self.dir.path()).unwrap();
    }

    pub(crate) fn judge(&self) -> Verdict {
        crate::judge(&self.facts, &self.plan, &self.plan.criteria).unwrap()
    }
}

/// Asserts a judgement and that the reason names what it must.
#[track_caller]
pub(crate) fn expect(result: &CriterionResult, judgement: Judgement, words: &[&str]) {
    assert_eq!(result.judgement, judgement, "{result:#?}");
    for word in words {
        assert!(result.reason.contains(word), "`{word}` is not in `{}`", result.reason);
    }
}

/// Deterministic noise.
#[derive(Debug)]
pub(crate) struct Noise(rand_chacha::ChaCha8Rng);

impl Noise {
    pub(crate) fn seeded(seed: u64) -> Self {
        Self(rand::SeedableRng::seed_from_u64(seed))
    }

    pub(crate) fn uniform(&mut self) -> f64 {
        rand::RngExt::random(&mut self.0)
    }

    /// Standard normal, by Box and Muller.
    pub(crate) fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// An autoregressive series of unit variance: neighbours `tau` steps apart correlate by 1/e.
    pub(crate) fn autoregressive(&mut self, n: usize, tau: f64) -> Vec<f64> {
        let rho = (-1.0 / tau).exp();
        let mut level = self.normal();
        let mut next = || {
            level = rho * level + (1.0 - rho * rho).sqrt() * self.normal();
            level
        };
        (0..n).map(|_| next()).collect()
    }
}
