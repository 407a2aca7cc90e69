//! What more cores bring: rate and CPU per request of each generator on several cores, against one.

use crate::args::PeersOptions;
use crate::say;

use super::bench::{Bench, Sample, Turn};
use super::cores::Cores;
use super::generators::{Contestant, Model, Protocol, Work};
use super::or_default;
use super::servers::{Kind, Server};
use super::table::{Figures, Table};

const PAIRS: u32 = 5;
const SECONDS: u32 = 3;
const CONNECTIONS: u32 = 64;
const CORES: u32 = 2;

pub(super) fn measure(bench: &Bench<'_>, options: &PeersOptions, contestants: &[Contestant]) -> anyhow::Result<()> {
    let many = options.cores.unwrap_or(CORES);
    let on = [1, many].map(|count| Cores::divide(count, many));
    let server = Server::start(bench, Kind::Example { fault: None }, &on[1])?;
    for &connections in &or_default(&options.connections, &[CONNECTIONS]) {
        let work = Work {
            url: &server.url,
            connections,
            seconds: options.seconds.unwrap_or(SECONDS),
            threads: 1,
            model: Model::Closed,
            protocol: Protocol::Http1,
        };
        let pairs = options.pairs.unwrap_or(PAIRS);
        let table = table(bench, &work, &on, pairs, contestants)?;
        say::result(format!("{}, pairs: {pairs}; one core: {}", work.describe(), on[0].describe()));
        say::result(format!("{many} cores: {}\n", on[1].describe()));
        say::result(table.show());
    }
    Ok(())
}

fn table(
    bench: &Bench<'_>,
    work: &Work<'_>,
    on: &[Cores; 2],
    pairs: u32,
    contestants: &[Contestant],
) -> anyhow::Result<Table> {
    let many = on[1].generator_threads();
    let mut table = Table::new(&[
        "generator",
        "requests/s, 1 core",
        &format!("{many} cores"),
        "ratio, median [least, greatest]",
        "us CPU/request, 1 core",
        &format!("{many} cores"),
        "ratio, median [least, greatest]",
    ]);
    for contestant in contestants {
        say::step(format!("{} on 1 and {many} cores, {pairs} times {}", contestant.title, work.describe()));
        let turns = [&on[0], &on[1]].map(|cores| {
            let work = Work { threads: cores.generator_threads(), ..*work };
            Turn { contestant, work, cores }
        });
        let mut samples = Vec::new();
        for number in 0..pairs {
            samples.extend(bench.pair(number, &turns, &mut table)?);
        }
        table.row(row(&contestant.title, &samples));
    }
    Ok(table)
}

fn row(title: &str, samples: &[[Sample; 2]]) -> Vec<String> {
    let mut cells = vec![title.to_owned()];
    cells.extend(compared(samples, |sample| sample.per_second, 0));
    cells.extend(compared(samples, Sample::cpu_us_per_request, 2));
    cells
}

/// One core, several, and the second by the first within each pair.
fn compared(samples: &[[Sample; 2]], value: impl Fn(&Sample) -> f64, digits: usize) -> [String; 3] {
    let side = |side: usize| Figures::of(samples.iter().map(|pair| value(&pair[side]))).show(digits);
    let ratios = Figures::of(samples.iter().map(|[one, many]| value(many) / value(one)));
    [side(0), side(1), ratios.show_spread(2)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_cores_are_compared_with_one_within_each_pair() {
        let sample = |per_second| Sample {
            cpu_s: 1.0,
            requests: per_second,
            per_second,
            peak_rss_mib: None,
            output: String::new(),
        };
        let cells = row("wrk", &[[sample(1e5), sample(2e5)], [sample(2e5), sample(3e5)]]);
        assert_eq!(cells[1..4], ["150000", "250000", "1.75 [1.50, 2.00]"]);
        assert_eq!(cells[4..], ["7.50", "4.17", "0.58 [0.50, 0.67]"]);
    }
}
