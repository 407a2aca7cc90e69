//! Curves: points in the plot's own coordinates, thinned to what a screen can show, and their SVG path.
//!
//! Thinning keeps the smallest and the largest value of each column, so a spike of one second stays visible in an
//! hour; nothing is averaged.

use std::fmt::Write as _;

/// The width of the coordinate system of a plot: its right end, whatever its width on the screen.
pub(crate) const WIDTH: f64 = 1000.0;
/// Columns a run of points is thinned to.
const COLUMNS: usize = 320;

/// The colour of a curve. Never the only difference: each role also has its own dash pattern or label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ink {
    Blue,
    Vermillion,
    Green,
    Purple,
    Grey,
}

/// The dash pattern of a curve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dash {
    Solid,
    /// Wide and pale, behind the others: what they are measured against.
    Broad,
    Long,
    Dots,
    LongAndDots,
}

/// How a curve looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stroke {
    pub(crate) ink: Ink,
    pub(crate) dash: Dash,
}

impl Stroke {
    pub(crate) const fn new(ink: Ink, dash: Dash) -> Self {
        Self { ink, dash }
    }

    /// Its classes in the style sheet.
    pub(crate) fn classes(self) -> String {
        let ink = match self.ink {
            Ink::Blue => "blue",
            Ink::Vermillion => "vermillion",
            Ink::Green => "green",
            Ink::Purple => "purple",
            Ink::Grey => "grey",
        };
        let dash = match self.dash {
            Dash::Solid => "solid",
            Dash::Broad => "broad",
            Dash::Long => "dashed",
            Dash::Dots => "dotted",
            Dash::LongAndDots => "dash-dot",
        };
        format!("{ink} {dash}")
    }
}

/// A point of a curve.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Point {
    /// 0 at the left end, 1 at the right end.
    pub(crate) place: f64,
    /// The value, in the chart's unit.
    pub(crate) value: f64,
    /// True when the real value is at least this.
    pub(crate) at_least: bool,
}

/// A curve: unbroken runs of points.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Curve {
    pub(crate) name: String,
    pub(crate) stroke: Stroke,
    pub(crate) runs: Vec<Vec<Point>>,
}

impl Curve {
    /// The curve with no more points than a screen can show.
    pub(crate) fn thinned(&self) -> Self {
        Self { runs: self.runs.iter().map(|run| thin(run)).collect(), ..self.clone() }
    }

    /// All points, run after run.
    pub(crate) fn points(&self) -> impl Iterator<Item = &Point> {
        self.runs.iter().flatten()
    }

    /// Points without neighbours: no line shows them.
    pub(crate) fn lone_points(&self) -> impl Iterator<Item = &Point> {
        self.runs.iter().filter(|run| run.len() == 1).flatten()
    }

    /// The path, one `M` per run; `height_of` maps a value to the distance from the top.
    pub(crate) fn path(&self, height_of: impl Fn(f64) -> f64) -> String {
        let mut path = String::new();
        for run in &self.runs {
            for (i, point) in run.iter().enumerate() {
                let command = if i == 0 { 'M' } else { 'L' };
                push(&mut path, command, point.place * WIDTH, height_of(point.value));
            }
        }
        path
    }
}

fn push(path: &mut String, command: char, x: f64, y: f64) {
    write!(path, "{command}{x:.1} {y:.1}").expect("writing to a String cannot fail");
}

fn thin(run: &[Point]) -> Vec<Point> {
    let column = |point: &Point| (point.place * COLUMNS as f64).floor();
    if run.len() <= 2 * COLUMNS {
        return run.to_vec();
    }
    let mut thinned = Vec::with_capacity(2 * COLUMNS);
    for same in run.chunk_by(|a, b| column(a) == column(b)) {
        let by_value = |a: &usize, b: &usize| same[*a].value.total_cmp(&same[*b].value);
        let (Some(low), Some(high)) = ((0..same.len()).min_by(by_value), (0..same.len()).max_by(by_value)) else {
            continue;
        };
        thinned.push(same[low.min(high)]);
        if low != high {
            thinned.push(same[low.max(high)]);
        }
    }
    thinned
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(values: impl IntoIterator<Item = f64>) -> Vec<Point> {
        let values: Vec<f64> = values.into_iter().collect();
        let n = values.len() as f64;
        let place = |i: usize| i as f64 / n;
        values.iter().enumerate().map(|(i, value)| Point { place: place(i), value: *value, at_least: false }).collect()
    }

    fn curve(runs: Vec<Vec<Point>>) -> Curve {
        Curve { name: "test".to_owned(), stroke: Stroke::new(Ink::Blue, Dash::Solid), runs }
    }

    #[test]
    fn each_run_begins_anew_and_a_lone_point_is_known() {
        let curve = curve(vec![points([1.0, 2.0]), points([3.0])]);
        assert_eq!(curve.path(|value| value * 10.0), "M0.0 10.0L500.0 20.0M0.0 30.0");
        assert_eq!(curve.lone_points().map(|point| point.value).collect::<Vec<_>>(), [3.0]);
    }

    #[test]
    fn thinning_keeps_the_spike_of_one_second_in_an_hour() {
        let hour = points((0..3600).map(|second| if second == 1777 { 99.0 } else { 1.0 }));
        let thinned = curve(vec![hour]).thinned();
        assert!(thinned.runs[0].len() <= 2 * COLUMNS, "{}", thinned.runs[0].len());
        assert_eq!(thinned.points().filter(|point| point.value == 99.0).count(), 1);
        assert!(thinned.runs[0].is_sorted_by(|a, b| a.place < b.place));
    }

    #[test]
    fn a_short_run_is_left_alone() {
        let minute = points((0..60).map(f64::from));
        assert_eq!(curve(vec![minute.clone()]).thinned().runs, [minute]);
    }
}
