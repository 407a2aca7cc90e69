//! Where the criteria of a table are judged: `phase`, `endpoint`, `from`, `to`.

use std::time::Duration;

use crate::criteria::{Elsewhere, Metric, Scope};
use crate::model::Plan;
use crate::reader::{Field, Reader, Text};
use crate::words;

use super::is_whole;

/// Stands for the whole run, and for each operation by itself.
const STAR: &str = "*";

/// Where the criteria of a table are judged.
#[derive(Clone, Default)]
pub(super) struct Place {
    /// `*` for the whole run; `None` when nothing was said.
    phases: Option<Vec<String>>,
    /// `*` for each operation by itself.
    endpoint: Option<String>,
    from: Option<Duration>,
    to: Option<Duration>,
    /// True when the table itself states the endpoint: then it must make sense.
    pub(super) own_endpoint: bool,
}

impl Place {
    pub(super) fn read(reader: &Reader<'_>, plan: &Plan) -> Self {
        let names: Vec<&str> = plan.phases.iter().map(|phase| phase.name.as_str()).collect();
        let operations = plan.operations();
        let operations: Vec<&str> = operations.iter().map(String::as_str).collect();
        let phases = reader.optional("phase", |field| phases(field, &names));
        let endpoint = reader.optional("endpoint", |field| known(field, "endpoint", &operations, "each by itself"));
        let from = reader.optional("from", |field| field.duration(Duration::ZERO, "60s"));
        let to = reader.optional("to", |field| field.positive_duration("5m"));
        if let (Some(from), Some(to)) = (from, to)
            && from >= to
        {
            reader.reject(
                "`from` is not before `to`",
                "both count from the start of the phase: `from = \"60s\", to = \"5m\"`",
            );
        }
        Self { phases, own_endpoint: endpoint.is_some(), endpoint, from, to }
    }

    /// What a named table leaves out, the whole of `[criteria]` states. Times belong to the phase they count from.
    pub(super) fn or(self, defaults: &Self) -> Self {
        let times = if self.phases.is_some() || self.from.is_some() || self.to.is_some() { &self } else { defaults };
        let (from, to) = (times.from, times.to);
        Self {
            phases: self.phases.or_else(|| defaults.phases.clone()),
            endpoint: self.endpoint.or_else(|| defaults.endpoint.clone()),
            from,
            to,
            own_endpoint: self.own_endpoint,
        }
    }

    /// The same, where a metric names its place itself.
    pub(super) fn at(&self, elsewhere: &Elsewhere) -> Self {
        let mut place = self.clone();
        if let Some(phase) = &elsewhere.phase {
            place = Self { phases: Some(vec![phase.clone()]), from: None, to: None, ..place };
        }
        if let Some(endpoint) = &elsewhere.endpoint {
            place = Self { endpoint: Some(endpoint.clone()), own_endpoint: true, ..place };
        }
        place
    }

    pub(super) fn is_each(&self) -> bool {
        self.endpoint.as_deref() == Some(STAR)
    }

    /// The scope without its endpoint.
    pub(super) fn scope(&self) -> Scope {
        let phases = self.phases.clone().unwrap_or_default().into_iter().filter(|word| word != STAR).collect();
        Scope { phases, endpoint: None, from: self.from, to: self.to }
    }

    /// Where a metric is judged: several places when it is judged for each operation.
    pub(super) fn scopes(&self, metric: &Metric, plan: &Plan) -> Vec<Scope> {
        let scope = |endpoint| Scope { endpoint, ..self.scope() };
        match self.endpoint.as_deref() {
            Some(STAR) if metric.is_traffic() => plan.operations().into_iter().map(|name| scope(Some(name))).collect(),
            Some(name) if metric.is_traffic() => vec![scope(Some(name.to_owned()))],
            _ => vec![scope(None)],
        }
    }

    /// Notes times that lie outside of the phases, or mean nothing for a metric.
    pub(super) fn check(&self, text: &Text<'_>, metric: &Metric, plan: &Plan) {
        let times = self.from.is_some() || self.to.is_some();
        if times && is_whole(metric) {
            text.reject("it is judged over whole phases", None, "leave `from` and `to` out");
        } else if times && metric_needs_whole_phases(metric) {
            text.reject("the limiter is judged over whole phases", None, "leave `from` and `to` out");
        }
        let Some(last) = self.from.max(self.to).filter(|_| self.phases.is_some()) else { return };
        let scope = self.scope();
        let lengths = plan.phases.iter().filter(|phase| scope.covers(&phase.name)).map(|phase| phase.duration);
        let length = lengths.sum::<Option<Duration>>();
        if length.is_some_and(|length| last > length || self.from.is_some_and(|from| from >= length)) {
            text.reject("`from` or `to` lies beyond the end of the phase", None, "both count from its start");
        }
    }
}

fn metric_needs_whole_phases(metric: &Metric) -> bool {
    matches!(metric, Metric::LimiterEffectiveness | Metric::LimiterFalseRejects)
}

/// One phase, or several that follow one another.
fn phases(field: &Field<'_>, valid: &[&str]) -> Option<Vec<String>> {
    let items = field.items();
    if items.is_empty() {
        field.reject("`phase` is empty", "name a phase, several that follow one another, or `*` for the whole run");
    }
    let named: Option<Vec<String>> = items.iter().map(|item| known(item, "phase", valid, "the whole run")).collect();
    let named = named?;
    if named.len() > 1 {
        let index = |name: &String| valid.iter().position(|known| known == name);
        let places: Vec<Option<usize>> = named.iter().map(index).collect();
        let follows = |pair: &[Option<usize>]| pair[0].zip(pair[1]).is_some_and(|(one, next)| next == one + 1);
        let unknown = places.iter().zip(&named).any(|(place, name)| place.is_none() && name != STAR);
        if !unknown && !places.windows(2).all(follows) {
            let help = format!(
                "they are judged as one stretch of time, in the plan's order: {}; use a table for each to judge them apart",
                words::list(valid.iter().copied())
            );
            field.reject("these phases do not follow one another", help);
        }
    }
    Some(named)
}

fn known(field: &Field<'_>, what: &str, valid: &[&str], star: &str) -> Option<String> {
    let text = field.text(&format!("the name of a known {what}"))?;
    if text.content != STAR && !valid.contains(&text.content.as_str()) {
        let near = words::nearest(&text.content, valid.iter().copied());
        let help = format!("valid here: {}, and `*` for {star}", words::list(valid.iter().copied()));
        text.reject(format!("unknown {what} `{}`", text.content), near, help);
    }
    Some(text.content)
}
