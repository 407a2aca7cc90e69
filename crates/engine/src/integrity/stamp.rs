//! The value that is written: which key it is for, the how-manieth write of it, and a checksum over all of it.
//!
//! `pl:RUN/KEY/SEQUENCE/CHECKSUM/LENGTH/` and then so many bytes of a payload. All of it are letters, digits and
//! `:` `/`, so it may stand in JSON, SQL, a URL's query or a field of a hash. Other runs' values are nobody's.

use bytes::{BufMut, BytesMut};

const MARK: &[u8] = b"pl:";
/// The longest head: a mark, four numbers in hexadecimal and decimal, five separators.
const LONGEST_HEAD: usize = 80;

/// What a value says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) key: u64,
    /// Which write of the key it is, from 1.
    pub(super) sequence: u32,
}

/// What was found in a reply.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// Values of this run whose checksum holds, in their order.
    pub(super) sound: Vec<Stamp>,
    /// Values of this run that are not as they were written.
    pub(super) damaged: usize,
}

/// Writes a value behind what `out` holds.
pub(super) fn write(out: &mut BytesMut, run: u32, stamp: Stamp, payload: &[u8]) {
    let Stamp { key, sequence } = stamp;
    let checksum = checksum(run, stamp, payload);
    out.put_slice(format!("pl:{run:08x}/{key}/{sequence}/{checksum:08x}/{}/", payload.len()).as_bytes());
    out.put_slice(payload);
}

/// All values in a reply.
pub(super) fn find(body: &[u8], run: u32) -> Found {
    let (mut found, mut rest) = (Found::default(), body);
    while let Some(at) = position(rest, MARK) {
        rest = &rest[at + MARK.len()..];
        let Some(head) = Head::read(rest).filter(|head| head.run == run) else { continue };
        let content = rest.get(head.bytes..head.bytes.saturating_add(head.length));
        match content {
            Some(content) if checksum(run, head.stamp, content) == head.checksum => {
                found.sound.push(head.stamp);
                rest = &rest[head.bytes + head.length..];
            }
            _ => found.damaged += 1,
        }
    }
    found
}

struct Head {
    run: u32,
    stamp: Stamp,
    checksum: u32,
    length: usize,
    /// How long it is itself.
    bytes: usize,
}

impl Head {
    fn read(text: &[u8]) -> Option<Self> {
        let text = &text[..text.len().min(LONGEST_HEAD)];
        let mut bytes = 0;
        let mut field = || {
            let length = text[bytes..].iter().position(|byte| *byte == b'/')?;
            let field = std::str::from_utf8(&text[bytes..bytes + length]).ok()?;
            bytes += length + 1;
            Some(field)
        };
        let run = u32::from_str_radix(field()?, 16).ok()?;
        let stamp = Stamp { key: field()?.parse().ok()?, sequence: field()?.parse().ok()? };
        let checksum = u32::from_str_radix(field()?, 16).ok()?;
        let length = field()?.parse().ok()?;
        Some(Self { run, stamp, checksum, length, bytes })
    }
}

/// CRC-32 (ISO-HDLC): an error burst of up to 32 bits is always noticed, any other with all but 1 in 4 thousand million.
fn checksum(run: u32, stamp: Stamp, payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&run.to_le_bytes());
    hasher.update(&stamp.key.to_le_bytes());
    hasher.update(&stamp.sequence.to_le_bytes());
    hasher.update(payload);
    hasher.finalize()
}

fn position(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RUN: u32 = 0xfeed;

    fn value(stamp: Stamp, payload: &[u8]) -> Vec<u8> {
        let mut out = BytesMut::new();
        write(&mut out, RUN, stamp, payload);
        out.to_vec()
    }

    proptest! {
        #[test]
        fn a_value_is_found_wherever_it_stands(
            key in any::<u64>(), sequence in 1u32.., payload in "[a-z0-9]{0,60}", before in "(?s).{0,20}", after in "(?s).{0,20}",
        ) {
            let stamp = Stamp { key, sequence };
            let mut body = before.into_bytes();
            prop_assume!(!body.ends_with(b"p") && !body.ends_with(b"pl"));
            body.extend(value(stamp, payload.as_bytes()));
            body.extend(after.bytes());
            prop_assert_eq!(find(&body, RUN), Found { sound: vec![stamp], damaged: 0 });
            prop_assert_eq!(find(&body, RUN + 1), Found::default(), "another run's value is nobody's");
        }

        #[test]
        fn one_changed_byte_of_the_content_is_noticed(at in any::<prop::sample::Index>(), by in 1u8..) {
            let payload = vec![b'x'; 40];
            let mut body = value(Stamp { key: 7, sequence: 3 }, &payload);
            let content = body.len() - payload.len();
            let place = content + at.index(payload.len());
            body[place] = body[place].wrapping_add(by);
            prop_assert_eq!(find(&body, RUN), Found { sound: vec![], damaged: 1 });
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = find(&[b"pl:", body.as_slice()].concat(), RUN);
        }
    }

    #[test]
    fn a_value_that_was_cut_off_is_damaged_and_a_list_has_all_of_its_values() {
        let (one, two) = (Stamp { key: 1, sequence: 1 }, Stamp { key: 1, sequence: 2 });
        let cut = &value(one, b"abcdef")[..];
        assert_eq!(find(&cut[..cut.len() - 1], RUN), Found { sound: vec![], damaged: 1 });
        let list = [value(one, b""), b"\",\"".to_vec(), value(two, b"x")].concat();
        assert_eq!(find(&list, RUN), Found { sound: vec![one, two], damaged: 0 });
    }
}
