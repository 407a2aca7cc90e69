//! The one place where what was observed becomes rows, alarms and updates.
//!
//! A task of its own, so that no probe waits for a file or for the owner of the watcher: rows go to the files, alarms are
//! derived from them, and updates are handed on while there is room. It samples nothing.

use std::collections::BTreeMap;
use std::path::Path;

use plimsoll_plan::Watch;
use plimsoll_record::events::{Event, Events, EventsHeader};
use plimsoll_record::files::{EndReason, FactKind, FactWriter, WriteError};
use plimsoll_record::keys::{Keys, KeysFact, KeysHeader};
use plimsoll_record::logs::{FollowedLog, LogFact, Logs, LogsHeader};
use plimsoll_record::metric::Source;
use plimsoll_record::series::{
    Containers, Host, NamedFact, NamedHeader, Pool, Postgres, Probes, Process, Redis, SeriesFact, SeriesHeader,
};
use plimsoll_record::{Offset, RunClock, RunDir};
use tokio::sync::{mpsc, oneshot};

use crate::alarms::{Alarm, Alarms};
use crate::checkpoints::elsewhere;
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
    /// What the keys are made of.
    Keys(KeysFact),
    /// Something the owner of the watcher did or saw.
    Event(Event),
    /// Answered when everything before it was recorded and told.
    Settled(oneshot::Sender<()>),
    /// How the run came to its end.
    End(EndReason),
}

/// The files of one watcher; those of sources that are not watched are absent.
pub(crate) struct Recorder {
    clock: RunClock,
    files: Option<Files>,
    alarms: Alarms,
    updates: mpsc::Sender<Update>,
    expected: Vec<u32>,
    last_event: Offset,
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
    keys: Option<FactWriter<Keys>>,
    events: FactWriter<Events>,
}

/// The headers of the series that are recorded.
#[derive(Default)]
pub(crate) struct Headers {
    pub(crate) series: BTreeMap<Of, SeriesHeader>,
    pub(crate) keys: Option<KeysHeader>,
}

impl Headers {
    fn take(&mut self, source: Source) -> Option<SeriesHeader> {
        self.series.remove(&(source, None))
    }

    /// Those of a source with several series, if there is any.
    fn take_named(&mut self, source: Source) -> Option<NamedHeader> {
        let wanted = self.series.iter().filter(|((other, _), _)| *other == source);
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
        let policy =
            headers.series.get(&(Source::Redis, None)).and_then(|header| header.identity.get("maxmemory_policy"));
        let alarms = Alarms::new(watch.every, &watch.alerts, policy.map(String::as_str));
        let files = run.map(|run| Files::create(watch, run, producer, headers, clock.now())).transpose()?;
        let (expected, last_event) = (watch.databases.clone(), Offset(i64::MIN));
        Ok(Self { clock, files, alarms, updates, expected, last_event, end: EndReason::Failed })
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
                Message::Keys(fact) => self.keys_fact(fact)?,
                Message::Event(event) => self.event(&event)?,
                // Whoever no longer waits for it needs no answer.
                Message::Settled(answer) => drop(answer.send(())),
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
        let alarms = match source {
            Source::Redis => self.watch_redis(&fact),
            Source::Container => self.watch_container(of.as_deref().unwrap_or("the container"), &fact),
            _ => Vec::new(),
        };
        let growth = self.alarms.growth().filter(|_| source == Source::Redis);
        self.tell(Update::Fact { source, of, tick, fact, growth });
        alarms.into_iter().try_for_each(|alarm| self.raise(alarm))
    }

    fn watch_redis(&mut self, fact: &SeriesFact) -> Vec<Alarm> {
        match fact {
            SeriesFact::Sample(sample) => self.alarms.sample(sample.at_ns, &sample.values),
            SeriesFact::Mark(mark) if mark.kind.cuts() => {
                self.alarms.segment();
                Vec::new()
            }
            SeriesFact::Mark(_) | SeriesFact::Gap(_) | SeriesFact::Detail(_) | SeriesFact::Node(_) => Vec::new(),
        }
    }

    fn watch_container(&mut self, name: &str, fact: &SeriesFact) -> Vec<Alarm> {
        let SeriesFact::Sample(sample) = fact else { return Vec::new() };
        let kills = sample.values.get("oom_kills").copied();
        kills.and_then(|kills| self.alarms.oom_kills(sample.at_ns, name, kills)).into_iter().collect()
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

    fn keys_fact(&mut self, fact: KeysFact) -> Result<(), WriteError> {
        if let Some(writer) = self.files.as_mut().and_then(|files| files.keys.as_mut()) {
            write(writer, &fact)?;
        }
        let alarm = match &fact {
            KeysFact::Checkpoint(checkpoint) => {
                let found = elsewhere(checkpoint, &self.expected);
                self.alarms.keys_elsewhere(checkpoint.at_ns, &found, &self.expected)
            }
            KeysFact::Gap { .. } => None,
        };
        // There are few of them, and the last one is what remains.
        let _ = self.updates.try_send(Update::Keys(fact));
        alarm.map_or(Ok(()), |alarm| self.raise(alarm))
    }

    fn raise(&mut self, alarm: Alarm) -> Result<(), WriteError> {
        self.event(&alarm.event)?;
        // Only a reader that stopped reading long ago misses it, and the record has it.
        let _ = self.updates.try_send(Update::Alarm(alarm));
        Ok(())
    }

    /// Events stand in the order of their time, although those who notice them do not wait for one another: what was
    /// noticed later than another is written with a time that is not before it.
    fn event(&mut self, event: &Event) -> Result<(), WriteError> {
        self.last_event = self.last_event.max(event.at());
        match &mut self.files {
            Some(files) => write(&mut files.events, &event.clone().moved_to(self.last_event)),
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
            keys: file(dir, producer, at, headers.keys)?,
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
        finish(self.keys, at, reason)?;
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
