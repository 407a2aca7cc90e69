//! What the load asks of the generator: words for phases, and whether connections suffice.

use plimsoll_engine::schedule::Share;
use plimsoll_plan::{Arrivals, HttpVersion, Load, Phase, Plan, Target, ThinkTime};
use plimsoll_record::units::{Unit, show_count, show_duration};

use plimsoll_criteria::forecast::Forecast;

/// The load of a phase in words.
pub(super) fn words(phase: &Phase) -> String {
    match &phase.load {
        Load::Open { rate, arrivals: Arrivals::Uniform } => rate.to_string(),
        Load::Open { rate, arrivals: Arrivals::Poisson } => format!("{rate}, poisson"),
        Load::Replay(replay) => format!("recorded in {}, {} times as fast", replay.file, replay.speed),
        Load::Closed { users, spawn_rate, think, pacing, .. } => {
            let mut words = format!("{users} users");
            if let Some(rate) = spawn_rate {
                words += &format!(" at {}", Unit::PerSecond.show(rate.as_per_second()));
            }
            if *think != ThinkTime::None {
                words += &format!(", think {think}");
            }
            if let Some(pacing) = pacing {
                words += &format!(", pacing {}", show_duration(*pacing));
            }
            words
        }
    }
}

/// How many requests can be under way at once; for `https` it depends on what the server speaks.
pub(super) fn at_once(target: &Target, segment: Share) -> u64 {
    let connections = segment.part_of(u64::from(target.connections.get()));
    if target.http == HttpVersion::Two { connections * u64::from(target.streams.get()) } else { connections }
}

/// What will be short.
pub(super) fn warnings(plan: &Plan, forecast: &Forecast, segment: Share) -> Vec<String> {
    let Some(target) = &plan.target else { return Vec::new() };
    let at_once = at_once(target, segment);
    let mut warnings = Vec::new();
    for phase in &forecast.phases {
        if let Some(users) = phase.users.filter(|users| *users > at_once) {
            warnings.push(format!(
                "warning: {} users of phase `{}` share {} connections and wait for one another; raise `connections` \
                 under [target]",
                show_count(users as f64),
                phase.name,
                show_count(at_once as f64)
            ));
        }
    }
    warnings
}

/// How slow answers may be before connections run out, at the highest rate.
pub(super) fn headroom(plan: &Plan, forecast: &Forecast, segment: Share) -> Option<String> {
    let target = plan.target.as_ref()?;
    let peak = forecast.phases.iter().filter_map(|phase| phase.planned.peak).fold(0.0, f64::max);
    let at_once = at_once(target, segment);
    (peak > 0.0).then(|| {
        // Little's law: under way = rate x time.
        let seconds = at_once as f64 / peak;
        format!(
            "peak {} arrivals; {} at once suffice while an iteration takes less than {}",
            Unit::PerSecond.show(peak),
            show_count(at_once as f64),
            Unit::Seconds.show(seconds)
        )
    })
}
