//! From a HAR file (HTTP Archive 1.2): the requests that a browser made to one host, one after another, with its pauses.
//!
//! What a request becomes is in [`super::entry`].

use std::collections::BTreeMap;

use jiff::Timestamp;
use url::{Position, Url};

use super::entry::{self, Jar};
use super::{criteria, target, unique};
use crate::document::Document;
use crate::draft::{Draft, Flow, Line, Step};
use crate::toml_text::{name, raw, table};

/// Shorter pauses are the browser's own.
const SHORTEST_PAUSE_S: f64 = 0.3;
/// Longer ones are a recording that was left alone.
const LONGEST_PAUSE_S: f64 = 60.0;
/// Kinds of resources that a browser loads by itself.
const STATIC_KINDS: [&str; 8] =
    ["image/", "font/", "audio/", "video/", "text/css", "javascript", "application/wasm", "application/font"];
const STATIC_ENDINGS: [&str; 14] = [
    ".css", ".js", ".mjs", ".png", ".jpg", ".jpeg", ".gif", ".svg", ".webp", ".ico", ".woff", ".woff2", ".ttf", ".map",
];

/// A recorded request.
#[derive(Clone, Copy)]
pub(super) struct Recorded<'a> {
    pub(super) url: &'a Url,
    pub(super) request: &'a Document,
    pub(super) response: &'a Document,
    /// When it began and ended, in seconds.
    times: Option<(f64, f64)>,
}

pub(super) fn draft(har: &Document, file: &str, host: Option<&str>, all: bool) -> Result<Draft, String> {
    let entries = har.at(&["log", "entries"]);
    if !matches!(entries, Document::List(_)) {
        return Err(format!("{file} has no log.entries; a HAR file is saved by the developer tools of a browser"));
    }
    let mut draft = Draft { name: name(file.trim_end_matches(".har")), ..Draft::default() };
    let urls: Vec<(Url, &Document)> = entries.items().iter().filter_map(|entry| usable(entry, &mut draft)).collect();
    let recorded = urls.iter().map(|(url, entry)| Recorded::of(url, entry));
    let dynamic: Vec<Recorded<'_>> = recorded.filter(|one| all || !is_static(one, &mut draft)).collect();
    let origin = choose(&dynamic, host, file)?;
    let (mut kept, others): (Vec<_>, Vec<_>) = dynamic.into_iter().partition(|one| origin_of(one.url) == origin);
    for (other, count) in counted(&others) {
        draft.leave_out(format!("{count} requests to {other}: a plan has one target"));
    }
    kept.sort_by(|a, b| a.began().total_cmp(&b.began()));
    draft.origin = format!("What a browser did, from {file}: {} requests to {origin}", kept.len());
    fill(&mut draft, &origin, &kept);
    Ok(draft)
}

fn fill(draft: &mut Draft, origin: &str, kept: &[Recorded<'_>]) {
    let shared = entry::shared_headers(kept);
    draft.target = vec![target(origin)];
    if !shared.is_empty() {
        draft.target.push(Line::new("headers", table(shared.clone())));
    }
    let mut jar = Jar::default();
    let mut steps = Vec::new();
    let mut names = Vec::new();
    let mut ended: Option<f64> = None;
    for one in kept {
        steps.extend(pause(ended, one, draft));
        ended = one.times.map(|(_, end)| end).or(ended);
        let method = one.request.get("method").text().unwrap_or_default().to_ascii_lowercase();
        let wanted = format!("{method} {}", if one.url.path() == "/" { "home" } else { one.url.path() });
        let name = unique(&name(&wanted), &mut names);
        steps.extend(entry::step(one, &name, &shared, &mut jar, draft));
    }
    draft.users = vec![Line::new("count", "10")];
    if jar.is_used() {
        draft.users.push(Line::new("cookies", "true").with("each user keeps the cookies it is given"));
    }
    let lines = vec![
        Line::note("Values that the service gave (ids, tokens) are as recorded: where they change, capture them,"),
        Line::note("`capture = { id = \"$.id\" }` in the step that gets them, and use `{id}` in those after it."),
        Line::new("weight", "1"),
    ];
    draft.flows = vec![Flow { name: "recorded".to_owned(), lines, steps }];
    draft.phases = vec![vec![
        Line::new("name", raw("people")),
        Line::new("duration", raw("5m")),
        Line::new("users", "10"),
        Line::new("spawn_rate", raw("1/s")).with("not all at once"),
    ]];
    draft.criteria = criteria("people");
}

/// The pause of the person between an answer and the next request.
fn pause(ended: Option<f64>, next: &Recorded<'_>, draft: &mut Draft) -> Option<Step> {
    let gap = next.times.map(|(began, _)| began)? - ended?;
    if gap < SHORTEST_PAUSE_S {
        return None;
    }
    if gap > LONGEST_PAUSE_S {
        draft.leave_out(format!("the rest of a pause of {gap:.0} s: {LONGEST_PAUSE_S:.0} s at most are kept"));
    }
    Some(Step::think(&format!("{:.1}s", gap.min(LONGEST_PAUSE_S))))
}

/// A request that a plan can make, with its URL.
fn usable<'a>(entry: &'a Document, draft: &mut Draft) -> Option<(Url, &'a Document)> {
    let text = entry.at(&["request", "url"]).text().unwrap_or_default();
    let url = text.parse::<Url>().ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    let Some(url) = url else {
        let scheme = text.split(':').next().unwrap_or_default();
        draft.leave_out(format!("requests that are no http:// or https:// ones ({scheme}:)"));
        return None;
    };
    let method = entry.at(&["request", "method"]).text().unwrap_or_default().to_ascii_uppercase();
    if !entry::METHODS.contains(&method.as_str()) {
        draft.leave_out(format!("requests of the method {method}"));
        return None;
    }
    if entry.at(&["response", "status"]).number().is_none_or(|status| !(100.0..600.0).contains(&status)) {
        draft.leave_out("requests without an answer: blocked or broken off");
        return None;
    }
    if entry.at(&["response", "status"]).number() == Some(101.0) {
        draft.leave_out("WebSockets");
        return None;
    }
    Some((url, entry))
}

fn is_static(one: &Recorded<'_>, draft: &mut Draft) -> bool {
    let kind = one.response.at(&["content", "mimeType"]).text().unwrap_or_default().to_ascii_lowercase();
    let path = one.url.path().to_ascii_lowercase();
    let is =
        STATIC_KINDS.iter().any(|part| kind.contains(part)) || STATIC_ENDINGS.iter().any(|end| path.ends_with(end));
    if is {
        draft.leave_out("scripts, styles, images and fonts; --all keeps them");
    }
    is
}

/// The origin that was asked for, or that most requests go to; of equal ones the first.
fn choose(recorded: &[Recorded<'_>], host: Option<&str>, file: &str) -> Result<String, String> {
    let mut origins = counted(recorded);
    if origins.is_empty() {
        return Err(format!("{file} holds no request that a plan could make; add --all to keep scripts and images"));
    }
    let Some(host) = host else {
        origins.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        return Ok(origins.swap_remove(0).0);
    };
    let is = |origin: &str| {
        origin.split_once("://").is_some_and(|(_, rest)| rest == host || rest.split(':').next() == Some(host))
    };
    let found = origins.iter().find(|(origin, _)| is(origin) || origin == host);
    found.map(|(origin, _)| origin.clone()).ok_or_else(|| {
        let hosts = origins.iter().map(|(origin, count)| format!("{origin} ({count})")).collect::<Vec<_>>().join(", ");
        format!("{file} holds no request to {host}; there are {hosts}")
    })
}

/// Origins with the number of their requests, in the order they were first asked.
fn counted(recorded: &[Recorded<'_>]) -> Vec<(String, usize)> {
    let mut order = Vec::new();
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for one in recorded {
        let origin = origin_of(one.url);
        if !counts.contains_key(&origin) {
            order.push(origin.clone());
        }
        *counts.entry(origin).or_default() += 1;
    }
    order.into_iter().map(|origin| (origin.clone(), counts[&origin])).collect()
}

/// Scheme, host and port, without credentials.
fn origin_of(url: &Url) -> String {
    format!("{}://{}", url.scheme(), &url[Position::BeforeHost..Position::BeforePath])
}

impl<'a> Recorded<'a> {
    fn of(url: &'a Url, entry: &'a Document) -> Self {
        let began = entry.get("startedDateTime").text().and_then(|text| text.parse::<Timestamp>().ok());
        let took = entry.get("time").number().unwrap_or(0.0).max(0.0) / 1e3;
        let times = began.map(|began| began.as_nanosecond() as f64 / 1e9).map(|began| (began, began + took));
        Self { url, request: entry.get("request"), response: entry.get("response"), times }
    }

    fn began(&self) -> f64 {
        self.times.map_or(f64::INFINITY, |(began, _)| began)
    }

    /// The status of its answer.
    pub(super) fn status(&self) -> u16 {
        self.response.get("status").number().unwrap_or(200.0) as u16
    }
}

#[cfg(test)]
mod tests {
    use super::super::parsed;
    use super::*;

    fn shop() -> Document {
        Document::json(include_str!("../../fixtures/shop.har")).unwrap()
    }

    #[test]
    fn a_recording_becomes_a_flow_with_its_pauses() {
        let text = parsed(&draft(&shop(), "shop.har", None, false).unwrap());
        insta::assert_snapshot!(text);
    }

    #[test]
    fn no_secret_of_a_recording_gets_into_the_plan() {
        for all in [false, true] {
            let text = parsed(&draft(&shop(), "shop.har", None, all).unwrap());
            assert!(!text.contains("s3cret"), "{text}");
        }
    }

    #[test]
    fn the_host_can_be_chosen_and_a_wrong_one_is_answered_with_the_right_ones() {
        let text = parsed(&draft(&shop(), "shop.har", Some("cdn.example"), true).unwrap());
        assert!(text.contains("https://cdn.example") && text.contains("requests to https://shop.example"), "{text}");
        let error = draft(&shop(), "shop.har", Some("shop.exmple"), false).unwrap_err();
        assert!(error.contains("shop.exmple") && error.contains("https://shop.example (6)"), "{error}");
    }

    #[test]
    fn an_empty_recording_is_refused() {
        let empty = Document::json(r#"{"log": {"entries": []}}"#).unwrap();
        assert!(draft(&empty, "a.har", None, false).unwrap_err().contains("no request"));
        let other = Document::json(r#"{"openapi": "3.0.0"}"#).unwrap();
        assert!(draft(&other, "a.har", None, false).unwrap_err().contains("log.entries"));
    }
}
