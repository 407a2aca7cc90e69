//! `cargo xtask peers`: loadgen and other generators side by side, measured on this machine in runs that alternate, so
//! that whatever else runs here meets all of them. It shows numbers and judges none.

mod arrivals;
mod cores;
mod generators;
mod servers;
mod usage;

mod answers;
mod bench;
mod reported;
mod table;

mod cost;
mod freeze;
mod lag;
mod scaling;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::bail;

use crate::args::{Peer, PeersOptions, Table};
use crate::cargo::{self, Binaries, Profile};
use crate::outcome::{PASS, Usage};
use crate::process;
use crate::say;
use crate::workspace::Workspace;

use self::bench::Bench;
use self::generators::{Contestant, Model, Pace, Protocol};

const LOADGEN: &str = "loadgen";
const EXAMPLE_SERVICE: &str = "example-service";
const HELP_LIMIT: Duration = Duration::from_secs(10);

pub(crate) fn run(workspace: &Workspace, options: &PeersOptions) -> anyhow::Result<u8> {
    check(options)?;
    let built = workspace.path("target/peers");
    if options.install {
        install_oha(workspace, &built)?;
    }
    let (able, missed) = survey(options, &built);
    let measured = measure(workspace, options, &able);
    missed.iter().for_each(|(peer, why)| say::result(format!("not measured: {}, {why}", peer.name())));
    measured.map(|()| PASS)
}

/// The server of `peers lag`, until the process is stopped.
pub(crate) fn serve_arrivals() -> anyhow::Result<u8> {
    arrivals::serve().map(|()| PASS)
}

fn measure(workspace: &Workspace, options: &PeersOptions, peers: &[Contestant]) -> anyhow::Result<()> {
    let needs_peer = matches!(options.table, Table::Cost | Table::Http2);
    if needs_peer && peers.is_empty() {
        bail!("there is no peer to measure against");
    }
    let bench = Bench { workspace, binaries: binaries(workspace, options)?, url: options.url.clone() };
    match options.table {
        Table::Cost => cost::measure(&bench, options, peers),
        Table::Http2 => {
            check_http2(&bench.binaries.program(LOADGEN))?;
            cost::measure(&bench, options, peers)
        }
        Table::Cores => scaling::measure(&bench, options, &with_loadgen(&bench, &[Pace::Chosen], peers)),
        Table::Lag => lag::measure(&bench, options, &with_loadgen(&bench, &LAG_PACES, peers)),
        Table::Freeze => freeze::measure(&bench, options, &with_loadgen(&bench, &[Pace::Chosen], peers)),
    }
}

/// From the most exact to the cheapest.
const LAG_PACES: [Pace; 3] = [Pace::Fine, Pace::Coarse, Pace::Millisecond];

fn with_loadgen(bench: &Bench<'_>, paces: &[Pace], peers: &[Contestant]) -> Vec<Contestant> {
    let ours = paces.iter().map(|pace| Contestant::loadgen(bench.binaries.program(LOADGEN), *pace));
    ours.chain(peers.iter().cloned()).collect()
}

/// What the command line allows and the table has no use for.
fn check(options: &PeersOptions) -> Result<(), Usage> {
    let refuse = |what: &str| Err(Usage(what.to_owned()));
    let seconds = options.seconds.unwrap_or(freeze::SECONDS);
    match options.table {
        Table::Lag | Table::Freeze if options.url.is_some() => refuse("this table needs its own server; omit --url"),
        Table::Freeze if !seconds.is_multiple_of(freeze::EVERY_S) => {
            refuse("a run must see whole cycles of the freeze, which are 10 s long: --seconds 30")
        }
        Table::Http2 | Table::Cores if !options.open.is_empty() => {
            refuse("this table is of a closed loop; omit --open")
        }
        Table::Cores if options.cores == Some(1) => refuse("one core cannot be compared with itself: --cores 2"),
        _ => Ok(()),
    }
}

/// Who can be measured, and who cannot and why.
fn survey(options: &PeersOptions, built: &Path) -> (Vec<Contestant>, Vec<(Peer, String)>) {
    let (mut able, mut missed) = (Vec::new(), Vec::new());
    for peer in Peer::ALL {
        match find(peer, options, built) {
            Ok(program) => able.push(Contestant::peer(peer, program)),
            Err(why) => missed.push((peer, why)),
        }
    }
    (able, missed)
}

fn find(peer: Peer, options: &PeersOptions, built: &Path) -> Result<PathBuf, String> {
    if !options.only.is_empty() && !options.only.contains(&peer) {
        return Err("not asked for".to_owned());
    }
    let is_open = !options.open.is_empty() || matches!(options.table, Table::Lag | Table::Freeze);
    let model = if is_open { Model::Open(1) } else { Model::Closed };
    if let Some(why) = peer.refuses(model, protocol(options)) {
        return Err(why.to_owned());
    }
    match options.peer_paths.iter().find(|(named, _)| *named == peer) {
        Some((_, path)) if path.is_file() => Ok(path.clone()),
        Some((_, path)) => Err(format!("there is no file {}", path.display())),
        None => peer.find(built).ok_or_else(|| format!("not installed: {}", peer.how_to_install())),
    }
}

fn protocol(options: &PeersOptions) -> Protocol {
    match options.table {
        Table::Http2 => Protocol::Http2 { streams: options.streams },
        _ => Protocol::Http1,
    }
}

/// What was asked for, or the table's own.
fn or_default(asked: &[u32], default: &[u32]) -> Vec<u32> {
    if asked.is_empty() { default.to_vec() } else { asked.to_vec() }
}

/// An older loadgen would refuse the option in the middle of the measurement.
fn check_http2(loadgen: &Path) -> anyhow::Result<()> {
    let help = process::capture_ok(Command::new(loadgen).args(["quick", "--help"]), HELP_LIMIT)?;
    if !help.stdout.contains("--http") || !help.stdout.contains("--streams") {
        bail!("{} has no `quick --http 2 --streams N`: build one that speaks HTTP/2", loadgen.display());
    }
    Ok(())
}

fn binaries(workspace: &Workspace, options: &PeersOptions) -> anyhow::Result<Binaries> {
    let packages = [LOADGEN, EXAMPLE_SERVICE];
    if let Some(dir) = &options.bin_dir {
        return Binaries::in_dir(dir, &packages);
    }
    say::step(format!("building {} for release", packages.join(", ")));
    cargo::build(workspace, Profile::Release, &packages)
}

fn install_oha(workspace: &Workspace, built: &Path) -> anyhow::Result<()> {
    if Peer::Oha.find(built).is_some() {
        return Ok(());
    }
    say::step(format!("building oha into {}", built.display()));
    let mut install = cargo::command(workspace);
    install.args(["install", "oha", "--locked", "--root"]).arg(built);
    match cargo::run("cargo", &mut install)? {
        0 => Ok(()),
        code => bail!("`{}` ended with exit code {code}", process::line_of(&install)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(table: Table) -> PeersOptions {
        PeersOptions {
            table,
            pairs: None,
            seconds: None,
            connections: Vec::new(),
            streams: 8,
            open: Vec::new(),
            cores: None,
            url: None,
            only: Vec::new(),
            peer_paths: Vec::new(),
            install: false,
            bin_dir: None,
        }
    }

    #[test]
    fn every_peer_that_is_not_measured_has_a_reason() {
        let only = PeersOptions { only: vec![Peer::Wrk2], ..options(Table::Cost) };
        let (able, missed) = survey(&only, Path::new("nowhere"));
        assert_eq!(able.len(), 0);
        assert_eq!(missed.len(), Peer::ALL.len());
        let why = |peer| missed.iter().find(|(missed, _)| *missed == peer).map(|(_, why)| why.as_str()).unwrap();
        assert_eq!(why(Peer::Wrk), "not asked for");
        assert!(why(Peer::Wrk2).contains("--open RATE"));
    }

    #[test]
    fn a_peer_built_here_comes_before_the_one_on_path_and_one_that_is_named_before_both() {
        let built = tempfile::tempdir().unwrap();
        let ours = built.path().join("bin/oha");
        std::fs::create_dir(built.path().join("bin")).unwrap();
        std::fs::write(&ours, "").unwrap();
        assert_eq!(find(Peer::Oha, &options(Table::Cost), built.path()), Ok(ours.clone()));
        let elsewhere = built.path().join("other");
        let named = PeersOptions { peer_paths: vec![(Peer::Oha, elsewhere.clone())], ..options(Table::Lag) };
        assert!(find(Peer::Oha, &named, built.path()).unwrap_err().starts_with("there is no file"));
        std::fs::write(&elsewhere, "").unwrap();
        assert_eq!(find(Peer::Oha, &named, built.path()), Ok(elsewhere));
    }

    #[test]
    fn options_that_would_change_nothing_are_refused() {
        let refusal = |options: PeersOptions| check(&options).unwrap_err().to_string();
        assert!(refusal(PeersOptions { seconds: Some(25), ..options(Table::Freeze) }).contains("whole cycles"));
        assert!(refusal(PeersOptions { open: vec![5], ..options(Table::Cores) }).contains("--open"));
        assert!(refusal(PeersOptions { url: Some("http://h/".to_owned()), ..options(Table::Lag) }).contains("--url"));
        assert!(refusal(PeersOptions { cores: Some(1), ..options(Table::Cores) }).contains("--cores 2"));
        assert!(check(&options(Table::Freeze)).is_ok());
    }
}
