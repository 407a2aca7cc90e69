//! The rate limiter: two fixed windows per user, the Unix second and the Unix minute, counted in Redis.
//! One Lua script decides and counts in one step, so any number of service processes share the limits.
//! Connections are `link`'s business, and HTTP is `check`'s.

use fred::types::Value;

use crate::{
    clock::UnixMillis,
    faults::LimiterMode,
    link::Session,
    scripts::{self, Script},
};

/// Counts a request only when both windows have room, so refused requests use up nobody's allowance.
///
/// When both windows are full the minute is named: waiting for the next second alone would not help.
/// `ARGV`: limit per second, limit per minute, and the two lifetimes in seconds.
pub(crate) const SCRIPT: &str = "
local second = tonumber(redis.call('GET', KEYS[1]) or '0')
local minute = tonumber(redis.call('GET', KEYS[2]) or '0')
if minute >= tonumber(ARGV[2]) then return {2, second, minute} end
if second >= tonumber(ARGV[1]) then return {1, second, minute} end
second = redis.call('INCR', KEYS[1])
if second == 1 then redis.call('EXPIRE', KEYS[1], ARGV[3]) end
minute = redis.call('INCR', KEYS[2])
if minute == 1 then redis.call('EXPIRE', KEYS[2], ARGV[4]) end
return {0, second, minute}
";

/// A counter must outlive its window even when the command reaches Redis late; a second covers the
/// longest a command may take before it is given up.
const SLACK_SECONDS: u64 = 1;

/// How many requests of one user are allowed in each window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    pub(crate) per_second: u32,
    pub(crate) per_minute: u32,
}

/// One of the two windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Window {
    Second,
    Minute,
}

/// What the limiter decided, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Decision {
    pub(crate) at: UnixMillis,
    pub(crate) outcome: Outcome,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// With what is left in each window; nothing is left to count when the limiter is off.
    Allowed {
        left_this_second: u32,
        left_this_minute: u32,
    },
    Refused(Refusal),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) window: Window,
    pub(crate) limit: u32,
    /// Until the window ends, at least 1.
    pub(crate) retry_after_ms: u64,
}

impl Limits {
    /// The limits in force under a fault of the limiter.
    ///
    /// `Off` still counts: a limiter that forgot to refuse goes on using Redis, and so must its imitation.
    pub(crate) fn under(self, mode: LimiterMode) -> Self {
        match mode {
            LimiterMode::On => self,
            LimiterMode::Off => Self { per_second: u32::MAX, per_minute: u32::MAX },
            LimiterMode::Strict => {
                Self { per_second: (self.per_second / 5).max(1), per_minute: (self.per_minute / 5).max(1) }
            }
        }
    }

    fn of(self, window: Window) -> u32 {
        match window {
            Window::Second => self.per_second,
            Window::Minute => self.per_minute,
        }
    }
}

impl Window {
    /// The word for this limit in replies and logs.
    pub(crate) fn limit_type(self) -> &'static str {
        match self {
            Self::Second => "per_second",
            Self::Minute => "per_minute",
        }
    }

    fn seconds(self) -> u64 {
        match self {
            Self::Second => 1,
            Self::Minute => 60,
        }
    }

    fn lifetime_seconds(self) -> u64 {
        self.seconds() + SLACK_SECONDS
    }

    /// The counter of `user` in the window that `at` falls into.
    ///
    /// The braces are a Redis Cluster hash tag: both counters of a user live on one node, as a script requires.
    fn key(self, user: &str, at: UnixMillis) -> String {
        let number = at.0 / 1000 / self.seconds();
        match self {
            Self::Second => format!("rl:{{{user}}}:s:{number}"),
            Self::Minute => format!("rl:{{{user}}}:m:{number}"),
        }
    }

    fn remaining_ms(self, at: UnixMillis) -> u64 {
        let length = self.seconds() * 1000;
        length - at.0 % length
    }
}

impl Refusal {
    /// `Retry-After` in whole seconds, rounded up: a client that waits so long finds a new window (RFC 9110, 10.2.3).
    pub(crate) fn retry_after_seconds(&self) -> u64 {
        self.retry_after_ms.div_ceil(1000)
    }
}

/// Asks Redis whether `user` may pass now, and counts the request if so.
pub(crate) async fn decide(session: &Session, limits: Limits, user: &str) -> Result<Decision, fred::error::Error> {
    let at = UnixMillis::now();
    let keys = vec![Window::Second.key(user, at), Window::Minute.key(user, at)];
    let args = vec![
        Value::from(i64::from(limits.per_second)),
        Value::from(i64::from(limits.per_minute)),
        Value::Integer(Window::Second.lifetime_seconds().cast_signed()),
        Value::Integer(Window::Minute.lifetime_seconds().cast_signed()),
    ];
    let (verdict, second, minute) = scripts::run(session, Script::CountRequest, keys, args).await?;
    Ok(Decision { at, outcome: outcome(limits, at, verdict, second, minute) })
}

fn outcome(limits: Limits, at: UnixMillis, verdict: u32, second: u32, minute: u32) -> Outcome {
    let window = match verdict {
        0 => {
            return Outcome::Allowed {
                left_this_second: limits.per_second.saturating_sub(second),
                left_this_minute: limits.per_minute.saturating_sub(minute),
            };
        }
        1 => Window::Second,
        _ => Window::Minute,
    };
    Outcome::Refused(Refusal { window, limit: limits.of(window), retry_after_ms: window.remaining_ms(at) })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { per_second: 5, per_minute: 10 };

    #[test]
    fn windows_are_the_unix_second_and_the_unix_minute() {
        let last_of_minute = UnixMillis(119_999);
        let first_of_next = UnixMillis(120_000);
        assert_eq!(Window::Second.key("ada", last_of_minute), "rl:{ada}:s:119");
        assert_eq!(Window::Minute.key("ada", last_of_minute), "rl:{ada}:m:1");
        assert_eq!(Window::Second.key("ada", first_of_next), "rl:{ada}:s:120");
        assert_eq!(Window::Minute.key("ada", first_of_next), "rl:{ada}:m:2");
    }

    #[test]
    fn counters_outlive_their_window() {
        for window in [Window::Second, Window::Minute] {
            assert!(window.lifetime_seconds() > window.seconds());
        }
    }

    #[test]
    fn a_refusal_says_how_long_its_own_window_lasts() {
        let at = UnixMillis(61_250);
        let Outcome::Refused(by_second) = outcome(LIMITS, at, 1, 5, 7) else {
            panic!("verdict 1 is a refusal");
        };
        assert_eq!((by_second.retry_after_ms, by_second.retry_after_seconds()), (750, 1));
        let Outcome::Refused(by_minute) = outcome(LIMITS, at, 2, 5, 10) else {
            panic!("verdict 2 is a refusal");
        };
        assert_eq!((by_minute.retry_after_ms, by_minute.retry_after_seconds()), (58_750, 59));
        assert_eq!((by_minute.limit, by_minute.window.limit_type()), (10, "per_minute"));
    }

    #[test]
    fn a_strict_limiter_refuses_earlier_but_never_everything() {
        let strict = LIMITS.under(LimiterMode::Strict);
        assert_eq!((strict.per_second, strict.per_minute), (1, 2));
        let least = Limits { per_second: 1, per_minute: 1 };
        assert_eq!(least.under(LimiterMode::Strict), least);
    }
}
