//! What the service's rate limiter did, against what a correct one would have done.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the limiter did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LimiterFacts {
    /// Where it was judged, in words; empty for the whole run.
    pub scope: String,
    /// How the oracle counts: `fixed`, `sliding`, `token-bucket`.
    pub window: String,
    /// Requests that were replayed.
    pub requests: u64,
    /// Those the service refused.
    pub refused: u64,
    /// Those a correct limiter would have refused.
    pub excess: u64,
    /// Requests let through beyond the limits, window by window.
    pub false_accepts: u64,
    /// Requests refused within the limits, window by window.
    pub false_rejects: u64,
    /// 1 - false accepts / excess; absent without excess.
    pub effectiveness: Option<Bounds>,
    /// 1 - false rejects / refused: the share of refusals that were right; absent without refusals.
    pub precision: Option<Bounds>,
    /// The same by limit, in the plan's order.
    pub limits: Vec<LimitFacts>,
    /// Seconds from the beginning of the scope to the first refusal; absent without one.
    pub first_refused_s: Option<f64>,
    /// Seconds to the first request that a correct limiter would have refused; absent without one.
    pub first_due_s: Option<f64>,
}

/// What belongs to one limit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LimitFacts {
    /// The limit, as plans write it: `5/s`.
    pub limit: String,
    /// Requests a correct limiter would have refused because of it.
    pub excess: u64,
    /// Requests let through that it should have refused.
    pub false_accepts: u64,
    /// Requests refused within all limits, while this one was nearest to being used up.
    pub false_rejects: u64,
}

/// A value and what it may have been at worst and at best, given what is not known.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Bounds {
    /// The likely value.
    pub value: f64,
    /// The lowest.
    pub low: f64,
    /// The highest.
    pub high: f64,
}
