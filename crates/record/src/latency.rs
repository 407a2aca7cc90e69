//! Latency histograms: HdrHistogram with one fixed shape, so that any two of a run or of two runs merge exactly.
//!
//! Shape: 1 us to 1 h, 3 significant digits (relative error at most 0.1 %), about 180 KiB in memory whatever the
//! number of requests. Values outside are clamped to the ends. On disk a histogram is HdrHistogram's V2 encoding
//! in base64, which HdrHistogram's own tools read.

mod wire;

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::serialization::{Serializer, V2Serializer};
use serde::{Deserialize, Serialize};

use wire::{Bin, Stored};

const LOWEST_NS: u64 = 1_000;
const HIGHEST_NS: u64 = 3_600_000_000_000;
const DIGITS: u8 = 3;

/// A histogram of nanoseconds in the one shape all records share.
///
/// One that was read, or never recorded into, keeps its counts as they are stored: an hour of rows fits into a few MB.
/// The first recorded value spreads it out.
#[derive(Clone, Debug)]
pub struct Histogram {
    counts: Counts,
}

type Dense = hdrhistogram::Histogram<u64>;

#[derive(Clone, Debug)]
enum Counts {
    /// Every bin, for recording and for reading quantiles.
    Dense(Box<Dense>),
    /// Only what was counted, as it is stored.
    Stored(Stored),
}

/// Why stored text is not a histogram of a record.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// The text is not base64.
    #[error("not base64")]
    Base64(#[from] base64::DecodeError),
    /// The bytes are not a V2 histogram.
    #[error("not an HdrHistogram V2 encoding: {0}")]
    Format(&'static str),
    /// The histogram has another range or precision than records have.
    #[error("histogram of another shape; records use 1 us to 1 h with 3 digits")]
    Shape,
}

impl Default for Histogram {
    /// An empty histogram that costs no memory until something is recorded.
    fn default() -> Self {
        Self { counts: Counts::Stored(Stored::default()) }
    }
}

impl PartialEq for Histogram {
    fn eq(&self, other: &Self) -> bool {
        self.bins().eq(other.bins())
    }
}

impl Histogram {
    /// An empty histogram with its memory in place, for recording.
    #[must_use]
    pub fn new() -> Self {
        Self { counts: Counts::Dense(Box::new(empty())) }
    }

    /// Counts one value, in nanoseconds; clamped to the range. Never fails; allocates at most once.
    #[inline]
    pub fn record(&mut self, nanos: u64) {
        self.dense_mut().saturating_record(nanos);
    }

    /// Adds every count of `other`. Exact: bin by bin.
    pub fn merge(&mut self, other: &Self) {
        if other.is_empty() {
            return;
        }
        // Not worth spreading out for: it may stay alone.
        if matches!(other.counts, Counts::Stored(_)) && matches!(self.counts, Counts::Stored(_)) && self.is_empty() {
            self.counts = other.counts.clone();
            return;
        }
        let mine = self.dense_mut();
        match &other.counts {
            Counts::Dense(theirs) => mine.add(&**theirs).expect("both histograms have the one shape of this module"),
            Counts::Stored(stored) => add_bins(mine, stored),
        }
    }

    /// Forgets all counts, keeps the memory.
    pub fn clear(&mut self) {
        match &mut self.counts {
            Counts::Dense(dense) => dense.reset(),
            Counts::Stored(stored) => *stored = Stored::default(),
        }
    }

    /// The number of values counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        match &self.counts {
            Counts::Dense(dense) => dense.len(),
            Counts::Stored(stored) => stored.count(),
        }
    }

    /// True when nothing was counted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match &self.counts {
            Counts::Dense(dense) => dense.is_empty(),
            Counts::Stored(stored) => stored.bins().next().is_none(),
        }
    }

    /// The value at quantile `q` (0.0 ..= 1.0) in nanoseconds, the upper end of its bin; `None` when empty.
    #[must_use]
    pub fn quantile(&self, q: f64) -> Option<u64> {
        self.read(|dense| dense.value_at_quantile(q), |stored| stored.quantile(q))
    }

    /// The arithmetic mean in nanoseconds; `None` when empty.
    #[must_use]
    pub fn mean(&self) -> Option<f64> {
        self.read(Dense::mean, Stored::mean)
    }

    /// The largest value in nanoseconds (its bin's upper end); `None` when empty.
    #[must_use]
    pub fn max(&self) -> Option<u64> {
        self.read(Dense::max, |stored| stored.bins().last().map_or(0, |bin| bin.high))
    }

    /// The smallest value in nanoseconds (its bin's lower end); `None` when empty.
    #[must_use]
    pub fn min(&self) -> Option<u64> {
        self.read(Dense::min, |stored| stored.bins().next().map_or(0, |bin| bin.low))
    }

    /// How many values lie at or above `limit`, as (surely, possibly): the bin that straddles the limit is
    /// unknown, so it counts only in the second.
    #[must_use]
    pub fn at_or_above(&self, limit: Duration) -> (u64, u64) {
        let limit = u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX);
        let count = |(surely, possibly), bin: Bin| {
            let (whole, touched) = (bin.low >= limit, bin.high >= limit);
            (surely + if whole { bin.count } else { 0 }, possibly + if touched { bin.count } else { 0 })
        };
        match &self.counts {
            Counts::Dense(dense) => bins_of(dense).fold((0, 0), count),
            Counts::Stored(stored) => stored.bins().fold((0, 0), count),
        }
    }

    /// Every non-empty bin in ascending order: (upper end in nanoseconds, count).
    pub fn bins(&self) -> impl Iterator<Item = (u64, u64)> + use<> {
        let ends = |bin: Bin| (bin.high, bin.count);
        let bins = match &self.counts {
            Counts::Dense(dense) => bins_of(dense).map(ends).collect::<Vec<_>>(),
            Counts::Stored(stored) => stored.bins().map(ends).collect(),
        };
        bins.into_iter()
    }

    /// The stored form: V2 encoding in base64.
    #[must_use]
    pub fn encode(&self) -> String {
        STANDARD.encode(match &self.counts {
            Counts::Stored(stored) => stored.encode(),
            Counts::Dense(dense) => {
                let mut bytes = Vec::new();
                V2Serializer::new().serialize(dense, &mut bytes).expect("writing to a Vec cannot fail");
                bytes
            }
        })
    }

    /// Reads the stored form back.
    ///
    /// # Errors
    /// [`DecodeError`] when the text is not base64, not V2, or of another shape.
    pub fn decode(text: &str) -> Result<Self, DecodeError> {
        Ok(Self { counts: Counts::Stored(Stored::read(&STANDARD.decode(text)?)?) })
    }

    /// As the `hdrhistogram` crate has it, for its own formats.
    pub(crate) fn to_hdr(&self) -> Dense {
        match &self.counts {
            Counts::Dense(dense) => (**dense).clone(),
            Counts::Stored(stored) => spread(stored),
        }
    }

    fn read<T>(&self, dense: impl FnOnce(&Dense) -> T, stored: impl FnOnce(&Stored) -> T) -> Option<T> {
        (!self.is_empty()).then(|| match &self.counts {
            Counts::Dense(all) => dense(all),
            Counts::Stored(counts) => stored(counts),
        })
    }

    #[inline]
    fn dense_mut(&mut self) -> &mut Dense {
        if let Counts::Stored(stored) = &self.counts {
            self.counts = Counts::Dense(Box::new(spread(stored)));
        }
        match &mut self.counts {
            Counts::Dense(dense) => dense,
            Counts::Stored(_) => unreachable!("it was spread out just above"),
        }
    }
}

fn empty() -> Dense {
    Dense::new_with_bounds(LOWEST_NS, HIGHEST_NS, DIGITS).expect("the bounds are constants that HdrHistogram accepts")
}

fn bins_of(dense: &Dense) -> impl Iterator<Item = Bin> + '_ {
    dense.iter_recorded().map(|bin| Bin {
        low: dense.lowest_equivalent(bin.value_iterated_to()),
        high: bin.value_iterated_to(),
        count: bin.count_at_value(),
    })
}

fn spread(stored: &Stored) -> Dense {
    let mut dense = empty();
    add_bins(&mut dense, stored);
    dense
}

fn add_bins(dense: &mut Dense, stored: &Stored) {
    for bin in stored.bins() {
        dense.saturating_record_n(bin.low, bin.count);
    }
}

impl Serialize for Histogram {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.encode())
    }
}

impl<'de> Deserialize<'de> for Histogram {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Encoded)
    }
}

/// Reads the stored text where it stands, without a copy of it.
struct Encoded;

impl serde::de::Visitor<'_> for Encoded {
    type Value = Histogram;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an HdrHistogram V2 encoding in base64")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Histogram, E> {
        Histogram::decode(text).map_err(E::custom)
    }
}

/// Response time and service time of the same requests, always recorded together.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// From the intended send time of the arrival to the last byte of the answer.
    pub response: Histogram,
    /// From the actual write of the request to the last byte of the answer.
    pub service: Histogram,
}

impl Latency {
    /// Counts one answered request.
    #[inline]
    pub fn record(&mut self, response_ns: u64, service_ns: u64) {
        self.response.record(response_ns);
        self.service.record(service_ns);
    }

    /// Adds every count of `other`.
    pub fn merge(&mut self, other: &Self) {
        self.response.merge(&other.response);
        self.service.merge(&other.service);
    }

    /// Forgets all counts, keeps the memory.
    pub fn clear(&mut self) {
        self.response.clear();
        self.service.clear();
    }

    /// True when no request was counted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.response.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(values: &[u64]) -> Histogram {
        let mut histogram = Histogram::new();
        values.iter().for_each(|value| histogram.record(*value));
        histogram
    }

    #[test]
    fn an_empty_histogram_has_no_values_to_show() {
        let empty = Histogram::new();
        assert_eq!((empty.quantile(0.5), empty.mean(), empty.max(), empty.min()), (None, None, None, None));
    }

    #[test]
    fn what_was_read_goes_on_as_if_it_had_been_recorded() {
        let recorded = of(&[5_000, 5_000, 70_000_000]);
        let mut read = Histogram::decode(&recorded.encode()).unwrap();
        assert_eq!((read.count(), read.quantile(0.5), read.max()), (3, recorded.quantile(0.5), recorded.max()));
        read.record(9_000);
        assert_eq!(read, of(&[5_000, 5_000, 9_000, 70_000_000]));
        read.clear();
        assert!(read.is_empty());
    }

    #[test]
    fn values_outside_the_range_are_clamped_not_lost() {
        let histogram = of(&[0, u64::MAX]);
        assert_eq!(histogram.count(), 2);
        assert!(histogram.max().is_some_and(|max| max >= HIGHEST_NS));
    }

    #[test]
    fn a_straddling_bin_counts_only_as_possible() {
        let histogram = of(&[100_000_000]);
        assert_eq!(histogram.at_or_above(Duration::from_millis(90)), (1, 1));
        assert_eq!(histogram.at_or_above(Duration::from_nanos(100_000_100)), (0, 1));
        assert_eq!(histogram.at_or_above(Duration::from_millis(110)), (0, 0));
    }

    #[test]
    fn text_that_is_no_histogram_is_refused() {
        assert!(matches!(Histogram::decode("*"), Err(DecodeError::Base64(_))));
        assert!(matches!(Histogram::decode("AAAA"), Err(DecodeError::Format(_))));
        let mut other = hdrhistogram::Histogram::<u64>::new_with_bounds(1, 1000, 2).unwrap();
        other.record(5).unwrap();
        let mut bytes = Vec::new();
        V2Serializer::new().serialize(&other, &mut bytes).unwrap();
        assert!(matches!(Histogram::decode(&STANDARD.encode(bytes)), Err(DecodeError::Shape)));
    }

    proptest! {
        #[test]
        fn encoding_loses_nothing(values in prop::collection::vec(0u64..4_000_000_000_000, 0..200)) {
            let histogram = of(&values);
            prop_assert_eq!(Histogram::decode(&histogram.encode()).unwrap(), histogram);
        }

        #[test]
        fn what_is_read_off_a_stored_histogram_is_what_the_spread_out_one_says(
            values in prop::collection::vec(0u64..4_000_000_000_000, 0..200), q in 0.0..=1.0_f64, limit in 0u64..4_000_000_000_000
        ) {
            let recorded = of(&values);
            let read = Histogram::decode(&recorded.encode()).unwrap();
            let limit = Duration::from_nanos(limit);
            let all = |of: &Histogram| (of.count(), of.is_empty(), of.quantile(q), of.mean(), of.max(), of.min(), of.at_or_above(limit));
            prop_assert_eq!(all(&read), all(&recorded));
        }

        #[test]
        fn merged_halves_equal_the_whole(values in prop::collection::vec(0u64..4_000_000_000_000, 0..200), cut in 0usize..200) {
            let (left, right) = values.split_at(cut.min(values.len()));
            let mut merged = of(left);
            merged.merge(&of(right));
            prop_assert_eq!(merged, of(&values));
        }

        #[test]
        fn a_value_is_kept_within_a_thousandth(value in LOWEST_NS * 2_000..HIGHEST_NS) {
            let kept = of(&[value]).quantile(0.5).unwrap();
            prop_assert!(kept >= value && (kept - value) as f64 <= value as f64 * 1e-3, "{} kept as {}", value, kept);
        }
    }
}
