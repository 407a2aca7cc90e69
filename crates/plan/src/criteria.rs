//! What must hold: one comparison per criterion, with units.

use std::num::NonZeroU32;
use std::ops::RangeInclusive;
use std::time::Duration;

use plimsoll_record::ledger::Outcome;
use plimsoll_record::units::{Quantity, Unit};
use plimsoll_record::verdict::Severity;

/// One criterion.
#[derive(Clone, Debug, PartialEq)]
pub struct Criterion {
    /// Stable id: the table's name (`redis-memory`), or the expression itself.
    pub id: String,
    /// `require` or `prefer`.
    pub severity: Severity,
    /// The expression as written, e.g. `p99 < 500ms`.
    pub text: String,
    /// The expression, understood.
    pub expression: Expression,
    /// A second, stricter limit: beyond it, but within the expression's own, the criterion warns. Its comparison and
    /// unit are those of the expression.
    pub warn: Option<Bound>,
    /// Where it is judged.
    pub scope: Scope,
    /// How it is judged.
    pub options: Options,
    /// Advice shown when it is not met.
    pub hint: Option<String>,
}

/// Where a criterion is judged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// Only in these phases, which follow one another; none: the whole run.
    pub phases: Vec<String>,
    /// Only this operation; `None`: all together.
    pub endpoint: Option<String>,
    /// Only from here on, counted from the start of the phases.
    pub from: Option<Duration>,
    /// Only up to here, counted from the start of the phases.
    pub to: Option<Duration>,
}

impl Scope {
    /// True when a phase of this name is judged.
    #[must_use]
    pub fn covers(&self, phase: &str) -> bool {
        self.phases.is_empty() || self.phases.iter().any(|name| name == phase)
    }
}

/// How a criterion is judged, beyond its expression.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Options {
    /// Judged again and again, each stretch of time by itself.
    pub every: Option<Every>,
    /// With fewer observations it is inconclusive.
    pub min_samples: u64,
    /// Judged only when this holds.
    pub when: Option<When>,
    /// The load stops as soon as it is surely missed.
    pub abort: bool,
    /// What an inconclusive criterion counts as.
    pub on_inconclusive: OnInconclusive,
}

/// Stretches of equal length, each judged by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Every {
    /// The length of a stretch.
    pub length: Duration,
    /// How many of them may miss.
    pub allowed: u32,
    /// Of how many; `None`: of all.
    pub of: Option<NonZeroU32>,
}

impl Every {
    /// How many of `stretches` may miss: `1 of 20` allows 3 of 60, and none of 19.
    #[must_use]
    pub fn allowed_of(&self, stretches: u64) -> u64 {
        let allowed = u64::from(self.allowed);
        self.of.map_or(allowed, |of| stretches * allowed / u64::from(of.get()))
    }
}

/// When a criterion is judged at all.
#[derive(Clone, Debug, PartialEq)]
pub enum When {
    /// `baseline`: when the run is compared with earlier ones.
    Baseline,
    /// When this comparison holds as measured.
    Holds {
        /// As written.
        text: String,
        /// The comparison.
        expression: Box<Expression>,
        /// Where it is measured, if not where the criterion is judged.
        place: Elsewhere,
    },
}

/// What an inconclusive criterion counts as. Never as a pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnInconclusive {
    /// As what it is.
    #[default]
    Stay,
    /// As a warning, if there were any data at all.
    Warn,
    /// As a failure.
    Fail,
}

/// `metric comparison limit`.
#[derive(Clone, Debug, PartialEq)]
pub struct Expression {
    /// What is measured.
    pub metric: Metric,
    /// How it is compared.
    pub comparison: Comparison,
    /// What it is compared with; its unit fits the metric.
    pub limit: Bound,
}

/// What a metric is compared with: `factor * reference + offset`.
#[derive(Clone, Debug, PartialEq)]
pub struct Bound {
    /// The constant part, in the base of `unit`; all of it without a reference.
    pub offset: f64,
    /// How many times the reference; 0 without one.
    pub factor: f64,
    /// What is measured, too.
    pub reference: Option<Reference>,
    /// The unit of the whole, which is the metric's.
    pub unit: Unit,
}

impl Bound {
    /// A plain number with a unit.
    #[must_use]
    pub fn constant(quantity: Quantity) -> Self {
        Self { offset: quantity.value, factor: 0.0, reference: None, unit: quantity.unit }
    }

    /// The number, when it is known without measuring.
    #[must_use]
    pub fn known(&self) -> Option<f64> {
        self.reference.is_none().then_some(self.offset)
    }

    /// The limit, when the reference is `value`.
    #[must_use]
    pub fn at(&self, value: f64) -> f64 {
        self.factor * value + self.offset
    }
}

/// What a limit is measured by.
#[derive(Clone, Debug, PartialEq)]
pub enum Reference {
    /// `baseline`: the same metric at the same place in earlier runs.
    Baseline,
    /// Another metric of this run, or the same elsewhere: `p95(write)`.
    Measured {
        /// What.
        metric: Box<Metric>,
        /// Where it is not measured where the criterion is.
        place: Elsewhere,
    },
}

/// Names between the parentheses of a metric: where else it is measured.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Elsewhere {
    /// In this phase.
    pub phase: Option<String>,
    /// At this endpoint.
    pub endpoint: Option<String>,
}

impl Elsewhere {
    /// True when no name was given.
    #[must_use]
    pub fn is_here(&self) -> bool {
        self.phase.is_none() && self.endpoint.is_none()
    }

    /// The scope, with these names instead of its own. Another phase is measured as a whole.
    #[must_use]
    pub fn within(&self, scope: &Scope) -> Scope {
        let mut scope = scope.clone();
        if let Some(phase) = &self.phase {
            scope = Scope { phases: vec![phase.clone()], endpoint: scope.endpoint, from: None, to: None };
        }
        scope.endpoint = self.endpoint.clone().or(scope.endpoint);
        scope
    }
}

/// `<`, `<=`, `>`, `>=`, `==`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
    /// `==`
    Equal,
}

/// What can be measured. Names are the field's: see each variant for its spelling in a plan.
#[derive(Clone, Debug, PartialEq)]
pub enum Metric {
    /// `p50`, `p95`, `p99.9`: response-time quantile of served requests; `service.p99`: of service time.
    Percentile {
        /// The quantile, between 0 and 1.
        quantile: f64,
        /// True for service time.
        service: bool,
    },
    /// `mean`: mean response time of served requests.
    Mean,
    /// `max`: largest response time of served requests.
    Max,
    /// `error_rate`: failures / finished arrivals.
    ErrorRate,
    /// `throughput`: complete answers per second.
    Throughput,
    /// `count`: finished arrivals.
    Count,
    /// `limited_share`: rate-limited answers / finished arrivals.
    LimitedShare,
    /// `limiter.effectiveness`: 1 - false accepts / excess requests.
    LimiterEffectiveness,
    /// `limiter.false_rejects`: share of refused requests that the limit would have allowed.
    LimiterFalseRejects,
    /// `share(timed_out)`, `count(503)`, `rate(5xx)`: arrivals that ended in a certain way.
    Answers {
        /// What is made of their number.
        tally: Tally,
        /// Which ones.
        answers: Answers,
    },
    /// `drift(p95)`: how much it changes over the scope, as a share: 0.2 when it ends 20 % higher.
    Drift(Box<Metric>),
    /// `recovery_time(spike)`: the time from the end of a phase until a percentile is what it was before the phase.
    RecoveryTime {
        /// The phase that disturbs.
        phase: String,
        /// The percentile that has to recover.
        quantile: f64,
    },
    /// `knee`, `knee(p95 < 2s)`: the highest rate that was carried, of a phase whose rate rises.
    Knee(Option<Box<Expression>>),
    /// `lost_writes`, `stale_reads`, `corrupted_reads`: what reading back showed of what was written.
    Integrity(Integrity),
    /// `redis.fragmentation`: resident / used memory, judged only where it means something.
    Fragmentation,
    /// `log.rate_limiter.RATE_LIMITED`, `log.errors.oom`, `log.errors.lines`: lines counted in a followed log.
    Log {
        /// The log's name.
        log: String,
        /// The event, or `lines` for all lines.
        event: String,
    },
    /// `slope(redis.used_memory)`, `max(host.cpu_share)`: a function of a sampled series.
    Series {
        /// The function.
        function: Function,
        /// The metric of the catalogue.
        metric: &'static plimsoll_record::metric::Metric,
        /// Of which of several series: the name of a container or of a probe.
        of: Option<String>,
    },
}

/// What is made of the number of some arrivals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tally {
    /// Of all that finished.
    Share,
    /// Their number.
    Count,
    /// Per second.
    Rate,
}

/// Which arrivals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answers {
    /// Those with this outcome.
    Outcome(Outcome),
    /// Those that are neither ok nor rate-limited.
    Failed,
    /// Those with a status in this range: `503`, `5xx`.
    Status(RangeInclusive<u16>),
}

/// What reading back shows of what was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Integrity {
    /// Acknowledged, and not there any more.
    LostWrites,
    /// Older than what was acknowledged.
    StaleReads,
    /// Not what was ever written.
    CorruptedReads,
}

impl Integrity {
    /// The word in plans.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::LostWrites => "lost_writes",
            Self::StaleReads => "stale_reads",
            Self::CorruptedReads => "corrupted_reads",
        }
    }
}

/// A function of a sampled series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    /// Growth per time, robust, with a confidence interval.
    Slope,
    /// Largest value, also called peak.
    Max,
    /// Smallest value.
    Min,
    /// Arithmetic mean.
    Mean,
    /// Last value.
    Last,
    /// (last - first) / time: for what only counts upwards.
    Rate,
}

impl Metric {
    /// The unit its limit must have.
    #[must_use]
    pub fn unit(&self) -> Unit {
        match self {
            Self::Percentile { .. } | Self::Mean | Self::Max | Self::RecoveryTime { .. } => Unit::Seconds,
            Self::ErrorRate
            | Self::LimitedShare
            | Self::LimiterEffectiveness
            | Self::LimiterFalseRejects
            | Self::Drift(_)
            | Self::Answers { tally: Tally::Share, .. } => Unit::Share,
            Self::Throughput | Self::Knee(_) | Self::Answers { tally: Tally::Rate, .. } => Unit::PerSecond,
            Self::Count | Self::Log { .. } | Self::Integrity(_) | Self::Answers { tally: Tally::Count, .. } => {
                Unit::Count
            }
            Self::Fragmentation => Unit::Ratio,
            Self::Series { function: Function::Slope | Function::Rate, metric, .. } => rate_unit(metric.unit),
            Self::Series { metric, .. } => metric.unit,
        }
    }

    /// True for what is measured by operation, from traffic alone.
    #[must_use]
    pub fn is_traffic(&self) -> bool {
        match self {
            Self::Percentile { .. }
            | Self::Mean
            | Self::Max
            | Self::ErrorRate
            | Self::Throughput
            | Self::Count
            | Self::LimitedShare
            | Self::Answers { .. }
            | Self::Drift(_)
            | Self::RecoveryTime { .. }
            | Self::Knee(_) => true,
            Self::LimiterEffectiveness
            | Self::LimiterFalseRejects
            | Self::Integrity(_)
            | Self::Fragmentation
            | Self::Log { .. }
            | Self::Series { .. } => false,
        }
    }
}

fn rate_unit(unit: Unit) -> Unit {
    match unit {
        Unit::Bytes => Unit::BytesPerSecond,
        _ => Unit::PerSecond,
    }
}
