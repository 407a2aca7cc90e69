//! How late requests arrive that a generator was told to send at a constant rate, by the server's clock.
//!
//! A generator does not say when it meant to send; its requests do. At a rate r the i-th request is due at t0 + i / r,
//! and the earliest t0 with which no request came early is the least of a(i) - i / r over all arrivals a(i). Beyond
//! that, a request is late. A delay that every request has in common, such as the way over loopback, is not seen.

use crate::args::PeersOptions;
use crate::say;

use super::arrivals::{self, Connection};
use super::bench::{Bench, Turn};
use super::cores::Cores;
use super::generators::{Contestant, Model, Pacing, Protocol, Work};
use super::or_default;
use super::servers::{Kind, Server};
use super::table::{Figures, Table};

const RUNS: u32 = 5;
const SECONDS: u32 = 10;
const CONNECTIONS: u32 = 50;
const RATES: [u32; 2] = [1000, 10_000];
const HEAD: [&str; 7] =
    ["generator", "requests", "of rate x time", "lag p50, ms", "p99, ms", "longest, ms", "us CPU/request"];
const ORIGIN: &str = "median [least, greatest] over the runs; the origin is the earliest that no arrival contradicts, \
    so a delay that all requests share is not in the lag";

pub(super) fn measure(bench: &Bench<'_>, options: &PeersOptions, contestants: &[Contestant]) -> anyhow::Result<()> {
    let threads = options.cores.unwrap_or(1);
    let cores = Cores::divide(threads, threads);
    let server = Server::start(bench, Kind::Arrivals, &cores)?;
    let runs = options.pairs.unwrap_or(RUNS);
    for &rate in &or_default(&options.open, &RATES) {
        for &connections in &or_default(&options.connections, &[CONNECTIONS]) {
            let work = Work {
                url: &server.url,
                connections,
                seconds: options.seconds.unwrap_or(SECONDS),
                threads,
                model: Model::Open(rate),
                protocol: Protocol::Http1,
            };
            let table = table(bench, &server, &work, &cores, (rate, runs), contestants)?;
            say::result(format!("{}, runs: {runs}; {}\n", work.describe(), cores.describe()));
            say::result(table.show());
        }
    }
    Ok(())
}

fn table(
    bench: &Bench<'_>,
    server: &Server,
    work: &Work<'_>,
    cores: &Cores,
    (rate, runs): (u32, u32),
    contestants: &[Contestant],
) -> anyhow::Result<Table> {
    let mut seen: Vec<Vec<Seen>> = contestants.iter().map(|_| Vec::new()).collect();
    let mut table = Table::new(&HEAD);
    table.note(ORIGIN);
    for number in 1..=runs {
        for (contestant, seen) in contestants.iter().zip(&mut seen) {
            let sample = bench.try_run(&Turn { contestant, work: *work, cores }, &mut table)?;
            // Also after a failure: its arrivals must not be taken for the next one's.
            let connections = arrivals::take(server.address()?)?;
            let Some(sample) = sample else { continue };
            let lags = Lags::of(&connections, f64::from(rate), contestant.pacing());
            let due = f64::from(rate) * f64::from(work.seconds);
            let run = Seen { lags, due, cpu_us: sample.cpu_us_per_request() };
            say::step(format!("{number} of {runs}, {}: {}", contestant.title, run.describe()));
            seen.push(run);
        }
    }
    for (contestant, seen) in contestants.iter().zip(&seen) {
        table.row(row(&contestant.title, seen));
        if contestant.pacing() == Pacing::PerConnection {
            table.note(format!(
                "{} keeps a schedule per connection, each from an origin of its own, so its lag is taken within \
                 each connection: gaps and clusters of the total are not in it",
                contestant.title
            ));
        }
    }
    Ok(table)
}

/// What the server saw of one run.
#[derive(Debug)]
struct Seen {
    lags: Lags,
    /// Requests that the rate and the time make.
    due: f64,
    cpu_us: f64,
}

impl Seen {
    fn describe(&self) -> String {
        let Lags { sorted_ns, .. } = &self.lags;
        let [p50, p99, longest] = [0.5, 0.99, 1.0].map(|q| self.lags.quantile_ms(q).unwrap_or(f64::NAN));
        let requests = sorted_ns.len();
        format!("{requests} requests, lag p50 {p50:.3} p99 {p99:.3} longest {longest:.3} ms, {:.2} us", self.cpu_us)
    }
}

fn row(title: &str, seen: &[Seen]) -> Vec<String> {
    let figures = |value: &dyn Fn(&Seen) -> Option<f64>| Figures::of_known(seen.iter().map(value));
    let lag = |q: f64| figures(&|seen| seen.lags.quantile_ms(q)).show_spread(3);
    vec![
        title.to_owned(),
        figures(&|seen| Some(seen.lags.sorted_ns.len() as f64)).show(0),
        figures(&|seen| Some(seen.lags.sorted_ns.len() as f64 / seen.due)).show(4),
        lag(0.5),
        lag(0.99),
        lag(1.0),
        figures(&|seen| Some(seen.cpu_us)).show_spread(2),
    ]
}

/// Lags of all requests of a run.
#[derive(Debug)]
struct Lags {
    sorted_ns: Vec<f64>,
}

impl Lags {
    fn of(connections: &[Connection], rate: f64, pacing: Pacing) -> Lags {
        let period = 1e9 / rate;
        let mut sorted_ns = match pacing {
            Pacing::Together => lags_ns(connections.concat(), period),
            Pacing::PerConnection => {
                let period = period * connections.len() as f64;
                connections.iter().flat_map(|arrivals| lags_ns(arrivals.clone(), period)).collect()
            }
        };
        sorted_ns.sort_by(f64::total_cmp);
        Lags { sorted_ns }
    }

    /// The smallest lag that a share q of all does not exceed.
    fn quantile_ms(&self, q: f64) -> Option<f64> {
        let rank = (q * self.sorted_ns.len() as f64).ceil().max(1.0);
        self.sorted_ns.get(rank as usize - 1).map(|ns| ns / 1e6)
    }
}

/// In order of arrival: requests that overtake one another on their way count as if they had not.
fn lags_ns(mut arrivals: Vec<i64>, period_ns: f64) -> Vec<f64> {
    arrivals.sort_unstable();
    let Some(first) = arrivals.first().copied() else { return Vec::new() };
    let offset = |(index, arrival): (usize, &i64)| (arrival - first) as f64 - index as f64 * period_ns;
    let offsets: Vec<f64> = arrivals.iter().enumerate().map(offset).collect();
    let origin = offsets.iter().copied().fold(f64::INFINITY, f64::min);
    offsets.into_iter().map(|offset| offset - origin).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: i64 = 1_000_000;

    #[test]
    fn lag_is_counted_from_the_earliest_origin_that_no_arrival_contradicts() {
        // Due every 10 ms. The first is 3 ms late, the second on time, the third 1 ms late.
        let connections = [vec![3 * MS, 21 * MS], vec![10 * MS]];
        let lags = Lags::of(&connections, 100.0, Pacing::Together);
        assert_eq!(lags.sorted_ns, [0.0, 1e6, 3e6]);
        assert_eq!((lags.quantile_ms(0.5), lags.quantile_ms(0.99)), (Some(1.0), Some(3.0)));
    }

    #[test]
    fn a_schedule_per_connection_has_an_origin_per_connection() {
        // 100/s on two connections: each sends every 20 ms, the second from 7 ms on and 2 ms late at its end.
        let connections = [vec![0, 20 * MS, 40 * MS], vec![7 * MS, 27 * MS, 49 * MS]];
        let apart = Lags::of(&connections, 100.0, Pacing::PerConnection);
        assert_eq!(apart.quantile_ms(1.0), Some(2.0));
        assert_eq!(apart.quantile_ms(0.5), Some(0.0));
        let together = Lags::of(&connections, 100.0, Pacing::Together);
        assert!(together.quantile_ms(0.5) > Some(0.0));
    }

    #[test]
    fn requests_that_were_never_sent_make_the_later_ones_late() {
        let lags = Lags::of(&[vec![0, 10 * MS, 40 * MS, 50 * MS]], 100.0, Pacing::Together);
        assert_eq!(lags.sorted_ns, [0.0, 0.0, 2e7, 2e7]);
    }

    #[test]
    fn without_arrivals_there_is_no_lag() {
        let lags = Lags::of(&[], 100.0, Pacing::PerConnection);
        let seen = Seen { lags, due: 10.0, cpu_us: f64::NAN };
        assert_eq!(row("none", &[seen]), ["none", "0", "0.0000", "-", "-", "-", "-"]);
    }
}
