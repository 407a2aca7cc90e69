//! Decompression of bodies: `gzip` and `deflate` (RFC 9110, section 8.4), `br` (RFC 7932) and `zstd` (RFC 8878), each
//! with a limit on what comes out.
//!
//! A small body may become a huge one, so reading stops at the limit, and no memory is reserved beforehand.

use std::io::Read;

use bytes::Bytes;
use flate2::bufread::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use hyper::header::{CONTENT_ENCODING, HeaderMap};

use super::BodyFault;

/// More layers than this are a riddle, not an encoding.
const MOST_LAYERS: usize = 4;
/// The largest window that a sender of `zstd` may ask for, as a power of two: 8 MiB (RFC 9659).
const ZSTD_WINDOW: u32 = 23;
/// What is read of `br` at once.
const BUFFER: usize = 4096;

/// The body as it was before it was encoded. An empty one, as of a HEAD request, is empty in every encoding.
pub(super) fn decode(headers: &HeaderMap, raw: &Bytes, most: usize) -> Result<Bytes, BodyFault> {
    if raw.is_empty() || !headers.contains_key(CONTENT_ENCODING) {
        return Ok(raw.clone());
    }
    let mut layers = Vec::new();
    for value in headers.get_all(CONTENT_ENCODING) {
        let list = value.to_str().map_err(|_| BodyFault::BadEncoding)?;
        layers.extend(list.split(',').map(str::trim).filter(|word| !word.is_empty() && !is(word, "identity")));
    }
    if layers.len() > MOST_LAYERS {
        return Err(BodyFault::BadEncoding);
    }
    // They are listed in the order in which they were applied.
    layers.into_iter().rev().try_fold(raw.clone(), |body, word| peel(word, &body, most))
}

fn is(word: &str, coding: &str) -> bool {
    word.eq_ignore_ascii_case(coding)
}

fn peel(word: &str, body: &[u8], most: usize) -> Result<Bytes, BodyFault> {
    if is(word, "gzip") || is(word, "x-gzip") {
        read(MultiGzDecoder::new(body), most)
    } else if is(word, "deflate") && is_zlib(body) {
        read(ZlibDecoder::new(body), most)
    } else if is(word, "deflate") {
        // Some servers leave the zlib wrapper out, which RFC 9110 (section 8.4.1.2) mentions.
        read(DeflateDecoder::new(body), most)
    } else if is(word, "br") {
        read(brotli_decompressor::Decompressor::new(body, BUFFER), most)
    } else if is(word, "zstd") {
        read(zstd(body).map_err(|_| BodyFault::BadEncoding)?, most)
    } else {
        Err(BodyFault::BadEncoding)
    }
}

fn zstd(body: &[u8]) -> std::io::Result<zstd::Decoder<'_, &[u8]>> {
    let mut decoder = zstd::Decoder::with_buffer(body)?;
    decoder.window_log_max(ZSTD_WINDOW)?;
    Ok(decoder)
}

/// True for the header of RFC 1950, section 2.2.
fn is_zlib(body: &[u8]) -> bool {
    let &[method, flags, ..] = body else { return false };
    method & 0x0F == 8 && u16::from_be_bytes([method, flags]).is_multiple_of(31)
}

fn read(decoder: impl Read, most: usize) -> Result<Bytes, BodyFault> {
    let mut out = Vec::new();
    let read = decoder.take(most as u64 + 1).read_to_end(&mut out);
    match read {
        _ if out.len() > most => Err(BodyFault::TooLarge),
        Ok(_) => Ok(out.into()),
        Err(_) => Err(BodyFault::BadEncoding),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::MAX_BODY;
    use flate2::Compression;
    use flate2::read::{DeflateEncoder, GzEncoder, ZlibEncoder};
    use hyper::header::HeaderValue;
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    fn all(mut from: impl Read) -> Bytes {
        let mut out = Vec::new();
        from.read_to_end(&mut out).unwrap();
        out.into()
    }

    fn gzip(body: &[u8]) -> Bytes {
        all(GzEncoder::new(body, Compression::fast()))
    }

    /// `hello hello hello`, as the reference encoder writes it.
    const HELLO_BR: &[u8] = &[
        0x1B, 0x10, 0x00, 0xF8, 0x8D, 0x94, 0x6E, 0xDE, 0x44, 0x55, 0x86, 0x96, 0x6C, 0x20, 0x6F, 0x01, 0x4F, 0x1C,
        0x60, 0x1C,
    ];

    fn zstd_of(body: &[u8]) -> Bytes {
        zstd::encode_all(body, 1).unwrap().into()
    }

    fn decoded(encoding: &str, raw: &Bytes) -> Result<Bytes, BodyFault> {
        let values = encoding.split('+').map(|line| (CONTENT_ENCODING, HeaderValue::from_str(line).unwrap()));
        decode(&HeaderMap::from_iter(values), raw, MAX_BODY)
    }

    #[test]
    fn what_a_server_may_send_is_read() {
        let text = Bytes::from_static(b"hello hello hello");
        assert_eq!(decoded("gzip", &gzip(&text)).as_ref(), Ok(&text));
        assert_eq!(decoded("X-GZip", &gzip(&text)).as_ref(), Ok(&text));
        assert_eq!(decoded("deflate", &all(ZlibEncoder::new(&text[..], Compression::fast()))).as_ref(), Ok(&text));
        assert_eq!(decoded("deflate", &all(DeflateEncoder::new(&text[..], Compression::fast()))).as_ref(), Ok(&text));
        assert_eq!(decoded("identity", &text).as_ref(), Ok(&text));
        assert_eq!(decoded("gzip", &Bytes::new()), Ok(Bytes::new()), "as of a HEAD request");
        assert_eq!(decoded("br", &Bytes::from_static(HELLO_BR)).as_ref(), Ok(&text));
        assert_eq!(decoded("zstd", &zstd_of(&text)).as_ref(), Ok(&text));
        let twice = [gzip(b"a"), gzip(b"b")].concat();
        assert_eq!(decoded("gzip", &twice.into()), Ok("ab".into()), "members follow one another (RFC 1952)");
    }

    #[test]
    fn layers_come_off_in_reverse_order() {
        let inner = all(ZlibEncoder::new(&b"text"[..], Compression::fast()));
        assert_eq!(decoded("deflate, gzip", &gzip(&inner)), Ok("text".into()));
        assert_eq!(decoded("deflate+gzip", &gzip(&inner)), Ok("text".into()), "also on lines of their own");
        assert_eq!(decoded("gzip, deflate", &gzip(&inner)), Err(BodyFault::BadEncoding));
        assert_eq!(decoded("gzip,gzip,gzip,gzip,gzip", &gzip(b"x")), Err(BodyFault::BadEncoding));
    }

    #[test]
    fn a_body_that_breaks_off_or_is_no_such_thing_is_badly_encoded() {
        let whole = gzip(&[b'x'; 5_000]);
        assert_eq!(decoded("gzip", &whole.slice(..whole.len() / 2)), Err(BodyFault::BadEncoding));
        assert_eq!(
            decoded("gzip", &whole.slice(..whole.len() - 3)),
            Err(BodyFault::BadEncoding),
            "within its checksum"
        );
        let mut damaged = whole.to_vec();
        let checksum = damaged.len() - 6;
        damaged[checksum] ^= 1;
        assert_eq!(decoded("gzip", &damaged.into()), Err(BodyFault::BadEncoding));
        assert_eq!(decoded("gzip", &"plain text".into()), Err(BodyFault::BadEncoding));
        for other in ["br", "zstd", "gzip, br", "nonsense"] {
            assert_eq!(decoded(other, &whole), Err(BodyFault::BadEncoding), "{other}");
        }
        for (name, whole) in [("br", Bytes::from_static(HELLO_BR)), ("zstd", zstd_of(b"hello hello hello"))] {
            assert_eq!(decoded(name, &whole.slice(..whole.len() - 2)), Err(BodyFault::BadEncoding), "{name} cut off");
        }
    }

    #[test]
    fn a_small_body_that_becomes_a_huge_one_is_too_large() {
        let bomb = all(GzEncoder::new(std::io::repeat(0).take(200_000_000), Compression::best()));
        assert!(bomb.len() < 300_000, "{}", bomb.len());
        assert_eq!(decoded("gzip", &bomb), Err(BodyFault::TooLarge));
        let doubled = gzip(&bomb);
        assert_eq!(decoded("gzip, gzip", &doubled), Err(BodyFault::TooLarge));
        assert!(decoded("gzip", &gzip(&vec![0; MAX_BODY])).is_ok());
        assert_eq!(decoded("gzip", &gzip(&vec![0; MAX_BODY + 1])), Err(BodyFault::TooLarge));
        assert_eq!(decoded("zstd", &zstd_of(&vec![0; MAX_BODY + 1])), Err(BodyFault::TooLarge));
        assert!(decoded("zstd", &zstd_of(&vec![0; MAX_BODY])).is_ok());
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default() })]

        #[test]
        fn what_was_compressed_comes_back_unless_it_is_beyond_the_limit(body: Vec<u8>, most in 0usize..200) {
            let headers = HeaderMap::from_iter([(CONTENT_ENCODING, HeaderValue::from_static("gzip"))]);
            let expected = if body.len() <= most { Ok(Bytes::from(body.clone())) } else { Err(BodyFault::TooLarge) };
            prop_assert_eq!(decode(&headers, &gzip(&body), most), expected);
        }

        #[test]
        fn whatever_bytes_come_the_limit_holds(mut bytes: Vec<u8>) {
            // Behind a valid header of zlib, so that more than the first two bytes are read.
            bytes.splice(0..0, [0x78, 0x9C]);
            let headers = HeaderMap::from_iter([(CONTENT_ENCODING, HeaderValue::from_static("deflate"))]);
            let length = decode(&headers, &bytes.into(), 10).map(|body| body.len());
            prop_assert!(length.is_err() || length.is_ok_and(|length| length <= 10), "{:?}", length);
        }
    }
}
