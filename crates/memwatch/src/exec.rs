//! `memwatch exec`: watches while a command runs, and stops it on a critical alarm.
//!
//! The command owns stdin, stdout and stderr; memwatch says little, and on stderr only.

use std::os::unix::process::ExitStatusExt as _;
use std::pin::Pin;
use std::process::{ExitCode, ExitStatus};
use std::time::Duration;

use anyhow::Context as _;
use plimsoll_record::Offset;
use plimsoll_record::events::{Event, Level};
use plimsoll_record::files::EndReason;
use plimsoll_record::logs::LogFact;
use plimsoll_record::metric::Source;
use plimsoll_record::series::SeriesFact;
use plimsoll_record::units::{Unit, show_duration};
use plimsoll_sampler::alarms::Alarm;
use plimsoll_sampler::{Update, Watcher};
use rustix::process::Signal;
use tokio::signal::unix::{Signal as Signals, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::Sleep;

use crate::args::ExecArgs;
use crate::exit::{ENVIRONMENT, Fatal, STOPPED, USAGE};
use crate::setup::{PRODUCER, Setup};
use crate::summary::{Summary, growth};
use crate::table::{style_of, word_for};
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
    let mut observer = Observer { summary: Summary::new(), in_gap: false };
    let began = watcher.clock().now();
    let wrapped = match Wrapped::start(&args.command) {
        Ok(wrapped) => wrapped,
        Err(error) => return cannot_start(args, watcher, error).await,
    };
    let mut session = Session { wrapped, watcher: Some(watcher), stop: None, interrupts: 0, record: Ok(()) };
    let status = session.attend(&mut inbox, &mut signals, &mut observer).await?;
    session.end(status, began, &mut inbox, &mut observer).await
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
    watcher: Option<Watcher>,
    stop: Option<Stop>,
    /// Signals passed on.
    interrupts: u32,
    record: Result<(), Fatal>,
}

/// The command was told to stop.
struct Stop {
    at: Offset,
    reason: String,
    killed: bool,
}

impl Session {
    /// Until the command ends: looks at what the watcher sees, passes signals on, stops the command when it must.
    async fn attend(
        &mut self,
        inbox: &mut mpsc::Receiver<Update>,
        signals: &mut Received,
        observer: &mut Observer,
    ) -> Result<ExitStatus, Fatal> {
        let kill = tokio::time::sleep(Duration::ZERO);
        tokio::pin!(kill);
        loop {
            let dying = self.stop.as_ref().is_some_and(|stop| !stop.killed);
            tokio::select! {
                status = self.wrapped.wait() => {
                    return status.context("cannot wait for the command").map_err(Fatal::environment);
                }
                update = inbox.recv(), if self.watcher.is_some() => match update {
                    Some(update) => {
                        if let Some(reason) = observer.see(update) {
                            self.terminate(reason, kill.as_mut());
                        }
                    }
                    None => self.record_failed().await,
                },
                signal = signals.next() => self.pass_on(signal),
                () = &mut kill, if dying => self.kill(),
            }
        }
    }

    /// Asks the command to end, once; what comes after that adds to the reasons.
    fn terminate(&mut self, reason: String, mut kill: Pin<&mut Sleep>) {
        let (None, Some(watcher)) = (&self.stop, &self.watcher) else {
            return say(Level::Critical, &reason);
        };
        let at = watcher.clock().now();
        say(Level::Critical, &format!("{reason}; stopping the command"));
        self.wrapped.signal(Signal::TERM);
        self.stop = Some(Stop { at, reason, killed: false });
        kill.set(tokio::time::sleep(GRACE));
    }

    fn kill(&mut self) {
        say(Level::Critical, &format!("the command did not end within {} s: killing it", GRACE.as_secs()));
        self.wrapped.signal(Signal::KILL);
        if let Some(stop) = &mut self.stop {
            stop.killed = true;
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
        began: Offset,
        inbox: &mut mpsc::Receiver<Update>,
        observer: &mut Observer,
    ) -> Result<ExitCode, Fatal> {
        if let Some(stop) = &mut self.stop
            && self.wrapped.sweep(GRACE).await
        {
            say(Level::Critical, "processes that the command left behind did not end: killed them");
            stop.killed = true;
        }
        let mut ran = None;
        if let Some(watcher) = self.watcher.take() {
            let at_ns = watcher.clock().now();
            let ran_ns = at_ns.since(began);
            ran = Some(Duration::from_nanos(ran_ns));
            if let Some(stop) = &self.stop {
                watcher.record(stop.event()).await;
            }
            watcher.record(Event::CommandEnded { at_ns, exit_code: status.code(), ran_ns }).await;
            let (recorded, ()) = tokio::join!(watcher.finish(self.reason()), observer.rest(inbox));
            recorded?;
        }
        observer.report(ran);
        if let Some(stop) = &self.stop {
            say(Level::Critical, &format!("the command was stopped: {}", stop.reason));
            return Ok(ExitCode::from(STOPPED));
        }
        Ok(ExitCode::from(match code_of(status) {
            0 if self.record.is_err() => ENVIRONMENT,
            code => code,
        }))
    }

    fn reason(&self) -> EndReason {
        match (&self.stop, self.interrupts > 0) {
            (Some(_), _) => EndReason::Stopped,
            (None, true) => EndReason::Interrupted,
            (None, false) => EndReason::Completed,
        }
    }
}

impl Stop {
    fn event(&self) -> Event {
        let signals = if self.killed { vec!["TERM".to_owned(), "KILL".to_owned()] } else { vec!["TERM".to_owned()] };
        Event::Stop { at_ns: self.at, reason: self.reason.clone(), signals }
    }
}

/// The command's exit code; 128 and the number of the signal that ended it, as shells have it.
fn code_of(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(USAGE)
}

/// Sees what the watcher tells, and says what a user should know at once.
struct Observer {
    summary: Summary,
    in_gap: bool,
}

impl Observer {
    /// Takes an update; gives the reason when the command must stop.
    fn see(&mut self, update: Update) -> Option<String> {
        match update {
            Update::Fact { source, of, fact, .. } => self.fact(source, of.as_deref(), &fact),
            Update::Alarm(alarm) => return self.alarm(&alarm),
            Update::Log(LogFact::Gap { log, reason, .. }) => say(Level::Warn, &format!("log {log}: {reason}")),
            Update::Log(_) => {}
        }
        None
    }

    fn fact(&mut self, source: Source, of: Option<&str>, fact: &SeriesFact) {
        self.summary.fact(source, of, fact);
        match fact {
            SeriesFact::Gap(gap) if source == Source::Redis && !self.in_gap => {
                self.in_gap = true;
                say(Level::Warn, &format!("Redis cannot be sampled: {} ({})", gap.reason.words(), gap.detail));
            }
            SeriesFact::Sample(_) if source == Source::Redis && self.in_gap => {
                self.in_gap = false;
                say(Level::Warn, "Redis is sampled again");
            }
            SeriesFact::Mark(mark) => say(Level::Warn, &format!("{}: {}", source.prefix(), mark.detail)),
            _ => {}
        }
    }

    fn alarm(&mut self, alarm: &Alarm) -> Option<String> {
        self.summary.alarm(alarm);
        let Event::Alert { level, message, .. } = &alarm.event else { return None };
        if !alarm.stop {
            say(*level, message);
        }
        alarm.stop.then(|| message.clone())
    }

    async fn rest(&mut self, inbox: &mut mpsc::Receiver<Update>) {
        while let Some(update) = inbox.recv().await {
            self.see(update);
        }
    }

    /// Memory before, at its peak, and after; `ran` is absent when the watch ended before the command.
    fn report(&self, ran: Option<Duration>) {
        let mut parts: Vec<String> = ran.map(|ran| format!("ran {}", show_duration(ran))).into_iter().collect();
        if let Some(used) = self.summary.stats(Source::Redis, "used_memory") {
            let show = |value| Unit::Bytes.show(value);
            let (before, peak) = (show(used.first), show(used.max));
            let after = match (ran, self.in_gap) {
                (None, _) => "unknown: it was no longer watched".to_owned(),
                (_, true) => "unknown: Redis cannot be sampled".to_owned(),
                (_, false) => format!("{} ({})", show(used.last), growth(Unit::Bytes, used.last - used.first)),
            };
            parts.push(format!("Redis memory before {before}, peak {peak}, after {after}"));
        }
        if let Some(keys) = self.summary.stats(Source::Redis, "keys").filter(|_| ran.is_some() && !self.in_gap) {
            let show = |value| Unit::Count.show(value);
            parts.push(format!("keys {} -> {}", show(keys.first), show(keys.last)));
        }
        if self.summary.gaps() > 0 {
            parts.push(format!("{} samples are missing", self.summary.gaps()));
        }
        anstream::eprintln!("memwatch: {}", parts.join("; "));
    }
}

fn say(level: Level, message: &str) {
    let style = style_of(level);
    anstream::eprintln!("memwatch: {style}{}{style:#}: {message}", word_for(level));
}
