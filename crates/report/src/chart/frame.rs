//! What stands behind the curves of a chart: ticks of the horizontal axis, phases, marks, spans not to be trusted.
//!
//! All charts over time share one frame, which is what puts them on one axis.

/// A tick of the horizontal axis.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tick {
    pub(crate) place: f64,
    pub(crate) label: String,
}

/// A named stretch of the horizontal axis: a phase.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Band {
    pub(crate) from: f64,
    pub(crate) to: f64,
    pub(crate) name: String,
}

/// A stretch with a reason: no data, or data not to be trusted.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Span {
    pub(crate) from: f64,
    pub(crate) to: f64,
    pub(crate) reason: String,
}

/// A moment with a number, explained in the list of events.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Flag {
    pub(crate) place: f64,
    pub(crate) number: usize,
    pub(crate) text: String,
}

/// Everything behind the curves.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Frame {
    /// What the horizontal axis is, in words.
    pub(crate) axis: &'static str,
    pub(crate) ticks: Vec<Tick>,
    pub(crate) bands: Vec<Band>,
    /// Seconds in which the generator could not be trusted.
    pub(crate) suspect: Vec<Span>,
    pub(crate) flags: Vec<Flag>,
    /// The ends of the axis in seconds, when charts share a cursor on it.
    pub(crate) seconds: Option<(f64, f64)>,
}
