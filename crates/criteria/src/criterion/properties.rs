//! What holds for every criterion: no data is no pass, worse data make no better judgement, a milder limit no worse one.

use plimsoll_record::ledger::Outcome;
use plimsoll_record::verdict::Judgement;
use proptest::prelude::*;

use crate::testing::{Script, Second};

/// One of each kind, all of which nothing at all might seem to meet.
const EVERY_KIND: [&str; 25] = [
    "p99 < 1s",
    "service.p50 < 1s",
    "mean < 1s",
    "max < 1s",
    "error_rate < 1%",
    "error_rate <= 0%",
    "limited_share < 50%",
    "throughput < 100/s",
    "count < 100",
    "share(5xx) < 1%",
    "count(timed_out) == 0",
    "rate(failed) < 1/s",
    "drift(p95) < 20%",
    "recovery_time(spike) < 60s",
    "knee(p95 < 2s) >= 0/s",
    "limiter.effectiveness >= 0%",
    "limiter.false_rejects < 100%",
    "redis.fragmentation < 2",
    "slope(redis.used_memory) < 1 MB/min",
    "max(redis.keys) < 5",
    "rate(redis.evicted_keys) < 1/s",
    "log.errors.oom == 0",
    "p95 < p95(before) * 2",
    "p95 <= baseline * 1.1",
    "mean(check) < mean(write)",
];

/// Three phases in which nothing happens.
fn nothing(traffic: bool, criteria: &str) -> Script {
    let phases = [("before", 20, "\"9/s\""), ("spike", 20, "\"99/s\""), ("after", 20, "\"9/s\"")];
    let script = Script::of(60, |_| Second::default()).writes(|_| Second::default()).phases_are(&phases);
    Script { traffic, ..script }.criteria(criteria)
}

#[test]
fn no_data_is_never_a_pass_nor_a_warning() {
    for options in ["", "every = \"10s\"\nallow = 1", "on_inconclusive = \"warn\"", "min_samples = 1"] {
        let whole = ["drift", "recovery", "knee", "limiter", "lost", "baseline", "(before)", "(write)"];
        let fits = |text: &&str| !(options.starts_with("every") && whole.iter().any(|word| text.contains(word)));
        let tables = EVERY_KIND.into_iter().filter(fits).zip(0..);
        let tables = tables.map(|(text, n)| format!("[criteria.x{n}]\n{options}\nrequire = \"{text}\"\n"));
        let lines: String = tables.collect();
        for traffic in [true, false] {
            let verdict = nothing(traffic, &lines).judge();
            let decided: Vec<_> =
                verdict.criteria.iter().filter(|result| result.judgement != Judgement::Inconclusive).collect();
            assert!(decided.is_empty(), "{options}: {decided:#?}");
            assert_eq!(verdict.judgement, Judgement::Inconclusive);
        }
    }
}

/// From good to bad.
fn rank(judgement: Judgement) -> u8 {
    match judgement {
        Judgement::Pass => 0,
        Judgement::Warn => 1,
        Judgement::Inconclusive => 2,
        Judgement::Fail => 3,
    }
}

fn judged(slow: &[usize], failed: &[u64], expressions: &[String]) -> Vec<u8> {
    let second = |i: u64| {
        let (slow, failed) = (slow[i as usize % slow.len()], failed[i as usize % failed.len()]);
        let ok_ms = std::iter::repeat_n(800, slow).chain(std::iter::repeat_n(10, 20)).collect();
        Second { ok_ms, others: vec![(Outcome::Refused, failed)] }
    };
    let list: Vec<String> = expressions.iter().map(|expression| format!("\"{expression}\"")).collect();
    let verdict = Script::of(30, second).criteria(&format!("require = [{}]", list.join(", "))).judge();
    verdict.criteria.iter().map(|result| rank(result.judgement)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]

    #[test]
    fn more_bad_requests_never_make_a_better_judgement(
        slow in prop::collection::vec(0usize..4, 3..8), failed in prop::collection::vec(0u64..3, 3..8), at in 0usize..8
    ) {
        let expressions = ["p95 < 500ms", "max < 500ms", "mean < 100ms", "error_rate < 5%", "share(refused) < 5%", "count(refused) < 30"];
        let expressions = expressions.map(str::to_owned);
        let before = judged(&slow, &failed, &expressions);
        let mut slower = slow.clone();
        slower[at % slow.len()] += 1;
        let after = judged(&slower, &failed, &expressions);
        prop_assert!((0..3).all(|i| after[i] >= before[i]), "{before:?}, then {after:?}");
        let mut worse = failed.clone();
        worse[at % failed.len()] += 1;
        let after = judged(&slow, &worse, &expressions);
        prop_assert!((3..6).all(|i| after[i] >= before[i]), "{before:?}, then {after:?}");
    }

    #[test]
    fn a_milder_limit_never_makes_a_worse_judgement(slow in prop::collection::vec(0usize..4, 3..8)) {
        for expression in [|n: u32| format!("error_rate < {n}%"), |n| format!("mean < {}ms", 5 * n), |n| format!("p95 < {}ms", 40 * n)] {
            let limits: Vec<String> = (1..25).step_by(4).map(expression).collect();
            let judged = judged(&slow, &[1, 0, 2], &limits);
            prop_assert!(judged.is_sorted_by(|a, b| a >= b), "{limits:?}: {judged:?}");
        }
    }
}
