//! `verdict.json`: the judgement of a run, criterion by criterion. Written by the judge, shown by renderers.
//!
//! Derived: it can be deleted and computed again from the run directory, byte for byte.

mod limiter;
mod memory;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::files::FORMAT;
use crate::units::Unit;

pub use limiter::{Bounds, LimitFacts, LimiterFacts};
pub use memory::{
    CauseKind, Estimate, Fragmentation, GrowthCause, GrowthState, MemoryDrain, MemoryFacts, MemoryGrowth, MemoryStep,
    Settling, StepKind, TimeLeft,
};

/// The JSON Schema of `verdict.json`, generated from the types of this file: what they say is what is written.
#[must_use]
pub fn schema() -> String {
    let mut schema = schemars::schema_for!(Verdict);
    schema.insert("title".to_owned(), "plimsoll verdict".into());
    schema.insert("description".to_owned(), format!("The verdict on a load test, format {FORMAT}. Fields may be added; none changes its meaning within a format.").into());
    let mut text = serde_json::to_string_pretty(&schema).expect("a schema has string keys only");
    text.push('\n');
    text
}

/// The judgement of one criterion or of a whole run. Ordered from good to bad: the worst wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Judgement {
    /// The criterion is met, and the data proves it.
    Pass,
    /// A preference is missed.
    Warn,
    /// The data cannot decide, or there is none, or it cannot be trusted.
    Inconclusive,
    /// A requirement is missed, and the data proves it.
    Fail,
}

impl Judgement {
    /// The word in files and on screens.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Warn => "warn",
            Self::Inconclusive => "inconclusive",
            Self::Fail => "fail",
        }
    }
}

/// What a missed criterion means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Must hold: missed is fail.
    Require,
    /// Should hold: missed is warn.
    Prefer,
}

/// The judgement of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Verdict {
    /// The format version of this file.
    pub format: u32,
    /// The run's id.
    pub run: String,
    /// The plan's name.
    pub plan: String,
    /// The worst of the generator's health and all criteria.
    pub judgement: Judgement,
    /// One sentence: what decided.
    pub sentence: String,
    /// The traffic of the whole run at a glance; absent when there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traffic: Option<TrafficGlance>,
    /// Whether the measurement itself can be trusted. Judged first.
    pub generator: GeneratorHealth,
    /// Every criterion, in the plan's order.
    pub criteria: Vec<CriterionResult>,
    /// Things worth knowing that decide nothing: alerts, partial files, gaps, steps in memory.
    pub concerns: Vec<String>,
    /// What to do next, where the data supports advice.
    pub recommendations: Vec<String>,
    /// What became of memory; absent when it was not sampled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<MemoryFacts>,
    /// What the rate limiter did; absent without a criterion about it, or when the record cannot tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limiter: Option<LimiterFacts>,
    /// Criteria that were not judged because they do not apply to this run, by the plan's own `when`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skipped: Vec<Skipped>,
}

/// A criterion that was not judged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Skipped {
    /// Its id.
    pub id: String,
    /// The expression as the plan states it.
    pub expression: String,
    /// Why it does not apply.
    pub reason: String,
}

/// The whole run's traffic in a few numbers: for tables over many runs, not for judging.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TrafficGlance {
    /// Finished arrivals.
    pub finished: u64,
    /// Failures / finished arrivals; absent when nothing finished.
    pub error_rate: Option<f64>,
    /// 95th percentile of the response time of served requests, in nanoseconds; absent when there is none.
    pub p95_ns: Option<u64>,
    /// True when it is only a lower bound because requests timed out.
    pub p95_at_least: bool,
}

/// Whether the generator offered what the plan says, when it says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GeneratorHealth {
    /// Pass, or inconclusive when the measurement cannot be trusted.
    pub judgement: Judgement,
    /// The sentence behind it: which resource ran out, which seconds are contaminated, what to do.
    pub reason: String,
    /// Contaminated spans on the run's clock, in nanoseconds: (from, to).
    pub contaminated: Vec<(i64, i64)>,
    /// Arrivals sent / arrivals planned in the judged window; absent when the plan does not fix the number.
    pub offered_share: Option<f64>,
    /// What the calibration of this machine says of the generator, in one sentence; empty when there was no traffic.
    #[serde(default)]
    pub calibration: String,
}

/// The judgement of one criterion.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CriterionResult {
    /// Stable id: the table's name, or the expression.
    pub id: String,
    /// The expression as the plan states it.
    pub expression: String,
    /// What a miss means.
    pub severity: Severity,
    /// Phase, endpoint: where it was judged, in words; empty for the whole run.
    pub scope: String,
    /// The judgement.
    pub judgement: Judgement,
    /// The measured value, in `unit`; absent when there is none. With `at_least`, only a lower bound is known.
    pub value: Option<f64>,
    /// True when the value is a lower bound because requests timed out.
    #[serde(default)]
    pub at_least: bool,
    /// The confidence interval of the value, in `unit`.
    pub interval: Option<Interval>,
    /// The limit, in `unit`.
    pub limit: f64,
    /// The unit of value, interval and limit.
    pub unit: Unit,
    /// How far the value is inside (positive) or outside (negative) the limit, as a share of the limit.
    pub margin: Option<f64>,
    /// How many observations the value rests on.
    pub samples: u64,
    /// How many independent observations they are worth; absent where it was not estimated.
    pub effective_samples: Option<f64>,
    /// Why, in one sentence.
    pub reason: String,
    /// The plan's hint, shown when the criterion is not met.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// What the judgement hangs on, for those who want to know more than the reason.
    #[serde(default, skip_serializing_if = "Evidence::is_empty")]
    pub evidence: Evidence,
}

impl CriterionResult {
    /// The measured side of its expression: `p99`, `knee(p95 < 2s)`.
    #[must_use]
    pub fn subject(&self) -> &str {
        let at = comparison_at(&self.expression).unwrap_or(self.expression.len());
        self.expression[..at].trim()
    }
}

/// Where the comparison of an expression begins: the first one that stands in no parentheses.
#[must_use]
pub fn comparison_at(expression: &str) -> Option<usize> {
    let mut depth = 0_i32;
    expression.find(|c: char| {
        depth += i32::from(c == '(') - i32::from(c == ')');
        depth == 0 && matches!(c, '<' | '>' | '=')
    })
}

/// What a judgement hangs on: numbers behind the sentences of [`CriterionResult::reason`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Evidence {
    /// The limit beyond which it warns, in the result's unit, when that is another one than `limit`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warn_limit: Option<f64>,
    /// Where a limit comes from that was measured itself: another endpoint or phase, earlier runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit_from: Option<String>,
    /// The limit, in the result's unit, that these data would just have shown to be kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passes_at: Option<f64>,
    /// How many observations too many were beyond the limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub excess: Option<u64>,
    /// About how long the judged stretch would have to be to decide, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decides_after_s: Option<f64>,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recommendation: Option<String>,
}

impl Evidence {
    /// True when nothing is known beyond the reason.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A confidence interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Confidence, e.g. 0.95.
    pub confidence: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_schema_is_that_of_the_types() {
        let published = include_str!("../../../docs/schema/verdict.schema.json");
        assert_eq!(schema(), published, "update it: verdict schema > docs/schema/verdict.schema.json");
    }
}
