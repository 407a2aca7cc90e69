//! Closed phases: users, how they come and go, what they do in between.

use std::num::NonZeroU32;
use std::time::Duration;

use plimsoll_record::units::Unit;

use crate::model::{Iterations, Load, Rate, ThinkTime};
use crate::quantities;
use crate::reader::{Field, Reader};
use crate::tree::Value;

use super::{flows, think};

/// The fields of a closed phase. `Some(None)`: stated, but not readable.
pub(super) struct Crowd {
    pub(super) users: Option<Option<NonZeroU32>>,
    spawn_rate: Option<Option<Rate>>,
    ramp_down: Option<Option<Duration>>,
    think: Option<Option<ThinkTime>>,
    pacing: Option<Option<Duration>>,
    iterations: Option<Option<Iterations>>,
}

impl Crowd {
    pub(super) fn read(reader: &Reader<'_>) -> Self {
        Self {
            users: reader.field("users").as_ref().map(Field::positive),
            spawn_rate: reader.field("spawn_rate").map(|field| spawn_rate(&field)),
            ramp_down: reader.field("ramp_down").map(|field| field.positive_duration("30s")),
            think: reader.field("think").map(|field| think::read(&field)),
            pacing: reader.field("pacing").as_ref().map(flows::pacing),
            iterations: reader.field("iterations").map(|field| iterations(&field)),
        }
    }

    /// The first field that was stated and makes no sense in an open phase.
    pub(super) fn stated(&self) -> Option<&'static str> {
        let stated = [
            (self.spawn_rate.is_some(), "spawn_rate"),
            (self.ramp_down.is_some(), "ramp_down"),
            (self.think.is_some(), "think"),
            (self.pacing.is_some(), "pacing"),
            (self.iterations.is_some(), "iterations"),
        ];
        stated.iter().find(|(stated, _)| *stated).map(|(_, word)| *word)
    }

    /// True when the phase can end with its iterations.
    pub(super) fn is_counted(&self) -> bool {
        self.users.is_some() && self.iterations.is_some()
    }

    /// Users leave before the end of a phase, so there has to be one, and time enough before it.
    pub(super) fn check_ramp_down(&self, reader: &Reader<'_>, length: Option<Duration>) {
        let Some(Some(ramp_down)) = self.ramp_down.filter(|_| self.users.is_some()) else { return };
        if reader.table.get("duration").is_none() {
            reader.reject("`ramp_down` needs a `duration`: users leave before the end of the phase", "add `duration`");
        } else if length.is_some_and(|length| ramp_down > length) {
            reader.reject("users would leave before the phase begins", "state a `ramp_down` of at most the `duration`");
        }
    }

    pub(super) fn load(&self, users: NonZeroU32) -> Load {
        Load::Closed {
            users,
            spawn_rate: self.spawn_rate.flatten(),
            ramp_down: self.ramp_down.flatten(),
            think: self.think.flatten().unwrap_or(ThinkTime::None),
            pacing: self.pacing.flatten(),
            iterations: self.iterations.flatten(),
        }
    }
}

/// True when a load ends with its iterations unless its phase ends before.
pub(super) fn is_counted(load: &Load) -> bool {
    matches!(load, Load::Closed { iterations: Some(_), .. })
}

/// `1000`, shared by the users, or `{ per_user = 20 }`.
fn iterations(field: &Field<'_>) -> Option<Iterations> {
    match field.node.value {
        Value::Integer(_) => field.positive().map(Iterations::Shared),
        Value::Table(_) => {
            let reader = field.table("the iterations' table");
            let each = reader.required("per_user", "20", Field::positive);
            reader.finish();
            each.map(Iterations::PerUser)
        }
        _ => {
            field.wrong_kind("a whole number, without quotes, or `{ per_user = 20 }`");
            None
        }
    }
}

fn spawn_rate(field: &Field<'_>) -> Option<Rate> {
    let text = field.quantity_text("10/s")?;
    let spawn_rate = quantities::number(&text, field.key, Unit::PerSecond, "10/s")?;
    if spawn_rate <= 0.0 {
        text.reject("`spawn_rate` must be above zero: no user would ever start", None, "write for example `10/s`");
    }
    Rate::per_second(spawn_rate)
}
