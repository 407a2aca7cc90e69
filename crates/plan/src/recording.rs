//! Times of recorded arrivals, read from the text of a file: plain times, CSV, access logs.
//!
//! What form a file has is told by its first line that can be read; all others must have it too. Whoever replays the
//! times decides how fast.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::fmt::strtime;
use jiff::tz::TimeZone;

const SECOND: u64 = 1_000_000_000;

/// What can be read, for messages.
pub(crate) const FORMS: &str = "a file has one arrival per line: its time in seconds (`12.5`), an RFC 3339 time \
                                (`2026-03-01T12:00:00.5Z`), CSV with one of them in the first column, or an access \
                                log with times like `[10/Oct/2000:13:55:36 -0700]`";

/// When arrivals were recorded.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Times {
    /// In nanoseconds from the beginning, in order.
    pub(crate) times: Vec<u64>,
    /// Whole seconds that hold them all, in nanoseconds.
    pub(crate) length: u64,
}

/// Why a text holds no recording.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TimesError {
    /// There is nothing in it.
    #[error("it holds no times")]
    Empty,
    /// Some lines hold no time. Lines count from 1.
    #[error("{bad} of {lines} lines hold no time that can be read; the first is line {first}")]
    Unreadable { bad: usize, lines: usize, first: usize },
}

/// Reads the times. Order in the file does not matter. Where all are whole seconds, those of a second are spread evenly
/// over it: they did not come all at once, the record just says no more.
pub(crate) fn read(text: &[u8]) -> Result<Times, TimesError> {
    let mut nanos = nanoseconds(text)?;
    nanos.sort_unstable();
    let (Some(first), Some(last)) = (nanos.first().copied(), nanos.last().copied()) else {
        return Err(TimesError::Empty);
    };
    let mut times: Vec<u64> = nanos.iter().map(|at| at.abs_diff(first)).collect();
    let length = (last.abs_diff(first) / SECOND + 1) * SECOND;
    if nanos.iter().all(|at| at % SECOND.cast_signed() == 0) {
        times.chunk_by_mut(|a, b| a == b).for_each(spread);
    }
    Ok(Times { times, length })
}

/// Spreads arrivals of one second over it.
fn spread(second: &mut [u64]) {
    let gap = SECOND as f64 / second.len() as f64;
    for (index, at) in second.iter_mut().enumerate() {
        *at += ((index as f64 + 0.5) * gap) as u64;
    }
}

/// The time of every line that is neither empty nor a comment, in nanoseconds since an epoch of the file's own.
fn nanoseconds(text: &[u8]) -> Result<Vec<i64>, TimesError> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let lines = text.split(|byte| *byte == b'\n').map(String::from_utf8_lossy);
    let (mut times, mut form, mut lines_with_content) = (Vec::new(), None, 0);
    let (mut bad, mut first_bad) = (0, 0);
    for (number, line) in (1..).zip(lines) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        lines_with_content += 1;
        form = form.or_else(|| Form::of(line));
        match form.and_then(|form| form.time(line)) {
            Some(at) => times.push(at),
            None if lines_with_content == 1 && is_heading(line) => {}
            None => {
                bad += 1;
                first_bad = if bad == 1 { number } else { first_bad };
            }
        }
    }
    if bad == 0 { Ok(times) } else { Err(TimesError::Unreadable { bad, lines: lines_with_content, first: first_bad }) }
}

/// The first line of a CSV may name its columns.
fn is_heading(line: &str) -> bool {
    let column = first_column(line);
    column.starts_with(|c: char| c.is_alphabetic()) && !column.contains(|c: char| c.is_ascii_digit())
}

/// How a line states its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Seconds,
    DateTime,
    AccessLog,
}

impl Form {
    fn of(line: &str) -> Option<Self> {
        [Self::Seconds, Self::DateTime, Self::AccessLog].into_iter().find(|form| form.time(line).is_some())
    }

    /// The time of a line in nanoseconds.
    fn time(self, line: &str) -> Option<i64> {
        match self {
            Self::Seconds => seconds(first_column(line)),
            Self::DateTime => date_time(first_column(line)),
            Self::AccessLog => access_log(line),
        }
    }
}

fn first_column(line: &str) -> &str {
    line.split([',', ';', '\t']).next().unwrap_or(line).trim().trim_matches('"')
}

/// Digits with an optional fraction, read without rounding; other spellings of numbers as numbers.
fn seconds(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !whole.is_empty() && digits(whole) && digits(fraction) {
        let padded = format!("{fraction:0<9.9}");
        return whole.parse::<i64>().ok()?.checked_mul(1_000_000_000)?.checked_add(padded.parse().ok()?);
    }
    let nanos = (text.parse::<f64>().ok()? * 1e9).round();
    (nanos.abs() < i64::MAX as f64).then_some(nanos as i64)
}

/// RFC 3339, with a `T` or a space; without an offset it counts as UTC.
fn date_time(text: &str) -> Option<i64> {
    let timestamp = text.parse::<Timestamp>().ok();
    let timestamp =
        timestamp.or_else(|| Some(text.parse::<DateTime>().ok()?.to_zoned(TimeZone::UTC).ok()?.timestamp()));
    i64::try_from(timestamp?.as_nanosecond()).ok()
}

/// The time in brackets of the common and the combined log format.
fn access_log(line: &str) -> Option<i64> {
    let candidates = line.match_indices('[').filter_map(|(at, _)| line[at + 1..].split_once(']'));
    let mut times =
        candidates.filter_map(|(text, _)| strtime::parse("%d/%b/%Y:%H:%M:%S %z", text).ok()?.to_timestamp().ok());
    i64::try_from(times.next()?.as_nanosecond()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, times_ms: &[u64], length_s: u64) {
        let times = read(text.as_bytes()).unwrap();
        assert_eq!(times.times, times_ms.iter().map(|ms| ms * 1_000_000).collect::<Vec<_>>(), "{text}");
        assert_eq!(times.length, length_s * SECOND, "{text}");
    }

    #[test]
    fn every_form_is_read() {
        check("12.25\n10.5\n# a comment\n\n10.75\r\n", &[0, 250, 1750], 2);
        check("1e1\n1.05e1\n", &[0, 500], 1);
        check("2026-03-01T12:00:00.5Z\n2026-03-01T14:00:02.5+02:00\n", &[0, 2000], 3);
        check("\u{feff}time;path\n\"2026-03-01 12:00:00.5\";/a\n2026-03-01 12:00:01.25;/b\n", &[0, 750], 1);
        check("ts,user\n1740830400.125,7\n1740830400.25,8\n", &[0, 125], 1);
        let log = "::1 - me [10/Oct/2000:13:55:36 -0700] \"GET /[x] HTTP/1.1\" 200 2326\n\
                   ::1 - [a] [10/Oct/2000:20:55:38 +0000] \"GET / HTTP/1.1\" 200 2326 \"-\" \"curl [7]\"\n";
        check(log, &[500, 2500], 3);
    }

    #[test]
    fn times_of_whole_seconds_are_spread_over_their_second() {
        check("7\n5\n5\n5\n5\n", &[125, 375, 625, 875, 2500], 3);
        check("3\n", &[500], 1);
        check("3.0\n3.5\n3.5\n", &[0, 500, 500], 1);
    }

    #[test]
    fn lines_without_a_time_are_counted_and_the_first_is_named() {
        let check = |text: &str, bad, lines, first| {
            assert_eq!(read(text.as_bytes()).unwrap_err(), TimesError::Unreadable { bad, lines, first }, "{text}");
        };
        check("1\n2\nthree\n\n-\n5\n", 2, 5, 3);
        check("time\nother\n1\n", 1, 3, 2);
        check("time1\n1\n", 1, 2, 1);
        // One form per file: seconds and dates have no common beginning.
        check("1.5\n2026-03-01T12:00:00Z\n", 1, 2, 2);
        // Milliseconds since 1970 would be a time 50,000 years ahead.
        check("1740830400125\n", 1, 1, 1);
    }

    #[test]
    fn a_text_without_lines_is_empty() {
        for text in ["", "\n\n", "# nothing\n", "time,user\n"] {
            assert_eq!(read(text.as_bytes()).unwrap_err(), TimesError::Empty, "{text}");
        }
    }
}
