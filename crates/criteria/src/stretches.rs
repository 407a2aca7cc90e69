//! `every = "60s"`, `allow = "1 of 20"`: each stretch of time is judged by itself, and few may miss.

use plimsoll_plan::{Bound, Every};

use crate::criterion::Looker;
use crate::goal::{Finding, Goal, Standing};
use crate::judge::JudgeError;
use crate::place::Place;
use crate::words;

pub(crate) fn examine(looker: &Looker<'_, '_>, bound: &Bound, every: Every) -> Result<(Finding, Goal), JudgeError> {
    let goal = looker.goal(bound.offset);
    if let Some(missing) = &looker.place.missing {
        return Ok((Finding::missing(missing.clone()), goal));
    }
    let places = looker.place.stretches(every.length);
    if places.is_empty() {
        let reason = format!(
            "it lasted {}, less than one stretch of {}",
            words::duration(looker.place.seconds()),
            words::duration(every.length.as_secs_f64())
        );
        return Ok((Finding::missing(reason), goal));
    }
    let mut tally = Tally { allowed: every.allowed_of(places.len() as u64), ..Tally::default() };
    for place in &places {
        let finding = looker.part(place, &goal)?;
        tally.add(place, &finding, &goal);
    }
    Ok((tally.finding(&goal, every), goal))
}

#[derive(Debug, Default)]
struct Tally {
    allowed: u64,
    all: u64,
    missed: u64,
    open: u64,
    samples: u64,
    /// The value furthest on the wrong side.
    worst: Option<f64>,
    at_least: bool,
    first_miss: Option<String>,
    first_open: Option<String>,
}

impl Tally {
    fn add(&mut self, place: &Place, finding: &Finding, goal: &Goal) {
        self.all += 1;
        self.samples += finding.samples;
        let from = place.window.map_or(0.0, |window| window.from.as_secs_f64());
        match finding.standing {
            Standing::Met => {}
            Standing::Missed | Standing::Doubtful => {
                self.missed += 1;
                self.first_miss.get_or_insert_with(|| format!("at {from:.0} s it {}", finding.reason));
            }
            Standing::Undecided => {
                self.open += 1;
                self.first_open.get_or_insert_with(|| format!("at {from:.0} s: {}", finding.reason));
            }
        }
        let worse = |value: &f64| {
            self.worst.is_none_or(|worst| if goal.wants_less() { *value > worst } else { *value < worst })
        };
        if let Some(value) = finding.value.filter(worse) {
            (self.worst, self.at_least) = (Some(value), finding.at_least);
        }
    }

    fn standing(&self) -> Standing {
        if self.missed > self.allowed {
            Standing::Missed
        } else if self.missed + self.open <= self.allowed {
            Standing::Met
        } else {
            Standing::Undecided
        }
    }

    fn finding(self, goal: &Goal, every: Every) -> Finding {
        let standing = self.standing();
        let met = self.all - self.missed - self.open;
        let length = words::duration(every.length.as_secs_f64());
        let mut reason = format!(
            "was met in {met} of {} stretches of {length}, missed in {}, open in {}; {} may miss; limit {}",
            self.all,
            self.missed,
            self.open,
            self.allowed,
            goal.show_limit()
        );
        if let Some(worst) = self.worst {
            reason += &format!("; the worst is {}{}", if self.at_least { "at least " } else { "" }, goal.show(worst));
        }
        let example = self.first_miss.or(self.first_open).filter(|_| standing != Standing::Met);
        reason += &example.map_or_else(String::new, |example| format!("; {example}"));
        Finding {
            standing,
            value: self.worst,
            at_least: self.at_least,
            samples: self.samples,
            // The limit is one of each stretch: the worst may lie beyond it.
            exempt: standing == Standing::Met && self.missed + self.open > 0,
            reason,
            ..Finding::missing("")
        }
    }
}
