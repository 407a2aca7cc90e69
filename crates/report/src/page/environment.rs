//! Where, when and with what the run was made.

use maud::{Markup, html};
use plimsoll_record::files::{EndReason, FactFile, FactKind};
use plimsoll_record::metric::Source;
use plimsoll_record::summary::Facts;

use crate::text;
use crate::view::View;

pub(super) fn section(view: &View<'_>) -> Markup {
    let info = view.facts.run.info();
    let machine = &info.machine;
    let rows = [
        ("run", info.id.clone()),
        ("plan", view.verdict.plan.clone()),
        ("started", started(view.facts)),
        ("created by", info.created_by.clone()),
        ("machine", format!("{}, {}", known(&machine.cpu), text::counted(machine.cores as u64, "core", "cores"))),
        ("system", format!("{}, kernel {}", machine.platform, known(&machine.kernel))),
    ];
    html! {
        dl.facts {
            @for (name, value) in rows { div { dt { (name) } dd { (text::plain(&value)) } } }
            @for (name, value) in producers(view.facts) { div { dt { (name) } dd { (text::plain(&value)) } } }
            @for (name, value) in sources(view.facts) { div { dt { (name) } dd { (text::plain(&value)) } } }
        }
    }
}

/// When the run was created, in UTC.
pub(super) fn started(facts: &Facts) -> String {
    let time = jiff::Timestamp::from_nanosecond(facts.run.info().anchor.unix_ns.into());
    time.map_or_else(|_| "at an unknown time".to_owned(), |time| time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string())
}

fn known(text: &str) -> &str {
    if text.is_empty() { "unknown" } else { text }
}

fn producers(facts: &Facts) -> Vec<(&'static str, String)> {
    let mut rows = Vec::new();
    rows.extend(facts.traffic.as_ref().map(|file| ("traffic", producer(file))));
    rows.extend(facts.logs.as_ref().map(|file| ("logs", producer(file))));
    rows.extend(facts.events.as_ref().map(|file| ("events", producer(file))));
    rows
}

fn producer<K: FactKind>(file: &FactFile<K>) -> String {
    let end = match file.end.as_ref().map(|end| end.reason) {
        Some(EndReason::Completed) => "completed",
        Some(EndReason::Interrupted) => "interrupted",
        Some(EndReason::Stopped) => "stopped",
        Some(EndReason::Failed) => "failed",
        None => "partial: the producer died",
    };
    format!("{}, {end}", file.header.producer)
}

fn named(source: Source, of: Option<&str>) -> String {
    of.map_or_else(|| source.label().to_owned(), |of| format!("{} {of}", source.label()))
}

fn sources(facts: &Facts) -> Vec<(String, String)> {
    let all = facts.all_series().into_iter();
    all.map(|(source, of, series)| (text::plain(&named(source, of)), series))
        .map(|(name, series)| {
            let identity = series.header.identity.iter().map(|(key, value)| format!("{key} {value}"));
            let taken = text::counted(series.samples.len() as u64, "sample", "samples");
            let missed = text::counted(series.gaps.len() as u64, "gap", "gaps");
            let partial = series.partial.then(|| "partial: the sampler died".to_owned());
            let parts =
                [series.header.source.clone()].into_iter().chain(identity).chain([taken, missed]).chain(partial);
            (name, parts.collect::<Vec<_>>().join(", "))
        })
        .collect()
}
