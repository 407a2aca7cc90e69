//! The connection to PostgreSQL: made when it is needed, dropped after every failure, spoken to in plain statements, so
//! that connection poolers in between are no trouble.
//!
//! TLS as `sslmode` says: `require` encrypts and trusts whoever answers, `verify-ca` wants a certificate of an authority
//! of `sslrootcert` (else of the system), `verify-full` also the right name in it. The password is in no message.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use plimsoll_plan::{PostgresSource, Tls};
use plimsoll_record::series::GapReason;
use rustls::ClientConfig;
use tokio::task::JoinHandle;
use tokio_postgres::config::SslMode;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Config, SimpleQueryMessage};
use tokio_postgres_rustls::MakeRustlsConnect;
use url::Url;

use crate::http::innermost;
use crate::probe::Failure;
use crate::tls;

const APPLICATION: &str = "memwatch";

/// What does not change while the server runs.
const FACTS: &str = "\
SELECT current_setting('server_version') AS version, current_setting('server_version_num') AS version_number, \
current_setting('shared_buffers') AS shared_buffers, current_setting('max_connections') AS max_connections, \
current_database() AS database, pg_has_role(current_user, 'pg_read_all_stats', 'USAGE') AS sees_sessions";

/// A server that is asked again and again.
pub(crate) struct Server {
    shown: String,
    password: Option<String>,
    patience: Duration,
    way: Result<Way, String>,
    link: Option<Link>,
    identity: BTreeMap<String, String>,
}

/// How it is reached.
struct Way {
    config: Config,
    tls: ClientConfig,
}

/// What must be known about the server to ask it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Facts {
    pub(crate) version: u32,
    pub(crate) sees_sessions: bool,
}

/// An open connection. Its task ends with it.
struct Link {
    client: Client,
    task: JoinHandle<()>,
    facts: Facts,
}

impl Drop for Link {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The one row of an answer, by the names of its columns.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answer(BTreeMap<String, String>);

impl Answer {
    pub(crate) fn text(&self, column: &str) -> Option<&str> {
        self.0.get(column).map(String::as_str)
    }

    pub(crate) fn number(&self, column: &str) -> Option<f64> {
        self.text(column)?.parse().ok()
    }
}

impl Server {
    pub(crate) fn new(source: &PostgresSource, patience: Duration) -> Self {
        let password = source.password.as_ref().map(|password| password.reveal().to_owned());
        let way = Way::of(&source.url, password.as_deref(), patience);
        Self { shown: source.to_string(), password, patience, way, link: None, identity: BTreeMap::new() }
    }

    /// Where it is, without the password.
    pub(crate) fn shown(&self) -> &str {
        &self.shown
    }

    /// What is known of it once it has answered.
    pub(crate) fn identity(&self) -> BTreeMap<String, String> {
        self.identity.clone()
    }

    /// Runs a statement that answers with one row. The connection is taken out while the answer is awaited, so that a
    /// reading that is given up, or fails, leaves none behind.
    pub(crate) async fn ask(&mut self, statement: impl FnOnce(Facts) -> String) -> Result<Answer, Failure> {
        let link = match self.link.take().filter(|link| !link.client.is_closed()) {
            Some(link) => link,
            None => self.connect().await?,
        };
        let answer = row(&link.client, &statement(link.facts)).await.map_err(|error| self.failure(&error))?;
        self.link = Some(link);
        Ok(answer)
    }

    async fn connect(&mut self) -> Result<Link, Failure> {
        let way = self.way.as_ref().map_err(|why| Failure::new(GapReason::Unreachable, why.clone()))?;
        let connected = way.config.connect(MakeRustlsConnect::new(way.tls.clone())).await;
        let (client, connection) = connected.map_err(|error| self.failure(&error))?;
        let task = tokio::spawn(async move {
            // How it ended is told to whoever asks next.
            let _ = connection.await;
        });
        let mut link = Link { client, task, facts: Facts::default() };
        let limit = format!("SET statement_timeout = {}", self.patience.as_millis().max(1));
        link.client.batch_execute(&limit).await.map_err(|error| self.failure(&error))?;
        let facts = row(&link.client, FACTS).await.map_err(|error| self.failure(&error))?;
        link.facts = Facts {
            version: facts.text("version_number").and_then(|number| number.parse().ok()).unwrap_or(0),
            sees_sessions: facts.text("sees_sessions") == Some("t"),
        };
        self.identify(&facts, link.facts);
        Ok(link)
    }

    fn identify(&mut self, answer: &Answer, facts: Facts) {
        let known = ["version", "shared_buffers", "max_connections", "database"];
        let known = known.iter().filter_map(|key| Some(((*key).to_owned(), answer.text(key)?.to_owned())));
        self.identity.extend(known);
        if !facts.sees_sessions {
            let advice = "states of sessions are hidden from this role: GRANT pg_monitor TO it";
            self.identity.insert("rights".to_owned(), advice.to_owned());
        }
    }

    fn failure(&self, error: &tokio_postgres::Error) -> Failure {
        let (reason, detail) = match error.as_db_error() {
            Some(answer) if *answer.code() == SqlState::QUERY_CANCELED => {
                (GapReason::TimedOut, answer.message().to_owned())
            }
            Some(answer) => (GapReason::Refused, answer.message().to_owned()),
            None => (GapReason::Unreachable, innermost(error)),
        };
        let detail = match self.password.as_deref().filter(|password| !password.is_empty()) {
            Some(password) => detail.replace(password, "***"),
            None => detail,
        };
        Failure::new(reason, detail)
    }
}

async fn row(client: &Client, statement: &str) -> Result<Answer, tokio_postgres::Error> {
    let messages = client.simple_query(statement).await?;
    let row = messages.into_iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    });
    let Some(row) = row else { return Ok(Answer::default()) };
    let named = row.columns().iter().enumerate().map(|(i, column)| (column.name().to_owned(), row.get(i)));
    Ok(Answer(named.filter_map(|(name, value)| Some((name, value?.to_owned()))).collect()))
}

impl Way {
    fn of(url: &Url, password: Option<&str>, patience: Duration) -> Result<Self, String> {
        let option =
            |wanted: &str| url.query_pairs().find(|(key, _)| key == wanted).map(|(_, value)| value.into_owned());
        let mode = option("sslmode").unwrap_or_else(|| "prefer".to_owned());
        let authority = option("sslrootcert").map(PathBuf::from);
        let mut config: Config = without_tls_options(url).as_str().parse().map_err(|error| innermost(&error))?;
        if let Some(password) = password {
            config.password(password);
        }
        config.application_name(APPLICATION).connect_timeout(patience);
        config.ssl_mode(match mode.as_str() {
            "disable" => SslMode::Disable,
            "prefer" => SslMode::Prefer,
            _ => SslMode::Require,
        });
        let is_checked = mode.starts_with("verify") || (mode == "require" && authority.is_some());
        let settings = Tls { ca: authority, insecure: !is_checked, ..Tls::default() };
        let tls = match mode.as_str() {
            "verify-full" => tls::config(&settings),
            _ if is_checked => tls::config_of_any_name(&settings),
            _ => tls::config(&Tls { ca: None, ..settings }),
        };
        Ok(Self { config, tls: tls.map_err(|error| innermost(&error))? })
    }
}

/// The URL without what the client library does not know.
fn without_tls_options(url: &Url) -> Url {
    let kept: Vec<(String, String)> = url
        .query_pairs()
        .filter(|(key, _)| !key.starts_with("ssl"))
        .map(|(key, value)| (key.into_owned(), value.into_owned()))
        .collect();
    let mut url = url.clone();
    url.set_query(None);
    if !kept.is_empty() {
        url.query_pairs_mut().extend_pairs(kept);
    }
    url
}
