//! `memwatch watch`: the live table until Ctrl-C or the end of its time, then the summary.

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use plimsoll_record::RunClock;
use plimsoll_record::files::EndReason;
use plimsoll_record::keys::KeysFact;
use plimsoll_record::logs::LogFact;
use plimsoll_sampler::{Update, Watcher};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use crate::actions::Actions;
use crate::args::WatchArgs;
use crate::csv::Csv;
use crate::exit::{Fatal, INTERRUPTED};
use crate::remains::Remains;
use crate::rows::{Line, Rows};
use crate::setup::{PRODUCER, Setup};
use crate::summary::Summary;
use crate::table::Table;

/// Updates that may wait to be shown.
const QUEUE: usize = 1024;
/// Longer than any watch.
const FOR_EVER: Duration = Duration::from_secs(100 * 365 * 86_400);

/// Why the watch ended.
enum Ended {
    /// Ctrl-C or SIGTERM.
    Asked,
    /// The time was up, or nobody reads the table any more.
    Done,
    /// The record cannot be written; finishing says why.
    RecordFailed,
}

pub(crate) async fn run(args: &WatchArgs) -> Result<ExitCode, Fatal> {
    let setup = Setup::new(&args.sources)?;
    let csv = args.csv.as_deref().map(|path| Csv::create(path, &setup.watch)).transpose()?;
    let mut signals = Signals::install()?;
    let (updates, mut inbox) = mpsc::channel(QUEUE);
    let watcher = Watcher::start(&setup.watch, setup.run.as_ref(), PRODUCER, updates).await?;
    let clock = watcher.clock();
    let mut view = View {
        rows: Rows::new(&setup.watch),
        table: Table::new(&setup.watch, clock.now()),
        summary: Summary::new(),
        remains: Remains::default(),
        actions: Actions::default(),
        csv,
        clock,
        out: anstream::stdout(),
    };
    let ended = view.follow(&mut inbox, &mut signals, args.duration.unwrap_or(FOR_EVER)).await?;
    let early = args.duration.is_some() && matches!(ended, Ended::Asked);
    let reason = if early { EndReason::Interrupted } else { EndReason::Completed };
    let (recorded, shown) = tokio::join!(watcher.finish(reason), view.rest(&mut inbox));
    recorded?;
    shown?;
    Ok(if early { ExitCode::from(INTERRUPTED) } else { ExitCode::SUCCESS })
}

/// What asks memwatch to end.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn install() -> Result<Self, Fatal> {
        let install = |kind| signal(kind).map_err(Fatal::environment);
        Ok(Self { interrupt: install(SignalKind::interrupt())?, terminate: install(SignalKind::terminate())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Where updates are shown.
struct View {
    rows: Rows,
    table: Table,
    summary: Summary,
    remains: Remains,
    actions: Actions,
    csv: Option<Csv>,
    clock: RunClock,
    out: anstream::Stdout,
}

impl View {
    async fn follow(
        &mut self,
        inbox: &mut mpsc::Receiver<Update>,
        signals: &mut Signals,
        duration: Duration,
    ) -> Result<Ended, Fatal> {
        let end = tokio::time::sleep(duration);
        tokio::pin!(end);
        loop {
            tokio::select! {
                update = inbox.recv() => {
                    let Some(update) = update else { return Ok(Ended::RecordFailed) };
                    if !self.show(update)? {
                        return Ok(Ended::Done);
                    }
                }
                () = signals.next() => return Ok(Ended::Asked),
                () = &mut end => return Ok(Ended::Done),
            }
        }
    }

    /// The last samples, and the summary.
    async fn rest(&mut self, inbox: &mut mpsc::Receiver<Update>) -> Result<(), Fatal> {
        while let Some(update) = inbox.recv().await {
            self.show(update)?;
        }
        if let Some(line) = self.rows.finish() {
            self.line(line)?;
        }
        let summary = self.summary.render();
        self.print(&format!("\n{summary}"))?;
        if let Some(left) = self.remains.left_behind() {
            self.print(&format!("{left}\n"))?;
        }
        self.actions.finish().await;
        Ok(())
    }

    /// Shows an update; false when nobody reads any more.
    fn show(&mut self, update: Update) -> Result<bool, Fatal> {
        match update {
            Update::Fact { source, of, tick, fact, growth } => {
                self.summary.fact(source, of.as_deref(), &fact);
                let mut open = true;
                for line in self.rows.take((source, of), tick, fact, growth) {
                    open &= self.line(line)?;
                }
                Ok(open)
            }
            Update::Alarm(alarm) => {
                self.summary.alarm(&alarm);
                self.actions.set_off(&alarm);
                let text = self.table.alarm(&alarm);
                self.print(&text)
            }
            Update::Log(LogFact::Gap { at_ns, log, reason }) => {
                let text = self.table.note(at_ns, &format!("log {log}"), &reason);
                self.print(&text)
            }
            Update::Keys(KeysFact::Gap { at_ns, detail, .. }) => {
                let text = self.table.note(at_ns, "keys", &format!("not read: {detail}"));
                self.print(&text)
            }
            Update::Keys(KeysFact::Checkpoint(checkpoint)) => {
                self.remains.take(checkpoint);
                Ok(true)
            }
            Update::Log(_) => Ok(true),
        }
    }

    fn line(&mut self, line: Line) -> Result<bool, Fatal> {
        if let (Line::Row(row), Some(csv)) = (&line, &mut self.csv) {
            csv.row(row, self.clock)?;
        }
        let text = self.table.line(line);
        self.print(&text)
    }

    fn print(&mut self, text: &str) -> Result<bool, Fatal> {
        match self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush()) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
            Err(error) => Err(Fatal::environment(anyhow::Error::new(error).context("cannot write the table"))),
        }
    }
}
