//! The wrapped command: started, signalled, and never left behind.
//!
//! When memwatch stands in the foreground of a terminal the command shares its process group: it may read the terminal,
//! and Ctrl-C reaches both at once. Everywhere else it leads a group of its own, so that signals reach all of it and
//! none of it twice.

use std::ffi::OsString;
use std::io::stdin;
use std::process::ExitStatus;
use std::time::Duration;

use rustix::process::{Pid, Signal};
use tokio::process::{Child, Command};

use crate::output::{self, Output};

/// Looks at a group that is ending this often.
const LOOK: Duration = Duration::from_millis(50);

/// A running command.
#[derive(Debug)]
pub(crate) struct Wrapped {
    child: Child,
    pid: Pid,
    group: Group,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Group {
    /// The terminal's foreground group, shared with memwatch.
    Shared,
    /// Led by the command.
    Own,
}

impl Wrapped {
    /// Starts the command. Its standard input is memwatch's own, and so is each other stream that goes to a terminal.
    pub(crate) fn start(command: &[OsString]) -> std::io::Result<Self> {
        Self::start_in(if in_foreground() { Group::Shared } else { Group::Own }, command)
    }

    fn start_in(group: Group, command: &[OsString]) -> std::io::Result<Self> {
        let (program, arguments) = command.split_first().expect("the command line requires a command");
        let mut starting = Command::new(program);
        starting.args(arguments).kill_on_drop(true);
        output::prepare(&mut starting);
        if group == Group::Own {
            starting.process_group(0);
        }
        let child = starting.spawn()?;
        let raw = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        let pid = raw.expect("a process that was just started has a pid");
        Ok(Self { child, pid, group })
    }

    /// What it prints, where that is read. Once.
    pub(crate) fn output(&mut self) -> Output {
        Output::of(&mut self.child)
    }

    /// Waits for the command's own end. May be given up and called again.
    pub(crate) async fn wait(&mut self) -> std::io::Result<ExitStatus> {
        self.child.wait().await
    }

    /// Sends a signal to the command, and to all it started where it has a group of its own. Nothing is left to
    /// signal when it has ended meanwhile.
    pub(crate) fn signal(&self, signal: Signal) {
        let _ = match self.group {
            Group::Own => rustix::process::kill_process_group(self.pid, signal),
            Group::Shared => rustix::process::kill_process(self.pid, signal),
        };
    }

    /// Passes on an interrupt that memwatch got, unless the terminal has sent it to the command as well.
    pub(crate) fn interrupt(&self) {
        if self.group == Group::Own {
            self.signal(Signal::INT);
        }
    }

    /// Waits for what the command started and left behind in its group, up to `patience`, then kills it.
    /// True when it had to.
    pub(crate) async fn sweep(&self, patience: Duration) -> bool {
        let looks = patience.as_millis() / LOOK.as_millis();
        for _ in 0..looks {
            if !self.leaves_something() {
                return false;
            }
            tokio::time::sleep(LOOK).await;
        }
        let left = self.leaves_something();
        if left {
            self.signal(Signal::KILL);
        }
        left
    }

    fn leaves_something(&self) -> bool {
        self.group == Group::Own && rustix::process::test_kill_process_group(self.pid).is_ok()
    }
}

/// True when the terminal on standard input sends its signals to memwatch's process group.
fn in_foreground() -> bool {
    rustix::termios::tcgetpgrp(stdin()).is_ok_and(|foreground| foreground == rustix::process::getpgrp())
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;

    use super::*;

    fn shell(script: &str) -> Wrapped {
        Wrapped::start_in(Group::Own, &["sh", "-c", script].map(OsString::from)).unwrap()
    }

    #[tokio::test]
    async fn a_signal_reaches_everything_the_command_started() {
        let mut wrapped = shell("sleep 60 & sleep 60");
        wrapped.signal(Signal::TERM);
        assert_eq!(wrapped.wait().await.unwrap().signal(), Some(Signal::TERM.as_raw()));
        assert!(!wrapped.sweep(Duration::from_secs(5)).await, "nothing is left to kill");
    }

    #[tokio::test]
    async fn what_ignores_the_request_to_end_is_killed() {
        let mut wrapped = shell("trap '' TERM; sleep 60 & exit 3");
        assert_eq!(wrapped.wait().await.unwrap().code(), Some(3));
        wrapped.signal(Signal::TERM);
        assert!(wrapped.sweep(Duration::from_millis(200)).await);
        assert!(!wrapped.sweep(Duration::from_secs(5)).await, "it is gone now");
    }
}
