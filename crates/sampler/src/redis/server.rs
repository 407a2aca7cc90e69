//! One Redis server asked directly: an `INFO` of the needed sections per reading, and now and then what it remembers
//! of slow commands and stalls.
//!
//! The connection is made when it is needed and dropped after every failure: a new one is cheap at one reading per
//! second. Sections by name cost the server 20-50 us. Statistics by command are read only in
//! [thorough](Probe::read_thoroughly) readings and when something happened to the server; they are long.
//!
//! No configuration is asked for: managed servers refuse `CONFIG`, and INFO has what is needed.

use std::collections::BTreeMap;
use std::time::Duration;

use plimsoll_plan::{HostPort, RedisServer};
use plimsoll_record::series::GapReason;
use plimsoll_record::{Offset, RunClock};

use super::interpret::{Interpreter, tables};
use super::link::{Dial, Link};
use super::memory::Remembered;
use crate::info::Info;
use crate::probe::{Failure, Probe, Reading, ReadingFuture};

/// The sections that hold what is sampled; several in one call need Redis 7.
const SECTIONS: [&str; 9] =
    ["server", "clients", "memory", "stats", "persistence", "replication", "cpu", "errorstats", "keyspace"];
/// What thorough readings ask for besides. A server passes over sections that it does not have.
const THOROUGH: [&str; 3] = ["commandstats", "latencystats", "keysizes"];
/// How often slow commands and stalls are asked for.
const REMEMBERED_EVERY: Duration = Duration::from_secs(5);

/// Samples a Redis server.
pub struct ServerProbe {
    address: String,
    dial: Dial,
    link: Option<Link>,
    /// False for a server that knows one section at a time and is asked for all.
    by_name: bool,
    interpreter: Interpreter,
    remembered: Remembered,
    /// For intervals only: when something was asked for last.
    clock: RunClock,
    asked: Option<Offset>,
    replicas: Vec<HostPort>,
}

impl ServerProbe {
    /// A probe of the server, connected at the first reading. `patience` bounds each attempt to connect.
    #[must_use]
    pub fn new(server: &RedisServer, patience: Duration) -> Self {
        Self::by(server.to_string(), Dial::new(server, patience))
    }

    /// A probe of the server that this leads to.
    pub(super) fn by(address: String, dial: Dial) -> Self {
        Self {
            address,
            dial,
            link: None,
            by_name: true,
            interpreter: Interpreter::default(),
            remembered: Remembered::default(),
            clock: RunClock::start(),
            asked: None,
            replicas: Vec::new(),
        }
    }

    /// The replicas that the server named at the last reading.
    pub(super) fn replicas(&self) -> &[HostPort] {
        &self.replicas
    }

    /// Whether the server was a primary at the last reading.
    pub(super) fn is_primary(&self) -> bool {
        self.interpreter.is_primary()
    }

    /// Asks for everything once.
    pub(super) async fn fields(&mut self) -> Result<Info, Failure> {
        let mut link = self.connected().await?;
        let info = self.info(&mut link, &["everything"]).await?;
        self.link = Some(link);
        Ok(info)
    }

    async fn connected(&mut self) -> Result<Link, Failure> {
        match self.link.take().filter(Link::is_open) {
            Some(link) => Ok(link),
            None => self.dial.open().await,
        }
    }

    async fn info(&mut self, link: &mut Link, sections: &[&str]) -> Result<Info, Failure> {
        if self.by_name {
            let answer = link.ask_for_text("INFO", sections).await;
            match answer {
                Err(failure) if failure.detail.contains("syntax error") => self.by_name = false,
                answer => return answer.map(|text| Info::parse(&text)),
            }
        }
        let text = link.ask_for_text("INFO", &["all"]).await?;
        Ok(Info::parse(&text))
    }

    /// The connection is taken out while answers are awaited, so that a reading that is given up, or fails, leaves
    /// none behind.
    async fn reading(&mut self, thorough: bool) -> Result<Reading, Failure> {
        let mut link = self.connected().await?;
        let info = match thorough {
            true => self.info(&mut link, &[&SECTIONS[..], &THOROUGH[..]].concat()).await?,
            false => self.info(&mut link, &SECTIONS).await?,
        };
        let mut reading = self.interpreter.reading(&info)?;
        self.replicas = info.replicas().into_iter().filter_map(|replica| replica.address).collect();
        if thorough {
            reading.details = tables(&info);
        } else if !reading.marks.is_empty() {
            let info = self.info(&mut link, &[&SECTIONS[..], &THOROUGH[..]].concat()).await?;
            reading.details = tables(&info);
        }
        if self.is_due(thorough) {
            match self.remembered.read(&mut link).await {
                Ok(found) => reading.details.extend(found),
                // The values were read; the connection, on which an answer may still come, is dropped.
                Err(failure) if failure.reason == GapReason::TimedOut => return Ok(reading),
                Err(failure) => return Err(failure),
            }
            for (what, why) in self.remembered.denied() {
                self.interpreter.note(what, why);
            }
        }
        self.link = Some(link);
        Ok(reading)
    }

    fn is_due(&mut self, thorough: bool) -> bool {
        let now = self.clock.now();
        let due =
            thorough || self.asked.is_none_or(|asked| u128::from(now.since(asked)) >= REMEMBERED_EVERY.as_nanos());
        if due {
            self.asked = Some(now);
        }
        due
    }

    fn answer(&mut self, thorough: bool) -> ReadingFuture<'_> {
        Box::pin(async move {
            let read = self.reading(thorough).await;
            read.inspect_err(|failure| self.interpreter.refused(failure))
        })
    }
}

impl Probe for ServerProbe {
    fn source(&self) -> String {
        self.address.clone()
    }

    fn identity(&self) -> BTreeMap<String, String> {
        self.interpreter.identity()
    }

    fn read(&mut self) -> ReadingFuture<'_> {
        self.answer(false)
    }

    fn read_thoroughly(&mut self) -> ReadingFuture<'_> {
        self.answer(true)
    }
}
