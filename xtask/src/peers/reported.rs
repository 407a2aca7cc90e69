//! What generators say about latency at their end, in milliseconds. None where one does not say it.

use anyhow::Context as _;
use serde_json::Value;

use crate::args::Peer;

use super::generators::Generator;

/// Response times as a generator reports them.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Reported {
    pub(super) p50: Option<f64>,
    pub(super) p95: Option<f64>,
    pub(super) p99: Option<f64>,
    pub(super) mean: Option<f64>,
}

pub(super) fn read(generator: Generator, output: &str) -> anyhow::Result<Reported> {
    match generator {
        Generator::Loadgen(_) => loadgen(output),
        Generator::Peer(Peer::Wrk2) => Ok(wrk2(output)),
        Generator::Peer(Peer::Oha) => oha(output),
        Generator::Peer(peer) => anyhow::bail!("{} is not asked for latencies", peer.name()),
    }
}

fn loadgen(output: &str) -> anyhow::Result<Reported> {
    let root: Value = serde_json::from_str(output).context("loadgen's summary is not JSON")?;
    let response = &root["total"]["response_ns"];
    let ms = |value: &Value| value.as_f64().map(|ns| ns / 1e6);
    let [p50, p95, p99] = ["p50", "p95", "p99"].map(|name| ms(&response[name]["value"]));
    Ok(Reported { p50, p95, p99, mean: ms(&response["mean"]) })
}

/// With `--latency-correction`, from the time a request was due.
fn oha(output: &str) -> anyhow::Result<Reported> {
    let root: Value = serde_json::from_str(output).context("oha's summary is not JSON")?;
    let ms = |value: &Value| value.as_f64().map(|seconds| seconds * 1e3);
    let [p50, p95, p99] = ["p50", "p95", "p99"].map(|name| ms(&root["latencyPercentiles"][name]));
    Ok(Reported { p50, p95, p99, mean: ms(&root["summary"]["average"]) })
}

/// The detailed spectrum of `--latency`: lines of value, quantile, count and 1/(1 - q), then the mean.
fn wrk2(output: &str) -> Reported {
    let row = |line: &str| {
        let mut words = line.split_whitespace().map(str::parse::<f64>);
        Some((words.next()?.ok()?, words.next()?.ok()?, words.next()?.ok()?))
    };
    let spectrum: Vec<_> = output.lines().filter_map(row).collect();
    // Rows stand at fixed steps, and the first at or above the quantile bounds it.
    let at = |q: f64| spectrum.iter().find(|(_, quantile, _)| *quantile >= q).map(|(ms, ..)| *ms);
    let mean = output.split_once("#[Mean").and_then(|(_, rest)| {
        let figure = rest.split_once('=')?.1.split(',').next()?;
        figure.trim().parse().ok()
    });
    let summary = |name: &str| {
        let line = output.lines().map(str::trim).find(|line| line.starts_with(name))?;
        milliseconds(line.split_whitespace().nth(1)?)
    };
    Reported { p50: summary("50.000%").or(at(0.5)), p95: at(0.95), p99: summary("99.000%").or(at(0.99)), mean }
}

/// As wrk2 writes times: `1.09ms`, `812.00us`, `1.01s`, `1.02m`.
fn milliseconds(text: &str) -> Option<f64> {
    let units = [("us", 1e-3), ("ms", 1.0), ("s", 1e3), ("m", 6e4)];
    let (unit, factor) = units.iter().find(|(unit, _)| text.ends_with(unit))?;
    text.strip_suffix(unit)?.parse::<f64>().ok().map(|value| value * factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loadgens_response_time_is_read() {
        let reported = loadgen(include_str!("samples/loadgen.json")).unwrap();
        assert_eq!((reported.p50, reported.p95, reported.p99), (Some(0.017919), Some(0.029183), Some(0.081919)));
        assert!((reported.mean.unwrap() - 0.027_221).abs() < 1e-6);
    }

    #[test]
    fn ohas_percentiles_and_mean_are_read() {
        let reported = oha(include_str!("samples/oha.json")).unwrap();
        assert!(reported.p50 < reported.p95 && reported.p95 < reported.p99, "{reported:?}");
        assert!(reported.mean.unwrap() > 0.0);
    }

    #[test]
    fn wrk2s_spectrum_is_read() {
        let expected = Reported { p50: Some(0.94), p95: Some(513.023), p99: Some(900.61), mean: Some(52.334) };
        assert_eq!(wrk2(include_str!("samples/wrk2.txt")), expected);
    }

    #[test]
    fn what_is_not_said_is_missing() {
        assert_eq!(wrk2("Running 1s test"), Reported::default());
        assert_eq!(loadgen("{}").unwrap(), Reported::default());
        assert!(oha("not JSON").is_err());
    }

    #[test]
    fn times_have_units() {
        let times = ["812.00us", "1.09ms", "1.01s", "2.00m"].map(|text| milliseconds(text).unwrap());
        assert_eq!(times, [0.812, 1.09, 1010.0, 120_000.0]);
        assert_eq!(milliseconds("-nan"), None);
    }
}
