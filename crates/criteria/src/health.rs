//! The generator's health, judged before anything else: did it offer what the plan says, when it says?
//!
//! A generator that was late, stood still or ran out of something measured itself instead of the service. Such a run
//! cannot pass; and criteria its trouble may have spoilt are not called missed.

mod judged;

mod cause;
mod lateness;
mod shortage;

mod spans;

use plimsoll_plan::{Criterion, Metric, Tally};
use plimsoll_record::files::EndReason;
use plimsoll_record::ledger::{Class, Outcome};
use plimsoll_record::summary::{Scope, Window};
use plimsoll_record::traffic::GeneratorInterval;
use plimsoll_record::units::Unit;
use plimsoll_record::verdict::{GeneratorHealth, Judgement};

use self::judged::Judged;
use self::lateness::Lateness;
use crate::goal::{Finding, Standing};
use crate::place::Place;
use crate::run::JudgedRun;
use crate::words;

/// Fewer arrivals offered than this share of the planned ones, and another load was measured.
const LEAST_OFFERED: f64 = 0.98;
/// Waits for a core below this share of the window are a machine's everyday life.
const WAITS_WORTH_A_WORD: f64 = 0.05;

/// The generator's health, with what is wrong.
#[derive(Debug)]
pub(crate) struct Health {
    troubles: Vec<Trouble>,
    /// Said when nothing is wrong.
    fine: String,
    contaminated: Vec<Window>,
    offered_share: Option<f64>,
}

#[derive(Debug)]
struct Trouble {
    cause: Cause,
    words: String,
}

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    NoTraffic,
    Incomplete,
    Segment,
    Contaminated,
    OfferedTooLittle,
    Shortage(Outcome),
}

impl Cause {
    /// In short; the whole story is the generator's own reason.
    fn words(self) -> &'static str {
        match self {
            Self::NoTraffic => "there was no traffic",
            Self::Incomplete => "the run did not reach its end",
            Self::Segment => "this is only a part of the load",
            Self::Contaminated => "loadgen itself was late",
            Self::OfferedTooLittle => "less than the planned load was offered",
            Self::Shortage(outcome) => shortage::brief(outcome),
        }
    }
}

impl Health {
    pub(crate) fn examine(run: &JudgedRun<'_>, criteria: &[Criterion]) -> Self {
        let mut health =
            Self { troubles: Vec::new(), fine: String::new(), contaminated: Vec::new(), offered_share: None };
        if !run.makes_traffic() && run.facts.traffic.is_none() {
            health.fine = "the plan makes no traffic".to_owned();
            return health;
        }
        if run.totals(&Scope::default()).ledger.scheduled() == 0 {
            let words = if run.facts.traffic.is_none() {
                "no traffic was recorded; run `loadgen run PLAN --run-dir DIR` on this run directory"
            } else {
                "not one arrival was scheduled; there is nothing to judge"
            };
            health.trouble(Cause::NoTraffic, words.to_owned());
            return health;
        }
        let judged = Judged::of(run, criteria);
        health.check_end(run);
        health.check_segment(run);
        health.check_arrivals(&judged);
        health.check_resources(run, &judged);
        health.check_lag(run, &judged);
        health
    }

    pub(crate) fn judgement(&self) -> Judgement {
        if self.troubles.is_empty() { Judgement::Pass } else { Judgement::Inconclusive }
    }

    pub(crate) fn reason(&self) -> String {
        if self.troubles.is_empty() {
            return self.fine.clone();
        }
        self.troubles.iter().map(|trouble| trouble.words.as_str()).collect::<Vec<_>>().join("; ")
    }

    pub(crate) fn into_record(self) -> GeneratorHealth {
        GeneratorHealth {
            judgement: self.judgement(),
            reason: self.reason(),
            contaminated: self.contaminated.iter().map(|window| (window.from.0, window.to.0)).collect(),
            offered_share: self.offered_share,
            calibration: String::new(),
        }
    }

    /// A miss that the generator's own trouble may have caused is no miss.
    pub(crate) fn discount(&self, run: &JudgedRun<'_>, place: &Place, metric: &Metric, mut found: Finding) -> Finding {
        let unfinished = || run.totals(&place.scope).ledger.count(Outcome::Unfinished) > 0;
        let blamed = self.troubles.iter().find(|trouble| distorts(trouble.cause, metric, &unfinished));
        if let (Standing::Missed, Some(trouble)) = (found.standing, blamed) {
            found.standing = Standing::Undecided;
            found.reason = format!("{}; not called a miss, because {}", found.reason, trouble.cause.words());
        }
        found
    }

    fn trouble(&mut self, cause: Cause, words: String) {
        self.troubles.push(Trouble { cause, words });
    }

    fn check_end(&mut self, run: &JudgedRun<'_>) {
        let Some(traffic) = &run.facts.traffic else { return };
        let last = run.facts.run_window().map_or(0.0, |window| window.to.as_secs_f64());
        let how = match traffic.end.as_ref().map(|end| end.reason) {
            Some(EndReason::Completed) => return,
            None => "traffic.jsonl is partial, loadgen died",
            Some(EndReason::Interrupted) => "the run was interrupted",
            Some(EndReason::Stopped) => "the run was given up because a criterion was lost",
            Some(EndReason::Failed) => "loadgen failed",
        };
        let planned = traffic.header.body.phases.iter().filter_map(|phase| phase.end_ns).max();
        let of = planned.map_or_else(String::new, |end| format!(" of {:.1} s", end.as_secs_f64()));
        self.trouble(Cause::Incomplete, format!("{how}: {last:.1} s{of} were recorded; run it again to the end"));
    }

    /// The plan's criteria are about the whole load, and a part of it proves nothing about the whole.
    fn check_segment(&mut self, run: &JudgedRun<'_>) {
        if let Some(segment) = run.facts.traffic.as_ref().and_then(|traffic| traffic.header.body.segment) {
            let words = format!(
                "this is segment {} of {} of the load, and the criteria are about the whole",
                segment.number, segment.of
            );
            self.trouble(Cause::Segment, words);
        }
    }

    fn check_arrivals(&mut self, judged: &Judged) {
        let Some(planned) = judged.planned.filter(|planned| *planned > 0) else { return };
        let ledger = &judged.planned_ledger;
        let never_sent = ledger.class(Class::Dropped) + ledger.class(Class::Unfinished);
        let offered = ledger.scheduled().saturating_sub(never_sent);
        let share = offered as f64 / planned as f64;
        self.offered_share = Some(share);
        if share < LEAST_OFFERED {
            let words = format!(
                "only {} of {} planned arrivals were offered ({}); lower the rate, or raise `connections` under [target] if arrivals waited for one",
                words::count(offered),
                words::count(planned),
                Unit::Share.show(share)
            );
            self.trouble(Cause::OfferedTooLittle, words);
        }
    }

    fn check_resources(&mut self, run: &JudgedRun<'_>, judged: &Judged) {
        for shortage in shortage::list(run, judged) {
            self.contaminated.extend(shortage.spans);
            self.trouble(Cause::Shortage(shortage.outcome), shortage.words);
        }
    }

    fn check_lag(&mut self, run: &JudgedRun<'_>, judged: &Judged) {
        let late = Lateness::of(run, judged);
        if late.matters(judged.window) {
            self.trouble(Cause::Contaminated, format!("contaminated: {}: {}", spans::words(&late.spans), late.words));
        }
        self.fine = fine_words(run, judged, late.lost_s);
        self.contaminated.extend(late.spans);
        self.contaminated = spans::merged(std::mem::take(&mut self.contaminated));
    }
}

fn fine_words(run: &JudgedRun<'_>, judged: &Judged, lost_s: f64) -> String {
    let sent = words::count(judged.ledger.scheduled());
    let planned = judged.planned.map_or_else(String::new, |n| format!(" of {} planned", words::count(n)));
    let late = if lost_s > 0.0 {
        format!("; held up for {} in all, too little to matter", words::duration(lost_s))
    } else {
        ", none of them late".to_owned()
    };
    format!("offered {sent}{planned} arrivals{late}{}", waits(run, judged))
}

/// Waits for a core that made nothing late beyond the limit, and yet are part of every measured time.
fn waits(run: &JudgedRun<'_>, judged: &Judged) -> String {
    let inside = run.facts.generator().filter(|row| judged.window.contains(row.at_ns));
    let waited_s: f64 = inside.filter_map(GeneratorInterval::waited_most_s).sum();
    if waited_s > WAITS_WORTH_A_WORD * judged.window.seconds() {
        format!("; a worker waited {} for a core that others had", words::duration(waited_s))
    } else {
        String::new()
    }
}

/// Which metrics a trouble may have spoilt.
fn distorts(cause: Cause, metric: &Metric, unfinished: &dyn Fn() -> bool) -> bool {
    let (latency, rate, share) = match metric {
        Metric::Percentile { .. } | Metric::Mean | Metric::Max | Metric::RecoveryTime { .. } => (true, false, false),
        Metric::Throughput | Metric::Count => (false, true, false),
        Metric::Answers { tally: Tally::Count | Tally::Rate, .. } => (false, true, false),
        Metric::ErrorRate | Metric::LimitedShare | Metric::Answers { tally: Tally::Share, .. } => (false, false, true),
        // A rate that is not carried shows in late answers: so does a generator that is late.
        Metric::Knee(_) => (true, false, false),
        Metric::Drift(of) => return distorts(cause, of, unfinished),
        _ => (false, false, false),
    };
    match cause {
        Cause::NoTraffic => latency || rate || share,
        Cause::Incomplete => rate || (latency || share) && unfinished(),
        Cause::Contaminated => latency || rate,
        Cause::OfferedTooLittle | Cause::Segment => rate,
        Cause::Shortage(_) => rate || share,
    }
}

#[cfg(test)]
mod tests {
    use plimsoll_record::Offset;
    use plimsoll_record::traffic::{SegmentFact, WorkerInterval};

    use super::*;
    use crate::testing::{SECOND, Script, Second};

    const FAST: &str = r#"require = ["p99 < 500ms"]"#;

    #[track_caller]
    fn check(script: &Script, judgement: Judgement, words: &[&str]) -> GeneratorHealth {
        let generator = script.judge().generator;
        assert_eq!(generator.judgement, judgement, "{generator:?}");
        for word in words {
            assert!(generator.reason.contains(word), "`{word}` is not in `{}`", generator.reason);
        }
        generator
    }

    fn healthy() -> Script {
        Script::healthy(60).criteria(FAST)
    }

    /// The generator was `lag_ms` late with a tenth of its requests in these seconds.
    fn late(seconds: std::ops::Range<usize>, lag_ms: u64) -> Script {
        let mut script = healthy();
        for row in &mut script.generator[seconds] {
            row.sent_late = 10;
            row.send_lag_max_ns = lag_ms * 1_000_000;
            row.send_lag_p99_ns = lag_ms * 1_000_000;
        }
        script
    }

    #[test]
    fn a_punctual_generator_is_healthy() {
        let health = check(&healthy(), Judgement::Pass, &["offered 6,000 arrivals, none of them late"]);
        assert!(health.contaminated.is_empty() && health.offered_share.is_none());
    }

    #[test]
    fn late_seconds_are_named_with_the_advice() {
        let health = check(
            &late(20..23, 500),
            Judgement::Inconclusive,
            &["contaminated: 19.5-23.0 s", "up to 500 ms late", "a machine of its own"],
        );
        assert_eq!(health.contaminated, [(19_500_000_000, 23_000_000_000)]);
    }

    #[test]
    fn hiccups_are_tolerated_marked_and_said() {
        let health = check(&late(20..25, 50), Judgement::Pass, &["held up for 250 ms in all, too little to matter"]);
        assert_eq!(health.contaminated, [(19_950_000_000, 25_000_000_000)]);
    }

    #[test]
    fn hiccups_all_the_time_are_not() {
        check(&late(0..60, 50), Judgement::Inconclusive, &["contaminated", "up to 50.0 ms late"]);
    }

    #[test]
    fn lag_far_below_the_service_time_does_no_harm() {
        let mut script = late(20..30, 50);
        script.seconds = vec![Second::ok(100, 600); 60];
        check(&script, Judgement::Pass, &["none of them late"]);
    }

    #[test]
    fn a_suspended_generator_is_found_by_its_long_interval() {
        let mut script = healthy();
        script.generator.drain(21..23);
        script.generator[20].len_ns = 3 * SECOND;
        check(&script, Judgement::Inconclusive, &["contaminated: 20.0-23.0 s", "stood still"]);
    }

    #[test]
    fn a_worker_without_spare_time_is_named() {
        let mut script = healthy();
        script.generator[10..20].iter_mut().for_each(|row| row.busiest_worker = 0.97);
        check(&script, Judgement::Inconclusive, &["97.0 % of its core", "more cores"]);
    }

    #[test]
    fn a_worker_that_waits_for_its_core_most_of_the_time_is_starved_of_cpu() {
        let mut script = healthy();
        for row in &mut script.generator[10..20] {
            row.workers = vec![WorkerInterval { cpu_s: 0.1, waited_s: Some(0.85) }];
        }
        check(
            &script,
            Judgement::Inconclusive,
            &["contaminated: 10.0-20.0 s", "starved of CPU", "waited 8.50 s", "a machine of its own"],
        );
    }

    #[test]
    fn many_small_waits_are_starvation_although_no_request_was_later_than_the_plan_allows() {
        let starved = |waited_s, p99_ms: u64| {
            let mut script = healthy();
            for row in &mut script.generator {
                row.workers = vec![WorkerInterval { cpu_s: 0.05, waited_s: Some(waited_s) }];
                row.send_lag_p99_ns = p99_ms * 1_000_000;
                row.send_lag_max_ns = row.send_lag_p99_ns;
            }
            script
        };
        check(&starved(0.4, 5), Judgement::Inconclusive, &["starved of CPU", "waited 24.0 s", "up to 5.00 ms late"]);
        check(&starved(0.2, 5), Judgement::Pass, &["none of them late"]);
        // A tenth of a service time of 10 ms, and the floor.
        check(&starved(0.4, 1), Judgement::Pass, &["none of them late"]);
    }

    #[test]
    fn waits_that_made_nothing_late_are_said_all_the_same() {
        let mut script = healthy();
        for row in &mut script.generator {
            row.workers = vec![WorkerInterval { cpu_s: 0.1, waited_s: Some(0.1) }];
        }
        check(&script, Judgement::Pass, &["none of them late; a worker waited 6.00 s for a core"]);
        script.generator.iter_mut().for_each(|row| row.workers[0].waited_s = Some(0.01));
        assert!(!check(&script, Judgement::Pass, &[]).reason.contains("waited"));
    }

    #[test]
    fn a_generator_that_was_stopped_is_told_from_one_that_was_starved() {
        let mut script = healthy();
        script.generator.drain(21..23);
        let row = &mut script.generator[20];
        (row.len_ns, row.send_lag_max_ns, row.loop_delay_max_ns) = (3 * SECOND, 2 * SECOND, Some(2 * SECOND));
        row.workers = vec![WorkerInterval { cpu_s: 0.05, waited_s: Some(0.02) }];
        let health = check(&script, Judgement::Inconclusive, &["stopped for 2.00 s", "SIGSTOP"]);
        assert_eq!(health.contaminated, [(18_000_000_000, 23_000_000_000)]);
    }

    #[test]
    fn trouble_outside_the_judged_window_is_not_counted() {
        let mut script = healthy();
        for row in &mut script.generator {
            row.at_ns = Offset(row.at_ns.0 + (60 * SECOND).cast_signed());
            row.busiest_worker = 1.0;
        }
        check(&script, Judgement::Pass, &[]);
    }

    #[test]
    fn a_load_that_was_not_offered_is_inconclusive() {
        let enough = Script { planned: Some(6_100), ..healthy() };
        let health = check(&enough, Judgement::Pass, &["of 6,100 planned"]);
        assert!(health.offered_share.is_some_and(|share| (share - 6_000.0 / 6_100.0).abs() < 1e-6));
        let script = Script { planned: Some(6_200), ..healthy() };
        check(&script, Judgement::Inconclusive, &["6,000 of 6,200 planned arrivals", "lower the rate"]);
        let mut unsent = Script { planned: Some(6_000), ..healthy() };
        unsent.seconds[59] = Second::ok(0, 0).and(Outcome::Unfinished, 100);
        unsent.seconds[58] = Second::ok(0, 0).and(Outcome::Dropped, 100);
        check(&unsent, Judgement::Inconclusive, &["5,800 of 6,000"]);
    }

    #[test]
    fn a_run_without_its_end_is_inconclusive_and_says_what_is_missing() {
        check(&Script { end: None, ..healthy() }, Judgement::Inconclusive, &["partial", "60.0 s of 60.0 s"]);
        let interrupted = Script { end: Some(EndReason::Interrupted), ..healthy() };
        check(&interrupted, Judgement::Inconclusive, &["the run was interrupted"]);
    }

    #[test]
    fn a_part_of_the_load_proves_nothing_about_the_whole() {
        let segment = Some(SegmentFact { number: 2, of: 5 });
        check(&Script { segment, ..healthy() }, Judgement::Inconclusive, &["segment 2 of 5"]);
    }

    #[test]
    fn no_traffic_and_no_arrivals_prove_nothing() {
        check(&Script { traffic: false, ..healthy() }, Judgement::Inconclusive, &["no traffic was recorded"]);
        check(&Script::of(60, |_| Second::default()).criteria(FAST), Judgement::Inconclusive, &["not one arrival"]);
    }

    #[test]
    fn a_miss_the_generator_may_have_caused_is_not_called_one() {
        let mut script = late(20..25, 2_000);
        script.seconds[20..25].iter_mut().for_each(|second| second.ok_ms = vec![1_500; 100]);
        let verdict = script.judge();
        assert_eq!(
            (verdict.judgement, verdict.criteria[0].judgement),
            (Judgement::Inconclusive, Judgement::Inconclusive)
        );
        assert!(
            verdict.criteria[0].reason.contains("not called a miss, because loadgen itself was late"),
            "{verdict:#?}"
        );
        // What a late generator cannot cause still counts.
        script.criteria = r#"require = ["error_rate < 1%"]"#.to_owned();
        script.seconds[40] = Second::ok(0, 0).and(Outcome::UnexpectedStatus, 1_000);
        assert_eq!(script.judge().judgement, Judgement::Fail);
    }
}
