//! A criterion's comparison, and what a look at the data found.

use plimsoll_plan::{Comparison, Expression};
use plimsoll_record::units::Unit;
use plimsoll_record::verdict::{Evidence, Interval, Judgement, Severity};

use crate::statistics::Range;

/// `comparison limit`, with the unit both are shown in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Goal {
    pub(crate) comparison: Comparison,
    /// In the unit's base.
    pub(crate) limit: f64,
    pub(crate) unit: Unit,
}

/// How the data stands to a goal, before severity makes it a judgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    Met,
    Missed,
    /// Missed, but by what may still be chance: a warning, whatever the severity.
    Doubtful,
    Undecided,
}

/// What a look at the data found.
#[derive(Clone, Debug)]
pub(crate) struct Finding {
    pub(crate) standing: Standing,
    pub(crate) value: Option<f64>,
    /// The value is a lower bound.
    pub(crate) at_least: bool,
    pub(crate) interval: Option<Interval>,
    pub(crate) samples: u64,
    pub(crate) effective_samples: Option<f64>,
    pub(crate) reason: String,
    /// The value is shown, but the limit does not apply to it: no margin is given.
    pub(crate) exempt: bool,
    /// What else is known.
    pub(crate) evidence: Evidence,
    /// Why too little was seen for a pass, whatever the limit.
    pub(crate) obstacle: Option<String>,
}

impl Goal {
    /// An expression's comparison with a limit that is known.
    pub(crate) fn at(expression: &Expression, limit: f64) -> Self {
        Self { comparison: expression.comparison, limit, unit: expression.metric.unit() }
    }

    /// Compares a value that is known exactly.
    pub(crate) fn compare(&self, value: f64) -> Standing {
        let met = match self.comparison {
            Comparison::Less => value < self.limit,
            Comparison::LessOrEqual => value <= self.limit,
            Comparison::Greater => value > self.limit,
            Comparison::GreaterOrEqual => value >= self.limit,
            Comparison::Equal => value == self.limit,
        };
        if met { Standing::Met } else { Standing::Missed }
    }

    /// Compares a value of which only a range is known: decided when both ends agree.
    pub(crate) fn compare_range(&self, range: Range) -> Standing {
        let (low, high) = (self.compare(range.low), self.compare(range.high));
        let between = self.comparison == Comparison::Equal && range.low != range.high && range.contains(self.limit);
        if low == high && !between { low } else { Standing::Undecided }
    }

    /// True for `<` and `<=`.
    pub(crate) fn wants_less(&self) -> bool {
        matches!(self.comparison, Comparison::Less | Comparison::LessOrEqual)
    }

    pub(crate) fn show(&self, value: f64) -> String {
        self.unit.show(value)
    }

    pub(crate) fn show_limit(&self) -> String {
        self.unit.show(self.limit)
    }

    pub(crate) fn show_range(&self, range: Range) -> String {
        format!("[{}, {}]", self.show(range.low), self.show(range.high))
    }

    /// How far `value` is inside the limit, as a share of the limit; `None` where that means nothing.
    pub(crate) fn margin(&self, value: f64) -> Option<f64> {
        let inside = match self.comparison {
            Comparison::Less | Comparison::LessOrEqual => self.limit - value,
            Comparison::Greater | Comparison::GreaterOrEqual => value - self.limit,
            Comparison::Equal => return None,
        };
        (self.limit != 0.0).then(|| inside / self.limit.abs())
    }
}

impl Standing {
    pub(crate) fn judgement(self, severity: Severity) -> Judgement {
        match (self, severity) {
            (Self::Met, _) => Judgement::Pass,
            (Self::Missed, Severity::Require) => Judgement::Fail,
            (Self::Missed, Severity::Prefer) | (Self::Doubtful, _) => Judgement::Warn,
            (Self::Undecided, _) => Judgement::Inconclusive,
        }
    }
}

impl Finding {
    /// There is nothing to judge.
    pub(crate) fn missing(reason: impl Into<String>) -> Self {
        Self {
            standing: Standing::Undecided,
            value: None,
            at_least: false,
            interval: None,
            samples: 0,
            effective_samples: None,
            reason: reason.into(),
            exempt: false,
            evidence: Evidence::default(),
            obstacle: None,
        }
    }

    /// The limit was to be measured, and could not be.
    pub(crate) fn without_limit(mut self) -> Self {
        self.evidence.limit_from = Some("not known".to_owned());
        self
    }

    /// A value known exactly, compared as it stands.
    pub(crate) fn plain(goal: &Goal, value: f64, samples: u64, what: &str) -> Self {
        let reason = format!("{what} {}, limit {}", goal.show(value), goal.show_limit());
        Self { standing: goal.compare(value), value: Some(value), samples, reason, ..Self::missing("") }
    }

    /// The same finding, but it cannot be a pass, because of `obstacle`.
    pub(crate) fn never_met(mut self, obstacle: Option<String>) -> Self {
        if let (Standing::Met, Some(obstacle)) = (self.standing, &obstacle) {
            self.standing = Standing::Undecided;
            self.reason = format!("{obstacle}; as far as it was seen, {}", self.reason);
        }
        self.obstacle = obstacle;
        self
    }
}

pub(crate) fn interval(range: Range, confidence: f64) -> Interval {
    Interval { low: range.low, high: range.high, confidence }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn goal(comparison: Comparison) -> Goal {
        Goal { comparison, limit: 10.0, unit: Unit::Count }
    }

    #[test]
    fn a_range_decides_only_when_both_ends_agree() {
        let less = goal(Comparison::Less);
        assert_eq!(less.compare_range(Range { low: 1.0, high: 9.0 }), Standing::Met);
        assert_eq!(less.compare_range(Range { low: 1.0, high: 11.0 }), Standing::Undecided);
        assert_eq!(less.compare_range(Range { low: 10.0, high: 11.0 }), Standing::Missed);
        let equal = goal(Comparison::Equal);
        assert_eq!(equal.compare_range(Range { low: 9.0, high: 11.0 }), Standing::Undecided);
        assert_eq!(equal.compare_range(Range { low: 10.0, high: 10.0 }), Standing::Met);
        assert_eq!(equal.compare_range(Range { low: 11.0, high: 12.0 }), Standing::Missed);
    }

    #[test]
    fn the_margin_is_positive_inside_the_limit() {
        assert_eq!(goal(Comparison::Less).margin(8.0), Some(0.2));
        assert_eq!(goal(Comparison::Greater).margin(8.0), Some(-0.2));
        assert_eq!(goal(Comparison::Equal).margin(8.0), None);
    }
}
