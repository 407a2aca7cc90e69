//! The one-line language of criteria.
//!
//! ```text
//! criterion  = measured comparison limit ;
//! comparison = "<" | "<=" | ">" | ">=" | "==" ;
//! limit      = product { ( "+" | "-" ) product } ;           linear: one `baseline` or measured at most
//! product    = atom { ( "*" | "/" ) atom } ;
//! atom       = quantity | "baseline" | measured | "(" limit ")" | "-" atom ;
//! quantity   = number [ unit ] ;                             as in plimsoll_record::units
//!
//! measured   = metric [ "(" place ")" ]
//!            | function "(" argument [ "," place ] ")"
//!            | "log." name "." ( "lines" | event ) ;
//! place      = name { "," name } ;                           name: [ "phase" | "endpoint" ] word
//! metric     = "p" number | "service.p" number | "mean" | "max"
//!            | "error_rate" | "throughput" | "count" | "limited_share"
//!            | "limiter.effectiveness" | "limiter.false_rejects" | "redis.fragmentation"
//!            | "lost_writes" | "stale_reads" | "corrupted_reads" | "knee" ;
//! function   = ( "slope" | "max" | "peak" | "min" | "mean" | "last" | "rate" )   of a sampled series
//!            | ( "share" | "count" | "rate" )                of answers: an outcome, a status, `4xx`
//!            | "drift"                                       of a percentile, `mean` or `throughput`
//!            | "recovery_time"                               of a phase
//!            | "knee" ;                                      of a comparison that must hold at each rate
//! ```
//!
//! Space may stand between all of these. Here words are understood; whether the rest of the plan gives what they
//! need is checked by the reader of `[criteria]`.

mod answers;
mod arithmetic;
mod functions;
mod measured;
mod place;
mod sampled;

use std::ops::Range;

use crate::criteria::{Comparison, Elsewhere, Expression};
use crate::model::Plan;
use crate::reader::Text;
use crate::watch::{LogWatch, Watch};
use crate::words;

const COMPARISONS: [(&str, Comparison); 5] = [
    ("<", Comparison::Less),
    ("<=", Comparison::LessOrEqual),
    (">", Comparison::Greater),
    (">=", Comparison::GreaterOrEqual),
    ("==", Comparison::Equal),
];

pub(crate) const EXAMPLE: &str = "write for example `p99 < 500ms` or `slope(redis.used_memory) < 1 MB/min`";

/// The names of a plan that criteria may use.
#[derive(Debug)]
pub(crate) struct Names<'p> {
    watch: Option<&'p Watch>,
    phases: Vec<&'p str>,
    endpoints: Vec<String>,
}

impl<'p> Names<'p> {
    pub(crate) fn of(plan: &'p Plan) -> Self {
        Self {
            watch: plan.watch.as_ref(),
            phases: plan.phases.iter().map(|phase| phase.name.as_str()).collect(),
            endpoints: plan.operations(),
        }
    }

    fn logs(&self) -> &'p [LogWatch] {
        self.watch.map_or(&[][..], |watch| &watch.logs)
    }
}

/// A criterion, and where its metric says that it is measured.
#[derive(Debug)]
pub(crate) struct Stated {
    pub(crate) expression: Expression,
    pub(crate) place: Elsewhere,
}

/// Understands a criterion, or notes what is wrong with it.
pub(crate) fn parse(text: &Text<'_>, names: &Names<'_>) -> Option<Stated> {
    let Some(operator) = operator(&text.content) else {
        text.reject("the criterion compares nothing", None, EXAMPLE);
        return None;
    };
    let comparison = comparison(&text.part(operator.clone()));
    let left = text.part(0..operator.start);
    let right = text.part(operator.end..text.content.len());
    let measured = measured::parse(&left, names)?;
    let limit = arithmetic::limit(&right, &left.content, measured.metric.unit(), names)?;
    let expression = Expression { metric: measured.metric, comparison: comparison?, limit };
    Some(Stated { expression, place: measured.place })
}

/// What stands under `metric`, to be compared with limits of its own.
pub(crate) fn parse_metric(text: &Text<'_>, names: &Names<'_>) -> Option<measured::Measured> {
    if let Some(operator) = operator(&text.content) {
        let help = "`warn_at` and `fail_at` say what it is compared with; or write the whole under `require`";
        text.part(operator).reject("a metric alone compares nothing", None, help);
        return None;
    }
    measured::parse(text, names)
}

/// What stands under `warn_at` and `fail_at`.
pub(crate) fn parse_limit(
    text: &Text<'_>,
    measured: &measured::Measured,
    word: &str,
    names: &Names<'_>,
) -> Option<crate::criteria::Bound> {
    arithmetic::limit(text, word, measured.metric.unit(), names)
}

/// The first run of characters of which comparisons are made, outside of parentheses.
fn operator(text: &str) -> Option<Range<usize>> {
    let is_operator = |c: char| matches!(c, '<' | '>' | '=' | '!' | '~');
    let mut depth = 0_i32;
    let mut outside = |c: char| {
        depth += i32::from(c == '(') - i32::from(c == ')');
        depth <= 0
    };
    // What is not closed before a comparison is reported where it stands, not as a missing comparison.
    let start = text.find(|c| outside(c) && is_operator(c)).or_else(|| text.find(is_operator))?;
    let length = text[start..].find(|c| !is_operator(c)).unwrap_or(text.len() - start);
    Some(start..start + length)
}

fn comparison(text: &Text<'_>) -> Option<Comparison> {
    let found = COMPARISONS.iter().find(|(word, _)| *word == text.content).map(|(_, comparison)| *comparison);
    if found.is_none() {
        let valid = words::list(COMPARISONS.iter().map(|(word, _)| *word));
        text.reject(format!("unknown comparison `{}`", text.content), None, format!("valid are {valid}"));
    }
    found
}
