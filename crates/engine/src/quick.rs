//! A plan in one line of Rust: a fixed number of GET requests from a crowd that never thinks.

use std::num::{NonZeroU32, NonZeroU64};
use std::time::Duration;

use plimsoll_plan::{
    ConnectionUse, Flow, Generator, HttpVersion, Iterations, Load, Method, Phase, Plan, Request, RequestLogging,
    Target, Template, ThinkTime, Tls, UserPattern, Users,
};
use url::Url;

/// A plan of `requests` GET requests to `url`, sent by `users` closed users with a connection each. Zero counts as
/// one. Every part of the result may be changed before it is run.
#[must_use]
pub fn quick_plan(url: &Url, users: u32, requests: u64) -> Plan {
    let users = NonZeroU32::new(users).unwrap_or(NonZeroU32::MIN);
    let mut base = url.clone();
    base.set_path("");
    base.set_query(None);
    let path = url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()));
    let timeout = Duration::from_secs(30);
    let step = Request::new("request", Method::Get, Template::literal(&path)).into();
    let load = Load::Closed {
        users,
        spawn_rate: None,
        ramp_down: None,
        think: ThinkTime::None,
        pacing: None,
        iterations: Some(Iterations::Shared(NonZeroU64::new(requests).unwrap_or(NonZeroU64::MIN))),
    };
    Plan {
        stores: Vec::new(),
        payloads: Vec::new(),
        integrity: Vec::new(),
        name: "quick".to_owned(),
        seed: 1,
        target: Some(Target {
            url: base,
            health: None,
            headers: Vec::new(),
            auth: None,
            timeout,
            connect_timeout: Duration::from_secs(10),
            first_byte_timeout: None,
            connections: users,
            http: HttpVersion::Auto,
            streams: NonZeroU32::MIN,
            tls: Tls::default(),
            local_addresses: Vec::new(),
        }),
        users: Users {
            count: NonZeroU64::from(users),
            id: UserPattern { prefix: "user-".to_owned(), suffix: String::new() },
            cookies: false,
            connections: ConnectionUse::Pool,
            session: None,
        },
        generator: Generator {
            workers: None,
            precision: None,
            interval: Duration::from_secs(1),
            max_send_lag: Duration::from_millis(10),
            requests: RequestLogging::None,
            failed_bodies: None,
            slow: None,
            drain: timeout,
        },
        phases: vec![Phase { name: "load".to_owned(), start: None, duration: None, load }],
        flows: vec![Flow {
            name: "quick".to_owned(),
            weight: 1.0,
            pacing: None,
            headers: Vec::new(),
            steps: vec![step],
        }],
        setup: Vec::new(),
        teardown: Vec::new(),
        data: Vec::new(),
        limiter: None,
        watch: None,
        criteria: Vec::new(),
    }
}
