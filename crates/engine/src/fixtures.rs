//! Small plans for this crate's own tests.

use std::num::{NonZeroU32, NonZeroU64};
use std::time::Duration;

use plimsoll_plan::{
    Arrivals, Iterations, Load, Method, Phase, Plan, Rate, RateShape, Recording, Replay, Request, Template, ThinkTime,
};

use crate::quick_plan;

/// A plan of one GET request to `url`, for tests that change it.
pub(crate) fn plan_for(url: &str) -> Plan {
    let mut plan = quick_plan(&url.parse().unwrap(), 1, 1);
    plan.target.as_mut().unwrap().url = url.parse().unwrap();
    plan
}

/// A step without headers and body that expects success.
pub(crate) fn step(name: &str, method: Method, path: &str) -> Request {
    Request::new(name, method, Template::literal(path))
}

/// An open phase of evenly spaced arrivals.
pub(crate) fn open_phase(name: &str, per_second: f64, length: Duration) -> Phase {
    let rate = RateShape::Constant(Rate::per_second(per_second).unwrap());
    let load = Load::Open { rate, arrivals: Arrivals::Uniform };
    Phase { name: name.to_owned(), start: None, duration: Some(length), load }
}

/// A closed phase whose users start all at once.
pub(crate) fn closed_phase(
    name: &str,
    users: u32,
    think: ThinkTime,
    iterations: Option<u64>,
    length: Option<Duration>,
) -> Phase {
    let (users, iterations) =
        (NonZeroU32::new(users).unwrap(), iterations.and_then(NonZeroU64::new).map(Iterations::Shared));
    let load = Load::Closed { users, spawn_rate: None, ramp_down: None, think, pacing: None, iterations };
    Phase { name: name.to_owned(), start: None, duration: length, load }
}

/// An open phase of arrivals recorded at these nanoseconds.
pub(crate) fn replay_phase(name: &str, times: &[u64], speed: f64, length: Duration) -> Phase {
    let replay = Replay { file: "access.log".to_owned(), speed, recording: Recording::Times(times.into()) };
    Phase { name: name.to_owned(), start: None, duration: Some(length), load: Load::Replay(replay) }
}
