//! Random values of holes: whole numbers, choices, UUIDs, texts.
//!
//! Each value is a pure function of a stream of draws. Which stream, and when it is drawn anew, is the visit's affair.

use std::sync::Arc;

use bytes::BufMut;
use plimsoll_plan::Random;
use serde_json::Value;

use crate::draw::Draws;

const LETTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const HEX: &[u8; 16] = b"0123456789abcdef";

/// What is drawn.
#[derive(Clone, Debug)]
pub(crate) enum Drawn {
    /// A whole number, both ends included.
    Integer { min: i64, max: i64 },
    /// One of these words.
    Choice(Arc<[String]>),
    /// A random UUID (RFC 9562, version 4).
    Uuid,
    /// So many letters and digits.
    Text(u16),
}

impl Drawn {
    pub(crate) fn new(random: &Random) -> Self {
        match random {
            Random::Integer { min, max } => Self::Integer { min: *min, max: *max },
            Random::Choice(words) => Self::Choice(words.as_slice().into()),
            Random::Uuid => Self::Uuid,
            Random::Text(length) => Self::Text(length.get()),
        }
    }

    /// True when the value is made of letters, digits and hyphens, which mean nothing anywhere.
    pub(crate) fn is_plain(&self) -> bool {
        !matches!(self, Self::Choice(_))
    }

    /// The value of this stream.
    pub(crate) fn value(&self, draws: Draws) -> Value {
        if let Self::Integer { min, max } = self {
            return Value::from(integer(*min, *max, draws));
        }
        let mut text = Vec::new();
        self.write(draws, &mut text);
        Value::String(String::from_utf8_lossy(&text).into_owned())
    }

    /// The same as text, behind what `out` holds.
    pub(crate) fn write(&self, draws: Draws, out: &mut impl BufMut) {
        match self {
            Self::Integer { min, max } => out.put_slice(integer(*min, *max, draws).to_string().as_bytes()),
            Self::Choice(words) => out.put_slice(choice(words, draws).as_bytes()),
            Self::Uuid => put_uuid(draws, out),
            Self::Text(length) => put_letters(draws, *length, out),
        }
    }
}

/// Evenly from `0..count`, to within 2^-64: the upper part of a 128-bit fraction times the count.
pub(crate) fn below(count: u64, draws: Draws) -> u64 {
    let (high, low) = (u128::from(draws.bits(0)), u128::from(draws.bits(1)));
    let count = u128::from(count);
    ((high * count + ((low * count) >> 64)) >> 64) as u64
}

fn integer(min: i64, max: i64, draws: Draws) -> i64 {
    let offset = match max.abs_diff(min).checked_add(1) {
        Some(count) => below(count, draws),
        None => draws.bits(0),
    };
    min.min(max).wrapping_add_unsigned(offset)
}

fn choice(words: &[String], draws: Draws) -> &str {
    let index = below(words.len() as u64, draws);
    words.get(index as usize).map_or("", String::as_str)
}

fn put_uuid(draws: Draws, out: &mut impl BufMut) {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&draws.bits(0).to_be_bytes());
    bytes[8..].copy_from_slice(&draws.bits(1).to_be_bytes());
    bytes[6] = bytes[6] & 0x0F | 0x40;
    bytes[8] = bytes[8] & 0x3F | 0x80;
    for (index, byte) in bytes.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            out.put_u8(b'-');
        }
        out.put_slice(&[HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
    }
}

/// Ten letters of each draw: 62^10 is well below 2^64.
pub(crate) fn put_letters(draws: Draws, length: u16, out: &mut impl BufMut) {
    let mut bits = 0;
    for index in 0..length {
        if index % 10 == 0 {
            bits = draws.bits(u64::from(index / 10));
        }
        out.put_u8(LETTERS[(bits % 62) as usize]);
        bits /= 62;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::num::NonZeroU16;

    fn text(random: &Random, stream: u64) -> String {
        match Drawn::new(random).value(Draws::new(7, stream)) {
            Value::String(text) => text,
            value => value.to_string(),
        }
    }

    #[test]
    fn a_uuid_is_random_and_of_version_4() {
        let uuid = text(&Random::Uuid, 1);
        let parts: Vec<usize> = uuid.split('-').map(str::len).collect();
        assert_eq!(parts, [8, 4, 4, 4, 12], "{uuid}");
        assert!(uuid[14..].starts_with('4') && uuid[19..].starts_with(['8', '9', 'a', 'b']), "{uuid}");
        assert_ne!(uuid, text(&Random::Uuid, 2));
    }

    #[test]
    fn every_value_comes_about_as_often() {
        let words: Vec<String> = ["a", "b", "c"].map(str::to_owned).to_vec();
        let mut counts = [0.0_f64; 3];
        for stream in 0..30_000 {
            let word = text(&Random::Choice(words.clone()), stream);
            counts[words.iter().position(|known| *known == word).unwrap()] += 1.0;
        }
        // Six standard deviations of a binomial count.
        assert!(counts.iter().all(|count| (count - 10_000.0).abs() < 490.0), "{counts:?}");
    }

    proptest! {
        #[test]
        fn whole_numbers_stay_between_their_ends(a: i64, b: i64, stream: u64) {
            let (min, max) = (a.min(b), a.max(b));
            let drawn = Drawn::new(&Random::Integer { min, max }).value(Draws::new(1, stream)).as_i64().unwrap();
            prop_assert!((min..=max).contains(&drawn));
        }

        #[test]
        fn text_has_its_length_and_letters_only(length in 1u16..500, stream: u64) {
            let drawn = text(&Random::Text(NonZeroU16::new(length).unwrap()), stream);
            prop_assert_eq!(drawn.len(), usize::from(length));
            prop_assert!(drawn.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        }
    }
}
