//! The generators: how each is found, told what to do, and understood. Each is given the work it can do with one
//! thread, for it has one core.

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
    pub(super) model: Model,
}

/// What makes a generator send its next request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Model {
    /// The answer to the one before on the same connection.
    Closed,
    /// A schedule with this many requests per second.
    Open(u32),
}

impl Work<'_> {
    pub(super) fn describe(&self) -> String {
        let Work { connections, seconds, .. } = self;
        match self.model {
            Model::Closed => format!("closed loop, {connections} connections, {seconds} s"),
            Model::Open(rate) => format!("{rate}/s, {connections} connections, {seconds} s"),
        }
    }

    fn duration(&self) -> String {
        format!("{}s", self.seconds)
    }
}

pub(super) fn loadgen_arguments(command: &mut Command, work: &Work<'_>) {
    command.args(["quick", work.url, "--workers", "1", "--quiet", "--format", "json"]);
    command.args(["--connections", &work.connections.to_string(), "--duration", &work.duration()]);
    if let Model::Open(rate) = work.model {
        command.args(["--rate", &rate.to_string()]);
    }
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
            Peer::Wrk2 => "build it from its sources and put it on PATH as `wrk2`",
            Peer::Oha => "cargo xtask peers --install",
            Peer::H2load => "apt-get install nghttp2-client",
            Peer::Hey => "apt-get install hey",
        }
    }

    /// Why it cannot do this work, if it cannot.
    pub(super) fn refuses(self, model: Model) -> Option<&'static str> {
        match (self, model) {
            (Peer::Wrk2, Model::Closed) => Some("it sends at a constant rate only: --open RATE"),
            (Peer::Wrk, Model::Open(_)) => Some("it has no constant rate"),
            (Peer::H2load | Peer::Hey, Model::Open(_)) => Some("its rate is one per connection, not one schedule"),
            _ => None,
        }
    }

    /// Its version in its own words; hey has none to ask for.
    pub(super) fn version(self, program: &Path) -> Option<String> {
        let flag = match self {
            Peer::Wrk | Peer::Wrk2 => "-v",
            Peer::Oha | Peer::H2load => "--version",
            Peer::Hey => return None,
        };
        let answer = process::capture(Command::new(program).arg(flag), VERSION_LIMIT).ok()?;
        answer.stdout.split_whitespace().nth(1).map(str::to_owned)
    }

    pub(super) fn arguments(self, command: &mut Command, work: &Work<'_>) {
        let (connections, seconds) = (work.connections.to_string(), work.seconds.to_string());
        let duration = work.duration();
        match self {
            Peer::Wrk | Peer::Wrk2 => command.args(["-t", "1", "-c", &connections, "-d", &duration]),
            Peer::Oha => command.args(["--no-tui", "--output-format", "json", "-c", &connections, "-z", &duration]),
            Peer::H2load => command.args(["--h1", "-t", "1", "-c", &connections, "-D", &seconds]),
            Peer::Hey => command.args(["-cpus", "1", "-c", &connections, "-z", &duration]),
        };
        match (self, work.model) {
            (Peer::Wrk2, Model::Open(rate)) => command.arg(format!("-R{rate}")),
            (Peer::Oha, Model::Open(rate)) => command.args(["--latency-correction", "-q", &rate.to_string()]),
            _ => command,
        };
        command.arg(work.url);
    }

    pub(super) fn read(self, output: &str) -> anyhow::Result<Answer> {
        match self {
            Peer::Wrk | Peer::Wrk2 => answers::wrk(output),
            Peer::Oha => answers::oha(output),
            Peer::H2load => answers::h2load(output),
            Peer::Hey => answers::hey(output),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn work(model: Model) -> Work<'static> {
        Work { url: "http://h/", connections: 64, seconds: 3, model }
    }

    fn line(peer: Peer, model: Model) -> String {
        let mut command = Command::new(peer.name());
        peer.arguments(&mut command, &work(model));
        process::line_of(&command)
    }

    #[test]
    fn each_peer_is_told_the_same_work_in_its_own_words() {
        assert_eq!(line(Peer::Wrk, Model::Closed), "wrk -t 1 -c 64 -d 3s http://h/");
        assert_eq!(line(Peer::Oha, Model::Closed), "oha --no-tui --output-format json -c 64 -z 3s http://h/");
        assert_eq!(line(Peer::H2load, Model::Closed), "h2load --h1 -t 1 -c 64 -D 3 http://h/");
        assert_eq!(line(Peer::Hey, Model::Closed), "hey -cpus 1 -c 64 -z 3s http://h/");
    }

    #[test]
    fn a_rate_reaches_those_who_can_hold_one() {
        assert_eq!(line(Peer::Wrk2, Model::Open(1000)), "wrk2 -t 1 -c 64 -d 3s -R1000 http://h/");
        assert!(line(Peer::Oha, Model::Open(1000)).ends_with("--latency-correction -q 1000 http://h/"));
        let mut ours = Command::new("loadgen");
        loadgen_arguments(&mut ours, &work(Model::Open(1000)));
        assert!(process::line_of(&ours).ends_with("--connections 64 --duration 3s --rate 1000"));
    }

    #[test]
    fn no_peer_is_given_work_it_would_do_in_another_way() {
        let able = |model| Peer::ALL.into_iter().filter(move |peer| peer.refuses(model).is_none()).collect::<Vec<_>>();
        assert_eq!(able(Model::Closed), [Peer::Wrk, Peer::Oha, Peer::H2load, Peer::Hey]);
        assert_eq!(able(Model::Open(1000)), [Peer::Wrk2, Peer::Oha]);
    }
}
