//! How `[[phases]]` are written.

use std::fmt;

use super::{Lines, duration, list, quote, quoted_duration};
use crate::model::{Arrivals, Iterations, Load, Phase, Rate, RateShape, Replay, ThinkTime};

impl Lines {
    pub(super) fn phase(&mut self, phase: &Phase) {
        self.table("[[phases]]");
        self.line("name", &quote(&phase.name));
        self.optional("start", phase.start, quoted_duration);
        self.optional("duration", phase.duration, quoted_duration);
        match &phase.load {
            Load::Open { rate, arrivals } => self.open(rate, *arrivals),
            Load::Replay(replay) => self.line("arrivals", &recorded(replay)),
            Load::Closed { users, spawn_rate, ramp_down, think, pacing, iterations } => {
                self.line("users", &users.to_string());
                self.optional("spawn_rate", *spawn_rate, quoted_rate);
                self.optional("ramp_down", *ramp_down, quoted_duration);
                self.line("think", &quote(&think_time(*think)));
                self.optional("pacing", *pacing, quoted_duration);
                self.optional("iterations", *iterations, self::iterations);
            }
        }
    }

    fn optional<T>(&mut self, key: &str, value: Option<T>, show: impl FnOnce(T) -> String) {
        if let Some(value) = value {
            self.line(key, &show(value));
        }
    }

    fn open(&mut self, rate: &RateShape, arrivals: Arrivals) {
        self.line("rate", &rate_shape(rate));
        let arrivals = match arrivals {
            Arrivals::Uniform => "uniform",
            Arrivals::Poisson => "poisson",
        };
        self.line("arrivals", &quote(arrivals));
    }
}

/// As it is written in a plan, without the quotes around it: `18/s -> 0/s`, `{ steps = ["5/s", "10/s"] }`.
impl fmt::Display for RateShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(rate_shape(self).trim_matches('"'))
    }
}

/// As it is written in a plan: `5s..15s`.
impl fmt::Display for ThinkTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&think_time(*self))
    }
}

/// The file and how many arrivals there are; their times stay in the file.
fn recorded(replay: &Replay) -> String {
    format!("{{ file = {}, speed = {:?}, count = {} }}", quote(&replay.file), replay.speed, replay.recording.count())
}

fn iterations(iterations: Iterations) -> String {
    match iterations {
        Iterations::Shared(all) => all.to_string(),
        Iterations::PerUser(each) => format!("{{ per_user = {each} }}"),
    }
}

fn quoted_rate(rate: Rate) -> String {
    quote(&format!("{}/s", rate.as_per_second()))
}

fn rate_shape(shape: &RateShape) -> String {
    match shape {
        RateShape::Constant(rate) => quoted_rate(*rate),
        RateShape::Ramp { from, to } => quote(&format!("{}/s -> {}/s", from.as_per_second(), to.as_per_second())),
        RateShape::Steps(steps) => format!("{{ steps = {} }}", list(steps.iter().copied().map(quoted_rate))),
        RateShape::Spike { base, spike, at, length } => format!(
            "{{ base = {}, spike = {}, at = {}, for = {} }}",
            quoted_rate(*base),
            quoted_rate(*spike),
            quoted_duration(*at),
            quoted_duration(*length),
        ),
        RateShape::Wave { mean, amplitude, period } => format!(
            "{{ mean = {}, amplitude = {}, period = {} }}",
            quoted_rate(*mean),
            quoted_rate(*amplitude),
            quoted_duration(*period),
        ),
    }
}

pub(super) fn think_time(think: ThinkTime) -> String {
    match think {
        ThinkTime::None => "0s".to_owned(),
        ThinkTime::Constant(pause) => duration(pause),
        ThinkTime::Uniform { min, max } => format!("{}..{}", duration(min), duration(max)),
        ThinkTime::Normal { mean, deviation } => format!("normal({}, {})", duration(mean), duration(deviation)),
        ThinkTime::LogNormal { median, p95 } => format!("lognormal({}, p95 = {})", duration(median), duration(p95)),
        ThinkTime::Exponential { mean } => format!("exponential({})", duration(mean)),
    }
}
