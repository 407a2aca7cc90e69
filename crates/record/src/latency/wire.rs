//! The stored form of a histogram: HdrHistogram's V2 encoding, read and written without spreading it out.
//!
//! A spread-out histogram has 24,000 bins, and one of an interval holds a few dozen counts; an hour of a record has
//! more than a hundred thousand of them. So what was read keeps its encoded counts, and whoever wants the bins walks
//! over them. What the bytes mean is HdrHistogram's `V2` format: a header of 40 bytes, then one number per bin or
//! run of empty bins, zig-zag and LEB128 (at most 9 bytes). Which values share a bin is stated by `bin`; both are
//! proven against the `hdrhistogram` crate by tests, and so is what is read off the counts. Nothing is recorded here.

use super::{DIGITS, DecodeError, HIGHEST_NS, LOWEST_NS};

const COOKIE: u32 = 0x1c84_9313;
const HEADER: usize = 40;
/// Values below `LOWEST_NS` are not told apart beyond 2^9, the largest power of two below it.
const UNIT_BITS: u32 = LOWEST_NS.ilog2();
/// 3 digits need 2,000 steps per doubling, so 2,048; half of them are shared with the doubling below.
const HALF_BITS: u32 = 10;
const HALF: u32 = 1 << HALF_BITS;
/// The number of bins of the one shape.
const BINS: u32 = bins_up_to(HIGHEST_NS);

const fn bins_up_to(value: u64) -> u32 {
    let doublings = (value >> (UNIT_BITS + HALF_BITS + 1)).ilog2() + 2;
    (doublings + 1) * HALF
}

/// One non-empty bin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bin {
    /// The smallest value in it, in nanoseconds.
    pub(super) low: u64,
    /// The largest value in it.
    pub(super) high: u64,
    /// How many values were counted.
    pub(super) count: u64,
}

fn bin(index: u32, count: u64) -> Bin {
    let (doubling, step) = match index >> HALF_BITS {
        0 => (0, index),
        higher => (higher - 1, (index & (HALF - 1)) + HALF),
    };
    let low = u64::from(step) << (doubling + UNIT_BITS);
    Bin { low, high: low + (1 << (doubling + UNIT_BITS)) - 1, count }
}

/// The counts of a stored histogram: the bytes behind the header, checked.
#[derive(Clone, Debug, Default)]
pub(super) struct Stored {
    bytes: Box<[u8]>,
}

/// What an empty histogram is encoded as: a bin without a count.
const NOTHING: &[u8] = &[0];

impl Stored {
    /// Takes the counts out of a V2 encoding.
    pub(super) fn read(encoded: &[u8]) -> Result<Self, DecodeError> {
        let word = |at: usize| encoded.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map(u32::from_be_bytes);
        let long = |at: usize| encoded.get(at..at + 8).and_then(|bytes| bytes.try_into().ok()).map(u64::from_be_bytes);
        if word(0) != Some(COOKIE) || word(8) != Some(0) || long(32).map(f64::from_bits) != Some(1.0) {
            return Err(DecodeError::Format("its header is another one"));
        }
        if (word(12), long(16), long(24)) != (Some(u32::from(DIGITS)), Some(LOWEST_NS), Some(HIGHEST_NS)) {
            return Err(DecodeError::Shape);
        }
        let length = word(4).map_or(usize::MAX, |length| length as usize);
        let counts = encoded.get(HEADER..).and_then(|rest| rest.get(..length));
        let stored = Self { bytes: counts.ok_or(DecodeError::Format("it ends too early"))?.into() };
        stored.check()?;
        Ok(stored)
    }

    /// The V2 encoding of non-empty bins in ascending order.
    pub(super) fn encode(&self) -> Vec<u8> {
        let counts = if self.bytes.is_empty() { NOTHING } else { &self.bytes };
        let mut encoded = Vec::with_capacity(HEADER + counts.len());
        let length = u32::try_from(counts.len()).expect("every bin takes at most 9 bytes");
        for word in [COOKIE, length, 0, u32::from(DIGITS)] {
            encoded.extend(word.to_be_bytes());
        }
        for long in [LOWEST_NS, HIGHEST_NS, 1.0_f64.to_bits()] {
            encoded.extend(long.to_be_bytes());
        }
        encoded.extend(counts);
        encoded
    }

    /// Every non-empty bin in ascending order.
    pub(super) fn bins(&self) -> impl Iterator<Item = Bin> + '_ {
        let mut at = 0;
        Numbers(&self.bytes).filter_map(move |number| {
            // Checked when it was read: the index stays within the bins.
            let skipped = if number < 0 { number.unsigned_abs() } else { 1 };
            let index = at;
            at += skipped as u32;
            (number > 0).then(|| bin(index, number.unsigned_abs()))
        })
    }

    /// How many values were counted.
    pub(super) fn count(&self) -> u64 {
        self.bins().map(|bin| bin.count).sum()
    }

    /// As the crate has it: the first bin at which so many were counted; its upper end, for `q` = 0 its lower end.
    pub(super) fn quantile(&self, q: f64) -> u64 {
        let wanted = ((q.min(1.0) * self.count() as f64).ceil() as u64).max(1);
        let mut seen = 0;
        let found = self.bins().find(|bin| {
            seen += bin.count;
            seen >= wanted
        });
        found.map_or(0, |bin| if q == 0.0 { bin.low } else { bin.high })
    }

    /// As the crate has it: each value counts as the middle of its bin.
    pub(super) fn mean(&self) -> f64 {
        let all = self.count() as f64;
        let middle = |bin: &Bin| bin.low + (bin.high - bin.low).div_ceil(2);
        self.bins().fold(0.0, |sum, bin| sum + middle(&bin) as f64 * bin.count as f64 / all)
    }

    fn check(&self) -> Result<(), DecodeError> {
        let mut at = 0_u64;
        let mut numbers = Numbers(&self.bytes);
        for number in numbers.by_ref() {
            at = at.saturating_add(if number < 0 { number.unsigned_abs() } else { 1 });
            if at > u64::from(BINS) {
                return Err(DecodeError::Format("it has more bins than its range"));
            }
        }
        if numbers.0.is_empty() { Ok(()) } else { Err(DecodeError::Format("its last number is cut off")) }
    }
}

/// The zig-zag LEB128 numbers of a stored histogram. Ends before a number that is cut off.
struct Numbers<'a>(&'a [u8]);

impl Iterator for Numbers<'_> {
    type Item = i64;

    #[inline]
    fn next(&mut self) -> Option<i64> {
        let mut number = 0_u64;
        for (place, byte) in self.0.iter().take(9).enumerate() {
            let last = place == 8;
            number |= u64::from(if last { *byte } else { byte & 0x7f }) << (7 * place);
            if last || byte & 0x80 == 0 {
                self.0 = &self.0[place + 1..];
                return Some((number >> 1).cast_signed() ^ -(number & 1).cast_signed());
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use hdrhistogram::serialization::{Deserializer, Serializer, V2Serializer};
    use proptest::prelude::*;

    use super::super::{Dense, empty};
    use super::*;

    fn encoded(dense: &Dense) -> Vec<u8> {
        let mut bytes = Vec::new();
        V2Serializer::new().serialize(dense, &mut bytes).unwrap();
        bytes
    }

    /// What the crate says the bins are.
    fn bins(dense: &Dense) -> Vec<Bin> {
        let bin =
            |value, count| Bin { low: dense.lowest_equivalent(value), high: dense.highest_equivalent(value), count };
        dense.iter_recorded().map(|each| bin(each.value_iterated_to(), each.count_at_value())).collect()
    }

    #[test]
    fn every_bin_of_the_range_has_the_bounds_that_the_crate_gives_it() {
        let dense = empty();
        assert_eq!(BINS as usize, dense.distinct_values());
        for index in 0..BINS {
            let bin = bin(index, 1);
            assert_eq!((dense.lowest_equivalent(bin.low), dense.highest_equivalent(bin.low)), (bin.low, bin.high));
        }
    }

    #[test]
    fn what_is_cut_off_or_goes_beyond_the_range_is_refused() {
        let mut dense = empty();
        dense.saturating_record_n(5_000_000, 1_000_000);
        let whole = encoded(&dense);
        assert!(Stored::read(&whole).is_ok());
        assert!(matches!(Stored::read(&whole[..whole.len() - 1]), Err(DecodeError::Format(_))));
        assert!(matches!(Stored::read(&whole[..20]), Err(DecodeError::Format(_) | DecodeError::Shape)));
        let mut torn = whole.clone();
        *torn.last_mut().unwrap() |= 0x80;
        assert!(matches!(Stored::read(&torn), Err(DecodeError::Format(_))));
        let mut far = whole[..HEADER].to_vec();
        far[7] = 4;
        // Zig-zag of -200,000: that many empty bins.
        far.extend([0xff, 0xb4, 0x18, 0x02]);
        assert!(matches!(Stored::read(&far), Err(DecodeError::Format(_))));
    }

    proptest! {
        #[test]
        fn the_crate_and_this_file_read_and_write_the_same(
            values in prop::collection::vec((0u64..4_000_000_000_000, 1u64..u64::from(u32::MAX)), 0..100)
        ) {
            let mut dense = empty();
            values.iter().for_each(|(value, n)| dense.saturating_record_n(*value, *n));
            let bytes = encoded(&dense);
            let stored = Stored::read(&bytes).unwrap();
            prop_assert_eq!(stored.bins().collect::<Vec<_>>(), bins(&dense));
            prop_assert_eq!(stored.encode(), bytes);
            let back: Dense = Deserializer::new().deserialize(&mut stored.encode().as_slice()).unwrap();
            prop_assert_eq!(back, dense);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let mut whole = encoded(&empty())[..HEADER].to_vec();
            whole[4..8].copy_from_slice(&u32::try_from(bytes.len()).unwrap().to_be_bytes());
            whole.extend(&bytes);
            if let Ok(stored) = Stored::read(&whole) {
                prop_assert!(stored.bins().all(|bin| bin.count > 0));
            }
        }
    }
}
