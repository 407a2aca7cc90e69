//! The generator's health, judged before anything else: did it offer what the plan says, when it says?
//!
//! A generator that was late, stood still or ran out of something measured itself instead of the service. Such a run
//! cannot pass; and criteria its trouble may have spoilt are not called missed.

use plimsoll_plan::{Criterion, Metric};
use plimsoll_record::files::EndReason;
use plimsoll_record::latency::Histogram;
use plimsoll_record::ledger::{Class, Ledger, Outcome};
use plimsoll_record::summary::{Scope, Window};
use plimsoll_record::traffic::{GeneratorInterval, PhaseFact};
use plimsoll_record::units::Unit;
use plimsoll_record::verdict::{GeneratorHealth, Judgement};

use crate::goal::{Finding, Standing};
use crate::place::Place;
use crate::run::JudgedRun;
use crate::words;

/// An interval is suspect when more of its requests were late: its 99th percentile of send lag is beyond the limit.
const MOST_LATE: f64 = 0.01;
/// Send lag below this share of the service time cannot change a judgement.
const LAG_THAT_MATTERS: f64 = 0.1;
/// A worker busier than this has no time left to be punctual.
const BUSIEST_WORKER: f64 = 0.9;
/// An interval this many times as long as planned: the generator stood still.
const FROZEN: f64 = 1.5;
/// More time of the window lost than this share and these seconds, and the run cannot be trusted. What counts is the
/// time in which the generator could not send, not the length of the intervals it happened in: a hiccup of 50 ms once
/// in a while changes neither the load nor, since lag is part of the response time, a latency criterion's pass.
const MOST_LOST_SHARE: f64 = 0.01;
const MOST_LOST_S: f64 = 0.5;
/// Fewer arrivals offered than this share of the planned ones, and another load was measured.
const LEAST_OFFERED: f64 = 0.98;

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
    LocalResource,
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
            Self::LocalResource => "loadgen ran out of ports or file descriptors",
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
        health.check_resources(&judged);
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
            Some(EndReason::Stopped) => "the run was stopped",
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

    fn check_resources(&mut self, judged: &Judged) {
        let failed = judged.ledger.count(Outcome::LocalResource);
        if failed > 0 {
            let words = format!(
                "loadgen ran out of ports or file descriptors for {} requests; raise `ulimit -n` or widen net.ipv4.ip_local_port_range",
                words::count(failed)
            );
            self.trouble(Cause::LocalResource, words);
        }
    }

    fn check_lag(&mut self, run: &JudgedRun<'_>, judged: &Judged) {
        let Some(traffic) = &run.facts.traffic else { return };
        let limits = LagLimits::of(traffic.header.body.max_send_lag_ns, traffic.header.body.every_ns, &judged.service);
        let mut worst = Worst::default();
        for row in run.facts.generator() {
            if let Some(span) = overlap(contaminated_span(row), judged.window).filter(|_| limits.exceeded_by(row)) {
                self.contaminated.push(span);
                worst.see(row, span, &limits);
            }
        }
        self.contaminated = merged(std::mem::take(&mut self.contaminated));
        if worst.lost_s > MOST_LOST_SHARE * judged.window.seconds() && worst.lost_s > MOST_LOST_S {
            let words = format!("contaminated: {}: {}", spans(&self.contaminated), worst.words());
            self.trouble(Cause::Contaminated, words);
        }
        self.fine = self.fine_words(judged, worst.lost_s);
    }

    fn fine_words(&self, judged: &Judged, lost_s: f64) -> String {
        let sent = words::count(judged.ledger.scheduled());
        let planned = judged.planned.map_or_else(String::new, |n| format!(" of {} planned", words::count(n)));
        let late = if lost_s > 0.0 {
            format!("; held up for {} in all, too little to matter", words::duration(lost_s))
        } else {
            ", none of them late".to_owned()
        };
        format!("offered {sent}{planned} arrivals{late}")
    }
}

/// Which metrics a trouble may have spoilt.
fn distorts(cause: Cause, metric: &Metric, unfinished: &dyn Fn() -> bool) -> bool {
    let latency = matches!(metric, Metric::Percentile { .. } | Metric::Mean | Metric::Max);
    let rate = matches!(metric, Metric::Throughput | Metric::Count);
    let share = matches!(metric, Metric::ErrorRate | Metric::LimitedShare);
    match cause {
        Cause::NoTraffic => latency || rate || share,
        Cause::Incomplete => rate || (latency || share) && unfinished(),
        Cause::Contaminated => latency || rate,
        Cause::OfferedTooLittle | Cause::Segment => rate,
        Cause::LocalResource => rate || share,
    }
}

/// What the criteria look at, all together: their phases, or the whole run.
#[derive(Debug, Default)]
struct Judged {
    window: Window,
    ledger: Ledger,
    service: Histogram,
    /// Of phases that came to their end and whose arrivals the plan fixes: planned, and what became of them.
    planned: Option<u64>,
    planned_ledger: Ledger,
}

impl Judged {
    fn of(run: &JudgedRun<'_>, criteria: &[Criterion]) -> Self {
        let phases = run.facts.traffic.as_ref().map_or(&[][..], |traffic| &traffic.header.body.phases);
        let whole_run = criteria.is_empty() || criteria.iter().any(|criterion| criterion.scope.phase.is_none());
        let named = |name: &str| criteria.iter().any(|criterion| criterion.scope.phase.as_deref() == Some(name));
        let mut judged = Self::default();
        let mut hull: Option<Window> = None;
        for ((index, phase), window) in (0..).zip(phases).zip(run.facts.phase_windows()) {
            if whole_run || named(&phase.name) {
                let from = hull.map_or(window.from, |hull| hull.from.min(window.from));
                let to = hull.map_or(window.to, |hull| hull.to.max(window.to));
                hull = Some(Window { from, to });
                judged.add(run, index, phase, window);
            }
        }
        judged.window = hull.filter(|_| !whole_run).or(run.facts.run_window()).unwrap_or_default();
        judged
    }

    fn add(&mut self, run: &JudgedRun<'_>, index: u32, phase: &PhaseFact, window: Window) {
        let totals = run.totals(&Scope { phase: Some(index), ..Scope::default() });
        self.ledger.merge(&totals.ledger);
        self.service.merge(&totals.served.service);
        let came_to_its_end = phase.end_ns.is_none_or(|end| window.to >= end);
        if let (Some(planned), true) = (phase.planned_arrivals, came_to_its_end) {
            self.planned = Some(self.planned.unwrap_or(0) + planned);
            self.planned_ledger.merge(&totals.ledger);
        }
    }
}

/// What makes an interval suspect.
#[derive(Clone, Copy, Debug)]
struct LagLimits {
    header_ns: u64,
    service_ns: u64,
    every_ns: u64,
}

impl LagLimits {
    fn of(header_ns: u64, every_ns: u64, service: &Histogram) -> Self {
        let median = service.quantile(0.5).unwrap_or(0);
        Self { header_ns, service_ns: (median as f64 * LAG_THAT_MATTERS) as u64, every_ns }
    }

    fn exceeded_by(&self, row: &GeneratorInterval) -> bool {
        // The row counts late requests by the header's limit. Where the service is so slow that more lag does no harm,
        // only the percentile can be compared.
        let late = if self.service_ns > self.header_ns {
            row.send_lag_p99_ns > self.service_ns
        } else {
            row.sent_late as f64 > MOST_LATE * row.sent as f64
        };
        late || row.busiest_worker > BUSIEST_WORKER || self.is_frozen(row)
    }

    /// The time of `span` in which the generator could not send. A busy worker has no time to spare at all; one that
    /// was late otherwise could not send for as long as its latest request waited.
    fn lost_s(&self, row: &GeneratorInterval, span: Window) -> f64 {
        let whole = self.is_frozen(row) || row.busiest_worker > BUSIEST_WORKER;
        if whole { span.seconds() } else { span.seconds().min(row.send_lag_max_ns as f64 / 1e9) }
    }

    fn is_frozen(&self, row: &GeneratorInterval) -> bool {
        row.len_ns as f64 > FROZEN * self.every_ns as f64
    }
}

/// The contaminated intervals taken together, for the judgement and its reason.
#[derive(Debug, Default)]
struct Worst {
    lost_s: f64,
    lag_ns: u64,
    worker: f64,
    frozen: bool,
}

impl Worst {
    fn see(&mut self, row: &GeneratorInterval, span: Window, limits: &LagLimits) {
        self.lost_s += limits.lost_s(row, span);
        self.lag_ns = self.lag_ns.max(row.send_lag_max_ns);
        self.worker = self.worker.max(row.busiest_worker);
        self.frozen |= limits.is_frozen(row);
    }

    fn words(&self) -> String {
        let lag =
            format!("sent up to {} late although a connection was free", Unit::Seconds.show(self.lag_ns as f64 / 1e9));
        if self.frozen {
            format!("loadgen stood still (suspended or starved of CPU), {lag}; run it on a machine that is not busy")
        } else if self.worker > BUSIEST_WORKER {
            let share = Unit::Share.show(self.worker);
            format!("a worker used {share} of its core, {lag}; lower the rate or give loadgen more cores")
        } else {
            format!("{lag}; run loadgen on a machine of its own, or lower the rate")
        }
    }
}

/// Requests of this row were meant to be sent as early as its largest lag before it began.
fn contaminated_span(row: &GeneratorInterval) -> Window {
    let from = row.at_ns.0.saturating_sub_unsigned(row.send_lag_max_ns);
    let to = row.at_ns.0.saturating_add_unsigned(row.len_ns);
    Window { from: plimsoll_record::Offset(from), to: plimsoll_record::Offset(to) }
}

fn overlap(span: Window, window: Window) -> Option<Window> {
    let both = Window { from: span.from.max(window.from), to: span.to.min(window.to) };
    (both.from < both.to).then_some(both)
}

fn merged(mut spans: Vec<Window>) -> Vec<Window> {
    spans.sort_by_key(|span| (span.from, span.to));
    let mut merged: Vec<Window> = Vec::new();
    for span in spans {
        match merged.last_mut() {
            Some(last) if span.from <= last.to => last.to = last.to.max(span.to),
            _ => merged.push(span),
        }
    }
    merged
}

fn spans(windows: &[Window]) -> String {
    const SHOWN: usize = 5;
    let shown = windows.iter().take(SHOWN);
    let text = shown.map(|window| format!("{:.1}-{:.1} s", window.from.as_secs_f64(), window.to.as_secs_f64()));
    let text = text.collect::<Vec<_>>().join(", ");
    match windows.len().saturating_sub(SHOWN) {
        0 => text,
        more => format!("{text} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use plimsoll_record::Offset;
    use plimsoll_record::traffic::SegmentFact;

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
    fn running_out_of_ports_is_named() {
        let mut script = healthy();
        script.seconds[5] = Second::ok(90, 10).and(Outcome::LocalResource, 10);
        check(&script, Judgement::Inconclusive, &["ports or file descriptors for 10 requests", "ulimit -n"]);
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

    #[test]
    fn overlapping_spans_become_one() {
        let span = |from, to| Window { from: Offset(from), to: Offset(to) };
        assert_eq!(merged(vec![span(5, 9), span(0, 2), span(1, 5), span(20, 21)]), [span(0, 9), span(20, 21)]);
    }
}
