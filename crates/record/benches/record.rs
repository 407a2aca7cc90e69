//! What the facts cost: the increments that every request pays, and the rows that every interval pays.

use std::collections::BTreeMap;
use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput};
use plimsoll_record::Offset;
use plimsoll_record::files::EndReason;
use plimsoll_record::latency::{Histogram, Latency};
use plimsoll_record::ledger::{Ledger, Outcome};
use plimsoll_record::traffic::{self, Interval, PhaseFact, TrafficFact, TrafficHeader, TrafficWriter};

const SECOND: u64 = 1_000_000_000;
const REQUESTS: u64 = 10_000;
/// Ten minutes of one operation.
const ROWS: u32 = 600;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    increments(&mut criterion);
    rows(&mut criterion);
    files(&mut criterion);
    criterion.final_summary();
}

fn increments(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("increment");
    group.throughput(Throughput::Elements(1));
    let mut ledger = Ledger::default();
    group.bench_function("ledger, scheduled and finished", |bencher| {
        bencher.iter(|| {
            // Else the counts would stay in registers for the whole loop, which they never do between requests.
            let ledger = black_box(&mut ledger);
            ledger.schedule(1);
            ledger.finish(Outcome::Ok);
        });
    });
    let (mut histogram, mut number) = (Histogram::new(), 0);
    group.bench_function("histogram", |bencher| {
        bencher.iter(|| {
            number += 1;
            histogram.record(latency_ns(number));
        });
    });
    group.finish();
}

fn rows(criterion: &mut Criterion) {
    let dense = row(0);
    let text = serde_json::to_vec(&dense).expect("a row can be written");
    let sparse: TrafficFact = serde_json::from_slice(&text).expect("what was written can be read");
    let mut group = criterion.benchmark_group("row of an interval");
    group.throughput(Throughput::Bytes(text.len() as u64));
    // Dense as the generator writes it, sparse as it was read from a record.
    for (name, fact) in [("dense", &dense), ("sparse", &sparse)] {
        let mut out = Vec::with_capacity(2 * text.len());
        group.bench_function(BenchmarkId::new("write", name), |bencher| {
            bencher.iter(|| {
                out.clear();
                serde_json::to_writer(&mut out, fact).expect("a row can be written");
            });
        });
    }
    group.bench_function("read", |bencher| {
        bencher.iter(|| serde_json::from_slice::<TrafficFact>(&text).expect("what was written can be read"));
    });
    group.finish();
}

fn files(criterion: &mut Criterion) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut writer = TrafficWriter::create(dir.path(), "bench", Offset(0), header()).expect("a new file");
    for number in 0..ROWS {
        writer.write(&row(i64::from(number))).expect("a row can be written");
    }
    writer.finish(Offset(0), EndReason::Completed).expect("the file can be ended");
    let mut group = criterion.benchmark_group("file");
    group.throughput(Throughput::Elements(ROWS.into()));
    group.bench_function("read the rows of ten minutes and check their books", |bencher| {
        bencher.iter(|| traffic::read(dir.path()).expect("what was written can be read"));
    });
    group.finish();
}

/// 50 us to 2 ms, spread without a random number.
fn latency_ns(number: u64) -> u64 {
    50_000 + number * 7_919 % 977 * 2_000
}

fn row(second: i64) -> TrafficFact {
    let mut ledger = Ledger::default();
    ledger.schedule(REQUESTS);
    ledger.finish_many(Outcome::Ok, REQUESTS);
    let mut served = Latency::default();
    (0..REQUESTS).for_each(|number| served.record(latency_ns(number) + 20_000, latency_ns(number)));
    TrafficFact::Interval(Box::new(Interval {
        at_ns: Offset(second * SECOND.cast_signed()),
        len_ns: SECOND,
        phase: 0,
        operation: 0,
        ledger,
        pending: 0,
        served,
        limited: Latency::default(),
        censored: Latency::default(),
        timings: plimsoll_record::timings::Timings::default(),
        statuses: BTreeMap::from([(200, REQUESTS)]),
        checks: BTreeMap::new(),
        body_bytes: 6 * REQUESTS,
        retries: 0,
        worst: None,
    }))
}

fn header() -> TrafficHeader {
    TrafficHeader {
        start_ns: Offset(0),
        every_ns: SECOND,
        phases: vec![PhaseFact {
            name: "steady".to_owned(),
            start_ns: Offset(0),
            end_ns: None,
            planned_arrivals: None,
        }],
        operations: vec!["check".to_owned()],
        checks: Vec::new(),
        workers: 1,
        segment: None,
        tick_ns: None,
        max_send_lag_ns: 10_000_000,
        lookup_ns: None,
    }
}
