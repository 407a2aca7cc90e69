//! What happened during a run, in order of time: alerts, stops, restarts, notes of the producers.
//!
//! Each has a number, which marks it on the charts and in the list of events.

use plimsoll_record::Offset;
use plimsoll_record::events::{Event, Level};
use plimsoll_record::logs::LogFact;
use plimsoll_record::series::MarkKind;
use plimsoll_record::summary::Facts;
use plimsoll_record::traffic::TrafficFact;
use plimsoll_record::units::show_duration;

use crate::text;

/// One thing that happened.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Happening {
    pub(crate) at: Offset,
    /// Who says so.
    pub(crate) source: &'static str,
    pub(crate) text: String,
    /// True when it deserves a line on the charts.
    pub(crate) flagged: bool,
}

/// Everything that happened, in order of time.
pub(crate) fn list(facts: &Facts) -> Vec<Happening> {
    let events = facts.events.iter().flat_map(|events| &events.facts).map(of_event);
    let traffic = facts.traffic.iter().flat_map(|traffic| {
        let phases = &traffic.header.body.phases;
        traffic.facts.iter().filter_map(|fact| match fact {
            TrafficFact::Note { at_ns, text } => Some(note(*at_ns, text)),
            TrafficFact::PhaseEnded { phase, at_ns } => Some(phase_ended(*at_ns, &phases.get(*phase as usize)?.name)),
            TrafficFact::Interval(_) | TrafficFact::Generator(_) | TrafficFact::Slow(_) => None,
        })
    });
    let logs = facts.logs.iter().flat_map(|logs| &logs.facts).filter_map(|fact| match fact {
        LogFact::Gap { at_ns, log, reason } => Some(log_gap(*at_ns, log, reason)),
        LogFact::Counts(_) | LogFact::Example { .. } => None,
    });
    let mut all: Vec<Happening> = events.chain(traffic).chain(logs).chain(marks(facts)).collect();
    all.sort_by_key(|happening| happening.at);
    all
}

fn of_event(event: &Event) -> Happening {
    let (at, text, flagged) = match event {
        Event::Alert { at_ns, level, message, .. } => (*at_ns, format!("{}: {message}", level_word(*level)), true),
        Event::Stop { at_ns, reason, signals } => {
            (*at_ns, format!("stopped the command ({}): {reason}", signals.join(", then ")), true)
        }
        Event::CommandEnded { at_ns, exit_code, ran_ns, .. } => (*at_ns, command_ended(*exit_code, *ran_ns), false),
        Event::Mark { at_ns, label } => (*at_ns, label.clone(), true),
    };
    Happening { at, source: "memwatch", text: text::plain(&text), flagged }
}

fn level_word(level: Level) -> &'static str {
    match level {
        Level::Warn => "warning",
        Level::Critical => "critical",
    }
}

fn command_ended(exit_code: Option<i32>, ran_ns: u64) -> String {
    let ran = show_duration(std::time::Duration::from_nanos(ran_ns));
    match exit_code {
        Some(code) => format!("the command ended after {ran} with exit code {code}"),
        None => format!("the command was ended by a signal after {ran}"),
    }
}

fn note(at: Offset, text: &str) -> Happening {
    Happening { at, source: "loadgen", text: text::plain(text), flagged: false }
}

fn phase_ended(at: Offset, phase: &str) -> Happening {
    let text = format!("phase {} ended", text::plain(phase));
    Happening { at, source: "loadgen", text, flagged: false }
}

fn log_gap(at: Offset, log: &str, reason: &str) -> Happening {
    let text = text::plain(&format!("log {log}: {reason}"));
    Happening { at, source: "memwatch", text, flagged: false }
}

fn marks(facts: &Facts) -> impl Iterator<Item = Happening> {
    facts.all_series().into_iter().flat_map(|(source, of, series)| {
        series.marks.iter().map(move |mark| {
            let detail = if mark.detail.is_empty() { String::new() } else { format!(": {}", mark.detail) };
            let of = of.map_or_else(String::new, |of| format!("{of}: "));
            let text = text::plain(&format!("{of}{}{detail}", mark_words(mark.kind)));
            Happening { at: mark.at_ns, source: source.label(), text, flagged: mark.kind.cuts() }
        })
    })
}

fn mark_words(kind: MarkKind) -> &'static str {
    match kind {
        MarkKind::Restarted => "the server restarted",
        MarkKind::RoleChanged => "the server changed its role",
        MarkKind::Flushed => "a database was flushed",
        MarkKind::Loading => "the server is loading its data set",
        MarkKind::SaveStarted => "a background save began",
        MarkKind::OomKilled => "a process was killed for lack of memory",
        MarkKind::Down => "the endpoint stopped answering as it should",
        MarkKind::Up => "the endpoint answers as it should again",
        MarkKind::SaveEnded => "a background save ended",
        MarkKind::RewriteStarted => "a rewrite of the append-only file began",
        MarkKind::RewriteEnded => "a rewrite of the append-only file ended",
        MarkKind::StatsReset => "counters began anew",
    }
}
