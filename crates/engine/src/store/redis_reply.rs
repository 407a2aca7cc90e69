//! Replies and errors of Redis in the words of the record.

use bytes::Bytes;
use fred::error::{Error, ErrorKind};
use fred::types::{Resp3Frame, Value as Redis};
use plimsoll_record::ledger::Outcome;
use serde_json::Value;

use super::reply::{Content, Fault, Reply};

/// A frame as a reply; the first error in it is the outcome.
pub(super) fn reply_of(frame: Resp3Frame, wanted: bool) -> Result<Reply, Fault> {
    if !wanted {
        return seen(&frame).map(Reply::unseen);
    }
    let bytes = seen(&frame)?;
    let (content, rows) = match frame {
        Resp3Frame::Null => (Content::Nothing, 0),
        Resp3Frame::SimpleString { data, .. }
        | Resp3Frame::BlobString { data, .. }
        | Resp3Frame::VerbatimString { data, .. }
        | Resp3Frame::BigNumber { data, .. } => (Content::Text(data), 1),
        frame => {
            let value = json(&frame);
            let rows = value.as_array().map_or(1, |items| items.len() as u64);
            (Content::Json { value: Some(value.clone()), whole: value }, rows)
        }
    };
    Ok(Reply { content, rows, bytes, retries: 0 })
}

/// The size of all values; fails with the first error among them.
fn seen(frame: &Resp3Frame) -> Result<u64, Fault> {
    Ok(match frame {
        Resp3Frame::SimpleError { data, .. } => return Err(fault(data)),
        Resp3Frame::BlobError { data, .. } => return Err(fault(&String::from_utf8_lossy(data))),
        Resp3Frame::SimpleString { data, .. }
        | Resp3Frame::BlobString { data, .. }
        | Resp3Frame::VerbatimString { data, .. }
        | Resp3Frame::BigNumber { data, .. } => data.len() as u64,
        Resp3Frame::Array { data, .. } | Resp3Frame::Push { data, .. } => {
            data.iter().map(seen).sum::<Result<u64, Fault>>()?
        }
        Resp3Frame::Number { .. } | Resp3Frame::Double { .. } => 8,
        _ => 0,
    })
}

fn json(frame: &Resp3Frame) -> Value {
    let text = |data: &[u8]| Value::from(String::from_utf8_lossy(data));
    match frame {
        Resp3Frame::SimpleString { data, .. }
        | Resp3Frame::BlobString { data, .. }
        | Resp3Frame::VerbatimString { data, .. }
        | Resp3Frame::BigNumber { data, .. } => text(data),
        Resp3Frame::Number { data, .. } => Value::from(*data),
        Resp3Frame::Double { data, .. } => Value::from(*data),
        Resp3Frame::Boolean { data, .. } => Value::from(*data),
        Resp3Frame::Array { data, .. } | Resp3Frame::Push { data, .. } => data.iter().map(json).collect(),
        Resp3Frame::Set { data, .. } => data.iter().map(json).collect(),
        _ => Value::Null,
    }
}

/// The same for values that the client has read already: of pipelines and transactions.
pub(super) fn reply_of_list(items: Vec<Redis>, wanted: bool) -> Reply {
    let bytes = items.iter().map(size).sum();
    if !wanted {
        return Reply::unseen(bytes);
    }
    let rows = items.len() as u64;
    let whole: Value = items.into_iter().map(value).collect();
    Reply { content: Content::Json { value: Some(whole.clone()), whole }, rows, bytes, retries: 0 }
}

fn size(value: &Redis) -> u64 {
    match value {
        Redis::String(text) => text.len() as u64,
        Redis::Bytes(bytes) => bytes.len() as u64,
        Redis::Array(items) => items.iter().map(size).sum(),
        Redis::Integer(_) | Redis::Double(_) => 8,
        _ => 0,
    }
}

fn value(value: Redis) -> Value {
    match value {
        Redis::Boolean(boolean) => Value::from(boolean),
        Redis::Integer(integer) => Value::from(integer),
        Redis::Double(double) => Value::from(double),
        Redis::String(text) => Value::from(&*text),
        Redis::Bytes(bytes) => Value::from(String::from_utf8_lossy(&bytes)),
        Redis::Array(items) => items.into_iter().map(self::value).collect(),
        Redis::Null | Redis::Queued | Redis::Map(_) => Value::Null,
    }
}

/// A message of a channel.
pub(super) fn message(content: Redis, wanted: bool) -> Reply {
    let bytes = size(&content);
    if !wanted {
        return Reply::unseen(bytes);
    }
    let content = match content {
        Redis::String(text) => Content::Text(Bytes::copy_from_slice(text.as_bytes())),
        Redis::Bytes(bytes) => Content::Text(bytes),
        Redis::Null => Content::Nothing,
        other => {
            let value = value(other);
            Content::Json { value: Some(value.clone()), whole: value }
        }
    };
    Reply { content, rows: 1, bytes, retries: 0 }
}

/// An error that Redis replied.
pub(super) fn fault(text: &str) -> Fault {
    Fault::new(outcome(text), text)
}

/// By the first word, as Redis names its errors.
fn outcome(text: &str) -> Outcome {
    match text.split_whitespace().next().unwrap_or_default() {
        "OOM" | "MISCONF" => Outcome::StoreFull,
        "READONLY" => Outcome::ReadOnly,
        "LOADING" | "CLUSTERDOWN" | "MASTERDOWN" | "TRYAGAIN" | "NOREPLICAS" => Outcome::NotReady,
        "MOVED" | "ASK" | "CROSSSLOT" => Outcome::Redirected,
        "NOAUTH" | "WRONGPASS" | "NOPERM" => Outcome::Denied,
        "ERR" if text.contains("max number of clients") => Outcome::TooManyClients,
        _ => Outcome::StoreError,
    }
}

/// An error of the client: what Redis replied while connecting, or what became of the connection.
pub(super) fn fault_of(error: &Error) -> Fault {
    let text = error.details();
    let outcome = match error.kind() {
        ErrorKind::IO => io(text),
        ErrorKind::Timeout => Outcome::TimedOut,
        ErrorKind::Canceled => Outcome::Closed,
        ErrorKind::Tls => Outcome::Tls,
        ErrorKind::Protocol => Outcome::Protocol,
        ErrorKind::Cluster | ErrorKind::Routing if !is_named(text) => Outcome::NotReady,
        ErrorKind::Unknown if !is_named(text) => Outcome::Closed,
        _ => outcome(text),
    };
    Fault::new(outcome, text)
}

/// Errors of Redis begin with a word in capitals.
fn is_named(text: &str) -> bool {
    let word = text.split_whitespace().next().unwrap_or_default();
    word.len() >= 3 && word.chars().all(|c| c.is_ascii_uppercase())
}

/// The client keeps of an I/O error only how it is shown.
fn io(text: &str) -> Outcome {
    let words = [
        ("ConnectionRefused", Outcome::Refused),
        ("TimedOut", Outcome::ConnectTimedOut),
        ("HostUnreachable", Outcome::Unreachable),
        ("NetworkUnreachable", Outcome::Unreachable),
        ("failed to lookup", Outcome::Unreachable),
        ("code: 24,", Outcome::OutOfDescriptors),
        ("code: 23,", Outcome::OutOfDescriptors),
        ("AddrNotAvailable", Outcome::OutOfPorts),
        ("AddrInUse", Outcome::OutOfPorts),
        ("OutOfMemory", Outcome::OutOfMemory),
        ("code: 105,", Outcome::OutOfMemory),
        ("ConnectionReset", Outcome::Reset),
        ("BrokenPipe", Outcome::Reset),
        ("ConnectionAborted", Outcome::Reset),
        ("UnexpectedEof", Outcome::Closed),
    ];
    let found = words.into_iter().find(|(word, _)| text.contains(word));
    found.map_or(Outcome::Closed, |(_, outcome)| outcome)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_classed_by_the_word_redis_gives_them() {
        let check = |text: &str, expected| assert_eq!(fault(text), Fault::new(expected, text));
        check("OOM command not allowed when used memory > 'maxmemory'.", Outcome::StoreFull);
        check("MISCONF Redis is configured to save RDB snapshots", Outcome::StoreFull);
        check("READONLY You can't write against a read only replica.", Outcome::ReadOnly);
        check("LOADING Redis is loading the dataset in memory", Outcome::NotReady);
        check("MOVED 3999 127.0.0.1:6381", Outcome::Redirected);
        check("NOAUTH Authentication required.", Outcome::Denied);
        check("ERR max number of clients reached", Outcome::TooManyClients);
        check("WRONGTYPE Operation against a key", Outcome::StoreError);
    }

    #[test]
    fn what_became_of_a_connection_is_told_from_how_the_client_shows_it() {
        let check = |kind: ErrorKind, text: &'static str, expected| {
            assert_eq!(fault_of(&Error::new(kind, text)).outcome, expected, "{text}");
        };
        let refused = std::io::Error::from_raw_os_error(rustix::io::Errno::CONNREFUSED.raw_os_error());
        assert_eq!(fault_of(&refused.into()).outcome, Outcome::Refused);
        let files = std::io::Error::from_raw_os_error(rustix::io::Errno::MFILE.raw_os_error());
        assert_eq!(fault_of(&files.into()).outcome, Outcome::OutOfDescriptors);
        check(ErrorKind::Canceled, "", Outcome::Closed);
        check(ErrorKind::Unknown, "ERR max number of clients reached", Outcome::TooManyClients);
        check(ErrorKind::Unknown, "channel closed", Outcome::Closed);
        check(ErrorKind::Unknown, "LOADING Redis is loading", Outcome::NotReady);
        check(ErrorKind::Auth, "WRONGPASS invalid username-password pair", Outcome::Denied);
    }

    #[test]
    fn nil_has_no_value_a_list_has_its_items_and_an_error_inside_is_the_outcome() {
        let blob =
            |text: &'static str| Resp3Frame::BlobString { data: Bytes::from_static(text.as_bytes()), attributes: None };
        let nil = reply_of(Resp3Frame::Null, true).unwrap();
        assert_eq!((nil.content.value(), nil.rows), (None, 0));
        let list = Resp3Frame::Array { data: vec![blob("a"), Resp3Frame::Null], attributes: None };
        let list = reply_of(list, true).unwrap();
        assert_eq!((list.content.value(), list.rows, list.bytes), (Some(serde_json::json!(["a", null])), 2, 1));
        let error = Resp3Frame::SimpleError { data: "OOM no".into(), attributes: None };
        let failed = Resp3Frame::Array { data: vec![blob("a"), error], attributes: None };
        assert_eq!(reply_of(failed, false).unwrap_err().outcome, Outcome::StoreFull);
    }
}
