//! Latency histograms: HdrHistogram with one fixed shape, so that any two of a run or of two runs merge exactly.
//!
//! Shape: 1 us to 1 h, 3 significant digits (relative error at most 0.1 %), about 180 KiB in memory whatever the
//! number of requests. Values outside are clamped to the ends. On disk a histogram is HdrHistogram's V2 encoding
//! in base64, which HdrHistogram's own tools read.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::serialization::{Deserializer, Serializer, V2Serializer};
use serde::{Deserialize, Serialize};

const LOWEST_NS: u64 = 1_000;
const HIGHEST_NS: u64 = 3_600_000_000_000;
const DIGITS: u8 = 3;

/// A histogram of nanoseconds in the one shape all records share.
#[derive(Clone, Debug, PartialEq)]
pub struct Histogram {
    inner: hdrhistogram::Histogram<u64>,
}

/// Why stored text is not a histogram of a record.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// The text is not base64.
    #[error("not base64")]
    Base64(#[from] base64::DecodeError),
    /// The bytes are not a V2 histogram.
    #[error("not an HdrHistogram V2 encoding: {0:?}")]
    Format(hdrhistogram::serialization::DeserializeError),
    /// The histogram has another range or precision than records have.
    #[error("histogram of another shape; records use 1 us to 1 h with 3 digits")]
    Shape,
}

impl Default for Histogram {
    fn default() -> Self {
        Self::new()
    }
}

impl Histogram {
    /// An empty histogram.
    #[must_use]
    pub fn new() -> Self {
        let inner = hdrhistogram::Histogram::new_with_bounds(LOWEST_NS, HIGHEST_NS, DIGITS)
            .expect("the bounds are constants that HdrHistogram accepts");
        Self { inner }
    }

    /// Counts one value, in nanoseconds; clamped to the range. Never allocates, never fails.
    #[inline]
    pub fn record(&mut self, nanos: u64) {
        self.inner.saturating_record(nanos);
    }

    /// Adds every count of `other`. Exact: bin by bin.
    pub fn merge(&mut self, other: &Self) {
        self.inner.add(&other.inner).expect("both histograms have the one shape of this module");
    }

    /// Forgets all counts, keeps the memory.
    pub fn clear(&mut self) {
        self.inner.reset();
    }

    /// The number of values counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.inner.len()
    }

    /// True when nothing was counted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.inner.is_empty()
    }

    /// The value at quantile `q` (0.0 ..= 1.0) in nanoseconds, the upper end of its bin; `None` when empty.
    #[must_use]
    pub fn quantile(&self, q: f64) -> Option<u64> {
        (!self.is_empty()).then(|| self.inner.value_at_quantile(q))
    }

    /// The arithmetic mean in nanoseconds; `None` when empty.
    #[must_use]
    pub fn mean(&self) -> Option<f64> {
        (!self.is_empty()).then(|| self.inner.mean())
    }

    /// The largest value in nanoseconds (its bin's upper end); `None` when empty.
    #[must_use]
    pub fn max(&self) -> Option<u64> {
        (!self.is_empty()).then(|| self.inner.max())
    }

    /// The smallest value in nanoseconds (its bin's lower end); `None` when empty.
    #[must_use]
    pub fn min(&self) -> Option<u64> {
        (!self.is_empty()).then(|| self.inner.min())
    }

    /// How many values lie at or above `limit`, as (surely, possibly): the bin that straddles the limit is
    /// unknown, so it counts only in the second.
    #[must_use]
    pub fn at_or_above(&self, limit: Duration) -> (u64, u64) {
        let limit = u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX);
        let (mut surely, mut possibly) = (0, 0);
        for bin in self.inner.iter_recorded() {
            let top = bin.value_iterated_to();
            if self.inner.lowest_equivalent(top) >= limit {
                surely += bin.count_at_value();
            }
            if top >= limit {
                possibly += bin.count_at_value();
            }
        }
        (surely, possibly)
    }

    /// Every non-empty bin in ascending order: (upper end in nanoseconds, count).
    pub fn bins(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.inner.iter_recorded().map(|bin| (bin.value_iterated_to(), bin.count_at_value()))
    }

    /// The stored form: V2 encoding in base64.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut bytes = Vec::new();
        V2Serializer::new().serialize(&self.inner, &mut bytes).expect("writing to a Vec cannot fail");
        STANDARD.encode(bytes)
    }

    /// Reads the stored form back.
    ///
    /// # Errors
    /// [`DecodeError`] when the text is not base64, not V2, or of another shape.
    pub fn decode(text: &str) -> Result<Self, DecodeError> {
        let bytes = STANDARD.decode(text)?;
        let inner: hdrhistogram::Histogram<u64> =
            Deserializer::new().deserialize(&mut bytes.as_slice()).map_err(DecodeError::Format)?;
        if inner.low() != LOWEST_NS || inner.high() != HIGHEST_NS || inner.sigfig() != DIGITS {
            return Err(DecodeError::Shape);
        }
        Ok(Self { inner })
    }
}

impl Serialize for Histogram {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.encode())
    }
}

impl<'de> Deserialize<'de> for Histogram {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::decode(&text).map_err(serde::de::Error::custom)
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
        fn merged_halves_equal_the_whole(values in prop::collection::vec(0u64..4_000_000_000_000, 0..200), cut in 0usize..200) {
            let (left, right) = values.split_at(cut.min(values.len()));
            let mut merged = of(left);
            merged.merge(&of(right));
            prop_assert!(merged.bins().eq(of(&values).bins()));
        }

        #[test]
        fn a_value_is_kept_within_a_thousandth(value in LOWEST_NS * 2_000..HIGHEST_NS) {
            let kept = of(&[value]).quantile(0.5).unwrap();
            prop_assert!(kept >= value && (kept - value) as f64 <= value as f64 * 1e-3, "{} kept as {}", value, kept);
        }
    }
}
