//! `redis.fragmentation < 2.0`: resident / used memory, judged only where it means something.
//!
//! An empty Redis holds ten times what it uses, because the ratio divides what the allocator keeps anyway by next to
//! nothing. So below 64 MB of used memory the ratio is shown and passes; above, it is a miss only when memory that
//! fragmentation really costs (active - allocated pages of the allocator) is 100 MB or more and a tenth of what is used.

use plimsoll_record::metric::{Metric, Source};
use plimsoll_record::units::Unit;
use plimsoll_record::verdict::Fragmentation;

use super::coverage::{self, Coverage};
use super::series::no_samples;
use crate::goal::{Finding, Goal, Standing};
use crate::memory::fragmentation;
use crate::place::Place;
use crate::run::JudgedRun;

const MEANINGFUL_FROM: f64 = 64e6;
const LOSS_THAT_MATTERS: f64 = 100e6;
const SHARE_THAT_MATTERS: f64 = 0.1;
const WORTH_A_WORD: f64 = 1e6;
/// A peak so many times what is used explains a high ratio: pages once needed stay resident.
const PEAK_THAT_EXPLAINS: f64 = 1.5;

pub(super) fn examine(run: &JudgedRun<'_>, place: &Place, goal: &Goal) -> Finding {
    let used_memory = Metric::find("redis.used_memory").expect("used_memory is in the catalogue");
    let found = run.facts.series(Source::Redis).and_then(|series| {
        let window = coverage::window(series, place.window)?;
        Some((Coverage::of(series, used_memory, window), fragmentation::of(series, window)?))
    });
    let Some((coverage, (memory, samples))) = found else { return no_samples(used_memory, None) };
    if let Some(reason) = coverage.too_little() {
        return Finding { samples, ..Finding::missing(reason) };
    }
    finding(goal, &memory, samples).never_met(coverage.obstacle())
}

fn finding(goal: &Goal, memory: &Fragmentation, samples: u64) -> Finding {
    let lost = memory.external.unwrap_or(memory.resident - memory.used);
    let (used, ratio) = (Unit::Bytes.show(memory.used), goal.show(memory.ratio));
    let lost_words = Unit::Bytes.show(lost.max(0.0));
    let matters = LOSS_THAT_MATTERS.max(SHARE_THAT_MATTERS * memory.used);
    let exempt = |reason: String| Finding {
        standing: Standing::Met,
        value: Some(memory.ratio),
        samples,
        exempt: true,
        reason,
        ..Finding::missing("")
    };
    if memory.used < MEANINGFUL_FROM {
        return exempt(format!(
            "not meaningful below 64 MB of used memory (ratio {ratio} at {used}); {lost_words} are lost to fragmentation{}",
            others(memory)
        ));
    }
    let plain = Finding::plain(goal, memory.ratio, samples, "is");
    match plain.standing {
        Standing::Missed if lost < matters => exempt(format!(
            "the ratio {ratio} is beyond the limit {}, but only {lost_words} of {used} are lost to fragmentation{}; {} would matter",
            goal.show_limit(),
            others(memory),
            Unit::Bytes.show(matters)
        )),
        _ => Finding {
            reason: format!("{}; {lost_words} of {used} are lost to fragmentation{}", plain.reason, others(memory)),
            ..plain
        },
    }
}

/// Where the rest of the resident memory is, as far as the allocator tells.
fn others(memory: &Fragmentation) -> String {
    let mut words = String::new();
    let parts = [(memory.retained, "kept by the allocator"), (memory.process, "of the process itself")];
    for (bytes, what) in parts {
        if let Some(bytes) = bytes.filter(|bytes| *bytes >= WORTH_A_WORD) {
            words += &format!(", {} {what}", Unit::Bytes.show(bytes));
        }
    }
    if let Some(peak) = memory.peak_ratio.filter(|peak| *peak > PEAK_THAT_EXPLAINS) {
        words += &format!(", and Redis once used {peak:.1} times as much, which keeps pages resident");
    }
    words
}

#[cfg(test)]
mod tests {
    use plimsoll_record::verdict::{CriterionResult, Judgement};

    use crate::testing::{Script, expect};

    fn memory(used_mb: f64, rss_mb: f64, lost_mb: f64) -> CriterionResult {
        let sample = move |_| {
            vec![
                ("used_memory", used_mb * 1e6),
                ("used_memory_rss", rss_mb * 1e6),
                ("allocator_allocated", used_mb * 1e6),
                ("allocator_active", (used_mb + lost_mb) * 1e6),
            ]
        };
        Script::healthy(30).redis(sample).criteria(r#"require = ["redis.fragmentation < 2.0"]"#).result()
    }

    #[test]
    fn a_tiny_data_set_is_not_misjudged() {
        let result = memory(1.4, 19.4, 0.2);
        expect(&result, Judgement::Pass, &["not meaningful below 64 MB", "13.9 at 1.40 MB", "200 kB are lost"]);
        assert!(result.margin.is_none() && result.value.is_some_and(|ratio| ratio > 13.0));
    }

    #[test]
    fn a_good_ratio_passes_and_a_bad_one_with_real_loss_fails() {
        expect(&memory(500.0, 600.0, 50.0), Judgement::Pass, &["is 1.20, limit 2.00"]);
        expect(&memory(500.0, 1200.0, 400.0), Judgement::Fail, &["is 2.40, limit 2.00", "400 MB of 500 MB are lost"]);
    }

    #[test]
    fn a_bad_ratio_that_is_not_fragmentation_passes_and_says_so() {
        expect(&memory(100.0, 250.0, 10.0), Judgement::Pass, &["beyond the limit", "only 10.0 MB"]);
    }

    #[test]
    fn no_sample_is_no_pass() {
        let result = Script::healthy(30).criteria(r#"require = ["redis.fragmentation < 2.0"]"#).result();
        expect(&result, Judgement::Inconclusive, &["no sample"]);
    }
}
