//! The judgement of a whole run: the generator first, then every criterion; the worst outcome wins.

use plimsoll_plan::{Criterion, Plan};
use plimsoll_record::files::{FORMAT, ReadError};
use plimsoll_record::summary::{Facts, Scope};
use plimsoll_record::verdict::{
    CriterionResult, GeneratorHealth, Judgement, Severity, Skipped, TrafficGlance, Verdict,
};

use crate::baseline::Baseline;
use crate::criterion::{self, Judged};
use crate::health::Health;
use crate::run::JudgedRun;
use crate::{calibration, concerns, families, memory, recommendations, rounding, stopped, words};

/// Why a run could not be judged at all.
#[derive(Debug, thiserror::Error)]
pub enum JudgeError {
    /// The request log is damaged.
    #[error("the request log cannot be read")]
    Requests(#[from] ReadError),
}

/// Judges a run by `criteria`, which are the plan's own or those of another file checked against it.
///
/// The overall judgement is the worst of the generator's health, an alert that stopped the run, and all criteria. A
/// preference that cannot be decided counts as a warning, unless there was no data at all.
///
/// # Errors
/// [`JudgeError`] when a file of the run that is read on demand is damaged.
pub fn judge(facts: &Facts, plan: &Plan, criteria: &[Criterion]) -> Result<Verdict, JudgeError> {
    judge_against(facts, plan, criteria, &[])
}

/// The same, in comparison with earlier runs: what criteria call `baseline`.
///
/// # Errors
/// [`JudgeError`] when a file of a run that is read on demand is damaged.
pub fn judge_against<'a>(
    facts: &'a Facts,
    plan: &'a Plan,
    criteria: &[Criterion],
    baselines: &[Baseline<'a>],
) -> Result<Verdict, JudgeError> {
    let run = JudgedRun::new(facts, plan).against(baselines);
    let health = Health::examine(&run, criteria);
    let mut results: Vec<CriterionResult> = stopped::result(&run).into_iter().collect();
    let mut skipped = Vec::new();
    for criterion in criteria {
        match criterion::judge(&run, &health, criterion)? {
            Judged::Result(result) => results.push(*result),
            Judged::Skipped(one) => skipped.push(one),
        }
    }
    let judgement = results.iter().map(weight).fold(health.judgement(), Judgement::max);
    let judgement = if results.is_empty() { judgement.max(Judgement::Inconclusive) } else { judgement };
    let mut verdict = Verdict {
        format: FORMAT,
        run: facts.run.info().id.clone(),
        plan: plan.name.clone(),
        judgement,
        sentence: sentence(judgement, &health, &results, &skipped),
        traffic: glance(&run),
        generator: GeneratorHealth { calibration: calibration::sentence(&run), ..health.into_record() },
        concerns: concerns::list(&run, criteria, &skipped),
        recommendations: recommendations::list(&run, &results),
        memory: memory::list(&run, criteria),
        limiter: families::limiter_facts(&run, criteria)?,
        criteria: results,
        skipped,
    };
    rounding::round(&mut verdict);
    Ok(verdict)
}

fn glance(run: &JudgedRun<'_>) -> Option<TrafficGlance> {
    run.facts.traffic.as_ref()?;
    let totals = run.totals(&Scope::default());
    let p95 = totals.response(0.95);
    Some(TrafficGlance {
        finished: totals.ledger.finished(),
        error_rate: totals.error_rate(),
        p95_ns: p95.map(|p95| p95.nanos),
        p95_at_least: p95.is_some_and(|p95| p95.at_least),
    })
}

/// What a criterion weighs in the whole: a missed preference costs a warning, so an undecided one costs no more. With
/// no data at all nothing is known, whatever the severity.
fn weight(result: &CriterionResult) -> Judgement {
    match (result.severity, result.judgement) {
        (Severity::Prefer, Judgement::Inconclusive) if result.samples > 0 => Judgement::Warn,
        (_, judgement) => judgement,
    }
}

/// What decided, without the word for the judgement itself: every renderer says that first in its own way.
fn sentence(judgement: Judgement, health: &Health, results: &[CriterionResult], skipped: &[Skipped]) -> String {
    if judgement == Judgement::Pass {
        return match results.len() {
            1 => "the criterion is met".to_owned(),
            n => format!("all {n} criteria are met"),
        };
    }
    if health.judgement() == judgement {
        return health.reason();
    }
    let deciding: Vec<&CriterionResult> = results.iter().filter(|result| weight(result) == judgement).collect();
    match deciding.as_slice() {
        [] if !skipped.is_empty() => "no criterion applies to this run: see what was not judged".to_owned(),
        [] => "the plan has no criteria; add [criteria] or pass --criteria FILE".to_owned(),
        [only] => words::decision(only),
        [first, others @ ..] => format!("{} (and {} more)", words::decision(first), others.len()),
    }
}

#[cfg(test)]
mod tests {
    use plimsoll_record::events::{Event, Level};
    use plimsoll_record::ledger::Outcome;
    use plimsoll_record::logs::{EventCount, LogCounts, LogFact};
    use plimsoll_record::series::{Gap, GapReason, SeriesFact};

    use super::*;
    use crate::testing::{Script, Second, at};

    #[track_caller]
    fn check(script: &Script, judgement: Judgement, sentence: &str) -> Verdict {
        let verdict = script.judge();
        assert_eq!(verdict.judgement, judgement, "{verdict:#?}");
        assert!(verdict.sentence.contains(sentence), "`{sentence}` is not in `{}`", verdict.sentence);
        verdict
    }

    fn leaking() -> Script {
        Script::healthy(60).used_memory(|i| 5e6 + 6e6 / 60.0 * i as f64)
    }

    #[test]
    fn everything_met_is_a_pass() {
        let script = Script::healthy(60).criteria(r#"require = ["p99 < 500ms", "error_rate < 1%"]"#);
        let verdict = check(&script, Judgement::Pass, "all 2 criteria are met");
        assert!(verdict.concerns.is_empty() && verdict.recommendations.is_empty(), "{verdict:#?}");
        assert!(verdict.criteria.iter().all(|result| result.scope == "phase steady"));
    }

    #[test]
    fn the_whole_runs_traffic_is_shown_at_a_glance() {
        let script = Script::of(60, |_| Second::ok(99, 10).and(Outcome::UnexpectedStatus, 1));
        let traffic = script.judge().traffic.unwrap();
        assert_eq!((traffic.finished, traffic.error_rate, traffic.p95_at_least), (6_000, Some(0.01), false));
        assert!(traffic.p95_ns.unwrap().abs_diff(10_000_000) < 20_000, "{traffic:?}");
        assert_eq!(Script { traffic: false, ..Script::healthy(60) }.judge().traffic, None);
    }

    #[test]
    fn the_sentence_says_what_decided() {
        let lines = "require = [\"p99 < 500ms\"]\n[criteria.redis-memory]\nphase = \"steady\"\nrequire = \"slope(redis.used_memory) < 1 MB/min\"\nhint = \"Keys?\"";
        let decided = "redis-memory: slope(redis.used_memory) is 6.00 MB/min, limit 1.00 MB/min";
        let verdict = check(&leaking().criteria(lines), Judgement::Fail, decided);
        assert_eq!(verdict.criteria[1].hint.as_deref(), Some("Keys?"));
        assert_eq!(verdict.criteria[0].hint, None);
        let slow = Script::of(60, |_| Second::ok(100, 800)).criteria(r#"require = ["p99 < 500ms", "mean < 500ms"]"#);
        check(&slow, Judgement::Fail, "p99 is 800 ms, limit 500 ms (and 1 more)");
    }

    #[test]
    fn a_missed_preference_warns_and_the_worst_wins() {
        let slow = |lines: &str| Script::of(60, |_| Second::ok(100, 800)).criteria(lines);
        check(&slow(r#"prefer = ["p99 < 500ms"]"#), Judgement::Warn, "p99 is 800 ms");
        check(&slow("prefer = [\"p99 < 500ms\"]\nrequire = [\"mean < 500ms\"]"), Judgement::Fail, "mean is 800 ms");
    }

    #[test]
    fn an_undecided_preference_warns_but_no_data_is_inconclusive() {
        let few = Script::of(20, |_| Second::ok(5, 10)).criteria(r#"prefer = ["p99 < 500ms"]"#);
        let verdict = check(&few, Judgement::Warn, "299 requests");
        assert_eq!(verdict.criteria[0].judgement, Judgement::Inconclusive);
        let none = Script::healthy(60).criteria(r#"prefer = ["max(redis.keys) < 10"]"#);
        check(&none, Judgement::Inconclusive, "no sample of redis.keys");
    }

    #[test]
    fn without_criteria_nothing_passes() {
        check(&Script::healthy(60), Judgement::Inconclusive, "the plan has no criteria; add [criteria]");
    }

    #[test]
    fn a_sick_generator_is_told_first() {
        let mut script = Script::healthy(60).criteria(r#"require = ["p99 < 500ms"]"#);
        script.generator[10..20].iter_mut().for_each(|row| row.busiest_worker = 1.0);
        let verdict = check(&script, Judgement::Inconclusive, "contaminated: 10.0-20.0 s");
        assert_eq!(verdict.criteria[0].judgement, Judgement::Pass);
    }

    #[test]
    fn a_run_stopped_by_an_alert_failed() {
        let alert = Event::Alert {
            at_ns: at(30.0),
            level: Level::Critical,
            metric: "redis.used_memory".to_owned(),
            value: 60e6 / 60.0,
            limit: 50e6 / 60.0,
            message: "used_memory grows by 60 MB/min".to_owned(),
        };
        let stop = Event::Stop { at_ns: at(30.1), reason: "alert".to_owned(), signals: vec!["TERM".to_owned()] };
        let script = Script { events: vec![alert, stop], ..Script::healthy(60) };
        let script = script.criteria(r#"require = ["p99 < 500ms"]"#);
        let verdict = check(&script, Judgement::Fail, "alert:");
        assert!(verdict.criteria[0].reason.contains("used_memory grows by 60 MB/min"), "{verdict:#?}");
        assert!(verdict.concerns[0].starts_with("critical at 30.0 s"), "{:?}", verdict.concerns);
    }

    #[test]
    fn concerns_name_gaps_log_errors_and_failures_nobody_judges() {
        let mut script = leaking().criteria(r#"require = ["p99 < 500ms"]"#);
        script.seconds[3] = Second::ok(0, 0).and(Outcome::UnexpectedStatus, 1_000);
        script.seconds[4] = Second::ok(97, 10).and(Outcome::FailedCheck, 3);
        let gap = Gap { at_ns: at(7.5), reason: GapReason::TimedOut, detail: String::new() };
        script.redis[7] = SeriesFact::Gap(gap);
        let events = vec![EventCount { event: "oom".to_owned(), value: None, count: 3 }];
        script.logs =
            Some(vec![LogFact::Counts(LogCounts { at_ns: at(5.0), log: "errors".to_owned(), lines: 9, events })]);
        let concerns = script.judge().concerns.join("\n");
        for expected in [
            "14.5 % of all arrivals failed (1,003), and no criterion looks at error_rate",
            "the check `has items` of check failed for 3 of 5,900 answers",
            "redis: 1 sample is missing (no answer in time), the first at 7.5 s",
            "log limits had no lines",
            "log errors: 3 lines about oom",
        ] {
            assert!(concerns.contains(expected), "`{expected}` is not in\n{concerns}");
        }
    }

    #[test]
    fn advice_on_a_leak_names_keys_without_ttl_and_the_time_left() {
        let script = Script::healthy(60)
            .redis(|i| {
                let i = i as f64;
                vec![("used_memory", 5e6 + 1e5 * i), ("keys", 100.0 * i), ("expires", 5.0), ("maxmemory", 16e6)]
            })
            .criteria(r#"require = ["slope(redis.used_memory) < 1 MB/min"]"#);
        let advice = script.judge().recommendations.join("\n");
        assert!(advice.contains("5,900 of 5,900 new keys have no time to live"), "{advice}");
        assert!(advice.contains("reaches its maxmemory of 16.0 MB in 51.0 s"), "{advice}");
    }

    #[test]
    fn a_run_that_only_watched_is_judged_on_what_it_saw() {
        let script = Script { traffic: false, ..leaking() };
        let script = script.criteria("[criteria.memory]\nphase = \"*\"\nrequire = \"max(redis.used_memory) < 20MB\"");
        let mut recorded = script.record();
        recorded.plan.phases.clear();
        let verdict = recorded.judge();
        assert_eq!(verdict.judgement, Judgement::Pass, "{verdict:#?}");
        assert_eq!((verdict.generator.reason.as_str(), verdict.criteria[0].samples), ("the plan makes no traffic", 60));
    }

    #[test]
    fn judging_again_gives_the_same_bytes() {
        let mut noise = crate::testing::Noise::seeded(3);
        let memory: Vec<f64> = noise.autoregressive(240, 20.0);
        let script = Script::of(240, |_| Second {
            ok_ms: (0..20).map(|_| (noise.uniform() * 90.0) as u64).collect(),
            others: vec![],
        })
        .used_memory(|i| 10e6 + 1e5 * memory[i as usize])
        .criteria(
            r#"require = ["p95 < 88ms", "mean < 45ms", "error_rate < 1%", "slope(redis.used_memory) < 1 MB/min"]"#,
        );
        let recorded = script.record();
        let again = Facts::load(recorded.dir.path()).unwrap();
        let json = |facts: &Facts| {
            let verdict = judge(facts, &recorded.plan, &recorded.plan.criteria).unwrap();
            serde_json::to_string_pretty(&verdict).unwrap()
        };
        let first = json(&recorded.facts);
        assert_eq!(first, json(&again));
        let read: Verdict = serde_json::from_str(&first).unwrap();
        assert_eq!(serde_json::to_string_pretty(&read).unwrap(), first);
    }
}
