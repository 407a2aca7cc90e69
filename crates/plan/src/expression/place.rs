//! Names between the parentheses of a metric: `p95(read)`, `p95(endpoint read, phase spike)`.

use crate::criteria::{Elsewhere, Metric};
use crate::reader::Text;
use crate::words;

use super::Names;

const HELP: &str = "name an endpoint, a phase or both: `p95(read)`, `p95(read, phase spike)`";

/// Reads where a metric is measured.
pub(super) fn read(arguments: &[Text<'_>], metric: &Metric, names: &Names<'_>) -> Option<Elsewhere> {
    let mut place = Elsewhere::default();
    for argument in arguments {
        let (kind, name) = one(argument, names)?;
        let slot = match kind {
            Kind::Phase => &mut place.phase,
            Kind::Endpoint => &mut place.endpoint,
        };
        if slot.is_some() {
            argument.reject(format!("two {}s are named", kind.word()), None, HELP);
            return None;
        }
        *slot = Some(name);
        if matches!(kind, Kind::Endpoint) && !metric.is_traffic() {
            argument.reject("it is not measured by endpoint", None, "name a phase, or leave the parentheses out");
            return None;
        }
    }
    Some(place)
}

/// True when these words name a place rather than something else that may stand in parentheses.
pub(super) fn is_place(argument: &Text<'_>, names: &Names<'_>) -> bool {
    let text = argument.content.as_str();
    stated_kind(text).is_some()
        || names.phases.contains(&text)
        || names.endpoints.iter().any(|endpoint| endpoint == text)
}

#[derive(Clone, Copy)]
enum Kind {
    Phase,
    Endpoint,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Phase => "phase",
            Self::Endpoint => "endpoint",
        }
    }
}

fn stated_kind(text: &str) -> Option<(Kind, &str)> {
    [Kind::Phase, Kind::Endpoint].into_iter().find_map(|kind| {
        let rest = text.strip_prefix(kind.word())?;
        rest.starts_with(char::is_whitespace).then(|| (kind, rest.trim()))
    })
}

fn one(argument: &Text<'_>, names: &Names<'_>) -> Option<(Kind, String)> {
    let text = argument.content.as_str();
    let is_phase = |name: &str| names.phases.contains(&name);
    let is_endpoint = |name: &str| names.endpoints.iter().any(|endpoint| endpoint == name);
    match stated_kind(text) {
        Some((Kind::Phase, name)) if is_phase(name) => return Some((Kind::Phase, name.to_owned())),
        Some((Kind::Endpoint, name)) if is_endpoint(name) => return Some((Kind::Endpoint, name.to_owned())),
        None if is_phase(text) && is_endpoint(text) => {
            let help = format!("write `endpoint {text}` or `phase {text}`");
            argument.reject(format!("`{text}` is an endpoint and a phase"), None, help);
            return None;
        }
        None if is_phase(text) => return Some((Kind::Phase, text.to_owned())),
        None if is_endpoint(text) => return Some((Kind::Endpoint, text.to_owned())),
        stated => unknown(argument, stated.map_or(text, |(_, name)| name), names),
    }
    None
}

fn unknown(argument: &Text<'_>, name: &str, names: &Names<'_>) {
    let valid = || names.endpoints.iter().map(String::as_str).chain(names.phases.iter().copied());
    let endpoints = words::list(names.endpoints.iter().map(String::as_str));
    let phases = words::list(names.phases.iter().copied());
    let title = if name.is_empty() {
        "the parentheses are empty".to_owned()
    } else {
        format!("there is no endpoint or phase `{name}`")
    };
    argument.reject(title, words::nearest(name, valid()), format!("endpoints: {endpoints}; phases: {phases}"));
}
