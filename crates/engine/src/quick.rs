//! A plan in one line of Rust: a fixed number of GET requests from a crowd that never thinks.

use std::num::{NonZeroU32, NonZeroU64};
use std::time::Duration;

use plimsoll_plan::{
    Expect, Flow, Generator, HttpVersion, Iterations, Load, Method, Phase, Plan, RequestLogging, Step, Target,
    Template, ThinkTime, Tls, UserPattern, Users,
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
    let step = Step {
        name: "request".to_owned(),
        method: Method::Get,
        path: Template::literal(&path),
        headers: Vec::new(),
        body: None,
        expect: Expect { status: Vec::new(), limited: None },
    };
    let load = Load::Closed {
        users,
        spawn_rate: None,
        ramp_down: None,
        think: ThinkTime::None,
        iterations: Some(Iterations::Shared(NonZeroU64::new(requests).unwrap_or(NonZeroU64::MIN))),
    };
    Plan {
        name: "quick".to_owned(),
        seed: 1,
        target: Some(Target {
            url: base,
            health: None,
            headers: Vec::new(),
            timeout,
            connect_timeout: Duration::from_secs(10),
            connections: users,
            http: HttpVersion::Auto,
            streams: NonZeroU32::MIN,
            tls: Tls::default(),
            local_addresses: Vec::new(),
        }),
        users: Users {
            count: NonZeroU64::from(users),
            id: UserPattern { prefix: "user-".to_owned(), suffix: String::new() },
        },
        generator: Generator {
            workers: None,
            precision: None,
            interval: Duration::from_secs(1),
            max_send_lag: Duration::from_millis(10),
            requests: RequestLogging::None,
            drain: timeout,
        },
        phases: vec![Phase { name: "load".to_owned(), start: None, duration: None, load }],
        flows: vec![Flow { name: "quick".to_owned(), weight: 1.0, steps: vec![step] }],
        limiter: None,
        watch: None,
        criteria: Vec::new(),
    }
}
