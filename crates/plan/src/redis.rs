//! What a plan says about the Redis to watch: one server, a cluster, a group under sentinels, or several of these.
//!
//! Only what is stated, checked: who the primaries of a cluster are, and which server a group's primary is just now,
//! is found out by whoever watches.

use std::fmt;
use std::path::PathBuf;

use url::Url;

use crate::model::Tls;
use crate::patterns::JsonPath;
use crate::template::Secret;

/// Where Redis's numbers come from.
#[derive(Clone, Debug, PartialEq)]
pub enum RedisSource {
    /// Redis itself.
    Server(RedisServer),
    /// An HTTP endpoint of the service that answers with the fields of INFO as JSON.
    Endpoint(RedisEndpoint),
    /// Several of these, each with a name of its own; never one of several within another.
    Several(Vec<RedisSource>),
}

/// A Redis that is asked directly.
#[derive(Clone, Debug, PartialEq)]
pub struct RedisServer {
    /// What its rows are labelled with; its address when there is none.
    pub name: Option<String>,
    /// Where it is.
    pub place: RedisPlace,
    /// The database of the URL. Samples concern all databases; tools that look at keys begin with this one.
    pub database: u16,
    /// Who memwatch is there.
    pub login: Login,
    /// How TLS is spoken; `None` for plain connections.
    pub tls: Option<Tls>,
    /// Whether the replicas are sampled beside their primaries.
    pub replicas: bool,
}

/// Where a Redis is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RedisPlace {
    /// One server.
    Tcp(HostPort),
    /// One server, through a unix socket.
    Socket(PathBuf),
    /// A cluster, known by some of its nodes.
    Cluster(Vec<HostPort>),
    /// The primary of a group that sentinels watch over.
    Sentinel {
        /// Some of the sentinels.
        sentinels: Vec<HostPort>,
        /// The name the sentinels know the group by.
        service: String,
        /// Who memwatch is to the sentinels.
        login: Login,
    },
}

/// A host and a port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostPort {
    /// A name or an address, without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

/// Who a client is: nobody in particular when both are absent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Login {
    /// The ACL user; `default` when there is only a password.
    pub user: Option<String>,
    /// Its password.
    pub password: Option<Secret>,
}

/// An HTTP endpoint that answers with the fields of INFO as JSON.
#[derive(Clone, Debug, PartialEq)]
pub struct RedisEndpoint {
    /// What its rows are labelled with; its address when there is none.
    pub name: Option<String>,
    /// Its URL, scheme `http` or `https`.
    pub url: Url,
    /// How TLS is spoken, for `https`.
    pub tls: Tls,
    /// Which value of the answer is which field of INFO, by the field's name.
    pub fields: Vec<(String, FieldPath)>,
}

/// Where a field of INFO stands in an endpoint's answer.
#[derive(Clone, Debug, PartialEq)]
pub enum FieldPath {
    /// Under this name, wherever in the answer.
    Name(String),
    /// Where this JSONPath leads.
    Path(JsonPath),
}

impl HostPort {
    /// Reads `host:port` or `[address]:port`; without a port it is `default`.
    #[must_use]
    pub fn parse(text: &str, default: u16) -> Option<Self> {
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, port.parse().ok().filter(|port| *port > 0)?),
            _ => (text, default),
        };
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let fits = !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || "-_.:%".contains(c));
        fits.then(|| Self { host: host.to_owned(), port })
    }
}

/// As it stands in a URL.
impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

impl RedisServer {
    /// One server at this address: no TLS, no login.
    #[must_use]
    pub fn at(place: RedisPlace) -> Self {
        Self { name: None, place, database: 0, login: Login::default(), tls: None, replicas: false }
    }
}

/// Its URL, without user and password.
impl fmt::Display for RedisServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls.is_some() { "rediss" } else { "redis" };
        match &self.place {
            RedisPlace::Tcp(address) => write!(f, "{scheme}://{address}")?,
            RedisPlace::Socket(path) => {
                // Two slashes at the beginning would be read as the scheme's own.
                let own = if path.as_os_str().as_encoded_bytes().starts_with(b"//") { "//" } else { "" };
                write!(f, "unix:{own}{}", path.display())?;
            }
            RedisPlace::Cluster(seeds) => write!(f, "{scheme}-cluster://{}", many(seeds))?,
            RedisPlace::Sentinel { sentinels, service, .. } => {
                return write!(f, "{scheme}-sentinel://{}/{service}", many(sentinels));
            }
        }
        if self.database > 0 { write!(f, "/{}", self.database) } else { Ok(()) }
    }
}

fn many(addresses: &[HostPort]) -> String {
    addresses.iter().map(HostPort::to_string).collect::<Vec<_>>().join(",")
}

/// Its address, without secrets.
impl fmt::Display for RedisEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = self.url.clone();
        // A query may hold a token; it says nothing about where the numbers come from.
        shown.set_query(None);
        f.write_str(shown.as_str())
    }
}

/// All of it, for people: no secrets.
impl fmt::Display for RedisSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server(server) => server.fmt(f),
            Self::Endpoint(endpoint) => endpoint.fmt(f),
            Self::Several(sources) => {
                let shown: Vec<String> = sources.iter().map(Self::to_string).collect();
                f.write_str(&shown.join(" and "))
            }
        }
    }
}

impl RedisSource {
    /// What its rows are labelled with when it is one of several.
    #[must_use]
    pub fn label(&self) -> String {
        match self {
            Self::Server(RedisServer { name: Some(name), .. })
            | Self::Endpoint(RedisEndpoint { name: Some(name), .. }) => name.clone(),
            Self::Server(RedisServer { place: RedisPlace::Tcp(address), .. }) => address.to_string(),
            other => other.to_string(),
        }
    }

    /// The sources this is made of: itself, or those of several.
    #[must_use]
    pub fn each(&self) -> &[RedisSource] {
        match self {
            Self::Several(sources) => sources,
            one => std::slice::from_ref(one),
        }
    }

    /// Every password in it.
    #[must_use]
    pub fn passwords(&self) -> Vec<&Secret> {
        self.each().iter().flat_map(passwords).collect()
    }

    /// True when some server's certificate is not checked.
    #[must_use]
    pub fn trusts_anyone(&self) -> bool {
        self.each().iter().any(|source| match source {
            Self::Server(server) => server.tls.as_ref().is_some_and(|tls| tls.insecure),
            Self::Endpoint(endpoint) => endpoint.tls.insecure,
            Self::Several(_) => false,
        })
    }
}

fn passwords(source: &RedisSource) -> Vec<&Secret> {
    let RedisSource::Server(server) = source else { return Vec::new() };
    let of_sentinels = match &server.place {
        RedisPlace::Sentinel { login, .. } => login.password.as_ref(),
        RedisPlace::Tcp(_) | RedisPlace::Socket(_) | RedisPlace::Cluster(_) => None,
    };
    server.login.password.iter().chain(of_sentinels).collect()
}
