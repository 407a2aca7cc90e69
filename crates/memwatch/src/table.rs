//! The live table: one line per tick, columns by the width at hand, alarms and marks in their place.

use std::io::IsTerminal as _;

use anstyle::{AnsiColor, Style};
use plimsoll_plan::Watch;
use plimsoll_record::Offset;
use plimsoll_record::events::{Event, Level};
use plimsoll_record::metric::Source;
use plimsoll_record::series::Gap;
use plimsoll_record::units::show_count;
use plimsoll_sampler::alarms::Alarm;

use crate::rows::{Line, Of, Outcome, Row};

const DIM: Style = Style::new().dimmed();
const BOLD: Style = Style::new().bold();
/// The header comes again after this many lines on a terminal, where the first one has scrolled away.
const LINES_PER_HEADER: u32 = 20;

/// The look of an alarm.
pub(crate) fn style_of(level: Level) -> Style {
    match level {
        Level::Warn => AnsiColor::Yellow.on_default().bold(),
        Level::Critical => AnsiColor::Red.on_default().bold(),
    }
}

/// The word for an alarm.
pub(crate) fn word_for(level: Level) -> &'static str {
    match level {
        Level::Warn => "warning",
        Level::Critical => "CRITICAL",
    }
}

/// What a cell shows.
type Cell = fn(&Row, Option<&Row>) -> Option<String>;

#[derive(Clone, Copy)]
struct Column {
    name: &'static str,
    unit: &'static str,
    width: usize,
    cell: Cell,
}

const fn column(name: &'static str, unit: &'static str, width: usize, cell: Cell) -> Column {
    Column { name, unit, width, cell }
}

/// Most wanted first: where the terminal is narrow the last ones go.
const REDIS: [Column; 10] = [
    column("used", "MB", 9, |row, _| megabytes(row.value(Source::Redis, "used_memory"))),
    column("growth", "MB/min", 9, |row, _| row.growth.map(|growth| format!("{:+.2}", growth.per_second * 60.0 / 1e6))),
    column("max", "%", 6, |row, _| percent(share_of_max(row))),
    column("rss", "MB", 9, |row, _| megabytes(row.value(Source::Redis, "used_memory_rss"))),
    column("frag", "ratio", 6, |row, _| Some(format!("{:.2}", row.value(Source::Redis, "mem_fragmentation_ratio")?))),
    column("keys", "", 10, |row, _| row.value(Source::Redis, "keys").map(show_count)),
    column("ops", "/s", 8, |row, _| row.value(Source::Redis, "ops_per_second").map(show_count)),
    column("clients", "", 7, |row, _| row.value(Source::Redis, "connected_clients").map(show_count)),
    column("hits", "%", 6, |row, before| percent(hit_share(row, before?))),
    column("evicted", "keys", 7, |row, before| risen(row, before?, "evicted_keys").map(show_count)),
];
const HOST: [Column; 2] = [
    column("cpu", "host %", 6, |row, _| percent(row.value(Source::Host, "cpu_share"))),
    column("mem", "host %", 6, |row, _| percent(row.value(Source::Host, "memory_share"))),
];
const POSTGRES: [Column; 3] = [
    column("conns", "pg", 6, |row, _| row.value(Source::Postgres, "connections").map(show_count)),
    column("tx", "pg /s", 8, |row, _| row.value(Source::Postgres, "transactions_per_second").map(show_count)),
    column("cache", "pg %", 6, |row, _| percent(row.value(Source::Postgres, "cache_hit_share"))),
];
const POOL: [Column; 2] = [
    column("active", "pool", 6, |row, _| row.value(Source::Pool, "active").map(show_count)),
    column("size", "pool", 6, |row, _| row.value(Source::Pool, "size").map(show_count)),
];
/// Of the first container and the first endpoint; the record has them all.
const CONTAINER: [Column; 2] = [
    column("mem", "cont MB", 9, |row, _| megabytes(row.value(Source::Container, "memory"))),
    column("cpu", "cont %", 6, |row, _| percent(row.value(Source::Container, "cpu_share"))),
];
const PROBE: [Column; 2] = [
    column("health", "ms", 8, |row, _| Some(format!("{:.1}", row.value(Source::Probe, "latency")? * 1e3))),
    column("health", "status", 6, |row, _| row.value(Source::Probe, "status").map(show_count)),
];
const PROCESS: [Column; 2] = [
    column("cpu", "proc %", 6, |row, _| percent(row.value(Source::Process, "cpu_share"))),
    column("rss", "proc MB", 9, |row, _| megabytes(row.value(Source::Process, "rss"))),
];

/// The series as it is named in lines: `redis`, `container cache`.
fn named((source, of): &Of) -> String {
    of.as_ref().map_or_else(|| source.prefix().to_owned(), |of| format!("{} {of}", source.prefix()))
}

fn megabytes(bytes: Option<f64>) -> Option<String> {
    bytes.map(|bytes| format!("{:.2}", bytes / 1e6))
}

fn percent(share: Option<f64>) -> Option<String> {
    share.map(|share| format!("{:.1}", share * 100.0))
}

/// Memory that counts towards maxmemory, as a share of it.
fn share_of_max(row: &Row) -> Option<f64> {
    let value = |key| row.value(Source::Redis, key);
    Some((value("used_memory")? - value("mem_not_counted_for_evict").unwrap_or(0.0)) / value("maxmemory")?)
}

/// How far a counter rose since the sample before; nothing when it was reset in between.
fn risen(row: &Row, before: &Row, key: &str) -> Option<f64> {
    let rise = row.value(Source::Redis, key)? - before.value(Source::Redis, key)?;
    (rise >= 0.0).then_some(rise)
}

/// Look-ups that found their key since the sample before.
fn hit_share(row: &Row, before: &Row) -> Option<f64> {
    let (hits, misses) = (risen(row, before, "keyspace_hits")?, risen(row, before, "keyspace_misses")?);
    (hits + misses > 0.0).then(|| hits / (hits + misses))
}

/// Renders lines of the table.
pub(crate) struct Table {
    columns: Vec<Column>,
    origin: Offset,
    before: Option<Row>,
    lines: u32,
    repeats_header: bool,
}

impl Table {
    /// A table for what is watched, as wide as the terminal; all columns where there is none.
    pub(crate) fn new(watch: &Watch, origin: Offset) -> Self {
        let wanted = [
            (Source::Redis, &REDIS[..]),
            (Source::Postgres, &POSTGRES),
            (Source::Pool, &POOL),
            (Source::Host, &HOST),
            (Source::Process, &PROCESS),
            (Source::Container, &CONTAINER),
            (Source::Probe, &PROBE),
        ];
        let columns =
            wanted.into_iter().filter(|(source, _)| watch.samples(*source)).flat_map(|(_, columns)| columns).copied();
        let columns = fitting(columns.collect(), terminal_width());
        Self { columns, origin, before: None, lines: 0, repeats_header: std::io::stdout().is_terminal() }
    }

    /// The text for a line, with the header where it is due.
    pub(crate) fn line(&mut self, line: Line) -> String {
        let mut text = match self.lines {
            0 => self.header(),
            n if self.repeats_header && n.is_multiple_of(LINES_PER_HEADER) => self.header(),
            _ => String::new(),
        };
        self.lines += 1;
        match line {
            Line::Mark(series, mark) => text.push_str(&self.note(mark.at_ns, &named(&series), &mark.detail)),
            Line::Row(row) => text.push_str(&self.row(row)),
        }
        text
    }

    /// The text for an alarm.
    pub(crate) fn alarm(&self, alarm: &Alarm) -> String {
        let Event::Alert { at_ns, level, message, .. } = &alarm.event else { return String::new() };
        let style = style_of(*level);
        format!("{} {style}{}: {message}{style:#}\n", self.time(*at_ns), word_for(*level))
    }

    /// The text for something that happened to a source.
    pub(crate) fn note(&self, at: Offset, source: &str, what: &str) -> String {
        format!("{} {BOLD}{source}{BOLD:#}: {what}\n", self.time(at))
    }

    fn header(&self) -> String {
        let line = |text: fn(&Column) -> &'static str| {
            self.columns.iter().map(|c| format!(" {:>width$}", text(c), width = c.width)).collect::<String>()
        };
        let (names, units) = (line(|c| c.name), line(|c| c.unit));
        format!("{BOLD}{:>8}{names}{BOLD:#}\n{DIM}{:>8}{units}{DIM:#}\n", "time", "")
    }

    fn row(&mut self, row: Row) -> String {
        let mut text = String::new();
        if row.outcomes().any(|(_, outcome)| outcome.sample().is_some()) {
            text.push_str(&self.values(&row));
        }
        for (series, outcome) in row.outcomes() {
            if let Outcome::Gap(gap) = outcome {
                text.push_str(&self.gap(series, gap));
            }
        }
        if row.has_redis() {
            self.before = Some(row);
        }
        text
    }

    fn values(&self, row: &Row) -> String {
        let mut text = self.time(row.at());
        for column in &self.columns {
            let cell = (column.cell)(row, self.before.as_ref()).unwrap_or_else(|| "-".to_owned());
            text.push_str(&format!(" {cell:>width$}", width = column.width));
        }
        text.push('\n');
        text
    }

    fn gap(&self, series: &Of, gap: &Gap) -> String {
        let style = style_of(Level::Warn);
        let (time, source, words) = (self.time(gap.at_ns), named(series), gap.reason.words());
        format!("{time} {source}: {style}gap{style:#}, {words} ({})\n", gap.detail)
    }

    /// Minutes and seconds since watching began.
    fn time(&self, at: Offset) -> String {
        let seconds = at.since(self.origin) / 1_000_000_000;
        let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        let text =
            if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes:02}:{seconds:02}") };
        format!("{text:>8}")
    }
}

/// As many columns as fit; at least the first.
fn fitting(columns: Vec<Column>, width: Option<usize>) -> Vec<Column> {
    let Some(width) = width else { return columns };
    let mut used = 8;
    let fits = |column: &Column| {
        used += column.width + 1;
        used <= width
    };
    let count = columns.iter().map(fits).take_while(|fits| *fits).count().max(1);
    columns.into_iter().take(count).collect()
}

/// Columns of the terminal on standard output; `None` where there is none.
pub(crate) fn terminal_width() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok()?;
    (size.ws_col > 0).then_some(usize::from(size.ws_col))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use plimsoll_record::series::{GapReason, Sample};

    use super::*;

    fn table(width: usize) -> Table {
        let columns = fitting(REDIS.to_vec(), Some(width));
        Table { columns, origin: Offset::ZERO, before: None, lines: 0, repeats_header: false }
    }

    fn row(values: &[(&str, f64)]) -> Line {
        let values: BTreeMap<_, _> = values.iter().map(|(key, value)| ((*key).to_owned(), *value)).collect();
        let sample = Sample { at_ns: Offset(65_000_000_000), took_ns: 1, values };
        Line::Row(Row::of(Source::Redis, Outcome::Sample(sample)))
    }

    fn plain(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    #[test]
    fn columns_line_up_under_their_names_and_units() {
        let mut table = table(200);
        let text = table.line(row(&[("used_memory", 1_234_567.0), ("maxmemory", 1e7), ("keys", 1234.0)]));
        assert_eq!(
            plain(&text),
            "    time      used    growth    max       rss   frag       keys      ops clients   hits evicted\n\
             \u{20}               MB    MB/min      %        MB  ratio                  /s              %    keys\n\
             \u{20}  01:05      1.23         -   12.3         -      -      1,234        -       -      -       -\n"
        );
    }

    #[test]
    fn a_narrow_terminal_gets_the_columns_that_matter_most() {
        let text = plain(&table(30).line(row(&[])));
        assert!(text.contains("used") && text.contains("growth") && !text.contains("rss"), "{text}");
        assert!(text.lines().all(|line| line.len() <= 30), "{text}");
    }

    #[test]
    fn shares_are_of_the_time_between_two_samples() {
        let mut table = table(200);
        table.line(row(&[("keyspace_hits", 1000.0), ("keyspace_misses", 1000.0), ("evicted_keys", 5.0)]));
        let text =
            plain(&table.line(row(&[("keyspace_hits", 1030.0), ("keyspace_misses", 1010.0), ("evicted_keys", 7.0)])));
        assert!(text.trim_end().ends_with("75.0       2"), "{text}");
    }

    #[test]
    fn a_gap_is_shown_with_its_reason_and_no_value() {
        let gap =
            Gap { at_ns: Offset::ZERO, reason: GapReason::TimedOut, detail: "no answer within 900 ms".to_owned() };
        let text = plain(&table(200).line(Line::Row(Row::of(Source::Redis, Outcome::Gap(gap)))));
        assert!(text.contains("redis: gap, no answer in time (no answer within 900 ms)"), "{text}");
    }
}
