//! What stands behind the curves of a chart: ticks of the horizontal axis, phases, marks, spans not to be trusted.
//!
//! All charts over time share one frame, which is what puts them on one axis.

/// Bands that overlap by less touch each other.
const ROUNDING: f64 = 1e-9;

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
    /// The row its name stands in, from 0.
    pub(crate) row: usize,
}

impl Band {
    /// Bands that overlap go to rows of their own, each to the first one that is free where it begins.
    pub(crate) fn in_rows(bands: impl IntoIterator<Item = (f64, f64, String)>) -> Vec<Self> {
        let mut bands: Vec<_> = bands.into_iter().collect();
        bands.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut ends: Vec<f64> = Vec::new();
        let place = |(from, to, name): (f64, f64, String)| {
            let row = ends.iter().position(|end| *end <= from + ROUNDING).unwrap_or(ends.len());
            ends.resize(ends.len().max(row + 1), to);
            ends[row] = to;
            Self { from, to, name, row }
        };
        bands.into_iter().map(place).collect()
    }
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

impl Frame {
    /// How many rows the names of the bands take.
    pub(crate) fn rows(&self) -> usize {
        self.bands.iter().map(|band| band.row + 1).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bands_that_overlap_get_rows_of_their_own() {
        let bands = [(0.0, 0.5, "a"), (0.5, 1.0, "b"), (0.2, 0.7, "c"), (0.3, 0.4, "d"), (0.7, 0.9, "e")];
        let bands = Band::in_rows(bands.map(|(from, to, name)| (from, to, name.to_owned())));
        let rows: Vec<_> = bands.iter().map(|band| (band.name.as_str(), band.row)).collect();
        assert_eq!(rows, [("a", 0), ("c", 1), ("d", 2), ("b", 0), ("e", 1)]);
        assert_eq!((Frame { bands, ..Frame::default() }.rows(), Frame::default().rows()), (3, 0));
    }
}
