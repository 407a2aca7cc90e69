//! The watcher: every probe on the same grid, each in a task of its own, so that a source that hangs delays no other.
//!
//! To add a source: write its [`Probe`], give it a file in the record, and start it in [`Watcher::start`].

use std::time::Duration;

use plimsoll_plan::{RedisSource, Watch};
use plimsoll_record::events::Event;
use plimsoll_record::files::{EndReason, WriteError};
use plimsoll_record::keys::{KeysFact, Occasion};
use plimsoll_record::logs::LogFact;
use plimsoll_record::metric::Source;
use plimsoll_record::series::{Gap, GapReason, SeriesFact, SeriesHeader};
use plimsoll_record::{RunClock, RunDir};
use tokio::sync::{mpsc, oneshot, watch as signal};
use tokio::task::JoinHandle;

use crate::alarms::Alarm;
use crate::checkpoints::Checkpoints;
use crate::container::ContainerProbe;
use crate::grid::Grid;
use crate::growth::Growth;
use crate::health::HealthProbe;
use crate::logs::LogSource;
use crate::machine::{HostProbe, ProcessProbe};
use crate::phases::Phases;
use crate::pool;
use crate::postgres::PostgresProbe;
use crate::probe::{Failure, Probe, read_facts};
use crate::recorder::{Headers, Message, Of, Recorder};
use crate::redis;
use crate::wall::WallClock;

/// How long the first reading may take: it includes connecting and, over TLS, agreeing on keys.
const PATIENCE_AT_START: Duration = Duration::from_secs(5);
/// The bounds of a reading's patience; between them it is 90 % of the interval, so that a hung source is a gap in each
/// interval and not a late sampler.
const PATIENCE: (Duration, Duration) = (Duration::from_millis(900), Duration::from_secs(5));
/// Missed ticks written one by one when the sampler comes back from a pause; one more row sums up the rest.
const MAX_MISSED_ROWS: u64 = 600;
/// Messages that may wait for the recorder, which never waits for anything but the file system.
const QUEUE: usize = 256;

/// What the owner of a watcher is told.
#[derive(Clone, Debug)]
pub enum Update {
    /// A row of a series.
    Fact {
        /// Where it comes from.
        source: Source,
        /// The name of the series, where a source has several.
        of: Option<String>,
        /// The tick it belongs to: rows of different sources with the same tick belong together.
        tick: u64,
        /// The row.
        fact: SeriesFact,
        /// The growth of used memory up to this row, for samples of Redis, once it can be told.
        growth: Option<Growth>,
    },
    /// What a log said.
    Log(LogFact),
    /// What the keys are made of, or why that could not be read.
    Keys(KeysFact),
    /// An alarm, already recorded.
    Alarm(Alarm),
}

/// Why watching could not begin.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Redis cannot be sampled.
    #[error("cannot sample Redis at {address}: {detail}; {fix}", detail = failure.detail, fix = redis::advice(failure))]
    Redis {
        /// Its address, without secrets.
        address: String,
        /// What went wrong.
        failure: Failure,
    },
    /// PostgreSQL cannot be sampled.
    #[error("cannot sample {what}: {detail}; {fix}", detail = failure.detail, fix = fix_of_postgres(failure))]
    Postgres {
        /// Its address, without secrets.
        what: String,
        /// What went wrong.
        failure: Failure,
    },
    /// The record cannot be written.
    #[error(transparent)]
    Record(#[from] WriteError),
}

impl StartError {
    /// The error for a source that cannot be sampled.
    #[must_use]
    pub fn redis(source: &RedisSource, failure: Failure) -> Self {
        Self::Redis { address: redis::probe(source, PATIENCE_AT_START).source(), failure }
    }
}

fn fix_of_postgres(failure: &Failure) -> &'static str {
    let says = |text| failure.detail.contains(text);
    if says("password missing") || says("password authentication") || says("no password") {
        "the user or the password is wrong: use postgresql://USER:PASSWORD@HOST:PORT/DATABASE"
    } else if says("certificate") || says("Certificate") || says("UnknownIssuer") {
        "the certificate is not trusted here: name its authority with ?sslrootcert=/path/ca.pem"
    } else if says("does not support TLS") {
        "the server speaks no TLS: leave sslmode out, or write ?sslmode=disable"
    } else if says("no encryption") || says("SSL off") {
        "the server wants TLS: write ?sslmode=require or verify-full"
    } else if says("does not exist") {
        "name a database and a role that are there: postgresql://USER@HOST:PORT/DATABASE"
    } else if says("GRANT") {
        "or sample the pool at an endpoint of the service"
    } else {
        "is it running there? Start it or give another URL"
    }
}

/// Watches until it is told to finish. Dropping it ends the sampling and leaves a partial record.
#[derive(Debug)]
pub struct Watcher {
    clock: RunClock,
    stop: signal::Sender<bool>,
    messages: mpsc::Sender<Message>,
    recorder: JoinHandle<Result<(), WriteError>>,
}

impl Watcher {
    /// Reads every source once, creates the files in the run directory if there is one, and begins to watch.
    ///
    /// A host or process that cannot be read is a gap; a Redis that cannot is an error, because a watch of Redis
    /// that begins without it has no baseline. Rows that `updates` has no room for are recorded and not told.
    ///
    /// # Errors
    /// [`StartError`] when Redis cannot be sampled or the record cannot be written.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub async fn start(
        watch: &Watch,
        run: Option<&RunDir>,
        producer: &str,
        updates: mpsc::Sender<Update>,
    ) -> Result<Self, StartError> {
        Self::start_with(watch, run, producer, Vec::new(), updates).await
    }

    /// The same, with probes of the embedding program beside those of the watch. They are sampled on the same grid,
    /// recorded in `probes.jsonl` under their names, and told as updates of [`Source::Probe`]. Names must differ from one
    /// another and from those of the watch's endpoints; of two alike the later one is not sampled.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub async fn start_with(
        watch: &Watch,
        run: Option<&RunDir>,
        producer: &str,
        own: Vec<(String, Box<dyn Probe>)>,
        updates: mpsc::Sender<Update>,
    ) -> Result<Self, StartError> {
        let clock = run.map_or_else(RunClock::start, RunDir::clock);
        // Logs are followed from before the first reading: what happens meanwhile belongs to the run.
        let logs: Vec<LogSource> = watch.logs.iter().map(LogSource::begin).collect();
        let mut sources = probes(watch, clock);
        for (name, probe) in own {
            let series = (Source::Probe, Some(name));
            if !sources.iter().any(|(other, _)| *other == series) {
                sources.push((series, probe));
            }
        }
        let mut headers = Headers::default();
        let mut first = Vec::new();
        for (series, probe) in &mut sources {
            let facts = first_facts(series.0, probe.as_mut(), clock).await?;
            let every_ns = u64::try_from(watch.every.as_nanos()).unwrap_or(u64::MAX);
            let header = SeriesHeader { source: probe.source(), identity: probe.identity(), every_ns };
            headers.series.insert(series.clone(), header);
            first.push(Message::Read { series: series.clone(), tick: 0, facts });
        }
        let checkpoints = Checkpoints::of(watch, clock);
        if let Some(checkpoints) = &checkpoints {
            headers.keys = Some(checkpoints.header());
            first.push(Message::Keys(checkpoints.take(Occasion::Start).await));
        }
        let recorder = Recorder::create(watch, run, producer, headers, clock, updates)?;
        let (messages, inbox) = mpsc::channel(QUEUE);
        let recorder = tokio::spawn(recorder.run(inbox));
        for message in first {
            // A recorder that is gone says why when the watcher is finished.
            let _ = messages.send(message).await;
        }
        settled(&messages).await;
        let (stop, stopped) = signal::channel(false);
        if let Some(checkpoints) = checkpoints {
            tokio::spawn(checkpoints.run(stopped.clone(), messages.clone()));
        }
        let pace = Pace { clock, grid: Grid::new(clock.now(), watch.every), every: watch.every, stopped };
        for (series, probe) in sources {
            tokio::spawn(sample(series, probe, pace.clone(), Phases::of(run), messages.clone()));
        }
        tokio::spawn(watch_wall_clock(WallClock::new(clock), pace.clone(), messages.clone()));
        if !logs.is_empty() {
            tokio::spawn(follow(logs, pace, messages.clone()));
        }
        Ok(Self { clock, stop, messages, recorder })
    }

    /// The clock that the rows are on.
    #[must_use]
    pub fn clock(&self) -> RunClock {
        self.clock
    }

    /// Records something that the owner did or saw.
    pub async fn record(&self, event: Event) {
        let _ = self.messages.send(Message::Event(event)).await;
    }

    /// Takes a last sample of everything, reads the logs to their end, and closes the record.
    ///
    /// # Errors
    /// [`WriteError`] when the record could not be written, now or at any time since the start.
    pub async fn finish(self, reason: EndReason) -> Result<(), WriteError> {
        let _ = self.messages.send(Message::End(reason)).await;
        let _ = self.stop.send(true);
        drop(self.messages);
        self.recorder.await.expect("the recorder neither panics nor is it cancelled")
    }
}

/// Waits until the recorder has dealt with everything so far, so that what the first readings show is told before the
/// load begins.
async fn settled(messages: &mpsc::Sender<Message>) {
    let (answer, settled) = oneshot::channel();
    if messages.send(Message::Settled(answer)).await.is_ok() {
        // A recorder that is gone says why when the watcher is finished.
        let _ = settled.await;
    }
}

/// The probes that a plan asks for.
fn probes(watch: &Watch, clock: RunClock) -> Vec<(Of, Box<dyn Probe>)> {
    let mut probes: Vec<(Of, Box<dyn Probe>)> = Vec::new();
    if let Some(source) = &watch.redis {
        probes.push(((Source::Redis, None), redis::probe(source, patience(watch.every))));
    }
    if watch.host {
        probes.push(((Source::Host, None), Box::new(HostProbe::new(clock))));
    }
    if let Some(process) = &watch.process {
        probes.push(((Source::Process, None), Box::new(ProcessProbe::new(process, clock))));
    }
    probes.extend(around(watch, clock));
    probes
}

/// The probes of what stands around the service: databases, containers, endpoints.
fn around(watch: &Watch, clock: RunClock) -> Vec<(Of, Box<dyn Probe>)> {
    let patience = patience(watch.every);
    let mut probes: Vec<(Of, Box<dyn Probe>)> = Vec::new();
    if let Some(source) = &watch.postgres {
        probes.push(((Source::Postgres, None), Box::new(PostgresProbe::new(source, clock, patience))));
    }
    if let Some(source) = &watch.pool {
        probes.push(((Source::Pool, None), pool::probe(source, patience)));
    }
    for container in &watch.containers {
        let probe = ContainerProbe::new(container, watch.engine.as_ref(), clock);
        probes.push(((Source::Container, Some(container.name.clone())), Box::new(probe)));
    }
    for endpoint in &watch.probes {
        let probe = HealthProbe::new(endpoint, clock, patience);
        probes.push(((Source::Probe, Some(endpoint.name.clone())), Box::new(probe)));
    }
    probes
}

async fn first_facts(source: Source, probe: &mut dyn Probe, clock: RunClock) -> Result<Vec<SeriesFact>, StartError> {
    let facts = read_facts(probe, clock, PATIENCE_AT_START, true).await;
    let missing = facts.iter().find_map(|fact| match fact {
        SeriesFact::Gap(gap) if is_vital(source) => Some(Failure::new(gap.reason, gap.detail.clone())),
        _ => None,
    });
    let what = probe.source();
    match missing {
        None => Ok(facts),
        Some(failure) => Err(match source {
            Source::Redis => StartError::Redis { address: what, failure },
            _ => StartError::Postgres { what, failure },
        }),
    }
}

/// A database that cannot be asked at the start is a mistake in its URL or rights more often than a fault to record.
fn is_vital(source: Source) -> bool {
    matches!(source, Source::Redis | Source::Postgres)
}

fn patience(every: Duration) -> Duration {
    every.mul_f64(0.9).clamp(PATIENCE.0, PATIENCE.1)
}

/// What a task needs to keep pace with the others.
#[derive(Clone)]
struct Pace {
    clock: RunClock,
    grid: Grid,
    every: Duration,
    stopped: signal::Receiver<bool>,
}

/// What comes next for a task.
enum Turn {
    /// A tick of the grid, and those before it that were missed.
    Tick { missed: std::ops::Range<u64>, number: u64 },
    /// The last one.
    Last { number: u64 },
}

impl Pace {
    async fn next(&mut self) -> Turn {
        let wait = self.grid.upcoming().due.since(self.clock.now());
        tokio::select! {
            biased;
            // An error means that the watcher was dropped: the end as well.
            _ = self.stopped.changed() => Turn::Last { number: self.grid.upcoming().number },
            () = tokio::time::sleep(Duration::from_nanos(wait)) => {
                let (missed, tick) = self.grid.take(self.clock.now());
                Turn::Tick { missed, number: tick.number }
            }
        }
    }
}

/// Samples one source until the end. A recorder that is gone ends it too.
async fn sample(
    series: Of,
    mut probe: Box<dyn Probe>,
    mut pace: Pace,
    mut phases: Phases,
    messages: mpsc::Sender<Message>,
) {
    let patience = patience(pace.every);
    let mut was_slow = false;
    loop {
        let (number, last) = match pace.next().await {
            Turn::Tick { missed, number } => {
                let facts = missed_rows(&pace.grid, missed, was_slow);
                if !facts.is_empty()
                    && messages.send(Message::Read { series: series.clone(), tick: number, facts }).await.is_err()
                {
                    return;
                }
                (number, false)
            }
            Turn::Last { number } => (number, true),
        };
        if last {
            probe.prepare_for_last();
        }
        let asked = pace.clock.now();
        let thorough = phases.turned(asked) || last;
        let facts = read_facts(probe.as_mut(), pace.clock, patience, thorough).await;
        was_slow = u128::from(pace.clock.now().since(asked)) >= pace.every.as_nanos();
        if messages.send(Message::Read { series: series.clone(), tick: number, facts }).await.is_err() || last {
            return;
        }
    }
}

/// A gap for each missed tick: the source's fault when the reading before them took that long, else our own.
fn missed_rows(grid: &Grid, missed: std::ops::Range<u64>, was_slow: bool) -> Vec<SeriesFact> {
    let (reason, detail) = match was_slow {
        true => (GapReason::TimedOut, "the reading before was still under way"),
        false => (GapReason::Late, "the sampler was not running"),
    };
    let row = |tick: u64, detail: String| SeriesFact::Gap(Gap { at_ns: grid.tick(tick).due, reason, detail });
    let told = missed.end.min(missed.start.saturating_add(MAX_MISSED_ROWS));
    let mut rows: Vec<SeriesFact> = (missed.start..told).map(|tick| row(tick, detail.to_owned())).collect();
    if told < missed.end {
        rows.push(row(told, format!("{detail}; {} samples are missing from here on", missed.end - told)));
    }
    rows
}

/// Says when the wall clock jumps.
async fn watch_wall_clock(mut wall: WallClock, mut pace: Pace, messages: mpsc::Sender<Message>) {
    while let Turn::Tick { .. } = pace.next().await {
        if let Some(jump) = wall.look()
            && messages.send(Message::Event(jump)).await.is_err()
        {
            return;
        }
    }
}

/// Follows the logs until the end, off the sampling thread: log files can be large, and disks slow.
async fn follow(mut logs: Vec<LogSource>, mut pace: Pace, messages: mpsc::Sender<Message>) {
    loop {
        let last = matches!(pace.next().await, Turn::Last { .. });
        let at = pace.clock.now();
        let turn = tokio::task::spawn_blocking(move || {
            let read = |log: &mut LogSource| if last { log.last_turn(at) } else { log.turn(at) };
            let facts: Vec<LogFact> = logs.iter_mut().flat_map(read).collect();
            (logs, facts)
        });
        let Ok((returned, facts)) = turn.await else { return };
        logs = returned;
        if messages.send(Message::Logs(facts)).await.is_err() || last {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use plimsoll_record::Offset;

    use super::*;

    #[test]
    fn patience_ends_before_the_next_tick_yet_allows_for_a_handshake() {
        assert_eq!(patience(Duration::from_secs(2)), Duration::from_millis(1800));
        assert_eq!(patience(Duration::from_millis(100)), PATIENCE.0);
        assert_eq!(patience(Duration::from_secs(60)), PATIENCE.1);
    }

    #[test]
    fn a_long_pause_is_summed_up() {
        let grid = Grid::new(Offset::ZERO, Duration::from_secs(1));
        let rows = missed_rows(&grid, 1..5000, false);
        assert_eq!(rows.len() as u64, MAX_MISSED_ROWS + 1);
        let Some(SeriesFact::Gap(last)) = rows.last() else { panic!("{rows:?}") };
        assert_eq!(last.reason, GapReason::Late);
        assert!(last.detail.contains("4399 samples"), "{}", last.detail);
    }
}
