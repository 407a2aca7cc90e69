//! Redis asked directly: one `INFO` of the needed sections per reading.
//!
//! The connection is made when it is needed and dropped after every failure: a new one is cheap at one reading per
//! second. Sections by name cost the server 20-50 us.

use std::collections::BTreeMap;
use std::time::Duration;

use plimsoll_plan::RedisServer;

use super::Interpreter;
use super::link::{Dial, Link};
use crate::info::Info;
use crate::probe::{Failure, Probe, ReadingFuture};

/// The sections that hold what is sampled; several in one call need Redis 7.
const SECTIONS: [&str; 9] =
    ["server", "clients", "memory", "stats", "persistence", "replication", "cpu", "errorstats", "keyspace"];

/// Samples a Redis server.
pub struct ServerProbe {
    address: String,
    dial: Dial,
    link: Option<Link>,
    sections: &'static [&'static str],
    interpreter: Interpreter,
}

impl ServerProbe {
    /// A probe of the server, connected at the first reading. `patience` bounds each attempt to connect.
    #[must_use]
    pub fn new(server: &RedisServer, patience: Duration) -> Self {
        let (address, dial) = (server.to_string(), Dial::new(server, patience));
        Self { address, dial, link: None, sections: &SECTIONS, interpreter: Interpreter::default() }
    }

    /// Asks for the sections once. The connection is taken out while the answer is awaited, so that a reading
    /// that is given up, or fails, leaves none behind.
    pub(super) async fn fields(&mut self) -> Result<Info, Failure> {
        let mut link = match self.link.take().filter(Link::is_open) {
            Some(link) => link,
            None => self.dial.open().await?,
        };
        let mut answer = link.ask_for_text("INFO", self.sections).await;
        if answer.as_ref().is_err_and(|failure| failure.detail.contains("syntax error")) {
            self.sections = &[];
            answer = link.ask_for_text("INFO", self.sections).await;
        }
        let text = answer?;
        self.link = Some(link);
        Ok(Info::parse(&text))
    }
}

impl Probe for ServerProbe {
    fn source(&self) -> String {
        self.address.clone()
    }

    fn identity(&self) -> BTreeMap<String, String> {
        self.interpreter.identity.clone()
    }

    fn read(&mut self) -> ReadingFuture<'_> {
        Box::pin(async {
            let fields = self.fields().await.inspect_err(|failure| self.interpreter.refused(failure))?;
            self.interpreter.reading(&fields)
        })
    }
}
