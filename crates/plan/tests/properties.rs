//! Any plan survives the way through its text, and no text makes the reader panic.

use std::net::IpAddr;
use std::num::{NonZeroU32, NonZeroU64};
use std::path::PathBuf;
use std::time::Duration;

use plimsoll_plan::{
    AddressRange, Alert, Arrivals, Expect, Flow, Generator, HealthCheck, HttpVersion, Identity, Iterations, Limit,
    Limiter, Load, LogWatch, Method, Override, Part, Phase, Plan, Precision, ProcessWatch, Rate, RateShape, Recording,
    RedisSource, Replay, RequestLogging, Secret, SourceText, Step, Surroundings, Target, Template, ThinkTime, Tls,
    UserPattern, Users, Watch, WindowKind, parse, parse_recorded,
};
use plimsoll_record::events::Level;
use proptest::collection::{btree_map, btree_set, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::RngSeed;
use url::Url;

const EXAMPLE: &str = include_str!("../../../examples/plans/rate-limiter.toml");

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

/// Literals never stand side by side: the reader makes one of them.
fn template(literal: &'static str) -> impl Strategy<Value = Template> {
    let hole = prop_oneof![
        Just(Part::UserId),
        Just(Part::UserNumber),
        "[A-Z_][A-Z0-9_]{0,5}".prop_map(|name| Part::Environment { name, value: Secret::new("***".to_owned()) }),
    ];
    (literal, vec((hole, literal), 0..4)).prop_map(|(first, rest)| {
        let mut parts = vec![Part::Literal(first)];
        for (hole, text) in rest {
            parts.extend([hole, Part::Literal(text)]);
        }
        parts.retain(|part| !matches!(part, Part::Literal(text) if text.is_empty()));
        Template { parts }
    })
}

fn path() -> impl Strategy<Value = Template> {
    template("[!-\"$-~]{0,8}").prop_map(|mut template| {
        match template.parts.first_mut() {
            Some(Part::Literal(text)) => text.insert(0, '/'),
            _ => template.parts.insert(0, Part::Literal("/".to_owned())),
        }
        template
    })
}

fn headers() -> impl Strategy<Value = Vec<(String, Template)>> {
    btree_map("x-[a-z]{1,5}", template("[ -~]{0,8}"), 0..3).prop_map(|headers| headers.into_iter().collect())
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
    let limits = (duration(), duration(), positive(), positive());
    (place, option::of(health), headers(), limits, http(), option::of(tls()), vec(range(), 0..3)).prop_map(
        |((port, path), health, headers, limits, http, tls, local_addresses)| {
            let (timeout, connect_timeout, connections, streams) = limits;
            let scheme = if tls.is_some() { "https" } else { "http" };
            let url = Url::parse(&format!("{scheme}://127.0.0.1:{port}/{path}")).expect("a URL");
            let tls = tls.unwrap_or_default();
            Target { url, health, headers, timeout, connect_timeout, connections, http, streams, tls, local_addresses }
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
    let think = prop_oneof![
        Just(ThinkTime::None),
        duration().prop_map(ThinkTime::Constant),
        (duration(), duration()).prop_map(|(a, b)| ThinkTime::Uniform { min: a.min(b), max: a.max(b) }),
    ];
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
        (positive(), spawn, ramp_down, think, iterations).prop_map(
            |(users, spawn_rate, ramp_down, think, iterations)| Load::Closed {
                users,
                spawn_rate,
                ramp_down,
                think,
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

fn expect() -> impl Strategy<Value = Expect> {
    let codes = btree_set(prop_oneof![100..600_u16, Just(200_u16)], 0..4);
    let classes = btree_set(1..6_u16, 0..2);
    (codes, classes, option::of(100..600_u16)).prop_map(|(codes, classes, limited)| {
        let whole = classes.into_iter().flat_map(|class| class * 100..class * 100 + 100);
        let status: std::collections::BTreeSet<u16> = codes.into_iter().chain(whole).collect();
        Expect { status: status.into_iter().collect(), limited }
    })
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = (method(), path(), headers(), option::of(template("(?s).{1,8}")), expect());
    btree_map(name(), step, 1..3).prop_map(|steps| {
        let step = |(name, (method, path, headers, body, expect))| Step { name, method, path, headers, body, expect };
        steps.into_iter().map(step).collect()
    })
}

fn flows() -> impl Strategy<Value = Vec<Flow>> {
    btree_map(name(), (1e-300..1e300, steps()), 1..3).prop_map(|flows| {
        // Not in the order of their names: the order a plan states must survive.
        flows.into_iter().rev().map(|(name, (weight, steps))| Flow { name, weight, steps }).collect()
    })
}

fn limiter() -> impl Strategy<Value = Limiter> {
    let per = prop_oneof![Just(1_000_u64), Just(60_000), Just(3_600_000), 1..100_000_u64];
    vec((positive(), per), 1..4).prop_map(|limits| {
        let mut limits: Vec<Limit> =
            limits.into_iter().map(|(count, per)| Limit { count, per: Duration::from_millis(per) }).collect();
        limits.sort_by_key(|limit| limit.per);
        limits.dedup_by_key(|limit| limit.per);
        Limiter { limits, window: WindowKind::Fixed }
    })
}

fn redis() -> impl Strategy<Value = RedisSource> {
    let secret = option::of(Just(Secret::new("***".to_owned())));
    prop_oneof![
        (prop_oneof![Just("redis"), Just("rediss")], "[a-z]{0,4}", secret, 0..16_u8).prop_map(
            |(scheme, user, password, database)| {
                let at = if user.is_empty() { "" } else { "@" };
                let url = format!("{scheme}://{user}{at}10.0.0.1:6379/{database}");
                RedisSource::Server { url: Url::parse(&url).expect("a URL"), password }
            }
        ),
        "[a-z]{0,8}"
            .prop_map(|path| { RedisSource::Endpoint(Url::parse(&format!("http://10.0.0.1/{path}")).expect("a URL")) }),
    ]
}

fn logs() -> impl Strategy<Value = Vec<LogWatch>> {
    let log = ("(?s).{1,20}", option::of((".{0,8}", option::of(".{0,8}"))));
    btree_map(name(), log, 0..3).prop_map(|logs| {
        let log = |(name, (path, event)): (String, (String, Option<_>))| {
            let (event, count_by): (Option<String>, Option<Option<String>>) = event.unzip();
            LogWatch { name, path: PathBuf::from(path), event, count_by: count_by.flatten() }
        };
        logs.into_iter().map(log).collect()
    })
}

fn watch() -> impl Strategy<Value = Watch> {
    let process = prop_oneof![(1..u32::MAX).prop_map(ProcessWatch::Pid), ".{1,9}".prop_map(ProcessWatch::Name)];
    let growth = || option::of(1e-3..1e12);
    let parts = (interval(), option::of(redis()), any::<bool>(), option::of(process), logs());
    (parts, growth(), growth(), any::<bool>()).prop_map(
        |((every, redis, host, process, logs), warn, critical, stop)| {
            let warn = warn.map(|growth| Alert { growth, level: Level::Warn, stop: false });
            let critical = critical.map(|growth| Alert { growth, level: Level::Critical, stop });
            let alerts = warn.into_iter().chain(critical).filter(|_| redis.is_some()).collect();
            Watch { every, redis, host, process, logs, alerts }
        },
    )
}

fn generator() -> impl Strategy<Value = Generator> {
    let requests = prop_oneof![Just(RequestLogging::All), Just(RequestLogging::None)];
    let precision = option::of(prop_oneof![Just(Precision::Fine), Just(Precision::Coarse)]);
    (option::of(positive()), precision, interval(), duration(), requests, duration()).prop_map(
        |(workers, precision, interval, max_send_lag, requests, drain)| Generator {
            workers,
            precision,
            interval,
            max_send_lag,
            requests,
            drain,
        },
    )
}

prop_compose! {
    fn plan()(
        name in name(),
        seed in any::<u64>(),
        target in target(),
        (count, prefix, suffix) in (1..=u64::MAX, "[a-z_.@:~-]{0,5}", "[a-z]{0,3}"),
        generator in generator(),
        phases in phases(),
        flows in flows(),
        limiter in option::of(limiter()),
        watch in option::of(watch()),
    ) -> Plan {
        let count = NonZeroU64::new(count).expect("above zero");
        let users = Users { count, id: UserPattern { prefix, suffix } };
        Plan { name, seed, target: Some(target), users, generator, phases, flows, limiter, watch, criteria: Vec::new() }
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
    fn no_override_makes_the_reader_panic(key in "(phases|steady|flows|[a-z.]){1,6}(\\.[a-z]{0,5}){0,3}", value in "(?s).{0,20}") {
        let _ = read(EXAMPLE, &[Override { key, value }]);
    }

    #[test]
    fn no_criterion_makes_the_reader_panic(text in "(p99|slope\\(|redis\\.used_memory|log\\.errors|[ <>=().0-9a-zé%/]){0,8}") {
        let criteria = format!("\n[criteria.x]\nrequire = '{text}'\n");
        let _ = read(&format!("{EXAMPLE}{criteria}"), &[]);
        let _ = read(&format!("{EXAMPLE}{}", criteria.replace('\'', "\"")), &[]);
    }
}
