//! Where a criterion is judged: its phases, endpoint and times, found in the record.

use std::time::Duration;

use plimsoll_plan::Scope as Named;
use plimsoll_record::summary::{Scope, Window};
use plimsoll_record::traffic::PhaseFact;
use plimsoll_record::units::show_duration;

use crate::run::JudgedRun;
use crate::statistics::batch_count;

/// A criterion's scope, found in the record.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// The traffic rows it looks at.
    pub(crate) scope: Scope,
    /// The time it covers: the phase, or the whole run. `None` when no traffic was recorded.
    pub(crate) window: Option<Window>,
    /// In words; empty for the whole run.
    pub(crate) words: String,
    /// What the record lacks, if the scope is not in it.
    pub(crate) missing: Option<String>,
}

impl Place {
    pub(crate) fn of(run: &JudgedRun<'_>, named: &Named) -> Self {
        let mut place = Self { scope: Scope::default(), window: None, words: words(named), missing: None };
        match &run.facts.traffic {
            Some(traffic) => {
                place.resolve(run, &traffic.header.body.phases, &traffic.header.body.operations, named);
                place.cut(named);
                place.check(named);
            }
            None if !named.phases.is_empty() => place.missing = Some("no traffic was recorded".to_owned()),
            None => {}
        }
        place
    }

    fn resolve(&mut self, run: &JudgedRun<'_>, phases: &[PhaseFact], operations: &[String], named: &Named) {
        self.window = run.facts.run_window();
        let index = |name: &String| index_of(phases.iter().map(|phase| phase.name.as_str()), name);
        if let (Some(first), Some(last)) = (named.phases.first(), named.phases.last()) {
            self.scope.phase = index(first);
            self.scope.through = index(last).filter(|_| named.phases.len() > 1);
            match named.phases.iter().find(|name| index(name).is_none()) {
                Some(name) => self.missing = Some(format!("the record has no phase `{name}`")),
                None => self.window = run.facts.scope_window(&self.scope),
            }
        }
        if let Some(name) = &named.endpoint {
            self.scope.operation = index_of(operations.iter().map(String::as_str), name);
            if self.scope.operation.is_none() {
                self.missing = Some(format!("the record has no endpoint `{name}`"));
            }
        }
    }

    /// `from` and `to` count from the start of the window.
    fn cut(&mut self, named: &Named) {
        let Some(window) = self.window.filter(|_| named.from.is_some() || named.to.is_some()) else { return };
        let from = window.from.after(named.from.unwrap_or_default());
        let to = named.to.map_or(window.to, |to| window.from.after(to));
        self.focus(window.intersection(Window { from, to }));
    }

    fn check(&mut self, named: &Named) {
        if self.missing.is_none() && self.window.is_some_and(|window| window.seconds() <= 0.0) {
            self.missing = Some(match named.phases.first() {
                Some(_) if named.from.is_some() => "the run ended before these times".to_owned(),
                Some(phase) => format!("the run ended before phase `{phase}` began"),
                None => "no traffic was recorded".to_owned(),
            });
        }
    }

    fn focus(&mut self, window: Window) {
        self.window = Some(window);
        self.scope.window = Some(window);
    }

    /// The same place, but only in this part of its time.
    pub(crate) fn within(&self, window: Window) -> Self {
        let mut part = self.clone();
        part.focus(self.window.map_or(window, |whole| whole.intersection(window)));
        part
    }

    /// Its time in stretches of equal length; what is left at the end is in none.
    pub(crate) fn stretches(&self, length: Duration) -> Vec<Self> {
        let Some(window) = self.window else { return Vec::new() };
        let count = (window.seconds() / length.as_secs_f64() + 1e-9).floor() as u32;
        let edge = |n: u32| window.from.after(length * n);
        (0..count).map(|n| self.within(Window { from: edge(n), to: edge(n + 1) })).collect()
    }

    /// How long it lasts, in seconds.
    pub(crate) fn seconds(&self) -> f64 {
        self.window.map_or(0.0, |window| window.seconds())
    }

    /// The batches its time is cut into.
    pub(crate) fn batching(&self) -> Batching {
        Batching { window: self.window.unwrap_or_default(), count: batch_count(self.seconds()) }
    }

    /// Its time cut into this many equal parts.
    pub(crate) fn parts(&self, count: usize) -> Batching {
        Batching { window: self.window.unwrap_or_default(), count: count.max(1) }
    }
}

fn index_of<'a>(mut names: impl Iterator<Item = &'a str>, wanted: &str) -> Option<u32> {
    names.position(|name| name == wanted).and_then(|index| u32::try_from(index).ok())
}

fn words(named: &Named) -> String {
    let phases = match named.phases.as_slice() {
        [] => None,
        [one] => Some(format!("phase {one}")),
        several => Some(format!("phases {}", several.join(", "))),
    };
    let times = match (named.from, named.to) {
        (None, None) => None,
        (Some(from), None) => Some(format!("from {}", show_duration(from))),
        (None, Some(to)) => Some(format!("up to {}", show_duration(to))),
        (Some(from), Some(to)) => Some(format!("{} to {}", show_duration(from), show_duration(to))),
    };
    let endpoint = named.endpoint.iter().map(|name| format!("endpoint {name}"));
    phases.into_iter().chain(times).chain(endpoint).collect::<Vec<_>>().join(", ")
}

/// Equal batches of a window.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Batching {
    window: Window,
    /// One when the window is too short to be cut.
    pub(crate) count: usize,
}

impl Batching {
    /// The batch of a row that began at `at`. Answers that came after the window (the last requests of a phase)
    /// belong to the last batch.
    pub(crate) fn index(&self, at: plimsoll_record::Offset) -> usize {
        let share = at.since(self.window.from) as f64 / 1e9 / self.window.seconds().max(f64::MIN_POSITIVE);
        ((share * self.count as f64) as usize).min(self.count - 1)
    }
}
