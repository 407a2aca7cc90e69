//! Before a run: can a criterion be decided by what the plan will make?
//!
//! The smallest number of requests and the shortest phase with which a criterion can be met at all, by the rules that
//! judge it afterwards. That it *can* be decided promises nothing: close to its limit every criterion needs more.

use std::time::Duration;

use plimsoll_plan::{Comparison, Criterion, Function, Metric, Reference, Tally};

use crate::families::{is_short, shortest_phase};
use crate::statistics::{BATCH_SECONDS, MIN_BATCHES, MIN_POINTS, samples_to_certify};
use crate::words;

/// A ramp is cut into this many steps at least, and most staircases have more.
const KNEE_STEPS: u64 = 6;

/// What a plan will give a criterion to be judged by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Supply {
    /// Requests in its scope that are to be expected.
    pub requests: f64,
    /// The fewest and the most of them; no most when nothing bounds them.
    pub bounds: (f64, Option<f64>),
    /// How long its phase, or the whole run, lasts; `None` when that depends on the service.
    pub window: Option<Duration>,
    /// How often series are sampled.
    pub every: Duration,
}

/// How well a criterion can be decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prospect {
    /// There will be enough, unless the value lies close to the limit.
    Decidable,
    /// It depends.
    Doubtful,
    /// Not by this plan, whatever the service does.
    Undecidable,
}

/// What is to be expected of a criterion.
#[derive(Clone, Debug, PartialEq)]
pub struct Outlook {
    /// How well it can be decided.
    pub prospect: Prospect,
    /// The fewest requests it takes; `None` for criteria that are not about requests.
    pub requests_needed: Option<u64>,
    /// Why, for people.
    pub reason: String,
}

/// What is to be expected of a criterion, given what the plan will make.
#[must_use]
pub fn outlook(criterion: &Criterion, supply: &Supply) -> Outlook {
    let supply = of_stretch(criterion, supply);
    let expression = &criterion.expression;
    let outlook = match &expression.metric {
        Metric::Series { function: Function::Slope, .. } => of_slope(&supply),
        Metric::Series { .. } | Metric::Fragmentation => of_samples(&supply),
        Metric::Log { .. } => Outlook::new(Prospect::Decidable, "counted by memwatch"),
        Metric::Integrity(_) => Outlook::new(Prospect::Decidable, "every acknowledged key is read back"),
        Metric::RecoveryTime { .. } => Outlook::new(Prospect::Decidable, "watched from the end of the phase on"),
        metric => of_requests(fewest(metric, expression.comparison, expression.limit.known()), &supply),
    };
    match (&expression.limit.reference, outlook.prospect) {
        (Some(Reference::Baseline), Prospect::Decidable) => Outlook {
            prospect: Prospect::Doubtful,
            reason: format!("{}, and an earlier run to compare with", outlook.reason),
            ..outlook
        },
        _ => outlook,
    }
}

/// What one stretch gets, when each is judged by itself.
fn of_stretch(criterion: &Criterion, supply: &Supply) -> Supply {
    let (Some(every), Some(window)) = (criterion.options.every, supply.window) else { return *supply };
    let share = every.length.as_secs_f64() / window.as_secs_f64().max(f64::MIN_POSITIVE);
    if share >= 1.0 {
        return *supply;
    }
    Supply {
        requests: supply.requests * share,
        bounds: (supply.bounds.0 * share, supply.bounds.1.map(|most| most * share)),
        window: Some(every.length),
        every: supply.every,
    }
}

/// The fewest requests with which it can be met, when all of them are as it wants them.
fn fewest(metric: &Metric, comparison: Comparison, limit: Option<f64>) -> u64 {
    // A limit that is measured itself is known afterwards.
    let limit = limit.unwrap_or(0.5);
    let wants_less = matches!(comparison, Comparison::Less | Comparison::LessOrEqual);
    let is_share =
        matches!(metric, Metric::ErrorRate | Metric::LimitedShare | Metric::Answers { tally: Tally::Share, .. });
    match metric {
        Metric::Percentile { quantile, .. } if wants_less => samples_to_certify(1.0 - quantile),
        Metric::Percentile { quantile, .. } => samples_to_certify(*quantile),
        // A limit of none or all is about what happened, and needs no proof.
        _ if is_share && (limit <= 0.0 || limit >= 1.0 || comparison == Comparison::Equal) => 1,
        _ if is_share && wants_less => samples_to_certify(limit),
        _ if is_share => samples_to_certify(1.0 - limit),
        // Enough parts in which the percentile is not simply the largest value.
        Metric::Drift(of) => MIN_POINTS as u64 * fewest_of_part(of),
        Metric::Mean => 2,
        // At each of six steps.
        Metric::Knee(Some(condition)) => {
            let each = fewest(&condition.metric, condition.comparison, condition.limit.known());
            each.saturating_mul(KNEE_STEPS)
        }
        _ => 1,
    }
}

fn fewest_of_part(metric: &Metric) -> u64 {
    match metric {
        Metric::Percentile { quantile, .. } => (1.0 / (1.0 - quantile) - 1e-9).ceil() as u64,
        _ => 1,
    }
}

fn of_requests(needed: u64, supply: &Supply) -> Outlook {
    let (least, most) = supply.bounds;
    let enough = needed as f64;
    let needs = if needed == 1 {
        "needs a request".to_owned()
    } else {
        format!("needs {} requests or more", words::count(needed))
    };
    let expected = words::count(supply.requests.floor() as u64);
    let (prospect, reason) = if most.is_some_and(|most| most.floor() < enough) {
        let most = words::count(most.unwrap_or_default().floor() as u64);
        (Prospect::Undecidable, format!("{needs}, gets {most} at most{}", longer(supply, enough)))
    } else if supply.requests < enough {
        (Prospect::Doubtful, format!("{needs}, gets about {expected}{}", longer(supply, enough)))
    } else if least < enough {
        let least = words::count(least.floor() as u64);
        (Prospect::Doubtful, format!("{needs}, gets {least} to about {expected}"))
    } else {
        (Prospect::Decidable, format!("{needs}, gets about {expected}{}", independence(supply)))
    };
    Outlook { prospect, requests_needed: Some(needed), reason }
}

/// How long the phase would have to be.
fn longer(supply: &Supply, needed: f64) -> String {
    let Some(window) = supply.window.filter(|_| supply.requests > 0.0) else { return String::new() };
    let seconds = (window.as_secs_f64() * needed / supply.requests).ceil();
    format!("; {} at this load would do", words::duration(seconds))
}

/// In a short window requests are taken as independent.
fn independence(supply: &Supply) -> String {
    let needed = BATCH_SECONDS * MIN_BATCHES as f64;
    let short = supply.window.is_some_and(|window| window.as_secs_f64() < needed);
    if short {
        format!("; with low confidence, as it lasts less than {}", words::duration(needed))
    } else {
        String::new()
    }
}

fn of_slope(supply: &Supply) -> Outlook {
    let needed = shortest_phase(supply.every.as_secs_f64());
    let shown = words::duration(needed);
    let Some(window) = supply.window else {
        let reason = format!("needs {shown} or more, and how long it takes is not known");
        return Outlook::new(Prospect::Doubtful, reason);
    };
    let (seconds, lasts) = (window.as_secs_f64(), words::duration(window.as_secs_f64()));
    if seconds < needed {
        return Outlook::new(Prospect::Undecidable, format!("needs {shown} or more, lasts {lasts}"));
    }
    if is_short(seconds) {
        let reason =
            format!("lasts {lasts}, which decides when the series is quiet; ten minutes decide a noisy one too");
        return Outlook::new(Prospect::Doubtful, reason);
    }
    Outlook::new(Prospect::Decidable, format!("needs {shown} or more, lasts {lasts}"))
}

fn of_samples(supply: &Supply) -> Outlook {
    let every = words::duration(supply.every.as_secs_f64());
    match supply.window {
        Some(window) if window < supply.every => {
            let lasts = words::duration(window.as_secs_f64());
            Outlook::new(Prospect::Undecidable, format!("sampled every {every}, and it lasts {lasts}"))
        }
        _ => Outlook::new(Prospect::Decidable, format!("sampled by memwatch every {every}")),
    }
}

impl Outlook {
    fn new(prospect: Prospect, reason: impl Into<String>) -> Self {
        Self { prospect, requests_needed: None, reason: reason.into() }
    }
}

#[cfg(test)]
mod tests {
    use plimsoll_plan::{SourceText, Surroundings};

    use super::*;
    use crate::testing::{Script, Second};

    fn criterion(text: &str) -> Criterion {
        let plan = format!(
            "schema = 1\nname = \"p\"\n[target]\nurl = \"http://h\"\n[[phases]]\nname = \"a\"\nduration = \"9s\"\n\
             rate = \"1/s\"\n[flows.f]\nsteps = [{{ name = \"s\", get = \"/\", expect = {{ limited = 429 }} }}]\n\
             [watch]\nredis = \"redis://h\"\n[criteria]\nrequire = [\"{text}\"]\n"
        );
        let source = SourceText { name: "p".to_owned(), text: plan };
        plimsoll_plan::parse(&source, &[], &Surroundings::NONE).unwrap().criteria.remove(0)
    }

    fn of(text: &str, requests: f64, seconds: u64) -> Outlook {
        let window = Some(Duration::from_secs(seconds));
        let supply = Supply { requests, bounds: (requests, Some(requests)), window, every: Duration::from_secs(1) };
        outlook(&criterion(text), &supply)
    }

    #[test]
    fn the_smallest_samples_are_those_of_the_judge() {
        let needed = |text: &str| of(text, 1e6, 600).requests_needed.unwrap();
        assert_eq!((needed("p95 < 1s"), needed("p99 < 1s"), needed("p99.9 < 1s")), (59, 299, 2_995));
        assert_eq!((needed("error_rate < 1%"), needed("error_rate <= 0%"), needed("limited_share > 50%")), (299, 1, 5));
        assert_eq!((needed("mean < 1s"), needed("max < 1s"), needed("throughput > 1/s")), (2, 1, 1));
    }

    #[test]
    fn one_request_less_is_undecidable_here_and_inconclusive_afterwards() {
        for (requests, prospect) in [(299_u32, Prospect::Decidable), (298, Prospect::Undecidable)] {
            assert_eq!(of("p99 < 500ms", f64::from(requests), 150).prospect, prospect, "{requests}");
            let second = |i| Second::ok(if i < u64::from(requests % 100) { 3 } else { 2 }, 10);
            let judged = Script::of(100, second).criteria(r#"require = ["p99 < 500ms"]"#).result();
            let pass = judged.judgement == plimsoll_record::verdict::Judgement::Pass;
            assert_eq!(pass, prospect == Prospect::Decidable, "{judged:?}");
        }
    }

    #[test]
    fn too_few_says_how_long_would_do() {
        let outlook = of("p99 < 500ms", 100.0, 10);
        assert_eq!(outlook.reason, "needs 299 requests or more, gets 100 at most; 30.0 s at this load would do");
    }

    #[test]
    fn a_slope_needs_time() {
        let slope = "slope(redis.used_memory) < 1 MB/min";
        assert_eq!(of(slope, 1.0, 34).prospect, Prospect::Undecidable);
        assert_eq!(of(slope, 1.0, 35).prospect, Prospect::Doubtful);
        assert_eq!(of(slope, 1.0, 270).prospect, Prospect::Decidable);
        assert!(of(slope, 1.0, 34).reason.contains("needs 35.0 s or more, lasts 34.0 s"));
    }

    #[test]
    fn what_is_only_estimated_is_doubtful_rather_than_impossible() {
        let p99 = criterion("p99 < 1s");
        let supply = Supply { requests: 200.0, bounds: (200.0, None), window: None, every: Duration::from_secs(1) };
        assert_eq!(outlook(&p99, &supply).prospect, Prospect::Doubtful);
        let enough = Supply { requests: 400.0, bounds: (100.0, None), ..supply };
        assert_eq!(outlook(&p99, &enough).prospect, Prospect::Doubtful);
    }
}
