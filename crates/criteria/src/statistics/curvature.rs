//! Whether a series bends: the quadratic term of a least-squares parabola, and how far it is from chance.

use super::variance_inflation;

/// How a series bends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Curvature {
    /// The quadratic coefficient, in y per x squared: negative when a rise slows down.
    pub quadratic: f64,
    /// The same as a multiple of its standard error, which grows with what the residuals resemble their neighbours.
    pub t: f64,
}

/// Fits `a + b x + c x^2` by least squares; `None` with fewer than six points, or when all lie at three places.
///
/// The standard error of c is `sqrt(s^2 f / sum p^2)`, with p the part of x^2 that a line does not explain, `s^2` the
/// variance of the residuals for n - 3 degrees of freedom, and f their [`variance_inflation`].
#[must_use]
pub fn curvature(points: &[(f64, f64)]) -> Option<Curvature> {
    let n = points.len() as f64;
    if points.len() < super::MIN_POINTS {
        return None;
    }
    let mean = |value: &dyn Fn(&(f64, f64)) -> f64| points.iter().map(value).sum::<f64>() / n;
    let (mean_x, mean_y) = (mean(&|point| point.0), mean(&|point| point.1));
    let xs: Vec<f64> = points.iter().map(|(x, _)| x - mean_x).collect();
    let ys: Vec<f64> = points.iter().map(|(_, y)| y - mean_y).collect();
    let squares: Vec<f64> = xs.iter().map(|x| x * x).collect();
    let xx: f64 = squares.iter().sum();
    let mean_square = xx / n;
    let tilt = dot(&squares, &xs) / xx;
    let bend: Vec<f64> = xs.iter().zip(&squares).map(|(x, square)| square - mean_square - tilt * x).collect();
    let power = dot(&bend, &bend);
    if power <= 0.0 || !power.is_finite() {
        return None;
    }
    let (slope, quadratic) = (dot(&xs, &ys) / xx, dot(&bend, &ys) / power);
    let rest = ys.iter().zip(xs.iter().zip(&bend)).map(|(y, (x, bend))| y - slope * x - quadratic * bend);
    let residuals: Vec<f64> = rest.collect();
    let variance = dot(&residuals, &residuals) / (n - 3.0) * variance_inflation(&residuals);
    let error = (variance / power).sqrt();
    let t = if error > 0.0 { quadratic / error } else { quadratic.signum() * f64::MAX };
    Some(Curvature { quadratic, t })
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Noise;

    #[test]
    fn a_parabola_has_its_coefficient() {
        let points: Vec<_> = (0..9).map(f64::from).map(|x| (x, 3.0 + 2.0 * x - 0.5 * x * x)).collect();
        let found = curvature(&points).unwrap();
        assert!((found.quadratic + 0.5).abs() < 1e-9 && found.t < -1e3, "{found:?}");
        assert_eq!(curvature(&points[..5]), None);
    }

    #[test]
    fn a_noisy_line_seldom_seems_to_bend() {
        let bends = (0..300).filter(|seed| {
            let noise = Noise::seeded(*seed).autoregressive(12, 1.0);
            let points: Vec<_> = noise.iter().zip(0..).map(|(y, x)| (f64::from(x), f64::from(x) + y)).collect();
            curvature(&points).unwrap().t.abs() > 4.0
        });
        let bends = bends.count();
        assert!(bends <= 15, "{bends} of 300");
    }
}
