//! What is said of a plan, for people.

use plimsoll_criteria::Prospect;
use plimsoll_engine::schedule::Share;
use plimsoll_plan::{
    ConnectionUse, HttpVersion, Plan, Scope, Session, SessionLength, Store, StoreConnections, StoreKind, Target,
};
use plimsoll_record::units::{show_count, show_duration};
use plimsoll_record::verdict::Severity;

use super::{Checked, judging, load, trial};
use plimsoll_criteria::forecast::Amount;

/// More phases, and only the sum is shown for each operation.
const MOST_COLUMNS: usize = 6;

pub(super) fn show(checked: &Checked<'_>) -> String {
    let mut out = head(checked);
    out.push_str(&phases(checked));
    out.push_str(&operations(checked));
    out.push_str(&data(checked));
    out.push_str(&criteria(checked));
    out.push_str(&watched(checked));
    out.push_str(&generator(checked));
    if let Some(tried) = &checked.tried {
        out.push_str(&trial::text(tried));
    }
    out
}

fn head(checked: &Checked<'_>) -> String {
    let plan = checked.plan;
    let mut out = format!("plan       {}, seed {}\n", plan.name, plan.seed);
    match &plan.target {
        Some(target) => out += &format!("target     {}\n", target_words(target)),
        None if plan.stores.is_empty() => out.push_str("target     none: this plan only watches\n"),
        None => {}
    }
    plan.stores.iter().for_each(|store| out += &format!("store      {}\n", store_words(store)));
    out += &format!("users      {}\n", users(plan));
    if !plan.setup.is_empty() || !plan.teardown.is_empty() {
        let parts = [(plan.setup.len(), "before"), (plan.teardown.len(), "after")].into_iter().filter(|(n, _)| *n > 0);
        let parts = parts.map(|(n, when)| format!("{n} {} {when}", if n == 1 { "step" } else { "steps" }));
        out += &format!("once       {}\n", parts.collect::<Vec<_>>().join(", "));
    }
    out
}

fn target_words(target: &Target) -> String {
    let http = match target.http {
        HttpVersion::Auto if target.url.scheme() == "https" => "HTTP/2 if the server offers it",
        HttpVersion::Auto | HttpVersion::One => "HTTP/1.1",
        HttpVersion::Two => "HTTP/2",
    };
    let health =
        target.health.as_ref().map_or_else(|| "no health check".to_owned(), |health| format!("health {}", health.path));
    let headers = target.headers.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ");
    let headers = if headers.is_empty() { String::new() } else { format!(", headers {headers}") };
    let first_byte = target.first_byte_timeout.map(|timeout| format!(" (first byte {})", show_duration(timeout)));
    let timeout = show_duration(target.timeout) + &first_byte.unwrap_or_default();
    format!("{}, {http}, {health}, timeout {timeout}{headers}", target.url)
}

fn store_words(store: &Store) -> String {
    let cluster = if store.kind == (StoreKind::Redis { cluster: true }) { " cluster" } else { "" };
    let connections = match store.connections {
        StoreConnections::Shared => "one connection of each worker, shared".to_owned(),
        StoreConnections::Pool(count) => format!("{count} connections"),
        StoreConnections::PerUser => "a connection of each user".to_owned(),
    };
    let (kind, timeout) = (store.kind.name(), show_duration(store.timeout));
    format!("{}: {kind}{cluster} at {}, {connections}, timeout {timeout}", store.name, store.url)
}

fn users(plan: &Plan) -> String {
    let users = &plan.users;
    let count = users.count.get();
    let mut words = match count {
        1 => format!("1 identity, {}", users.id.id(1)),
        _ => format!("{} identities, {} to {}", show_count(count as f64), users.id.id(1), users.id.id(count)),
    };
    words += match users.connections {
        ConnectionUse::Pool => "",
        ConnectionUse::PerUser => ", a connection each",
        ConnectionUse::New => ", a new connection for every request",
    };
    words += if users.cookies { ", with cookies" } else { "" };
    if let Some(Session { length, replace }) = users.session {
        let length = match length {
            SessionLength::Iterations(count) => format!("{count} iterations"),
            SessionLength::Requests(count) => format!("{count} requests"),
        };
        words += &format!(", sessions of {length}{}", if replace { ", replaced" } else { ", not replaced" });
    }
    words
}

fn phases(checked: &Checked<'_>) -> String {
    if checked.forecast.phases.is_empty() {
        return String::new();
    }
    let mut rows = vec![["phase", "load", "starts", "lasts", "iterations"].map(str::to_owned).to_vec()];
    for (phase, stated) in checked.forecast.phases.iter().zip(&checked.plan.phases) {
        rows.push(vec![
            phase.name.clone(),
            load::words(stated),
            show_duration(phase.planned.start),
            phase.planned.length.map_or_else(|| "until done".to_owned(), show_duration),
            estimate(phase.iterations),
        ]);
    }
    let part = checked
        .segment
        .map_or_else(String::new, |share| format!("  (part {} of {})", share.index() + 1, share.count()));
    format!("\nload{part}\n{}", aligned(&rows))
}

/// An amount and, where the service decides, its most.
fn estimate(amount: Amount) -> String {
    if amount.expected.is_infinite() { "as many as fit".to_owned() } else { amount.show() }
}

fn operations(checked: &Checked<'_>) -> String {
    let forecast = &checked.forecast;
    if forecast.phases.is_empty() {
        return String::new();
    }
    let columns = if forecast.phases.len() <= MOST_COLUMNS { forecast.phases.as_slice() } else { &[] };
    let mut header: Vec<String> = vec!["operation".to_owned(), "share".to_owned()];
    header.extend(columns.iter().map(|phase| phase.name.clone()));
    header.extend(["all", "between"].map(str::to_owned));
    let all = forecast.requests(&Scope::default(), None);
    let mut rows = vec![header];
    for (index, name) in checked.operations.iter().enumerate() {
        let whole = forecast.requests(&Scope::default(), Some(index));
        let mut row = vec![name.clone(), format!("{:.1} %", 100.0 * whole.expected / all.expected.max(1.0))];
        row.extend(columns.iter().map(|phase| estimate(phase.requests[index])));
        row.extend([estimate(whole), bounds(whole)]);
        rows.push(row);
    }
    let mut out = format!("\nrequests expected, if nothing fails\n{}", aligned(&rows));
    if forecast.is_estimate {
        out += &format!(
            "  Users who wait for answers are estimated with answers of {} (--answer); the most is for answers at once.\n",
            show_duration(checked.answer)
        );
    }
    out
}

fn bounds(amount: Amount) -> String {
    if amount.least == amount.most { String::new() } else { amount.show_bounds() }
}

fn data(checked: &Checked<'_>) -> String {
    if checked.data.is_empty() {
        return String::new();
    }
    let row = |supply: &super::data::Supply| {
        let mark = if supply.suffices { "ok" } else { "short" };
        let rows = format!("{} rows", show_count(supply.rows as f64));
        vec![mark.to_owned(), supply.name.clone(), rows, supply.words.clone()]
    };
    format!("\ndata\n{}", aligned(&checked.data.iter().map(row).collect::<Vec<_>>()))
}

fn criteria(checked: &Checked<'_>) -> String {
    if checked.criteria.is_empty() {
        return "\ncriteria\n  none: a verdict on such a run is inconclusive; add [criteria]\n".to_owned();
    }
    let row = |one: &judging::Judging<'_>| {
        let scope = &one.criterion.scope;
        let place: Vec<&str> = scope.phases.iter().map(String::as_str).chain(scope.endpoint.as_deref()).collect();
        let place = if place.is_empty() { "whole run".to_owned() } else { place.join(", ") };
        let severity = if one.criterion.severity == Severity::Require { "require" } else { "prefer" };
        let words = [prospect_word(one.outlook.prospect), severity, &one.criterion.text, &place, &one.outlook.reason];
        words.map(str::to_owned).to_vec()
    };
    let rows: Vec<Vec<String>> = checked.criteria.iter().map(row).collect();
    let mut out = format!("\ncriteria that this plan can decide\n{}", aligned(&rows));
    if checked.is_undecidable() {
        out += "  A criterion that it requires cannot be decided: no run of this plan passes.\n";
    }
    out
}

pub(super) fn prospect_word(prospect: Prospect) -> &'static str {
    match prospect {
        Prospect::Decidable => "yes",
        Prospect::Doubtful => "perhaps",
        Prospect::Undecidable => "no",
    }
}

fn watched(checked: &Checked<'_>) -> String {
    let list = judging::watched(checked.plan);
    let Some(watch) = checked.plan.watch.as_ref().filter(|_| !list.is_empty()) else { return String::new() };
    let row = |one: &judging::Watched| {
        let criteria = if one.criteria.is_empty() { "for the report".to_owned() } else { one.criteria.join(", ") };
        vec![one.what.clone(), criteria]
    };
    let rows: Vec<Vec<String>> = list.iter().map(row).collect();
    format!("\nmemwatch must sample every {}\n{}", show_duration(watch.every), aligned(&rows))
}

fn generator(checked: &Checked<'_>) -> String {
    let Some(target) = &checked.plan.target else { return String::new() };
    let segment = checked.segment.unwrap_or(Share::WHOLE);
    let connections = segment.part_of(u64::from(target.connections.get()));
    let mut lines = vec![format!("at most {} connections", show_count(connections as f64))];
    lines.extend(load::headroom(checked.plan, &checked.forecast, segment));
    lines.extend(checked.warnings.iter().cloned());
    lines.push(
        "`loadgen calibrate` tells what rate this machine sends on time; `--segment 1/2` and `2/2` share it".to_owned(),
    );
    format!("\ngenerator\n{}", lines.iter().map(|line| format!("  {line}\n")).collect::<String>())
}

/// Columns two spaces apart, two spaces in.
fn aligned(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        format!("  {}", cells.collect::<Vec<_>>().join("  ")).trim_end().to_owned() + "\n"
    };
    rows.iter().map(line).collect()
}
