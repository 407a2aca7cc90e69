//! Series for the tests of this module: a sample a second, with the values a test needs.

use std::collections::BTreeMap;

use plimsoll_record::series::{Sample, SeriesHeader};
use plimsoll_record::summary::{Series, Window};

use crate::testing::at;

pub(super) fn series(seconds: usize, values: impl Fn(f64) -> Vec<(&'static str, f64)>) -> Series {
    let header = SeriesHeader { source: String::new(), identity: BTreeMap::new(), every_ns: 1_000_000_000 };
    let sample = |i: usize| {
        let t = i as f64 + 0.5;
        let values = values(t).into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        Sample { at_ns: at(t), took_ns: 1, values }
    };
    let (gaps, marks, details, nodes) = (Vec::new(), Vec::new(), Vec::new(), BTreeMap::new());
    Series { header, samples: (0..seconds).map(sample).collect(), gaps, marks, details, nodes, partial: false }
}

pub(super) fn window(from: f64, to: f64) -> Window {
    Window { from: at(from), to: at(to) }
}
