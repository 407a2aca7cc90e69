//! Counts of requests, durations and cache look-ups, and `GET /metrics` in OpenMetrics text. Each serving
//! thread counts for itself, so that nothing is shared between cores; only a reader adds them up.

use std::{
    fmt::{self, Write as _},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use hyper::{StatusCode, header::HeaderValue};

use crate::{
    body::Body,
    cache::Area,
    replies::{self, Reply},
    routes::{ENDPOINTS, Endpoint},
    state::Shared,
};

const OPENMETRICS: HeaderValue = HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
/// Upper bounds in microseconds, each with its OpenMetrics label in seconds.
const BOUNDS: [(u64, &str); 12] = [
    (1_000, "0.001"),
    (2_500, "0.0025"),
    (5_000, "0.005"),
    (10_000, "0.01"),
    (25_000, "0.025"),
    (50_000, "0.05"),
    (100_000, "0.1"),
    (250_000, "0.25"),
    (500_000, "0.5"),
    (1_000_000, "1.0"),
    (2_500_000, "2.5"),
    (10_000_000, "10.0"),
];
/// Status classes 2xx to 5xx; no other status is ever answered.
const CLASSES: [&str; 4] = ["2xx", "3xx", "4xx", "5xx"];
/// One for each endpoint, and one for requests that met none.
const METERS: usize = ENDPOINTS.len() + 1;

/// What one thread has counted.
#[derive(Debug)]
pub(crate) struct Meter {
    endpoints: [Counts; METERS],
    cache: [Lookups; Area::ALL.len()],
}

#[derive(Debug, Default)]
struct Counts {
    by_class: [AtomicU64; CLASSES.len()],
    /// Not cumulative; the last is for what is above all bounds.
    by_duration: [AtomicU64; BOUNDS.len() + 1],
    sum_us: AtomicU64,
}

#[derive(Debug, Default)]
struct Lookups {
    hits: AtomicU64,
    misses: AtomicU64,
}

impl Default for Meter {
    fn default() -> Self {
        Self { endpoints: std::array::from_fn(|_| Counts::default()), cache: Default::default() }
    }
}

impl Meter {
    /// Counts a request to the endpoint at `index`, or to none.
    pub(crate) fn request(&self, index: Option<usize>, status: StatusCode, took: Duration) {
        let counts = &self.endpoints[index.unwrap_or(METERS - 1)];
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let class = usize::from(status.as_u16() / 100).saturating_sub(2).min(CLASSES.len() - 1);
        let bucket = BOUNDS.partition_point(|(bound, _)| *bound < micros);
        add(&counts.by_class[class], 1);
        add(&counts.by_duration[bucket], 1);
        add(&counts.sum_us, micros);
    }

    pub(crate) fn cache(&self, area: Area, hit: bool) {
        let lookups = &self.cache[area as usize];
        add(if hit { &lookups.hits } else { &lookups.misses }, 1);
    }
}

/// `GET /metrics`
pub(crate) fn show(shared: &Shared) -> Reply {
    replies::with_body(StatusCode::OK, OPENMETRICS, Body::whole(text(shared).into()))
}

fn text(shared: &Shared) -> String {
    let mut text = String::new();
    shared.with_meters(|meters| {
        write_requests(&mut text, meters);
        write_durations(&mut text, meters);
        write_lookups(&mut text, meters);
    });
    let level = shared.pool.level();
    for (name, help, value) in [
        ("redis_pool_size", "Places in the pool.", level.db_pool_size),
        ("redis_pool_available", "Places that are free.", level.db_pool_available),
        ("redis_pool_active", "Places that are taken.", level.db_pool_active),
        ("redis_pool_waiting", "Requests that wait for a place.", level.db_pool_waiting),
    ] {
        line(&mut text, format_args!("# TYPE {name} gauge\n# HELP {name} {help}\n{name} {value}"));
    }
    line(&mut text, format_args!("# EOF"));
    text
}

fn write_requests(text: &mut String, meters: &[Arc<Meter>]) {
    line(text, format_args!("# TYPE http_requests counter\n# HELP http_requests Requests answered, by status class."));
    for (index, labels) in endpoint_labels() {
        for (class, name) in CLASSES.iter().enumerate() {
            let count = sum(meters, |meter| &meter.endpoints[index].by_class[class]);
            if count > 0 {
                line(text, format_args!("http_requests_total{{{labels},status=\"{name}\"}} {count}"));
            }
        }
    }
}

fn write_durations(text: &mut String, meters: &[Arc<Meter>]) {
    let name = "http_request_duration_seconds";
    line(text, format_args!("# TYPE {name} histogram\n# UNIT {name} seconds"));
    line(text, format_args!("# HELP {name} From the request's head until the reply's head is ready."));
    for (index, labels) in endpoint_labels() {
        let buckets: [u64; BOUNDS.len() + 1] =
            std::array::from_fn(|bucket| sum(meters, |meter| &meter.endpoints[index].by_duration[bucket]));
        let count: u64 = buckets.iter().sum();
        if count == 0 {
            continue;
        }
        let bounds = BOUNDS.iter().map(|(_, label)| *label).chain(["+Inf"]);
        let mut cumulative = 0;
        for (bound, in_bucket) in bounds.zip(buckets) {
            cumulative += in_bucket;
            line(text, format_args!("{name}_bucket{{{labels},le=\"{bound}\"}} {cumulative}"));
        }
        let micros = sum(meters, |meter| &meter.endpoints[index].sum_us);
        let (seconds, rest) = (micros / 1_000_000, micros % 1_000_000);
        line(text, format_args!("{name}_sum{{{labels}}} {seconds}.{rest:06}"));
        line(text, format_args!("{name}_count{{{labels}}} {count}"));
    }
}

fn write_lookups(text: &mut String, meters: &[Arc<Meter>]) {
    type Pick = fn(&Lookups) -> &AtomicU64;
    let kinds: [(&str, &str, Pick); 2] = [
        ("cache_hits", "Answers found in the cache.", |lookups| &lookups.hits),
        ("cache_misses", "Answers that had to be made.", |lookups| &lookups.misses),
    ];
    for (name, help, pick) in kinds {
        line(text, format_args!("# TYPE {name} counter\n# HELP {name} {help}"));
        for area in Area::ALL {
            let count = sum(meters, |meter| pick(&meter.cache[area as usize]));
            line(text, format_args!("{name}_total{{cache=\"{}\"}} {count}", area.name()));
        }
    }
}

fn endpoint_labels() -> impl Iterator<Item = (usize, String)> {
    let labels = ENDPOINTS.iter().map(|Endpoint { method, path, .. }| format!("method=\"{method}\",path=\"{path}\""));
    labels.chain([r#"method="other",path="other""#.to_owned()]).enumerate()
}

fn add(counter: &AtomicU64, amount: u64) {
    counter.fetch_add(amount, Ordering::Relaxed);
}

fn sum(meters: &[Arc<Meter>], pick: impl Fn(&Meter) -> &AtomicU64) -> u64 {
    meters.iter().map(|meter| pick(meter).load(Ordering::Relaxed)).sum()
}

fn line(text: &mut String, written: fmt::Arguments<'_>) {
    writeln!(text, "{written}").expect("writing to a string does not fail");
}
