//! Open phases: a rate and how arrivals are spaced along it, or arrivals as a file records them.

use std::time::Duration;

use crate::model::{Arrivals, Load, Rate, RateShape};
use crate::reader::{Field, Reader};
use crate::tree::Value;

use super::{rates, replay};

/// The fields of an open phase. `Some(None)`: stated, but not readable.
pub(super) struct Open {
    pub(super) rate: Option<Option<RateShape>>,
    pub(super) arrivals: Option<Option<Spacing>>,
    replay: bool,
}

/// What `arrivals` says.
pub(super) enum Spacing {
    Along(Arrivals),
    Recorded(replay::Stated),
}

impl Open {
    pub(super) fn read(reader: &Reader<'_>, length: Option<Duration>) -> Self {
        let rate = reader.field("rate").map(|field| rates::shape(&field, length));
        let arrivals = reader.field("arrivals");
        let replay = arrivals.as_ref().is_some_and(|field| matches!(field.node.value, Value::Table(_)));
        Self { rate, arrivals: arrivals.map(|field| spacing(&field, length)), replay }
    }

    /// True when arrivals come from a file, also when it cannot be read.
    pub(super) fn is_replay(&self) -> bool {
        self.replay
    }

    /// How long all recorded arrivals take.
    pub(super) fn length(&self) -> Option<Duration> {
        match &self.arrivals {
            Some(Some(Spacing::Recorded(stated))) => stated.length,
            _ => None,
        }
    }

    /// The load; a stand-in where something is missing, which was reported.
    pub(super) fn load(self) -> Load {
        let nothing = || RateShape::Constant(Rate::per_second(0.0).expect("zero is a rate"));
        let rate = self.rate.flatten().unwrap_or_else(nothing);
        match self.arrivals.flatten() {
            Some(Spacing::Recorded(stated)) => Load::Replay(stated.replay),
            Some(Spacing::Along(arrivals)) => Load::Open { rate, arrivals },
            None => Load::Open { rate, arrivals: Arrivals::Uniform },
        }
    }
}

fn spacing(field: &Field<'_>, length: Option<Duration>) -> Option<Spacing> {
    if matches!(field.node.value, Value::Table(_)) {
        return replay::replay(field, length).map(Spacing::Recorded);
    }
    field.choice(&[("uniform", Arrivals::Uniform), ("poisson", Arrivals::Poisson)]).map(Spacing::Along)
}
