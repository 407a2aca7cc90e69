//! The HTML page: one file that loads nothing, readable without its script, in any width, light, dark and printed.
//!
//! Each section is one file with a `section` function; the list below is the order of the page.

mod advice;
mod checks;
mod coded;
mod criteria;
mod database;
mod distribution;
mod endpoints;
mod environment;
mod events;
mod generator;
mod growth;
mod host;
mod integrity;
mod interval_bar;
mod keys;
mod latency;
mod limiter;
mod load;
mod logs;
mod memory;
mod named;
mod outcomes;
mod plan;
mod process;
mod slowest;
mod verdict;

use maud::{DOCTYPE, Markup, PreEscaped, html};
use plimsoll_record::summary::Facts;
use plimsoll_record::verdict::Verdict;

use crate::text;
use crate::view::View;

/// A section of the page; without a body it is left out.
struct Section {
    id: &'static str,
    title: &'static str,
    body: fn(&View<'_>) -> Markup,
}

const SECTIONS: [Section; 21] = [
    Section { id: "criteria", title: "Criteria", body: criteria::section },
    Section { id: "advice", title: "Concerns", body: advice::section },
    Section { id: "load", title: "Load", body: load::section },
    Section { id: "latency", title: "Latency", body: latency::section },
    Section { id: "memory", title: "Redis memory", body: memory::section },
    Section { id: "keys", title: "Keys", body: keys::section },
    Section { id: "distribution", title: "Distribution", body: distribution::section },
    Section { id: "endpoints", title: "Endpoints", body: endpoints::section },
    Section { id: "outcomes", title: "Outcomes", body: outcomes::section },
    Section { id: "slowest", title: "Slowest requests", body: slowest::section },
    Section { id: "integrity", title: "Acknowledged writes", body: integrity::section },
    Section { id: "limiter", title: "Rate limiter", body: limiter::section },
    Section { id: "logs", title: "Logs", body: logs::section },
    Section { id: "database", title: "Database", body: database::section },
    Section { id: "containers", title: "Containers", body: named::containers },
    Section { id: "probes", title: "Probes", body: named::probes },
    Section { id: "host", title: "Host and process", body: host::section },
    Section { id: "generator", title: "Generator", body: generator::section },
    Section { id: "events", title: "Events", body: events::section },
    Section { id: "environment", title: "Environment", body: environment::section },
    Section { id: "plan", title: "Plan", body: plan::section },
];

/// Nothing may be loaded, framed or sent; the page's own style and script are inside it. An empty data icon keeps
/// browsers from asking a server for one.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; \
                      base-uri 'none'; form-action 'none'";
const STYLE: &str = include_str!("page/style.css");
const SCRIPT: &str = include_str!("page/cursor.js");

/// The whole report as one self-contained HTML page.
///
/// The same facts and verdict always give the same bytes.
#[must_use]
pub fn html(facts: &Facts, verdict: &Verdict) -> String {
    let view = View::new(facts, verdict);
    let bodies = SECTIONS.iter().map(|section| (section, (section.body)(&view)));
    let sections: Vec<(&Section, Markup)> = bodies.filter(|(_, body)| !body.0.is_empty()).collect();
    let title = format!("{}: {}", verdict.judgement.word(), text::plain(&verdict.plan));
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="referrer" content="no-referrer";
                link rel="icon" href="data:,";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                (patterns())
                a.skip href="#criteria" { "Skip to the criteria" }
                main {
                    (verdict::header(&view))
                    nav aria-label="Sections" {
                        @for (section, _) in &sections { a href=(format!("#{}", section.id)) { (section.title) } }
                    }
                    @for (section, body) in &sections {
                        section id=(section.id) { h2 { (section.title) } (body) }
                    }
                    footer { p { "Made by plimsoll from the facts in the run directory. This page loads nothing." } }
                }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    };
    page.into_string()
}

/// Patterns that charts refer to, defined once.
fn patterns() -> Markup {
    html! {
        svg.patterns aria-hidden="true" {
            defs {
                pattern id="hatch" width="7" height="7" patternUnits="userSpaceOnUse" patternTransform="rotate(45)" {
                    line.grey x1="0" x2="0" y1="0" y2="7" stroke-width="1.4" {}
                }
            }
        }
    }
}
