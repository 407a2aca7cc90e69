//! What a plan says about traffic: target, users, phases, flows, limiter.

mod phases;

use std::collections::HashMap;
use std::net::IpAddr;
use std::num::{NonZeroU32, NonZeroU64};
use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use crate::criteria::Criterion;
use crate::data::DataSet;
use crate::flow::{self, Auth, Flow, Request, Step};
use crate::integrity::KeySet;
use crate::store::{Payload, Store};
use crate::template::{Template, UserPattern};
use crate::watch::Watch;
pub use phases::{Arrivals, Iterations, Load, Phase, Rate, RateShape, Recording, Replay, ThinkTime};

/// A whole plan, every default filled in.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Its name: letters, digits, `-` and `_`.
    pub name: String,
    /// Seeds every random choice; the same plan and seed give the same arrivals.
    pub seed: u64,
    /// Where requests of HTTP go. `None` for plans that only watch, or only load stores.
    pub target: Option<Target>,
    /// Stores that are loaded directly.
    pub stores: Vec<Store>,
    /// Content to write.
    pub payloads: Vec<Payload>,
    /// Sets of keys whose acknowledged writes must still be there.
    pub integrity: Vec<KeySet>,
    /// Who sends it.
    pub users: Users,
    /// How the generator works.
    pub generator: Generator,
    /// What load. Empty for plans that only watch.
    pub phases: Vec<Phase>,
    /// What users do. Empty for plans that only watch.
    pub flows: Vec<Flow>,
    /// What runs once before the first phase: what it captures, every user has. A failure ends the run. Nothing of
    /// it is load, so nothing of it is measured.
    pub setup: Vec<Step>,
    /// What runs once after the last phase, also of a run that was stopped. It sees what `setup` captured.
    pub teardown: Vec<Step>,
    /// Rows that users bring along.
    pub data: Vec<DataSet>,
    /// The rate limiter the service is supposed to have.
    pub limiter: Option<Limiter>,
    /// What to watch meanwhile.
    pub watch: Option<Watch>,
    /// What must hold.
    pub criteria: Vec<Criterion>,
}

/// Where traffic goes.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// Base URL; steps add their path to it. Scheme `http` or `https`.
    pub url: Url,
    /// The request that must succeed before the load starts.
    pub health: Option<HealthCheck>,
    /// Headers of every request, in order. Values taken from the environment are secret.
    pub headers: Vec<(String, Template)>,
    /// Who asks, unless a step says otherwise.
    pub auth: Option<Auth>,
    /// How long to wait for a complete answer, from the send. Default 30 s.
    pub timeout: Duration,
    /// How long to wait for a connection. Default 10 s.
    pub connect_timeout: Duration,
    /// How long to wait for the head of an answer, from the send. `None`: as long as for the whole answer.
    pub first_byte_timeout: Option<Duration>,
    /// The most connections open at once, over all workers. Default 1,000. Beyond it, arrivals wait.
    pub connections: NonZeroU32,
    /// Which HTTP is spoken.
    pub http: HttpVersion,
    /// HTTP/2 only: the most requests under way at once on one connection. Default 8. The server may allow fewer.
    pub streams: NonZeroU32,
    /// How `https` connections are secured and checked.
    pub tls: Tls,
    /// Local addresses that connections are bound to in turn. Empty: the operating system chooses.
    pub local_addresses: Vec<AddressRange>,
}

/// Which HTTP is spoken to the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HttpVersion {
    /// HTTP/1.1 over `http`; over `https` HTTP/2 if the server offers it (ALPN, RFC 7301). The default.
    Auto,
    /// HTTP/1.1.
    One,
    /// HTTP/2: over `http` with prior knowledge (RFC 9113, section 3.3), over `https` only if the server offers it.
    Two,
}

/// How `https` connections are secured and checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// PEM file of the authorities to trust instead of the system's.
    pub ca: Option<PathBuf>,
    /// What the client shows when the server asks who it is.
    pub identity: Option<Identity>,
    /// The name the server's certificate must bear, if it is not the URL's host; also sent as SNI.
    pub server_name: Option<String>,
    /// True when no certificate of the server is checked at all.
    pub insecure: bool,
    /// Whether sessions are resumed, as browsers do. Default true.
    pub resume: bool,
}

/// A client certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// PEM file of the certificate, and of those between it and its authority.
    pub certificate: PathBuf,
    /// PEM file of its private key.
    pub key: PathBuf,
}

/// Consecutive IP addresses, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressRange {
    /// The first.
    pub first: IpAddr,
    /// The last: the same family, not below the first.
    pub last: IpAddr,
}

/// The request that must succeed before the load starts: a 2xx answer within 5 s, tried for `patience`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthCheck {
    /// The method.
    pub method: Method,
    /// The path.
    pub path: String,
}

/// An HTTP method.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// GET.
    Get,
    /// HEAD.
    Head,
    /// POST.
    Post,
    /// PUT.
    Put,
    /// PATCH.
    Patch,
    /// DELETE.
    Delete,
    /// OPTIONS.
    Options,
}

/// Who sends the traffic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Users {
    /// How many identities. Open model: arrivals take them in turn. Default 1.
    pub count: NonZeroU64,
    /// The identity's pattern, e.g. `tenant-{n}` with n from 1. Default `user-{n}`.
    pub id: UserPattern,
    /// Whether each user keeps the cookies it is given and sends them back (RFC 6265). They live as long as its
    /// variables. Default false.
    pub cookies: bool,
    /// Whose connections requests use. Default pool.
    pub connections: ConnectionUse,
    /// When a user of a closed phase ends. `None`: with its phase.
    pub session: Option<Session>,
}

/// Whose connections requests use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionUse {
    /// Any that is free.
    Pool,
    /// Each user its own, opened with its first request and closed when it ends.
    PerUser,
    /// A new one for every request.
    New,
}

/// The life of a user in a closed phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Session {
    /// How long it is.
    pub length: SessionLength,
    /// Whether a new user takes its place: the next identity, without variables and cookies. Default true.
    pub replace: bool,
}

/// How long a user lives. It ends its iteration first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionLength {
    /// So many iterations.
    Iterations(NonZeroU64),
    /// At least so many requests, tries of a poll included.
    Requests(NonZeroU64),
}

/// How the generator works.
#[derive(Clone, Debug, PartialEq)]
pub struct Generator {
    /// Worker threads, one core each. `None`: one per available core, at most what the rate needs.
    pub workers: Option<NonZeroU32>,
    /// How exactly arrivals are sent at their time. `None`: fine up to 10,000 arrivals per second and worker.
    pub precision: Option<Precision>,
    /// Length of an interval in the record. Default 1 s.
    pub interval: Duration,
    /// Requests sent this much later than intended although a connection was free make their interval suspect.
    /// Default 10 ms (or 10 % of the median service time, if that is more).
    pub max_send_lag: Duration,
    /// Whether to keep a log of requests. Default: all when the plan has a limiter, none otherwise.
    pub requests: RequestLogging,
    /// Whether to keep bodies of answers that failed, at most so many bytes of each. `None`: no bodies.
    pub failed_bodies: Option<NonZeroU32>,
    /// A request that takes longer is logged as it happens. Steps may say otherwise.
    pub slow: Option<Duration>,
    /// How long arrivals still open at the end of the last phase may take. Default: the target's timeout.
    pub drain: Duration,
}

/// How exactly arrivals are sent at their time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// Each with a wake-up of its own.
    Fine,
    /// Those of a quarter of a millisecond with one wake-up: less CPU at high rates, more send lag.
    Coarse,
    /// Those of this time with one wake-up, from [`SHORTEST_TICK`] to [`LONGEST_TICK`].
    Tick(Duration),
}

/// The shortest time whose arrivals share a wake-up.
pub const SHORTEST_TICK: Duration = Duration::from_micros(10);
/// The longest: later than this would be more than a coarse timer's error.
pub const LONGEST_TICK: Duration = Duration::from_millis(10);

/// Whether to keep a log of requests.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum RequestLogging {
    /// Every request.
    All,
    /// Those that did not end ok, nor limited: `"bad"`.
    Bad,
    /// A share of them, drawn by seed: `"10%"`. Above 0 and below 1.
    Share(f64),
    /// None.
    None,
}

/// The rate limiter the service is supposed to have.
#[derive(Clone, Debug, PartialEq)]
pub struct Limiter {
    /// The limits, all of which apply to each user.
    pub limits: Vec<Limit>,
    /// How the service counts.
    pub window: WindowKind,
}

/// At most `count` requests in each `per`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// How many.
    pub count: NonZeroU32,
    /// In how long.
    pub per: Duration,
}

/// How a limiter counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WindowKind {
    /// In windows aligned to the wall clock: each full second, each full minute.
    Fixed,
    /// Over the time before each request.
    Sliding,
    /// A bucket that holds the limit's count and refills evenly (also known as GCRA).
    TokenBucket,
}

/// What is measured together: one row of the record per interval and phase.
#[derive(Clone, Debug, PartialEq)]
pub struct Operation<'p> {
    /// The request's name, with the flow's in front of it when another request has the same; a whole poll has
    /// `.poll` behind it.
    pub name: String,
    /// The request.
    pub request: &'p Request,
    /// Whether it is the whole poll of that request rather than each try.
    pub whole_poll: bool,
}

impl Default for Tls {
    fn default() -> Self {
        Self { ca: None, identity: None, server_name: None, insecure: false, resume: true }
    }
}

impl AddressRange {
    /// The most addresses one range may have.
    pub const MOST: u128 = 65_536;

    /// A range; `None` when the ends are of two families, in the wrong order, or too far apart.
    #[must_use]
    pub fn new(first: IpAddr, last: IpAddr) -> Option<Self> {
        let range = Self { first, last };
        (first.is_ipv4() == last.is_ipv4() && first <= last && range.distance() < Self::MOST).then_some(range)
    }

    /// Its addresses in order.
    pub fn addresses(self) -> impl Iterator<Item = IpAddr> {
        let at = move |step: u128| match self.first {
            IpAddr::V4(first) => IpAddr::V4((u128::from(first.to_bits()) + step).try_into().map_or(first, u32::into)),
            IpAddr::V6(first) => IpAddr::V6((first.to_bits() + step).into()),
        };
        (0..=self.distance()).map(at)
    }

    fn distance(self) -> u128 {
        let number = |address: IpAddr| match address {
            IpAddr::V4(address) => u128::from(address.to_bits()),
            IpAddr::V6(address) => address.to_bits(),
        };
        number(self.last) - number(self.first)
    }
}

impl Plan {
    /// A store by its name.
    #[must_use]
    pub fn store(&self, name: &str) -> Option<&Store> {
        self.stores.iter().find(|store| store.name == name)
    }

    /// All requests of the flows: flow by flow, depth first, in the order they are written. `[setup]` and
    /// `[teardown]` are no load, and not among them.
    #[must_use]
    pub fn requests(&self) -> Vec<&Request> {
        self.flows.iter().flat_map(|flow| flow::requests(&flow.steps)).collect()
    }

    /// The operations, in the order of their indices in the record: each request, followed by its whole poll if it
    /// is polled.
    #[must_use]
    pub fn operation_list(&self) -> Vec<Operation<'_>> {
        let mut count: HashMap<&str, usize> = HashMap::new();
        for request in self.requests() {
            *count.entry(&request.name).or_default() += 1;
        }
        let mut list = Vec::new();
        for flow in &self.flows {
            for request in flow::requests(&flow.steps) {
                let unique = count[request.name.as_str()] == 1;
                let name = if unique { request.name.clone() } else { format!("{}.{}", flow.name, request.name) };
                let poll = request.poll.as_ref().map(|_| format!("{name}.poll"));
                list.push(Operation { name, request, whole_poll: false });
                list.extend(poll.map(|name| Operation { name, request, whole_poll: true }));
            }
        }
        list
    }

    /// The operations' names: the indices used in the record.
    #[must_use]
    pub fn operations(&self) -> Vec<String> {
        self.operation_list().into_iter().map(|operation| operation.name).collect()
    }
}
