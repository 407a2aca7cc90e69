//! The users of a closed phase: when each one comes and leaves, and how often they go through a flow.
//!
//! Users are known by their number in the whole plan, so what holds for a user is the same whoever plays it.

use plimsoll_plan::{Iterations, Rate, ThinkTime};

use super::NEVER;
use crate::draw::Draws;
use crate::schedule::Share;

/// The users of a closed phase that belong to the segment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Crowd {
    pub(crate) users: u64,
    /// How many there are in the whole plan.
    pub(crate) all: u64,
    start: i64,
    pub(crate) end: i64,
    /// Users started per second; `None`: all at once.
    spawn_rate: Option<f64>,
    /// Over how long before the end they leave; 0: at the end.
    ramp_down: i64,
    pub(crate) think: ThinkTime,
    /// How far apart a user starts iterations, unless the flow says otherwise.
    pub(crate) pacing: Option<i64>,
    quota: Option<Quota>,
    pub(crate) draws: Draws,
}

/// What of the iterations belongs to the segment.
#[derive(Clone, Copy, Debug)]
enum Quota {
    Shared(u64),
    PerUser(u32),
}

/// A crowd as the plan states it, from `start` to `end`.
#[derive(Clone, Copy, Debug)]
pub(super) struct CrowdPlan {
    pub(super) users: u64,
    pub(super) start: i64,
    pub(super) end: i64,
    pub(super) spawn_rate: Option<Rate>,
    pub(super) ramp_down: i64,
    pub(super) think: ThinkTime,
    pub(super) pacing: Option<i64>,
    pub(super) iterations: Option<Iterations>,
}

impl Crowd {
    pub(super) fn new(plan: &CrowdPlan, segment: Share, draws: Draws) -> Self {
        let CrowdPlan { users: all, start, end, spawn_rate, ramp_down, think, pacing, iterations } = *plan;
        let quota = iterations.map(|iterations| match iterations {
            Iterations::Shared(total) => Quota::Shared(segment.iterations_of(total.get(), all)),
            Iterations::PerUser(each) => Quota::PerUser(each.get()),
        });
        let spawn_rate = spawn_rate.map(Rate::as_per_second).filter(|rate| *rate > 0.0);
        let ramp_down = ramp_down.min(end.saturating_sub(start));
        Self { users: segment.part_of(all), all, start, end, spawn_rate, ramp_down, think, pacing, quota, draws }
    }

    /// When user `index` (from 0, in the whole plan) starts.
    pub(crate) fn comes_at(&self, index: u64) -> i64 {
        let after = self.spawn_rate.map_or(0, |rate| (index as f64 / rate * 1e9).min(NEVER as f64 / 4.0) as i64);
        self.start.saturating_add(after)
    }

    /// From when on user `index` starts nothing new: the first to come leaves first, the last one at the phase's end.
    pub(crate) fn leaves_at(&self, index: u64) -> i64 {
        let left = u128::from(self.all - 1 - index.min(self.all - 1));
        let before_end = u128::from(self.ramp_down.unsigned_abs()) * left / u128::from(self.all);
        self.end.saturating_sub_unsigned(u64::try_from(before_end).unwrap_or(u64::MAX))
    }

    /// How many iterations fall to a worker; `None`: as many as there is time for.
    pub(crate) fn quota(&self, worker: Share) -> Option<u64> {
        self.quota.map(|quota| match quota {
            Quota::Shared(total) => worker.iterations_of(total, self.users),
            Quota::PerUser(each) => worker.part_of(self.users).saturating_mul(u64::from(each)),
        })
    }

    /// How many iterations all users of the plan make, when each makes so many.
    pub(super) fn iterations_of_all(&self) -> Option<u64> {
        match self.quota {
            Some(Quota::PerUser(each)) => Some(self.all.saturating_mul(u64::from(each))),
            Some(Quota::Shared(_)) | None => None,
        }
    }

    /// How many iterations each user may begin.
    pub(crate) fn quota_of_each(&self) -> u32 {
        match self.quota {
            Some(Quota::PerUser(each)) => each,
            Some(Quota::Shared(_)) | None => u32::MAX,
        }
    }
}
