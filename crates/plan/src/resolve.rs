//! From TOML to a [`Plan`]: the entry points, and what concerns the plan as a whole.
//!
//! A new table gets a file of its own below, one field here, and its lines in the writer.

mod alerts;
mod around;
mod bodies;
mod calls;
mod captures;
mod checks;
mod conditions;
mod connections;
mod criteria;
mod crowds;
mod data;
mod files;
mod flows;
mod generator;
mod headers;
mod holes;
mod integrity;
mod limiter;
mod logs;
mod names;
mod needs;
mod open;
mod payloads;
mod phases;
mod rates;
mod redis;
mod replay;
mod requests;
mod steps;
mod stores;
mod target;
mod templates;
mod think;
mod users;
mod values;
mod watch;

pub(crate) use self::calls::ISOLATIONS;
pub(crate) use self::connections::word as http_word;
pub(crate) use self::payloads::SHAPES;

use std::cell::RefCell;

use crate::criteria::Criterion;
use crate::data::DataSet;
use crate::diagnostics::{Origin, Problem, Problems, SourceText};
use crate::flow::{Flow, Step};
use crate::model::{Plan, Target};
use crate::overrides::{self, Override};
use crate::quick;
use crate::reader::{Context, Field, Reader};
use crate::redis::RedisSource;
use crate::store::{Payload, Shape, Store};
use crate::surroundings::Surroundings;
use crate::tree::{self, Entry, Table};
use crate::write;

use names::Names;

/// Reads a plan: overrides are applied, variables and files looked up, defaults filled in, and everything is checked.
///
/// # Errors
/// Every problem of the plan, at once.
///
/// # Example
/// ```
/// use plimsoll_plan::{Override, SourceText, Surroundings, parse};
///
/// let text = r#"
///     name = "tiny"
///     target = { url = "${TARGET_URL:-http://127.0.0.1:8080}" }
///     phases = [{ name = "steady", duration = "10s", rate = "5/s" }]
///     flows.home.steps = [{ name = "home", get = "/" }]
/// "#;
/// let source = SourceText { name: "tiny.toml".to_owned(), text: text.to_owned() };
/// let overrides = [Override::parse("phases.steady.duration=20s")?];
/// let plan = parse(&source, &overrides, &Surroundings::NONE)?;
/// assert_eq!(plan.phases[0].duration, Some(std::time::Duration::from_secs(20)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn parse(source: &SourceText, overrides: &[Override], surroundings: &Surroundings<'_>) -> Result<Plan, Problems> {
    read(source, surroundings, false, |root, context| {
        let quick = quick::take(root);
        let stated = root.clone();
        let plan = overridden(root, overrides, context);
        // A sound plan says now what is wrong with its quick form, not on the day that somebody asks for it. After
        // overrides it cannot be told which of the two a problem comes from.
        if let Some(quick) = quick.filter(|_| overrides.is_empty() && context.problems.borrow().is_empty()) {
            quick_form(stated, &quick, &[], context);
        }
        plan
    })
}

/// The same of the plan's quick form: `[quick]` is laid over the plan, then the overrides are applied.
///
/// # Errors
/// Every problem of the quick form, at once; that there is none is one.
///
/// # Example
/// ```
/// use plimsoll_plan::{SourceText, Surroundings, parse_quick};
///
/// let text = r#"
///     name = "tiny"
///     target = { url = "http://127.0.0.1:8080" }
///     phases = [{ name = "steady", duration = "10m", users = 20, think = "5s..15s" }]
///     flows.home.steps = [{ name = "home", get = "/" }]
///     [quick]
///     phases.steady = { duration = "10s", think = "500ms..1500ms" }
/// "#;
/// let source = SourceText { name: "tiny.toml".to_owned(), text: text.to_owned() };
/// let plan = parse_quick(&source, &[], &Surroundings::NONE)?;
/// assert_eq!(plan.phases[0].duration, Some(std::time::Duration::from_secs(10)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn parse_quick(
    source: &SourceText,
    overrides: &[Override],
    surroundings: &Surroundings<'_>,
) -> Result<Plan, Problems> {
    read(source, surroundings, false, |root, context| match quick::take(root) {
        Some(quick) => quick_form(std::mem::take(root), &quick, overrides, context),
        None => {
            context.report(quick::missing());
            overridden(root, overrides, context)
        }
    })
}

fn quick_form(mut root: Table, quick: &Entry, overrides: &[Override], context: &Context<'_>) -> Plan {
    quick::apply(&mut root, quick).into_iter().for_each(|problem| context.report(problem));
    overridden(&mut root, overrides, context)
}

fn overridden(root: &mut Table, overrides: &[Override], context: &Context<'_>) -> Plan {
    overrides::apply(root, overrides).into_iter().for_each(|problem| context.report(problem));
    let reader = Reader::new(root, &Origin::Document, context, "the plan");
    let plan = plan(&reader);
    // Taken out before; asked for here so that it is among the words a plan may have.
    reader.field(quick::KEY);
    reader.finish();
    plan
}

/// Reads the resolved plan of a run directory. It refers to secrets only by name: their values read `***`.
///
/// # Errors
/// Every problem of the plan, at once; there is none in what [`Plan::to_toml`] writes.
pub fn parse_recorded(text: &str) -> Result<Plan, Problems> {
    let source = SourceText { name: "plan.toml".to_owned(), text: text.to_owned() };
    let surroundings = Surroundings { environment: &|_| Some("***".to_owned()), ..Surroundings::NONE };
    read(&source, &surroundings, true, |root, context| {
        let reader = Reader::new(root, &Origin::Document, context, "the plan");
        let plan = plan(&reader);
        reader.finish();
        plan
    })
}

/// Reads a Redis to watch from a command line: a URL, or what a plan has behind `redis =`, a table or a list.
///
/// # Errors
/// Every problem of it, at once. Show them in [words](Problems::in_words): the text itself may hold a password.
///
/// # Example
/// ```
/// use plimsoll_plan::{Surroundings, parse_redis};
///
/// let source = parse_redis("redis-sentinel://10.0.0.1,10.0.0.2/mymaster", &Surroundings::NONE)?;
/// assert_eq!(source.to_string(), "redis-sentinel://10.0.0.1:26379,10.0.0.2:26379/mymaster");
/// # Ok::<(), plimsoll_plan::Problems>(())
/// ```
pub fn parse_redis(text: &str, surroundings: &Surroundings<'_>) -> Result<RedisSource, Problems> {
    let stated = if text.trim_start().starts_with(['{', '[']) { text.to_owned() } else { write::quote(text) };
    let source = SourceText { name: "--redis".to_owned(), text: format!("redis = {stated}\n") };
    read(&source, surroundings, false, |root, context| {
        let reader = Reader::new(root, &Origin::Document, context, "the option");
        let source = reader.required("redis", "\"redis://127.0.0.1:6379\"", |field| Some(redis::read(field)));
        reader.finish();
        source
    })
    .map(|source| source.expect("without it there is a problem"))
}

/// Reads a file that has only `[criteria]`, to judge a run of `plan` by them. The environment is not consulted: what
/// a run is judged by stands in the file.
///
/// # Errors
/// Every problem of the file, at once.
pub fn parse_criteria(source: &SourceText, plan: &Plan) -> Result<Vec<Criterion>, Problems> {
    read(source, &Surroundings::NONE, false, |root, context| {
        let reader = Reader::new(root, &Origin::Document, context, "the file");
        reader.optional("schema", schema);
        let criteria = match reader.field("criteria") {
            Some(field) => criteria::read(&field, plan),
            None => {
                reader.reject("the file has no [criteria]", "add `[criteria]` with `require = [\"error_rate < 1%\"]`");
                Vec::new()
            }
        };
        reader.finish();
        criteria
    })
}

/// Parses the TOML and hands it to `resolve`; the result counts only if there was no problem.
fn read<T>(
    source: &SourceText,
    surroundings: &Surroundings<'_>,
    recorded: bool,
    resolve: impl FnOnce(&mut Table, &Context<'_>) -> T,
) -> Result<T, Problems> {
    let mut root = tree::parse(&source.text).map_err(|list| Problems::new(source, list))?;
    let context = Context { source: &source.text, surroundings, recorded, problems: RefCell::default() };
    let result = resolve(&mut root, &context);
    let mut problems = context.problems.into_inner();
    problems.sort_by_key(Problem::position);
    if problems.is_empty() { Ok(result) } else { Err(Problems::new(source, problems)) }
}

fn schema(field: &Field<'_>) -> Option<()> {
    let schema = field.whole::<u32>(1)?;
    if schema != 1 {
        field.reject(format!("plans of schema {schema} are newer than this program"), "it reads schema 1");
    }
    Some(())
}

fn plan(reader: &Reader<'_>) -> Plan {
    reader.optional("schema", schema);
    let name = reader.required("name", "\"my-service\"", Field::name).unwrap_or_default();
    let seed = reader.optional("seed", |field| field.whole(0)).unwrap_or(1);
    let users = target::users(reader.field("users").as_ref());
    let phases = reader.field("phases").as_ref().map(phases::read).unwrap_or_default();
    let payload_field = reader.field("payloads");
    let payloads = payload_field.as_ref().map(|field| payloads::read(field, &phases)).unwrap_or_default();
    let names = payload_field.as_ref().map(payloads::names).unwrap_or_default();
    let integrity_field = reader.field("integrity");
    let integrity = integrity_field.as_ref().map(|field| integrity::read(field, users.count, &payloads));
    let integrity = integrity.unwrap_or_default();
    let sets = integrity.iter().map(|set| set.name.clone()).collect();
    let traffic = traffic(reader, payload_names(&payloads, names), sets);
    let limiter_field = reader.field("limiter");
    let timeouts = traffic.stores.iter().map(|store| store.timeout);
    let timeout = traffic.target.iter().map(|target| target.timeout).chain(timeouts).max();
    let generator = generator::generator(reader.field("generator").as_ref(), limiter_field.is_some(), timeout);
    let limiter = limiter_field.as_ref().map(limiter::read);
    let watch = reader.field("watch").as_ref().map(watch::read);
    check_whole(reader);
    let Traffic { target, stores, data, setup, flows, teardown } = traffic;
    let criteria = Vec::new();
    let mut plan = Plan {
        name,
        seed,
        target,
        stores,
        payloads,
        integrity,
        users,
        generator,
        phases,
        flows,
        setup,
        teardown,
        data,
        limiter,
        watch,
        criteria,
    };
    check_target(reader, &plan);
    check_operations(reader, &plan);
    integrity::check(reader, &plan);
    if let Some(field) = reader.field("criteria") {
        plan.criteria = criteria::read(&field, &plan);
        integrity::check_criteria(&field, &plan);
    }
    plan
}

/// Everything that names values of users.
struct Traffic {
    target: Option<Target>,
    stores: Vec<Store>,
    data: Vec<DataSet>,
    setup: Vec<Step>,
    flows: Vec<Flow>,
    teardown: Vec<Step>,
}

/// The names of all payloads, and whether each may be any bytes.
fn payload_names(payloads: &[Payload], names: Vec<String>) -> Vec<(String, bool)> {
    let raw = |name: &str| payloads.iter().any(|one| one.name == name && one.shape == Shape::Bytes);
    names.into_iter().map(|name| (name.clone(), raw(&name))).collect()
}

fn traffic(reader: &Reader<'_>, payloads: Vec<(String, bool)>, key_sets: Vec<String>) -> Traffic {
    let stores = reader.field("targets").as_ref().map(stores::read).unwrap_or_default();
    let sets = reader.field("data").as_ref().map(data::read).unwrap_or_default();
    let plain = Names::of_plan(names::columns(&sets)).with_stores(&stores, payloads).with_sets(key_sets);
    let setup_field = reader.field("setup");
    // Whatever setup captures, everything else may name: also the target, which setup's own steps are aimed at.
    let shared = setup_field.as_ref().and_then(|field| field.entry("steps")).map(|steps| plain.after_steps(steps));
    let shared = shared.unwrap_or_else(|| plain.clone());
    let target = reader.field("target").map(|field| target::target(&field, &shared.of_user()));
    let headers = target.as_ref().map_or(&[][..], |target| &target.headers);
    let once = |field: Option<Field<'_>>, what: &str, names: &Names| {
        field.map(|field| flows::once(&field, what, headers, names)).unwrap_or_default()
    };
    let setup = once(setup_field, "[setup]", &plain);
    let flows = reader.field("flows").map(|field| flows::read(&field, headers, &shared)).unwrap_or_default();
    let teardown = once(reader.field("teardown"), "[teardown]", &shared);
    Traffic { data: sets.into_iter().filter_map(|(_, set)| set).collect(), setup, flows, teardown, target, stores }
}

/// Requests of HTTP go to the target.
fn check_target(reader: &Reader<'_>, plan: &Plan) {
    let once = [&plan.setup, &plan.teardown].into_iter().flat_map(|steps| crate::flow::requests(steps));
    let request = plan.requests().into_iter().chain(once).find(|request| request.store.is_none());
    let lacks = plan.target.is_none() && reader.table.get("target").is_none() && reader.table.get("targets").is_some();
    if let Some(request) = request.filter(|_| lacks && reader.context.problems.borrow().is_empty()) {
        let help = "add [target] with `url = \"http://127.0.0.1:8080\"`; stores stand in [targets.NAME]";
        reader.reject(format!("the step `{}` is a request of HTTP, and the plan has no [target]", request.name), help);
    }
}

/// Records and criteria know operations by name.
fn check_operations(reader: &Reader<'_>, plan: &Plan) {
    let operations = plan.operations();
    let double = operations.iter().enumerate().find(|(i, name)| operations[..*i].contains(name));
    if let Some((_, name)) = double.filter(|_| reader.context.problems.borrow().is_empty()) {
        let help = "the poll of a step is measured as `STEP.poll`: give the step or the flow another name";
        reader.reject(format!("two operations are named `{name}`"), help);
    }
}

/// Traffic needs a target, phases and flows; a plan without them must at least watch.
fn check_whole(reader: &Reader<'_>) {
    const TRAFFIC: [(&str, &str); 3] = [
        ("target", "[target] with `url = \"http://127.0.0.1:8080\"`, or [targets.NAME] with the URL of a store"),
        ("phases", "[[phases]] with `name`, `duration` and `rate` or `users`"),
        ("flows", "[flows.NAME] with `steps`"),
    ];
    // Stores are targets, too.
    let stated = |key: &str| match reader.table.get(key) {
        None if key == "target" => reader.table.get("targets"),
        stated => stated,
    };
    let Some(first) = TRAFFIC.iter().find_map(|(key, _)| stated(key)) else {
        if stated("watch").is_none() {
            reader.reject(
                "the plan makes no traffic and watches nothing",
                "add [target], [[phases]] and [flows], or [watch]",
            );
        }
        return;
    };
    for (key, example) in TRAFFIC {
        match stated(key) {
            None => {
                let title = format!("the plan has `{}`, but no `{key}`", first.key);
                reader.context.report(Problem::new(&first.origin, title).help(format!("add {example}")));
            }
            Some(entry) if is_empty(&entry.node.value) => {
                let title = format!("`{key}` is empty");
                reader.context.report(Problem::new(&entry.origin, title).help(format!("add {example}")));
            }
            Some(_) => {}
        }
    }
}

fn is_empty(value: &tree::Value) -> bool {
    match value {
        tree::Value::List(list) => list.is_empty(),
        tree::Value::Table(table) => table.entries.is_empty(),
        _ => false,
    }
}
