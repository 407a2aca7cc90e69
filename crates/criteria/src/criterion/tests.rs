//! Criteria with options, and limits that are measured themselves, on synthetic runs.

use plimsoll_record::files::EndReason;
use plimsoll_record::ledger::Outcome;
use plimsoll_record::verdict::{CriterionResult, Judgement, Verdict};

use crate::testing::{Noise, Recorded, Script, Second, expect};
use crate::{Baseline, judge_against};

fn named(lines: &str) -> String {
    format!("[criteria.x]\n{lines}")
}

/// Latencies around `ms`, log-normal with a spread of 30 %.
fn around(seed: u64, seconds: u64, per_second: usize, ms: impl Fn(u64) -> f64) -> Script {
    let mut noise = Noise::seeded(seed);
    Script::of(seconds, |i| Second {
        ok_ms: (0..per_second).map(|_| (ms(i) * (0.3 * noise.normal()).exp()) as u64).collect(),
        others: Vec::new(),
    })
}

#[track_caller]
fn result(script: Script, lines: &str) -> CriterionResult {
    script.criteria(&named(lines)).result()
}

#[test]
fn reads_are_compared_with_writes() {
    let run = |write_ms: u64| around(1, 180, 50, |_| 100.0).writes(|_| Second::ok(50, write_ms));
    let faster = r#"phase = "*"
require = "p95(check) < p95(write)""#;
    let pass = result(run(300), faster);
    expect(&pass, Judgement::Pass, &["limit 300 ms", "the limit is 300 ms", "of endpoint write"]);
    assert!(pass.scope == "endpoint check" && (pass.limit - 0.3).abs() < 1e-3, "{pass:?}");
    expect(&result(run(80), faster), Judgement::Fail, &[]);
    let close = result(run(163), faster);
    expect(&close, Judgement::Inconclusive, &[]);
}

#[test]
fn both_sides_of_a_comparison_have_an_interval() {
    // Each known well enough to be told from 178 ms alone, but not from one another.
    let run = |second: f64| {
        around(1, 120, 4, |i| if i < 60 { 100.0 } else { second })
            .phases_are(&[("before", 60, "\"4/s\""), ("after", 60, "\"4/s\"")])
    };
    let lines = r#"phase = "after"
require = "p95 < p95(before) * 1.1""#;
    expect(&result(run(107.0), lines), Judgement::Inconclusive, &["1.1 x", "of phase before", "not known well enough"]);
    expect(&result(run(50.0), lines), Judgement::Pass, &[]);
    expect(&result(run(200.0), lines), Judgement::Fail, &[]);
}

#[test]
fn a_generator_that_is_late_spoils_no_limit_that_is_measured() {
    let lines = r#"phase = "*"
require = "p95(check) < p95(write)""#;
    let mut run = around(1, 60, 50, |_| 100.0).writes(|_| Second::ok(50, 300)).criteria(&named(lines));
    run.generator.iter_mut().for_each(|row| row.sent_late = 100);
    let verdict = run.judge();
    expect(&verdict.criteria[0], Judgement::Pass, &["the limit is 300 ms"]);
}

#[test]
fn too_few_requests_make_no_limit() {
    let run = Script::of(60, |_| Second::ok(50, 100)).writes(|i| Second::ok(usize::from(i < 20), 300));
    let lines = r#"phase = "*"
require = "p95(check) < p95(write)""#;
    expect(&result(run, lines), Judgement::Inconclusive, &["the limit is not known: 20 requests are too few"]);
}

#[test]
fn what_a_limit_refers_to_must_be_there() {
    let lines = r#"phase = "*"
require = "p95(check) < p95(write)""#;
    let silent = around(1, 60, 50, |_| 100.0).writes(|_| Second::default());
    expect(&result(silent, lines), Judgement::Inconclusive, &["the limit is not known", "no request was answered"]);
}

#[test]
fn each_minute_by_itself_and_one_of_twenty_may_miss() {
    let lines = |allow: &str| format!("require = \"p95 < 300ms\"\nevery = \"20s\"\nallow = \"{allow}\"");
    let run = |bad: u64| around(2, 400, 10, move |i| if i / 20 < bad { 500.0 } else { 100.0 });
    let pass = result(run(1), &lines("1 of 20"));
    expect(&pass, Judgement::Pass, &["19 of 20 stretches of 20.0 s", "missed in 1", "1 may miss", "the worst is"]);
    assert!(pass.value.unwrap() > 0.5 && pass.margin.is_none(), "{pass:?}");
    expect(&result(run(2), &lines("1 of 20")), Judgement::Fail, &["missed in 2", "at 0 s it is"]);
    expect(&result(run(1), &lines("0 of 20")), Judgement::Fail, &[]);
}

#[test]
fn stretches_that_decide_nothing_are_no_pass() {
    let lines = "require = \"p99 < 300ms\"\nevery = \"10s\"\nallow = \"1 of 20\"";
    expect(&result(around(2, 120, 10, |_| 100.0), lines), Judgement::Inconclusive, &["open in 12", "299 requests"]);
    expect(&result(around(2, 5, 10, |_| 100.0), lines), Judgement::Inconclusive, &["less than one stretch"]);
}

#[test]
fn two_limits_make_three_outcomes() {
    let judged = |ms: u64| {
        result(Script::of(60, |_| Second::ok(100, ms)), "metric = \"p95\"\nwarn_at = \"2s\"\nfail_at = \"4s\"")
    };
    expect(&judged(500), Judgement::Pass, &["limit 2.00 s"]);
    let warns = judged(3_000);
    expect(&warns, Judgement::Warn, &["is 3.00 s", "limit 2.00 s"]);
    assert_eq!((warns.limit, warns.evidence.warn_limit), (2.0, Some(2.0)));
    expect(&judged(5_000), Judgement::Fail, &["limit 4.00 s"]);
    let none =
        result(Script { traffic: false, ..Script::healthy(5) }, "metric = \"p95\"\nwarn_at = \"2s\"\nfail_at = \"4s\"");
    expect(&none, Judgement::Inconclusive, &[]);
}

#[test]
fn fewer_observations_than_asked_for_decide_nothing() {
    let lines = "require = \"p95 < 300ms\"\nmin_samples = 1000";
    expect(
        &result(around(3, 60, 10, |_| 100.0), lines),
        Judgement::Inconclusive,
        &["600 of at least 1,000 observations"],
    );
    expect(&result(around(3, 60, 10, |_| 900.0), lines), Judgement::Inconclusive, &[]);
    expect(&result(around(3, 120, 10, |_| 100.0), lines), Judgement::Pass, &[]);
}

#[test]
fn inconclusive_counts_as_the_plan_says_but_nothing_is_never_a_warning() {
    let few = || Script::of(20, |_| Second::ok(5, 10));
    let lines = |word: &str| format!("require = \"p99 < 500ms\"\non_inconclusive = \"{word}\"");
    expect(&result(few(), &lines("fail")), Judgement::Fail, &["undecided, which the plan counts as fail"]);
    expect(&result(few(), &lines("warn")), Judgement::Warn, &["counts as warn"]);
    let none = || Script::of(20, |_| Second::default());
    expect(&result(none(), &lines("warn")), Judgement::Inconclusive, &[]);
    expect(&result(none(), &lines("fail")), Judgement::Fail, &[]);
}

#[test]
fn a_criterion_that_does_not_apply_is_skipped_and_said_so() {
    let lines = named("require = \"p99 < 1ms\"\nwhen = \"share(limited) > 0%\"");
    let script = Script::healthy(60).criteria(&format!("require = [\"error_rate < 1%\"]\n{lines}"));
    let verdict = script.judge();
    assert_eq!((verdict.judgement, verdict.criteria.len()), (Judgement::Pass, 1), "{verdict:#?}");
    assert!(verdict.skipped[0].reason.contains("does not hold: it is 0.00 %"), "{:?}", verdict.skipped);
    assert!(verdict.concerns[0].starts_with("x was not judged: `share(limited) > 0%`"), "{:?}", verdict.concerns);
    let limited = Script::of(60, |_| Second::ok(90, 10).and(Outcome::Limited, 10)).criteria(&lines);
    assert_eq!(limited.judge().judgement, Judgement::Fail);
    let unknown = Script::healthy(60).criteria(&named("require = \"p99 < 1s\"\nwhen = \"max(redis.keys) > 5\""));
    expect(&unknown.result(), Judgement::Inconclusive, &["is not known", "no sample of redis.keys"]);
}

#[test]
fn a_run_to_which_nothing_applies_is_no_pass() {
    let lines = named("require = \"p99 < baseline * 1.1\"\nwhen = \"baseline\"");
    let verdict = Script::healthy(60).criteria(&lines).judge();
    assert_eq!(verdict.judgement, Judgement::Inconclusive);
    assert!(verdict.sentence.contains("no criterion applies"), "{}", verdict.sentence);
}

#[test]
fn only_the_stated_times_of_a_phase_are_judged() {
    let run = || around(4, 240, 20, |i| if i < 60 { 900.0 } else { 100.0 });
    expect(&result(run(), "require = \"p95 < 300ms\""), Judgement::Fail, &[]);
    let settled = result(run(), "require = \"p95 < 300ms\"\nfrom = \"60s\"\nto = \"4m\"");
    expect(&settled, Judgement::Pass, &["of 3,600 requests"]);
    assert_eq!(settled.scope, "phase steady, 60.0 s to 4 min 0 s");
    let rate = result(run(), "require = \"throughput > 19.9/s\"\nfrom = \"60s\"\nto = \"2m\"");
    expect(&rate, Judgement::Pass, &["1,200 complete answers in 60.0 s"]);
}

#[test]
fn several_phases_are_judged_as_one() {
    let run = around(5, 180, 20, |i| if i < 60 { 900.0 } else { 100.0 }).phases_are(&[
        ("a", 60, "\"20/s\""),
        ("b", 60, "\"20/s\""),
        ("c", 60, "\"20/s\""),
    ]);
    let result = result(run, "require = \"p95 < 300ms\"\nphase = [\"b\", \"c\"]");
    expect(&result, Judgement::Pass, &["of 2,400 requests"]);
    assert_eq!(result.scope, "phases b, c");
}

#[test]
fn a_miss_says_what_would_pass_and_how_many_were_too_many() {
    let slow = |i: u64| if i.is_multiple_of(10) { 900.0 } else { 100.0 };
    let result = result(around(6, 240, 20, slow), "require = \"p95 < 500ms\"");
    expect(&result, Judgement::Fail, &["; passes at ", "are too many"]);
    let limit = result.evidence.passes_at.unwrap();
    assert!(limit > 0.5 && Some(limit) == result.interval.map(|interval| interval.high), "{result:?}");
    // 10 % are slow; with n_eff of all 4,800 about 4.4 % would do, with fewer less.
    assert!((250..480).contains(&result.evidence.excess.unwrap()), "{:?}", result.evidence);
}

#[test]
fn a_run_that_was_given_up_fails_by_the_criterion_it_was_given_up_for() {
    let lines = "abort = true\nrequire = \"error_rate < 5%\"";
    let second = |i| if i < 20 { Second::ok(20, 10) } else { Second::default().and(Outcome::Unfinished, 20) };
    let script = |end| Script { end: Some(end), ..Script::of(22, second) };
    let interrupted = result(script(EndReason::Interrupted), lines);
    expect(&interrupted, Judgement::Inconclusive, &["the run did not reach its end"]);
    let verdict = script(EndReason::Stopped).criteria(&named(lines)).judge();
    expect(&verdict.criteria[0], Judgement::Fail, &[]);
    assert_eq!(verdict.judgement, Judgement::Fail);
    assert!(verdict.generator.reason.contains("given up because a criterion was lost"), "{:?}", verdict.generator);
}

const NO_REGRESSION: &str = "require = \"p95 <= baseline * 1.10 + 5ms\"";

fn recorded(seed: u64, ms: f64, lines: &str) -> Recorded {
    around(seed, 180, 50, |_| ms).criteria(&named(lines)).record()
}

fn against(candidate: &Recorded, earlier: &[Recorded]) -> Verdict {
    let baselines: Vec<Baseline<'_>> =
        earlier.iter().map(|run| Baseline { facts: &run.facts, plan: &run.plan }).collect();
    judge_against(&candidate.facts, &candidate.plan, &candidate.plan.criteria, &baselines).unwrap()
}

#[test]
fn without_an_earlier_run_there_is_no_regression_to_rule_out() {
    let verdict = recorded(1, 100.0, NO_REGRESSION).judge();
    expect(&verdict.criteria[0], Judgement::Inconclusive, &["verdict check DIR --baseline EARLIER"]);
}

#[test]
fn one_earlier_run_warns_of_what_is_worse_and_fails_what_is_gross() {
    let earlier = [recorded(1, 100.0, NO_REGRESSION)];
    let judged = |ms: f64| against(&recorded(2, ms, NO_REGRESSION), &earlier).criteria.remove(0);
    expect(&judged(100.0), Judgement::Pass, &["the baseline is 1"]);
    expect(&judged(122.0), Judgement::Warn, &["with one earlier run that may be chance"]);
    expect(&judged(160.0), Judgement::Fail, &["beyond twice the tolerance"]);
    expect(&judged(113.0), Judgement::Inconclusive, &["not known well enough"]);
}

#[test]
fn several_earlier_runs_say_what_is_chance() {
    let runs = |levels: &[f64]| -> Vec<Recorded> {
        levels.iter().zip(1..).map(|(ms, seed)| recorded(seed, *ms, NO_REGRESSION)).collect()
    };
    let quiet = runs(&[100.0, 101.0, 99.0, 100.5]);
    let judged = |ms: f64, earlier: &[Recorded]| against(&recorded(9, ms, NO_REGRESSION), earlier).criteria.remove(0);
    expect(&judged(101.0, &quiet), Judgement::Pass, &["over 4 runs, another like them would lie in ["]);
    expect(&judged(125.0, &quiet), Judgement::Fail, &[]);
    let noisy = runs(&[100.0, 130.0, 80.0, 115.0]);
    expect(&judged(125.0, &noisy), Judgement::Inconclusive, &["no further than earlier runs differ"]);
}

#[test]
fn runs_that_cannot_be_compared_decide_nothing() {
    let candidate = recorded(2, 100.0, NO_REGRESSION);
    let other_load = around(1, 60, 50, |_| 100.0).criteria(&named(NO_REGRESSION)).record();
    let verdict = against(&candidate, &[other_load]);
    expect(&verdict.criteria[0], Judgement::Inconclusive, &["no earlier run can be compared with", "another load"]);
    let mut elsewhere = recorded(1, 100.0, NO_REGRESSION);
    elsewhere.on_another_machine();
    let verdict = against(&candidate, &[elsewhere]);
    expect(&verdict.criteria[0], Judgement::Inconclusive, &["not comparable", "had another number of cores"]);
}

#[test]
fn errors_and_means_are_compared_with_earlier_runs_too() {
    let lines = "require = [\"mean < baseline * 1.2\", \"error_rate <= baseline + 1%\"]";
    let earlier = [recorded(1, 100.0, lines)];
    let verdict = against(&recorded(2, 104.0, lines), &earlier);
    assert_eq!(verdict.judgement, Judgement::Pass, "{verdict:#?}");
}
