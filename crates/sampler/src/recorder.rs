//! The one place where what was observed becomes rows, alarms and updates.
//!
//! A task of its own, so that no probe waits for a file or for the owner of the watcher: rows go to the files, alarms are
//! derived from them, and updates are handed on while there is room. It samples nothing.

use plimsoll_plan::Watch;
use plimsoll_record::events::{Event, Events, EventsHeader};
use plimsoll_record::files::{EndReason, FactKind, FactWriter, WriteError};
use plimsoll_record::logs::{FollowedLog, LogFact, Logs, LogsHeader};
use plimsoll_record::metric::Source;
use plimsoll_record::series::{Host, MarkKind, Process, Redis, SeriesFact, SeriesHeader};
use plimsoll_record::{Offset, RunClock, RunDir};
use tokio::sync::mpsc;

use crate::alarms::{Alarm, Alarms};
use crate::watcher::Update;

/// Room kept for alarms in the channel to the owner: rows are on disk already and may be passed over, alarms not.
const ROOM_FOR_ALARMS: usize = 32;

/// What the tasks of a watcher tell the recorder.
pub(crate) enum Message {
    /// What one reading of a probe gave.
    Read {
        /// The probe's file.
        source: Source,
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
    host: Option<FactWriter<Host>>,
    process: Option<FactWriter<Process>>,
    logs: Option<FactWriter<Logs>>,
    events: FactWriter<Events>,
}

/// The headers of the series that are recorded.
#[derive(Default)]
pub(crate) struct Headers {
    pub(crate) redis: Option<SeriesHeader>,
    pub(crate) host: Option<SeriesHeader>,
    pub(crate) process: Option<SeriesHeader>,
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
        let policy = headers.redis.as_ref().and_then(|header| header.identity.get("maxmemory_policy"));
        let alarms = Alarms::new(watch.every, &watch.alerts, policy.map(String::as_str));
        let files = run.map(|run| Files::create(watch, run, producer, headers, clock.now())).transpose()?;
        Ok(Self { clock, files, alarms, updates, end: EndReason::Failed })
    }

    /// Records until every sender is gone, then writes the end rows.
    pub(crate) async fn run(mut self, mut messages: mpsc::Receiver<Message>) -> Result<(), WriteError> {
        while let Some(message) = messages.recv().await {
            match message {
                Message::Read { source, tick, facts } => {
                    for fact in facts {
                        self.series_fact(source, tick, fact)?;
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

    fn series_fact(&mut self, source: Source, tick: u64, fact: SeriesFact) -> Result<(), WriteError> {
        if let Some(files) = &mut self.files {
            files.series(source, &fact)?;
        }
        let alarms = if source == Source::Redis { self.watch_redis(&fact) } else { Vec::new() };
        let growth = self.alarms.growth().filter(|_| source == Source::Redis);
        self.tell(Update::Fact { source, tick, fact, growth });
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
    fn create(watch: &Watch, run: &RunDir, producer: &str, headers: Headers, at: Offset) -> Result<Self, WriteError> {
        let dir = run.path();
        let follow = |log: &plimsoll_plan::LogWatch| FollowedLog {
            name: log.name.clone(),
            path: log.path.display().to_string(),
        };
        let logs = (!watch.logs.is_empty()).then(|| LogsHeader { logs: watch.logs.iter().map(follow).collect() });
        // The events file comes first: it is there in every run, so a second watcher fails before it made any.
        let events = FactWriter::create(dir, producer, at, EventsHeader::default())?;
        Ok(Self {
            redis: headers.redis.map(|header| FactWriter::create(dir, producer, at, header)).transpose()?,
            host: headers.host.map(|header| FactWriter::create(dir, producer, at, header)).transpose()?,
            process: headers.process.map(|header| FactWriter::create(dir, producer, at, header)).transpose()?,
            logs: logs.map(|header| FactWriter::create(dir, producer, at, header)).transpose()?,
            events,
        })
    }

    fn series(&mut self, source: Source, fact: &SeriesFact) -> Result<(), WriteError> {
        match source {
            Source::Redis => self.redis.as_mut().map_or(Ok(()), |writer| write(writer, fact)),
            Source::Host => self.host.as_mut().map_or(Ok(()), |writer| write(writer, fact)),
            Source::Process => self.process.as_mut().map_or(Ok(()), |writer| write(writer, fact)),
        }
    }

    fn finish(self, at: Offset, reason: EndReason) -> Result<(), WriteError> {
        self.redis.map_or(Ok(()), |writer| writer.finish(at, reason))?;
        self.host.map_or(Ok(()), |writer| writer.finish(at, reason))?;
        self.process.map_or(Ok(()), |writer| writer.finish(at, reason))?;
        self.logs.map_or(Ok(()), |writer| writer.finish(at, reason))?;
        self.events.finish(at, reason)
    }
}

/// Writes a row and hands it to the operating system: at the pace of sampling a crash then loses nothing.
fn write<K: FactKind>(writer: &mut FactWriter<K>, fact: &K::Fact) -> Result<(), WriteError> {
    writer.write(fact)?;
    writer.flush()
}
