//! What was found of a series' growth, in a sentence.

use plimsoll_record::summary::Window;
use plimsoll_record::units::Unit;
use plimsoll_record::verdict::{GrowthState, StepKind};

use super::growth::{Growth, Outcome};
use super::line::{Line, shortest_window};
use super::trend::{Call, SHORT_WINDOW_S, Settling};
use crate::words;

/// Slope, interval, limit, and all that bears on them.
pub(crate) fn sentence(growth: &Growth, limit: f64, unit: Unit) -> String {
    let Some(outcome) = &growth.outcome else { return too_short(&growth.line) };
    let mut parts = vec![slope(growth, outcome, limit, unit)];
    parts.extend(doubt(growth, outcome, limit, unit));
    parts.extend(settling(growth, outcome, unit));
    parts.extend(outcome.cause.as_ref().map(|cause| cause.sentence.clone()));
    parts.extend(left_out(growth));
    parts.join("; ")
}

/// How long a window would decide, in seconds: the interval of a slope shrinks with the time to the power of 3/2, so
/// `T' = T (h / |b - theta|)^(2/3)`. `None` when it is decided.
pub(crate) fn needed_s(growth: &Growth, limit: f64) -> Option<f64> {
    let outcome = growth.outcome.as_ref().filter(|outcome| outcome.state == GrowthState::Inconclusive)?;
    let needed = growth.judged.seconds() * factor(outcome, limit);
    needed.is_finite().then_some(needed)
}

fn factor(outcome: &Outcome, limit: f64) -> f64 {
    let estimate = outcome.trend.estimate;
    let below = estimate.slope < limit;
    let half = if below { estimate.range.high - estimate.slope } else { estimate.slope - estimate.range.low };
    (half / (estimate.slope - limit).abs()).powf(2.0 / 3.0)
}

fn slope(growth: &Growth, outcome: &Outcome, limit: f64, unit: Unit) -> String {
    let estimate = outcome.trend.estimate;
    let verb = match estimate.range {
        range if range.low > 0.0 => "grows",
        range if range.high < 0.0 => "shrinks",
        _ => "is level within the noise:",
    };
    let Window { from, to } = growth.judged;
    format!(
        "{verb} {} [{}, {}], limit {}; {} buckets of {:.0} s, {:.1} s to {:.1} s",
        unit.show(estimate.slope),
        unit.show(estimate.range.low),
        unit.show(estimate.range.high),
        unit.show(limit),
        estimate.points,
        growth.line.bucket_s,
        from.as_secs_f64(),
        to.as_secs_f64()
    )
}

fn doubt(growth: &Growth, outcome: &Outcome, limit: f64, unit: Unit) -> Option<String> {
    let late = unit.show(outcome.trend.late);
    match (outcome.state, outcome.trend.call) {
        (GrowthState::Growing, _) => Some("growing so far, for less than the 5 min that make a leak".to_owned()),
        (GrowthState::Leaking, _) => Some("leaking: it goes on to the end".to_owned()),
        (GrowthState::Filling, _) => Some("filling, which cannot be told from leaking yet".to_owned()),
        (GrowthState::Inconclusive, Call::OnlyEarly) => {
            Some(format!("but only {late} in the last half: it may be settling, run longer"))
        }
        (GrowthState::Inconclusive, Call::OnlyLate) => Some(format!("but {late} in the last half: run longer")),
        (GrowthState::Inconclusive, Call::Wobble) => {
            let short = words::duration(SHORT_WINDOW_S);
            Some(format!("but in less than {short} that is not clear of its own wobble"))
        }
        (GrowthState::Inconclusive, _) => Some(words::how_much_longer(growth.judged.seconds(), factor(outcome, limit))),
        (GrowthState::Stable | GrowthState::Settling, _) => None,
    }
}

fn settling(growth: &Growth, outcome: &Outcome, unit: Unit) -> Option<String> {
    let Settling { first, last, tau_s, until_limit_s } = outcome.settling?;
    if outcome.state != GrowthState::Settling {
        let since = growth.judged.from.as_secs_f64();
        return Some(format!("it slowed down before, so only what came after {since:.1} s counts"));
    }
    let until = match until_limit_s {
        0.0 => "and is below the limit by now".to_owned(),
        seconds => format!(
            "and falls to 37 % every {}, below the limit in {}",
            words::duration(tau_s),
            words::duration(seconds)
        ),
    };
    Some(format!("settling: it slowed down from {} to {} {until}; run longer", unit.show(first), unit.show(last)))
}

fn left_out(growth: &Growth) -> Option<String> {
    let explained = growth.ledger.steps.iter().filter(|step| step.kind != StepKind::Unexplained);
    let (n, sum) = explained.fold((0, 0.0), |(n, sum), step| (n + 1, sum + step.bytes));
    let steps = if n == 1 { "an explained step" } else { "explained steps" };
    (n > 0).then(|| format!("without {steps} of {}", Unit::Bytes.show(sum)))
}

fn too_short(line: &Line) -> String {
    format!(
        "{} buckets of {:.0} s are too few for a slope; the phase must last {} or more without a break",
        line.buckets.len(),
        line.bucket_s,
        words::duration(shortest_window(line.bucket_s))
    )
}
