//! The built-in server as its parent sees it: a child process that ends with its standard input.

use std::io::{self, BufRead as _, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};

use super::server::{Behaviour, ServerReport};
use crate::exit::{ENVIRONMENT, Failure};

/// A running server. Dropping it ends it.
#[derive(Debug)]
pub(super) struct Service {
    child: Child,
    said: BufReader<ChildStdout>,
    url: String,
}

impl Service {
    pub(super) fn start(behaviour: Behaviour) -> Result<Self, Failure> {
        Self::spawn(behaviour).map_err(|error| failure(&error))
    }

    fn spawn(behaviour: Behaviour) -> io::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("calibration-server").args(words(behaviour));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let said = BufReader::new(child.stdout.take().expect("its output is a pipe"));
        let mut service = Self { child, said, url: String::new() };
        service.url = service.line()?;
        Ok(service)
    }

    /// Where it listens.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// Its process.
    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Ends it; what it has to say.
    pub(super) fn finish(mut self) -> Result<ServerReport, Failure> {
        drop(self.child.stdin.take());
        let report = self.line().and_then(|line| serde_json::from_str(&line).map_err(io::Error::other));
        report.map_err(|error| failure(&error))
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        match self.said.read_line(&mut line)? {
            0 => Err(io::Error::other("it ended without a word")),
            _ => Ok(line.trim_end().to_owned()),
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        // It may have ended by itself, and then there is nothing to kill.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn failure(error: &io::Error) -> Failure {
    Failure::new(ENVIRONMENT, format!("error: the built-in server does not work\n  because: {error}"))
}

/// The behaviour as arguments of the hidden subcommand.
fn words(behaviour: Behaviour) -> Vec<String> {
    match behaviour {
        Behaviour::Instant => Vec::new(),
        Behaviour::Freezing { first, hold, every } => vec![format!("--freeze={first},{hold},{every}")],
        Behaviour::OneAtATime(service) => vec![format!("--one-at-a-time={service}")],
    }
}
