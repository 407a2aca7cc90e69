//! How the parts of `[watch]` are written that stand around Redis.

use std::fmt::Write as _;
use std::path::Path;

use super::{Lines, key, list, quote, quoted_duration, tls};
use crate::model::Tls;
use crate::watch::{
    ContainerPlace, ContainerWatch, LogWatch, PoolSource, PostgresSource, ProbeWatch, ProcessWatch, Watch,
};

impl Lines {
    pub(super) fn around(&mut self, watch: &Watch) {
        if let Some(source) = &watch.postgres {
            self.line("postgres", &quote(&postgres(source)));
        }
        if let Some(source) = &watch.pool {
            self.line("pool", &pool(source));
        }
        if let Some(watch) = &watch.process {
            self.line("process", &process(watch));
        }
        if !watch.containers.is_empty() {
            self.line("containers", &list(watch.containers.iter().map(container)));
        }
        if let Some(engine) = &watch.engine {
            self.line("container_engine", &path(engine));
        }
        if !watch.probes.is_empty() {
            self.line("probes", &list(watch.probes.iter().map(probe)));
        }
    }
}

fn path(path: &Path) -> String {
    quote(&path.to_string_lossy())
}

fn postgres(source: &PostgresSource) -> String {
    let mut url = source.url.clone();
    if source.password.is_some() {
        // A URL without a host has no place for a password, so none was taken from it.
        let _ = url.set_password(Some("***"));
    }
    url.to_string()
}

fn pool(source: &PoolSource) -> String {
    match source {
        PoolSource::Application { name, .. } => format!("{{ application = {} }}", quote(name)),
        PoolSource::Endpoint(endpoint) => {
            let mut fields = format!("url = {}", quote(endpoint.url.as_str()));
            for (word, path) in endpoint.paths() {
                let _ = write!(fields, ", {word} = {}", quote(&path.to_string()));
            }
            format!("{{ {fields}{} }}", stated_tls(&endpoint.tls))
        }
    }
}

fn stated_tls(stated: &Tls) -> String {
    if *stated == Tls::default() { String::new() } else { format!(", tls = {}", tls(stated)) }
}

fn process(watch: &ProcessWatch) -> String {
    match watch {
        ProcessWatch::Pid(pid) => format!("{{ pid = {pid} }}"),
        ProcessWatch::Name(name) => format!("{{ name = {} }}", quote(name)),
        ProcessWatch::Port(port) => format!("{{ port = {port} }}"),
    }
}

fn container(container: &ContainerWatch) -> String {
    let place = match &container.place {
        ContainerPlace::Engine(name) => format!("container = {}", quote(name)),
        ContainerPlace::Cgroup(group) => format!("cgroup = {}", path(group)),
    };
    format!("{{ name = {}, {place} }}", quote(&container.name))
}

fn probe(probe: &ProbeWatch) -> String {
    let mut fields = format!("name = {}, url = {}", quote(&probe.name), quote(probe.url.as_str()));
    if let Some(status) = probe.status {
        let _ = write!(fields, ", status = {status}");
    }
    if let Some(timeout) = probe.timeout {
        let _ = write!(fields, ", timeout = {}", quoted_duration(timeout));
    }
    format!("{{ {fields}{} }}", stated_tls(&probe.tls))
}

pub(super) fn log(log: &LogWatch) -> String {
    let mut fields = format!("name = {}, path = {}", quote(&log.name), path(&log.path));
    for (word, value) in [("event", &log.event), ("count_by", &log.count_by)] {
        if let Some(value) = value {
            let _ = write!(fields, ", {word} = {}", quote(value));
        }
    }
    if !log.patterns.is_empty() {
        let patterns =
            log.patterns.iter().map(|(name, pattern)| format!("{} = {}", key(name), quote(pattern.as_str())));
        let _ = write!(fields, ", patterns = {{ {} }}", patterns.collect::<Vec<_>>().join(", "));
    }
    if let Some(slow) = &log.slow {
        let _ = write!(fields, ", slow = {{ field = {}, above = {:?} }}", quote(&slow.field), slow.above);
    }
    format!("{{ {fields} }}")
}
