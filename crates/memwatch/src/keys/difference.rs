//! How keys changed between two checkpoints, as text: the patterns that grew, with their rate.

use std::fmt::Write as _;
use std::time::Duration;

use anstyle::Style;
use plimsoll_record::keys::Estimate;
use plimsoll_record::summary::{KeyGrowth, PatternGrowth};
use plimsoll_record::units::{Unit, show_count, show_duration};

use super::{bytes, fitted, width};

const DIM: Style = Style::new().dimmed();
/// Patterns named after a command.
const NAMED: usize = 3;

pub(super) fn as_text(growth: &KeyGrowth, top: usize) -> String {
    let span = show_duration(Duration::from_secs_f64(growth.window.seconds()));
    let mut text = format!(
        "Keys from {:.1} s to {:.1} s of the run ({span})\n",
        growth.window.from.as_secs_f64(),
        growth.window.to.as_secs_f64()
    );
    let certain = |pattern: &&PatternGrowth| pattern.bytes.lower > 0.0 || pattern.bytes.upper < 0.0;
    let changed: Vec<&PatternGrowth> = growth.patterns.iter().filter(certain).collect();
    if changed.is_empty() {
        text.push_str("\nno pattern grew or shrank beyond doubt\n");
        return text;
    }
    let shown = &changed[..changed.len().min(top)];
    let room = shown.iter().map(|pattern| name(pattern).chars().count()).max().unwrap_or(0);
    let room = room.clamp("pattern".len(), width().saturating_sub(60).max(20));
    let _ = writeln!(
        text,
        "\n  {DIM}{:<room$} {:>10} {:>10} {:>14}  {:<18} no TTL{DIM:#}",
        "pattern", "keys", "memory", "per minute", "95 % interval"
    );
    for pattern in shown {
        text.push_str(&line(pattern, room));
    }
    if changed.len() > shown.len() {
        let _ = writeln!(text, "  {DIM}and {} more{DIM:#}", changed.len() - shown.len());
    }
    text
}

/// What a command left in Redis, as a sentence; nothing when it left nothing.
pub(crate) fn left_behind(growth: &KeyGrowth) -> Option<String> {
    let grown: Vec<&PatternGrowth> = growth.grown().collect();
    let one = |pattern: &&PatternGrowth| {
        let lasting = match pattern.lasting_share {
            Some(share) if share >= 0.995 => ", never expiring",
            _ => "",
        };
        let count = signed(show_count, pattern.keys.value);
        format!("{} ({count} keys, {}{lasting})", name(pattern), signed(bytes, pattern.bytes.value))
    };
    let named: Vec<String> = grown.iter().take(NAMED).map(one).collect();
    let more = grown.len().saturating_sub(NAMED);
    let more = if more > 0 { format!(" and {more} more patterns") } else { String::new() };
    (!named.is_empty()).then(|| format!("left behind: {}{more}", named.join(", ")))
}

fn name(pattern: &PatternGrowth) -> String {
    format!("db{} {}", pattern.database, pattern.pattern)
}

fn line(pattern: &PatternGrowth, room: usize) -> String {
    let rate = |value: f64| Unit::BytesPerSecond.show(value);
    let Estimate { value, lower, upper } = pattern.bytes_per_second;
    let interval = if lower == upper { "exact".to_owned() } else { format!("{} to {}", short(lower), short(upper)) };
    let lasting = pattern.lasting_share.map_or_else(String::new, |share| format!("{:.0} %", share * 100.0));
    format!(
        "  {:<room$} {:>10} {:>10} {:>14}  {interval:<18} {lasting:>6}\n",
        fitted(&name(pattern), room),
        signed(show_count, pattern.keys.value),
        signed(bytes, pattern.bytes.value),
        signed(rate, value),
    )
}

/// A rate per minute without its unit of time.
fn short(bytes_per_second: f64) -> String {
    bytes(bytes_per_second * 60.0)
}

fn signed(show: impl Fn(f64) -> String, value: f64) -> String {
    let shown = show(value);
    if value > 0.0 { format!("+{shown}") } else { shown }
}

#[cfg(test)]
mod tests {
    use plimsoll_record::Offset;
    use plimsoll_record::summary::Window;

    use super::*;

    fn growth() -> KeyGrowth {
        let pattern = |name: &str, keys: f64, bytes: Estimate| PatternGrowth {
            database: 0,
            pattern: name.to_owned(),
            keys: Estimate::exact(keys),
            bytes,
            bytes_per_second: bytes.times(1.0 / 120.0),
            lasting: Estimate::exact(keys),
            lasting_share: Some(1.0),
        };
        let doubtful = Estimate { value: 5e4, lower: -1e4, upper: 1e5 };
        let leak = Estimate { value: 4e6, lower: 3.8e6, upper: 4.2e6 };
        KeyGrowth {
            window: Window { from: Offset(500_000_000), to: Offset(120_500_000_000) },
            patterns: vec![pattern("audit:{n}", 15_000.0, leak), pattern("cache:{n}", 10.0, doubtful)],
        }
    }

    #[test]
    fn the_pattern_that_grew_is_named_with_its_rate_and_interval() {
        let text = anstream::adapter::strip_str(&as_text(&growth(), 15)).to_string();
        assert_eq!(
            text,
            "Keys from 0.5 s to 120.5 s of the run (2 min 0 s)\n\n\
             \u{20} pattern             keys     memory     per minute  95 % interval      no TTL\n\
             \u{20} db0 audit:{n}    +15,000   +4.00 MB   +2.00 MB/min  1.90 MB to 2.10 MB  100 %\n"
        );
    }

    #[test]
    fn what_a_command_left_is_one_sentence() {
        let left = left_behind(&growth()).unwrap();
        assert_eq!(left, "left behind: db0 audit:{n} (+15,000 keys, +4.00 MB, never expiring)");
        assert_eq!(left_behind(&KeyGrowth { patterns: Vec::new(), ..growth() }), None);
    }
}
