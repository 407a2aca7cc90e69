//! `memwatch exec`: watches while a command runs, and stops it on a critical alarm.
//!
//! The command owns stdin, stdout and stderr; memwatch says little, and on stderr only.

use std::os::unix::process::ExitStatusExt as _;
use std::pin::Pin;
use std::process::{ExitCode, ExitStatus};
use std::time::Duration;

use anyhow::Context as _;
use plimsoll_record::events::{Event, Level};
use plimsoll_record::files::EndReason;
use plimsoll_record::{Offset, RunDir};
use plimsoll_sampler::{Update, Watcher};
use rustix::process::Signal;
use tokio::signal::unix::{Signal as Signals, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::Sleep;

use crate::args::ExecArgs;
use crate::earlier::{compared, durations, known_as};
use crate::exit::{ENVIRONMENT, Fatal, STOPPED, USAGE};
use crate::output::{Output, Refusal};
use crate::report::{Observer, Ran, say};
use crate::setup::{PRODUCER, Setup};
use crate::wrapped::Wrapped;

/// A command has these to end by itself: most tools end in good order at the first and at once at the second.
const HEEDED_INTERRUPTS: u32 = 2;
/// What the command gets to end its work and complete its record, before it is killed.
const GRACE: Duration = Duration::from_secs(10);
/// Updates that may wait to be looked at.
const QUEUE: usize = 1024;

pub(crate) async fn run(args: &ExecArgs) -> Result<ExitCode, Fatal> {
    let setup = Setup::new(&args.sources)?;
    let mut signals = Received::install()?;
    let (updates, mut inbox) = mpsc::channel(QUEUE);
    let watcher = Watcher::start(&setup.watch, setup.run.as_ref(), PRODUCER, updates).await?;
    let mut observer = Observer::new(!args.no_stop);
    // What the first readings show is said before the command prints anything.
    let refused = observer.catch_up(&mut inbox);
    let began = watcher.clock().now();
    let mut wrapped = match Wrapped::start(&args.command) {
        Ok(wrapped) => wrapped,
        Err(error) => return cannot_start(args, watcher, error).await,
    };
    let output = wrapped.output();
    let command = Command { known_as: known_as(&args.command), run: setup.run, began };
    let watcher = Some(watcher);
    let mut session = Session { wrapped, output, command, watcher, stop: None, interrupts: 0, record: Ok(()) };
    let status = session.attend(refused, &mut inbox, &mut signals, &mut observer).await?;
    session.end(status, &mut inbox, &mut observer).await
}

async fn cannot_start(args: &ExecArgs, watcher: Watcher, error: std::io::Error) -> Result<ExitCode, Fatal> {
    watcher.finish(EndReason::Failed).await?;
    let program = args.command[0].display();
    Err(Fatal::usage(anyhow::Error::new(error).context(format!("cannot start the command `{program}`"))))
}

/// The signals memwatch passes on.
struct Received {
    interrupt: Signals,
    terminate: Signals,
}

impl Received {
    fn install() -> Result<Self, Fatal> {
        let install = |kind| signal(kind).map_err(Fatal::environment);
        Ok(Self { interrupt: install(SignalKind::interrupt())?, terminate: install(SignalKind::terminate())? })
    }

    async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.interrupt.recv() => Signal::INT,
            _ = self.terminate.recv() => Signal::TERM,
        }
    }
}

/// A command under watch.
struct Session {
    wrapped: Wrapped,
    output: Output,
    command: Command,
    watcher: Option<Watcher>,
    stop: Option<Stop>,
    /// Signals passed on.
    interrupts: u32,
    record: Result<(), Fatal>,
}

/// What is told of the command at its end.
struct Command {
    known_as: String,
    run: Option<RunDir>,
    began: Offset,
}

/// The command was told to stop.
struct Stop {
    reason: String,
    killed: bool,
}

impl Session {
    /// Until the command ends: looks at what the watcher sees, passes signals on, stops the command when it must.
    async fn attend(
        &mut self,
        refused: Option<String>,
        inbox: &mut mpsc::Receiver<Update>,
        signals: &mut Received,
        observer: &mut Observer,
    ) -> Result<ExitStatus, Fatal> {
        let kill = tokio::time::sleep(Duration::ZERO);
        tokio::pin!(kill);
        if let Some(reason) = refused {
            self.terminate(reason, kill.as_mut()).await;
        }
        loop {
            let dying = self.stop.as_ref().is_some_and(|stop| !stop.killed);
            tokio::select! {
                status = self.wrapped.wait() => {
                    return status.context("cannot wait for the command").map_err(Fatal::environment);
                }
                update = inbox.recv(), if self.watcher.is_some() => match update {
                    Some(update) => {
                        if let Some(reason) = observer.see(update) {
                            self.terminate(reason, kill.as_mut()).await;
                        }
                    }
                    None => self.record_failed().await,
                },
                refusal = self.output.refusal() => {
                    self.record_refusal(&refusal).await;
                    if let Some(reason) = observer.refusal(refusal) {
                        self.terminate(reason, kill.as_mut()).await;
                    }
                }
                signal = signals.next() => self.pass_on(signal),
                () = &mut kill, if dying => self.kill().await,
            }
        }
    }

    /// Asks the command to end, once; what comes after that adds to the reasons.
    async fn terminate(&mut self, reason: String, mut kill: Pin<&mut Sleep>) {
        if self.stop.is_some() || self.watcher.is_none() {
            return say(Level::Critical, &reason);
        }
        say(Level::Critical, &format!("{reason}; stopping the command"));
        self.wrapped.signal(Signal::TERM);
        self.record_stop(&reason, "TERM").await;
        self.stop = Some(Stop { reason, killed: false });
        kill.set(tokio::time::sleep(GRACE));
    }

    async fn kill(&mut self) {
        let reason = format!("the command did not end within {} s", GRACE.as_secs());
        say(Level::Critical, &format!("{reason}: killing it"));
        self.wrapped.signal(Signal::KILL);
        self.record_stop(&reason, "KILL").await;
        if let Some(stop) = &mut self.stop {
            stop.killed = true;
        }
    }

    async fn record_stop(&self, reason: &str, signal: &str) {
        if let Some(watcher) = &self.watcher {
            let (at_ns, signals) = (watcher.clock().now(), vec![signal.to_owned()]);
            watcher.record(Event::Stop { at_ns, reason: reason.to_owned(), signals }).await;
        }
    }

    /// A refusal that the command printed is an alarm as any other.
    async fn record_refusal(&self, refusal: &Refusal) {
        if let Some(watcher) = &self.watcher {
            let message = format!("the command's {} says that Redis refused a write: {}", refusal.stream, refusal.line);
            let (at_ns, metric) = (watcher.clock().now(), "command.oom".to_owned());
            let level = Level::Critical;
            watcher.record(Event::Alert { at_ns, level, metric, value: 1.0, limit: 0.0, message }).await;
        }
    }

    /// The first is a request and the second an urgent one; a command that heeds neither is killed by the third.
    fn pass_on(&mut self, signal: Signal) {
        self.interrupts += 1;
        if self.interrupts > HEEDED_INTERRUPTS {
            self.wrapped.signal(Signal::KILL);
        } else if signal == Signal::INT {
            self.wrapped.interrupt();
        } else {
            self.wrapped.signal(signal);
        }
    }

    /// The command goes on when the record fails: its own result may be worth much.
    async fn record_failed(&mut self) {
        let Some(watcher) = self.watcher.take() else { return };
        if let Err(error) = watcher.finish(EndReason::Failed).await {
            say(Level::Critical, &format!("{:#}; the command goes on unwatched", anyhow::Error::new(error)));
        }
        self.record = Err(Fatal::environment(anyhow::anyhow!("the record is incomplete")));
    }

    /// Records how the command ended, takes the last samples, says what memory did, and works out the exit code.
    async fn end(
        mut self,
        status: ExitStatus,
        inbox: &mut mpsc::Receiver<Update>,
        observer: &mut Observer,
    ) -> Result<ExitCode, Fatal> {
        let ended = self.watcher.as_ref().map(|watcher| watcher.clock().now());
        if self.stop.is_some() && self.wrapped.sweep(GRACE).await {
            let reason = "processes that the command left behind did not end";
            say(Level::Critical, &format!("{reason}: killed them"));
            self.record_stop(reason, "KILL").await;
        }
        let refused_lines = self.output.finish().await;
        let mut ran = Ran { took: None, compared: None, refused_lines };
        if let (Some(watcher), Some(at_ns)) = (self.watcher.take(), ended) {
            let ran_ns = at_ns.since(self.command.began);
            let took = Duration::from_nanos(ran_ns);
            ran.took = Some(took);
            ran.compared = self.compared(status, took);
            let command = Some(self.command.known_as.clone());
            watcher.record(Event::CommandEnded { at_ns, exit_code: status.code(), ran_ns, command }).await;
            let (recorded, ()) = tokio::join!(watcher.finish(self.reason()), observer.rest(inbox));
            recorded?;
        }
        observer.report(&ran);
        if let Some(stop) = &self.stop {
            say(Level::Critical, &format!("the command was stopped: {}", stop.reason));
            return Ok(ExitCode::from(STOPPED));
        }
        Ok(ExitCode::from(match code_of(status) {
            0 if self.record.is_err() => ENVIRONMENT,
            code => code,
        }))
    }

    /// How long it took beside earlier runs of the same command, when it ended well.
    fn compared(&self, status: ExitStatus, took: Duration) -> Option<String> {
        let run = self.command.run.as_ref().filter(|_| status.success())?;
        compared(took, durations(run, &self.command.known_as))
    }

    fn reason(&self) -> EndReason {
        match (&self.stop, self.interrupts > 0) {
            (Some(_), _) => EndReason::Stopped,
            (None, true) => EndReason::Interrupted,
            (None, false) => EndReason::Completed,
        }
    }
}

/// The command's exit code; 128 and the number of the signal that ended it, as shells have it.
fn code_of(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(USAGE)
}
