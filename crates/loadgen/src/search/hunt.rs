//! Which rate to try next: up by a factor until one breaks, then halve the gap. Pure; knows no traffic.

/// What one level showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// What is searched for did not happen at this rate.
    Below,
    /// It happened.
    Above,
    /// The measurement itself cannot be trusted: no higher rate can be tried.
    Unknown,
}

/// A search between two rates, in arrivals per second.
#[derive(Clone, Debug)]
pub(crate) struct Hunt {
    from: f64,
    to: f64,
    factor: f64,
    /// The gap that is narrow enough, as a share of the lower rate.
    within: f64,
    below: Option<f64>,
    above: Option<f64>,
    over: bool,
}

/// More levels than any search needs: a factor of 1.01 over six decades, and a gap of one in a million.
const MOST_LEVELS: usize = 2_000;

impl Hunt {
    /// Starts at `from` and goes up by `factor`, at most to `to`. `0 < from <= to`, `factor > 1`, `within > 0`.
    pub(crate) fn new((from, to): (f64, f64), factor: f64, within: f64) -> Self {
        Self { from, to, factor, within, below: None, above: None, over: false }
    }

    /// The next rate to try; `None` when the search is over.
    pub(crate) fn next(&self) -> Option<f64> {
        if self.over {
            return None;
        }
        match (self.below, self.above) {
            (None, None) => Some(self.from),
            (None, Some(_)) => None,
            (Some(below), None) => (below < self.to).then(|| (below * self.factor).min(self.to)),
            // Whole rates stay whole: the middle of 10/s and 20/s is 15/s, of 10/s and 15/s 12/s.
            (Some(below), Some(above)) => {
                let middle = f64::midpoint(below, above);
                let rounded = if below >= 10.0 { middle.round() } else { middle };
                let inside = rounded > below && rounded < above;
                (inside && above - below > self.within * below).then_some(rounded)
            }
        }
    }

    /// Takes note of what `rate` showed.
    pub(crate) fn learn(&mut self, rate: f64, found: Found) {
        match found {
            Found::Below => self.below = Some(rate),
            Found::Above => self.above = Some(rate),
            Found::Unknown => self.over = true,
        }
    }

    /// The highest rate below and the lowest above what was searched for.
    pub(crate) fn bracket(&self) -> (Option<f64>, Option<f64>) {
        (self.below, self.above)
    }

    /// Levels that the whole search takes at most.
    pub(crate) fn most_levels(&self) -> usize {
        let up = (self.to / self.from).ln() / self.factor.ln();
        let down = ((self.factor - 1.0) / self.within).max(1.0).log2();
        (up.ceil() + down.ceil() + 2.0).min(MOST_LEVELS as f64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Runs a search against a service that breaks above `capacity`; the rates tried.
    fn rates(hunt: &mut Hunt, capacity: f64) -> Vec<f64> {
        let mut tried = Vec::new();
        while let Some(rate) = hunt.next() {
            assert!(tried.len() < hunt.most_levels(), "{tried:?}");
            tried.push(rate);
            hunt.learn(rate, if rate > capacity { Found::Above } else { Found::Below });
        }
        tried
    }

    #[test]
    fn it_doubles_until_something_breaks_and_then_halves_the_gap() {
        let mut hunt = Hunt::new((10.0, 1000.0), 2.0, 0.05);
        assert_eq!(rates(&mut hunt, 103.0), [10.0, 20.0, 40.0, 80.0, 160.0, 120.0, 100.0, 110.0, 105.0]);
        assert_eq!(hunt.bracket(), (Some(100.0), Some(105.0)));
    }

    #[test]
    fn a_service_that_never_breaks_is_tried_up_to_the_end() {
        let mut hunt = Hunt::new((10.0, 50.0), 2.0, 0.05);
        assert_eq!(rates(&mut hunt, 1e9), [10.0, 20.0, 40.0, 50.0]);
        assert_eq!(hunt.bracket(), (Some(50.0), None));
    }

    #[test]
    fn a_service_that_breaks_at_once_ends_the_search() {
        let mut hunt = Hunt::new((10.0, 50.0), 2.0, 0.05);
        assert_eq!(rates(&mut hunt, 1.0), [10.0]);
        assert_eq!(hunt.bracket(), (None, Some(10.0)));
    }

    #[test]
    fn a_measurement_that_cannot_be_trusted_ends_the_search() {
        let mut hunt = Hunt::new((10.0, 50.0), 2.0, 0.05);
        hunt.learn(10.0, Found::Below);
        hunt.learn(20.0, Found::Unknown);
        assert_eq!((hunt.next(), hunt.bracket()), (None, (Some(10.0), None)));
    }

    proptest! {
        #[test]
        fn the_bracket_holds_the_capacity_and_is_narrow(
            from in 0.1..100.0, span in 1.0..1e4, factor in 1.1..4.0, within in 0.01..0.5, place in 0.0..=1.0,
        ) {
            let to = from * span;
            let capacity = from + (to - from) * place;
            let mut hunt = Hunt::new((from, to), factor, within);
            rates(&mut hunt, capacity);
            let (below, above) = hunt.bracket();
            let below = below.unwrap();
            prop_assert!(below <= capacity);
            if let Some(above) = above {
                prop_assert!(capacity < above);
                prop_assert!(above - below <= (within * below).max(1.0 + 1e-9), "{below} {above}");
            }
        }
    }
}
