//! Where a criterion is judged: its phase and endpoint, found in the record.

use plimsoll_plan::Scope as Named;
use plimsoll_record::summary::{Scope, Window};

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
            Some(traffic) => place.resolve(run, &traffic.header.body.phases, &traffic.header.body.operations, named),
            None if named.phase.is_some() => place.missing = Some("no traffic was recorded".to_owned()),
            None => {}
        }
        place
    }

    fn resolve(
        &mut self,
        run: &JudgedRun<'_>,
        phases: &[plimsoll_record::traffic::PhaseFact],
        operations: &[String],
        named: &Named,
    ) {
        self.window = run.facts.run_window();
        if let Some(name) = &named.phase {
            self.scope.phase = index_of(phases.iter().map(|phase| phase.name.as_str()), name);
            self.window = run.facts.phase_window(name);
            if self.scope.phase.is_none() {
                self.missing = Some(format!("the record has no phase `{name}`"));
            }
        }
        if let Some(name) = &named.endpoint {
            self.scope.operation = index_of(operations.iter().map(String::as_str), name);
            if self.scope.operation.is_none() {
                self.missing = Some(format!("the record has no endpoint `{name}`"));
            }
        }
        if self.missing.is_none() && self.window.is_some_and(|window| window.seconds() <= 0.0) {
            self.missing = Some(match &named.phase {
                Some(phase) => format!("the run ended before phase `{phase}` began"),
                None => "no traffic was recorded".to_owned(),
            });
        }
    }

    /// How long it lasts, in seconds.
    pub(crate) fn seconds(&self) -> f64 {
        self.window.map_or(0.0, |window| window.seconds())
    }

    /// The batches its time is cut into.
    pub(crate) fn batching(&self) -> Batching {
        Batching { window: self.window.unwrap_or_default(), count: batch_count(self.seconds()) }
    }
}

fn index_of<'a>(mut names: impl Iterator<Item = &'a str>, wanted: &str) -> Option<u32> {
    names.position(|name| name == wanted).and_then(|index| u32::try_from(index).ok())
}

fn words(named: &Named) -> String {
    let phase = named.phase.iter().map(|name| format!("phase {name}"));
    let endpoint = named.endpoint.iter().map(|name| format!("endpoint {name}"));
    phase.chain(endpoint).collect::<Vec<_>>().join(", ")
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
