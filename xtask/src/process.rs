//! Processes that never outlive their owner. Each runs in a process group of its own, so that a Ctrl-C in the
//! terminal reaches only xtask, which then decides the order: the tools first, the stack after them.

use std::fs::File;
use std::io::{Read as _, Seek as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions};

use crate::interrupt;
use crate::sweeper::{self, Promise};
use crate::wait::{Deadline, PAUSE};

/// A third request to stop means now.
const INTERRUPTS_UNTIL_KILL: usize = 3;
const GRACE: Duration = Duration::from_secs(5);

/// A child with its whole process group: stopped with TERM, then KILL after the grace, when this is dropped.
#[derive(Debug)]
pub(crate) struct Running {
    name: String,
    child: Child,
    grace: Duration,
    reaped: bool,
    promise: Promise,
}

/// Whether a request to stop ends a wait. Taking things down goes on regardless.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Patience {
    UntilInterrupted,
    Regardless,
}

impl Running {
    pub(crate) fn start(name: &str, command: &mut Command) -> anyhow::Result<Running> {
        let child = command
            .stdin(Stdio::null())
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start {name} ({})", command.get_program().display()))?;
        let promise = Promise::group(Pid::from_child(&child));
        sweeper::promise(&promise);
        Ok(Running { name: name.to_owned(), child, grace: GRACE, reaped: false, promise })
    }

    /// How long it may take to end by itself after TERM.
    pub(crate) fn with_grace(mut self, grace: Duration) -> Running {
        self.grace = grace;
        self
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for the end however long it takes. Every request to stop is passed on to the group as SIGINT, just as
    /// a terminal would do, and the wait goes on: the tools end a run gracefully and complete their record.
    pub(crate) fn wait(mut self) -> anyhow::Result<ExitStatus> {
        let mut passed_on = interrupt::count();
        while !self.has_exited() {
            let asked = interrupt::count();
            if asked > passed_on {
                passed_on = asked;
                self.signal_group(if asked < INTERRUPTS_UNTIL_KILL { Signal::INT } else { Signal::KILL });
            }
            thread::sleep(PAUSE);
        }
        self.reap()
    }

    /// Waits for the end up to a limit, then stops it and says so.
    fn wait_at_most(mut self, limit: Duration, patience: Patience) -> anyhow::Result<ExitStatus> {
        let deadline = Deadline::after(limit);
        while !self.has_exited() {
            if patience == Patience::UntilInterrupted {
                interrupt::check()?;
            }
            if deadline.has_passed() {
                bail!("{} did not end within {} s", self.name, limit.as_secs());
            }
            thread::sleep(PAUSE);
        }
        self.reap()
    }

    /// Whether it has ended. It is not reaped yet, so its id cannot have been given to another process.
    pub(crate) fn has_exited(&self) -> bool {
        self.ended_with().is_some()
    }

    /// None while it runs; then its exit code, where it has one.
    pub(crate) fn ended_with(&self) -> Option<Option<u8>> {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        match rustix::process::waitid(WaitId::Pid(self.pid()), options) {
            Ok(None) => None,
            Ok(Some(status)) => Some(status.exit_status().and_then(|code| u8::try_from(code).ok())),
            Err(_) => Some(None),
        }
    }

    /// Lets it run on without an owner.
    pub(crate) fn leave(self) {
        sweeper::release(&self.promise);
        std::mem::forget(self);
    }

    /// Kills what the leader left in its group, then takes the leader's status. In this order: while the leader is
    /// not reaped, the number of the group is still its own.
    fn reap(&mut self) -> anyhow::Result<ExitStatus> {
        self.signal_group(Signal::KILL);
        self.reaped = true;
        sweeper::release(&self.promise);
        self.child.wait().with_context(|| format!("cannot wait for {}", self.name))
    }

    fn signal_group(&self, signal: Signal) {
        // The group may be empty already; then there is nobody to tell.
        let _ = rustix::process::kill_process_group(self.pid(), signal);
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.reaped {
            return;
        }
        let _ = rustix::process::kill_process(self.pid(), Signal::TERM);
        let deadline = Deadline::after(self.grace);
        while !self.has_exited() && !deadline.has_passed() {
            thread::sleep(PAUSE);
        }
        let _ = self.reap();
    }
}

/// How tools begin the line that matters; `E:` is apt.
const ERROR_MARKS: [&str; 4] = ["error", "Error", "ERROR", "E: "];

/// What a finished helper command left behind.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Finished {
    pub(crate) fn succeeded(&self) -> bool {
        self.status.success()
    }

    /// The line that says what went wrong: the last one that calls itself an error, else the last one there is, and
    /// on stderr where there is something.
    pub(crate) fn complaint(&self) -> String {
        let lines = || self.stdout.lines().chain(self.stderr.lines()).map(str::trim);
        let error = lines().rfind(|line| ERROR_MARKS.iter().any(|mark| line.starts_with(mark)));
        let last = error.or_else(|| lines().rfind(|line| !line.is_empty()));
        last.map_or_else(|| describe(self.status), str::to_owned)
    }
}

/// Runs a helper command to its end, its output kept. It ends at the limit, and when the user asks to stop.
pub(crate) fn capture(command: &mut Command, limit: Duration) -> anyhow::Result<Finished> {
    interrupt::check()?;
    capture_with(Patience::UntilInterrupted, command, limit)
}

/// As `capture`, also after the user asked to stop: for taking things down.
pub(crate) fn capture_regardless(command: &mut Command, limit: Duration) -> anyhow::Result<Finished> {
    capture_with(Patience::Regardless, command, limit)
}

fn capture_with(patience: Patience, command: &mut Command, limit: Duration) -> anyhow::Result<Finished> {
    let name = command.get_program().display().to_string();
    let (mut out, mut err) = (scratch_file()?, scratch_file()?);
    command.stdout(out.try_clone()?).stderr(err.try_clone()?);
    let status = Running::start(&name, command)?.wait_at_most(limit, patience)?;
    Ok(Finished { status, stdout: text_of(&mut out)?, stderr: text_of(&mut err)? })
}

/// As `capture`, and a failure is an error with the command's own words.
pub(crate) fn capture_ok(command: &mut Command, limit: Duration) -> anyhow::Result<Finished> {
    let finished = capture(command, limit)?;
    if !finished.succeeded() {
        bail!("`{}`: {}", line_of(command), finished.complaint());
    }
    Ok(finished)
}

/// The exit code as a shell would show it: 128 and the signal where there is none.
pub(crate) fn exit_code(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX)
}

/// The command as one would type it.
pub(crate) fn line_of(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

fn describe(status: ExitStatus) -> String {
    match status.code() {
        Some(code) => format!("it ended with exit code {code} and said nothing"),
        None => format!("it was ended by signal {}", status.signal().unwrap_or_default()),
    }
}

/// Output goes to an unnamed file rather than a pipe: nobody has to read along for the command to get on.
pub(crate) fn scratch_file() -> anyhow::Result<File> {
    tempfile::tempfile().context("cannot make a temporary file")
}

pub(crate) fn text_of(file: &mut File) -> anyhow::Result<String> {
    let mut bytes = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wait::{Attempt, until};
    use std::fs;
    use std::path::Path;

    const SOON: Duration = Duration::from_secs(10);

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    fn read_when_written(path: &Path) -> String {
        until("the file", SOON, || match fs::read_to_string(path) {
            Ok(text) if text.ends_with('\n') => Ok(Attempt::Done(text.trim().to_owned())),
            _ => Ok(Attempt::NotYet("empty".to_owned())),
        })
        .unwrap()
    }

    fn is_alive(pid: &str) -> bool {
        let state = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        !state.is_empty() && !state.contains(") Z ")
    }

    fn assert_ends(pid: &str) {
        until("the process to end", SOON, || {
            Ok(if is_alive(pid) { Attempt::NotYet(format!("{pid} lives")) } else { Attempt::Done(()) })
        })
        .unwrap();
    }

    #[test]
    fn a_dropped_process_takes_its_own_children_along() {
        let dir = tempfile::tempdir().unwrap();
        let note = dir.path().join("pid");
        let script = format!("sleep 300 & echo $! > {}; wait", note.display());
        let running = Running::start("parent", &mut shell(&script)).unwrap();
        let (parent, grandchild) = (running.id().to_string(), read_when_written(&note));
        assert!(is_alive(&parent) && is_alive(&grandchild));
        drop(running);
        assert_ends(&parent);
        assert_ends(&grandchild);
    }

    #[test]
    fn a_process_that_ignores_term_is_killed_after_its_grace() {
        let dir = tempfile::tempdir().unwrap();
        let note = dir.path().join("pid");
        let script = format!("trap '' TERM; echo $$ > {}; while :; do sleep 1; done", note.display());
        let running = Running::start("deaf", &mut shell(&script)).unwrap().with_grace(Duration::from_millis(50));
        let pid = read_when_written(&note);
        drop(running);
        assert_ends(&pid);
    }

    #[test]
    fn a_panic_takes_the_process_down() {
        let pid = std::panic::catch_unwind(|| {
            let running = Running::start("sleeper", &mut shell("sleep 300")).unwrap();
            std::panic::panic_any(running.id());
        })
        .unwrap_err();
        assert_ends(&pid.downcast::<u32>().unwrap().to_string());
    }

    #[test]
    fn a_command_that_hangs_ends_at_its_limit() {
        let error = capture(&mut shell("sleep 300"), Duration::from_millis(50)).unwrap_err();
        assert!(error.to_string().contains("did not end within"), "{error}");
    }

    #[test]
    fn a_failed_command_is_quoted_with_its_last_words() {
        let error = capture_ok(&mut shell("echo first >&2; echo the cause >&2; exit 3"), SOON).unwrap_err();
        assert!(error.to_string().ends_with("the cause"), "{error}");
    }

    #[test]
    fn the_line_that_calls_itself_an_error_is_the_complaint() {
        let finished = capture(&mut shell("echo Error: no such image >&2; echo exit code: 125 >&2"), SOON).unwrap();
        assert_eq!(finished.complaint(), "Error: no such image");
    }

    #[test]
    fn a_signal_shows_as_a_shell_shows_it() {
        let finished = capture(&mut shell("kill -KILL $$"), SOON).unwrap();
        assert_eq!(exit_code(finished.status), 137);
    }
}
