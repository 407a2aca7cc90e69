//! What must hold: one comparison per criterion, with units.

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
    /// Where it is judged.
    pub scope: Scope,
    /// Advice shown when it is not met.
    pub hint: Option<String>,
}

/// Where a criterion is judged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// Only in this phase; `None`: the whole run.
    pub phase: Option<String>,
    /// Only this operation; `None`: all together.
    pub endpoint: Option<String>,
}

/// `function(metric) comparison limit`.
#[derive(Clone, Debug, PartialEq)]
pub struct Expression {
    /// What is measured.
    pub metric: Metric,
    /// How it is compared.
    pub comparison: Comparison,
    /// What it is compared with; its unit fits the metric.
    pub limit: Quantity,
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
    },
}

/// A function of a sampled series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    /// Growth per time, robust, with a confidence interval.
    Slope,
    /// Largest value.
    Max,
    /// Smallest value.
    Min,
    /// Arithmetic mean.
    Mean,
    /// Last value.
    Last,
}

impl Metric {
    /// The unit its limit must have.
    #[must_use]
    pub fn unit(&self) -> Unit {
        match self {
            Self::Percentile { .. } | Self::Mean | Self::Max => Unit::Seconds,
            Self::ErrorRate | Self::LimitedShare | Self::LimiterEffectiveness | Self::LimiterFalseRejects => {
                Unit::Share
            }
            Self::Throughput => Unit::PerSecond,
            Self::Count | Self::Log { .. } => Unit::Count,
            Self::Fragmentation => Unit::Ratio,
            Self::Series { function: Function::Slope, metric } => slope_unit(metric.unit),
            Self::Series { metric, .. } => metric.unit,
        }
    }
}

fn slope_unit(unit: Unit) -> Unit {
    match unit {
        Unit::Bytes => Unit::BytesPerSecond,
        _ => Unit::PerSecond,
    }
}
