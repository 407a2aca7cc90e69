//! Which criteria a plan can decide, and what memwatch must provide for them.

use plimsoll_criteria::Outlook;
use plimsoll_criteria::forecast::Forecast;
use plimsoll_plan::{Criterion, Metric, Plan, PoolSource, ProcessWatch, Watch};
use plimsoll_record::metric::Source;

/// A criterion and what is to be expected of it.
pub(super) struct Judging<'p> {
    pub(super) criterion: &'p Criterion,
    pub(super) outlook: Outlook,
}

pub(super) fn all<'p>(plan: &'p Plan, forecast: &Forecast) -> Vec<Judging<'p>> {
    forecast.outlooks(plan).into_iter().map(|(criterion, outlook)| Judging { criterion, outlook }).collect()
}

/// Something memwatch samples, and the criteria that look at it.
pub(super) struct Watched {
    pub(super) what: String,
    pub(super) criteria: Vec<String>,
}

/// What memwatch must run for.
pub(super) fn watched(plan: &Plan) -> Vec<Watched> {
    let Some(watch) = &plan.watch else { return Vec::new() };
    let of = |wanted: &dyn Fn(&Metric) -> bool| {
        let criteria = plan.criteria.iter().filter(|one| wanted(&one.expression.metric));
        criteria.map(|one| one.id.clone()).collect::<Vec<_>>()
    };
    let sampled = |metric: &Metric, wanted: Source| match metric {
        Metric::Fragmentation => wanted == Source::Redis,
        Metric::Series { metric, .. } => metric.source == wanted,
        _ => false,
    };
    let mut list = Vec::new();
    for (source, what) in sources(watch) {
        list.push(Watched { what, criteria: of(&|metric| sampled(metric, source)) });
    }
    for log in &watch.logs {
        let what = format!("log {} ({})", log.name, log.path.display());
        list.push(Watched {
            what,
            criteria: of(&|metric| matches!(metric, Metric::Log { log: name, .. } if *name == log.name)),
        });
    }
    list
}

fn sources(watch: &Watch) -> Vec<(Source, String)> {
    let redis = watch.redis.iter().map(|source| (Source::Redis, format!("Redis ({source})")));
    let host = watch.host.then(|| (Source::Host, "the host".to_owned()));
    let process = watch.process.iter().map(|process| match process {
        ProcessWatch::Pid(pid) => (Source::Process, format!("the process {pid}")),
        ProcessWatch::Name(name) => (Source::Process, format!("the process {name}")),
        ProcessWatch::Port(port) => (Source::Process, format!("the process at port {port}")),
    });
    redis.chain(host).chain(process).chain(around(watch)).collect()
}

fn around(watch: &Watch) -> impl Iterator<Item = (Source, String)> {
    let postgres = watch.postgres.iter().map(|server| (Source::Postgres, format!("PostgreSQL ({server})")));
    let pool = watch.pool.iter().map(|pool| match pool {
        PoolSource::Application { name, .. } => (Source::Pool, format!("the connection pool of {name}")),
        PoolSource::Endpoint(endpoint) => (Source::Pool, format!("the connection pool ({})", endpoint.url)),
    });
    let names = |names: &[&str]| names.join(", ");
    let several = [(Source::Container, "containers"), (Source::Probe, "endpoints")].into_iter();
    let several = several.filter(|(source, _)| watch.samples(*source));
    let several = several.map(move |(source, what)| (source, format!("{what}: {}", names(&watch.names(source)))));
    postgres.chain(pool).chain(several)
}
