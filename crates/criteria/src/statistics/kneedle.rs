//! Where a curve that rises and then flattens bends.

/// A curve that leaves its chord by less than this, as a share of its height, is a line.
const LEAST_BEND: f64 = 0.1;

/// The x at which a concave, rising curve is furthest above the chord from its first to its last point, both axes being
/// scaled to 0..1 (Satopää, Albrecht, Irwin and Raghavan 2011, "Kneedle"). `None` when it is too much of a line, or has
/// no extent. Points in ascending order of x.
///
/// ```
/// use plimsoll_criteria::statistics::kneedle;
/// let carried = [(10.0, 10.0), (20.0, 20.0), (30.0, 30.0), (40.0, 31.0), (50.0, 31.5), (60.0, 31.0)];
/// assert_eq!(kneedle(&carried), Some(30.0));
/// assert_eq!(kneedle(&carried[..3]), None);
/// ```
#[must_use]
pub fn kneedle(points: &[(f64, f64)]) -> Option<f64> {
    let (first, last) = (points.first()?, points.last()?);
    let lowest = points.iter().map(|point| point.1).fold(f64::INFINITY, f64::min);
    let highest = points.iter().map(|point| point.1).fold(f64::NEG_INFINITY, f64::max);
    let (width, height) = (last.0 - first.0, highest - lowest);
    if !(width > 0.0 && height > 0.0) {
        return None;
    }
    let above = |(x, y): &(f64, f64)| (y - lowest) / height - (x - first.0) / width;
    let best = points.iter().max_by(|a, b| above(a).total_cmp(&above(b)))?;
    (above(best) >= LEAST_BEND).then_some(best.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_no_bend() {
        assert_eq!(kneedle(&[(1.0, 1.0), (2.0, 2.1), (3.0, 2.9), (4.0, 4.0)]), None);
        assert_eq!(kneedle(&[(1.0, 1.0), (2.0, 1.0)]), None);
        assert_eq!(kneedle(&[]), None);
    }

    #[test]
    fn saturation_bends_where_it_begins() {
        let carried = |offered: f64| 100.0 * (1.0 - (-offered / 100.0_f64).exp());
        let points: Vec<_> = (1..=60).map(|n| f64::from(n) * 10.0).map(|x| (x, carried(x))).collect();
        // The slope of the curve equals that of its chord where exp(-x/100) is 1/6 or so.
        let bend = kneedle(&points).unwrap();
        assert!((150.0..=200.0).contains(&bend), "{bend}");
    }
}
