//! The memory rows of the verdict: every component that was sampled, judged like a criterion on its slope.

use plimsoll_plan::{Criterion, Function, Metric as Judged};
use plimsoll_record::metric::{Metric, Source};
use plimsoll_record::units::Unit;
use plimsoll_record::verdict::{
    Fragmentation, GrowthCause, GrowthState, Interval, MemoryFacts, MemoryGrowth, Settling,
};

use super::growth::{Growth, Outcome, Question};
use super::horizon::Horizon;
use super::segments::saves;
use super::{drain, fragmentation, rates, reason};
use crate::families::series_window;
use crate::place::Place;
use crate::run::JudgedRun;
use crate::statistics::SLOPE_CONFIDENCE;

/// What is looked at without being asked for.
const COMPONENTS: [&str; 6] = [
    "redis.used_memory",
    "redis.used_memory_dataset",
    "redis.used_memory_overhead",
    "redis.used_memory_rss",
    "host.memory_used",
    "process.rss",
];
/// The growth that is too much where no criterion says, in bytes per second: 1 MB a minute.
const USUAL_LIMIT: f64 = 1e6 / 60.0;

/// What became of memory; `None` when nothing of it was sampled.
pub(crate) fn list(run: &JudgedRun<'_>, criteria: &[Criterion]) -> Option<MemoryFacts> {
    let stated: Vec<Stated<'_>> = criteria.iter().filter_map(slope).collect();
    let mut components: Vec<MemoryGrowth> = Vec::new();
    let places =
        stated.iter().map(|one| (one.metric, one.of, Place::of(run, &one.criterion.scope), limit(one.criterion)));
    let place = default_place(run, criteria, &stated);
    let usual = stated.first().map_or(USUAL_LIMIT, |one| limit(one.criterion));
    let others = COMPONENTS.iter().filter_map(|name| Some((Metric::find(name)?, None, place.clone(), usual)));
    for (metric, of, place, limit) in places.chain(others).collect::<Vec<_>>() {
        let known = |row: &MemoryGrowth| row.metric == metric.name_of(of) && row.scope == place.words;
        if !components.iter().any(known) {
            components.extend(component(run, &place, (metric, of), limit));
        }
    }
    components.sort_by_key(|row| COMPONENTS.iter().position(|name| *name == row.metric).unwrap_or(COMPONENTS.len()));
    let facts = MemoryFacts { components, drain: drain::of(run.facts), fragmentation: lost(run, &place) };
    (facts != MemoryFacts::default()).then_some(facts)
}

/// A criterion on the growth of something that is counted in bytes.
#[derive(Clone, Copy, Debug)]
struct Stated<'a> {
    criterion: &'a Criterion,
    metric: &'static Metric,
    of: Option<&'a str>,
}

fn slope(criterion: &Criterion) -> Option<Stated<'_>> {
    match &criterion.expression.metric {
        Judged::Series { function: Function::Slope, metric, of } if metric.unit == Unit::Bytes => {
            Some(Stated { criterion, metric, of: of.as_deref() })
        }
        _ => None,
    }
}

/// The growth that is too much by a criterion; the usual one where its limit is only known by measuring.
pub(crate) fn limit(criterion: &Criterion) -> f64 {
    criterion.expression.limit.known().unwrap_or(USUAL_LIMIT)
}

/// Where the first criterion on growth looks, or else the first criterion at all.
fn default_place(run: &JudgedRun<'_>, criteria: &[Criterion], stated: &[Stated<'_>]) -> Place {
    let first = stated.first().map(|one| one.criterion).or(criteria.first());
    Place::of(run, &first.map(|criterion| criterion.scope.clone()).unwrap_or_default())
}

fn component(
    run: &JudgedRun<'_>,
    place: &Place,
    (metric, of): (&Metric, Option<&str>),
    limit: f64,
) -> Option<MemoryGrowth> {
    let series = run.facts.series_of(metric.source, of).filter(|_| place.missing.is_none())?;
    let window = series_window(series, place.window)?;
    let growth = Growth::of(&Question { series, metric, window, limit, sampled_ttl_s: Horizon::sampled(run.facts) })?;
    let unit = Unit::BytesPerSecond;
    let outcome = growth.outcome.as_ref();
    let range = outcome.map(|outcome| outcome.trend.estimate.range);
    let slope = outcome.map(|outcome| outcome.trend.estimate.slope);
    let full = |(slope, range)| rates::full_in(series, growth.judged, slope, range);
    Some(MemoryGrowth {
        metric: metric.name_of(of),
        scope: place.words.clone(),
        from_ns: growth.judged.from,
        to_ns: growth.judged.to,
        state: outcome.map_or(GrowthState::Inconclusive, |outcome| outcome.state),
        reason: reason::sentence(&growth, limit, unit),
        limit,
        slope,
        interval: range.map(|range| Interval { low: range.low, high: range.high, confidence: SLOPE_CONFIDENCE }),
        floor_slope: outcome.and_then(|outcome| outcome.trend.floor),
        late_slope: outcome.map(|outcome| outcome.trend.late),
        effective_samples: outcome.map(|outcome| outcome.trend.estimate.effective),
        bucket_s: growth.line.bucket_s,
        buckets: growth.line.buckets.clone(),
        steps: growth.ledger.steps.clone(),
        saves_ns: saves(series, growth.judged).map(|mark| mark.at_ns).collect(),
        cause: outcome.and_then(cause),
        settling: outcome.and_then(settling),
        plateau: outcome.and_then(|outcome| outcome.cause.as_ref()?.plateau),
        per_request: rates::per_request(run.facts, growth.judged, &growth.line),
        full_in_s: slope.zip(range).filter(|_| metric.name() == COMPONENTS[0]).and_then(full),
        needed_s: reason::needed_s(&growth, limit),
    })
}

fn cause(outcome: &Outcome) -> Option<GrowthCause> {
    let cause = outcome.cause.as_ref()?;
    Some(GrowthCause { kind: cause.kind, sentence: cause.sentence.clone() })
}

fn settling(outcome: &Outcome) -> Option<Settling> {
    let found = outcome.settling?;
    Some(Settling {
        first_slope: found.first,
        last_slope: found.last,
        tau_s: found.tau_s,
        until_limit_s: found.until_limit_s,
    })
}

fn lost(run: &JudgedRun<'_>, place: &Place) -> Option<Fragmentation> {
    let series = run.facts.series(Source::Redis).filter(|_| place.missing.is_none())?;
    fragmentation::of(series, series_window(series, place.window)?).map(|(lost, _)| lost)
}
