//! The service's two clocks: wall time, which decides the limiter's windows and stamps log lines,
//! and a monotonic clock for durations. No other file reads a clock.

use std::time::{Duration, Instant, SystemTime};

use jiff::Timestamp;

/// A moment of wall time in whole milliseconds since the Unix epoch.
///
/// Redis Lua, JSON and log lines all want an integer, and a limiter window is never finer than a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct UnixMillis(pub(crate) u64);

impl UnixMillis {
    #[expect(
        clippy::disallowed_methods,
        reason = "the limiter's windows are defined on the host's wall clock, read anew for each decision"
    )]
    pub(crate) fn now() -> Self {
        let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
        Self(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX))
    }

    /// RFC 3339 in UTC with milliseconds, as every log line carries it.
    pub(crate) fn rfc3339(self) -> String {
        let millis = i64::try_from(self.0).unwrap_or(i64::MAX);
        let moment = Timestamp::from_millisecond(millis).unwrap_or(Timestamp::MAX);
        format!("{moment:.3}")
    }
}

/// A point on the monotonic clock, for durations within this process only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tick(Instant);

impl Tick {
    #[expect(
        clippy::disallowed_methods,
        reason = "the service under test writes no run record, so there is no run clock to follow"
    )]
    pub(crate) fn now() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_written_in_utc_with_milliseconds() {
        let moment = UnixMillis(1_767_225_600_042);
        assert_eq!(moment.rfc3339(), "2026-01-01T00:00:00.042Z");
    }
}
