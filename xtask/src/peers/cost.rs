//! What a request costs: CPU, rate and memory of loadgen and of one peer after the other, in pairs that alternate.

use crate::args::{PeersOptions, Table as Asked};
use crate::interrupt::Interrupted;
use crate::say;

use super::bench::{Bench, Sample, Turn};
use super::cores::Cores;
use super::generators::{Contestant, Model, Pace, Protocol, Work};
use super::servers::{Kind, Server};
use super::table::{Figures, Table, show};
use super::{LOADGEN, or_default, protocol};

const PAIRS: u32 = 5;
const SECONDS: u32 = 3;
const CONNECTIONS: u32 = 64;
const CONNECTIONS_HTTP2: u32 = 8;
const HEAD: [&str; 11] = [
    "peer",
    "us CPU/request, loadgen",
    "peer",
    "ratio, median [least, greatest]",
    "ms CPU to start, loadgen",
    "peer",
    "ratio net of start",
    "requests/s, loadgen",
    "peer",
    "peak MiB, loadgen",
    "peer",
];

pub(super) fn measure(bench: &Bench<'_>, options: &PeersOptions, peers: &[Contestant]) -> anyhow::Result<()> {
    let threads = options.cores.unwrap_or(1);
    let cores = Cores::divide(threads, threads);
    let (kind, connections) = match options.table {
        Asked::Http2 => (Kind::Http2, CONNECTIONS_HTTP2),
        _ => (Kind::Example { fault: None }, CONNECTIONS),
    };
    let server = Server::start(bench, kind, &cores)?;
    let models = match options.open.is_empty() {
        true => vec![Model::Closed],
        false => options.open.iter().map(|rate| Model::Open(*rate)).collect(),
    };
    for model in models {
        for &connections in &or_default(&options.connections, &[connections]) {
            let work = Work {
                url: &server.url,
                connections,
                seconds: options.seconds.unwrap_or(SECONDS),
                threads,
                model,
                protocol: protocol(options),
            };
            show_table(bench, &work, &cores, options.pairs.unwrap_or(PAIRS), peers)?;
        }
    }
    Ok(())
}

fn show_table(
    bench: &Bench<'_>,
    work: &Work<'_>,
    cores: &Cores,
    count: u32,
    peers: &[Contestant],
) -> anyhow::Result<()> {
    let ours = Contestant::loadgen(bench.binaries.program(LOADGEN), Pace::Chosen);
    let mut table = Table::new(&HEAD);
    let turn = |contestant| Turn { contestant, work: *work, cores };
    let our_start = start_up(bench, &turn(&ours), &mut table)?;
    for peer in peers {
        let their_start = start_up(bench, &turn(peer), &mut table)?;
        say::step(format!("loadgen and {}, {count} times {}", peer.title, work.describe()));
        let pairs = pairs(bench, &[turn(&ours), turn(peer)], count, &mut table)?;
        let cells = row(&peer.title, &pairs, our_start, their_start, &mut |note| table.note(note));
        table.row(cells);
    }
    say::result(format!("{}, pairs: {count}; {}\n", work.describe(), cores.describe()));
    say::result(table.show());
    Ok(())
}

/// A start that cannot be measured costs a column, not the table.
fn start_up(bench: &Bench<'_>, turn: &Turn<'_>, table: &mut Table) -> anyhow::Result<Option<f64>> {
    // The slow service speaks HTTP/1.1 only.
    let work = Work { protocol: Protocol::Http1, ..turn.work };
    match bench.start_up(turn.contestant, &work, turn.cores) {
        Ok(cpu_s) => Ok(Some(cpu_s)),
        Err(error) if error.is::<Interrupted>() => Err(error),
        Err(error) => {
            table.note(format!("no start-up cost of {}: {error:#}", turn.contestant.title));
            Ok(None)
        }
    }
}

/// A run of loadgen and the run of a peer right after it, or the other way round.
struct Pair {
    ours: Sample,
    theirs: Sample,
}

fn pairs(bench: &Bench<'_>, turns: &[Turn<'_>; 2], count: u32, table: &mut Table) -> anyhow::Result<Vec<Pair>> {
    let mut pairs = Vec::new();
    for number in 0..count {
        if let Some([ours, theirs]) = bench.pair(number, turns, table)? {
            let pair = Pair { ours, theirs };
            say::step(pair.describe(&turns[1].contestant.title));
            pairs.push(pair);
        }
    }
    Ok(pairs)
}

impl Pair {
    /// Below 1 where loadgen costs less.
    fn ratio(&self) -> f64 {
        self.ours.cpu_us_per_request() / self.theirs.cpu_us_per_request()
    }

    fn net_ratio(&self, our_start: f64, their_start: f64) -> Option<f64> {
        Some(self.ours.net_us_per_request(our_start)? / self.theirs.net_us_per_request(their_start)?)
    }

    fn describe(&self, title: &str) -> String {
        let side = |name: &str, sample: &Sample| {
            format!("{name} {:.2} us at {:.0}/s", sample.cpu_us_per_request(), sample.per_second)
        };
        format!("{}, {}: {:.3}", side(LOADGEN, &self.ours), side(title, &self.theirs), self.ratio())
    }
}

fn row(
    title: &str,
    pairs: &[Pair],
    our_start: Option<f64>,
    their_start: Option<f64>,
    note: &mut dyn FnMut(String),
) -> Vec<String> {
    let both = |value: &dyn Fn(&Sample) -> Option<f64>| {
        let side = |side: fn(&Pair) -> &Sample| Figures::of_known(pairs.iter().map(|pair| value(side(pair))));
        (side(|pair| &pair.ours), side(|pair| &pair.theirs))
    };
    let cpu = both(&|sample| Some(sample.cpu_us_per_request()));
    let rate = both(&|sample| Some(sample.per_second));
    let rss = both(&|sample| sample.peak_rss_mib);
    let net = |pair: &Pair| our_start.zip(their_start).and_then(|(ours, theirs)| pair.net_ratio(ours, theirs));
    let net = Figures::of_known(pairs.iter().map(net));
    if pairs.is_empty() {
        note(format!("no figures beside {title}: there is no pair in which both runs ended well"));
    } else if rss.0.median().is_none() || rss.1.median().is_none() {
        note(format!("no peak memory beside {title}: a run ended before the first look at it"));
    }
    if !pairs.is_empty() && net.median().is_none() {
        note(format!("no ratio net of the start beside {title}: the start is unknown, or all that there was"));
    }
    let ms = |start: Option<f64>| show(start.map(|seconds| seconds * 1e3), 0);
    vec![
        title.to_owned(),
        cpu.0.show(2),
        cpu.1.show(2),
        Figures::of(pairs.iter().map(Pair::ratio)).show_spread(2),
        ms(our_start),
        ms(their_start),
        net.show_spread(2),
        rate.0.show(0),
        rate.1.show(0),
        rss.0.show(1),
        rss.1.show(1),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(ours: f64, theirs: f64) -> Pair {
        let sample =
            |cpu_s| Sample { cpu_s, requests: 1e6, per_second: 1000.0, peak_rss_mib: None, output: String::new() };
        Pair { ours: sample(ours), theirs: sample(theirs) }
    }

    fn cells(pairs: &[Pair], start: Option<f64>) -> (Vec<String>, Vec<String>) {
        let mut notes = Vec::new();
        let cells = row("wrk", pairs, start, start, &mut |note| notes.push(note));
        assert_eq!(cells.len(), HEAD.len());
        (cells, notes)
    }

    #[test]
    fn the_ratio_is_taken_within_each_pair() {
        // The medians of both sides are equal; the pairs say otherwise.
        let (cells, _) = cells(&[pair(1.0, 2.0), pair(2.0, 4.0), pair(4.0, 1.0)], None);
        assert_eq!(cells[3], "0.50 [0.50, 4.00]");
    }

    #[test]
    fn the_start_is_taken_off_both_sides() {
        let (cells, _) = cells(&[pair(3.0, 5.0)], Some(1.0));
        assert_eq!((cells[3].as_str(), cells[4].as_str(), cells[6].as_str()), ("0.60", "1000", "0.50"));
    }

    #[test]
    fn what_cannot_be_had_is_a_dash_with_a_reason() {
        let (cells, notes) = cells(&[pair(3.0, 5.0)], None);
        assert_eq!((cells[4].as_str(), cells[6].as_str(), cells[9].as_str()), ("-", "-", "-"));
        assert_eq!(notes.len(), 2);
        let (cells, notes) = self::cells(&[], Some(1.0));
        assert_eq!((cells[1].as_str(), cells[3].as_str(), notes.len()), ("-", "-", 1));
    }
}
