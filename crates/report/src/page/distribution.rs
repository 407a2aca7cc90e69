//! The latency distribution of the whole run, on an axis that gives each further nine the same room.

use maud::{Markup, html};
use plimsoll_record::summary::Percentile;
use plimsoll_record::units::Unit;

use crate::chart::{Chart, Curve, Dash, DataTable, Fit, Frame, Ink, Point, Span, Stroke, Tick};
use crate::text;
use crate::view::View;

const QUANTILES: [(f64, &str); 9] = [
    (0.0, "min"),
    (0.5, "p50"),
    (0.9, "p90"),
    (0.95, "p95"),
    (0.99, "p99"),
    (0.999, "p99.9"),
    (0.9999, "p99.99"),
    (0.99999, "p99.999"),
    (0.999_999, "p99.9999"),
];
const STEPS: u32 = 160;

pub(super) fn section(view: &View<'_>) -> Markup {
    let totals = &view.totals;
    let n = totals.served.response.count() + totals.ledger.censored();
    let axis = NinesAxis::for_samples(n);
    let frame = Frame { axis: "percentile of requests", ticks: axis.ticks(), ..Frame::default() };
    let response = |q: f64| totals.response(q);
    let service = |q: f64| totals.service(q);
    let response_curve = axis.curve("response", Stroke::new(Ink::Vermillion, Dash::Solid), response);
    let holes = unknown(&response_curve);
    let chart = Chart {
        id: "distribution-chart",
        title: "Latency by percentile",
        note: format!(
            "At p99, 99 of 100 requests were at least this fast. Whole run, {}.",
            text::counted(n, "request", "requests")
        ),
        empty: "No latency was measured: no request was answered.",
        unit: Unit::Seconds,
        fit: Fit::Latency,
        curves: vec![response_curve, axis.curve("service", Stroke::new(Ink::Blue, Dash::Long), service)],
        limits: Vec::new(),
        holes,
        frame: &frame,
        table: table(&axis, response, service),
    };
    html! { (chart.render()) }
}

/// Where the percentiles fall among requests whose latency nobody knows.
fn unknown(curve: &Curve) -> Vec<Span> {
    let bound = curve.points().find(|point| point.at_least);
    let reason = "slower requests timed out or never finished".to_owned();
    bound.map(|point| Span { from: point.place, to: 1.0, reason }).into_iter().collect()
}

/// An axis of log10(1 / (1 - q)), up to the last percentile that rests on at least one request.
struct NinesAxis {
    nines: f64,
}

impl NinesAxis {
    fn for_samples(n: u64) -> Self {
        Self { nines: (n.max(10) as f64).log10().clamp(1.0, 6.0) }
    }

    fn place(&self, q: f64) -> f64 {
        -(1.0 - q).log10() / self.nines
    }

    fn quantile(&self, place: f64) -> f64 {
        1.0 - 10f64.powf(-place * self.nines)
    }

    fn quantiles(&self) -> impl Iterator<Item = (f64, &'static str)> {
        QUANTILES.into_iter().filter(|(q, _)| self.place(*q) <= 1.0 + 1e-9)
    }

    fn ticks(&self) -> Vec<Tick> {
        self.quantiles().map(|(q, label)| Tick { place: self.place(q), label: label.to_owned() }).collect()
    }

    fn curve(&self, name: &'static str, stroke: Stroke, read: impl Fn(f64) -> Option<Percentile>) -> Curve {
        let places = (0..=STEPS).map(|step| f64::from(step) / f64::from(STEPS));
        let points: Vec<Point> = places
            .filter_map(|place| {
                let known = read(self.quantile(place))?;
                Some(Point { place, value: text::seconds(known), at_least: known.at_least })
            })
            .collect();
        let known = points.iter().position(|point| point.at_least).map_or(points.len(), |first| first + 1);
        let runs = if points.is_empty() { Vec::new() } else { vec![points[..known].to_vec()] };
        Curve { name: name.to_owned(), stroke, runs }
    }
}

fn table(
    axis: &NinesAxis,
    response: impl Fn(f64) -> Option<Percentile>,
    service: impl Fn(f64) -> Option<Percentile>,
) -> DataTable {
    let row =
        |(q, label): (f64, &str)| (label.to_owned(), vec![text::percentile(response(q)), text::percentile(service(q))]);
    DataTable {
        columns: ["percentile", "response", "service"].map(str::to_owned).to_vec(),
        rows: axis.quantiles().map(row).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_nine_gets_the_same_room() {
        let axis = NinesAxis::for_samples(1000);
        assert_eq!(axis.place(0.0), 0.0);
        assert!((axis.place(0.9) - 1.0 / 3.0).abs() < 1e-9 && (axis.place(0.99) - 2.0 / 3.0).abs() < 1e-9);
        assert!((axis.quantile(axis.place(0.95)) - 0.95).abs() < 1e-9);
    }

    #[test]
    fn a_percentile_that_rests_on_no_request_is_not_on_the_axis() {
        let labels: Vec<&str> = NinesAxis::for_samples(1000).quantiles().map(|(_, label)| label).collect();
        assert_eq!(labels, ["min", "p50", "p90", "p95", "p99", "p99.9"]);
    }

    #[test]
    fn the_curve_ends_where_only_a_lower_bound_is_known() {
        let axis = NinesAxis::for_samples(1000);
        let read = |q: f64| Some(Percentile { nanos: 1_000_000, at_least: q > 0.9 });
        let curve = axis.curve("response", Stroke::new(Ink::Blue, Dash::Solid), read);
        assert_eq!(curve.points().filter(|point| point.at_least).count(), 1);
    }
}
