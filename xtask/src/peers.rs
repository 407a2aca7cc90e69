//! `cargo xtask peers`: what one request costs loadgen and other generators, measured on this machine, in pairs that
//! alternate so that whatever else runs here meets both. It shows numbers and judges none.

mod answers;
mod cores;
mod generators;
mod table;
mod usage;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, bail};

use crate::args::{Peer, PeersOptions};
use crate::cargo::{self, Binaries, Profile};
use crate::interrupt;
use crate::native;
use crate::outcome::PASS;
use crate::process::{self, Running};
use crate::say;
use crate::workspace::Workspace;

use self::cores::Cores;
use self::generators::{Model, Work};
use self::table::{Pair, Sample};

const LOADGEN: &str = "loadgen";
const EXAMPLE_SERVICE: &str = "example-service";
/// Nobody listens there: the static page needs no Redis, so the service counts as unhealthy and serves it all the same.
const NO_REDIS: &str = "redis://127.0.0.1:1";
/// Beyond its time, a run has to start, to drain, and to print.
const RUN_SLACK: Duration = Duration::from_secs(30);

pub(crate) fn run(workspace: &Workspace, options: &PeersOptions) -> anyhow::Result<u8> {
    let built = workspace.path("target/peers");
    if options.install {
        install_oha(workspace, &built)?;
    }
    let (able, missed) = survey(options, &built);
    if !able.is_empty() {
        measure(workspace, options, &able)?;
    }
    missed.iter().for_each(|(peer, why)| say::result(format!("not measured: {}, {why}", peer.name())));
    if able.is_empty() {
        bail!("there is no peer to measure against");
    }
    Ok(PASS)
}

/// A peer that can be measured.
#[derive(Debug)]
struct Found {
    peer: Peer,
    program: PathBuf,
    version: Option<String>,
}

impl Found {
    fn title(&self) -> String {
        let name = self.peer.name();
        self.version.as_ref().map_or_else(|| name.to_owned(), |version| format!("{name} {version}"))
    }
}

/// Who can be measured, and who cannot and why.
fn survey(options: &PeersOptions, built: &Path) -> (Vec<Found>, Vec<(Peer, String)>) {
    let (mut able, mut missed) = (Vec::new(), Vec::new());
    for peer in Peer::ALL {
        match find(peer, options, built) {
            Ok(program) => able.push(Found { peer, version: peer.version(&program), program }),
            Err(why) => missed.push((peer, why)),
        }
    }
    (able, missed)
}

fn find(peer: Peer, options: &PeersOptions, built: &Path) -> Result<PathBuf, String> {
    if !options.only.is_empty() && !options.only.contains(&peer) {
        return Err("not asked for".to_owned());
    }
    if let Some(why) = peer.refuses(model(options)) {
        return Err(why.to_owned());
    }
    peer.find(built).ok_or_else(|| format!("not installed: {}", peer.how_to_install()))
}

fn model(options: &PeersOptions) -> Model {
    options.open.map_or(Model::Closed, Model::Open)
}

fn measure(workspace: &Workspace, options: &PeersOptions, peers: &[Found]) -> anyhow::Result<()> {
    let binaries = binaries(workspace, options)?;
    let cores = Cores::divide();
    let dir = workspace.scratch_dir("peers")?;
    let (_service, url) = start_service(&binaries, &cores, dir.path())?;
    let url = format!("{url}/");
    let work = Work { url: &url, connections: options.connections, seconds: options.seconds, model: model(options) };
    let bench = Bench { cores, loadgen: binaries.program(LOADGEN), work };

    let rows = peers.iter().map(|found| Ok(table::row(&found.title(), &bench.pairs(found, options.pairs)?)));
    let rows = rows.collect::<anyhow::Result<Vec<String>>>()?;
    say::result(format!("{}, pairs: {}; {}", work.describe(), options.pairs, bench.cores.describe()));
    say::result(table::head());
    rows.iter().for_each(say::result);
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

/// One thread, for it has one core.
fn start_service(binaries: &Binaries, cores: &Cores, dir: &Path) -> anyhow::Result<(Running, String)> {
    let mut command = cores.service(&binaries.program(EXAMPLE_SERVICE));
    command.args(["--listen", "127.0.0.1:0", "--threads", "1", "--redis", NO_REDIS]).arg("--log-dir").arg(dir);
    native::start_listening(&mut command, dir)
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

/// Everything that stays the same from run to run.
#[derive(Debug)]
struct Bench<'a> {
    cores: Cores,
    loadgen: PathBuf,
    work: Work<'a>,
}

impl Bench<'_> {
    fn pairs(&self, found: &Found, count: u32) -> anyhow::Result<Vec<Pair>> {
        say::step(format!("loadgen and {}, {count} times {}", found.title(), self.work.describe()));
        // Whoever goes first changes from pair to pair, so that a machine that slows down favours nobody.
        let pair = |number: u32| {
            let pair = if number.is_multiple_of(2) {
                Pair { ours: self.run_loadgen()?, theirs: self.run_peer(found)? }
            } else {
                let theirs = self.run_peer(found)?;
                Pair { ours: self.run_loadgen()?, theirs }
            };
            say::step(table::row(found.peer.name(), &[pair]));
            Ok(pair)
        };
        (0..count).map(pair).collect()
    }

    fn run_loadgen(&self) -> anyhow::Result<Sample> {
        let mut command = self.cores.generator(&self.loadgen);
        generators::loadgen_arguments(&mut command, &self.work);
        self.sample(&mut command, answers::loadgen)
    }

    fn run_peer(&self, found: &Found) -> anyhow::Result<Sample> {
        let mut command = self.cores.generator(&found.program);
        found.peer.arguments(&mut command, &self.work);
        self.sample(&mut command, |output| found.peer.read(output))
    }

    fn sample(
        &self,
        command: &mut Command,
        read: impl Fn(&str) -> anyhow::Result<answers::Answer>,
    ) -> anyhow::Result<Sample> {
        interrupt::check()?;
        let metered = usage::run(command, Duration::from_secs(self.work.seconds.into()) + RUN_SLACK)?;
        let answer = read(&metered.stdout).with_context(|| format!("`{}`", process::line_of(command)))?;
        Ok(Sample::new(&metered, answer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(only: &[Peer], open: Option<u32>) -> PeersOptions {
        let only = only.to_vec();
        PeersOptions { pairs: 1, seconds: 1, connections: 1, open, only, install: false, bin_dir: None }
    }

    #[test]
    fn every_peer_that_is_not_measured_has_a_reason() {
        let nowhere = Path::new("nowhere");
        let (able, missed) = survey(&options(&[Peer::Wrk2], None), nowhere);
        assert_eq!(able.len(), 0);
        assert_eq!(missed.len(), Peer::ALL.len());
        let why = |peer| missed.iter().find(|(missed, _)| *missed == peer).map(|(_, why)| why.as_str()).unwrap();
        assert_eq!(why(Peer::Wrk), "not asked for");
        assert!(why(Peer::Wrk2).contains("--open RATE"));
    }

    #[test]
    fn a_peer_built_here_comes_before_the_one_on_path() {
        let built = tempfile::tempdir().unwrap();
        let ours = built.path().join("bin/oha");
        std::fs::create_dir(built.path().join("bin")).unwrap();
        std::fs::write(&ours, "").unwrap();
        assert_eq!(find(Peer::Oha, &options(&[], None), built.path()), Ok(ours));
    }
}
