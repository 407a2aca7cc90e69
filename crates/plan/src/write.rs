//! The canonical text of a resolved plan: every default written out, secrets only by name.
//!
//! Written line by line, not through a serialiser: steps and headers have an order, and units read better than
//! numbers. The same plan always gives the same bytes.

mod phases;

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use plimsoll_record::events::Level;
use plimsoll_record::units::Quantity;
use plimsoll_record::verdict::Severity;

use crate::criteria::Criterion;
use crate::model::{
    AddressRange, Expect, Flow, Generator, Limit, Limiter, Method, Plan, Precision, RequestLogging, Step, Target, Tls,
    WindowKind,
};
use crate::resolve::http_word;
use crate::template::{Part, Template};
use crate::watch::{Alert, LogWatch, ProcessWatch, RedisSource, Watch};

impl Plan {
    /// The plan as TOML: deterministic, every default written out, secrets only as `${NAME}` (a password of Redis as
    /// `***`). [`crate::parse_recorded`] reads it back: an equal plan, up to the values of secrets.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let mut out = Lines::default();
        out.line("schema", "1");
        out.line("name", &quote(&self.name));
        out.line("seed", &self.seed.to_string());
        if let Some(target) = &self.target {
            out.target(target);
        }
        out.table("[users]");
        out.line("count", &self.users.count.to_string());
        out.line("id", &quote(&format!("{}{{n}}{}", self.users.id.prefix, self.users.id.suffix)));
        out.generator(&self.generator);
        self.phases.iter().for_each(|phase| out.phase(phase));
        self.flows.iter().for_each(|flow| out.flow(flow));
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
        self.line("timeout", &quoted_duration(target.timeout));
        self.line("connect_timeout", &quoted_duration(target.connect_timeout));
        self.line("connections", &target.connections.to_string());
        self.line("http", &quote(http_word(target.http)));
        self.line("streams", &target.streams.to_string());
        if target.url.scheme() == "https" {
            self.line("tls", &tls(&target.tls));
        }
        self.line("local_addresses", &list(target.local_addresses.iter().copied().map(address_range)));
    }

    fn generator(&mut self, generator: &Generator) {
        self.table("[generator]");
        if let Some(workers) = generator.workers {
            self.line("workers", &workers.to_string());
        }
        if let Some(precision) = generator.precision {
            let word = match precision {
                Precision::Fine => "fine",
                Precision::Coarse => "coarse",
            };
            self.line("precision", &quote(word));
        }
        self.line("interval", &quoted_duration(generator.interval));
        self.line("max_send_lag", &quoted_duration(generator.max_send_lag));
        let requests = match generator.requests {
            RequestLogging::All => "all",
            RequestLogging::None => "none",
        };
        self.line("requests", &quote(requests));
        self.line("drain", &quoted_duration(generator.drain));
    }

    fn flow(&mut self, flow: &Flow) {
        self.table(&format!("[flows.{}]", key(&flow.name)));
        self.line("weight", &format!("{:?}", flow.weight));
        for step in &flow.steps {
            self.table(&format!("[[flows.{}.steps]]", key(&flow.name)));
            self.step(step);
        }
    }

    fn step(&mut self, step: &Step) {
        self.line("name", &quote(&step.name));
        self.line(method(step.method), &template(&step.path));
        self.line("headers", &headers(&step.headers));
        if let Some(body) = &step.body {
            self.line("body", &template(body));
        }
        self.line("expect", &expect(&step.expect));
    }

    fn limiter(&mut self, limiter: &Limiter) {
        self.table("[limiter]");
        self.line("key", &quote("user.id"));
        self.line("limits", &list(limiter.limits.iter().map(limit)));
        let window = match limiter.window {
            WindowKind::Fixed => "fixed",
        };
        self.line("window", &quote(window));
    }

    fn watch(&mut self, watch: &Watch) {
        self.table("[watch]");
        self.line("every", &quoted_duration(watch.every));
        if let Some(source) = &watch.redis {
            self.line("redis", &quote(&redis(source)));
        }
        self.line("host", if watch.host { "true" } else { "false" });
        match &watch.process {
            Some(ProcessWatch::Pid(pid)) => self.line("process", &format!("{{ pid = {pid} }}")),
            Some(ProcessWatch::Name(name)) => self.line("process", &format!("{{ name = {} }}", quote(name))),
            None => {}
        }
        self.line("logs", &list(watch.logs.iter().map(log)));
        self.line("alerts", &list(watch.alerts.iter().map(alert)));
    }

    fn criterion(&mut self, criterion: &Criterion) {
        self.table(&format!("[criteria.{}]", key(&criterion.id)));
        let severity = match criterion.severity {
            Severity::Require => "require",
            Severity::Prefer => "prefer",
        };
        self.line(severity, &quote(&criterion.text));
        self.line("phase", &quote(criterion.scope.phase.as_deref().unwrap_or("*")));
        if let Some(endpoint) = &criterion.scope.endpoint {
            self.line("endpoint", &quote(endpoint));
        }
        if let Some(hint) = &criterion.hint {
            self.line("hint", &quote(hint));
        }
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
fn quote(text: &str) -> String {
    toml_string(&text.replace('$', "$$"))
}

fn toml_string(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

/// A key: quoted unless it is a name. Variables are not looked up in keys.
fn key(text: &str) -> String {
    if crate::words::is_name(text) { text.to_owned() } else { toml_string(text) }
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
            Part::UserId => text.push_str("{user.id}"),
            Part::UserNumber => text.push_str("{user.n}"),
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

/// A duration in the largest unit that keeps it whole.
fn duration(duration: Duration) -> String {
    let nanos = duration.as_nanos();
    for (unit, length) in [("s", 1_000_000_000), ("ms", 1_000_000), ("us", 1_000)] {
        if nanos.is_multiple_of(length) {
            return format!("{}{unit}", nanos / length);
        }
    }
    format!("{}.{:03}us", nanos / 1_000, nanos % 1_000)
}

fn quoted_duration(value: Duration) -> String {
    quote(&duration(value))
}

fn expect(expect: &Expect) -> String {
    let mut fields = Vec::new();
    if !expect.status.is_empty() {
        fields.push(format!("status = {}", list(statuses(&expect.status).into_iter())));
    }
    fields.extend(expect.limited.map(|status| format!("limited = {status}")));
    if fields.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", fields.join(", ")) }
}

/// Whole classes as `"2xx"`, other codes as they are.
fn statuses(codes: &[u16]) -> Vec<String> {
    let whole = |class: u16| (class * 100..class * 100 + 100).all(|code| codes.contains(&code));
    let classes: Vec<u16> = (1..=5).filter(|class| whole(*class)).collect();
    let single = codes.iter().filter(|code| !classes.contains(&(**code / 100)));
    classes.iter().map(|class| format!("\"{class}xx\"")).chain(single.map(u16::to_string)).collect()
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

fn redis(source: &RedisSource) -> String {
    match source {
        RedisSource::Endpoint(url) | RedisSource::Server { url, password: None } => url.to_string(),
        RedisSource::Server { url, password: Some(_) } => {
            let mut url = url.clone();
            url.set_password(Some("***")).expect("a URL of Redis has a host, so it can have a password");
            url.to_string()
        }
    }
}

fn log(log: &LogWatch) -> String {
    let mut fields = format!("name = {}, path = {}", quote(&log.name), quote(&log.path.to_string_lossy()));
    for (word, value) in [("event", &log.event), ("count_by", &log.count_by)] {
        if let Some(value) = value {
            let _ = write!(fields, ", {word} = {}", quote(value));
        }
    }
    format!("{{ {fields} }}")
}

fn alert(alert: &Alert) -> String {
    let level = match alert.level {
        Level::Warn => "warn",
        Level::Critical => "critical",
    };
    let growth = growth(alert.growth);
    format!("{{ growth = \"{growth}\", level = \"{level}\", stop = {} }}", alert.stop)
}

/// A growth per minute, as people state it, when that is read back as the same number; else per second.
fn growth(bytes_per_second: f64) -> String {
    let per_minute = format!("{}MB/min", (bytes_per_second * 60.0).round() / 1e6);
    match Quantity::parse(&per_minute) {
        Ok(quantity) if quantity.value == bytes_per_second => per_minute,
        _ => format!("{bytes_per_second}B/s"),
    }
}
