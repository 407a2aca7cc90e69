//! What `memwatch exec` says of its command: at once what a user should know at once, and at the end what memory did.

use std::time::Duration;

use plimsoll_record::events::{Event, Level};
use plimsoll_record::keys::KeysFact;
use plimsoll_record::logs::LogFact;
use plimsoll_record::metric::Source;
use plimsoll_record::series::SeriesFact;
use plimsoll_record::units::{Unit, show_duration};
use plimsoll_sampler::Update;
use plimsoll_sampler::alarms::Alarm;
use tokio::sync::mpsc;

use crate::actions::Actions;
use crate::output::Refusal;
use crate::remains::Remains;
use crate::summary::{Summary, growth};
use crate::table::{style_of, word_for};

/// Sees what the watcher tells.
pub(crate) struct Observer {
    summary: Summary,
    remains: Remains,
    actions: Actions,
    in_gap: bool,
    /// Followed logs that spoke of memory that ran out.
    oom_logs: Vec<String>,
    refusals: Vec<Refusal>,
    may_stop: bool,
}

/// How the command ran, for the end.
pub(crate) struct Ran {
    /// How long; `None` when the watch ended before the command.
    pub(crate) took: Option<Duration>,
    /// How that is beside earlier runs.
    pub(crate) compared: Option<String>,
    /// Lines it printed that speak of a refusal.
    pub(crate) refused_lines: u64,
}

impl Observer {
    /// Alarms stop the command unless `may_stop` says that they don't.
    pub(crate) fn new(may_stop: bool) -> Self {
        Self {
            summary: Summary::new(),
            remains: Remains::default(),
            actions: Actions::default(),
            in_gap: false,
            oom_logs: Vec::new(),
            refusals: Vec::new(),
            may_stop,
        }
    }

    /// Takes an update; gives the reason when the command must stop.
    pub(crate) fn see(&mut self, update: Update) -> Option<String> {
        match update {
            Update::Fact { source, of, fact, .. } => self.fact(source, of.as_deref(), &fact),
            Update::Alarm(alarm) => return self.alarm(&alarm),
            Update::Log(LogFact::Gap { log, reason, .. }) => say(Level::Warn, &format!("log {log}: {reason}")),
            Update::Log(LogFact::Counts(counts)) => {
                if counts.events.iter().any(|count| count.event == "oom") && !self.oom_logs.contains(&counts.log) {
                    self.oom_logs.push(counts.log);
                }
            }
            Update::Log(LogFact::Example { .. }) => {}
            Update::Keys(KeysFact::Gap { detail, .. }) => say(Level::Warn, &format!("keys were not read: {detail}")),
            Update::Keys(KeysFact::Checkpoint(checkpoint)) => self.remains.take(checkpoint),
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
        self.actions.set_off(alarm);
        let Event::Alert { level, message, .. } = &alarm.event else { return None };
        let stops = alarm.stop && self.may_stop;
        if !stops {
            say(*level, message);
        }
        stops.then(|| message.clone())
    }

    /// Takes the first refusal that the command printed on a stream; gives the alarm that it is and, when the command must
    /// stop, the reason.
    pub(crate) fn refusal(&mut self, refusal: Refusal) -> Option<String> {
        let message = format!("the command's {} says that Redis refused a write: {}", refusal.stream, refusal.line);
        self.refusals.push(refusal);
        if !self.may_stop {
            say(Level::Critical, &message);
        }
        self.may_stop.then_some(message)
    }

    /// Sees everything that is still to come, and lets the actions of alarms end.
    pub(crate) async fn rest(&mut self, inbox: &mut mpsc::Receiver<Update>) {
        while let Some(update) = inbox.recv().await {
            self.see(update);
        }
        self.actions.finish().await;
    }

    /// Sees what is there by now.
    pub(crate) fn catch_up(&mut self, inbox: &mut mpsc::Receiver<Update>) -> Option<String> {
        let mut reason = None;
        while let Ok(update) = inbox.try_recv() {
            reason = self.see(update).or(reason);
        }
        reason
    }

    /// Memory before, at its peak, and after; what remained, and where memory was said to have run out.
    pub(crate) fn report(&self, ran: &Ran) {
        for line in self.lines(ran) {
            anstream::eprintln!("memwatch: {line}");
        }
    }

    fn lines(&self, ran: &Ran) -> Vec<String> {
        let mut lines = vec![self.memory(ran.took)];
        lines.extend(self.remains.left_behind());
        lines.extend(self.oom(ran.refused_lines));
        lines.extend(ran.compared.clone());
        lines
    }

    fn memory(&self, ran: Option<Duration>) -> String {
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
        parts.join("; ")
    }

    /// Everywhere that it was said.
    fn oom(&self, refused_lines: u64) -> Option<String> {
        let refused = self.summary.stats(Source::Redis, "oom_errors").map_or(0.0, |errors| errors.last - errors.first);
        let mut places = Vec::new();
        if refused > 0.0 {
            places.push(format!("Redis counted {} refused commands", Unit::Count.show(refused)));
        }
        if refused_lines > 0 {
            let first = self.refusals.first().map_or_else(String::new, |first| format!(", the first: {}", first.line));
            let lines = if refused_lines == 1 { "1 line".to_owned() } else { format!("{refused_lines} lines") };
            places.push(format!("the command printed {lines} about it{first}"));
        }
        places.extend(self.oom_logs.iter().map(|log| format!("log {log} speaks of it")));
        (!places.is_empty()).then(|| format!("out of memory: {}", places.join("; ")))
    }
}

/// A line of memwatch among those of the command.
pub(crate) fn say(level: Level, message: &str) {
    let style = style_of(level);
    anstream::eprintln!("memwatch: {style}{}{style:#}: {message}", word_for(level));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_that_says_so_is_named() {
        let mut observer = Observer::new(true);
        assert_eq!(observer.oom(0), None);
        let line = "OOM command not allowed".to_owned();
        assert!(observer.refusal(Refusal { stream: "output", line }).is_some());
        observer.oom_logs.push("errors".to_owned());
        let said = observer.oom(3).unwrap();
        assert_eq!(
            said,
            "out of memory: the command printed 3 lines about it, the first: OOM command not allowed; log errors speaks of it"
        );
    }

    #[test]
    fn a_command_that_may_go_on_is_not_stopped() {
        let refusal = Refusal { stream: "output", line: String::new() };
        assert_eq!(Observer::new(false).refusal(refusal), None);
    }
}
