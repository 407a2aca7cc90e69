//! How text is written where it stands: percent-encoding, JSON escapes, form encoding, or as it is.

use bytes::{BufMut, BytesMut};

/// Where a text stands, which decides how values are escaped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Path and query of a request.
    Path,
    /// A header's value.
    Header,
    /// A body that is not JSON, or a text for later.
    Plain,
    /// A JSON body; values stand inside its strings.
    Json,
    /// A field of a form (`application/x-www-form-urlencoded`), of which nothing is encoded yet.
    Field,
}

impl Place {
    /// Plain text of the plan: kept, but for characters that cannot stand in a request line.
    pub(super) fn put_literal(self, text: &str, out: &mut BytesMut) {
        match self {
            Self::Path => {
                put_percent(text, out, |byte| byte.is_ascii_graphic() && !br#""<>\^`{|}"#.contains(&byte));
            }
            Self::Field => put_field(text, out),
            Self::Header | Self::Plain | Self::Json => out.extend_from_slice(text.as_bytes()),
        }
    }

    /// A configured value: in a path it may be several segments or a query.
    pub(super) fn put_configured(self, text: &str, out: &mut BytesMut) {
        match self {
            Self::Path | Self::Header | Self::Plain => self.put_literal(text, out),
            Self::Json | Self::Field => self.put(text, out),
        }
    }

    /// A value: data, never syntax.
    pub(super) fn put(self, text: &str, out: &mut BytesMut) {
        match self {
            Self::Path => put_percent(text, out, is_unreserved),
            Self::Header | Self::Plain => out.extend_from_slice(text.as_bytes()),
            Self::Json => put_json_text(text, out),
            Self::Field => put_field(text, out),
        }
    }

    /// True when a value can stand here at all. Control characters would end a header.
    pub(super) fn can_hold(self, text: &str) -> bool {
        self != Self::Header || text.bytes().all(|byte| byte == b'\t' || !byte.is_ascii_control())
    }
}

/// What a URL never means anything special by (RFC 3986, section 2.3).
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

fn put_percent(text: &str, out: &mut BytesMut, keep: impl Fn(u8) -> bool) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in text.bytes() {
        if keep(byte) {
            out.put_u8(byte);
        } else {
            out.put_slice(&[b'%', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
        }
    }
}

/// As browsers encode forms: a space is a plus.
fn put_field(text: &str, out: &mut BytesMut) {
    for (index, word) in text.split(' ').enumerate() {
        if index > 0 {
            out.put_u8(b'+');
        }
        put_percent(word, out, |byte| byte.is_ascii_alphanumeric() || b"*-._".contains(&byte));
    }
}

/// Escapes what RFC 8259, section 7, demands inside a string.
fn put_json_text(text: &str, out: &mut BytesMut) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => out.put_slice(&[b'\\', byte]),
            0..0x20 => {
                out.put_slice(b"\\u00");
                out.put_slice(&[HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
            }
            byte => out.put_u8(byte),
        }
    }
}

/// In decimal.
pub(super) fn put_number(out: &mut BytesMut, mut number: u64) {
    let mut digits = [0u8; 20];
    let mut first = digits.len();
    loop {
        first -= 1;
        digits[first] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.put_slice(&digits[first..]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn numbers_are_written_as_people_write_them(number: u64) {
            let mut out = BytesMut::new();
            put_number(&mut out, number);
            let expected = number.to_string();
            prop_assert_eq!(out.as_ref(), expected.as_bytes());
        }
    }
}
