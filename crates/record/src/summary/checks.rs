//! The checks of a run with their counts, in the order in which people want to read them.

use super::{Facts, Scope, Totals};
use crate::checks::CheckCount;

/// A check and how often it held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckTotal {
    /// The operation whose answers were checked.
    pub operation: String,
    /// The check's name.
    pub name: String,
    /// True when it only counts.
    pub soft: bool,
    /// How often it held.
    pub count: CheckCount,
}

impl Facts {
    /// All checks of the plan with their counts in `scope`: those that failed first, the worst of them on top, else in
    /// the plan's order. Empty when the plan has none.
    #[must_use]
    pub fn checks(&self, scope: &Scope) -> Vec<CheckTotal> {
        self.checks_in(&self.totals(scope), scope)
    }

    fn checks_in(&self, totals: &Totals, scope: &Scope) -> Vec<CheckTotal> {
        let Some(traffic) = &self.traffic else { return Vec::new() };
        let header = &traffic.header.body;
        let wanted = |operation: u32| scope.operation.is_none_or(|only| only == operation);
        let listed = (0..).zip(&header.checks).filter(|(_, check)| wanted(check.operation));
        let mut list: Vec<CheckTotal> = listed
            .map(|(index, check)| CheckTotal {
                operation: header.operations.get(check.operation as usize).cloned().unwrap_or_default(),
                name: check.name.clone(),
                soft: check.soft,
                count: totals.checks.get(&index).copied().unwrap_or_default(),
            })
            .collect();
        list.sort_by(|a, b| badness(b).total_cmp(&badness(a)));
        list
    }
}

/// The share of failures; nothing checked is nothing bad.
fn badness(check: &CheckTotal) -> f64 {
    check.count.passed_share().map_or(0.0, |passed| 1.0 - passed)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::checks::CheckFact;
    use crate::clock::Offset;
    use crate::files::EndReason;
    use crate::ledger::{Ledger, Outcome};
    use crate::run::RunDir;
    use crate::traffic::{Interval, PhaseFact, TrafficFact, TrafficHeader, TrafficWriter};

    fn header() -> TrafficHeader {
        let check = |operation, name: &str, soft| CheckFact { operation, name: name.to_owned(), soft };
        TrafficHeader {
            start_ns: Offset::ZERO,
            every_ns: 1_000_000_000,
            phases: vec![PhaseFact {
                name: "only".into(),
                start_ns: Offset::ZERO,
                end_ns: None,
                planned_arrivals: None,
            }],
            operations: vec!["list".into(), "order".into()],
            checks: vec![check(0, "a", false), check(1, "a", false), check(1, "b", true)],
            workers: 1,
            segment: None,
            tick_ns: None,
            max_send_lag_ns: 1,
            lookup_ns: None,
        }
    }

    fn row(second: i64, operation: u32, checks: &[(u32, u64, u64)]) -> TrafficFact {
        let mut ledger = Ledger::default();
        ledger.schedule(1);
        ledger.finish(Outcome::Ok);
        let counts =
            checks.iter().map(|(index, passed, failed)| (*index, CheckCount { passed: *passed, failed: *failed }));
        let checks: BTreeMap<u32, CheckCount> = counts.collect();
        TrafficFact::Interval(Box::new(Interval {
            at_ns: Offset(second * 1_000_000_000),
            len_ns: 1_000_000_000,
            phase: 0,
            operation,
            ledger,
            pending: 0,
            served: crate::latency::Latency::default(),
            limited: crate::latency::Latency::default(),
            censored: crate::latency::Latency::default(),
            timings: crate::timings::Timings::default(),
            statuses: BTreeMap::new(),
            checks,
            body_bytes: 0,
            retries: 0,
            worst: None,
        }))
    }

    #[test]
    fn intervals_add_up_and_what_failed_most_stands_first() {
        let dir = tempfile::tempdir().unwrap();
        let run = RunDir::create_or_join(dir.path(), "checks", "test").unwrap();
        let mut writer = TrafficWriter::create(run.path(), "test", Offset::ZERO, header()).unwrap();
        writer.write(&row(0, 1, &[(1, 9, 1), (2, 5, 5)])).unwrap();
        writer.write(&row(1, 1, &[(1, 10, 0), (2, 5, 5)])).unwrap();
        writer.finish(Offset(2_000_000_000), EndReason::Completed).unwrap();
        let facts = Facts::load(dir.path()).unwrap();
        let shown = |scope| {
            let line = |check: CheckTotal| {
                (format!("{}.{}", check.operation, check.name), check.soft, check.count.passed, check.count.failed)
            };
            facts.checks(&scope).into_iter().map(line).collect::<Vec<_>>()
        };
        let order = [("order.b".to_owned(), true, 10, 10), ("order.a".to_owned(), false, 19, 1)];
        assert_eq!(shown(Scope::default())[..2], order);
        assert_eq!(shown(Scope::default())[2], ("list.a".to_owned(), false, 0, 0));
        assert_eq!(shown(Scope { operation: Some(1), ..Scope::default() }), order);
    }
}
