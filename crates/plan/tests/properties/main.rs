//! Any plan survives the way through its text, and no text makes the reader panic.

mod alerts;
mod flows;
mod redis;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::num::{NonZeroU32, NonZeroU64};
use std::path::PathBuf;
use std::time::Duration;

use plimsoll_plan::{
    AddressRange, Arrivals, ConnectionUse, ContainerPlace, ContainerWatch, Form, Generator, HealthCheck, HttpVersion,
    Identity, Iterations, Limit, Limiter, Load, LogWatch, Method, MetricPath, Override, Part, Pattern, Phase, Plan,
    PoolEndpoint, PoolSource, PostgresSource, Precision, ProbeWatch, ProcessWatch, Rate, RateShape, Recording, Replay,
    RequestLogging, Secret, Session, SessionLength, SlowLines, SourceText, Surroundings, Target, Template, ThinkTime,
    Tls, UserPattern, Users, Watch, WindowKind, parse, parse_recorded,
};
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::RngSeed;
use url::Url;

use flows::template;

const EXAMPLE: &str = include_str!("../../../../examples/plans/rate-limiter.toml");

fn name() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9_-]{1,12}"
}

fn duration() -> impl Strategy<Value = Duration> {
    let most = 24 * 3600 * 1_000_000_000_u64;
    prop_oneof![1..1_000_000_u64, 100_000_000..most].prop_map(Duration::from_nanos)
}

fn interval() -> impl Strategy<Value = Duration> {
    (100..100_000_u64).prop_map(Duration::from_millis)
}

fn rate() -> impl Strategy<Value = Rate> {
    prop_oneof![Just(0.0), 0.0..1e6, 1e-9..1e-3].prop_map(|rate| Rate::per_second(rate).expect("finite"))
}

fn positive() -> impl Strategy<Value = NonZeroU32> {
    (1..=u32::MAX).prop_map(|number| NonZeroU32::new(number).expect("above zero"))
}

fn path() -> impl Strategy<Value = Template> {
    template("[!-\"$-~]{0,8}", &[Form::Text, Form::Raw]).prop_map(|mut template| {
        match template.parts.first_mut() {
            Some(Part::Literal(text)) => text.insert(0, '/'),
            _ => template.parts.insert(0, Part::Literal("/".to_owned())),
        }
        template
    })
}

fn headers() -> impl Strategy<Value = Vec<(String, Template)>> {
    btree_map("x-[a-z]{1,5}", template("[ -~]{0,8}", &[Form::Text]), 0..3)
        .prop_map(|headers| headers.into_iter().collect())
}

fn method() -> impl Strategy<Value = Method> {
    prop::sample::select(vec![
        Method::Get,
        Method::Head,
        Method::Post,
        Method::Put,
        Method::Patch,
        Method::Delete,
        Method::Options,
    ])
}

fn target() -> impl Strategy<Value = Target> {
    let health = (method(), "/[!-~]{0,8}").prop_map(|(method, path)| HealthCheck { method, path });
    let place = (1..u16::MAX, "[a-z/]{0,8}");
    let limits = (duration(), duration(), option::of(duration()), positive(), positive());
    let says = (option::of(health), headers(), option::of(flows::auth()));
    (place, says, limits, http(), option::of(tls()), vec(range(), 0..3)).prop_map(
        |((port, path), (health, headers, auth), limits, http, tls, local_addresses)| {
            let (timeout, connect_timeout, first_byte_timeout, connections, streams) = limits;
            let scheme = if tls.is_some() { "https" } else { "http" };
            let url = Url::parse(&format!("{scheme}://127.0.0.1:{port}/{path}")).expect("a URL");
            let tls = tls.unwrap_or_default();
            Target {
                url,
                health,
                headers,
                auth,
                timeout,
                connect_timeout,
                first_byte_timeout,
                connections,
                http,
                streams,
                tls,
                local_addresses,
            }
        },
    )
}

fn http() -> impl Strategy<Value = HttpVersion> {
    select(vec![HttpVersion::Auto, HttpVersion::One, HttpVersion::Two])
}

fn tls() -> impl Strategy<Value = Tls> {
    let file = || "[ -~]{1,9}".prop_map(PathBuf::from);
    let identity = (file(), file()).prop_map(|(certificate, key)| Identity { certificate, key });
    (option::of(file()), option::of(identity), option::of("[a-z.]{1,9}"), any::<bool>(), any::<bool>()).prop_map(
        |(ca, identity, server_name, insecure, resume)| {
            let ca = ca.filter(|_| !insecure);
            Tls { ca, identity, server_name, insecure, resume }
        },
    )
}

fn range() -> impl Strategy<Value = AddressRange> {
    let (v4, v6) = ((any::<u32>(), 0..9u32), (any::<u128>(), 0..9u128));
    let v4 = v4.prop_map(|(first, more)| {
        let last = first.saturating_add(more);
        AddressRange::new(IpAddr::from(first.to_be_bytes()), IpAddr::from(last.to_be_bytes()))
    });
    let v6 = v6.prop_map(|(first, more)| {
        let last = first.saturating_add(more);
        AddressRange::new(IpAddr::from(first.to_be_bytes()), IpAddr::from(last.to_be_bytes()))
    });
    prop_oneof![v4, v6].prop_map(|range| range.expect("nine addresses at most, in order"))
}

fn load() -> impl Strategy<Value = Load> {
    let shape = prop_oneof![
        rate().prop_map(RateShape::Constant),
        (rate(), rate()).prop_map(|(from, to)| RateShape::Ramp { from, to }),
        vec(rate(), 1..6).prop_map(RateShape::Steps),
        // At most a microsecond, the length of the shortest phase below: a spike ends within its phase.
        (rate(), rate(), 0..500_u64, 1..500_u64).prop_map(|(base, spike, at, length)| RateShape::Spike {
            base,
            spike,
            at: Duration::from_nanos(at),
            length: Duration::from_nanos(length),
        }),
        (rate(), rate(), duration()).prop_map(|(a, b, period)| {
            let (mean, amplitude) = if a < b { (b, a) } else { (a, b) };
            RateShape::Wave { mean, amplitude, period }
        }),
    ];
    let arrivals = prop_oneof![Just(Arrivals::Uniform), Just(Arrivals::Poisson)];
    let spawn = option::of((1e-6..1e6).prop_map(|rate| Rate::per_second(rate).expect("finite")));
    let iterations = option::of(prop_oneof![
        (1..=u64::MAX).prop_map(|number| Iterations::Shared(NonZeroU64::new(number).expect("above zero"))),
        positive().prop_map(Iterations::PerUser),
    ]);
    // At most a microsecond, the length of the shortest phase below: users leave within their phase.
    let ramp_down = option::of((1..1000_u64).prop_map(Duration::from_nanos));
    prop_oneof![
        (shape, arrivals).prop_map(|(rate, arrivals)| Load::Open { rate, arrivals }),
        ("\\PC{1,12}", 1e-3..1e3, any::<u64>()).prop_map(|(file, speed, count)| {
            // Numbers of a plan are signed.
            Load::Replay(Replay { file, speed, recording: Recording::Count(count / 2) })
        }),
        (positive(), spawn, ramp_down, think(), option::of(positive_duration()), iterations).prop_map(
            |(users, spawn_rate, ramp_down, think, pacing, iterations)| Load::Closed {
                users,
                spawn_rate,
                ramp_down,
                think,
                pacing,
                iterations
            }
        ),
    ]
}

fn phases() -> impl Strategy<Value = Vec<Phase>> {
    let length = duration().prop_map(|duration| duration.max(Duration::from_micros(1)));
    let start = option::of(duration());
    (btree_map(name(), (start, length, load()), 1..4), any::<bool>()).prop_map(|(phases, open_end)| {
        let phase = |(name, (start, duration, load))| Phase { name, start, duration: Some(duration), load };
        let mut phases: Vec<Phase> = phases.into_iter().map(phase).collect();
        // The last phase may end with its iterations alone.
        if let Some(Phase { duration, load: Load::Closed { iterations: Some(_), ramp_down: None, .. }, .. }) =
            phases.last_mut()
            && open_end
        {
            *duration = None;
        }
        phases
    })
}

fn think() -> impl Strategy<Value = ThinkTime> {
    flows::think_times()
}

fn positive_duration() -> impl Strategy<Value = Duration> {
    duration().prop_map(|duration| duration.max(Duration::from_nanos(1)))
}

fn limiter() -> impl Strategy<Value = Limiter> {
    let per = prop_oneof![Just(1_000_u64), Just(60_000), Just(3_600_000), 1..100_000_u64];
    let window = prop_oneof![Just(WindowKind::Fixed), Just(WindowKind::Sliding), Just(WindowKind::TokenBucket)];
    (vec((positive(), per), 1..4), window).prop_map(|(limits, window)| {
        let mut limits: Vec<Limit> =
            limits.into_iter().map(|(count, per)| Limit { count, per: Duration::from_millis(per) }).collect();
        limits.sort_by_key(|limit| limit.per);
        limits.dedup_by_key(|limit| limit.per);
        Limiter { limits, window }
    })
}

fn logs() -> impl Strategy<Value = Vec<LogWatch>> {
    let slow = option::of((".{0,8}", 0.0..1e9).prop_map(|(field, above)| SlowLines { field, above }));
    let patterns = btree_map("own-[a-z]{1,4}", "[a-z$]{0,5}", 0..3);
    let log = ("(?s).{1,20}", option::of((".{0,8}", option::of(".{0,8}"))), patterns, slow);
    btree_map(name(), log, 0..3).prop_map(|logs| {
        type Stated = (String, Option<(String, Option<String>)>, BTreeMap<String, String>, Option<SlowLines>);
        let log = |(name, (path, event, patterns, slow)): (String, Stated)| {
            let (event, count_by): (Option<String>, Option<Option<String>>) = event.unzip();
            let pattern = |(word, text): (String, String)| (word, Pattern::new(&text).expect("letters and ends"));
            let patterns = patterns.into_iter().map(pattern).collect();
            LogWatch { name, path: PathBuf::from(path), event, count_by: count_by.flatten(), patterns, slow }
        };
        logs.into_iter().map(log).collect()
    })
}

fn postgres() -> impl Strategy<Value = PostgresSource> {
    let secret = option::of(Just(Secret::new("***".to_owned())));
    let options = prop_oneof![Just(""), Just("?sslmode=verify-full&sslrootcert=/ca.pem")];
    ("[a-z]{1,4}", secret, "[a-z]{0,6}", options).prop_map(|(user, password, database, options)| {
        let url = format!("postgresql://{user}@db:5433/{database}{options}");
        PostgresSource { url: Url::parse(&url).expect("a URL"), password }
    })
}

fn asked() -> impl Strategy<Value = (Url, Tls)> {
    ("[a-z]{0,5}", any::<bool>(), any::<bool>()).prop_map(|(path, secure, insecure)| {
        let url = format!("http{}://10.0.0.1/{path}", if secure { "s" } else { "" });
        (Url::parse(&url).expect("a URL"), Tls { insecure: secure && insecure, ..Tls::default() })
    })
}

fn around() -> impl Strategy<Value = Watch> {
    let path = prop_oneof![Just("$.pool.size"), Just("db_pool"), Just("db_pool{state=\"idle\",a=\"\"}")];
    let path = path.prop_map(|text| MetricPath::parse(text).expect("it is one"));
    let endpoint = (asked(), path, option::of(Just(MetricPath::parse("x").expect("it is one")))).prop_map(
        |((url, tls), size, active)| PoolEndpoint {
            url,
            tls,
            size: Some(size),
            active,
            available: None,
            waiting: None,
        },
    );
    let place = prop_oneof![
        ".{1,9}".prop_map(ContainerPlace::Engine),
        "/[a-z$/]{0,9}".prop_map(|path| ContainerPlace::Cgroup(PathBuf::from(path))),
    ];
    let containers = btree_map(name(), place, 0..3)
        .prop_map(|all| all.into_iter().map(|(name, place)| ContainerWatch { name, place }).collect());
    let probe = (asked(), option::of(100..600_u16), option::of(positive_duration()));
    let probes = btree_map(name(), probe, 0..3).prop_map(|all| {
        let probe = |(name, ((url, tls), status, timeout))| ProbeWatch { name, url, tls, status, timeout };
        all.into_iter().map(probe).collect()
    });
    let engine = option::of("/[a-z]{0,9}".prop_map(PathBuf::from));
    (option::of(postgres()), option::of(endpoint), ".{0,9}", containers, engine, probes).prop_map(
        |(postgres, endpoint, name, containers, engine, probes)| {
            let application = postgres.clone().map(|server| PoolSource::Application { server, name });
            let pool = endpoint.map(Box::new).map(PoolSource::Endpoint).or(application);
            Watch { postgres, pool, containers, engine, probes, ..Watch::default() }
        },
    )
}

fn watch() -> impl Strategy<Value = Watch> {
    let process = prop_oneof![
        (1..u32::MAX).prop_map(ProcessWatch::Pid),
        ".{1,9}".prop_map(ProcessWatch::Name),
        (1..u16::MAX).prop_map(ProcessWatch::Port),
    ];
    let parts = (
        interval(),
        option::of(redis::sources()),
        any::<bool>(),
        option::of(process),
        logs().boxed(),
        around().boxed(),
    );
    let databases = prop::collection::vec(0_u32..16, 0..3);
    (parts, alerts::alerts(), alerts::keys(), databases).prop_map(
        |((every, redis, host, process, logs, around), alerts, keys, databases)| {
            let alerts = if redis.is_some() { alerts } else { Vec::new() };
            Watch { every, redis, host, process, logs, alerts, keys, databases, ..around }
        },
    )
}

/// Whole microseconds, as a person would write them.
fn tick() -> impl Strategy<Value = Precision> {
    (10..=10_000_u64).prop_map(|micros| Precision::Tick(Duration::from_micros(micros)))
}

fn generator() -> impl Strategy<Value = Generator> {
    let requests = prop_oneof![
        Just(RequestLogging::All),
        Just(RequestLogging::None),
        Just(RequestLogging::Bad),
        (1..100_u8).prop_map(|percent| RequestLogging::Share(f64::from(percent) * 0.01)),
    ];
    let log = (requests, option::of(positive()), option::of(positive_duration()));
    let precision = option::of(prop_oneof![Just(Precision::Fine), Just(Precision::Coarse), tick()]);
    (option::of(positive()), precision, interval(), duration(), log, duration()).prop_map(
        |(workers, precision, interval, max_send_lag, (requests, failed_bodies, slow), drain)| Generator {
            workers,
            precision,
            interval,
            max_send_lag,
            requests,
            failed_bodies,
            slow,
            drain,
        },
    )
}

fn connections() -> impl Strategy<Value = ConnectionUse> {
    prop::sample::select(vec![ConnectionUse::Pool, ConnectionUse::PerUser, ConnectionUse::New])
}

fn session() -> impl Strategy<Value = Session> {
    let count = (1..=u64::MAX).prop_map(|number| NonZeroU64::new(number).expect("above zero"));
    (count, any::<bool>(), any::<bool>()).prop_map(|(count, requests, replace)| {
        let length = if requests { SessionLength::Requests(count) } else { SessionLength::Iterations(count) };
        Session { length, replace }
    })
}

prop_compose! {
    fn plan()(
        name in name(),
        seed in any::<u64>(),
        target in target(),
        (count, prefix, suffix) in (1..=u64::MAX, "[a-z_.@:~-]{0,5}", "[a-z]{0,3}"),
        generator in generator(),
        phases in phases(),
        (flows, data) in (flows::flows(), flows::data()),
        life in (any::<bool>(), connections(), option::of(session())),
        limiter in option::of(limiter()),
        watch in option::of(watch()),
    ) -> Plan {
        let count = NonZeroU64::new(count).expect("above zero");
        let (cookies, connections, session) = life;
        let users = Users { count, id: UserPattern { prefix, suffix }, cookies, connections, session };
        let (setup, teardown) = (flows::setup(), flows::setup());
        Plan { stores: Vec::new(), payloads: Vec::new(), integrity: Vec::new(), name, seed, target: Some(target), users, generator, phases, flows, setup, teardown, data, limiter, watch, criteria: Vec::new() }
    }
}

fn read(text: &str, overrides: &[Override]) -> Result<Plan, String> {
    let source = SourceText { name: "plan.toml".to_owned(), text: text.to_owned() };
    let environment = |name: &str| name.len().is_multiple_of(2).then(|| "v{\"\n".to_owned());
    parse(&source, overrides, &Surroundings { environment: &environment, ..Surroundings::NONE })
        .map_err(|problems| problems.render(true))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, rng_seed: RngSeed::Fixed(1), ..ProptestConfig::with_cases(256) })]

    #[test]
    fn any_plan_survives_the_run_directory(plan in plan()) {
        let text = plan.to_toml();
        let read = parse_recorded(&text).map_err(|problems| TestCaseError::fail(format!("{problems}\n{text}")))?;
        prop_assert_eq!(read.to_toml(), text, "the same plan gives the same bytes");
        prop_assert_eq!(read, plan);
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in "(?s).{0,200}") {
        let _ = read(&text, &[]);
    }

    #[test]
    fn no_damage_to_a_plan_makes_the_reader_panic(at in 0..EXAMPLE.len(), cut in 0..40_usize, text in "(?s).{0,20}") {
        let start = EXAMPLE.floor_char_boundary(at);
        let end = EXAMPLE.ceil_char_boundary((at + cut).min(EXAMPLE.len()));
        let _ = read(&format!("{}{text}{}", &EXAMPLE[..start], &EXAMPLE[end..]), &[]);
    }

    #[test]
    fn no_condition_or_template_makes_the_reader_panic(
        text in "(status|latency|size|body|header\\.|\\$\\.a\\[|count\\(|\\{user\\.n\\}|\\{|\\}| and | or |not |\\(|\\)|==|!=|<|matches|in|exists|'|\"|[a-z0-9 .,é%\\[\\]$]){0,12}",
        template in "(\\{random\\.(int|choice|text)\\(|\\{data\\.|\\{user|:json|:raw|\\}|\\{|\\(|\\)|[a-z0-9,. é$]){0,12}",
    ) {
        let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
        let step = format!(
            "\n[[flows.check.steps]]\nname = 'x'\nget = {}\njson = {{ a = {} }}\nexpect.that = {}\n[[flows.check.steps]]\nwhen = {}\nthink = {}\n",
            quoted(&template), quoted(&template), quoted(&text), quoted(&text), quoted(&text),
        );
        let _ = read(&format!("{EXAMPLE}{step}"), &[]);
    }

    #[test]
    fn any_condition_is_read_as_it_is_shown(condition in flows::condition(true)) {
        let text = condition.to_string();
        let plan = format!(
            "name = 'x'\ntarget.url = 'http://h'\nphases = [{{ name = 'a', duration = '1s', rate = '1/s' }}]\n\
             data.rows.rows = [{{ 'first name' = 'a' }}]\nsetup.steps = [{{ set = {{ given = '1', other = '2' }} }}]\n\
             flows.f.steps = [{{ name = 'a', get = '/', expect = {{ that = {{ c = {} }} }} }}]\n",
            toml::Value::String(text.replace('$', "$$")),
        );
        let plan = parse_recorded(&plan).map_err(|problems| TestCaseError::fail(problems.to_string()))?;
        let request = plan.flows[0].steps[0].request().expect("a request");
        prop_assert_eq!(&request.expect.checks[0].condition, &condition, "{}", text);
    }

    #[test]
    fn no_override_makes_the_reader_panic(key in "(phases|steady|flows|[a-z.]){1,6}(\\.[a-z]{0,5}){0,3}", value in "(?s).{0,20}") {
        let _ = read(EXAMPLE, &[Override { key, value }]);
    }

    #[test]
    fn no_criterion_makes_the_reader_panic(text in "(p99|slope\\(|share\\(|knee\\(|baseline|redis\\.used_memory|log\\.errors|[ <>=(),.0-9a-zé%/*+-]){0,10}") {
        let criteria = format!("\n[criteria.x]\nrequire = '{text}'\n");
        let _ = read(&format!("{EXAMPLE}{criteria}"), &[]);
        let _ = read(&format!("{EXAMPLE}{}", criteria.replace('\'', "\"")), &[]);
    }
}
