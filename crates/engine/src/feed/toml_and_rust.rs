//! The same load stated in TOML and built in Rust: the same phases, and the same arrivals to the nanosecond, for every
//! model a plan knows.

use std::num::{NonZeroU32, NonZeroU64};
use std::sync::Arc;
use std::time::Duration;

use plimsoll_plan::build::{PhaseBuilder, closed, flow, get, open, table};
use plimsoll_plan::{
    Arrivals, Iterations, Load, Phase, Plan, Rate, RateShape, Recording, Replay, SourceText, Surroundings, ThinkTime,
    parse,
};

use super::tests::all_arrivals;
use crate::fixtures::{plan_for, step};
use crate::schedule::Share;
use crate::workload::Workload;

fn from_toml(phases: &str) -> Plan {
    let text = format!(
        r#"
name = "same"
seed = 42
target = {{ url = "http://127.0.0.1:1" }}
users = {{ count = 7 }}
flows.often = {{ weight = 3, steps = [{{ name = "a", get = "/a" }}] }}
flows.rarely = {{ weight = 0.5, steps = [{{ name = "b", get = "/b" }}] }}
phases = [{phases}]
"#
    );
    let file = |name: &str| if name == "log.csv" { Ok(b"time\n10.5\n10.25\n13\n".to_vec()) } else { unreachable!() };
    let source = SourceText { name: "same.toml".to_owned(), text };
    parse(&source, &[], &Surroundings { file: &file, ..Surroundings::NONE }).unwrap()
}

fn from_rust(phases: Vec<Phase>) -> Plan {
    let mut plan = plan_for("http://127.0.0.1:1");
    (plan.seed, plan.phases) = (42, phases);
    plan.users.count = NonZeroU64::new(7).unwrap();
    let flow = |name: &str, weight, step_name: &str, path: &str| {
        let steps = vec![step(step_name, plimsoll_plan::Method::Get, path).into()];
        plimsoll_plan::Flow { name: name.to_owned(), weight, pacing: None, headers: Vec::new(), steps }
    };
    plan.flows = vec![flow("often", 3.0, "a", "/a"), flow("rarely", 0.5, "b", "/b")];
    plan
}

fn arrivals(plan: &Plan) -> Vec<(u16, i64, u64, u16)> {
    all_arrivals(&Arc::new(Workload::compile(plan, Share::WHOLE).unwrap()), 2)
}

#[track_caller]
fn check(toml: &[&str], loads: Vec<Load>) {
    let phase = |(n, load)| Phase { name: format!("p{n}"), start: None, duration: Some(Duration::from_secs(3)), load };
    check_phases(toml, (0..).zip(loads).map(phase).collect(), "duration = \"3s\"");
}

#[track_caller]
fn check_phases(toml: &[&str], phases: Vec<Phase>, common: &str) {
    let tables = (0..).zip(toml).map(|(n, fields): (usize, _)| format!("{{ name = \"p{n}\", {common}, {fields} }}"));
    let stated = from_toml(&tables.collect::<Vec<_>>().join(", "));
    let built = from_rust(phases);
    assert_eq!(stated.phases, built.phases);
    let arrivals = [&stated, &built].map(arrivals);
    assert!(built.phases.len() == toml.len() && arrivals[0].len() > toml.len(), "{}", arrivals[0].len());
    assert_eq!(arrivals[0], arrivals[1]);
}

fn rate(per_second: f64) -> Rate {
    Rate::per_second(per_second).unwrap()
}

#[test]
fn rates_of_every_shape_and_spacing() {
    let second = Duration::from_secs(1);
    let rates = |list: &[f64]| list.iter().copied().map(rate).collect();
    let shapes = [
        RateShape::Constant(rate(18.0)),
        RateShape::Ramp { from: rate(5.0), to: rate(50.0) },
        RateShape::Steps(rates(&[5.0, 60.0, 1.0])),
        RateShape::Steps(rates(&[10.0, 20.0, 30.0])),
        RateShape::Spike { base: rate(2.0), spike: rate(80.0), at: second, length: second / 2 },
        RateShape::Wave { mean: rate(20.0), amplitude: rate(10.0), period: 2 * second },
    ];
    let stated = [
        r#""18/s""#,
        r#""5/s -> 50/s""#,
        r#"{ steps = ["5/s", "60/s", "60/min"] }"#,
        r#"{ from = "10/s", to = "30/s", step = "10/s" }"#,
        r#"{ base = "2/s", spike = "80/s", at = "1s", for = "500ms" }"#,
        r#"{ mean = "20/s", amplitude = "10/s", period = "2s" }"#,
    ];
    for (word, spacing) in [("uniform", Arrivals::Uniform), ("poisson", Arrivals::Poisson)] {
        let phases: Vec<String> =
            stated.iter().map(|stated| format!("rate = {stated}, arrivals = \"{word}\"")).collect();
        let load = |rate: &RateShape| Load::Open { rate: rate.clone(), arrivals: spacing };
        check(&phases.iter().map(String::as_str).collect::<Vec<_>>(), shapes.iter().map(load).collect());
    }
}

#[test]
fn recorded_arrivals() {
    let replay = |speed, times: &[u64]| {
        Load::Replay(Replay { file: "log.csv".to_owned(), speed, recording: Recording::Times(times.into()) })
    };
    let (quarter, far) = (250_000_000, 2_750_000_000);
    let stated = ["arrivals = { file = \"log.csv\" }", "arrivals = { file = \"log.csv\", speed = 0.5 }"];
    check(&stated, vec![replay(1.0, &[0, quarter, far]), replay(0.5, &[0, quarter])]);
}

#[test]
fn crowds_that_think_come_leave_and_finish() {
    let think = ThinkTime::Uniform { min: Duration::from_millis(100), max: Duration::from_millis(900) };
    let crowd = |users, spawn: Option<f64>, ramp_down: Option<u64>, think, iterations| Load::Closed {
        users: NonZeroU32::new(users).unwrap(),
        spawn_rate: spawn.map(rate),
        ramp_down: ramp_down.map(Duration::from_secs),
        think,
        pacing: None,
        iterations,
    };
    let stated = [
        r#"users = 5, think = "100ms..900ms""#,
        r#"users = 9, spawn_rate = "4/s", ramp_down = "2s", think = "200ms""#,
        r#"users = 3, think = "100ms..900ms", iterations = 11"#,
        r#"users = 3, iterations = { per_user = 4 }"#,
    ];
    let shared = NonZeroU64::new(11).map(Iterations::Shared);
    let each = NonZeroU32::new(4).map(Iterations::PerUser);
    let constant = ThinkTime::Constant(Duration::from_millis(200));
    let built = vec![
        crowd(5, None, None, think, None),
        crowd(9, Some(4.0), Some(2), constant, None),
        crowd(3, None, None, think, shared),
        crowd(3, None, None, ThinkTime::None, each),
    ];
    check(&stated, built);
}

#[test]
fn phases_that_overlap() {
    let load = |per_second| Load::Open { rate: RateShape::Constant(rate(per_second)), arrivals: Arrivals::Poisson };
    let phase = |n, start: Option<u64>, load| Phase {
        name: format!("p{n}"),
        start: start.map(Duration::from_millis),
        duration: Some(Duration::from_secs(2)),
        load,
    };
    let built = vec![phase(0, None, load(9.0)), phase(1, Some(500), load(20.0)), phase(2, None, load(5.0))];
    let stated = ["rate = \"9/s\"", "start = \"500ms\", rate = \"20/s\"", "rate = \"5/s\""];
    check_phases(&stated, built, "duration = \"2s\", arrivals = \"poisson\"");
}

fn from_builder(phases: impl IntoIterator<Item = PhaseBuilder>) -> Plan {
    let plan = Plan::builder("same").seed(42).target("http://127.0.0.1:1").users(7);
    phases
        .into_iter()
        .fold(plan, |plan, phase| plan.phase(phase.duration("3s")))
        .flow(flow("often").weight(3.0).step(get("a", "/a")))
        .flow(flow("rarely").weight(0.5).step(get("b", "/b")))
        .build()
        .unwrap()
}

#[test]
fn a_plan_from_the_builder() {
    let stated = from_toml(
        r#"{ name = "p0", duration = "3s", rate = "5/s -> 50/s", arrivals = "poisson" },
           { name = "p1", duration = "3s", rate = { steps = ["5/s", "60/s"] } },
           { name = "p2", duration = "3s", users = 9, spawn_rate = "4/s", ramp_down = "2s", think = "100ms..900ms" },
           { name = "p3", duration = "3s", users = 3, iterations = { per_user = 4 } }"#,
    );
    let built = from_builder([
        open("p0", "5/s -> 50/s").poisson(),
        open("p1", table().with("steps", ["5/s", "60/s"])),
        closed("p2", 9).spawn_rate("4/s").ramp_down(Duration::from_secs(2)).think("100ms..900ms"),
        closed("p3", 3).iterations_per_user(4),
    ]);
    assert_eq!(stated, built);
    assert!(arrivals(&stated).len() > 100);
    assert_eq!(arrivals(&stated), arrivals(&built));
}
