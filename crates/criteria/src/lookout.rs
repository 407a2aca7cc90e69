//! While a run goes on: is a criterion lost, whatever is still to come?
//!
//! A criterion with `abort` is lost when it would be missed even if every request that is still to come went well: its
//! bad requests so far, as a share of the most that the scope can get, have an interval that lies beyond the limit.
//! What the generator itself sent late is not held against the service. Counts and the maximum are lost at the first
//! observation too many.

use std::time::Duration;

use plimsoll_plan::{Criterion, Metric, Plan, Tally};
use plimsoll_record::Offset;
use plimsoll_record::ledger::Class;
use plimsoll_record::summary::{Scope, Window};
use plimsoll_record::traffic::{Interval, TrafficFact, TrafficHeader};

use crate::families;
use crate::goal::{Goal, Standing};
use crate::statistics::{CONFIDENCE, normal_quantile, wilson};
use crate::words;

/// A criterion that is lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    /// Its id.
    pub id: String,
    /// Why nothing can mend it, in one sentence.
    pub reason: String,
}

/// Watches the criteria of a plan that end the load when they are lost.
#[derive(Debug)]
pub struct Lookout<'p> {
    watched: Vec<Watched<'p>>,
}

impl<'p> Lookout<'p> {
    /// Watches the criteria of `plan` that say `abort`. `most` tells how many requests a criterion's scope gets at most;
    /// `None` when nothing bounds them.
    #[must_use]
    pub fn new(plan: &'p Plan, header: &TrafficHeader, most: impl Fn(&Criterion) -> Option<f64>) -> Self {
        let criteria = plan.criteria.iter().filter(|criterion| criterion.options.abort);
        let watched = criteria.filter_map(|criterion| Watched::new(criterion, header, most(criterion)));
        Self { watched: watched.collect() }
    }

    /// True when a plan has something to be watched at all.
    #[must_use]
    pub fn is_wanted(plan: &Plan) -> bool {
        plan.criteria.iter().any(|criterion| criterion.options.abort)
    }

    /// Takes a row into account. The first criterion that it makes lost, if any.
    pub fn see(&mut self, fact: &TrafficFact) -> Option<Lost> {
        self.watched.iter_mut().for_each(|watched| watched.see(fact));
        self.watched.iter().find_map(Watched::lost)
    }
}

/// One criterion and what was seen of it.
#[derive(Debug)]
struct Watched<'p> {
    criterion: &'p Criterion,
    scope: Scope,
    /// When its phases are planned to begin and to end.
    from: Offset,
    to: Option<Offset>,
    most: Option<f64>,
    bad: u64,
    all: u64,
    late: u64,
    now: Offset,
}

impl<'p> Watched<'p> {
    /// `None` when the record has no such phase or endpoint: it says so when it is judged.
    fn new(criterion: &'p Criterion, header: &TrafficHeader, most: Option<f64>) -> Option<Self> {
        let named = &criterion.scope;
        let index = |name: &String| header.phases.iter().position(|phase| phase.name == *name);
        let phases = match (named.phases.first(), named.phases.last()) {
            (Some(first), Some(last)) => Some((index(first)?, index(last)?)),
            _ => None,
        };
        let operation = match &named.endpoint {
            Some(name) => Some(header.operations.iter().position(|operation| operation == name)? as u32),
            None => None,
        };
        let begin = phases.map_or(header.start_ns, |(first, _)| header.phases[first].start_ns);
        let after = |time: Option<Duration>| time.map(|time| begin.after(time));
        let last = phases.map_or(header.phases.len().checked_sub(1)?, |(_, last)| last);
        let from = after(named.from).unwrap_or(begin);
        let to = after(named.to).or(header.phases[last].end_ns);
        let timed = named.from.is_some() || named.to.is_some();
        let scope = Scope {
            phase: phases.map(|(first, _)| first as u32),
            through: phases.map(|(_, last)| last as u32),
            operation,
            window: timed.then(|| Window { from, to: to.unwrap_or(Offset(i64::MAX)) }),
        };
        Some(Self { criterion, scope, from, to, most, bad: 0, all: 0, late: 0, now: from })
    }

    fn see(&mut self, fact: &TrafficFact) {
        match fact {
            TrafficFact::Interval(row) if self.scope.includes(row) => {
                self.bad += self.bad(row);
                self.all += row.ledger.finished();
                self.now = self.now.max(row.at_ns.after(Duration::from_nanos(row.len_ns)));
            }
            TrafficFact::Generator(row) if self.from <= row.at_ns && self.to.is_none_or(|to| row.at_ns < to) => {
                self.late += row.sent_late;
            }
            _ => {}
        }
    }

    /// Requests of a row that speak against the criterion.
    fn bad(&self, row: &Interval) -> u64 {
        let limit = || Duration::try_from_secs_f64(self.limit()).unwrap_or_default();
        match &self.criterion.expression.metric {
            Metric::Percentile { service: true, .. } => {
                row.served.service.at_or_above(limit()).0 + row.censored.service.at_or_above(limit()).0
            }
            Metric::Percentile { .. } | Metric::Max => {
                row.served.response.at_or_above(limit()).0 + row.censored.response.at_or_above(limit()).0
            }
            Metric::ErrorRate => row.ledger.failures(),
            Metric::LimitedShare => row.ledger.class(Class::Limited),
            Metric::Answers { answers, .. } => families::hits(answers, row),
            _ => 0,
        }
    }

    fn limit(&self) -> f64 {
        self.criterion.expression.limit.offset
    }

    fn lost(&self) -> Option<Lost> {
        let (bad, allowed) = match &self.criterion.expression.metric {
            Metric::Percentile { quantile, service } => {
                (if *service { self.bad } else { self.bad.saturating_sub(self.late) }, 1.0 - quantile)
            }
            Metric::Max => {
                let bad = self.bad.saturating_sub(self.late);
                return (bad > 0).then(|| {
                    self.say(&format!(
                        "{} of {} requests took at least as long",
                        words::count(bad),
                        words::count(self.all)
                    ))
                });
            }
            Metric::Answers { tally: Tally::Count, .. } => {
                let goal = Goal::at(&self.criterion.expression, self.limit());
                let too_many = goal.compare(self.bad as f64) == Standing::Missed;
                return too_many.then(|| self.say(&format!("there are {} already", words::count(self.bad))));
            }
            _ => (self.bad, self.limit()),
        };
        let most = self.most_requests()?;
        let sure = if allowed <= 0.0 {
            bad > 0
        } else {
            bad > 0 && wilson(bad as f64 / most, most, normal_quantile(f64::midpoint(CONFIDENCE, 1.0))).low > allowed
        };
        sure.then(|| {
            self.say(&format!(
                "{} of {} requests so far went wrong, and there will be {} at most",
                words::count(bad),
                words::count(self.all),
                words::count(most as u64)
            ))
        })
    }

    /// The most that the scope can get. Where the plan does not bound it, twice what the pace so far would make.
    fn most_requests(&self) -> Option<f64> {
        const SAFETY: f64 = 2.0;
        let paced = || {
            let (whole, gone) = (self.to?.since(self.from) as f64, self.now.since(self.from) as f64);
            (gone > 0.0).then(|| SAFETY * self.all as f64 * (whole / gone).max(1.0))
        };
        let most = self.most.or_else(paced)?;
        Some(most.max(self.all as f64))
    }

    fn say(&self, what: &str) -> Lost {
        Lost {
            id: self.criterion.id.clone(),
            reason: format!("{} cannot be met any more: {what}", self.criterion.text),
        }
    }
}

#[cfg(test)]
mod tests {
    use plimsoll_record::ledger::Outcome;
    use plimsoll_record::verdict::Judgement;

    use super::*;
    use crate::testing::{Noise, Script, Second};

    /// The second in which it is lost, and why.
    fn lost(script: &Script, most: Option<f64>) -> Option<(usize, Lost)> {
        let recorded = script.record();
        let traffic = recorded.facts.traffic.as_ref().unwrap();
        let mut lookout = Lookout::new(&recorded.plan, &traffic.header.body, |_| most);
        let mut second = 0;
        traffic.facts.iter().find_map(|fact| {
            second += usize::from(matches!(fact, TrafficFact::Interval(_)));
            lookout.see(fact).map(|lost| (second, lost))
        })
    }

    fn failing(criterion: &str) -> Script {
        let second = |i: u64| if i < 10 { Second::ok(100, 10) } else { Second::default().and(Outcome::Refused, 100) };
        Script::of(100, second).criteria(&format!("[criteria.x]\nabort = true\nrequire = \"{criterion}\""))
    }

    #[test]
    fn what_cannot_be_mended_is_lost_and_not_before() {
        // 5 % of 10,000 are 500, and by chance 544 would still be possible.
        let (second, lost) = lost(&failing("error_rate < 5%"), Some(10_000.0)).unwrap();
        assert_eq!((second, lost.id.as_str()), (16, "x"));
        assert!(lost.reason.contains("600 of 1,600 requests so far went wrong, and there will be 10,000"), "{lost:?}");
        let longer = super::tests::lost(&failing("error_rate < 5%"), Some(100_000.0));
        assert_eq!(longer.unwrap().0, 62);
        assert_eq!(super::tests::lost(&failing("error_rate < 95%"), Some(10_000.0)), None);
    }

    #[test]
    fn counts_and_the_maximum_are_lost_at_once() {
        assert_eq!(lost(&failing("count(refused) == 0"), None).unwrap().0, 11);
        assert_eq!(lost(&failing("count(refused) <= 150"), None).unwrap().0, 12);
        let slow = Script::of(20, |i| Second::ok(10, if i == 7 { 3_000 } else { 10 }));
        let slow = slow.criteria("[criteria.x]\nabort = true\nrequire = \"max < 1s\"");
        assert_eq!(lost(&slow, None).unwrap().0, 8);
    }

    #[test]
    fn what_the_generator_sent_late_is_not_held_against_the_service() {
        let script = || {
            let slow = Script::of(60, |_| Second::ok(100, 800));
            slow.criteria("[criteria.x]\nabort = true\nrequire = \"p95 < 500ms\"")
        };
        assert!(lost(&script(), Some(6_000.0)).is_some());
        let mut late = script();
        late.generator.iter_mut().for_each(|row| row.sent_late = 100);
        // The generator's rows come after all others here, so only the end counts.
        let recorded = late.record();
        let traffic = recorded.facts.traffic.as_ref().unwrap();
        let mut lookout = Lookout::new(&recorded.plan, &traffic.header.body, |_| Some(6_000.0));
        let last = traffic.facts.iter().map(|fact| lookout.see(fact)).last().flatten();
        assert_eq!(last, None);
    }

    #[test]
    fn without_a_bound_twice_the_pace_so_far_is_assumed() {
        let (second, _) = lost(&failing("error_rate < 10%"), None).unwrap();
        assert!((31..50).contains(&second), "{second}");
    }

    #[test]
    fn no_run_that_passes_is_ever_lost() {
        for seed in 0..20 {
            let mut noise = Noise::seeded(seed);
            let moods = noise.autoregressive(180, 10.0);
            let script = Script::of(180, |i| {
                let chance = 0.02 * (1.0 + moods[i as usize]).clamp(0.0, 3.0);
                let bad = (0..50).filter(|_| noise.uniform() < chance).count() as u64;
                Second::ok(50 - bad as usize, 10).and(Outcome::Refused, bad)
            });
            let script = script.criteria("[criteria.x]\nabort = true\nrequire = \"error_rate < 3%\"");
            let judgement = script.result().judgement;
            if lost(&script, Some(9_000.0)).is_some() {
                assert_ne!(judgement, Judgement::Pass, "seed {seed}");
            }
        }
    }
}
