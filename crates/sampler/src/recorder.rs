//! The one place where what was observed becomes rows, alarms and updates.
//!
//! A task of its own, so that no probe waits for a file or for the owner of the watcher: rows go to the files, alarms are
//! derived from them, and updates are handed on while there is room. It samples nothing.

use std::collections::BTreeMap;
use std::path::Path;

use plimsoll_plan::Watch;
use plimsoll_record::events::{Event, Events, EventsHeader};
use plimsoll_record::files::{EndReason, FactKind, FactWriter, WriteError};
use plimsoll_record::logs::{FollowedLog, LogFact, Logs, LogsHeader};
use plimsoll_record::metric::Source;
use plimsoll_record::series::{
    Containers, Host, MarkKind, NamedFact, NamedHeader, Pool, Postgres, Probes, Process, Redis, SeriesFact,
    SeriesHeader,
};
use plimsoll_record::{Offset, RunClock, RunDir};
use tokio::sync::mpsc;

use crate::alarms::{Alarm, Alarms};
use crate::watcher::Update;

/// Room kept for alarms in the channel to the owner: rows are on disk already and may be passed over, alarms not.
const ROOM_FOR_ALARMS: usize = 32;

/// A series: its source and, of those with several, its name.
pub(crate) type Of = (Source, Option<String>);

/// What the tasks of a watcher tell the recorder.
pub(crate) enum Message {
    /// What one reading of a probe gave.
    Read {
        /// The series it belongs to.
        series: Of,
        /// The tick it belongs to.
        tick: u64,
        /// Its rows.
        facts: Vec<SeriesFact>,
    },
    /// What the logs said.
    Logs(Vec<LogFact>),
    /// Something the owner of the watcher did or saw.
    Event(Event),
    /// How the run came to its end.
    End(EndReason),
}

/// The files of one watcher; those of sources that are not watched are absent.
pub(crate) struct Recorder {
    clock: RunClock,
    files: Option<Files>,
    alarms: Alarms,
    updates: mpsc::Sender<Update>,
    end: EndReason,
}

struct Files {
    redis: Option<FactWriter<Redis>>,
    postgres: Option<FactWriter<Postgres>>,
    pool: Option<FactWriter<Pool>>,
    host: Option<FactWriter<Host>>,
    process: Option<FactWriter<Process>>,
    containers: Option<FactWriter<Containers>>,
    probes: Option<FactWriter<Probes>>,
    logs: Option<FactWriter<Logs>>,
    events: FactWriter<Events>,
}

/// The headers of the series that are recorded.
#[derive(Default)]
pub(crate) struct Headers(pub(crate) BTreeMap<Of, SeriesHeader>);

impl Headers {
    fn take(&mut self, source: Source) -> Option<SeriesHeader> {
        self.0.remove(&(source, None))
    }

    /// Those of a source with several series, if there is any.
    fn take_named(&mut self, source: Source) -> Option<NamedHeader> {
        let wanted = self.0.iter().filter(|((other, _), _)| *other == source);
        let series: BTreeMap<_, _> =
            wanted.filter_map(|((_, of), header)| Some((of.clone()?, header.clone()))).collect();
        (!series.is_empty()).then_some(NamedHeader { series })
    }
}

impl Recorder {
    /// Creates the files in the run directory, if there is one.
    pub(crate) fn create(
        watch: &Watch,
        run: Option<&RunDir>,
        producer: &str,
        headers: Headers,
        clock: RunClock,
        updates: mpsc::Sender<Update>,
    ) -> Result<Self, WriteError> {
        let policy = headers.0.get(&(Source::Redis, None)).and_then(|header| header.identity.get("maxmemory_policy"));
        let alarms = Alarms::new(watch.every, &watch.alerts, policy.map(String::as_str));
        let files = run.map(|run| Files::create(watch, run, producer, headers, clock.now())).transpose()?;
        Ok(Self { clock, files, alarms, updates, end: EndReason::Failed })
    }

    /// Records until every sender is gone, then writes the end rows.
    pub(crate) async fn run(mut self, mut messages: mpsc::Receiver<Message>) -> Result<(), WriteError> {
        while let Some(message) = messages.recv().await {
            match message {
                Message::Read { series, tick, facts } => {
                    for fact in facts {
                        self.series_fact(&series, tick, fact)?;
                    }
                }
                Message::Logs(facts) => self.log_facts(facts)?,
                Message::Event(event) => self.event(&event)?,
                Message::End(reason) => self.end = reason,
            }
        }
        let at = self.clock.now();
        self.files.map_or(Ok(()), |files| files.finish(at, self.end))
    }

    fn series_fact(&mut self, series: &Of, tick: u64, fact: SeriesFact) -> Result<(), WriteError> {
        if let Some(files) = &mut self.files {
            files.series(series, &fact)?;
        }
        let (source, of) = series.clone();
        let alarms = if source == Source::Redis { self.watch_redis(&fact) } else { Vec::new() };
        let growth = self.alarms.growth().filter(|_| source == Source::Redis);
        self.tell(Update::Fact { source, of, tick, fact, growth });
        alarms.into_iter().try_for_each(|alarm| self.raise(alarm))
    }

    fn watch_redis(&mut self, fact: &SeriesFact) -> Vec<Alarm> {
        match fact {
            SeriesFact::Sample(sample) => self.alarms.sample(sample.at_ns, &sample.values),
            SeriesFact::Mark(mark) if mark.kind != MarkKind::SaveStarted => {
                self.alarms.segment();
                Vec::new()
            }
            SeriesFact::Mark(_) | SeriesFact::Gap(_) => Vec::new(),
        }
    }

    fn log_facts(&mut self, facts: Vec<LogFact>) -> Result<(), WriteError> {
        for fact in facts {
            if let Some(writer) = self.files.as_mut().and_then(|files| files.logs.as_mut()) {
                writer.write(&fact)?;
                writer.flush()?;
            }
            let alarm = match &fact {
                LogFact::Counts(counts) if counts.events.iter().any(|count| count.event == "oom") => {
                    self.alarms.oom_in_log(counts.at_ns, &counts.log)
                }
                _ => None,
            };
            self.tell(Update::Log(fact));
            alarm.map_or(Ok(()), |alarm| self.raise(alarm))?;
        }
        Ok(())
    }

    fn raise(&mut self, alarm: Alarm) -> Result<(), WriteError> {
        self.event(&alarm.event)?;
        // Only a reader that stopped reading long ago misses it, and the record has it.
        let _ = self.updates.try_send(Update::Alarm(alarm));
        Ok(())
    }

    fn event(&mut self, event: &Event) -> Result<(), WriteError> {
        match &mut self.files {
            Some(files) => write(&mut files.events, event),
            None => Ok(()),
        }
    }

    /// Hands a row to the owner, unless it has fallen so far behind that the room is needed for alarms.
    fn tell(&self, update: Update) {
        if self.updates.capacity() > ROOM_FOR_ALARMS.min(self.updates.max_capacity() / 2) {
            let _ = self.updates.try_send(update);
        }
    }
}

impl Files {
    fn create(
        watch: &Watch,
        run: &RunDir,
        producer: &str,
        mut headers: Headers,
        at: Offset,
    ) -> Result<Self, WriteError> {
        let dir = run.path();
        let follow = |log: &plimsoll_plan::LogWatch| FollowedLog {
            name: log.name.clone(),
            path: log.path.display().to_string(),
        };
        let logs = (!watch.logs.is_empty()).then(|| LogsHeader { logs: watch.logs.iter().map(follow).collect() });
        // The events file comes first: it is there in every run, so a second watcher fails before it made any.
        let events = FactWriter::create(dir, producer, at, EventsHeader::default())?;
        Ok(Self {
            redis: file(dir, producer, at, headers.take(Source::Redis))?,
            postgres: file(dir, producer, at, headers.take(Source::Postgres))?,
            pool: file(dir, producer, at, headers.take(Source::Pool))?,
            host: file(dir, producer, at, headers.take(Source::Host))?,
            process: file(dir, producer, at, headers.take(Source::Process))?,
            containers: file(dir, producer, at, headers.take_named(Source::Container))?,
            probes: file(dir, producer, at, headers.take_named(Source::Probe))?,
            logs: file(dir, producer, at, logs)?,
            events,
        })
    }

    fn series(&mut self, (source, of): &Of, fact: &SeriesFact) -> Result<(), WriteError> {
        let named = || NamedFact { of: of.clone().unwrap_or_default(), fact: fact.clone() };
        match source {
            Source::Redis => self.redis.as_mut().map_or(Ok(()), |writer| write(writer, fact)),
            Source::Postgres => self.postgres.as_mut().map_or(Ok(()), |writer| write(writer, fact)),
            Source::Pool => self.pool.as_mut().map_or(Ok(()), |writer| write(writer, fact)),
            Source::Host => self.host.as_mut().map_or(Ok(()), |writer| write(writer, fact)),
            Source::Process => self.process.as_mut().map_or(Ok(()), |writer| write(writer, fact)),
            Source::Container => self.containers.as_mut().map_or(Ok(()), |writer| write(writer, &named())),
            Source::Probe => self.probes.as_mut().map_or(Ok(()), |writer| write(writer, &named())),
        }
    }

    fn finish(self, at: Offset, reason: EndReason) -> Result<(), WriteError> {
        finish(self.redis, at, reason)?;
        finish(self.postgres, at, reason)?;
        finish(self.pool, at, reason)?;
        finish(self.host, at, reason)?;
        finish(self.process, at, reason)?;
        finish(self.containers, at, reason)?;
        finish(self.probes, at, reason)?;
        finish(self.logs, at, reason)?;
        self.events.finish(at, reason)
    }
}

/// The file of a series that is recorded.
fn file<K: FactKind>(
    dir: &Path,
    producer: &str,
    at: Offset,
    header: Option<K::Header>,
) -> Result<Option<FactWriter<K>>, WriteError> {
    header.map(|header| FactWriter::create(dir, producer, at, header)).transpose()
}

fn finish<K: FactKind>(file: Option<FactWriter<K>>, at: Offset, reason: EndReason) -> Result<(), WriteError> {
    file.map_or(Ok(()), |writer| writer.finish(at, reason))
}

/// Writes a row and hands it to the operating system: at the pace of sampling a crash then loses nothing.
fn write<K: FactKind>(writer: &mut FactWriter<K>, fact: &K::Fact) -> Result<(), WriteError> {
    writer.write(fact)?;
    writer.flush()
}
