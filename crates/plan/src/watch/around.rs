//! What a plan says about watching what stands around the service: databases, processes, containers, endpoints.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use crate::model::Tls;
use crate::patterns::JsonPath;
use crate::template::Secret;

/// A PostgreSQL to ask. It is shown as its URL, without the password.
#[derive(Clone, Debug, PartialEq)]
pub struct PostgresSource {
    /// `postgresql://user@host:port/database?sslmode=...`, or a host that is the directory of a unix socket. Without
    /// its password.
    pub url: Url,
    /// The password.
    pub password: Option<Secret>,
}

impl fmt::Display for PostgresSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.url.as_str())
    }
}

/// Where the use of the service's pool of database connections is seen.
#[derive(Clone, Debug, PartialEq)]
pub enum PoolSource {
    /// In the sessions of PostgreSQL that bear this application name.
    Application {
        /// The server.
        server: PostgresSource,
        /// Their `application_name`.
        name: String,
    },
    /// At an endpoint of the service.
    Endpoint(Box<PoolEndpoint>),
}

/// An endpoint of the service that tells how its pool is used, in JSON or in OpenMetrics.
#[derive(Clone, Debug, PartialEq)]
pub struct PoolEndpoint {
    /// Its URL.
    pub url: Url,
    /// How `https` is spoken.
    pub tls: Tls,
    /// Connections held.
    pub size: Option<MetricPath>,
    /// Connections in use.
    pub active: Option<MetricPath>,
    /// Connections free.
    pub available: Option<MetricPath>,
    /// Callers that wait.
    pub waiting: Option<MetricPath>,
}

impl PoolEndpoint {
    /// What is looked for, by the name of the metric it becomes.
    pub fn paths(&self) -> impl Iterator<Item = (&'static str, &MetricPath)> {
        let all = [
            ("size", &self.size),
            ("active", &self.active),
            ("available", &self.available),
            ("waiting", &self.waiting),
        ];
        all.into_iter().filter_map(|(word, path)| Some((word, path.as_ref()?)))
    }
}

/// Where a number stands in an answer.
#[derive(Clone, Debug, PartialEq)]
pub enum MetricPath {
    /// Where this query leads, in JSON.
    Json(JsonPath),
    /// The sum of the samples of this name that have these labels, in OpenMetrics or Prometheus text.
    Name {
        /// The metric's name.
        name: String,
        /// Labels and their values; a sample may have more.
        labels: Vec<(String, String)>,
    },
}

/// As it is written in a plan.
impl fmt::Display for MetricPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Json(path) => f.write_str(path.as_str()),
            Self::Name { name, labels } if labels.is_empty() => f.write_str(name),
            Self::Name { name, labels } => {
                let labels: Vec<String> = labels.iter().map(|(label, value)| format!("{label}=\"{value}\"")).collect();
                write!(f, "{name}{{{}}}", labels.join(","))
            }
        }
    }
}

impl MetricPath {
    /// Reads `$.pool.size`, `db_pool_size` or `db_connections{state="idle"}`. The error is a sentence.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text.starts_with('$') {
            return JsonPath::new(text).map(Self::Json).map_err(|error| error.to_string());
        }
        let (name, labels) = match text.split_once('{') {
            Some((name, rest)) => (name.trim(), Some(rest.strip_suffix('}').ok_or("the brace is not closed")?)),
            None => (text, None),
        };
        let is_name =
            |name: &str| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "_:".contains(c));
        if !is_name(name) {
            return Err(format!("`{name}` is neither JSONPath, which begins with `$`, nor the name of a metric"));
        }
        let pairs = labels.unwrap_or_default().split(',').map(str::trim).filter(|pair| !pair.is_empty());
        let label = |pair: &str| {
            let (label, value) = pair.split_once('=')?;
            let value = value.trim().strip_prefix('"')?.strip_suffix('"')?;
            (is_name(label.trim()) && !value.contains(['"', '\\'])).then(|| (label.trim().to_owned(), value.to_owned()))
        };
        let labels: Option<Vec<_>> = pairs.map(label).collect();
        let labels = labels.ok_or("labels are written `{state=\"idle\"}`")?;
        Ok(Self::Name { name: name.to_owned(), labels })
    }
}

/// The process to watch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProcessWatch {
    /// By pid.
    Pid(u32),
    /// By the name of its executable, the oldest such process.
    Name(String),
    /// The one that listens on this TCP port.
    Port(u16),
}

/// As people call it.
impl fmt::Display for ProcessWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pid(pid) => write!(f, "pid {pid}"),
            Self::Name(name) => write!(f, "process {name}"),
            Self::Port(port) => write!(f, "process at port {port}"),
        }
    }
}

/// A container to watch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerWatch {
    /// The name criteria use.
    pub name: String,
    /// Where it is found.
    pub place: ContainerPlace,
}

/// Where a container is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ContainerPlace {
    /// The engine knows it by this name or id.
    Engine(String),
    /// Its control group, as a path below the root of the hierarchy: `/system.slice/redis.service`.
    Cgroup(PathBuf),
}

/// An endpoint to ask at each interval.
#[derive(Clone, Debug, PartialEq)]
pub struct ProbeWatch {
    /// The name criteria use.
    pub name: String,
    /// What is asked, with GET.
    pub url: Url,
    /// How `https` is spoken.
    pub tls: Tls,
    /// The status that is right. Without it, any below 400.
    pub status: Option<u16>,
    /// How long to wait for the answer. Without it, a little less than the interval, 5 s at most.
    pub timeout: Option<Duration>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_found_by_json_path_or_by_name_and_labels() {
        for text in ["$.pool.size", "db_pool_size", "hikari:active{pool=\"main\",state=\"idle\"}"] {
            assert_eq!(MetricPath::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(MetricPath::parse(" a { b = \"c\" } ").unwrap().to_string(), "a{b=\"c\"}");
    }

    #[test]
    fn what_leads_nowhere_says_why() {
        let wrong = |text: &str| MetricPath::parse(text).unwrap_err();
        assert!(wrong("$.a[").contains("JSONPath"), "{}", wrong("$.a["));
        assert!(wrong("pool size").contains("neither"), "{}", wrong("pool size"));
        assert!(wrong("a{b=\"c\"").contains("not closed") && wrong("a{b=c}").contains("labels are written"));
    }
}
