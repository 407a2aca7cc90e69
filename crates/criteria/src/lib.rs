//! Judges a recorded run: were the plan's criteria met, and can the data prove it?
//!
//! [`judge`] is a pure function of facts, plan and criteria: no clock, no unseeded random number, so a verdict can be
//! computed again, byte for byte; [`judge_against`] compares with earlier runs, too. It reads facts through `plimsoll_record::summary` and makes a
//! `plimsoll_record::verdict::Verdict`; it renders nothing and writes nothing. [`outlook`] asks before the run whether
//! it can decide a criterion at all, and a [`Lookout`] while it goes on whether one is lost.
//!
//! A new kind of criterion touches one new file in `families` and one arm of the match there.

mod judge;

mod criterion;
mod stretches;

mod baseline;
mod paired;
mod reference;

mod location;
mod place;
mod run;

mod families;
mod goal;
mod memory;

mod lookout;
mod method;
mod outlook;

pub mod forecast;

mod calibration;
mod health;
mod stopped;

mod concerns;
mod recommendations;

pub mod comparison;

pub mod statistics;

mod rounding;
mod words;

#[cfg(test)]
mod testing;

pub use baseline::Baseline;
pub use judge::{JudgeError, judge, judge_against};
pub use location::{Location, locate};
pub use lookout::{Lookout, Lost};
pub use method::{Method, method};
pub use outlook::{Outlook, Prospect, Supply, outlook};
