//! The growth of a sampled series, above all of memory: stable, growing, leaking, or not to be told from this record.
//!
//! The steps, one file each: where the series is whole ([`segments`]) and settled ([`horizon`]); what is known to have
//! moved it and is no growth ([`ledger`]); medians of stretches of time ([`line`]); how fast they rise and whether
//! that lasts ([`trend`]); what it is that grows ([`cause`]). [`growth`] puts them together. Rates that people plan by
//! ([`rates`]), what is left when the load is over ([`drain`]) and the rows of the verdict ([`facts`]) follow from that.
//!
//! Nothing here decides about a criterion: that is `families::slope`.

mod horizon;
mod segments;

mod ledger;

mod line;
mod trend;

mod cause;
mod growth;

pub(crate) mod fragmentation;

mod drain;
mod rates;

mod facts;
pub(crate) mod reason;

#[cfg(test)]
mod testing;

pub(crate) use facts::{limit, list};
pub(crate) use growth::{Growth, Question};
pub(crate) use horizon::Horizon;
pub(crate) use line::{shortest_window, usual_guard};
pub(crate) use trend::SHORT_WINDOW_S;
