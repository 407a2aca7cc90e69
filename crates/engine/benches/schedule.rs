//! How fast each kind of schedule tells the next arrival. A generator asks twice per arrival: once to send it, once to
//! count it.

use std::time::Duration;

use criterion::{Criterion, Throughput};
use plimsoll_engine::schedule::{Schedule, Share};
use plimsoll_plan::{Arrivals, Rate, RateShape};

/// Ten million seconds at a thousand a second: more arrivals than a benchmark takes.
const LENGTH: Duration = Duration::from_secs(10_000_000);

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("schedule, next arrival");
    group.throughput(Throughput::Elements(1));
    for (name, shape) in shapes() {
        for (spacing, arrivals) in [("uniform", Arrivals::Uniform), ("poisson", Arrivals::Poisson)] {
            let mut cursor = Schedule::new(&shape, arrivals, LENGTH, 1).cursor(Share::WHOLE);
            group.bench_function(format!("{name}, {spacing}"), |bencher| {
                bencher.iter(|| cursor.next().expect("the phase is long enough"));
            });
        }
    }
    group.finish();
    criterion.final_summary();
}

fn shapes() -> [(&'static str, RateShape); 5] {
    let rate = |per_second: f64| Rate::per_second(per_second).expect("a rate");
    [
        ("constant", RateShape::Constant(rate(1000.0))),
        ("ramp", RateShape::Ramp { from: rate(500.0), to: rate(1500.0) }),
        ("steps", RateShape::Steps((1..=10).map(|step| rate(f64::from(step) * 200.0)).collect())),
        ("spike", RateShape::Spike { base: rate(1000.0), spike: rate(5000.0), at: LENGTH / 4, length: LENGTH / 100 }),
        ("wave", RateShape::Wave { mean: rate(1000.0), amplitude: rate(500.0), period: Duration::from_secs(3600) }),
    ]
}
