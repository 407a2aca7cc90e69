//! Sets of status codes.

/// Some of the codes 100 to 599, a bit each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Statuses([u64; 8]);

impl Statuses {
    pub(super) fn of(codes: &[u16]) -> Self {
        let mut bits = [0; 8];
        for place in codes.iter().filter_map(|code| place(*code)) {
            bits[place / 64] |= 1 << (place % 64);
        }
        Self(bits)
    }

    pub(super) fn has(&self, code: u16) -> bool {
        place(code).is_some_and(|place| self.0[place / 64] >> (place % 64) & 1 == 1)
    }
}

fn place(code: u16) -> Option<usize> {
    (100..600).contains(&code).then(|| usize::from(code) - 100)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default() })]

        #[test]
        fn a_set_has_what_was_put_in_and_nothing_else(codes in prop::collection::vec(100u16..600, 0..50), code: u16) {
            prop_assert_eq!(Statuses::of(&codes).has(code), codes.contains(&code));
            prop_assert!(codes.iter().all(|code| Statuses::of(&codes).has(*code)));
        }
    }
}
