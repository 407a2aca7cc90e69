//! `[[phases]]`: an open phase has a rate or recorded arrivals, a closed one has users.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::model::Phase;
use crate::reader::{Field, Reader};

use super::crowds::{self, Crowd};
use super::open::Open;

/// Reads all phases.
pub(super) fn read(field: &Field<'_>) -> Vec<Phase> {
    let mut phases: Vec<Phase> = Vec::new();
    for reader in field.tables("a phase") {
        let phase = phase(&reader);
        if phases.iter().any(|other| other.name == phase.name && !phase.name.is_empty()) {
            reader.reject(format!("two phases are named `{}`", phase.name), "give each phase its own name");
        }
        let before = phases.last().filter(|before| before.duration.is_none() && crowds::is_counted(&before.load));
        if let Some(before) = before.filter(|_| reader.table.get("start").is_none()) {
            let title =
                format!("when this phase starts is not known: `{}` before it ends with its iterations", before.name);
            reader.reject(title, format!("give this phase a `start`, or `{}` a `duration`", before.name));
        }
        reader.finish();
        phases.push(phase);
    }
    phases
}

fn phase(reader: &Reader<'_>) -> Phase {
    let name = reader.required("name", "\"steady\"", Field::name).unwrap_or_default();
    let start = reader.optional("start", |field| field.duration(Duration::ZERO, "90s"));
    let stated = reader.field("duration");
    let duration = stated.as_ref().and_then(|field| field.positive_duration("30s"));
    let open = Open::read(reader, duration);
    let crowd = Crowd::read(reader);
    check_model(reader, &open, &crowd);
    crowd.check_ramp_down(reader, duration);
    let ends = stated.is_some() || open.is_replay() || crowd.is_counted();
    if !ends {
        let help = "add for example `duration = \"30s\"` (closed phases: or `iterations = 1000`)";
        reader.reject("the phase has no end", help);
    }
    let duration = duration.or(open.length());
    let load = match crowd.users {
        Some(users) => crowd.load(users.unwrap_or(NonZeroU32::MIN)),
        None => open.load(),
    };
    Phase { name, start, duration, load }
}

/// Says what contradicts itself.
fn check_model(reader: &Reader<'_>, open: &Open, crowd: &Crowd) {
    match (open.rate.is_some(), open.is_replay(), crowd.users.is_some()) {
        (true, _, true) => reader.reject(
            "the phase has both `rate` and `users`",
            "`rate` makes it open (arrivals on a schedule), `users` closed (each waits for its answer): keep one",
        ),
        (true, true, false) => reader.reject(
            "the phase has both a `rate` and recorded arrivals",
            "recorded arrivals come when they were recorded: leave `rate` out, and set their `speed`",
        ),
        (false, false, false) => reader.reject(
            "the phase has neither `rate` nor `users`",
            "add `rate = \"18/s\"` (open: arrivals on a schedule) or `users = 20` (closed: each waits for its answer)",
        ),
        (_, _, false) => {
            if let Some(word) = crowd.stated() {
                reject_key(reader, word, "closed phases, which have `users` instead of `rate`");
            }
        }
        (false, _, true) if open.arrivals.is_some() => {
            reject_key(reader, "arrivals", "open phases, which have `rate` instead of `users`");
        }
        (false, _, true) => {}
    }
}

fn reject_key(reader: &Reader<'_>, key: &str, home: &str) {
    if let Some(entry) = reader.table.get(key) {
        let problem = crate::diagnostics::Problem::new(&entry.origin, format!("`{key}` belongs to {home}"));
        reader.context.report(problem.help("leave it out"));
    }
}
