//! The canonical text of a resolved plan: every default written out, secrets only by name.
//!
//! Written line by line, not through a serialiser: steps and headers have an order, and units read better than
//! numbers. The same plan always gives the same bytes.

mod alerts;
mod around;
mod criteria;
mod flows;
mod phases;
mod redis;
mod stores;

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use plimsoll_record::units::Quantity;

use crate::model::{
    AddressRange, ConnectionUse, Generator, Limit, Limiter, Method, Plan, Precision, RequestLogging, Session,
    SessionLength, Target, Tls, Users, WindowKind,
};
use crate::quantities::show as duration;
use crate::resolve::http_word;
use crate::template::{Form, Part, Template};
use crate::watch::Watch;

impl Plan {
    /// The plan as TOML: deterministic, every default written out, secrets only as `${NAME}` (a password in a URL
    /// as `***`). [`crate::parse_recorded`] reads it back: an equal plan, up to the values of secrets.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let mut out = Lines::default();
        out.line("schema", "1");
        out.line("name", &quote(&self.name));
        out.line("seed", &self.seed.to_string());
        if let Some(target) = &self.target {
            out.target(target);
        }
        self.stores.iter().for_each(|store| out.store(store));
        out.users(&self.users);
        out.generator(&self.generator);
        self.phases.iter().for_each(|phase| out.phase(phase));
        self.payloads.iter().for_each(|payload| out.payload(payload));
        self.integrity.iter().for_each(|set| out.integrity(set));
        self.data.iter().for_each(|set| out.data(set));
        out.once("setup", &self.setup);
        self.flows.iter().for_each(|flow| out.flow(flow));
        out.once("teardown", &self.teardown);
        if let Some(limiter) = &self.limiter {
            out.limiter(limiter);
        }
        if let Some(watch) = &self.watch {
            out.watch(watch);
        }
        self.criteria.iter().for_each(|criterion| out.criterion(criterion));
        out.text
    }
}

#[derive(Default)]
struct Lines {
    text: String,
}

impl Lines {
    fn table(&mut self, header: &str) {
        self.push(&format!("\n{header}"));
    }

    fn line(&mut self, key: &str, value: &str) {
        self.push(&format!("{key} = {value}"));
    }

    fn push(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    fn target(&mut self, target: &Target) {
        self.table("[target]");
        self.line("url", &quote(target.url.as_str()));
        if let Some(health) = &target.health {
            self.line("health", &quote(&format!("{} {}", method(health.method).to_uppercase(), health.path)));
        }
        self.line("headers", &headers(&target.headers));
        if let Some(auth) = &target.auth {
            self.line("auth", &flows::auth(auth));
        }
        self.line("timeout", &quoted_duration(target.timeout));
        self.line("connect_timeout", &quoted_duration(target.connect_timeout));
        if let Some(timeout) = target.first_byte_timeout {
            self.line("first_byte_timeout", &quoted_duration(timeout));
        }
        self.line("connections", &target.connections.to_string());
        self.line("http", &quote(http_word(target.http)));
        self.line("streams", &target.streams.to_string());
        if target.url.scheme() == "https" {
            self.line("tls", &tls(&target.tls));
        }
        self.line("local_addresses", &list(target.local_addresses.iter().copied().map(address_range)));
    }

    fn users(&mut self, users: &Users) {
        self.table("[users]");
        self.line("count", &users.count.to_string());
        self.line("id", &quote(&format!("{}{{n}}{}", users.id.prefix, users.id.suffix)));
        self.line("cookies", if users.cookies { "true" } else { "false" });
        let connections = match users.connections {
            ConnectionUse::Pool => "pool",
            ConnectionUse::PerUser => "per_user",
            ConnectionUse::New => "new",
        };
        self.line("connections", &quote(connections));
        if let Some(Session { length, replace }) = users.session {
            let length = match length {
                SessionLength::Iterations(count) => format!("{{ iterations = {count} }}"),
                SessionLength::Requests(count) => format!("{{ requests = {count} }}"),
            };
            self.line("session", &length);
            self.line("replace", if replace { "true" } else { "false" });
        }
    }

    fn generator(&mut self, generator: &Generator) {
        self.table("[generator]");
        if let Some(workers) = generator.workers {
            self.line("workers", &workers.to_string());
        }
        if let Some(precision) = generator.precision {
            let value = match precision {
                Precision::Fine => quote("fine"),
                Precision::Coarse => quote("coarse"),
                Precision::Tick(tick) => quoted_duration(tick),
            };
            self.line("precision", &value);
        }
        self.line("interval", &quoted_duration(generator.interval));
        self.line("max_send_lag", &quoted_duration(generator.max_send_lag));
        let requests = match generator.requests {
            RequestLogging::All => "all".to_owned(),
            RequestLogging::None => "none".to_owned(),
            RequestLogging::Bad => "bad".to_owned(),
            RequestLogging::Share(share) => show_share(share),
        };
        self.line("requests", &quote(&requests));
        if let Some(cap) = generator.failed_bodies {
            self.line("bodies", &quote("failed"));
            self.line("body_cap", &flows::cap(cap.get()));
        }
        if let Some(slow) = generator.slow {
            self.line("slow", &quoted_duration(slow));
        }
        self.line("drain", &quoted_duration(generator.drain));
    }

    fn limiter(&mut self, limiter: &Limiter) {
        self.table("[limiter]");
        self.line("key", &quote("user.id"));
        self.line("limits", &list(limiter.limits.iter().map(limit)));
        let window = match limiter.window {
            WindowKind::Fixed => "fixed",
            WindowKind::Sliding => "sliding",
            WindowKind::TokenBucket => "token-bucket",
        };
        self.line("window", &quote(window));
    }

    fn watch(&mut self, watch: &Watch) {
        self.table("[watch]");
        self.line("every", &quoted_duration(watch.every));
        if let Some(source) = &watch.redis {
            self.line("redis", &redis::source(source));
        }
        self.line("host", if watch.host { "true" } else { "false" });
        self.around(watch);
        self.line("logs", &list(watch.logs.iter().map(around::log)));
        self.line("alerts", &list(watch.alerts.iter().map(alerts::alert)));
        self.line("keys", &alerts::keys(watch.keys.as_ref()));
        self.line("databases", &list(watch.databases.iter().map(u32::to_string)));
    }
}

fn tls(tls: &Tls) -> String {
    let path = |path: &Path| quote(&path.to_string_lossy());
    let mut fields = Vec::new();
    fields.extend(tls.ca.as_deref().map(|ca| format!("ca = {}", path(ca))));
    if let Some(identity) = &tls.identity {
        fields.push(format!("certificate = {}, key = {}", path(&identity.certificate), path(&identity.key)));
    }
    fields.extend(tls.server_name.as_deref().map(|name| format!("server_name = {}", quote(name))));
    fields.push(format!("insecure = {}, resume = {}", tls.insecure, tls.resume));
    format!("{{ {} }}", fields.join(", "))
}

fn address_range(range: AddressRange) -> String {
    let AddressRange { first, last } = range;
    quote(&if first == last { first.to_string() } else { format!("{first}..{last}") })
}

/// A string that is read back as it is.
pub(crate) fn quote(text: &str) -> String {
    toml_string(&text.replace('$', "$$"))
}

pub(crate) fn toml_string(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

/// A key: quoted unless it is a name. Variables are not looked up in keys.
pub(crate) fn key(text: &str) -> String {
    if crate::words::is_name(text) { text.to_owned() } else { quoted_key(text) }
}

/// A key on one line, whatever is in it.
fn quoted_key(text: &str) -> String {
    let mut key = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => key.extend(['\\', c]),
            c if c.is_control() => {
                let _ = write!(key, "\\u{:04X}", u32::from(c));
            }
            c => key.push(c),
        }
    }
    key.push('"');
    key
}

fn list(items: impl Iterator<Item = String>) -> String {
    format!("[{}]", items.collect::<Vec<_>>().join(", "))
}

fn headers(headers: &[(String, Template)]) -> String {
    let entries: Vec<String> =
        headers.iter().map(|(name, value)| format!("{} = {}", key(name), template(value))).collect();
    if entries.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", entries.join(", ")) }
}

fn template(template: &Template) -> String {
    let mut text = String::new();
    for part in &template.parts {
        match part {
            Part::Literal(literal) => text.push_str(&literal.replace('$', "$$").replace('{', "{{")),
            Part::Environment { name, .. } => {
                let _ = write!(text, "${{{name}}}");
            }
            Part::Hole(hole, form) => {
                let form = match form {
                    Form::Text => "",
                    Form::Json => ":json",
                    Form::Raw => ":raw",
                };
                let _ = write!(text, "{{{hole}{form}}}");
            }
        }
    }
    toml_string(&text)
}

/// The word of a method in steps.
fn method(method: Method) -> &'static str {
    match method {
        Method::Get => "get",
        Method::Head => "head",
        Method::Post => "post",
        Method::Put => "put",
        Method::Patch => "patch",
        Method::Delete => "delete",
        Method::Options => "options",
    }
}

fn quoted_duration(value: Duration) -> String {
    quote(&duration(value))
}

/// A share in percent that is read back as the same number, else as close as percents go.
fn show_share(share: f64) -> String {
    let percent = share * 100.0;
    let same = |text: &String| Quantity::parse(text).is_ok_and(|quantity| quantity.value == share);
    let rounded = (0..=17).map(|digits| format!("{percent:.digits$}%")).find(same);
    rounded.unwrap_or_else(|| format!("{percent}%"))
}

fn limit(limit: &Limit) -> String {
    let per = match limit.per.as_nanos() {
        1_000_000_000 => "s".to_owned(),
        60_000_000_000 => "min".to_owned(),
        3_600_000_000_000 => "h".to_owned(),
        _ => duration(limit.per),
    };
    quote(&format!("{}/{per}", limit.count))
}
