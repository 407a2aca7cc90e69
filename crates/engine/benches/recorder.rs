//! What it takes to write one answered request down: ledger, send lag, both histograms, the slowest so far.

use criterion::{Criterion, Throughput};
use plimsoll_engine::bench::Books;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("recorder");
    group.throughput(Throughput::Elements(1));
    let mut books = Books::new();
    // Latencies from 50 us to 2 ms, so that the increments do not all hit one cache line.
    let mut at = 0;
    group.bench_function("one answered request", |bencher| {
        bencher.iter(|| {
            at += 100_000;
            let lag = 10_000 + at / 100_000 % 64 * 500;
            let service = 50_000 + at / 100_000 % 977 * 2_000;
            books.request(at, at + lag, at + lag + service);
        });
    });
    group.finish();
    criterion.final_summary();
}
