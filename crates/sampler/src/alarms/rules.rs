//! One alert of the plan: when it sounds.
//!
//! It sounds once, and again only after its cause was gone for a while.

use std::collections::BTreeMap;
use std::time::Duration;

use plimsoll_plan::{Alert, Trigger};
use plimsoll_record::Offset;
use plimsoll_record::units::Unit;

use super::{Alarm, alarm, commands, counted};
use crate::growth::Growth;

/// A rise below this is not worth an alarm, however steep.
const MIN_RISE_BYTES: f64 = 5e6;
/// Nor is one below this share of the memory in use.
const MIN_RISE_SHARE: f64 = 0.01;
/// An alarm sounds again only after its cause was gone for this long.
const QUIET: Duration = Duration::from_secs(60);

/// Remembers that an alarm sounded, until its cause was gone for a while.
#[derive(Debug, Default)]
pub(super) struct Latch {
    last_true: Option<Offset>,
}

impl Latch {
    /// True when `condition` has just become true.
    pub(super) fn rises(&mut self, at: Offset, condition: bool) -> bool {
        if !condition {
            return false;
        }
        let before = self.last_true.replace(at);
        before.is_none_or(|before| u128::from(at.since(before)) > QUIET.as_nanos())
    }
}

/// An alert of the plan and what it has seen.
#[derive(Debug)]
pub(super) struct Rule {
    alert: Alert,
    in_a_row: u32,
    before: Option<(Offset, f64)>,
    latch: Latch,
}

/// What was seen, and how it is said.
struct Seen {
    metric: &'static str,
    value: f64,
    limit: f64,
    message: String,
}

impl Rule {
    pub(super) fn new(alert: &Alert) -> Self {
        Self { alert: alert.clone(), in_a_row: 0, before: None, latch: Latch::default() }
    }

    /// Forgets what was before a restart or a flush: it cannot be compared.
    pub(super) fn segment(&mut self) {
        self.in_a_row = 0;
        self.before = None;
    }

    /// Takes a sample, and the growth up to it if that was estimated anew.
    pub(super) fn judge(
        &mut self,
        at: Offset,
        values: &BTreeMap<String, f64>,
        growth: Option<Growth>,
    ) -> Option<Alarm> {
        let seen = self.exceeded(at, values, growth);
        if !self.latch.rises(at, seen.is_some()) {
            return None;
        }
        let Seen { metric, value, limit, message } = seen?;
        let alarm = alarm(at, self.alert.level, metric, value, limit, message, self.alert.stop);
        Some(Alarm { actions: self.alert.actions.clone(), ..alarm })
    }

    fn exceeded(&mut self, at: Offset, values: &BTreeMap<String, f64>, growth: Option<Growth>) -> Option<Seen> {
        let value = |key: &str| values.get(key).copied();
        let used = value("used_memory")?;
        let bytes = |value| Unit::Bytes.show(value);
        let seen = |metric, value, limit, message| (value > limit).then_some(Seen { metric, value, limit, message });
        match self.alert.trigger {
            Trigger::Growth(limit) => self.grows(growth?, used, limit),
            Trigger::Size(limit) => seen(
                "redis.used_memory",
                used,
                limit,
                format!("used memory is {}, above {}", bytes(used), bytes(limit)),
            ),
            Trigger::OfMaxmemory(share) => {
                let (counted, most) = (counted(values)?, value("maxmemory")?);
                let (now, limit) = (Unit::Share.show(counted / most), Unit::Share.show(share));
                let message = format!("memory is at {now} of maxmemory {}, above {limit}", bytes(most));
                seen("redis.used_memory", counted, share * most, message)
            }
            Trigger::Evictions(limit) => {
                let (more, seconds) = self.risen(at, value("evicted_keys")?)?;
                let rate = more / seconds.max(1e-3);
                let message = format!("Redis evicts {rate:.1} keys per second, above {limit}");
                seen("redis.evicted_keys", rate, limit, message)
            }
            Trigger::OomErrors(limit) => {
                let (more, _) = self.risen(at, value("oom_errors")?)?;
                seen("redis.oom_errors", more, limit, format!("Redis refused {} with OOM", commands(more)))
            }
            Trigger::BlockedClients(limit) => {
                let blocked = value("blocked_clients")?;
                let message = format!("{blocked} clients are blocked, more than {limit}");
                seen("redis.blocked_clients", blocked, limit, message)
            }
            Trigger::RejectedClients(limit) => {
                let (more, _) = self.risen(at, value("rejected_connections")?)?;
                let message = format!("Redis turned {more} connections away: raise maxclients");
                seen("redis.rejected_connections", more, limit, message)
            }
        }
    }

    /// The lower confidence bound above the limit in two windows in a row, and a rise that matters.
    fn grows(&mut self, growth: Growth, used: f64, limit: f64) -> Option<Seen> {
        let matters = growth.rise >= MIN_RISE_BYTES.max(MIN_RISE_SHARE * used);
        self.in_a_row = if growth.lower > limit && matters { self.in_a_row + 1 } else { 0 };
        let show = |value| Unit::BytesPerSecond.show(value);
        let (rate, least) = (show(growth.per_second), show(growth.lower));
        (self.in_a_row >= 2).then(|| Seen {
            metric: "redis.used_memory",
            value: growth.per_second,
            limit,
            message: format!("used memory grows by {rate} (at least {least}), above {}", show(limit)),
        })
    }

    /// How far a counter rose since the sample before, and in how many seconds; nothing when it was reset.
    fn risen(&mut self, at: Offset, now: f64) -> Option<(f64, f64)> {
        let (then, before) = self.before.replace((at, now))?;
        (now >= before).then(|| (now - before, at.since(then) as f64 / 1e9))
    }
}
