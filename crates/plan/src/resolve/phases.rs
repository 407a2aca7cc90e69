//! `[[phases]]`: an open phase has a rate, a closed one has users.

use std::num::NonZeroU32;
use std::time::Duration;

use plimsoll_record::units::Unit;

use crate::model::{Arrivals, Load, Phase, Rate, RateShape, ThinkTime};
use crate::quantities::{self, duration};
use crate::reader::{Field, Reader};

use super::rates;

/// Reads all phases.
pub(super) fn read(field: &Field<'_>) -> Vec<Phase> {
    let readers = field.tables("a phase");
    let last = readers.len().saturating_sub(1);
    let mut phases: Vec<Phase> = Vec::new();
    for (index, reader) in readers.into_iter().enumerate() {
        let phase = phase(&reader);
        if phases.iter().any(|other| other.name == phase.name && !phase.name.is_empty()) {
            reader.reject(format!("two phases are named `{}`", phase.name), "give each phase its own name");
        }
        if index < last && ends_with_its_iterations(&reader, &phase) {
            let title = format!("the phase `{}` ends with its iterations, so it must be the last one", phase.name);
            reader.reject(title, "when it will end is not known: give it a `duration`, or put it behind the others");
        }
        reader.finish();
        phases.push(phase);
    }
    phases
}

fn ends_with_its_iterations(reader: &Reader<'_>, phase: &Phase) -> bool {
    reader.table.get("duration").is_none() && matches!(phase.load, Load::Closed { iterations: Some(_), .. })
}

fn phase(reader: &Reader<'_>) -> Phase {
    let name = reader.required("name", "\"steady\"", Field::name).unwrap_or_default();
    let stated = reader.field("duration");
    let duration = stated.as_ref().and_then(|field| field.positive_duration("30s"));
    let open = Open::read(reader, duration);
    let closed = Closed::read(reader);
    let ends = stated.is_some() || closed.users.is_some() && closed.iterations.is_some();
    check_model(reader, &open, &closed);
    let load = load(open, &closed);
    if !ends {
        let help = "add for example `duration = \"30s\"` (closed phases: or `iterations = 1000`)";
        reader.reject("the phase has no end", help);
    }
    Phase { name, duration, load }
}

/// The fields of an open phase. `Some(None)`: stated, but not readable.
struct Open {
    rate: Option<Option<RateShape>>,
    arrivals: Option<Option<Arrivals>>,
}

impl Open {
    fn read(reader: &Reader<'_>, length: Option<Duration>) -> Self {
        let words = [("uniform", Arrivals::Uniform), ("poisson", Arrivals::Poisson)];
        Self {
            rate: reader.field("rate").map(|field| rates::shape(&field, length)),
            arrivals: reader.field("arrivals").map(|field| field.choice(&words)),
        }
    }
}

/// The fields of a closed phase. `Some(None)`: stated, but not readable.
struct Closed {
    users: Option<Option<NonZeroU32>>,
    spawn_rate: Option<Option<Rate>>,
    think: Option<Option<ThinkTime>>,
    iterations: Option<Option<std::num::NonZeroU64>>,
}

impl Closed {
    fn read(reader: &Reader<'_>) -> Self {
        Self {
            users: reader.field("users").as_ref().map(Field::positive),
            spawn_rate: reader.field("spawn_rate").map(|field| spawn_rate(&field)),
            think: reader.field("think").map(|field| think_time(&field)),
            iterations: reader.field("iterations").as_ref().map(Field::positive),
        }
    }

    /// The first field that was stated and makes no sense in an open phase.
    fn stated(&self) -> Option<&'static str> {
        let stated = [
            (self.spawn_rate.is_some(), "spawn_rate"),
            (self.think.is_some(), "think"),
            (self.iterations.is_some(), "iterations"),
        ];
        stated.iter().find(|(stated, _)| *stated).map(|(_, word)| *word)
    }
}

/// Says what contradicts itself.
fn check_model(reader: &Reader<'_>, open: &Open, closed: &Closed) {
    match (&open.rate, &closed.users) {
        (Some(_), Some(_)) => reader.reject(
            "the phase has both `rate` and `users`",
            "`rate` makes it open (arrivals on a schedule), `users` closed (each waits for its answer): keep one",
        ),
        (None, None) => reader.reject(
            "the phase has neither `rate` nor `users`",
            "add `rate = \"18/s\"` (open: arrivals on a schedule) or `users = 20` (closed: each waits for its answer)",
        ),
        (Some(_), None) => {
            if let Some(word) = closed.stated() {
                reject_key(reader, word, "closed phases, which have `users` instead of `rate`");
            }
        }
        (None, Some(_)) if open.arrivals.is_some() => {
            reject_key(reader, "arrivals", "open phases, which have `rate` instead of `users`");
        }
        (None, Some(_)) => {}
    }
}

fn load(open: Open, closed: &Closed) -> Load {
    match closed.users {
        Some(users) => Load::Closed {
            users: users.unwrap_or(NonZeroU32::MIN),
            spawn_rate: closed.spawn_rate.flatten(),
            think: closed.think.flatten().unwrap_or(ThinkTime::None),
            iterations: closed.iterations.flatten(),
        },
        None => Load::Open {
            rate: open.rate.flatten().unwrap_or(RateShape::Constant(nothing())),
            arrivals: open.arrivals.flatten().unwrap_or(Arrivals::Uniform),
        },
    }
}

fn reject_key(reader: &Reader<'_>, key: &str, home: &str) {
    if let Some(entry) = reader.table.get(key) {
        let problem = crate::diagnostics::Problem::new(&entry.origin, format!("`{key}` belongs to {home}"));
        reader.context.report(problem.help("leave it out"));
    }
}

fn nothing() -> Rate {
    Rate::per_second(0.0).expect("zero is a rate")
}

fn spawn_rate(field: &Field<'_>) -> Option<Rate> {
    let text = field.quantity_text("10/s")?;
    let spawn_rate = quantities::number(&text, field.key, Unit::PerSecond, "10/s")?;
    if spawn_rate <= 0.0 {
        text.reject("`spawn_rate` must be above zero: no user would ever start", None, "write for example `10/s`");
    }
    Rate::per_second(spawn_rate)
}

/// `2s`, or `5s..15s`.
fn think_time(field: &Field<'_>) -> Option<ThinkTime> {
    let text = field.quantity_text("5s..15s")?;
    let Some(dots) = text.content.find("..") else {
        let pause = duration(&text, field.key, Duration::ZERO, "2s")?;
        return Some(if pause.is_zero() { ThinkTime::None } else { ThinkTime::Constant(pause) });
    };
    let min = duration(&text.part(0..dots), field.key, Duration::ZERO, "5s..15s");
    let max = duration(&text.part(dots + 2..text.content.len()), field.key, Duration::ZERO, "5s..15s");
    let (min, max) = (min?, max?);
    if max < min {
        text.reject("the longest think time is less than the shortest", None, "the shorter one comes first: `5s..15s`");
    }
    Some(ThinkTime::Uniform { min, max })
}
