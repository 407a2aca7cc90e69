//! What it takes to make the text of one request: nothing to fill, or a user's identity in it.

use criterion::{Criterion, Throughput};
use plimsoll_engine::bench::Template;
use plimsoll_plan::{Hole, Part};

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("template, fill a path");
    group.throughput(Throughput::Elements(1));
    let literal = |text: &str| Part::Literal(text.to_owned());
    let templates = [
        ("static", vec![literal("/api/check")]),
        ("user id", vec![literal("/users/"), Hole::UserId.into(), literal("/check")]),
    ];
    for (name, parts) in templates {
        let mut template = Template::path(&parts);
        let mut user = 0;
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                user = user % 1_000_000 + 1;
                template.fill(user)
            });
        });
    }
    group.finish();
    criterion.final_summary();
}
