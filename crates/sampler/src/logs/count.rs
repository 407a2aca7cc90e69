//! What log lines say: events of JSON lines by their own word, slow ones, patterns of the plan, and patterns of trouble in
//! any line.
//!
//! Everything is bounded: words, values of the counted field, examples.

use std::collections::{BTreeMap, BTreeSet};

use plimsoll_plan::{LogWatch, Pattern, SlowLines};
use plimsoll_record::logs::EventCount;
use regex::{Regex, RegexSet, RegexSetBuilder};
use serde_json::Value;

/// Patterns of trouble, counted in every line of every log, whatever its format. Case does not matter.
pub const PATTERNS: [(&str, &str); 8] = [
    ("oom", r"OOM command not allowed|out of memory|\boom[- _]?kill"),
    ("connection_refused", r"connection refused|ECONNREFUSED"),
    ("timeout", r"time[ds]?[- ]?out|ETIMEDOUT|deadline exceeded"),
    ("misconf", r"\bMISCONF\b"),
    ("readonly", r"\bREADONLY\b|can't write against a read only"),
    ("noauth", r"\bNOAUTH\b|\bWRONGPASS\b|\bNOPERM\b"),
    ("max_clients", r"max number of clients reached|too many (open )?connections"),
    ("pool_exhausted", r"pool (is |was )?(exhausted|timed out|timeout)|no (available|free|idle) connections?"),
];

/// Words that make a line an error about memory or about Redis: counted where the line says that something failed, and
/// in logs of errors only.
const SUBJECTS: [(&str, &str); 2] = [("memory", r"\bmemory\b|\boom\b"), ("redis", r"redis")];
const FAILED: &str = r#"(?i)\b(error|err|fail(ed|ure)?|fatal|panic|critical|exception)\b"#;

/// Different events and values counted per log; what comes beyond is counted as `other`.
const MAX_KEYS: usize = 200;
const OTHER: &str = "other";
/// Examples kept per event and run, and their length in characters.
const MAX_EXAMPLES: u32 = 5;
const MAX_EXAMPLE_CHARS: usize = 500;

/// Under which lines that tell of something slow are counted.
const SLOW: &str = "slow";

type Key = (String, Option<String>);
type Fields = serde_json::Map<String, Value>;

/// Counts the lines of one log.
#[derive(Debug)]
pub struct Counter {
    event: Option<String>,
    count_by: Option<String>,
    own: Vec<(String, Regex)>,
    slow: Option<SlowLines>,
    holds_errors: bool,
    patterns: RegexSet,
    failed: Regex,
    lines: u64,
    counts: BTreeMap<Key, u64>,
    known: BTreeSet<Key>,
    shown: BTreeMap<String, u32>,
    examples: Vec<(String, String)>,
}

impl Counter {
    /// A counter for one log of the plan.
    #[must_use]
    pub fn new(watch: &LogWatch) -> Self {
        let expressions = PATTERNS.iter().chain(&SUBJECTS).map(|(_, pattern)| pattern);
        let patterns = RegexSetBuilder::new(expressions).case_insensitive(true).unicode(false).build();
        Self {
            event: watch.event.clone(),
            count_by: watch.count_by.clone(),
            own: watch.patterns.iter().map(own).collect(),
            slow: watch.slow.clone(),
            holds_errors: watch.name.to_ascii_lowercase().contains("err"),
            patterns: patterns.expect("the patterns are constants, and tested"),
            failed: Regex::new(FAILED).expect("the pattern is a constant, and tested"),
            lines: 0,
            counts: BTreeMap::new(),
            known: BTreeSet::new(),
            shown: BTreeMap::new(),
            examples: Vec::new(),
        }
    }

    /// Counts one line.
    pub fn line(&mut self, line: &[u8]) {
        self.lines += 1;
        let text = String::from_utf8_lossy(line);
        if let Some(fields) = json(&text) {
            if let Some((event, value)) = self.json_event(&fields) {
                self.count(&event, value, &text);
            }
            if self.is_slow(&fields) {
                self.count(SLOW, None, &text);
            }
        }
        for (event, value) in self.matched(&text) {
            self.count(&event, value, &text);
        }
        for event in self.troubles(&text) {
            self.count(event, None, &text);
        }
    }

    /// Hands over what was counted since the last time: all lines, events, new examples.
    pub fn take(&mut self) -> (u64, Vec<EventCount>, Vec<(String, String)>) {
        let counts = std::mem::take(&mut self.counts).into_iter();
        let events = counts.map(|((event, value), count)| EventCount { event, value, count }).collect();
        (std::mem::take(&mut self.lines), events, std::mem::take(&mut self.examples))
    }

    /// The event of a JSON line, and the value it is split by if it is the plan's.
    fn json_event(&self, fields: &Fields) -> Option<Key> {
        let event = fields.get("event")?.as_str()?.to_owned();
        let split = self.count_by.as_ref().filter(|_| self.event.as_ref() == Some(&event));
        let value = split.and_then(|field| fields.get(field)).map(|value| match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        });
        Some((event, value))
    }

    fn is_slow(&self, fields: &Fields) -> bool {
        let took = self.slow.as_ref().and_then(|slow| match fields.get(&slow.field)? {
            Value::Number(number) => Some((number.as_f64()?, slow.above)),
            Value::String(text) => Some((text.trim().parse().ok()?, slow.above)),
            _ => None,
        });
        took.is_some_and(|(took, above)| took > above)
    }

    /// The plan's own patterns that match, each with the group it is split by.
    fn matched(&self, line: &str) -> Vec<Key> {
        let split = |found: &regex::Captures<'_>| Some(found.name(self.count_by.as_deref()?)?.as_str().to_owned());
        let key = |(word, pattern): &(String, Regex)| Some((word.clone(), split(&pattern.captures(line)?)));
        self.own.iter().filter_map(key).collect()
    }

    fn troubles(&self, line: &str) -> Vec<&'static str> {
        let matched = self.patterns.matches(line);
        if !matched.matched_any() {
            return Vec::new();
        }
        let about_failure = self.holds_errors || self.failed.is_match(line);
        let name = |i: usize| match PATTERNS.get(i) {
            Some((name, _)) => Some(*name),
            None => about_failure.then(|| SUBJECTS[i - PATTERNS.len()].0),
        };
        matched.iter().filter_map(name).collect()
    }

    fn count(&mut self, event: &str, value: Option<String>, line: &str) {
        let mut key = (event.to_owned(), value);
        if !self.known.contains(&key) {
            if self.known.len() < MAX_KEYS {
                self.known.insert(key.clone());
            } else if key.1.take().is_some() {
                key.1 = Some(OTHER.to_owned());
            } else {
                key.0 = OTHER.to_owned();
            }
        }
        let shown = self.shown.entry(key.0.clone()).or_insert(0);
        if *shown < MAX_EXAMPLES {
            *shown += 1;
            self.examples.push((key.0.clone(), line.chars().take(MAX_EXAMPLE_CHARS).collect()));
        }
        *self.counts.entry(key).or_insert(0) += 1;
    }
}

fn own((word, pattern): &(String, Pattern)) -> (String, Regex) {
    (word.clone(), Regex::new(pattern.as_str()).expect("the plan holds no expression that is none"))
}

/// The fields of a JSON line.
fn json(line: &str) -> Option<Fields> {
    if line.trim_start().starts_with('{') { serde_json::from_str(line).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn counter(name: &str) -> Counter {
        Counter::new(&LogWatch {
            name: name.to_owned(),
            path: PathBuf::new(),
            event: Some("RATE_LIMITED".to_owned()),
            count_by: Some("limit_type".to_owned()),
            ..LogWatch::default()
        })
    }

    #[track_caller]
    fn check(log: &str, lines: &[&str], expected: &[(&str, Option<&str>, u64)]) {
        let mut counter = counter(log);
        for line in lines {
            counter.line(line.as_bytes());
        }
        let (count, events, _) = counter.take();
        let events: Vec<_> = events.iter().map(|e| (e.event.as_str(), e.value.as_deref(), e.count)).collect();
        assert_eq!((count, events.as_slice()), (lines.len() as u64, expected));
    }

    #[test]
    fn json_events_are_counted_by_their_word_and_the_plans_by_its_field() {
        let limited = |kind: &str| format!(r#"{{"ts":"x","event":"RATE_LIMITED","limit_type":"{kind}"}}"#);
        let (minute, second) = (limited("per_minute"), limited("per_second"));
        check(
            "rate_limiter",
            &[&minute, &second, &minute, r#"{"event":"ALLOWED","limit_type":"none"}"#, "{torn"],
            &[("ALLOWED", None, 1), ("RATE_LIMITED", Some("per_minute"), 2), ("RATE_LIMITED", Some("per_second"), 1)],
        );
    }

    #[test]
    fn trouble_is_recognised_in_any_format() {
        let cases = [
            ("oom", "OOM command not allowed when used memory > 'maxmemory'."),
            ("oom", r#"{"msg":"Out of memory"}"#),
            ("connection_refused", "dial tcp 127.0.0.1:6379: connect: connection refused"),
            ("timeout", "read timed out after 2s"),
            ("timeout", "context deadline exceeded"),
            ("misconf", "MISCONF Redis is configured to save RDB snapshots"),
            ("readonly", "READONLY You can't write against a read only replica."),
            ("noauth", "NOAUTH Authentication required."),
            ("max_clients", "ERR max number of clients reached"),
            ("pool_exhausted", "connection pool exhausted"),
        ];
        for (event, line) in cases {
            assert!(counter("app").troubles(line).contains(&event), "{event}: {line}");
        }
    }

    #[test]
    fn memory_and_redis_count_where_something_failed() {
        check("app", &["redis connected, memory fine"], &[]);
        check("app", &["error: redis said no"], &[("redis", None, 1)]);
        check("errors", &["lost redis", "memory low"], &[("memory", None, 1), ("redis", None, 1)]);
    }

    #[test]
    fn patterns_of_the_plan_are_counted_by_their_group_and_slow_lines_by_their_field() {
        let watch = LogWatch {
            count_by: Some("kind".to_owned()),
            patterns: vec![("rejected".to_owned(), Pattern::new(r"rejected by (?<kind>\w+)").unwrap())],
            slow: Some(SlowLines { field: "ms".to_owned(), above: 1000.0 }),
            ..LogWatch::default()
        };
        let mut counter = Counter::new(&watch);
        let lines = ["rejected by burst", "rejected by burst", "rejected by day", r#"{"ms":1000}"#, r#"{"ms":1000.5}"#];
        lines.iter().for_each(|line| counter.line(line.as_bytes()));
        counter.line(br#"{"ms":"2500"}"#);
        let (_, events, _) = counter.take();
        let events: Vec<_> = events.iter().map(|e| (e.event.as_str(), e.value.as_deref(), e.count)).collect();
        assert_eq!(events, [("rejected", Some("burst"), 2), ("rejected", Some("day"), 1), ("slow", None, 2)]);
    }

    #[test]
    fn examples_are_few_and_short() {
        let mut counter = counter("app");
        let line = format!("connection refused {}", "x".repeat(1000));
        for _ in 0..20 {
            counter.line(line.as_bytes());
        }
        let (_, events, examples) = counter.take();
        assert_eq!((events[0].count, examples.len()), (20, MAX_EXAMPLES as usize));
        assert!(examples.iter().all(|(event, line)| event == "connection_refused" && line.len() == 500));
        counter.line(line.as_bytes());
        assert!(counter.take().2.is_empty(), "the bound is for the whole run");
    }

    #[test]
    fn different_events_are_bounded() {
        let mut counter = counter("app");
        for i in 0..1000 {
            counter.line(format!(r#"{{"event":"e{i}"}}"#).as_bytes());
        }
        let (_, events, _) = counter.take();
        assert_eq!(events.len(), MAX_KEYS + 1);
        assert_eq!(events.iter().map(|e| e.count).sum::<u64>(), 1000);
    }

    #[test]
    fn any_bytes_are_a_line() {
        let mut counter = counter("app");
        counter.line(b"\xff\xfe out of memory");
        assert_eq!(counter.take().1[0].event, "oom");
    }
}
