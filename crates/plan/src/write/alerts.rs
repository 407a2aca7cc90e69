//! How `alerts` and `keys` of `[watch]` are written.

use std::fmt::Write as _;

use plimsoll_record::events::Level;
use plimsoll_record::units::Quantity;

use super::{list, quote, quoted_duration, show_share, toml_string};
use crate::watch::{Alert, KeysWatch, Trigger};

pub(super) fn alert(alert: &Alert) -> String {
    let level = match alert.level {
        Level::Warn => "warn",
        Level::Critical => "critical",
    };
    let word = alert.trigger.word();
    let mut text = format!("{word} = {}, level = \"{level}\", stop = {}", limit(alert.trigger), alert.stop);
    if !alert.actions.run.is_empty() {
        let _ = write!(text, ", run = {}", list(alert.actions.run.iter().map(|word| toml_string(word))));
    }
    if let Some(url) = &alert.actions.webhook {
        let _ = write!(text, ", webhook = {}", quote(url.as_str()));
    }
    format!("{{ {text} }}")
}

fn limit(trigger: Trigger) -> String {
    match trigger {
        Trigger::Growth(limit) => quote(&growth(limit)),
        Trigger::Size(limit) => quote(&format!("{limit}B")),
        Trigger::OfMaxmemory(limit) => quote(&show_share(limit)),
        Trigger::Evictions(limit) => quote(&format!("{limit}/s")),
        Trigger::OomErrors(limit) | Trigger::BlockedClients(limit) | Trigger::RejectedClients(limit) => {
            format!("{limit}")
        }
    }
}

/// A growth per minute, as people state it, when that is read back as the same number; else per second.
fn growth(bytes_per_second: f64) -> String {
    let per_minute = format!("{}MB/min", (bytes_per_second * 60.0).round() / 1e6);
    match Quantity::parse(&per_minute) {
        Ok(quantity) if quantity.value == bytes_per_second => per_minute,
        _ => format!("{bytes_per_second}B/s"),
    }
}

pub(super) fn keys(keys: Option<&KeysWatch>) -> String {
    let Some(KeysWatch { every, samples, budget }) = keys else { return "false".to_owned() };
    let every = every.map_or_else(String::new, |every| format!("every = {}, ", quoted_duration(every)));
    format!("{{ {every}samples = {samples}, budget = {} }}", quoted_duration(*budget))
}
