//! The three log files: what the limiter refused, which requests were slow, what went wrong.
//! One JSON object per line; emptied at the start, appended to from then on. Nothing is read back here.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use serde::Serialize;

use crate::{clock::UnixMillis, limiter::Refusal};

/// Open handles on the three files.
///
/// Each line is one `write` on a file in append mode: lines of different threads do not mix, no lock
/// is shared between them, and a follower sees a line as soon as it exists.
#[derive(Debug)]
pub(crate) struct Logs {
    rate_limiter: File,
    performance: File,
    errors: File,
    complained: AtomicBool,
}

/// Why the logs could not be opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    #[error("cannot create the log directory {path}; give a writable one with --log-dir")]
    Directory { path: PathBuf, source: io::Error },
    #[error("cannot write the log file {path}; give a writable directory with --log-dir")]
    File { path: PathBuf, source: io::Error },
}

/// What an error line is about, as its `event`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum ErrorEvent {
    /// A request or a background write failed because of Redis.
    RedisError,
    /// A connection to Redis was lost, or could not be made at the start.
    RedisDown,
    /// A connection could not be accepted.
    AcceptError,
    /// A request was answered 500 because the `errors` fault says so.
    InjectedError,
}

#[derive(Serialize)]
struct RateLimitedLine<'a> {
    ts: String,
    event: &'static str,
    user_id: &'a str,
    limit_type: &'static str,
    limit: u32,
    retry_after_ms: u64,
}

#[derive(Serialize)]
struct SlowLine<'a> {
    ts: String,
    event: &'static str,
    method: &'a str,
    path: &'a str,
    status: u16,
    duration_ms: f64,
}

#[derive(Serialize)]
struct ErrorLine<'a> {
    ts: String,
    event: ErrorEvent,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<&'a str>,
    message: &'a str,
}

impl Logs {
    /// Makes the directory where it is missing, and empties the three files.
    pub(crate) fn open(directory: &Path) -> Result<Self, OpenError> {
        fs::create_dir_all(directory).map_err(|source| OpenError::Directory { path: directory.to_owned(), source })?;
        let open = |name| open_empty(directory.join(name));
        Ok(Self {
            rate_limiter: open("rate_limiter.jsonl")?,
            performance: open("performance.log")?,
            errors: open("errors.log")?,
            complained: AtomicBool::new(false),
        })
    }

    pub(crate) fn rate_limited(&self, at: UnixMillis, user_id: &str, refusal: &Refusal) {
        let line = RateLimitedLine {
            ts: at.rfc3339(),
            event: "RATE_LIMITED",
            user_id,
            limit_type: refusal.window.limit_type(),
            limit: refusal.limit,
            retry_after_ms: refusal.retry_after_ms,
        };
        self.append(&self.rate_limiter, &line);
    }

    pub(crate) fn slow(&self, method: &str, path: &str, status: u16, took: Duration) {
        let line = SlowLine {
            ts: UnixMillis::now().rfc3339(),
            event: "SLOW_REQUEST",
            method,
            path,
            status,
            duration_ms: (took.as_secs_f64() * 1e6).round() / 1e3,
        };
        self.append(&self.performance, &line);
    }

    pub(crate) fn error(&self, event: ErrorEvent, path: Option<&str>, message: &str) {
        let ts = UnixMillis::now().rfc3339();
        let line = ErrorLine { ts, event, path, message };
        self.append(&self.errors, &line);
    }

    /// A full disk must not take the service down, but it must not pass in silence either: stderr hears of it once.
    fn append(&self, mut file: &File, line: &impl Serialize) {
        let written = serde_json::to_vec(line).map_err(io::Error::from).and_then(|mut bytes| {
            bytes.push(b'\n');
            file.write_all(&bytes)
        });
        if let Err(error) = written
            && !self.complained.swap(true, Ordering::Relaxed)
        {
            // Nobody is left to tell when stderr is gone too.
            let _ = writeln!(io::stderr(), "cannot write a log line: {error}; lines are missing from now on");
        }
    }
}

/// Append mode alone cannot truncate, so the file is emptied by its own call.
fn open_empty(path: PathBuf) -> Result<File, OpenError> {
    let opened = File::options().create(true).append(true).open(&path);
    opened.and_then(|file| file.set_len(0).map(|()| file)).map_err(|source| OpenError::File { path, source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_are_emptied_at_the_start_and_then_only_grow() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("errors.log");
        fs::write(&path, "from an earlier run\n").unwrap();
        let logs = Logs::open(dir.path()).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "");
        logs.error(ErrorEvent::RedisError, Some("/api/check"), "OOM \"command\" not allowed");
        logs.error(ErrorEvent::RedisDown, None, "connection refused");
        let text = fs::read_to_string(&path).unwrap();
        let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines[0]["event"], "REDIS_ERROR");
        assert_eq!(lines[0]["message"], "OOM \"command\" not allowed");
        assert_eq!(lines[1]["event"], "REDIS_DOWN");
        assert_eq!(lines.len(), 2);
    }

    #[test]
    fn a_directory_that_cannot_be_made_is_named_with_the_flag_to_change() {
        let dir = tempfile::tempdir().unwrap();
        let blocked = dir.path().join("file");
        fs::write(&blocked, "").unwrap();
        let error = Logs::open(&blocked.join("logs")).unwrap_err();
        let message = error.to_string();
        assert!(message.contains("file/logs") && message.contains("--log-dir"), "{message}");
    }
}
