//! A plan that is built in Rust is the plan that its twin in TOML is, and has the same problems.

use std::time::Duration;

use plimsoll_plan::build::{
    self, branches, choose, closed, delete, flow, get, open, parallel, post, repeat, repeat_while, set, table, think,
};
use plimsoll_plan::{Action, Plan, PlanBuilder, Rate, RateShape, SourceText, Surroundings, parse};

fn environment(name: &str) -> Option<String> {
    (name == "PASSWORD").then(|| "hunter2&x".to_owned())
}

fn file(path: &str) -> std::io::Result<Vec<u8>> {
    match path {
        "users.csv" => Ok(b"name,plan\nann,free\nbob,paid\n".to_vec()),
        "photo.jpg" => Ok(vec![0xff, 0xd8, 0x00]),
        _ => Err(std::io::ErrorKind::NotFound.into()),
    }
}

const SURROUNDINGS: Surroundings<'static> = Surroundings { environment: &environment, file: &file };

#[track_caller]
fn read(text: &str) -> Plan {
    let source = SourceText { name: "twin.toml".to_owned(), text: text.to_owned() };
    parse(&source, &[], &SURROUNDINGS).expect("a sound plan")
}

fn small() -> PlanBuilder {
    Plan::builder("small").target("http://127.0.0.1:8080").phase(closed("all", 1).iterations(1))
}

fn chat() -> build::FlowBuilder {
    let create = post("create", "/tasks")
        .header("idempotency-key", "{key}")
        .json(table().with("title", "task {turn}").with("by", "{data.users.name}"))
        .expect("status", 201)
        .capture("id", "$.id");
    let wait = get("wait", "/tasks/{id}").poll("$.state == 'done'").poll_timeout("3m").capture("state", "$.state");
    let profile = get("profile", "/me").capture("plan", table().with("json", "$.plan").with("default", "free"));
    let parts = [
        table().with("name", "photo").with("file", "photo.jpg").with("type", "image/jpeg"),
        table().with("name", "note").with("value", "{user.id}"),
    ];
    let search = get("search", "/search")
        .query("q", "{random.choice(tea, coffee)}")
        .with("redirects", 5)
        .with("slow", Duration::from_secs(1))
        .timeout("5s");
    flow("chat")
        .weight(7.0)
        .header("x-plan", "{data.users.plan}")
        .step(set("key", "{random.uuid}"))
        .step(parallel(
            10,
            [
                create,
                get("read", "/tasks/{id}").check("$.id == {id}"),
                wait,
                post("extra", "/notes").when("{state} == 'done'").form("text", "{data.words.word}"),
            ],
        ))
        .step(branches([vec![profile], vec![post("cart", "/photos").with("multipart", parts)]]))
        .step(choose([(3.0, vec![think("1s..3s"), search]), (1.0, vec![])]).when("{plan} == 'paid'"))
}

#[test]
fn everything_a_plan_can_say_can_be_said_in_rust() {
    let rows = [table().with("word", "tea").with("n", 1), table().with("word", "it's $5").with("n", 2)];
    let browse = flow("browse")
        .pacing("10s")
        .step(repeat(
            "1..5",
            [get("search", "/search?page={turn}").with("auth", "none").with("soft", table().with("latency", "200ms"))],
        ))
        .step(repeat_while("{more} == true", 20, [set("more", "no")]));
    let built = Plan::builder("people")
        .target("http://127.0.0.1:8080")
        .with("target.auth.bearer", "{token}")
        .users(100)
        .with("users.cookies", true)
        .with("users.connections", "per_user")
        .with("users.session.requests", 50)
        .with("users.replace", false)
        .with("generator.requests", "10%")
        .with("generator.bodies", "failed")
        .with("generator.slow", "3s")
        .phase(closed("steady", 100).duration("10m").think("lognormal(8s, p95 = 20s)"))
        .with("data.users", table().with("file", "users.csv").with("take", "unique"))
        .with("data.words", table().with("rows", rows).with("take", "random"))
        .setup([post("log-in", "/login").basic("admin", "${PASSWORD}").capture("token", "$.token")])
        .teardown([delete("clean-up", "/tenants/{token}")])
        .flow(chat())
        .flow(browse)
        .build_with(&SURROUNDINGS)
        .unwrap();
    let stated = read(include_str!("people.toml"));
    assert_eq!(built.to_toml(), stated.to_toml());
    assert_eq!(built, stated);
}

#[test]
fn phases_and_criteria_are_those_of_a_file() {
    let home =
        || flow("home").step(get("home", "/").bearer("t").check("body contains 'hi'").soft_check("latency < 1s"));
    let built = Plan::builder("twin")
        .seed(7)
        .target("https://h:1")
        .header("x-key", "k")
        .user_id("tenant-{n}")
        .phase(open("warm", "5/s -> 50/s").duration("10s").poisson())
        .phase(open("stairs", table().with("steps", ["5/s", "10/s"])).duration(Duration::from_millis(1500)))
        .phase(closed("crowd", 9).start("20s").duration("9s").spawn_rate("4/s").ramp_down("2s").pacing("3s"))
        .phase(closed("each", 3).iterations_per_user(4))
        .flow(home())
        .require("error_rate < 1%")
        .require("p99 < 300ms")
        .prefer("p50 < 50ms")
        .build()
        .unwrap();
    let stated = read(
        r#"
        name = "twin"
        seed = 7
        target = { url = "https://h:1", headers = { x-key = "k" } }
        users.id = "tenant-{n}"
        phases = [
          { name = "warm", rate = "5/s -> 50/s", duration = "10s", arrivals = "poisson" },
          { name = "stairs", rate = { steps = ["5/s", "10/s"] }, duration = "1.5s" },
          { name = "crowd", users = 9, start = "20s", duration = "9s", spawn_rate = "4/s", ramp_down = "2s", pacing = "3s" },
          { name = "each", users = 3, iterations = { per_user = 4 } },
        ]
        [criteria]
        require = ["error_rate < 1%", "p99 < 300ms"]
        prefer = ["p50 < 50ms"]
        [[flows.home.steps]]
        name = "home"
        get = "/"
        auth = { bearer = "t" }
        expect = { that = ["body contains 'hi'"] }
        soft = { that = ["latency < 1s"] }
        "#,
    );
    assert_eq!(built, stated);
}

#[test]
fn the_last_word_counts() {
    let plan =
        small().seed(1).seed(2).flow(flow("f").step(think("1s")).step(get("a", "/a").timeout("1s").timeout("2s")));
    let plan = plan.build().unwrap();
    assert_eq!(plan.seed, 2);
    assert_eq!(plan.flows[0].steps[1].request().unwrap().timeout, Some(Duration::from_secs(2)));
    assert!(matches!(plan.flows[0].steps[0].action, Action::Think(_)));
}

#[test]
fn a_plan_that_was_built_may_be_changed() {
    let mut plan = small().flow(flow("f").step(get("a", "/a"))).build().unwrap();
    let rate = Rate::per_second(3.0).unwrap();
    plan.phases[0].load =
        plimsoll_plan::Load::Open { rate: RateShape::Constant(rate), arrivals: plimsoll_plan::Arrivals::Uniform };
    plan.phases[0].duration = Some(Duration::from_secs(1));
    assert_eq!(plimsoll_plan::parse_recorded(&plan.to_toml()).unwrap(), plan);
}

#[test]
fn all_contradictions_are_told_at_once_where_they_were_made() {
    let problems = Plan::builder("wrong")
        .target("ftp://h")
        .with("target.time_out", "5s")
        .phase(open("steady", "18 apples").duration("3m").think("5s"))
        .flow(
            flow("f")
                .weight(f64::NAN)
                .step(get("a", "/{nothing}").check("$.ok = true"))
                .step(get("b", "/").with("think", "1s")),
        )
        .require("p99 < 3MB")
        .build()
        .unwrap_err();
    insta::assert_snapshot!("builder", problems.to_string());
}

#[test]
fn two_flows_of_one_name_are_a_problem() {
    let home = || flow("home").step(get("home", "/"));
    let problems = small().flow(home()).flow(home()).build().unwrap_err();
    assert!(problems.to_string().contains("duplicate"), "{problems}");
}

#[test]
fn variables_and_files_are_there_only_when_handed_in() {
    let plan = || small().flow(flow("f").step(get("a", "/").bearer("${PASSWORD}")));
    assert!(plan().build().unwrap_err().to_string().contains("`PASSWORD` is not set"));
    let plan = plan().build_with(&SURROUNDINGS).unwrap();
    assert!(!plan.to_toml().contains("hunter2"));
}
