//! Several servers that are one Redis: the primaries of a cluster, the primary of a group under sentinels, replicas
//! beside them.
//!
//! Who they are is asked of a cluster at the start, after every failure or change of a role, and every ten seconds; of
//! sentinels every second, because a primary that they deposed takes itself for one for ten seconds more. Each server is sampled by itself and at the same moment; what all have in common is
//! [put together](super::whole) only when every primary has answered.

use std::collections::BTreeMap;
use std::time::Duration;

use fred::types::Value;
use plimsoll_plan::{HostPort, Login, RedisPlace, RedisServer};
use plimsoll_record::series::{GapReason, MarkKind};
use plimsoll_record::{Offset, RunClock};

use super::link::{Dial, Link};
use super::server::ServerProbe;
use super::whole::{Part, all, common, put_together};
use crate::probe::{Failure, Probe, Reading, ReadingFuture, read_once};

/// How long what was found out about the group is believed.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// The same for what sentinels say.
const ASK_SENTINELS_EVERY: Duration = Duration::from_millis(900);

/// Samples a group of servers.
pub struct FleetProbe {
    address: String,
    dial: Dial,
    finder: Finder,
    with_replicas: bool,
    patience: Duration,
    primaries: BTreeMap<String, ServerProbe>,
    replicas: BTreeMap<String, ServerProbe>,
    clock: RunClock,
    looked: Option<Offset>,
}

/// Who knows the primaries.
enum Finder {
    /// There is one, and it stays where it is.
    Fixed,
    /// The nodes of a cluster; those found last are asked as well.
    Cluster(Vec<HostPort>),
    /// Sentinels.
    Sentinels(Sentinels),
}

/// Sentinels, and the connection to one of them.
struct Sentinels {
    addresses: Vec<HostPort>,
    service: String,
    login: Login,
    link: Option<Link>,
}

impl FleetProbe {
    /// A probe of the group, which is looked up at the first reading.
    #[must_use]
    pub fn new(server: &RedisServer, patience: Duration) -> Self {
        let finder = match &server.place {
            RedisPlace::Tcp(_) | RedisPlace::Socket(_) => Finder::Fixed,
            RedisPlace::Cluster(seeds) => Finder::Cluster(seeds.clone()),
            RedisPlace::Sentinel { sentinels, service, login } => {
                let (addresses, service, login) = (sentinels.clone(), service.clone(), login.clone());
                Finder::Sentinels(Sentinels { addresses, service, login, link: None })
            }
        };
        // Looking up and reading share the patience, so that both are over before the reading is given up.
        let share = patience.mul_f64(0.45);
        let dial = Dial::new(server, share).known_as(&server.login);
        Self {
            address: server.to_string(),
            dial,
            finder,
            with_replicas: server.replicas,
            patience: share,
            primaries: BTreeMap::new(),
            replicas: BTreeMap::new(),
            clock: RunClock::start(),
            looked: None,
        }
    }

    /// Looks the group up when that is due. Without an answer the servers known so far are kept.
    async fn look(&mut self) -> Result<Option<(MarkKind, String)>, Failure> {
        let now = self.clock.now();
        let every = if matches!(self.finder, Finder::Sentinels(_)) { ASK_SENTINELS_EVERY } else { LOOK_EVERY };
        if self.looked.is_some_and(|looked| u128::from(now.since(looked)) < every.as_nanos()) {
            return Ok(None);
        }
        let found = match tokio::time::timeout(self.patience, self.find()).await {
            Ok(found) => found,
            Err(_) => Err(Failure::new(GapReason::TimedOut, "no node says in time who the primaries are")),
        };
        match found {
            Ok(found) => {
                self.looked = Some(now);
                Ok(self.take_over(found))
            }
            Err(failure) if self.primaries.is_empty() => Err(failure),
            Err(_) => Ok(None),
        }
    }

    /// Every primary by its label, and the way to it.
    pub(super) async fn locate(&mut self) -> Result<Vec<(String, Dial)>, Failure> {
        let found = self.find().await?;
        let dial = |address: Option<HostPort>| match address {
            Some(address) => (address.to_string(), self.dial.to(&address)),
            None => (self.address.clone(), self.dial.clone()),
        };
        Ok(found.into_iter().map(dial).collect())
    }

    async fn find(&mut self) -> Result<Vec<Option<HostPort>>, Failure> {
        match &mut self.finder {
            Finder::Fixed => Ok(vec![None]),
            Finder::Cluster(seeds) => {
                let known = self.primaries.keys().filter_map(|label| HostPort::parse(label, 0));
                let nodes: Vec<HostPort> = known.chain(seeds.iter().cloned()).collect();
                primaries_of_any(&self.dial, &nodes).await
            }
            Finder::Sentinels(sentinels) => Ok(vec![Some(sentinels.primary(&self.dial).await?)]),
        }
    }

    /// Makes these the primaries; says so when others were before.
    fn take_over(&mut self, found: Vec<Option<HostPort>>) -> Option<(MarkKind, String)> {
        let label = |address: &Option<HostPort>| address.as_ref().map_or(self.address.clone(), HostPort::to_string);
        let labels: Vec<String> = found.iter().map(label).collect();
        let before: Vec<String> = self.primaries.keys().cloned().collect();
        let gone: Vec<String> = before.iter().filter(|label| !labels.contains(label)).cloned().collect();
        for label in &gone {
            self.primaries.remove(label);
        }
        let mut new = Vec::new();
        for (label, address) in labels.into_iter().zip(found) {
            let dial = address.map_or_else(|| self.dial.clone(), |address| self.dial.to(&address));
            self.primaries.entry(label.clone()).or_insert_with(|| {
                new.push(label.clone());
                ServerProbe::by(label, dial)
            });
        }
        if before.is_empty() {
            return None;
        }
        let detail = match (new.is_empty(), gone.is_empty()) {
            (false, false) => format!("primary is now {}, and no longer {}", new.join(", "), gone.join(", ")),
            (false, true) => format!("{} became a primary", new.join(", ")),
            (true, false) => format!("{} is no longer a primary", gone.join(", ")),
            (true, true) => return None,
        };
        Some((MarkKind::RoleChanged, detail))
    }

    async fn reading(&mut self, thorough: bool) -> Result<Reading, Failure> {
        let changed = self.look().await?;
        self.follow_replicas();
        let patience = self.patience;
        let servers = self.primaries.iter_mut().map(|(label, probe)| (label, probe, true));
        let servers = servers.chain(self.replicas.iter_mut().map(|(label, probe)| (label, probe, false)));
        let read = servers.map(|(label, probe, counts)| async move {
            let outcome = read_once(probe, patience, thorough).await;
            let outcome = outcome.and_then(|reading| match counts && !probe.is_primary() {
                true => Err(Failure::new(GapReason::Gone, "it is no longer a primary")),
                false => Ok(reading),
            });
            Part { label: label.clone(), counts, outcome }
        });
        let parts = all(read.collect()).await;
        if parts.iter().any(|part| part.counts && part.outcome.is_err()) {
            self.looked = None;
        }
        let mut reading = put_together(parts);
        reading.marks.splice(0..0, changed);
        Ok(reading)
    }

    fn follow_replicas(&mut self) {
        if !self.with_replicas {
            return;
        }
        let named: Vec<HostPort> = self.primaries.values().flat_map(|probe| probe.replicas().iter().cloned()).collect();
        self.replicas.retain(|label, _| named.iter().any(|address| address.to_string() == *label));
        for address in named {
            let (label, dial) = (address.to_string(), self.dial.to(&address));
            self.replicas.entry(label.clone()).or_insert_with(|| ServerProbe::by(label, dial));
        }
    }
}

impl Probe for FleetProbe {
    fn source(&self) -> String {
        self.address.clone()
    }

    /// What the primaries have in common.
    fn identity(&self) -> BTreeMap<String, String> {
        let mut common = common(self.primaries.values().map(Probe::identity));
        let primaries: Vec<&str> = self.primaries.keys().map(String::as_str).collect();
        common.insert("primaries".to_owned(), primaries.join(","));
        common
    }

    fn read(&mut self) -> ReadingFuture<'_> {
        Box::pin(self.reading(false))
    }

    fn read_thoroughly(&mut self) -> ReadingFuture<'_> {
        Box::pin(self.reading(true))
    }
}

impl Sentinels {
    /// The primary, as the first sentinel has it that answers.
    async fn primary(&mut self, dial: &Dial) -> Result<HostPort, Failure> {
        // The connection is taken out meanwhile: one that was given up may still get an answer.
        if let Some(mut link) = self.link.take().filter(Link::is_open)
            && let Ok(primary) = ask_sentinel(&mut link, &self.service).await
        {
            self.link = Some(link);
            return Ok(primary);
        }
        let mut last = Failure::new(GapReason::Unreachable, "no sentinel to ask");
        for address in &self.addresses {
            let mut dial = dial.known_as(&self.login).to(address);
            let answer = async {
                let mut link = dial.open().await?;
                Ok((ask_sentinel(&mut link, &self.service).await?, link))
            };
            match answer.await {
                Ok((primary, link)) => {
                    self.link = Some(link);
                    return Ok(primary);
                }
                Err(failure) => last = about(address, &failure),
            }
        }
        Err(last)
    }
}

fn about(address: &HostPort, failure: &Failure) -> Failure {
    Failure::new(failure.reason, format!("{address}: {}", failure.detail))
}

/// The primary that a sentinel knows for this service.
async fn ask_sentinel(link: &mut Link, service: &str) -> Result<HostPort, Failure> {
    let answer = link.ask("SENTINEL", &["GET-MASTER-ADDR-BY-NAME", service]).await?;
    let address = match array(&answer) {
        [host, port] => text(host).zip(text(port).and_then(|port| port.parse().ok())),
        _ => None,
    };
    let unknown = || Failure::new(GapReason::Refused, format!("the sentinel knows no group `{service}`"));
    address.map(|(host, port)| HostPort { host, port }).ok_or_else(unknown)
}

/// The primaries of a cluster, as the first of its nodes has it that answers.
async fn primaries_of_any(dial: &Dial, nodes: &[HostPort]) -> Result<Vec<Option<HostPort>>, Failure> {
    let mut last = Failure::new(GapReason::Unreachable, "no node to ask");
    for node in nodes {
        match primaries_of(dial.to(node), node).await {
            Ok(found) => return Ok(found),
            Err(failure) => last = about(node, &failure),
        }
    }
    Err(last)
}

/// The primaries of a cluster, as `CLUSTER SLOTS` lists them: every version has it, and it names the port that fits the
/// connection, plain or TLS.
async fn primaries_of(mut dial: Dial, asked: &HostPort) -> Result<Vec<Option<HostPort>>, Failure> {
    let answer = dial.open().await?.ask("CLUSTER", &["SLOTS"]).await?;
    let mut primaries: Vec<HostPort> = array(&answer).iter().filter_map(|range| primary(range, asked)).collect();
    primaries.sort();
    primaries.dedup();
    match primaries.is_empty() {
        true => Err(Failure::new(GapReason::Refused, "the cluster has no slots assigned")),
        false => Ok(primaries.into_iter().map(Some).collect()),
    }
}

/// The primary of `[first slot, last slot, [host, port, ...], replicas...]`. A node that does not know its own address
/// is where it was asked.
fn primary(range: &Value, asked: &HostPort) -> Option<HostPort> {
    let [host, port, ..] = array(array(range).get(2)?) else { return None };
    let port = u16::try_from(port.as_u64()?).ok()?;
    let host = text(host).filter(|host| !host.is_empty() && host != "?").unwrap_or_else(|| asked.host.clone());
    Some(HostPort { host, port })
}

fn array(value: &Value) -> &[Value] {
    match value {
        Value::Array(values) => values,
        _ => &[],
    }
}

fn text(value: &Value) -> Option<String> {
    value.as_bytes().map(|bytes| String::from_utf8_lossy(bytes).into_owned())
}
