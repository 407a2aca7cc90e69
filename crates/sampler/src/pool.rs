//! How the service's pool of database connections is used: seen in the sessions of PostgreSQL that bear its name, or
//! told by an endpoint of the service in JSON or in OpenMetrics.
//!
//! A number that is not told is absent; that none is told is an answer that was not understood.

mod metrics;

use std::collections::BTreeMap;
use std::time::Duration;

use plimsoll_plan::{MetricPath, PoolEndpoint, PoolSource};
use plimsoll_record::series::GapReason;
use serde_json_path::JsonPath;

use crate::http::Endpoint;
use crate::postgres::Server;
use crate::probe::{Failure, Probe, Reading, ReadingFuture};

/// The probe for a source.
#[must_use]
pub fn probe(source: &PoolSource, patience: Duration) -> Box<dyn Probe> {
    match source {
        PoolSource::Application { server, name } => {
            Box::new(Sessions { server: Server::new(server, patience), application: name.clone() })
        }
        PoolSource::Endpoint(endpoint) => Box::new(Told::new(endpoint)),
    }
}

/// The sessions of an application: one that is inside a transaction is in use, also while it waits for its client.
struct Sessions {
    server: Server,
    application: String,
}

impl Sessions {
    async fn sample(&mut self) -> Result<Reading, Failure> {
        let name = self.application.replace('\'', "''");
        let answer = self.server.ask(|_| {
            format!(
                "SELECT count(*) AS size, count(*) FILTER (WHERE state <> 'idle') AS active, \
                 count(*) FILTER (WHERE state = 'idle') AS available, count(*) FILTER (WHERE state IS NULL) AS hidden \
                 FROM pg_stat_activity WHERE application_name = '{name}' AND pid <> pg_backend_pid()"
            )
        });
        let answer = answer.await?;
        if answer.number("hidden").is_some_and(|hidden| hidden > 0.0) {
            let detail = "the role may not see the states of these sessions: GRANT pg_monitor TO it";
            return Err(Failure::new(GapReason::Refused, detail));
        }
        let mut reading = Reading::default();
        for key in ["size", "active", "available"] {
            reading.set(key, answer.number(key));
        }
        Ok(reading)
    }
}

impl Probe for Sessions {
    fn source(&self) -> String {
        format!("sessions of {} at {}", self.application, self.server.shown())
    }

    fn identity(&self) -> BTreeMap<String, String> {
        self.server.identity()
    }

    fn read(&mut self) -> ReadingFuture<'_> {
        Box::pin(self.sample())
    }
}

/// What an endpoint tells.
struct Told {
    endpoint: Endpoint,
    wanted: Vec<(&'static str, Place)>,
}

/// Where a number stands, ready to be looked up.
enum Place {
    Json(JsonPath),
    Name { name: String, labels: Vec<(String, String)> },
}

impl Told {
    fn new(source: &PoolEndpoint) -> Self {
        let wanted = source.paths().map(|(key, path)| (key, Place::of(path))).collect();
        Self { endpoint: Endpoint::new(&source.url, &source.tls), wanted }
    }

    async fn sample(&self) -> Result<Reading, Failure> {
        let body = self.endpoint.get().await?.success()?;
        let reading = self.understand(&String::from_utf8_lossy(&body));
        if reading.values.is_empty() {
            let keys: Vec<&str> = self.wanted.iter().map(|(key, _)| *key).collect();
            let detail = format!("nothing in the answer stands where the plan says: {}", keys.join(", "));
            return Err(Failure::new(GapReason::Malformed, detail));
        }
        Ok(reading)
    }

    fn understand(&self, text: &str) -> Reading {
        let json = serde_json::from_str(text).unwrap_or_default();
        let mut reading = Reading::default();
        for (key, place) in &self.wanted {
            reading.set(key, place.number(&json, text));
        }
        reading
    }
}

impl Place {
    fn of(path: &MetricPath) -> Self {
        match path {
            MetricPath::Json(path) => {
                Self::Json(JsonPath::parse(path.as_str()).expect("the plan holds no path that is none"))
            }
            MetricPath::Name { name, labels } => Self::Name { name: name.clone(), labels: labels.clone() },
        }
    }

    fn number(&self, json: &serde_json::Value, text: &str) -> Option<f64> {
        match self {
            Self::Json(path) => match path.query(json).first()? {
                serde_json::Value::Number(number) => number.as_f64(),
                serde_json::Value::String(text) => text.trim().parse().ok(),
                _ => None,
            },
            Self::Name { name, labels } => metrics::sum(text, name, labels),
        }
    }
}

impl Probe for Told {
    fn source(&self) -> String {
        self.endpoint.shown()
    }

    fn read(&mut self) -> ReadingFuture<'_> {
        Box::pin(self.sample())
    }
}

#[cfg(test)]
mod tests {
    use plimsoll_plan::Tls;
    use url::Url;

    use super::*;

    fn told(paths: [Option<&str>; 3]) -> Told {
        let [size, active, available] = paths.map(|path| path.map(|text| MetricPath::parse(text).unwrap()));
        let url = Url::parse("http://127.0.0.1/metrics?token=1").unwrap();
        Told::new(&PoolEndpoint { url, tls: Tls::default(), size, active, available, waiting: None })
    }

    #[test]
    fn json_is_looked_into_by_path_and_numbers_may_be_text() {
        let told = told([Some("$.pool.size"), Some("$.pool.used"), Some("$.pool.nothing")]);
        let values = told.understand(r#"{"pool":{"size":20,"used":"7"}}"#).values;
        assert_eq!((values["size"], values["active"], values.get("available")), (20.0, 7.0, None));
    }

    #[test]
    fn metrics_are_found_by_name_and_labels() {
        let told = told([Some("db_pool"), Some("db_pool{state=\"used\"}"), None]);
        let values =
            told.understand("# TYPE db_pool gauge\ndb_pool{state=\"used\"} 7\ndb_pool{state=\"idle\"} 13\n").values;
        assert_eq!((values["size"], values["active"]), (20.0, 7.0));
    }

    #[test]
    fn an_answer_about_something_else_gives_nothing() {
        assert!(told([Some("$.size"), Some("size"), None]).understand("<html>").values.is_empty());
    }
}
