//! What sound plans become: defaults, overrides, the shipped plans, and the way to a run directory and back.

use std::path::{Path, PathBuf};
use std::time::Duration;

use plimsoll_plan::{
    AddressRange, Arrivals, Body, Expect, Hole, HttpVersion, Identity, Iterations, Load, Override, Part, Plan,
    Precision, Problems, Rate, RateShape, Recording, RedisSource, Replay, RequestLogging, Scope, Secret, SourceText,
    Surroundings, Template, ThinkTime, Tls, parse, parse_criteria, parse_quick, parse_recorded,
};

const SMALL: &str = r#"
name = "small"
target = { url = "http://127.0.0.1:8080" }
phases = [{ name = "steady", duration = "10s", rate = "5/s" }]
flows.home.steps = [{ name = "home", get = "/" }]
"#;

fn environment(name: &str) -> Option<String> {
    match name {
        "TOKEN" => Some("t0ken\"".to_owned()),
        "COUNT" => Some("25".to_owned()),
        "REDIS_URL" => Some("rediss://me:hunter2%21@10.0.0.1:6380/2".to_owned()),
        _ => None,
    }
}

const SURROUNDINGS: Surroundings<'static> = Surroundings { environment: &environment, ..Surroundings::NONE };

#[track_caller]
fn read(text: &str, overrides: &[&str]) -> Plan {
    let source = SourceText { name: "plan.toml".to_owned(), text: text.to_owned() };
    let overrides: Vec<Override> = overrides.iter().map(|text| Override::parse(text).expect("key and value")).collect();
    parse(&source, &overrides, &SURROUNDINGS).expect("a sound plan")
}

fn per_second(rate: f64) -> Rate {
    Rate::per_second(rate).expect("a rate")
}

/// Every shipped plan, by its path below `examples/plans`.
fn shipped() -> Vec<(PathBuf, String)> {
    let plans = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/plans");
    let mut files = Vec::new();
    for directory in [".", "assistant", "harness", "persistence"] {
        let entries = plans.join(directory).read_dir().expect("the shipped plans are there");
        files.extend(entries.map(|entry| entry.expect("readable").path()));
    }
    files.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    files.sort();
    files.into_iter().map(|path| (path.clone(), std::fs::read_to_string(path).expect("readable"))).collect()
}

type Parse = fn(&SourceText, &[Override], &Surroundings<'_>) -> Result<Plan, Problems>;

#[track_caller]
fn read_shipped(path: &Path, text: &str, parse: Parse) -> Plan {
    let file = |name: &str| std::fs::read(path.with_file_name(name));
    let needed = ["API_KEY", "TEST_JWT_TOKEN"];
    let environment = |name: &str| needed.contains(&name).then(|| "s3cret".to_owned());
    let source = SourceText { name: path.display().to_string(), text: text.to_owned() };
    parse(&source, &[], &Surroundings { environment: &environment, file: &file }).expect("a sound plan")
}

fn length(plan: &Plan) -> Duration {
    plan.phases.iter().filter_map(|phase| phase.duration).sum()
}

#[test]
fn the_shipped_plans_and_their_quick_forms_load_and_survive_the_run_directory() {
    let plans = shipped();
    assert!(plans.len() >= 18, "{plans:?}");
    for (path, text) in plans {
        let plan = read_shipped(&path, &text, parse);
        let quick = text.contains("[quick]").then(|| read_shipped(&path, &text, parse_quick));
        for plan in quick.into_iter().chain([plan]) {
            let written = plan.to_toml();
            assert!(!written.contains("s3cret"), "{written}");
            assert_eq!(parse_recorded(&written).unwrap().to_toml(), written);
        }
    }
}

#[test]
fn the_quick_forms_keep_phases_and_flows_and_take_nine_minutes_together() {
    let mut together = Duration::ZERO;
    for (path, text) in shipped().into_iter().filter(|(path, _)| !path.ends_with("quick.toml")) {
        let plan = read_shipped(&path, &text, parse);
        let quick = read_shipped(&path, &text, parse_quick);
        let shape = |plan: &Plan| {
            let phases: Vec<_> = plan.phases.iter().map(|phase| phase.name.clone()).collect();
            (phases, plan.operations(), plan.users.count, plan.criteria.len())
        };
        assert_eq!(shape(&quick), shape(&plan), "{}", path.display());
        assert!(length(&quick) < length(&plan) && quick.name != plan.name, "{}", path.display());
        together += length(&quick);
    }
    assert!(together < Duration::from_secs(570), "{together:?}");
}

#[test]
fn the_plan_to_begin_with_is_the_quick_form_of_the_rate_limiters() {
    let plans = shipped();
    let find = |name: &str| plans.iter().find(|(path, _)| path.ends_with(name)).unwrap();
    let (path, text) = find("quick.toml");
    let quick = read_shipped(path, text, parse);
    assert!(length(&quick) < Duration::from_secs(110), "{quick:?}");
    let (path, text) = find("rate-limiter.toml");
    assert_eq!(read_shipped(path, text, parse_quick), quick);
}

#[test]
fn a_quick_form_is_laid_over_the_plan_and_overrides_over_both() {
    let text = r#"
name = "people"
target = { url = "http://127.0.0.1:8080" }
users = { count = 100, session = { requests = 50 } }
phases = [{ name = "steady", duration = "10m", users = 20 }, { name = "peak", duration = "5m", users = 40 }]
flows.home.steps = [{ name = "home", get = "/" }]
criteria.require = ["p95 < 3s"]
[quick]
name = "people-quick"
users.session.requests = 5
phases.steady = { duration = "10s", think = "1s" }
criteria.require = ["p95 < 5s", "error_rate < 5%"]
"#;
    let source = SourceText { name: "people.toml".to_owned(), text: text.to_owned() };
    let set = [Override::parse("phases.peak.duration=20s").unwrap(), Override::parse("users.count=7").unwrap()];
    let quick = parse_quick(&source, &set, &SURROUNDINGS).unwrap();
    assert_eq!((quick.name.as_str(), quick.users.count.get()), ("people-quick", 7));
    let seconds: Vec<_> = quick.phases.iter().map(|phase| phase.duration.unwrap().as_secs()).collect();
    assert_eq!(seconds, [10, 20]);
    let Load::Closed { users, think, .. } = quick.phases[0].load else { panic!("closed") };
    assert_eq!((users.get(), think), (20, ThinkTime::Constant(Duration::from_secs(1))));
    assert_eq!(quick.criteria.len(), 2);
    assert_eq!(read(text, &[]).phases[0].duration, Some(Duration::from_secs(600)));
}

#[test]
fn a_number_may_come_from_the_environment() {
    let closed = |users: &str| SMALL.replace("rate = \"5/s\"", &format!("users = \"{users}\""));
    let users = |text: &str| match read(text, &[]).phases[0].load {
        Load::Closed { users, .. } => users.get(),
        _ => panic!("closed"),
    };
    assert_eq!((users(&closed("${COUNT}")), users(&closed("${UNSET:-10}"))), (25, 10));
    for wrong in ["${TOKEN}", "ten", "${UNSET:-0}"] {
        let source = SourceText { name: "plan.toml".to_owned(), text: closed(wrong) };
        let problems = parse(&source, &[], &SURROUNDINGS).unwrap_err().render(false);
        assert!(problems.contains("whole number") && !problems.contains("t0ken"), "{problems}");
    }
}

#[test]
fn what_a_plan_leaves_out_gets_the_documented_defaults() {
    let plan = read(SMALL, &[]);
    let target = plan.target.unwrap();
    assert_eq!(plan.seed, 1);
    assert_eq!((target.timeout, target.connect_timeout), (Duration::from_secs(30), Duration::from_secs(10)));
    assert_eq!((target.connections.get(), target.streams.get(), target.http), (1000, 8, HttpVersion::Auto));
    assert_eq!((target.tls, target.local_addresses), (Tls::default(), Vec::new()));
    assert_eq!((plan.users.count.get(), plan.users.id.id(7)), (1, "user-7".to_owned()));
    assert_eq!((plan.generator.requests, plan.generator.precision), (RequestLogging::None, None));
    assert_eq!(plan.generator.drain, target.timeout);
    assert_eq!(
        (plan.generator.interval, plan.generator.max_send_lag),
        (Duration::from_secs(1), Duration::from_millis(10))
    );
    assert_eq!(plan.flows[0].weight, 1.0);
    assert_eq!(plan.flows[0].steps[0].request().unwrap().expect, Expect::default());
    assert!(plan.watch.is_none() && plan.limiter.is_none() && plan.criteria.is_empty());
}

#[test]
fn a_limiter_turns_the_log_of_requests_on() {
    let plan = read(&format!("{SMALL}\nlimiter = {{ limits = [\"5/s\", \"100/10s\"] }}"), &[]);
    assert_eq!(plan.generator.requests, RequestLogging::All);
    let limits: Vec<_> = plan.limiter.unwrap().limits.iter().map(|limit| (limit.count.get(), limit.per)).collect();
    assert_eq!(limits, [(5, Duration::from_secs(1)), (100, Duration::from_secs(10))]);
}

#[test]
fn phases_are_open_or_closed() {
    let text = r#"
name = "phases"
target = { url = "http://127.0.0.1:8080" }
flows.home.steps = [{ name = "home", get = "/" }]
phases = [
  { name = "pause", duration = "1m", rate = "0/s" },
  { name = "ramp", duration = "500ms", rate = "600/min -> 20/s", arrivals = "poisson" },
  { name = "people", duration = "1h", users = 5, spawn_rate = "1/s", think = "5s..15s" },
  { name = "work", users = 5, iterations = 100 },
]
"#;
    let plan = read(text, &[]);
    let constant = RateShape::Constant(per_second(0.0));
    assert_eq!(plan.phases[0].load, Load::Open { rate: constant, arrivals: Arrivals::Uniform });
    let ramp = RateShape::Ramp { from: per_second(10.0), to: per_second(20.0) };
    assert_eq!(plan.phases[1].load, Load::Open { rate: ramp, arrivals: Arrivals::Poisson });
    let Load::Closed { spawn_rate, think, .. } = plan.phases[2].load else { panic!("closed") };
    assert_eq!(spawn_rate, Some(per_second(1.0)));
    assert_eq!(think, ThinkTime::Uniform { min: Duration::from_secs(5), max: Duration::from_secs(15) });
    assert_eq!(plan.phases[3].duration, None);
}

#[test]
fn phases_may_overlap_and_crowds_come_go_and_finish() {
    let text = r#"
name = "phases"
target = { url = "http://127.0.0.1:8080" }
flows.home.steps = [{ name = "home", get = "/" }]
phases = [
  { name = "work", users = 5, iterations = { per_user = 20 } },
  { name = "steady", start = "0s", duration = "1m", rate = "5/s" },
  { name = "people", start = "30s", duration = "5m", users = 9, ramp_down = "30s", iterations = 7 },
]
"#;
    let plan = read(text, &[]);
    assert_eq!(parse_recorded(&plan.to_toml()).unwrap(), plan);
    let starts: Vec<_> = plan.phases.iter().map(|phase| phase.start).collect();
    assert_eq!(starts, [None, Some(Duration::ZERO), Some(Duration::from_secs(30))]);
    let Load::Closed { iterations, .. } = plan.phases[0].load else { panic!("closed") };
    assert_eq!((iterations.unwrap().of(5), plan.phases[0].duration), (100, None));
    let Load::Closed { iterations, ramp_down, .. } = plan.phases[2].load else { panic!("closed") };
    assert_eq!(iterations.map(|iterations: Iterations| iterations.of(9)), Some(7));
    assert_eq!(ramp_down, Some(Duration::from_secs(30)));
}

/// The phase of a plan that replays four seconds with one arrival each.
fn replayed(arrivals: &str) -> (Plan, Replay, Option<Duration>) {
    let text = SMALL.replace("duration = \"10s\", rate = \"5/s\"", &format!("arrivals = {arrivals}"));
    let source = SourceText { name: "plan.toml".to_owned(), text };
    let file = |name: &str| {
        assert_eq!(name, "logs/access.csv");
        Ok(b"time,path\n103,/\n100,/\n101,/\n102,/\n".to_vec())
    };
    let plan = parse(&source, &[], &Surroundings { file: &file, ..Surroundings::NONE }).expect("a sound plan");
    let Load::Replay(replay) = plan.phases[0].load.clone() else { panic!("replay") };
    let length = plan.phases[0].duration;
    (plan, replay, length)
}

#[test]
fn recorded_arrivals_come_from_a_file_and_take_as_long_as_they_did() {
    let (_, replay, length) = replayed("{ file = \"logs/access.csv\", speed = 2 }");
    let Recording::Times(times) = &replay.recording else { panic!("{replay:?}") };
    assert_eq!(**times, [500_000_000, 1_500_000_000, 2_500_000_000, 3_500_000_000]);
    assert_eq!((replay.at_ns(times[3]), length), (1_750_000_000, Some(Duration::from_secs(2))));
}

#[test]
fn a_duration_cuts_recorded_arrivals_off() {
    let (_, replay, length) = replayed("{ file = \"logs/access.csv\" }, duration = \"2500ms\"");
    assert_eq!((replay.recording.count(), length), (2, Some(Duration::from_millis(2500))));
    let (_, replay, length) = replayed("{ file = \"logs/access.csv\", speed = 0.5 }, duration = \"1m\"");
    assert_eq!((replay.recording.count(), length), (4, Some(Duration::from_secs(60))));
}

#[test]
fn the_plan_of_a_run_keeps_the_number_of_recorded_arrivals_and_needs_no_file() {
    let (plan, ..) = replayed("{ file = \"logs/access.csv\", speed = 2 }");
    let written = plan.to_toml();
    assert!(written.contains("arrivals = { file = \"logs/access.csv\", speed = 2.0, count = 4 }"), "{written}");
    let read = parse_recorded(&written).unwrap();
    let Load::Replay(replay) = &read.phases[0].load else { panic!("{read:?}") };
    assert_eq!(replay.recording, Recording::Count(4));
    assert_eq!(read.to_toml(), written);
}

#[test]
fn a_rate_has_a_shape() {
    let shape = |rate: &str| {
        let plan = read(SMALL, &["phases.steady.duration=1m", &format!("phases.steady.rate={rate}")]);
        let Load::Open { rate, .. } = plan.phases.into_iter().next().unwrap().load else { panic!("open") };
        rate
    };
    let rates = |list: &[f64]| RateShape::Steps(list.iter().copied().map(per_second).collect());
    assert_eq!(shape(r#"{ steps = ["5/s", "60/min"] }"#), rates(&[5.0, 1.0]));
    assert_eq!(shape(r#"{ from = "5/s", to = "20/s", step = "5/s" }"#), rates(&[5.0, 10.0, 15.0, 20.0]));
    assert_eq!(shape(r#"{ from = "5/s", to = "0/s", step = "2/s" }"#), rates(&[5.0, 3.0, 1.0, 0.0]));
    assert_eq!(shape(r#"{ from = "0.1/s", to = "0.4/s", step = "0.1/s" }"#), rates(&[0.1, 0.2, 0.1 + 0.1 * 2.0, 0.4]));
    let spike = RateShape::Spike {
        base: per_second(20.0),
        spike: per_second(80.0),
        at: Duration::from_secs(30),
        length: Duration::from_secs(10),
    };
    assert_eq!(shape(r#"{ base = "20/s", spike = "80/s", at = "30s", for = "10s" }"#), spike);
    let period = Duration::from_secs(3600);
    let wave = RateShape::Wave { mean: per_second(20.0), amplitude: per_second(10.0), period };
    assert_eq!(shape(r#"{ mean = "20/s", amplitude = "10/s", period = "1h" }"#), wave);
}

#[test]
fn overrides_replace_single_values() {
    let overrides = [
        "phases.steady.duration=1m",
        "phases.steady.rate=18/s -> 0/s",
        "users.count=5",
        "name=2024",
        "target.headers={ X-A = \"1\" }",
        "flows.home.steps.home.get=/other",
        "flows.home.steps.home.expect.status=[200, \"4xx\"]",
        "users.count=6",
        "generator.precision=coarse",
    ];
    let plan = read(SMALL, &overrides);
    assert_eq!(plan.phases[0].duration, Some(Duration::from_secs(60)));
    assert_eq!((plan.users.count.get(), plan.name.as_str()), (6, "2024"));
    assert_eq!(plan.generator.precision, Some(Precision::Coarse));
    assert_eq!(plan.target.unwrap().headers, [("X-A".to_owned(), Template::literal("1"))]);
    let step = plan.flows[0].steps[0].request().unwrap();
    assert_eq!(step.path, Template::literal("/other"));
    assert_eq!(step.expect.status.len(), 101);
}

#[test]
fn json_becomes_text_with_holes_and_a_content_type() {
    let text = r#"
name = "json"
target = { url = "http://127.0.0.1:8080" }
phases = [{ name = "steady", duration = "10s", rate = "5/s" }]
[[flows.check.steps]]
name = "check"
post = "/api/check?n={user.n}"
json = { user_id = "{user.id}", "a\"b" = ["{{x}", 1, 2.5, true, "${TOKEN}"] }
"#;
    let plan = read(text, &[]);
    let step = plan.flows[0].steps[0].request().unwrap();
    let literal = |text: &str| Part::Literal(text.to_owned());
    let token = Part::Environment { name: "TOKEN".to_owned(), value: Secret::new("t0ken\"".to_owned()) };
    let body = [
        literal("{\"user_id\":\""),
        Hole::UserId.into(),
        literal("\",\"a\\\"b\":[\"{x}\",1,2.5,true,\""),
        token,
        literal("\"]}"),
    ];
    assert_eq!(step.body, Some(Body::Json(Template { parts: body.to_vec() })));
    assert_eq!(step.headers, [("content-type".to_owned(), Template::literal("application/json"))]);
    assert_eq!(step.path.parts, [literal("/api/check?n="), Hole::UserNumber.into()]);
}

#[test]
fn secrets_reach_the_wire_but_no_text() {
    let text = format!("{SMALL}\ntarget.headers.X-Key = \"Bearer ${{TOKEN}}\"\nwatch.redis = \"${{REDIS_URL}}\"");
    let text = text.replace("target = { url = \"http://127.0.0.1:8080\" }", "target.url = \"http://127.0.0.1:8080\"");
    let plan = read(&text, &[]);
    let Some(RedisSource::Server(server)) = &plan.watch.as_ref().unwrap().redis else { panic!("{plan:?}") };
    assert_eq!(server.to_string(), "rediss://10.0.0.1:6380/2");
    assert_eq!(server.login.user.as_deref(), Some("me"));
    assert_eq!(server.login.password.as_ref().unwrap().reveal(), "hunter2!");
    let written = plan.to_toml();
    let redis = r#"redis = { url = "rediss://10.0.0.1:6380/2", user = "me", password = "***" }"#;
    assert!(written.contains("Bearer ${TOKEN}") && written.contains(redis), "{written}");
    for shown in [written.clone(), format!("{plan:?}"), format!("{:?}", parse_recorded(&written).unwrap())] {
        assert!(!shown.contains("hunter2") && !shown.contains("t0ken"), "{shown}");
    }
}

#[test]
fn criteria_get_ids_and_scopes() {
    let text = format!(
        r#"{SMALL}
[[flows.other.steps]]
name = "other"
get = "/other"
[watch]
logs = [{{ path = "x/app.log", event = "SLOW" }}]
[criteria]
phase = "steady"
require = ["p99.9 < 500ms"]
[criteria.each]
endpoint = "*"
prefer = "error_rate == 0%"
[criteria.two]
phase = "*"
hint = "look there"
require = ["log.app.SLOW <= 3", "max(host.cpu_share) < 90%"]
"#
    );
    let plan = read(&text, &[]);
    let scope = |phase: Option<&str>, endpoint: Option<&str>| Scope {
        phases: phase.map(str::to_owned).into_iter().collect(),
        endpoint: endpoint.map(str::to_owned),
        ..Scope::default()
    };
    let seen: Vec<_> = plan.criteria.iter().map(|one| (one.id.as_str(), one.scope.clone())).collect();
    let expected = [
        ("p99.9 < 500ms", scope(Some("steady"), None)),
        ("each [home]", scope(Some("steady"), Some("home"))),
        ("each [other]", scope(Some("steady"), Some("other"))),
        ("two.1", scope(None, None)),
        ("two.2", scope(None, None)),
    ];
    assert_eq!(seen, expected);
    assert_eq!(plan.criteria[3].hint.as_deref(), Some("look there"));
    let quantile = plimsoll_plan::Metric::Percentile { quantile: 0.999, service: false };
    assert_eq!(plan.criteria[0].expression.metric, quantile);
    assert_eq!(parse_recorded(&plan.to_toml()).unwrap(), plan);
}

#[test]
fn a_file_of_criteria_is_read_for_a_plan() {
    let plan = read(SMALL, &[]);
    let text = "schema = 1\n[criteria]\nphase = \"steady\"\nprefer = [\"p95 < 1s\"]\n".to_owned();
    let criteria = parse_criteria(&SourceText { name: "criteria.toml".to_owned(), text }, &plan).unwrap();
    assert_eq!(criteria.len(), 1);
    assert_eq!(criteria[0].text, "p95 < 1s");
}

#[test]
fn the_written_plan_says_everything() {
    let (_, text) = shipped().into_iter().find(|(name, _)| name.ends_with("quick.toml")).unwrap();
    insta::assert_snapshot!("quick", read(&text, &["watch.redis=redis://:pw@127.0.0.1"]).to_toml());
}

#[test]
fn a_target_says_how_it_is_connected_to() {
    let plan = read(
        SMALL,
        &[
            "target.url=https://127.0.0.1:8443",
            "target.http=2",
            "target.streams=16",
            "target.tls={ ca = \"ca.pem\", certificate = \"c.pem\", key = \"c.key\", server_name = \"n\", resume = false }",
            "target.local_addresses=[\"127.0.0.2..127.0.0.4\", \"::1\"]",
        ],
    );
    let target = plan.target.unwrap();
    assert_eq!((target.http, target.streams.get()), (HttpVersion::Two, 16));
    let identity = Identity { certificate: "c.pem".into(), key: "c.key".into() };
    let (ca, server_name) = (Some("ca.pem".into()), Some("n".to_owned()));
    assert_eq!(target.tls, Tls { ca, identity: Some(identity), server_name, insecure: false, resume: false });
    let addresses: Vec<_> = target.local_addresses.into_iter().flat_map(AddressRange::addresses).collect();
    let shown: Vec<_> = addresses.iter().map(ToString::to_string).collect();
    assert_eq!(shown, ["127.0.0.2", "127.0.0.3", "127.0.0.4", "::1"]);
}

#[track_caller]
fn redis(text: &str) -> RedisSource {
    plimsoll_plan::parse_redis(text, &SURROUNDINGS).unwrap_or_else(|problems| panic!("{problems}"))
}

#[test]
fn every_way_to_name_a_redis_is_understood() {
    for (text, shown) in [
        ("redis://127.0.0.1", "redis://127.0.0.1:6379"),
        ("rediss://[::1]:6380/2", "rediss://[::1]:6380/2"),
        ("valkey://cache", "redis://cache:6379"),
        ("redis-cluster://a:7000,b:7001", "redis-cluster://a:7000,b:7001"),
        ("rediss-sentinel://a,b:26380/main", "rediss-sentinel://a:26379,b:26380/main"),
        ("unix:/run/redis.sock", "unix:/run/redis.sock"),
        ("redis+unix:///run/redis.sock", "unix:/run/redis.sock"),
        ("http://a/info?token=x", "http://a/info"),
        ("[\"redis://a\", { url = \"redis://a:6379\", name = \"again\" }]", "redis://a:6379 and redis://a:6379"),
    ] {
        assert_eq!(redis(text).to_string(), shown);
    }
}

#[test]
fn what_a_url_cannot_say_stands_in_a_table_around_it() {
    let text = r#"{ url = "rediss-sentinel://a/main", name = "cache", user = "me", password = "${TOKEN}", replicas = true,
        sentinel_password = "s", tls = { ca = "ca.pem" } }"#;
    let RedisSource::Server(server) = redis(&text.replace('\n', " ")) else { panic!("not a server") };
    assert_eq!((server.name.as_deref(), server.replicas), (Some("cache"), true));
    assert_eq!(server.login.password.as_ref().unwrap().reveal(), "t0ken\"");
    assert_eq!(server.tls.as_ref().unwrap().ca.as_deref(), Some(Path::new("ca.pem")));
    let passwords = RedisSource::Server(server).passwords().len();
    assert_eq!(passwords, 2);
    let RedisSource::Endpoint(endpoint) = redis(r#"{ url = "http://a/", fields = { keys = "$.n", run_id = "id" } }"#)
    else {
        panic!("not an endpoint");
    };
    assert_eq!(endpoint.fields.len(), 2);
}

#[test]
fn passwords_in_urls_are_decoded_and_options_are_explained_without_repeating_them() {
    let RedisSource::Server(server) = redis("redis://me:p%40ss$$@127.0.0.1") else { panic!("not a server") };
    assert_eq!(server.login.password.as_ref().unwrap().reveal(), "p@ss$$");
    for text in ["hunter2@localhost", "redis://:hunter2@", "memcached://:hunter2@a", "redis://:hunter2@a/x"] {
        let words = plimsoll_plan::parse_redis(text, &SURROUNDINGS).unwrap_err().in_words();
        assert!(words.contains("redis://") || words.contains("`/0`"), "{words}");
        assert!(!words.contains("hunter2"), "{words}");
    }
}
