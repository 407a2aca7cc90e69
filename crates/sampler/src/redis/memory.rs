//! What a server remembers by itself: slow commands (`SLOWLOG`) and stalls (`LATENCY`), each told once.
//!
//! A user of Redis may lack the rights for either; then it is not asked for again, and the record says so. Of a slow
//! command only its name, its key and its size are kept: values may be secrets.

use fred::types::Value;
use plimsoll_record::series::{Found, GapReason};

use super::link::Link;
use crate::probe::Failure;

/// Slow commands asked for at once; a server remembers 128 unless told otherwise.
const SLOW_COMMANDS: &str = "32";
/// A key longer than this is cut.
const MAX_KEY: usize = 80;

/// What was already told.
#[derive(Debug, Default)]
pub(crate) struct Remembered {
    /// The highest number of a slow command so far; `None` before the first look.
    last_slow: Option<i64>,
    looked_at_slow: bool,
    stalls: Vec<(String, i64)>,
    looked_at_stalls: bool,
    denied: Vec<(&'static str, String)>,
}

impl Remembered {
    /// What is new since the call before. What was there before the first is not the run's and is not told.
    pub(crate) async fn read(&mut self, link: &mut Link) -> Result<Vec<Found>, Failure> {
        let mut found = Vec::new();
        if let Some(answer) = self.ask(link, "slow_log", "SLOWLOG", &["GET", SLOW_COMMANDS]).await? {
            found.extend(self.slow(&answer));
        }
        if let Some(answer) = self.ask(link, "latency_events", "LATENCY", &["LATEST"]).await? {
            found.extend(self.stalls(&answer));
        }
        Ok(found)
    }

    /// What could not be read at all, and why.
    pub(crate) fn denied(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.denied.iter().map(|(what, why)| (*what, why.as_str()))
    }

    async fn ask(
        &mut self,
        link: &mut Link,
        what: &'static str,
        command: &'static str,
        arguments: &[&str],
    ) -> Result<Option<Value>, Failure> {
        if self.denied.iter().any(|(denied, _)| *denied == what) {
            return Ok(None);
        }
        match link.ask(command, arguments).await {
            Ok(answer) => Ok(Some(answer)),
            Err(failure) if failure.reason == GapReason::Refused => {
                // A busy server refuses for a while, one without the right or the command for good.
                if failure.detail.starts_with("NOPERM") || failure.detail.contains("unknown") {
                    self.denied.push((what, format!("not read: {}", failure.detail)));
                }
                Ok(None)
            }
            Err(failure) => Err(failure),
        }
    }

    fn slow(&mut self, answer: &Value) -> Vec<Found> {
        let mut commands: Vec<(i64, Found)> = array(answer).iter().filter_map(slow_command).collect();
        commands.sort_by_key(|(id, _)| *id);
        let before = self.last_slow;
        let first_look = !std::mem::replace(&mut self.looked_at_slow, true);
        let newest = commands.last().map(|(id, _)| *id);
        // Numbers that fell belong to a server that was restarted: all it has is new.
        let restarted = matches!((before, newest), (Some(before), Some(newest)) if newest < before);
        self.last_slow = newest.or(before);
        let is_new = |id: i64| !first_look && (restarted || before.is_none_or(|before| id > before));
        commands.into_iter().filter(|(id, _)| is_new(*id)).map(|(_, found)| found).collect()
    }

    fn stalls(&mut self, answer: &Value) -> Vec<Found> {
        let mut found = Vec::new();
        let first_look = !std::mem::replace(&mut self.looked_at_stalls, true);
        for row in array(answer) {
            let [event, at, latest, max, ..] = array(row) else { continue };
            let (Some(event), Some(at)) = (text(event), at.as_i64()) else { continue };
            let known = self.stalls.iter_mut().find(|(name, _)| *name == event);
            let is_new = match known {
                Some((_, before)) => std::mem::replace(before, at) != at,
                None => {
                    self.stalls.push((event.clone(), at));
                    true
                }
            };
            if is_new && !first_look {
                let ms = |value: &Value| value.as_u64().unwrap_or(0);
                let unix_seconds = u64::try_from(at).unwrap_or(0);
                found.push(Found::Stall { event, unix_seconds, latest_ms: ms(latest), max_ms: ms(max) });
            }
        }
        found
    }
}

/// `[id, unix seconds, microseconds, [command, arguments...], client, name]`; the last two since Redis 4.
fn slow_command(row: &Value) -> Option<(i64, Found)> {
    let [id, at, took, command, rest @ ..] = array(row) else { return None };
    let words = array(command);
    let key = words.get(1).and_then(text).map(|key| key.chars().take(MAX_KEY).collect());
    let name = rest.get(1).and_then(text).filter(|name| !name.is_empty());
    let found = Found::SlowCommand {
        unix_seconds: at.as_u64()?,
        took_us: took.as_u64()?,
        command: words.first().and_then(text)?.to_ascii_uppercase(),
        key,
        arguments: words.len().saturating_sub(1) as u64,
        client: name,
    };
    Some((id.as_i64()?, found))
}

fn array(value: &Value) -> &[Value] {
    match value {
        Value::Array(values) => values,
        _ => &[],
    }
}

fn text(value: &Value) -> Option<String> {
    value.as_bytes().map(|bytes| String::from_utf8_lossy(bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn string(text: &str) -> Value {
        Value::from(text.to_owned())
    }

    fn slow(id: i64, words: &[&str]) -> Value {
        let words = Value::Array(words.iter().map(|word| string(word)).collect());
        Value::Array(vec![id.into(), 1_700_000_000_i64.into(), 12_000_i64.into(), words, string("1:2"), string("app")])
    }

    #[test]
    fn a_slow_command_is_told_once_and_without_its_values() {
        let mut remembered = Remembered::default();
        assert_eq!(remembered.slow(&Value::Array(vec![slow(7, &["get", "old"])])), [], "before the run");
        let answer = Value::Array(vec![slow(9, &["set", "session:1", "s3cret"]), slow(7, &["get", "old"])]);
        let found = remembered.slow(&answer);
        let [Found::SlowCommand { command, key, arguments, took_us, .. }] = found.as_slice() else {
            panic!("{found:?}")
        };
        assert_eq!((command.as_str(), key.as_deref(), *arguments, *took_us), ("SET", Some("session:1"), 2, 12_000));
        assert!(!format!("{found:?}").contains("s3cret"));
        assert_eq!(remembered.slow(&answer), [], "once");
        assert_eq!(remembered.slow(&Value::Array(vec![slow(0, &["del", "x"])])).len(), 1, "numbers begin anew");
    }

    #[test]
    fn a_stall_is_told_when_it_is_new() {
        let row = |at: i64| Value::Array(vec![Value::Array(vec![string("fork"), at.into(), 9.into(), 12.into()])]);
        let mut remembered = Remembered::default();
        assert_eq!(remembered.stalls(&row(5)), []);
        assert_eq!(remembered.stalls(&row(5)), []);
        let expected = Found::Stall { event: "fork".to_owned(), unix_seconds: 8, latest_ms: 9, max_ms: 12 };
        assert_eq!(remembered.stalls(&row(8)), [expected]);
    }

    #[test]
    fn an_answer_of_another_shape_is_passed_over() {
        let odd = Value::Array(vec![Value::Null, Value::Array(vec![1.into()]), string("x")]);
        assert_eq!(Remembered::default().slow(&odd), []);
        assert_eq!(Remembered::default().stalls(&odd), []);
    }
}
