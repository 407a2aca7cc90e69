//! What each generator reports of a server that freezes, beside what is true. The true distribution is known without
//! measuring: requests come evenly, so one that is due x into a freeze of S waits S - x, and all others nothing.

use std::thread;
use std::time::Duration;

use crate::args::{Peer, PeersOptions};
use crate::interrupt;
use crate::say;

use super::bench::{Bench, Turn};
use super::cores::Cores;
use super::generators::{Contestant, Generator, Model, Protocol, Work};
use super::or_default;
use super::reported::{self, Reported};
use super::servers::{Kind, Server};
use super::table::{Figures, Table, show};

pub(super) const SECONDS: u32 = 30;
pub(super) const EVERY_S: u32 = 10;
const HOLD_MS: f64 = 1000.0;
const EVERY_MS: f64 = 10_000.0;
const FAULT: &str = "freeze=1s/10s";
const RUNS: u32 = 1;
const RATE: u32 = 1000;
const CONNECTIONS: [u32; 3] = [10, 50, 200];
/// Runs begin, and so end, half-way between two freezes: nobody is cut off with answers outstanding.
const AWAY_FROM_FREEZES: Duration = Duration::from_secs(5);
/// wrk2 forgets what it measured in its first ten seconds.
const WRK2_CALIBRATION_S: u32 = 10;
const HEAD: [&str; 7] = ["generator", "connections", "requests", "p50, ms", "p95, ms", "p99, ms", "mean, ms"];

/// What a perfect observer sees.
fn truth() -> Reported {
    let quantile = |q: f64| Some((HOLD_MS - (1.0 - q) * EVERY_MS).max(0.0));
    let mean = HOLD_MS * HOLD_MS / (2.0 * EVERY_MS);
    Reported { p50: quantile(0.5), p95: quantile(0.95), p99: quantile(0.99), mean: Some(mean) }
}

pub(super) fn measure(bench: &Bench<'_>, options: &PeersOptions, contestants: &[Contestant]) -> anyhow::Result<()> {
    let threads = options.cores.unwrap_or(1);
    let cores = Cores::divide(threads, threads);
    let (seconds, runs) = (options.seconds.unwrap_or(SECONDS), options.pairs.unwrap_or(RUNS));
    for &rate in &or_default(&options.open, &[RATE]) {
        let mut table = Table::new(&HEAD);
        table.row(cells("*truth*", None, &Figures::of([]), &[truth()]));
        for &connections in &or_default(&options.connections, &CONNECTIONS) {
            for contestant in contestants {
                let model = Model::Open(rate);
                let work = Work { url: "", connections, seconds, threads, model, protocol: Protocol::Http1 };
                let cells = row(bench, Turn { contestant, work, cores: &cores }, runs, &mut table)?;
                table.row(cells);
            }
        }
        if contestants.iter().any(|one| one.generator == Generator::Peer(Peer::Wrk2)) {
            table
                .note("wrk2 runs 10 s longer and reports nothing of its first 10 s; its requests are of the whole run");
        }
        if contestants.iter().any(|one| one.generator == Generator::Peer(Peer::Oha)) {
            table.note("oha counts from when it woke up to send, not from when it meant to: its own lateness is not in its figures");
        }
        say::result(format!("{FAULT}, {rate}/s, {seconds} s, runs: {runs}; {}\n", cores.describe()));
        say::result(table.show());
    }
    Ok(())
}

fn row(bench: &Bench<'_>, turn: Turn<'_>, runs: u32, table: &mut Table) -> anyhow::Result<Vec<String>> {
    let Turn { contestant, work, cores } = turn;
    let (mut reports, mut requests) = (Vec::new(), Vec::new());
    for number in 1..=runs {
        say::step(format!("{number} of {runs}, {} at a server that freezes, {}", contestant.title, work.describe()));
        let server = Server::start(bench, Kind::Example { fault: Some(FAULT) }, cores)?;
        thread::sleep(AWAY_FROM_FREEZES);
        interrupt::check()?;
        let warm_up = if contestant.generator == Generator::Peer(Peer::Wrk2) { WRK2_CALIBRATION_S } else { 0 };
        let work = Work { url: &server.url, seconds: work.seconds + warm_up, ..work };
        let Some(sample) = bench.try_run(&Turn { contestant, work, cores }, table)? else { continue };
        reports.push(reported::read(contestant.generator, &sample.output)?);
        requests.push(sample.requests);
    }
    Ok(cells(&contestant.title, Some(work.connections), &Figures::of(requests), &reports))
}

fn cells(title: &str, connections: Option<u32>, requests: &Figures, reports: &[Reported]) -> Vec<String> {
    let figure =
        |value: fn(&Reported) -> Option<f64>, digits| Figures::of_known(reports.iter().map(value)).show_spread(digits);
    vec![
        title.to_owned(),
        show(connections.map(f64::from), 0),
        requests.show(0),
        figure(|reported| reported.p50, 2),
        figure(|reported| reported.p95, 1),
        figure(|reported| reported.p99, 1),
        figure(|reported| reported.mean, 1),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_truth_is_what_an_even_stream_of_requests_meets() {
        // The same by counting: 10,000 requests, one per millisecond, the first 1,000 of them frozen.
        let mut waits: Vec<f64> = (0..10_000).map(|ms| (HOLD_MS - f64::from(ms)).max(0.0)).collect();
        waits.sort_by(f64::total_cmp);
        let at = |q: f64| waits[(q * 10_000.0) as usize - 1];
        let Reported { p50, p95, p99, mean } = truth();
        let near = |figure: Option<f64>, counted: f64| (figure.unwrap() - counted).abs() < 1.0;
        assert!(near(p50, at(0.5)) && near(p95, at(0.95)) && near(p99, at(0.99)));
        assert!(near(mean, waits.iter().sum::<f64>() / 10_000.0));
    }

    #[test]
    fn a_generator_that_does_not_say_has_a_dash() {
        let cells = cells("oha", Some(10), &Figures::of([5.0]), &[Reported { p50: Some(1.0), ..Reported::default() }]);
        assert_eq!(cells, ["oha", "10", "5", "1.00", "-", "-", "-"]);
    }
}
