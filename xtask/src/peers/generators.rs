//! The generators: how each is told what to do, and how it paces requests. Each is given as many threads as it has
//! cores.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::args::Peer;
use crate::peers::answers::{self, Answer};
use crate::platform;
use crate::process;

const VERSION_LIMIT: Duration = Duration::from_secs(10);

/// The work of one run, the same for every generator.
#[derive(Debug, Clone, Copy)]
pub(super) struct Work<'a> {
    pub(super) url: &'a str,
    pub(super) connections: u32,
    pub(super) seconds: u32,
    pub(super) threads: u32,
    pub(super) model: Model,
    pub(super) protocol: Protocol,
}

/// What makes a generator send its next request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Model {
    /// The answer to the one before on the same connection.
    Closed,
    /// A schedule with this many requests per second.
    Open(u32),
}

/// How requests share a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    /// One at a time.
    Http1,
    /// Over HTTP/2, spoken from the first byte, with this many at a time.
    Http2 { streams: u32 },
}

impl Work<'_> {
    pub(super) fn describe(&self) -> String {
        let Work { connections, seconds, .. } = self;
        let model = match self.model {
            Model::Closed => "closed loop".to_owned(),
            Model::Open(rate) => format!("{rate}/s"),
        };
        let streams = match self.protocol {
            Protocol::Http1 => String::new(),
            Protocol::Http2 { streams } => format!(" with {streams} streams of HTTP/2"),
        };
        format!("{model}, {connections} connections{streams}, {seconds} s")
    }

    fn duration(&self) -> String {
        format!("{}s", self.seconds)
    }
}

/// Who is measured: loadgen in one of its ways, or a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Generator {
    Loadgen(Pace),
    Peer(Peer),
}

/// How exactly loadgen keeps a schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pace {
    /// As it chooses itself.
    Chosen,
    /// A wake-up for each arrival.
    Fine,
    /// A wake-up for all arrivals of a tick.
    Coarse,
    /// The same with ticks of a millisecond, as wrk2's timer has them.
    Millisecond,
}

/// Whose schedule a rate is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pacing {
    /// One for all connections.
    Together,
    /// Each connection has one of its own, with its share of the rate.
    PerConnection,
}

/// A generator that can be measured.
#[derive(Debug, Clone)]
pub(super) struct Contestant {
    pub(super) generator: Generator,
    pub(super) program: PathBuf,
    pub(super) title: String,
}

impl Contestant {
    pub(super) fn loadgen(program: PathBuf, pace: Pace) -> Contestant {
        let title = match pace {
            Pace::Chosen => "loadgen",
            Pace::Fine => "loadgen, fine",
            Pace::Coarse => "loadgen, coarse",
            Pace::Millisecond => "loadgen, 1 ms",
        };
        Contestant { generator: Generator::Loadgen(pace), program, title: title.to_owned() }
    }

    pub(super) fn peer(peer: Peer, program: PathBuf) -> Contestant {
        let version = peer.version(&program).map(|version| format!(" {version}")).unwrap_or_default();
        Contestant { generator: Generator::Peer(peer), program, title: format!("{}{version}", peer.name()) }
    }

    /// `scratch` is a directory of this run's own: loadgen takes its pace from a plan.
    pub(super) fn arguments(&self, command: &mut Command, work: &Work<'_>, scratch: &Path) -> anyhow::Result<()> {
        match self.generator {
            Generator::Loadgen(Pace::Chosen) => quick_arguments(command, work),
            Generator::Loadgen(pace) => {
                let plan = scratch.join("plan.toml");
                std::fs::write(&plan, plan_text(work, pace))?;
                command.arg("run").arg(&plan).args(["--quiet", "--format", "json"]);
                command.arg("--run-dir").arg(scratch.join("run"));
            }
            Generator::Peer(peer) => peer.arguments(command, work),
        }
        Ok(())
    }

    pub(super) fn read(&self, output: &str) -> anyhow::Result<Answer> {
        match self.generator {
            Generator::Loadgen(_) => answers::loadgen(output),
            Generator::Peer(peer) => peer.read(output),
        }
    }

    pub(super) fn pacing(&self) -> Pacing {
        match self.generator {
            Generator::Peer(Peer::Wrk2) => Pacing::PerConnection,
            _ => Pacing::Together,
        }
    }
}

fn quick_arguments(command: &mut Command, work: &Work<'_>) {
    command.args(["quick", work.url, "--workers", &work.threads.to_string(), "--quiet", "--format", "json"]);
    command.args(["--connections", &work.connections.to_string(), "--duration", &work.duration()]);
    if let Model::Open(rate) = work.model {
        command.args(["--rate", &rate.to_string()]);
    }
    if let Protocol::Http2 { streams } = work.protocol {
        command.args(["--http", "2", "--streams", &streams.to_string()]);
    }
}

fn plan_text(work: &Work<'_>, pace: Pace) -> String {
    let load = match work.model {
        Model::Closed => format!("users = {}", work.connections),
        Model::Open(rate) => format!("rate = \"{rate}/s\""),
    };
    let precision = match pace {
        Pace::Chosen | Pace::Fine => "fine",
        Pace::Coarse => "coarse",
        Pace::Millisecond => "1ms",
    };
    let Work { url, connections, seconds, threads, .. } = work;
    format!(
        "schema = 1\nname = \"peers\"\n[target]\nurl = \"{url}\"\nconnections = {connections}\n\
         [generator]\nworkers = {threads}\nprecision = \"{precision}\"\n\
         [[phases]]\nname = \"load\"\nduration = \"{seconds}s\"\n{load}\n\
         [[flows.get.steps]]\nname = \"get\"\nget = \"/\"\n"
    )
}

impl Peer {
    pub(super) const ALL: [Peer; 5] = [Peer::Wrk, Peer::Wrk2, Peer::Oha, Peer::H2load, Peer::Hey];

    pub(super) fn name(self) -> &'static str {
        match self {
            Peer::Wrk => "wrk",
            Peer::Wrk2 => "wrk2",
            Peer::Oha => "oha",
            Peer::H2load => "h2load",
            Peer::Hey => "hey",
        }
    }

    /// Where it is: among those built here, else on PATH.
    pub(super) fn find(self, built: &Path) -> Option<PathBuf> {
        let ours = built.join("bin").join(self.name());
        if ours.is_file() { Some(ours) } else { platform::find_program(self.name()) }
    }

    pub(super) fn how_to_install(self) -> &'static str {
        match self {
            Peer::Wrk => "apt-get install wrk",
            Peer::Wrk2 => "build it from its sources and say where it is: --peer-path wrk2=FILE",
            Peer::Oha => "cargo xtask peers --install",
            Peer::H2load => "apt-get install nghttp2-client",
            Peer::Hey => "apt-get install hey",
        }
    }

    /// Why it cannot do this work, if it cannot.
    pub(super) fn refuses(self, model: Model, protocol: Protocol) -> Option<&'static str> {
        match (self, model, protocol) {
            (Peer::Wrk | Peer::Wrk2 | Peer::Hey, _, Protocol::Http2 { .. }) => {
                Some("it has no HTTP/2 without TLS and with streams")
            }
            (Peer::Wrk2, Model::Closed, _) => Some("it sends at a constant rate only: --open RATE"),
            (Peer::Wrk, Model::Open(_), _) => Some("it has no constant rate"),
            (Peer::H2load | Peer::Hey, Model::Open(_), _) => {
                Some("its rate is one per connection, and it does not count from when a request was due")
            }
            _ => None,
        }
    }

    /// Its version in its own words; hey has none to ask for.
    fn version(self, program: &Path) -> Option<String> {
        let flag = match self {
            Peer::Wrk | Peer::Wrk2 => "-v",
            Peer::Oha | Peer::H2load => "--version",
            Peer::Hey => return None,
        };
        let answer = process::capture(Command::new(program).arg(flag), VERSION_LIMIT).ok()?;
        answer.stdout.split_whitespace().nth(1).and_then(bare_version)
    }

    fn arguments(self, command: &mut Command, work: &Work<'_>) {
        let (connections, seconds) = (work.connections.to_string(), work.seconds.to_string());
        let (duration, threads) = (work.duration(), work.threads.to_string());
        match self {
            Peer::Wrk => command.args(["-t", &threads, "-c", &connections, "-d", &duration]),
            Peer::Wrk2 => command.args(["-t", &threads, "-c", &connections, "-d", &duration, "--latency"]),
            // It has a thread per core that it may use.
            Peer::Oha => command.args(["--no-tui", "--output-format", "json", "-c", &connections, "-z", &duration]),
            Peer::H2load => command.args(["-t", &threads, "-c", &connections, "-D", &seconds]),
            Peer::Hey => command.args(["-cpus", &threads, "-c", &connections, "-z", &duration]),
        };
        match (self, work.model) {
            (Peer::Wrk2, Model::Open(rate)) => command.arg(format!("-R{rate}")),
            (Peer::Oha, Model::Open(rate)) => command.args(["--latency-correction", "-q", &rate.to_string()]),
            _ => command,
        };
        match (self, work.protocol) {
            (Peer::H2load, Protocol::Http1) => command.arg("--h1"),
            (Peer::H2load, Protocol::Http2 { streams }) => command.args(["-m", &streams.to_string()]),
            (Peer::Oha, Protocol::Http2 { streams }) => command.args(["--http2", "-p", &streams.to_string()]),
            _ => command,
        };
        command.arg(work.url);
    }

    fn read(self, output: &str) -> anyhow::Result<Answer> {
        match self {
            Peer::Wrk | Peer::Wrk2 => answers::wrk(output),
            Peer::Oha => answers::oha(output),
            Peer::H2load => answers::h2load(output),
            Peer::Hey => answers::hey(output),
        }
    }
}

/// Without the project's name before it and the distribution's marks behind, as in `debian/4.1.0-3+b2`.
fn bare_version(text: &str) -> Option<String> {
    text.rsplit('/').next()?.split('-').next().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLOSED: Work<'static> = Work {
        url: "http://h/",
        connections: 64,
        seconds: 3,
        threads: 1,
        model: Model::Closed,
        protocol: Protocol::Http1,
    };
    const OPEN: Work<'static> = Work { model: Model::Open(1000), ..CLOSED };
    const HTTP2: Work<'static> = Work { protocol: Protocol::Http2 { streams: 8 }, ..CLOSED };

    fn line(generator: Generator, work: &Work<'_>) -> String {
        let mut command = Command::new("g");
        let contestant = Contestant { generator, program: PathBuf::new(), title: String::new() };
        contestant.arguments(&mut command, work, Path::new("/nowhere")).unwrap();
        process::line_of(&command)
    }

    fn peer(peer: Peer, work: &Work<'_>) -> String {
        line(Generator::Peer(peer), work)
    }

    #[test]
    fn each_peer_is_told_the_same_work_in_its_own_words() {
        assert_eq!(peer(Peer::Wrk, &CLOSED), "g -t 1 -c 64 -d 3s http://h/");
        assert_eq!(peer(Peer::Oha, &CLOSED), "g --no-tui --output-format json -c 64 -z 3s http://h/");
        assert_eq!(peer(Peer::H2load, &CLOSED), "g -t 1 -c 64 -D 3 --h1 http://h/");
        assert_eq!(peer(Peer::Hey, &CLOSED), "g -cpus 1 -c 64 -z 3s http://h/");
    }

    #[test]
    fn a_version_is_the_numbers_alone() {
        let bare = ["debian/4.1.0-3+b2", "nghttp2/1.52.0", "1.16.0"].map(|text| bare_version(text).unwrap());
        assert_eq!(bare, ["4.1.0", "1.52.0", "1.16.0"]);
    }

    #[test]
    fn a_rate_reaches_those_who_can_hold_one() {
        assert_eq!(peer(Peer::Wrk2, &OPEN), "g -t 1 -c 64 -d 3s --latency -R1000 http://h/");
        assert!(peer(Peer::Oha, &OPEN).ends_with("--latency-correction -q 1000 http://h/"));
        let ours = line(Generator::Loadgen(Pace::Chosen), &OPEN);
        assert!(ours.ends_with("--connections 64 --duration 3s --rate 1000"), "{ours}");
    }

    #[test]
    fn streams_reach_those_who_speak_http2() {
        assert_eq!(peer(Peer::H2load, &HTTP2), "g -t 1 -c 64 -D 3 -m 8 http://h/");
        assert!(peer(Peer::Oha, &HTTP2).ends_with("--http2 -p 8 http://h/"));
        assert!(line(Generator::Loadgen(Pace::Chosen), &HTTP2).ends_with("--http 2 --streams 8"));
    }

    #[test]
    fn a_pace_is_asked_for_in_a_plan() {
        let scratch = tempfile::tempdir().unwrap();
        let contestant = Contestant::loadgen("loadgen".into(), Pace::Coarse);
        let mut command = Command::new("g");
        contestant.arguments(&mut command, &OPEN, scratch.path()).unwrap();
        assert!(process::line_of(&command).starts_with("g run "));
        let plan = std::fs::read_to_string(scratch.path().join("plan.toml")).unwrap();
        assert!(plan.contains("precision = \"coarse\"") && plan.contains("rate = \"1000/s\""), "{plan}");
    }

    #[test]
    fn no_peer_is_given_work_it_would_do_in_another_way() {
        let able = |work: Work<'_>| {
            let able = Peer::ALL.into_iter().filter(|peer| peer.refuses(work.model, work.protocol).is_none());
            able.collect::<Vec<_>>()
        };
        assert_eq!(able(CLOSED), [Peer::Wrk, Peer::Oha, Peer::H2load, Peer::Hey]);
        assert_eq!(able(OPEN), [Peer::Wrk2, Peer::Oha]);
        assert_eq!(able(HTTP2), [Peer::Oha, Peer::H2load]);
    }
}
