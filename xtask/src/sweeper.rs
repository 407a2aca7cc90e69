//! What becomes of a stack when xtask is killed: a second process waits for that, and then takes down what is left.
//!
//! Owners clean up as they go out of scope, which SIGKILL and the kernel's out-of-memory killer do not wait for. So
//! whoever starts something promises here to end it, and releases the promise when that is done. The sweeper reads
//! promises from a pipe; when the pipe closes, xtask is no more, and what was promised and not released is carried
//! out, the latest first. It starts nothing, and does nothing as long as xtask lives.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use rustix::process::{Pid, Signal};
use serde::{Deserialize, Serialize};

use crate::platform;
use crate::process;
use crate::say;
use crate::wait::{Deadline, PAUSE};

/// The hidden task that a sweeper runs.
pub(crate) const TASK: &str = "sweep";
const GRACE: Duration = Duration::from_secs(5);
const COMMAND_LIMIT: Duration = Duration::from_secs(120);

static SWEEPER: OnceLock<Mutex<ChildStdin>> = OnceLock::new();

/// Something that must not outlive xtask.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Promise {
    /// A process group ends. Its leader's start time tells it from another that was given the same number.
    Group { leader: i32, started: Option<u64> },
    /// A command is run; if it fails, the next one.
    Command { attempts: Vec<Vec<String>>, environment: BTreeMap<String, String> },
    /// A directory is removed.
    Directory { path: PathBuf },
}

#[derive(Debug, Serialize, Deserialize)]
enum Message {
    Promise(Promise),
    Release(Promise),
}

/// Starts the sweeper. Until then, and if there is none, promises are not written down.
pub(crate) fn start() -> anyhow::Result<()> {
    let program = std::env::current_exe().context("cannot find this program")?;
    let mut command = Command::new(program);
    // A group of its own: a Ctrl-C in the terminal is not for it.
    command.arg(TASK).stdin(Stdio::piped()).stdout(Stdio::null()).process_group(0);
    let mut child = command.spawn().context("cannot start the process that cleans up after this one")?;
    let pipe = child.stdin.take().expect("it was asked for");
    let _ = SWEEPER.set(Mutex::new(pipe));
    Ok(())
}

/// From now on the sweeper does this when xtask is killed.
pub(crate) fn promise(promise: &Promise) {
    send(&Message::Promise(promise.clone()));
}

/// It was done, or is to be left alone.
pub(crate) fn release(promise: &Promise) {
    send(&Message::Release(promise.clone()));
}

fn send(message: &Message) {
    let Some(pipe) = SWEEPER.get() else { return };
    let mut line = serde_json::to_vec(message).expect("messages are text and numbers");
    line.push(b'\n');
    // A sweeper that somebody killed sweeps nothing, which is no reason to stop.
    let _ = pipe.lock().unwrap_or_else(PoisonError::into_inner).write_all(&line);
}

impl Promise {
    /// The group that this process leads.
    pub(crate) fn group(leader: Pid) -> Promise {
        let leader = leader.as_raw_nonzero().get();
        Promise::Group { leader, started: platform::start_time(leader) }
    }

    /// Whether there is anything left to do.
    fn is_open(&self) -> bool {
        match self {
            Promise::Group { leader, .. } => {
                Pid::from_raw(*leader).is_some_and(|pid| rustix::process::test_kill_process_group(pid).is_ok())
            }
            Promise::Command { .. } => true,
            Promise::Directory { path } => path.exists(),
        }
    }

    fn carry_out(&self) {
        match self {
            Promise::Group { leader, started } => end_group(*leader, *started),
            Promise::Command { attempts, environment } => run_one_of(attempts, environment),
            Promise::Directory { path } => {
                // What cannot be removed now cannot be removed later either.
                let _ = fs::remove_dir_all(path);
            }
        }
    }
}

/// The sweeper's whole life: `input` ends when xtask does.
pub(crate) fn serve(input: impl std::io::Read) -> u8 {
    let mut left = read_promises(BufReader::new(input));
    left.retain(Promise::is_open);
    if !left.is_empty() {
        say::warn("xtask was killed: taking down what it left");
    }
    left.iter().rev().for_each(Promise::carry_out);
    0
}

/// What was promised and not released, in the order of the promises.
fn read_promises(input: impl BufRead) -> Vec<Promise> {
    let mut left = Vec::new();
    // A torn last line is what xtask was writing when it was killed.
    for message in input.lines().map_while(Result::ok).filter_map(|line| serde_json::from_str(&line).ok()) {
        match message {
            Message::Promise(promise) => left.push(promise),
            Message::Release(promise) => left.retain(|kept| *kept != promise),
        }
    }
    left
}

/// TERM to the leader and, after the grace, KILL to all: as its owner would have done.
fn end_group(leader: i32, started: Option<u64>) {
    let Some(pid) = Pid::from_raw(leader) else { return };
    if platform::start_time(leader).is_some_and(|now| Some(now) != started) {
        return;
    }
    let lives = || rustix::process::test_kill_process(pid).is_ok() && platform::start_time(leader) == started;
    if lives() {
        let _ = rustix::process::kill_process(pid, Signal::TERM);
    }
    let deadline = Deadline::after(GRACE);
    while lives() && !deadline.has_passed() {
        std::thread::sleep(PAUSE);
    }
    // The number of a group is not given away as long as one of it lives, also without its leader.
    let _ = rustix::process::kill_process_group(pid, Signal::KILL);
}

fn run_one_of(attempts: &[Vec<String>], environment: &BTreeMap<String, String>) {
    for words in attempts {
        let Some((program, arguments)) = words.split_first() else { continue };
        let mut command = Command::new(program);
        command.args(arguments).envs(environment);
        if process::capture_regardless(&mut command, COMMAND_LIMIT).is_ok_and(|finished| finished.succeeded()) {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory(name: &str) -> Promise {
        Promise::Directory { path: name.into() }
    }

    fn lines(messages: &[Message]) -> String {
        messages.iter().map(|message| serde_json::to_string(message).unwrap() + "\n").collect()
    }

    #[test]
    fn what_was_released_is_left_alone_and_a_torn_line_is_nothing() {
        let messages = [
            Message::Promise(directory("a")),
            Message::Promise(directory("b")),
            Message::Promise(directory("c")),
            Message::Release(directory("b")),
        ];
        let text = lines(&messages) + "{\"Promise\":{\"Direc";
        assert_eq!(read_promises(text.as_bytes()), [directory("a"), directory("c")]);
    }

    #[test]
    fn promises_are_kept_the_latest_first() {
        let dir = tempfile::tempdir().unwrap();
        let inner = dir.path().join("stack");
        fs::create_dir(&inner).unwrap();
        let seen = dir.path().join("seen");
        // The command only succeeds as long as the directory is there.
        let script = format!("ls '{}' && touch '{}'", inner.display(), seen.display());
        let attempts = [["false", "", ""], ["sh", "-c", &script]].map(|words| words.map(str::to_owned).to_vec());
        let command = Promise::Command { attempts: attempts.to_vec(), environment: BTreeMap::new() };
        let promises = [Message::Promise(Promise::Directory { path: inner.clone() }), Message::Promise(command)];
        assert_eq!(serve(lines(&promises).as_bytes()), 0);
        assert!(seen.exists() && !inner.exists());
    }

    #[test]
    fn a_process_that_was_given_the_number_of_another_is_not_touched() {
        let mut child = Command::new("sleep").arg("60").process_group(0).spawn().unwrap();
        let pid = Pid::from_child(&child);
        let Promise::Group { leader, started } = Promise::group(pid) else { unreachable!() };
        Promise::Group { leader, started: started.map(|ticks| ticks - 1) }.carry_out();
        assert_eq!(child.try_wait().unwrap(), None);
        rustix::process::kill_process(pid, Signal::KILL).unwrap();
        child.wait().unwrap();
    }
}
