//! The keys at one moment, as text: a table per database, its largest keys, and what deserves a remark.

use std::fmt::Write as _;
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use plimsoll_record::keys::{Checkpoint, DatabaseKeys, Estimate, KeyPattern, LargeKey};
use plimsoll_record::units::{Unit, show_count, show_duration};

use super::{bytes, fitted, unexpected, width};
use crate::args::KeysArgs;

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
const WARN: Style = AnsiColor::Yellow.on_default().bold();
/// Columns beside the pattern, with the space before each.
const FIXED: usize = 2 + 11 + 9 + 7 + 8 + 9 + 8 + 8;
/// A key with less than this is not worth naming: the table says what there is.
const LARGE_BYTES: u64 = 10_000;
/// On a terminal too narrow for all, these are left out.
const OPTIONAL: usize = 9 + 8;

pub(super) fn as_text(address: &str, checkpoint: &Checkpoint, args: &KeysArgs, unexplained: Option<f64>) -> String {
    let mut text = format!("Keys of {address}\n");
    if checkpoint.databases.is_empty() {
        text.push_str("\nno keys\n");
    }
    for database in &checkpoint.databases {
        text.push_str(&of_database(database, args.top, width()));
    }
    let remarks: Vec<String> =
        elsewhere(checkpoint, &args.expect_db).into_iter().chain(unexplained.map(unexplained_words)).collect();
    for remark in remarks {
        let _ = write!(text, "\n{WARN}warning{WARN:#}: {remark}\n");
    }
    let _ = write!(text, "\n{DIM}{}{DIM:#}\n", cost(checkpoint));
    text
}

/// One line per database: how many keys, how much memory, and the patterns that hold most of it.
pub(crate) fn by_database(checkpoint: &Checkpoint) -> String {
    let line = |database: &DatabaseKeys| {
        let top = database.patterns.iter().take(3);
        let patterns: Vec<String> =
            top.map(|pattern| format!("{} ({})", fitted(&pattern.pattern, 40), keys(pattern.keys.value))).collect();
        let more = if database.patterns.len() > 3 { ", ..." } else { "" };
        let (count, size) = (keys(database.keys as f64), bytes(database.bytes.value));
        format!("  db{:<3} {count:>14} {size:>9}  {}{more}\n", database.number, patterns.join(", "))
    };
    checkpoint.databases.iter().map(line).collect()
}

fn keys(count: f64) -> String {
    if count == 1.0 { "1 key".to_owned() } else { format!("{} keys", show_count(count)) }
}

fn of_database(database: &DatabaseKeys, top: usize, width: usize) -> String {
    let mut text = format!("\n{BOLD}db{}{BOLD:#}  {}\n", database.number, headline(database));
    let narrow = width < FIXED + 24;
    let room = (width + if narrow { OPTIONAL } else { 0 }).saturating_sub(FIXED).max(16);
    let longest = database.patterns.iter().take(top).map(|pattern| pattern.pattern.chars().count()).max();
    let room = room.min(longest.unwrap_or(0).max("pattern".len()));
    let per_key = if narrow { String::new() } else { format!(" {:>8} {:>7}", "per key", "share") };
    let _ = writeln!(
        text,
        "  {DIM}{:<room$} {:>10} {:>8} {:>6}{per_key} {:>7}  type{DIM:#}",
        "pattern", "keys", "memory", "+-", "no TTL"
    );
    for pattern in database.patterns.iter().take(top) {
        text.push_str(&line(pattern, database, room, narrow));
    }
    let hidden = database.patterns.len().saturating_sub(top) as u64 + database.left_out;
    if hidden > 0 {
        let _ = writeln!(text, "  {DIM}and {} more patterns with less memory{DIM:#}", show_count(hidden as f64));
    }
    text.push_str(&largest(&database.largest, width));
    text
}

fn headline(database: &DatabaseKeys) -> String {
    let mut parts = vec![format!("{}, {}", keys(database.keys as f64), interval(database.bytes))];
    parts.extend(database.expires.map(|expires| match database.keys.saturating_sub(expires) {
        0 => "all expire".to_owned(),
        lasting if lasting == database.keys => "none expires".to_owned(),
        lasting => format!("{} never expire", show_count(lasting as f64)),
    }));
    parts.push(match database.exact {
        true => "every key read".to_owned(),
        false => format!("estimated from {} of them", show_count(database.read as f64)),
    });
    parts.join("; ")
}

/// A size, with its interval when it is an estimate.
fn interval(estimate: Estimate) -> String {
    let Estimate { value, lower, upper } = estimate;
    if lower == upper { bytes(value) } else { format!("{} ({} to {})", bytes(value), bytes(lower), bytes(upper)) }
}

fn line(pattern: &KeyPattern, database: &DatabaseKeys, room: usize, narrow: bool) -> String {
    let share = pattern.bytes.value / database.bytes.value.max(1.0);
    let per_key = pattern.bytes_per_key().map_or_else(String::new, bytes);
    let lasting = pattern.lasting_share().map_or_else(String::new, percent);
    let optional = if narrow { String::new() } else { format!(" {per_key:>8} {:>7}", percent(share)) };
    let types: Vec<&str> = pattern.types.keys().map(String::as_str).collect();
    format!(
        "  {:<room$} {:>10} {:>8} {:>6}{optional} {:>7}  {}\n",
        fitted(&pattern.pattern, room),
        show_count(pattern.keys.value),
        bytes(pattern.bytes.value),
        uncertainty(pattern.bytes),
        lasting,
        types.join(",")
    )
}

/// Half the width of the interval, as a share of the value.
fn uncertainty(estimate: Estimate) -> String {
    let half = (estimate.upper - estimate.lower) / 2.0;
    if half == 0.0 || estimate.value <= 0.0 { "exact".to_owned() } else { percent(half / estimate.value) }
}

fn percent(share: f64) -> String {
    if share > 0.0 && share < 0.005 { "<1 %".to_owned() } else { format!("{:.0} %", share * 100.0) }
}

fn largest(keys: &[LargeKey], width: usize) -> String {
    let mut text = String::new();
    for (number, key) in keys.iter().filter(|key| key.bytes >= LARGE_BYTES).enumerate() {
        let title = if number == 0 { "largest" } else { "" };
        let ttl = key.ttl_ns.map_or_else(
            || "never expires".to_owned(),
            |ttl| format!("expires in {}", show_duration(Duration::from_secs(ttl / 1_000_000_000))),
        );
        let name = fitted(&key.key, width.saturating_sub(2 + 7 + 10 + 9 + 24).max(16));
        let _ = writeln!(text, "  {DIM}{title:<7}{DIM:#} {:>9} {:<8} {name}, {ttl}", bytes(key.bytes as f64), key.kind);
    }
    text
}

fn elsewhere(checkpoint: &Checkpoint, expected: &[u32]) -> Option<String> {
    let elsewhere = unexpected(checkpoint, expected);
    let name = |number: &u32| format!("db{number}");
    let list = |numbers: &[u32]| numbers.iter().map(name).collect::<Vec<_>>().join(", ");
    (!elsewhere.is_empty()).then(|| {
        format!(
            "keys where none were expected: {} (expected in {} only); which client does not select its database?",
            list(&elsewhere),
            list(expected)
        )
    })
}

fn unexplained_words(dataset: f64) -> String {
    format!(
        "Redis counts {} of data, more than the keys that were read explain: a few very large keys may be missing \
         among them; raise --samples and --budget",
        bytes(dataset)
    )
}

fn cost(checkpoint: &Checkpoint) -> String {
    let cost = checkpoint.cost;
    let seconds = |nanos: u64| Unit::Seconds.show(nanos as f64 / 1e9);
    let spent = match cost.executed_ns {
        Some(spent) => format!("took {} of Redis's time", seconds(spent)),
        None => format!("took at most {} of Redis's time", seconds(cost.waited_ns)),
    };
    format!("{} commands {spent}, spread over {}", show_count(cost.commands as f64), seconds(checkpoint.took_ns))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use plimsoll_record::Offset;
    use plimsoll_record::keys::{KeysCost, Occasion};

    use super::*;

    fn database(exact: bool) -> DatabaseKeys {
        let wide = |value: f64| Estimate { value, lower: value * 0.9, upper: value * 1.1 };
        let estimate = |value| if exact { Estimate::exact(value) } else { wide(value) };
        let pattern = |name: &str, keys: f64, size: f64, lasting: f64| KeyPattern {
            pattern: name.to_owned(),
            keys: estimate(keys),
            bytes: estimate(size),
            lasting: estimate(lasting),
            types: BTreeMap::from([("string".to_owned(), 1)]),
            ttl_p95_ns: None,
        };
        DatabaseKeys {
            number: 2,
            keys: 1_200,
            expires: Some(200),
            exact,
            read: 100,
            bytes: estimate(2e6),
            patterns: vec![pattern("audit:{n}:entry", 1000.0, 1.9e6, 1000.0), pattern("cart:{uuid}", 200.0, 1e5, 0.0)],
            left_out: 0,
            largest: vec![LargeKey {
                key: "audit:7:entry".to_owned(),
                kind: "string".to_owned(),
                bytes: 20_000,
                ttl_ns: None,
            }],
        }
    }

    fn plain(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    #[test]
    fn a_database_is_a_table_with_the_most_memory_first() {
        assert_eq!(
            plain(&of_database(&database(true), 15, 100)),
            "\ndb2  1,200 keys, 2.00 MB; 1,000 never expire; every key read\n\
             \u{20} pattern               keys   memory     +-  per key   share  no TTL  type\n\
             \u{20} audit:{n}:entry      1,000  1.90 MB  exact  1.90 kB    95 %   100 %  string\n\
             \u{20} cart:{uuid}            200   100 kB  exact    500 B     5 %     0 %  string\n\
             \u{20} largest   20.0 kB string   audit:7:entry, never expires\n"
        );
    }

    #[test]
    fn an_estimate_shows_how_far_it_can_be_trusted() {
        let text = plain(&of_database(&database(false), 1, 100));
        assert!(text.contains("2.00 MB (1.80 MB to 2.20 MB)") && text.contains("estimated from 100 of them"), "{text}");
        assert!(text.contains("10 %") && text.contains("and 1 more patterns"), "{text}");
    }

    #[test]
    fn a_narrow_terminal_keeps_what_matters() {
        let text = plain(&of_database(&database(true), 15, 60));
        assert!(text.contains("no TTL") && !text.contains("per key"), "{text}");
        assert!(text.lines().skip(2).all(|line| line.chars().count() <= 66), "{text}");
    }

    #[test]
    fn keys_in_the_wrong_database_are_pointed_out() {
        let cost = KeysCost { commands: 10, waited_ns: 1, executed_ns: Some(1_200_000) };
        let databases = vec![database(true)];
        let checkpoint =
            Checkpoint { at_ns: Offset(0), occasion: Occasion::Start, took_ns: 5_000_000, cost, databases };
        assert_eq!(elsewhere(&checkpoint, &[2, 3]), None);
        assert!(elsewhere(&checkpoint, &[5]).unwrap().contains("db2 (expected in db5 only)"));
        assert_eq!(super::cost(&checkpoint), "10 commands took 1.20 ms of Redis's time, spread over 5.00 ms");
    }
}
