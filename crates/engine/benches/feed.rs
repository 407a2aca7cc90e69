//! What a closed user's turn takes: to be found when its think time is over, and to be put back to think again.

use std::num::NonZeroU32;

use criterion::{Criterion, Throughput};
use plimsoll_engine::bench::Users;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("feed, pop and give back");
    group.throughput(Throughput::Elements(1));
    for count in [1, 1_000_000] {
        let mut users = Users::new(NonZeroU32::new(count).expect("there are users"));
        group.bench_function(format!("{count} closed users"), |bencher| bencher.iter(|| users.turn()));
    }
    group.finish();
    criterion.final_summary();
}
