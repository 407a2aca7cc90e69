//! Phases and `ensure`: arrivals become open phases, thresholds become criteria.

use plimsoll_record::units::{Quantity, Unit};

use super::unknown;
use crate::document::Document;
use crate::draft::{Draft, Line};
use crate::toml_text::{name, raw};

const KNOWN: [&str; 7] = ["name", "duration", "arrivalRate", "rampTo", "arrivalCount", "pause", "maxVusers"];
const PLUGIN: [&str; 3] = ["thresholds", "conditions", "strict"];

/// All phases. A pause is the start of the phase behind it.
pub(super) fn phases(config: &Document, draft: &mut Draft) -> Result<(), String> {
    let stated = config.get("phases").items();
    if stated.is_empty() {
        return Err("the script has no `config.phases`; a plan needs to know how much load".to_owned());
    }
    let (mut clock, mut paused) = (0.0, false);
    let mut names = Vec::new();
    for (n, phase) in stated.iter().enumerate() {
        unknown(phase, &KNOWN, "config.phases: ", draft);
        if !phase.get("maxVusers").is_null() {
            draft.leave_out(
                "`maxVusers`: arrivals are never held back; `connections` under [target] bounds what is under way",
            );
        }
        let (length, load) = match (seconds(phase.get("pause")), seconds(phase.get("duration"))) {
            (Some(pause), _) => (pause, None),
            (None, Some(duration)) => (duration, rate(phase, duration)),
            (None, None) => {
                draft.leave_out(format!("the phase {} of the script: it has no duration", n + 1));
                continue;
            }
        };
        if let Some(rate) = load {
            let wanted = phase.get("name").scalar().map_or_else(|| format!("phase-{}", n + 1), |text| name(&text));
            let mut lines = vec![Line::new("name", raw(&crate::new::unique(&wanted, &mut names)))];
            if paused {
                lines.push(Line::new("start", raw(&format!("{clock}s"))).with("after a pause"));
            }
            lines.extend([Line::new("duration", raw(&format!("{length}s"))), Line::new("rate", raw(&rate))]);
            draft.phases.push(lines);
        }
        paused = load_is_pause(phase);
        clock += length;
    }
    if draft.phases.is_empty() { Err("no phase of the script makes arrivals".to_owned()) } else { Ok(()) }
}

fn load_is_pause(phase: &Document) -> bool {
    let duration = seconds(phase.get("duration")).unwrap_or(0.0);
    !phase.get("pause").is_null() || rate(phase, duration).is_none()
}

/// `None` when nothing arrives.
fn rate(phase: &Document, duration: f64) -> Option<String> {
    let number = |key: &str| phase.get(key).number().filter(|number| *number >= 0.0);
    if duration <= 0.0 {
        return None;
    }
    if let Some(count) = number("arrivalCount").filter(|count| *count > 0.0) {
        return Some(format!("{}/s", count / duration));
    }
    let from = number("arrivalRate").unwrap_or(0.0);
    match number("rampTo") {
        Some(to) if from > 0.0 || to > 0.0 => Some(format!("{from}/s -> {to}/s")),
        _ => (from > 0.0).then(|| format!("{from}/s")),
    }
}

/// A number of seconds, or text with a unit.
pub(super) fn seconds(value: &Document) -> Option<f64> {
    let parsed = || {
        let text = value.text()?.replace("sec", "s").replace("minutes", "min").replace("hours", "h");
        Quantity::parse(&text).ok().filter(|quantity| quantity.unit == Unit::Seconds).map(|quantity| quantity.value)
    };
    value.number().or_else(parsed).filter(|seconds| *seconds > 0.0)
}

/// `ensure`: p95, p99 and the like in milliseconds, the share of errors in percent.
pub(super) fn criteria(config: &Document, draft: &mut Draft) {
    let ensure = config.get("ensure");
    let mut require = Vec::new();
    for (key, value) in ensure.entries() {
        match criterion(key, value) {
            Some(text) => require.push(text),
            None if PLUGIN.contains(&key.as_str()) => {}
            None => draft.leave_out(format!("`config.ensure.{key}`")),
        }
    }
    for (key, value) in ensure.get("thresholds").items().iter().flat_map(Document::entries) {
        match key.strip_prefix("http.response_time.").and_then(|key| criterion(key, value)) {
            Some(text) => require.push(text),
            None => draft.leave_out(format!("the threshold `{key}`")),
        }
    }
    if !ensure.get("conditions").is_null() {
        draft.leave_out("`config.ensure.conditions`");
    }
    if require.is_empty() {
        require.push("error_rate < 1%".to_owned());
    }
    let list = require.iter().map(|text| raw(text)).collect::<Vec<_>>().join(", ");
    draft.criteria.push(Line::new("require", format!("[{list}]")));
}

fn criterion(key: &str, value: &Document) -> Option<String> {
    let limit = value.number().filter(|limit| *limit >= 0.0)?;
    match key {
        "maxErrorRate" if limit > 0.0 => Some(format!("error_rate <= {limit}%")),
        "maxErrorRate" => Some("error_rate <= 0%".to_owned()),
        "max" => Some(format!("max < {limit}ms")),
        "mean" => Some(format!("mean < {limit}ms")),
        "median" => Some(format!("p50 < {limit}ms")),
        "p999" => Some(format!("p99.9 < {limit}ms")),
        _ => key
            .strip_prefix('p')?
            .parse::<f64>()
            .ok()
            .filter(|p| *p > 0.0 && *p < 100.0)
            .map(|p| format!("p{p} < {limit}ms")),
    }
}
