//! Charts as inline SVG: axes, phases, gaps, limits, curves with labels at their ends, and the table behind them.
//!
//! Curves live in a coordinate system that stretches with the page; text and patterns stand outside it and keep
//! their size, so a chart is as readable on a telephone as on a wall. What is drawn is decided by the sections.

mod curve;
mod frame;
mod labels;
mod scale;
mod table;

use maud::{Markup, html};
use plimsoll_record::units::Unit;

use crate::text;
pub(crate) use curve::{Curve, Dash, Ink, Point, Stroke, WIDTH};
pub(crate) use frame::{Band, Flag, Frame, Span, Tick};
pub(crate) use scale::{Fit, Scale};
pub(crate) use table::DataTable;

/// The height of the plot, in pixels.
const HEIGHT: f64 = 240.0;
/// The distance between two labels, in pixels.
const LABEL_GAP: f64 = 15.0;
/// The height of a row of names.
const BAND_ROW_REM: f64 = 1.5;
/// Stretches narrower than this share of the axis show no name.
const NARROW_BAND: f64 = 0.035;

/// A horizontal line that a criterion draws.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Limit {
    /// The criterion, in its own words.
    pub(crate) label: String,
    /// The limit, in the chart's unit.
    pub(crate) value: f64,
    /// Where it holds: places from and to.
    pub(crate) span: (f64, f64),
}

/// A chart.
#[derive(Clone, Debug)]
pub(crate) struct Chart<'a> {
    pub(crate) id: &'static str,
    pub(crate) title: &'static str,
    /// What is shown, in a sentence or two for everybody.
    pub(crate) note: String,
    /// What to say when there is nothing to show.
    pub(crate) empty: &'static str,
    pub(crate) unit: Unit,
    pub(crate) fit: Fit,
    pub(crate) curves: Vec<Curve>,
    pub(crate) limits: Vec<Limit>,
    /// Spans without data.
    pub(crate) holes: Vec<Span>,
    pub(crate) frame: &'a Frame,
    pub(crate) table: DataTable,
}

impl Chart<'_> {
    /// The chart as a figure; in words only when no curve has a point.
    pub(crate) fn render(&self) -> Markup {
        let values = self.curves.iter().flat_map(Curve::points).map(|point| point.value);
        let limits: Vec<f64> = self.limits.iter().map(|limit| limit.value).collect();
        let Some(scale) = Scale::fit(self.fit, values, &limits) else {
            return html! { figure.chart id=(self.id) { (self.caption("")) p.missing { (self.empty) } } };
        };
        let curves: Vec<Curve> = self.curves.iter().map(Curve::thinned).collect();
        html! {
            figure.chart id=(self.id) {
                (self.caption(scale.caution().unwrap_or_default()))
                (legend(&curves))
                div.plot {
                    (self.band_names())
                    (self.value_axis(&scale))
                    (self.area(&scale, &curves))
                    (end_labels(&scale, &curves))
                    (self.horizontal_axis())
                }
                p.readout aria-hidden="true" {}
                (self.keys(&scale))
                (self.table.folded(self.title))
            }
        }
    }

    fn caption(&self, caution: &str) -> Markup {
        html! { figcaption { h3 { (self.title) } p.note { (self.note) " " (caution) } } }
    }

    fn band_names(&self) -> Markup {
        html! {
            @if !self.frame.bands.is_empty() {
                div.bands aria-hidden="true" style=[self.bands_height()] {
                    @for band in self.frame.bands.iter().filter(|band| band.to - band.from > NARROW_BAND) {
                        span title=(band.name) style=(band_style(band)) { (band.name) }
                    }
                }
            }
        }
    }

    /// More than one row of names takes more than the usual height.
    fn bands_height(&self) -> Option<String> {
        let rows = self.frame.rows();
        (rows > 1).then(|| format!("height:{:.1}rem", BAND_ROW_REM * rows as f64))
    }

    fn value_axis(&self, scale: &Scale) -> Markup {
        html! {
            svg.values aria-hidden="true" height=(HEIGHT) {
                @for (place, label) in scale.ticks(self.unit) {
                    text x="100%" dx="-8" y=(pixels(place)) dy="4" text-anchor="end" { (label) }
                }
            }
        }
    }

    fn horizontal_axis(&self) -> Markup {
        html! {
            svg.moments aria-hidden="true" height="42" {
                @for (i, tick) in self.frame.ticks.iter().enumerate() {
                    text.second[i % 2 == 1] x=(percent(tick.place)) y="18" text-anchor="middle" { (tick.label) }
                }
                text.axis x="50%" y="37" text-anchor="middle" { (self.frame.axis) }
            }
        }
    }

    fn area(&self, scale: &Scale, curves: &[Curve]) -> Markup {
        let seconds = self.frame.seconds.map(|(from, to)| format!("{from:.3} {to:.3}"));
        let (title, desc) = (format!("{}-title", self.id), format!("{}-desc", self.id));
        let names = format!("{title} {desc}");
        html! {
            svg.area role="img" aria-labelledby=(names) height=(HEIGHT) data-seconds=[seconds] tabindex=[self.frame.seconds.map(|_| "0")] {
                title id=(title) { (self.title) }
                desc id=(desc) { (self.description(curves)) }
                (self.background(scale))
                (self.limit_lines(scale))
                svg viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) preserveAspectRatio="none" width="100%" height=(HEIGHT) {
                    @for curve in curves { (curve_path(self.unit, scale, curve)) }
                }
                @for curve in curves { (lone_points(scale, curve)) (lower_bounds(scale, curve)) }
                @for flag in &self.frame.flags { text.flag x=(percent(flag.place)) dx="3" y="11" { (flag.number) } }
                (self.limit_labels(scale))
                line.cursor x1="0" x2="0" y1="0" y2=(HEIGHT) {}
            }
        }
    }

    fn background(&self, scale: &Scale) -> Markup {
        html! {
            @for (i, band) in self.frame.bands.iter().filter(|band| band.row == 0).enumerate() {
                rect.band.odd[i % 2 == 1] x=(percent(band.from)) width=(percent(band.to - band.from)) y="0" height=(HEIGHT) {
                    title { "phase " (band.name) }
                }
            }
            @for band in self.frame.bands.iter().filter(|band| band.row > 0) {
                rect.band.beside x=(percent(band.from)) width=(percent(band.to - band.from)) y="0" height=(HEIGHT) {
                    title { "phase " (band.name) }
                }
            }
            @for (place, _) in scale.ticks(self.unit) {
                line.grid x1="0" x2="100%" y1=(pixels(place)) y2=(pixels(place)) {}
            }
            @for tick in &self.frame.ticks {
                line.grid.upright x1=(percent(tick.place)) x2=(percent(tick.place)) y1="0" y2=(HEIGHT) {}
            }
            @for (class, spans) in [("suspect", &self.frame.suspect), ("hole", &self.holes)] {
                @for span in spans {
                    rect class=(class) x=(percent(span.from)) width=(percent(span.to - span.from)) y="0" height=(HEIGHT) {
                        title { (span.reason) }
                    }
                }
            }
            @for flag in &self.frame.flags {
                line.flag x1=(percent(flag.place)) x2=(percent(flag.place)) y1="0" y2=(HEIGHT) { title { (flag.text) } }
            }
        }
    }

    fn limit_lines(&self, scale: &Scale) -> Markup {
        html! {
            @for limit in self.limits_on(scale) {
                @let y = pixels(scale.place(limit.value));
                line.limit x1=(percent(limit.span.0)) x2=(percent(limit.span.1)) y1=(y) y2=(y) {}
            }
        }
    }

    /// Limit labels stand above their lines, over the curves, and apart from each other.
    fn limit_labels(&self, scale: &Scale) -> Markup {
        let limits: Vec<&Limit> = self.limits_on(scale).collect();
        let wanted: Vec<f64> = limits.iter().map(|limit| height_of(scale, limit.value) - 5.0).collect();
        let placed = labels::spread(&wanted, LABEL_GAP, 12.0, HEIGHT - 4.0);
        html! {
            @for (limit, y) in limits.iter().zip(placed) {
                @let late = limit.span.0 > 0.6;
                @let (x, dx, anchor) = if late { (limit.span.1, "-4", "end") } else { (limit.span.0, "4", "start") };
                text.limit x=(percent(x)) dx=(dx) y=(format!("{y:.1}")) text-anchor=(anchor) { (limit.label) }
            }
        }
    }

    fn limits_on<'a>(&'a self, scale: &'a Scale) -> impl Iterator<Item = &'a Limit> {
        self.limits.iter().filter(|limit| scale.shows(limit.value))
    }

    fn description(&self, curves: &[Curve]) -> String {
        let mut parts = vec![self.note.clone()];
        for curve in curves {
            let values = || curve.points().map(|point| point.value);
            let low = values().fold(f64::INFINITY, f64::min);
            let high = values().fold(f64::NEG_INFINITY, f64::max);
            parts.push(match low <= high {
                true => format!("{}: {} to {}.", curve.name, self.unit.show(low), self.unit.show(high)),
                false => format!("{}: no data.", curve.name),
            });
        }
        parts.join(" ")
    }

    /// Explains only the patterns this chart really has.
    fn keys(&self, scale: &Scale) -> Markup {
        let hidden: Vec<&Limit> = self.limits.iter().filter(|limit| !scale.shows(limit.value)).collect();
        let bounded = self.curves.iter().flat_map(Curve::points).any(|point| point.at_least);
        html! {
            @if !(self.holes.is_empty() && self.frame.suspect.is_empty() && hidden.is_empty() && !bounded) {
                ul.keys {
                    @for reason in distinct(&self.holes) { li { span.swatch.hole {} "No data: " (reason) "." } }
                    @for reason in distinct(&self.frame.suspect) { li { span.swatch.suspect {} (reason) "." } }
                    @if bounded { li { span.swatch { "▲" } "At least this: slower requests timed out." } }
                    @for limit in hidden {
                        li { "Not drawn, far beyond the values: " (limit.label) "." }
                    }
                }
            }
        }
    }
}

fn band_style(band: &Band) -> String {
    let place = format!("left:{};width:{}", percent(band.from), percent(band.to - band.from));
    if band.row == 0 { place } else { format!("{place};top:{:.1}rem", BAND_ROW_REM * band.row as f64) }
}

fn legend(curves: &[Curve]) -> Markup {
    html! {
        ul.legend {
            @for curve in curves {
                li {
                    svg width="28" height="10" aria-hidden="true" {
                        line class=(curve.stroke.classes()) x1="1" x2="27" y1="5" y2="5" {}
                    }
                    (curve.name)
                    @if curve.runs.is_empty() { span.none { " (no data)" } }
                }
            }
        }
    }
}

fn curve_path(unit: Unit, scale: &Scale, curve: &Curve) -> Markup {
    let places = curve.points().map(|point| format!("{:.1}", point.place * WIDTH)).collect::<Vec<_>>().join(" ");
    let shown = curve.points().map(|point| text::bound(unit, point.value, point.at_least)).collect::<Vec<_>>();
    html! {
        @if !curve.runs.is_empty() {
            path class=(curve.stroke.classes()) d=(curve.path(|value| height_of(scale, value)))
                data-name=(curve.name) data-places=(places) data-shown=(shown.join("|")) {}
        }
    }
}

fn lone_points(scale: &Scale, curve: &Curve) -> Markup {
    html! {
        @for point in curve.lone_points() {
            circle class=(format!("lone {}", curve.stroke.classes())) r="2.5" cx=(percent(point.place)) cy=(pixels(scale.place(point.value))) {}
        }
    }
}

fn lower_bounds(scale: &Scale, curve: &Curve) -> Markup {
    html! {
        @for point in curve.points().filter(|point| point.at_least) {
            text class=(format!("bound {}", curve.stroke.classes())) x=(percent(point.place)) y=(pixels(scale.place(point.value)))
                dy="-2" text-anchor="middle" { "▲" }
        }
    }
}

/// The curves' names beside their last points, moved apart, each joined to its curve by a short line.
fn end_labels(scale: &Scale, curves: &[Curve]) -> Markup {
    let ends: Vec<(&Curve, f64)> =
        curves.iter().filter_map(|curve| Some((curve, height_of(scale, curve.runs.last()?.last()?.value)))).collect();
    let wanted: Vec<f64> = ends.iter().map(|(_, y)| *y).collect();
    let placed = labels::spread(&wanted, LABEL_GAP, 6.0, HEIGHT - 4.0);
    html! {
        svg.ends aria-hidden="true" height=(HEIGHT) {
            @for ((curve, y), label) in ends.iter().zip(placed) {
                line class=(curve.stroke.classes()) x1="2" x2="14" y1=(format!("{y:.1}")) y2=(format!("{label:.1}")) {}
                text class=(curve.stroke.classes()) x="18" y=(format!("{label:.1}")) dy="4" { (curve.name) }
            }
        }
    }
}

fn distinct(spans: &[Span]) -> Vec<&str> {
    let mut reasons: Vec<&str> = spans.iter().map(|span| span.reason.as_str()).collect();
    reasons.sort_unstable();
    reasons.dedup();
    reasons
}

fn height_of(scale: &Scale, value: f64) -> f64 {
    (1.0 - scale.place(value)) * HEIGHT
}

fn pixels(place: f64) -> String {
    format!("{:.1}", (1.0 - place) * HEIGHT)
}

/// A place as a share of the width.
pub(crate) fn percent(place: f64) -> String {
    format!("{:.2}%", place * 100.0)
}
