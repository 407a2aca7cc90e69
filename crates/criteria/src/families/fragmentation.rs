//! `redis.fragmentation < 2.0`: resident / used memory, judged only where it means something.
//!
//! An empty Redis holds ten times what it uses, because the ratio divides what the allocator keeps anyway by next to
//! nothing. So below 64 MB of used memory the ratio is shown and passes; above, it is a miss only when memory that
//! fragmentation really costs (active - allocated pages of the allocator) is 100 MB or more and a tenth of what is used.

use plimsoll_record::metric::{Metric, Source};
use plimsoll_record::summary::{Series, Window};
use plimsoll_record::units::Unit;

use super::coverage::{self, Coverage};
use super::series::no_samples;
use crate::goal::{Finding, Goal, Standing};
use crate::place::Place;
use crate::run::JudgedRun;
use crate::statistics::median;

const MEANINGFUL_FROM: f64 = 64e6;
const LOSS_THAT_MATTERS: f64 = 100e6;
const SHARE_THAT_MATTERS: f64 = 0.1;

pub(super) fn examine(run: &JudgedRun<'_>, place: &Place, goal: &Goal) -> Finding {
    let used_memory = Metric::find("redis.used_memory").expect("used_memory is in the catalogue");
    let found = run.facts.series(Source::Redis).and_then(|series| {
        let window = coverage::window(series, place.window)?;
        Some((Coverage::of(series, used_memory, window), Memory::of(series, window)?))
    });
    let Some((coverage, memory)) = found else { return no_samples(used_memory, None) };
    if let Some(reason) = coverage.too_little() {
        return Finding { samples: memory.samples, ..Finding::missing(reason) };
    }
    memory.finding(goal).never_met(coverage.obstacle())
}

/// Medians over the window.
#[derive(Clone, Copy, Debug)]
struct Memory {
    ratio: f64,
    used: f64,
    /// Lost to fragmentation: active - allocated, or resident - used where the allocator's numbers are missing.
    lost: f64,
    samples: u64,
}

impl Memory {
    fn of(series: &Series, window: Window) -> Option<Self> {
        let inside = series.samples.iter().filter(|sample| window.contains(sample.at_ns));
        let mut rows = Vec::new();
        for sample in inside {
            let value = |key: &str| sample.values.get(key).copied();
            let (Some(used), Some(resident)) = (value("used_memory"), value("used_memory_rss")) else { continue };
            let external = value("allocator_active").zip(value("allocator_allocated"));
            let lost = external.map_or(resident - used, |(active, allocated)| active - allocated);
            let ratio = if used > 0.0 { resident / used } else { continue };
            rows.push((ratio, used, lost));
        }
        Some(Self {
            ratio: median(rows.iter().map(|row| row.0).collect())?,
            used: median(rows.iter().map(|row| row.1).collect())?,
            lost: median(rows.iter().map(|row| row.2).collect())?,
            samples: rows.len() as u64,
        })
    }

    fn finding(&self, goal: &Goal) -> Finding {
        let (used, lost) = (Unit::Bytes.show(self.used), Unit::Bytes.show(self.lost.max(0.0)));
        let ratio = goal.show(self.ratio);
        let matters = LOSS_THAT_MATTERS.max(SHARE_THAT_MATTERS * self.used);
        if self.used < MEANINGFUL_FROM {
            return self.exempt(format!(
                "not meaningful below 64 MB of used memory (ratio {ratio} at {used}); {lost} are lost to fragmentation"
            ));
        }
        let plain = Finding::plain(goal, self.ratio, self.samples, "is");
        match plain.standing {
            Standing::Missed if self.lost < matters => self.exempt(format!(
                "the ratio {ratio} is beyond the limit {}, but only {lost} of {used} are lost to fragmentation; {} would matter",
                goal.show_limit(),
                Unit::Bytes.show(matters)
            )),
            _ => Finding { reason: format!("{}; {lost} of {used} are lost to fragmentation", plain.reason), ..plain },
        }
    }

    fn exempt(&self, reason: String) -> Finding {
        Finding {
            standing: Standing::Met,
            value: Some(self.ratio),
            samples: self.samples,
            exempt: true,
            reason,
            ..Finding::missing("")
        }
    }
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
