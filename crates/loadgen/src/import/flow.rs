//! The `flow` of a scenario: requests, pauses, loops, groups that run at once.

use super::phases::seconds;
use super::requests;
use super::templates::{Names, Scope};
use crate::document::Document;
use crate::draft::{Draft, Step};
use crate::toml_text::name;

/// Requests, as Artillery and plans spell them.
const METHODS: [&str; 7] = ["get", "post", "put", "patch", "delete", "head", "options"];
/// Beside steps, what a loop and a request of a flow may have.
const LOOP: [&str; 2] = ["loop", "count"];

/// Makes the steps of one flow.
pub(super) struct Builder<'a> {
    flow: &'a str,
    scope: Scope<'a>,
    names: Vec<String>,
}

impl<'a> Builder<'a> {
    pub(super) fn new(flow: &'a str, names: &'a Names) -> Self {
        Self { flow, scope: Scope::new(names), names: Vec::new() }
    }

    /// Whether there was a request.
    pub(super) fn makes_requests(&self) -> bool {
        !self.names.is_empty()
    }

    pub(super) fn steps(&mut self, steps: &[Document], draft: &mut Draft) -> Vec<Step> {
        steps.iter().filter_map(|step| self.step(step, draft)).collect()
    }

    fn step(&mut self, step: &Document, draft: &mut Draft) -> Option<Step> {
        let entries = step.entries();
        if let Some((method, request)) = entries.iter().find(|(key, _)| METHODS.contains(&key.as_str())) {
            return self.request(method, request, draft);
        }
        let (key, value) = entries
            .iter()
            .find(|(key, _)| ["think", "loop", "parallel"].contains(&key.as_str()))
            .or_else(|| entries.first())?;
        match key.as_str() {
            "think" => self.think(value, draft),
            "loop" => self.repeat(step, draft),
            "parallel" => self.parallel(value, draft),
            other => {
                self.leave_out(other, draft);
                None
            }
        }
    }

    fn leave_out(&self, what: &str, draft: &mut Draft) {
        draft.leave_out(format!("`{what}` in `{}`", self.flow));
    }

    fn think(&self, value: &Document, draft: &mut Draft) -> Option<Step> {
        if let Some(pause) = seconds(value) {
            return Some(Step::think(&format!("{pause}s")));
        }
        if value.number() != Some(0.0) {
            self.leave_out(&format!("think: {}", value.scalar().unwrap_or_default()), draft);
        }
        None
    }

    fn repeat(&mut self, step: &Document, draft: &mut Draft) -> Option<Step> {
        for (key, _) in step.entries().iter().filter(|(key, _)| !LOOP.contains(&key.as_str())) {
            self.leave_out(&format!("{key} of a loop"), draft);
        }
        let count = step.get("count").number().filter(|count| *count >= 1.0 && *count <= f64::from(u32::MAX));
        let Some(count) = count else {
            self.leave_out("loop without a count, which is done once", draft);
            return self.group(step.get("loop"), 1, draft);
        };
        self.group(step.get("loop"), count as u32, draft)
    }

    fn group(&mut self, steps: &Document, count: u32, draft: &mut Draft) -> Option<Step> {
        self.scope.loops += 1;
        let inside = self.steps(steps.items(), draft);
        self.scope.loops -= 1;
        let entries = vec![("repeat".to_owned(), count.to_string())];
        (!inside.is_empty()).then(|| Step { entries, inside, ..Step::default() })
    }

    /// Each of them is a branch of its own.
    fn parallel(&mut self, steps: &Document, draft: &mut Draft) -> Option<Step> {
        let mut inside = self.steps(steps.items(), draft);
        if inside.len() < 2 {
            return inside.pop();
        }
        let branches = inside.iter().map(|step| format!("[{}]", step.inline())).collect::<Vec<_>>().join(", ");
        Some(Step { entries: vec![("parallel".to_owned(), format!("[{branches}]"))], ..Step::default() })
    }

    fn request(&mut self, method: &str, request: &Document, draft: &mut Draft) -> Option<Step> {
        let url = request.get("url").text().or_else(|| request.get("uri").text()).unwrap_or_default();
        let wanted =
            request.get("name").scalar().unwrap_or_else(|| format!("{method} {}", url.replace(['{', '}'], " ")));
        let name = crate::new::unique(&name(&wanted), &mut self.names);
        let step = requests::step(method, &name, request, &mut self.scope, draft);
        if step.is_none() {
            self.names.pop();
        }
        step
    }
}
