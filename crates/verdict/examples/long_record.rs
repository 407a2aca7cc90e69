//! Writes a synthetic record of many hours and endpoints, to measure how fast it is judged and rendered:
//! `cargo run --release -p verdict --example long_record -- DIRECTORY [HOURS] [ENDPOINTS] [RATE]`, with RATE in
//! requests per second. The same arguments give the same bytes but for the run's id. Not a measurement of anything.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use plimsoll_record::Offset;
use plimsoll_record::files::{EndReason, FactWriter};
use plimsoll_record::latency::Latency;
use plimsoll_record::ledger::{Ledger, Outcome};
use plimsoll_record::run::RunDir;
use plimsoll_record::series::{Redis, Sample, SeriesFact, SeriesHeader};
use plimsoll_record::traffic::{GeneratorInterval, Interval, PhaseFact, TrafficFact, TrafficHeader, TrafficWriter};

const SECOND: i64 = 1_000_000_000;
const PRODUCER: &str = "long_record";

fn main() -> anyhow::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let number = |place: usize, usual: i64| args.get(place).map_or(Ok(usual), |text| text.parse::<i64>());
    let dir = PathBuf::from(args.first().context("usage: long_record DIRECTORY [HOURS] [ENDPOINTS] [RATE]")?);
    let (hours, endpoints, rate) = (number(1, 1)?, number(2, 20)?, number(3, 400)?);
    let run = RunDir::create_or_join(&dir, "long", PRODUCER)?;
    let text = plan(hours, endpoints, rate);
    let source = plimsoll_plan::SourceText { name: "long.toml".to_owned(), text };
    let plan = plimsoll_plan::parse(&source, &[], &plimsoll_plan::Surroundings::NONE)
        .map_err(|problems| anyhow::anyhow!("{problems}"))?;
    run.store_plan(&plan.to_toml())?;
    traffic(run.path(), hours * 3600, endpoints, rate)?;
    redis(run.path(), hours * 3600)
}

fn plan(hours: i64, endpoints: i64, rate: i64) -> String {
    let flow = |i: i64| format!("[flows.f{i:02}]\n[[flows.f{i:02}.steps]]\nname = \"get\"\nget = \"/{i}\"\n");
    let flows: String = (0..endpoints).map(flow).collect();
    format!(
        r#"schema = 1
name = "long"
[target]
url = "http://127.0.0.1:1"
[[phases]]
name = "warm-up"
duration = "60s"
rate = "{rate}/s"
[[phases]]
name = "steady"
duration = "{}s"
rate = "{rate}/s"
{flows}
[watch]
redis = "redis://127.0.0.1:1"
[criteria]
phase = "steady"
require = ["p95 < 80ms", "p99 < 200ms", "mean < 50ms", "error_rate < 1%", "throughput > 10/s",
  "slope(redis.used_memory) < 1 MB/min"]
"#,
        hours * 3600 - 60
    )
}

fn traffic(dir: &Path, seconds: i64, endpoints: i64, rate: i64) -> anyhow::Result<()> {
    let phase = |name: &str, from: i64, to: i64| PhaseFact {
        name: name.to_owned(),
        start_ns: Offset(from * SECOND),
        end_ns: Some(Offset(to * SECOND)),
        planned_arrivals: Some(((to - from) * (rate / endpoints) * endpoints).unsigned_abs()),
    };
    let header = TrafficHeader {
        start_ns: Offset::ZERO,
        every_ns: SECOND.unsigned_abs(),
        phases: vec![phase("warm-up", 0, 60), phase("steady", 60, seconds)],
        operations: (0..endpoints).map(|i| format!("f{i:02}.get")).collect(),
        checks: Vec::new(),
        workers: 2,
        segment: None,
        tick_ns: None,
        max_send_lag_ns: 10_000_000,
        lookup_ns: None,
    };
    let mut writer = TrafficWriter::create(dir, PRODUCER, Offset::ZERO, header)?;
    let mut noise = Noise(7);
    // Spreading a histogram out costs more than what is counted in it: a few hundred serve the whole record.
    let shapes: Vec<Latency> = (0..500).map(|_| latency((rate / endpoints).unsigned_abs(), &mut noise)).collect();
    for second in 0..seconds {
        for operation in 0..endpoints {
            let shape = &shapes[(noise.next() * shapes.len() as f64) as usize];
            writer.write(&TrafficFact::Interval(Box::new(interval(second, operation, shape))))?;
        }
        writer.write(&TrafficFact::Generator(GeneratorInterval {
            at_ns: Offset(second * SECOND),
            len_ns: SECOND.unsigned_abs(),
            sent: rate.unsigned_abs(),
            cpu_s: 0.1,
            busiest_worker: 0.05,
            connections: 40,
            ..GeneratorInterval::default()
        }))?;
    }
    Ok(writer.finish(Offset(seconds * SECOND), EndReason::Completed)?)
}

fn latency(n: u64, noise: &mut Noise) -> Latency {
    let mut latency = Latency::default();
    for _ in 0..n {
        let service = 2_000_000.0 + 60_000_000.0 * noise.next().powi(5);
        latency.record((service + 100_000.0 * noise.next()) as u64, service as u64);
    }
    // Only what is not empty is kept of one that was read.
    let text = serde_json::to_string(&latency).expect("a histogram can be written");
    serde_json::from_str(&text).expect("what was written can be read")
}

fn interval(second: i64, operation: i64, shape: &Latency) -> Interval {
    let n = shape.response.count();
    let mut ledger = Ledger::default();
    ledger.schedule(n);
    ledger.finish_many(Outcome::Ok, n);
    Interval {
        at_ns: Offset(second * SECOND),
        len_ns: SECOND.unsigned_abs(),
        phase: u32::from(second >= 60),
        operation: operation.try_into().expect("a few endpoints"),
        ledger,
        pending: 0,
        served: shape.clone(),
        limited: Latency::default(),
        censored: Latency::default(),
        timings: plimsoll_record::timings::Timings::default(),
        statuses: BTreeMap::from([(200, n)]),
        checks: BTreeMap::new(),
        body_bytes: 40 * n,
        retries: 0,
        worst: None,
    }
}

fn redis(dir: &Path, seconds: i64) -> anyhow::Result<()> {
    let header =
        SeriesHeader { source: "redis".to_owned(), identity: BTreeMap::new(), every_ns: SECOND.unsigned_abs() };
    let mut writer = FactWriter::<Redis>::create(dir, PRODUCER, Offset::ZERO, header)?;
    let mut noise = Noise(11);
    for second in 0..seconds {
        let used = 60e6 + 200_000.0 * noise.next();
        let values = [("used_memory", used), ("used_memory_rss", used * 1.1), ("keys", 1_000.0), ("expires", 990.0)];
        let values = values.map(|(name, value)| (name.to_owned(), value)).into();
        writer.write(&SeriesFact::Sample(Sample { at_ns: Offset(second * SECOND), took_ns: 300_000, values }))?;
    }
    Ok(writer.finish(Offset(seconds * SECOND), EndReason::Completed)?)
}

/// Numbers between 0 and 1 that look like noise and are always the same.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }
}
