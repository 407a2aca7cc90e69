//! Where a criterion is judged, for those who want to show the data behind it.

use plimsoll_plan::{Plan, Scope as Named};
use plimsoll_record::summary::{Facts, Scope, Window};

use crate::place::Place;
use crate::run::JudgedRun;

/// A criterion's place, found in a record.
#[derive(Clone, Debug)]
pub struct Location {
    /// The traffic rows it looks at.
    pub scope: Scope,
    /// The time it covers; `None` when no traffic was recorded.
    pub window: Option<Window>,
}

/// Finds what a criterion states of its place; `Err` says what the record lacks.
///
/// # Errors
/// A sentence about the phase or endpoint that is not in the record.
pub fn locate(facts: &Facts, plan: &Plan, named: &Named) -> Result<Location, String> {
    let place = Place::of(&JudgedRun::new(facts, plan), named);
    match place.missing {
        Some(missing) => Err(missing),
        None => Ok(Location { scope: place.scope, window: place.window }),
    }
}
