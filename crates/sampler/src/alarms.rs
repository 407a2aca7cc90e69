//! When to raise an alarm while the load is still running.
//!
//! Growth: the lower confidence bound above the limit in two windows in a row, and a rise that matters. At once: memory
//! within 5 % of a limit that Redis enforces by refusing writes, and refused writes themselves. What a whole run is worth
//! is judged elsewhere, afterwards.

use std::collections::BTreeMap;
use std::time::Duration;

use plimsoll_plan::Alert;
use plimsoll_record::Offset;
use plimsoll_record::events::{Event, Level};
use plimsoll_record::units::Unit;

use crate::growth::{Growth, GrowthWindow};

/// A rise below this is not worth an alarm, however steep.
const MIN_RISE_BYTES: f64 = 5e6;
/// Nor is one below this share of the memory in use.
const MIN_RISE_SHARE: f64 = 0.01;
/// How close to maxmemory is as good as there.
const FULL_SHARE: f64 = 0.95;
/// More than this in use before the load starts is worth a remark.
const HIGH_BASELINE_BYTES: f64 = 100e6;
/// And so is this share of maxmemory.
const HIGH_BASELINE_SHARE: f64 = 0.8;
/// An alarm sounds again only after its cause was gone for this long.
const QUIET: Duration = Duration::from_secs(60);

/// An alarm that was raised.
#[derive(Clone, Debug, PartialEq)]
pub struct Alarm {
    /// The row for the record, always an alert.
    pub event: Event,
    /// Whether the load must stop.
    pub stop: bool,
}

/// Watches the samples of Redis for everything that deserves an alarm.
#[derive(Debug)]
pub struct Alarms {
    window: GrowthWindow,
    growth: Option<Growth>,
    rules: Vec<Rule>,
    evicts: bool,
    full: Latch,
    oom: Latch,
    oom_errors: Option<f64>,
    began: bool,
}

/// A growth limit of the plan.
#[derive(Debug)]
struct Rule {
    alert: Alert,
    in_a_row: u32,
    latch: Latch,
}

/// Remembers that an alarm sounded, until its cause was gone for a while.
#[derive(Debug, Default)]
struct Latch {
    last_true: Option<Offset>,
}

impl Latch {
    /// True when `condition` has just become true.
    fn rises(&mut self, at: Offset, condition: bool) -> bool {
        if !condition {
            return false;
        }
        let before = self.last_true.replace(at);
        before.is_none_or(|before| u128::from(at.since(before)) > QUIET.as_nanos())
    }
}

impl Alarms {
    /// Alarms for samples at this interval. A Redis whose `maxmemory_policy` evicts may live at its limit for ever.
    #[must_use]
    pub fn new(every: Duration, alerts: &[Alert], maxmemory_policy: Option<&str>) -> Self {
        let rule = |alert: &Alert| Rule { alert: alert.clone(), in_a_row: 0, latch: Latch::default() };
        Self {
            window: GrowthWindow::new(every),
            growth: None,
            rules: alerts.iter().map(rule).collect(),
            evicts: maxmemory_policy.is_some_and(|policy| policy != "noeviction"),
            full: Latch::default(),
            oom: Latch::default(),
            oom_errors: None,
            began: false,
        }
    }

    /// The growth over the window that ends now, once there is one.
    #[must_use]
    pub fn growth(&self) -> Option<Growth> {
        self.growth
    }

    /// Starts afresh: Redis was restarted, flushed, or changed its role.
    pub fn segment(&mut self) {
        self.window.clear();
        self.growth = None;
        self.oom_errors = None;
        for rule in &mut self.rules {
            rule.in_a_row = 0;
        }
    }

    /// Takes a sample of Redis.
    pub fn sample(&mut self, at: Offset, values: &BTreeMap<String, f64>) -> Vec<Alarm> {
        let Some(used) = values.get("used_memory").copied() else { return Vec::new() };
        let limit = values.get("maxmemory").copied();
        let counted = used - values.get("mem_not_counted_for_evict").copied().unwrap_or(0.0);
        let mut alarms = Vec::new();
        if !std::mem::replace(&mut self.began, true) {
            alarms.extend(high_baseline(at, used, counted, limit));
        }
        alarms.extend(limit.and_then(|limit| self.fullness(at, counted, limit)));
        alarms.extend(values.get("oom_errors").and_then(|errors| self.refused_writes(at, *errors)));
        if let Some(growth) = self.window.push(at, used) {
            self.growth = Some(growth);
            alarms.extend(self.rules.iter_mut().filter_map(|rule| rule.judge(at, growth, used)));
        }
        alarms
    }

    /// Takes a log line that speaks of memory that ran out.
    pub fn oom_in_log(&mut self, at: Offset, log: &str) -> Option<Alarm> {
        let message = format!("log {log} says that memory ran out");
        self.oom.rises(at, true).then(|| alarm(at, Level::Critical, &format!("log.{log}.oom"), 1.0, 0.0, message, true))
    }

    fn fullness(&mut self, at: Offset, counted: f64, limit: f64) -> Option<Alarm> {
        if !self.full.rises(at, counted >= FULL_SHARE * limit) {
            return None;
        }
        let (level, then) = if self.evicts {
            (Level::Warn, "Redis evicts keys")
        } else {
            (Level::Critical, "Redis is about to refuse writes")
        };
        let share = Unit::Share.show(counted / limit);
        let message = format!("memory is at {share} of maxmemory {}: {then}", Unit::Bytes.show(limit));
        Some(alarm(at, level, "redis.used_memory", counted, FULL_SHARE * limit, message, !self.evicts))
    }

    fn refused_writes(&mut self, at: Offset, errors: f64) -> Option<Alarm> {
        let before = self.oom_errors.replace(errors)?;
        let more = errors - before;
        if !self.oom.rises(at, more > 0.0) {
            return None;
        }
        let message = format!("Redis refused {} with OOM", commands(more));
        Some(alarm(at, Level::Critical, "redis.oom_errors", more, 0.0, message, true))
    }
}

fn commands(count: f64) -> String {
    if count == 1.0 { "1 command".to_owned() } else { format!("{} commands", Unit::Count.show(count)) }
}

impl Rule {
    fn judge(&mut self, at: Offset, growth: Growth, used: f64) -> Option<Alarm> {
        let matters = growth.rise >= MIN_RISE_BYTES.max(MIN_RISE_SHARE * used);
        let above = growth.lower > self.alert.growth && matters;
        self.in_a_row = if above { self.in_a_row + 1 } else { 0 };
        if !self.latch.rises(at, self.in_a_row >= 2) {
            return None;
        }
        let show = |value| Unit::BytesPerSecond.show(value);
        let message = format!(
            "used memory grows by {} (at least {}), above {}",
            show(growth.per_second),
            show(growth.lower),
            show(self.alert.growth)
        );
        let Alert { level, growth: limit, stop } = self.alert;
        Some(alarm(at, level, "redis.used_memory", growth.per_second, limit, message, stop))
    }
}

fn high_baseline(at: Offset, used: f64, counted: f64, limit: Option<f64>) -> Option<Alarm> {
    let share_limit = limit.map(|limit| limit * HIGH_BASELINE_SHARE);
    let (value, crossed) = match share_limit.filter(|share_limit| counted > *share_limit) {
        Some(share_limit) => (counted, share_limit),
        None => (used, HIGH_BASELINE_BYTES),
    };
    let message = format!(
        "high baseline: {} in use before the load starts; flush the test database for a clean start",
        Unit::Bytes.show(used)
    );
    (value > crossed).then(|| alarm(at, Level::Warn, "redis.used_memory", value, crossed, message, false))
}

fn alarm(at_ns: Offset, level: Level, metric: &str, value: f64, limit: f64, message: String, stop: bool) -> Alarm {
    Alarm { event: Event::Alert { at_ns, level, metric: metric.to_owned(), value, limit, message }, stop }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MB: f64 = 1e6;

    fn alarms(policy: Option<&str>) -> Alarms {
        let alert = |mb_per_min: f64, level, stop| Alert { growth: mb_per_min * MB / 60.0, level, stop };
        let alerts = [alert(10.0, Level::Warn, false), alert(50.0, Level::Critical, true)];
        Alarms::new(Duration::from_secs(1), &alerts, policy)
    }

    /// What is raised, as (second, level, stop), when each second brings these values.
    fn raised(
        alarms: &mut Alarms,
        seconds: u32,
        values: impl Fn(u32) -> Vec<(&'static str, f64)>,
    ) -> Vec<(u32, Level, bool)> {
        let mut raised = Vec::new();
        for s in 0..seconds {
            let values = values(s).into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
            for alarm in alarms.sample(Offset::ZERO.after(Duration::from_secs(u64::from(s))), &values) {
                let Event::Alert { level, .. } = alarm.event else { panic!("{alarm:?}") };
                raised.push((s, level, alarm.stop));
            }
        }
        raised
    }

    fn used(mb: f64) -> Vec<(&'static str, f64)> {
        vec![("used_memory", mb * MB)]
    }

    #[test]
    fn a_leak_of_60_mb_per_minute_stops_the_load_within_seconds() {
        let raised = raised(&mut alarms(None), 60, |s| used(10.0 + f64::from(s)));
        assert_eq!(raised, [(10, Level::Warn, false), (10, Level::Critical, true)], "once each, at the second window");
    }

    #[test]
    fn steady_and_noisy_memory_is_quiet() {
        assert_eq!(raised(&mut alarms(None), 120, |_| used(50.0)), []);
        let noise = |s: u32| (f64::from(s) * 0.618_033_988_749_895).fract();
        assert_eq!(raised(&mut alarms(None), 120, |s| used(50.0 + 20.0 * noise(s))), []);
    }

    #[test]
    fn a_step_is_quiet() {
        assert_eq!(raised(&mut alarms(None), 120, |s| used(if s < 45 { 20.0 } else { 45.0 })), []);
    }

    #[test]
    fn steep_growth_of_a_few_kilobytes_is_quiet() {
        assert_eq!(raised(&mut alarms(None), 12, |s| used(1.0 + 0.3 * f64::from(s))), [], "3.6 MB is below 5 MB");
    }

    #[test]
    fn nearly_full_stops_where_writes_will_be_refused() {
        let full = |s: u32| vec![("used_memory", if s < 3 { 10.0 } else { 97.0 } * MB), ("maxmemory", 100.0 * MB)];
        assert_eq!(raised(&mut alarms(Some("noeviction")), 10, full), [(3, Level::Critical, true)]);
        assert_eq!(raised(&mut alarms(Some("allkeys-lru")), 10, full), [(3, Level::Warn, false)]);
    }

    #[test]
    fn memory_that_does_not_count_for_eviction_does_not_fill_it() {
        let buffers =
            |_| vec![("used_memory", 97.0 * MB), ("maxmemory", 100.0 * MB), ("mem_not_counted_for_evict", 60.0 * MB)];
        assert_eq!(raised(&mut alarms(Some("noeviction")), 5, buffers), []);
    }

    #[test]
    fn refused_writes_count_from_the_first_sample_on() {
        let errors = |s: u32| vec![("used_memory", MB), ("oom_errors", if s < 4 { 9.0 } else { 12.0 })];
        assert_eq!(raised(&mut alarms(None), 10, errors), [(4, Level::Critical, true)]);
    }

    #[test]
    fn a_high_baseline_is_said_once_and_first() {
        assert_eq!(raised(&mut alarms(None), 5, |_| used(101.0)), [(0, Level::Warn, false)]);
        let tight = |_| vec![("used_memory", 8.5 * MB), ("maxmemory", 10.0 * MB)];
        assert_eq!(raised(&mut alarms(None), 5, tight), [(0, Level::Warn, false)]);
    }

    #[test]
    fn a_restart_begins_a_new_window() {
        let mut alarms = alarms(None);
        raised(&mut alarms, 10, |s| used(10.0 + f64::from(s)));
        assert!(alarms.growth().is_some());
        alarms.segment();
        assert_eq!(alarms.growth(), None);
        assert_eq!(raised(&mut alarms, 9, |s| used(50.0 + f64::from(s))), [], "nine points are too few");
    }
}
