//! Payloads: content of a given size, made once per plan, handed out without a copy.
//!
//! A few of each size are made from the seed before the load starts; a user takes one of them by chance, which costs
//! a draw and a reference count, whatever its size.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use bytes::{BufMut, Bytes, BytesMut};
use plimsoll_plan::{Payload, Plan, Shape};

use crate::draw::Draws;
use crate::random::{below, put_letters};
use crate::visit::Visit;

/// What payloads are made of, apart from all other draws.
const PAYLOADS: u64 = 0x7061_796c_6f61;
/// So many bytes of each size are kept, in at least [`FEWEST`] and at most [`MOST`] variants.
const KEPT: u64 = 8_000_000;
const FEWEST: u64 = 2;
const MOST: u64 = 64;
/// What a compressor leaves out comes in blocks of this size: larger than what the formats need to notice a repetition.
const BLOCK: usize = 64;
/// A JSON payload has at least this much around its text.
const LEAST_JSON: u64 = 48;

/// One payload of the plan, in all its sizes.
#[derive(Debug)]
pub(crate) struct Contents {
    payload: Payload,
    draws: Draws,
    /// By the phase: which of the sizes it has.
    by_phase: Box<[u16]>,
    sizes: Box<[Size]>,
}

#[derive(Debug)]
struct Size {
    bytes: u64,
    variants: OnceLock<Box<[Bytes]>>,
}

impl Contents {
    /// All payloads of a plan. Nothing is made yet.
    pub(crate) fn of(plan: &Plan) -> Vec<Arc<Self>> {
        let draws = Draws::new(plan.seed, PAYLOADS);
        let phases: Vec<&str> = plan.phases.iter().map(|phase| phase.name.as_str()).collect();
        let one = |(index, payload): (u64, &Payload)| Arc::new(Self::new(payload, draws.of(index), &phases));
        (0..).zip(&plan.payloads).map(one).collect()
    }

    fn new(payload: &Payload, draws: Draws, phases: &[&str]) -> Self {
        let wanted: Vec<u64> = phases.iter().map(|phase| payload.bytes_in(phase).get()).collect();
        let places: BTreeMap<u64, u16> =
            wanted.iter().copied().collect::<std::collections::BTreeSet<_>>().into_iter().zip(0..).collect();
        let sizes = places.keys().map(|bytes| Size { bytes: *bytes, variants: OnceLock::new() }).collect();
        let by_phase = wanted.iter().map(|bytes| places[bytes]).collect();
        Self { payload: payload.clone(), draws, by_phase, sizes }
    }

    /// The name in the plan.
    pub(crate) fn name(&self) -> &str {
        &self.payload.name
    }

    /// True when it is letters and digits, which mean nothing anywhere.
    pub(crate) fn is_plain(&self) -> bool {
        self.payload.shape == Shape::Text
    }

    /// Makes everything now, so that no arrival waits for it.
    pub(crate) fn make(&self) {
        for size in &self.sizes {
            self.variants(size);
        }
    }

    /// Content for a visit: drawn anew each time.
    pub(crate) fn content(&self, visit: &Visit) -> Bytes {
        let place = self.by_phase.get(usize::from(visit.iteration.phase)).copied().unwrap_or(0);
        let variants = self.variants(&self.sizes[usize::from(place)]);
        variants[below(variants.len() as u64, visit.draw()) as usize].clone()
    }

    fn variants<'s>(&'s self, size: &'s Size) -> &'s [Bytes] {
        let make = || {
            let count = (KEPT / size.bytes.max(1)).clamp(FEWEST, MOST);
            (0..count).map(|number| self.variant(size.bytes, self.draws.of(size.bytes).of(number))).collect()
        };
        size.variants.get_or_init(make)
    }

    fn variant(&self, bytes: u64, draws: Draws) -> Bytes {
        let length = bytes as usize;
        let mut out = BytesMut::with_capacity(length);
        match self.payload.shape {
            Shape::Json if bytes >= LEAST_JSON => {
                let id = draws.bits(u64::MAX);
                out.put_slice(format!("{{\"id\":\"{id:016x}\",\"step\":{},\"state\":\"", id % 10).as_bytes());
                let text = length - out.len() - 2;
                put_text(draws, text, self.payload.compressible, &mut out);
                out.put_slice(b"\"}");
            }
            Shape::Json | Shape::Text => put_text(draws, length, self.payload.compressible, &mut out),
            Shape::Bytes => put_bytes(draws, length, self.payload.compressible, &mut out),
        }
        out.freeze()
    }
}

/// Letters and digits, of which a part repeats.
fn put_text(draws: Draws, length: usize, compressible: f64, out: &mut BytesMut) {
    in_blocks(length, compressible, |block, size, repeats| {
        if repeats {
            out.put_bytes(b'x', size);
        } else {
            put_letters(draws.of(block), size as u16, out);
        }
    });
}

fn put_bytes(draws: Draws, length: usize, compressible: f64, out: &mut BytesMut) {
    in_blocks(length, compressible, |block, size, repeats| {
        if repeats {
            out.put_bytes(0, size);
        } else {
            let draws = draws.of(block);
            let words = (0..).flat_map(|number| draws.bits(number).to_le_bytes());
            out.extend(words.take(size));
        }
    });
}

/// Goes along the blocks and tells for each whether it repeats, so that as much as wanted does, evenly spread.
fn in_blocks(length: usize, compressible: f64, mut each: impl FnMut(u64, usize, bool)) {
    let (mut at, mut owed) = (0, 0.0);
    for block in 0.. {
        if at == length {
            return;
        }
        let size = BLOCK.min(length - at);
        owed += compressible;
        let repeats = owed >= 1.0;
        owed -= f64::from(u8::from(repeats));
        each(block, size, repeats);
        at += size;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::plan_for;
    use crate::visit::{Iteration, Origin};
    use std::io::Write;
    use std::num::NonZeroU64;

    fn payload(bytes: u64, compressible: f64, shape: Shape) -> Payload {
        let bytes = NonZeroU64::new(bytes).unwrap();
        Payload { name: "state".to_owned(), bytes, by_phase: Vec::new(), compressible, shape }
    }

    fn contents(payload: Payload) -> Arc<Contents> {
        let mut plan = plan_for("http://localhost:1");
        plan.payloads = vec![payload];
        Contents::of(&plan).remove(0)
    }

    fn visit(phase: u16) -> Visit {
        Origin::new(1, false).visit(Iteration { user: 1, phase, number: 1, ordinal: 0 })
    }

    fn packed(content: &[u8]) -> usize {
        let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap().len()
    }

    #[test]
    fn content_has_exactly_its_size_and_is_the_same_in_every_run() {
        for shape in [Shape::Text, Shape::Json, Shape::Bytes] {
            for bytes in [1, 47, 48, 63, 64, 65, 1_000, 100_003] {
                let content = contents(payload(bytes, 0.3, shape)).content(&visit(0));
                assert_eq!(content.len() as u64, bytes, "{shape:?}");
                assert_eq!(content, contents(payload(bytes, 0.3, shape)).content(&visit(0)));
            }
        }
    }

    #[test]
    fn as_much_can_be_left_out_as_the_plan_says() {
        for (shape, dense) in [(Shape::Bytes, 1.0), (Shape::Text, 0.75)] {
            for share in [0.0, 0.5, 0.9, 1.0] {
                let content = contents(payload(1_000_000, share, shape)).content(&visit(0));
                let (left, expected) = (packed(&content) as f64 / 1e6, (1.0 - share) * dense);
                assert!((left - expected).abs() < 0.03, "{shape:?} {share}: {left} of it are left");
            }
        }
    }

    #[test]
    fn a_json_payload_is_an_object_and_text_may_stand_anywhere() {
        let object = contents(payload(5_000, 0.5, Shape::Json)).content(&visit(0));
        assert!(serde_json::from_slice::<serde_json::Value>(&object).unwrap().get("step").is_some());
        let text = contents(payload(5_000, 0.5, Shape::Text)).content(&visit(0));
        assert!(text.iter().all(u8::is_ascii_alphanumeric));
    }

    #[test]
    fn a_sweep_gives_each_phase_its_size_and_variants_differ() {
        let mut plan = plan_for("http://localhost:1");
        let phase = plan.phases[0].clone();
        plan.phases.push(plimsoll_plan::Phase { name: "large".to_owned(), ..phase });
        let by_phase = vec![("large".to_owned(), NonZeroU64::new(5_000_000).unwrap())];
        plan.payloads = vec![Payload { by_phase, ..payload(100, 0.0, Shape::Text) }];
        let contents = Contents::of(&plan).remove(0);
        contents.make();
        assert_eq!([0, 1].map(|phase| contents.content(&visit(phase)).len()), [100, 5_000_000]);
        let visit = visit(0);
        let drawn: std::collections::HashSet<Bytes> = (0..200).map(|_| contents.content(&visit)).collect();
        assert!(drawn.len() > 30 && drawn.len() <= 64, "{}", drawn.len());
    }
}
