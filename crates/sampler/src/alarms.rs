//! When to raise an alarm while the load is still running.
//!
//! Growth: the lower confidence bound above the limit in two windows in a row, and a rise that matters. At once: memory
//! within 5 % of a limit that Redis enforces by refusing writes, and refused writes themselves. What a whole run is worth
//! is judged elsewhere, afterwards.

mod rules;

use std::collections::BTreeMap;
use std::time::Duration;

use plimsoll_plan::{Actions, Alert, Trigger};
use plimsoll_record::Offset;
use plimsoll_record::events::{Event, Level};
use plimsoll_record::units::Unit;

use self::rules::{Latch, Rule};
use crate::growth::{Growth, GrowthWindow};

/// How close to maxmemory is as good as there.
const FULL_SHARE: f64 = 0.95;
/// More than this in use before the load starts is worth a remark.
const HIGH_BASELINE_BYTES: f64 = 100e6;
/// And so is this share of maxmemory.
const HIGH_BASELINE_SHARE: f64 = 0.8;

/// An alarm that was raised.
#[derive(Clone, Debug, PartialEq)]
pub struct Alarm {
    /// The row for the record, always an alert.
    pub event: Event,
    /// Whether the load must stop.
    pub stop: bool,
    /// What else is to be done.
    pub actions: Actions,
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
    minds_oom: bool,
    oom_errors: Option<f64>,
    oom_kills: BTreeMap<String, f64>,
    elsewhere: Latch,
    began: bool,
}

impl Alarms {
    /// Alarms for samples at this interval. A Redis whose `maxmemory_policy` evicts may live at its limit for ever.
    #[must_use]
    pub fn new(every: Duration, alerts: &[Alert], maxmemory_policy: Option<&str>) -> Self {
        // Refused writes are an alarm of their own, unless the plan says what they are worth.
        let minds_oom = !alerts
            .iter()
            .any(|alert| matches!(alert.trigger, Trigger::OomErrors(_)) && alert.level == Level::Critical);
        Self {
            window: GrowthWindow::new(every),
            growth: None,
            rules: alerts.iter().map(Rule::new).collect(),
            minds_oom,
            evicts: maxmemory_policy.is_some_and(|policy| policy != "noeviction"),
            full: Latch::default(),
            oom: Latch::default(),
            oom_errors: None,
            oom_kills: BTreeMap::new(),
            elsewhere: Latch::default(),
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
        self.rules.iter_mut().for_each(Rule::segment);
    }

    /// Takes a sample of Redis.
    pub fn sample(&mut self, at: Offset, values: &BTreeMap<String, f64>) -> Vec<Alarm> {
        let (Some(used), Some(counted)) = (values.get("used_memory").copied(), counted(values)) else {
            return Vec::new();
        };
        let limit = values.get("maxmemory").copied();
        let mut alarms = Vec::new();
        if !std::mem::replace(&mut self.began, true) {
            alarms.extend(high_baseline(at, used, counted, limit));
        }
        alarms.extend(limit.and_then(|limit| self.fullness(at, counted, limit)));
        alarms.extend(values.get("oom_errors").and_then(|errors| self.refused_writes(at, *errors)));
        let growth = self.window.push(at, used);
        self.growth = growth.or(self.growth);
        alarms.extend(self.rules.iter_mut().filter_map(|rule| rule.judge(at, values, growth)));
        alarms
    }

    /// Takes a sample of something that counts the processes the kernel killed for want of memory: a container by its name.
    pub fn oom_kills(&mut self, at: Offset, name: &str, kills: f64) -> Option<Alarm> {
        let before = self.oom_kills.insert(name.to_owned(), kills)?;
        let message = format!("the kernel killed a process in {name}: its memory limit was reached");
        let metric = format!("container.{name}.oom_kills");
        (kills > before).then(|| alarm(at, Level::Critical, &metric, kills - before, 0.0, message, true))
    }

    /// Takes the databases that hold keys and were not meant to, with how many.
    pub fn keys_elsewhere(&mut self, at: Offset, found: &[(u32, u64)], expected: &[u32]) -> Option<Alarm> {
        if !self.elsewhere.rises(at, !found.is_empty()) {
            return None;
        }
        let list = |numbers: &[u32]| numbers.iter().map(|n| format!("db{n}")).collect::<Vec<_>>().join(", ");
        let holds: Vec<String> =
            found.iter().map(|(n, keys)| format!("{} in db{n}", Unit::Count.show(*keys as f64))).collect();
        let message =
            format!("keys where none were expected: {} (expected in {} only)", holds.join(", "), list(expected));
        let keys = found.iter().map(|(_, keys)| *keys as f64).sum();
        Some(alarm(at, Level::Warn, "redis.keys", keys, 0.0, message, false))
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
        if !self.oom.rises(at, more > 0.0 && self.minds_oom) {
            return None;
        }
        let message = format!("Redis refused {} with OOM", commands(more));
        Some(alarm(at, Level::Critical, "redis.oom_errors", more, 0.0, message, true))
    }
}

fn commands(count: f64) -> String {
    if count == 1.0 { "1 command".to_owned() } else { format!("{} commands", Unit::Count.show(count)) }
}

/// Memory that counts towards maxmemory.
fn counted(values: &BTreeMap<String, f64>) -> Option<f64> {
    Some(values.get("used_memory")? - values.get("mem_not_counted_for_evict").copied().unwrap_or(0.0))
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
    let event = Event::Alert { at_ns, level, metric: metric.to_owned(), value, limit, message };
    Alarm { event, stop, actions: Actions::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MB: f64 = 1e6;

    fn alarms(policy: Option<&str>) -> Alarms {
        let alert = |mb_per_min: f64, level, stop| Alert::new(Trigger::Growth(mb_per_min * MB / 60.0), level, stop);
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

    #[track_caller]
    fn check(alert: Alert, values: impl Fn(u32) -> Vec<(&'static str, f64)>, expected: &[u32]) {
        let mut alarms = Alarms::new(Duration::from_secs(1), &[alert], None);
        let seconds: Vec<u32> = raised(&mut alarms, 20, values).into_iter().map(|(second, ..)| second).collect();
        assert_eq!(seconds, expected);
    }

    #[test]
    fn each_kind_of_limit_sounds_once_when_it_is_exceeded() {
        let warn = |trigger| Alert::new(trigger, Level::Warn, false);
        check(warn(Trigger::Size(50.0 * MB)), |s| used(48.0 + f64::from(s)), &[3]);
        let limited = |s: u32| vec![("used_memory", f64::from(s) * MB), ("maxmemory", 10.0 * MB)];
        check(warn(Trigger::OfMaxmemory(0.8)), |s| if s < 10 { limited(s) } else { limited(7) }, &[9]);
        let with = |key: &'static str, value: f64| vec![("used_memory", MB), (key, value)];
        check(warn(Trigger::Evictions(5.0)), |s| with("evicted_keys", if s < 4 { 9.0 } else { 16.0 }), &[4]);
        check(
            warn(Trigger::RejectedClients(0.0)),
            |s| with("rejected_connections", if s < 6 { 2.0 } else { 3.0 }),
            &[6],
        );
        check(warn(Trigger::BlockedClients(2.0)), |s| with("blocked_clients", f64::from(s)), &[3]);
    }

    #[test]
    fn refused_writes_are_worth_what_the_plan_says() {
        let alert = Alert::new(Trigger::OomErrors(5.0), Level::Critical, false);
        let errors = |s: u32| vec![("used_memory", MB), ("oom_errors", f64::from(if s < 4 { 0 } else { s * s }))];
        check(alert, errors, &[4]);
        let few = Alert::new(Trigger::OomErrors(50.0), Level::Critical, true);
        check(few, |s| vec![("used_memory", MB), ("oom_errors", f64::from(s))], &[]);
    }

    #[test]
    fn a_process_killed_in_a_container_stops_the_load() {
        let mut alarms = alarms(None);
        let at = |s: u64| Offset::ZERO.after(Duration::from_secs(s));
        assert_eq!(alarms.oom_kills(at(0), "redis", 2.0), None, "those were before");
        assert_eq!(alarms.oom_kills(at(1), "redis", 2.0), None);
        assert!(alarms.oom_kills(at(2), "redis", 3.0).is_some_and(|alarm| alarm.stop));
    }

    #[test]
    fn keys_in_an_unexpected_database_are_said_once() {
        let mut alarms = alarms(None);
        let said = alarms.keys_elsewhere(Offset::ZERO, &[(0, 1200)], &[2]).unwrap();
        let Event::Alert { message, .. } = said.event else { panic!("no alert") };
        assert_eq!(message, "keys where none were expected: 1,200 in db0 (expected in db2 only)");
        assert_eq!(alarms.keys_elsewhere(Offset(1), &[(0, 1300)], &[2]), None);
    }
}
