//! Which values may be named at one place of the plan: what steps before it captured, the columns of the data, the user.

use std::rc::Rc;

use crate::data::DataSet;
use crate::integrity::Touch;
use crate::store::Store;
use crate::template::Hole;
use crate::tree::{Node, Value};
use crate::words;

use super::holes::Complaint;

/// A set of data and its columns; `None` when they could not be read, which was reported there.
pub(super) type Columns = (String, Option<Vec<String>>);

/// What may be named here.
#[derive(Clone, Default)]
pub(super) struct Names {
    data: Rc<Vec<Columns>>,
    stores: Rc<Vec<Store>>,
    /// Payloads, and whether each may be any bytes.
    payloads: Rc<Vec<(String, bool)>>,
    /// Captured by `[setup]`, and by the steps before this one.
    captured: Vec<String>,
    /// Captured anywhere in the flow: conditions may ask for it before it is there.
    anywhere: Rc<Vec<String>>,
    /// A user acts: not in `[setup]` and `[teardown]`.
    user: bool,
    /// Inside `repeat`, `while` or `parallel`.
    turn: bool,
    /// The sets of keys, by name.
    sets: Rc<Vec<String>>,
    /// What the step does to a key.
    touch: Option<Touch>,
}

impl Names {
    /// Of a plan with this data, before any step: only random values.
    pub(super) fn of_plan(data: Vec<Columns>) -> Self {
        Self { data: Rc::new(data), ..Self::default() }
    }

    /// With these stores and payloads, and whether each payload may be any bytes.
    pub(super) fn with_stores(self, stores: &[Store], payloads: Vec<(String, bool)>) -> Self {
        Self { stores: Rc::new(stores.to_vec()), payloads: Rc::new(payloads), ..self }
    }

    /// With these sets of keys.
    pub(super) fn with_sets(self, sets: Vec<String>) -> Self {
        Self { sets: Rc::new(sets), ..self }
    }

    /// The names of the sets of keys.
    pub(super) fn sets(&self) -> &[String] {
        &self.sets
    }

    /// Of a step that does this to a key.
    pub(super) fn touching(&self, touch: Option<Touch>) -> Self {
        Self { touch, ..self.clone() }
    }

    /// The plan's stores.
    pub(super) fn stores(&self) -> &[Store] {
        &self.stores
    }

    /// The name of the payload that a hole means, if that may be any bytes.
    pub(super) fn raw_payload<'h>(&self, hole: &'h Hole) -> Option<&'h str> {
        let Hole::Payload(name) = hole else { return None };
        self.payloads.iter().any(|(known, raw)| known == name && *raw).then_some(name)
    }

    /// Of what a user does.
    pub(super) fn of_user(&self) -> Self {
        Self { user: true, ..self.clone() }
    }

    /// Inside a list of steps that is stated here.
    pub(super) fn with_steps(&self, steps: &Node) -> Self {
        let mut anywhere = self.captured.clone();
        collect(steps, &mut anywhere);
        Self { anywhere: Rc::new(anywhere), ..self.clone() }
    }

    /// After these steps, whichever of them are done.
    pub(super) fn after_steps(&self, steps: &Node) -> Self {
        let mut after = self.clone();
        collect(steps, &mut after.captured);
        after.anywhere = Rc::new(after.captured.clone());
        after
    }

    /// Inside a loop or copies.
    pub(super) fn in_turn(&self) -> Self {
        Self { turn: true, ..self.clone() }
    }

    /// From here on, this value is there.
    pub(super) fn add(&mut self, name: &str) {
        if !self.captured.iter().any(|known| known == name) {
            self.captured.push(name.to_owned());
        }
    }

    /// From here on, what was captured there is there, too.
    pub(super) fn add_all(&mut self, other: &Self) {
        other.captured.iter().for_each(|name| self.add(name));
    }

    /// Why a template may not use this value here.
    pub(super) fn check(&self, hole: &Hole) -> Result<(), Complaint> {
        self.check_against(hole, &self.captured)
    }

    /// Why a condition may not: it may ask for what is not captured yet.
    pub(super) fn check_in_condition(&self, hole: &Hole) -> Result<(), Complaint> {
        self.check_against(hole, &self.anywhere)
    }

    fn check_against(&self, hole: &Hole, captured: &[String]) -> Result<(), Complaint> {
        match hole {
            Hole::UserId | Hole::UserNumber | Hole::Iteration | Hole::Data(..) if !self.user => Err(no_user(hole)),
            Hole::Turn if !self.turn => Err(Complaint {
                title: "`{turn}` stands in no loop".to_owned(),
                near: None,
                help:
                    "it counts the turns of `repeat` and `while` and the copies of `parallel`: put it into their steps"
                        .to_owned(),
            }),
            Hole::IntegrityKey if self.touch.is_none() => Err(Complaint {
                title: "`{integrity.key}` stands in a step that touches no set of keys".to_owned(),
                near: None,
                help: "give the step `writes = \"NAME\"` or `reads = \"NAME\"`, and the plan [integrity.NAME]"
                    .to_owned(),
            }),
            Hole::IntegrityValue if self.touch != Some(Touch::Writes) => Err(Complaint {
                title: "`{integrity.value}` stands in a step that writes no set of keys".to_owned(),
                near: None,
                help: "give the step `writes = \"NAME\"`, and the plan [integrity.NAME]".to_owned(),
            }),
            Hole::Data(set, column) => self.check_data(set, column),
            Hole::Payload(name) => self.check_payload(name),
            Hole::Captured(name) if !captured.contains(name) => Err(self.unknown(name, captured)),
            _ => Ok(()),
        }
    }

    fn check_data(&self, set: &str, column: &str) -> Result<(), Complaint> {
        let Some((_, columns)) = self.data.iter().find(|(name, _)| name == set) else {
            let names = || self.data.iter().map(|(name, _)| name.as_str());
            return Err(Complaint {
                title: format!("there is no data `{set}`"),
                near: words::nearest(set, names()).map(str::to_owned),
                help: format!("the plan has: {}; add `[data.{set}]` with `file` or `rows`", words::list(names())),
            });
        };
        match columns {
            Some(columns) if !columns.iter().any(|known| known == column) => {
                let names = || columns.iter().map(String::as_str);
                Err(Complaint {
                    title: format!("the data `{set}` has no column `{column}`"),
                    near: words::nearest(column, names()).map(str::to_owned),
                    help: format!("its columns are {}", words::list(names())),
                })
            }
            _ => Ok(()),
        }
    }

    fn check_payload(&self, name: &str) -> Result<(), Complaint> {
        if self.payloads.iter().any(|(known, _)| known == name) {
            return Ok(());
        }
        let names = || self.payloads.iter().map(|(name, _)| name.as_str());
        Err(Complaint {
            title: format!("there is no payload `{name}`"),
            near: words::nearest(name, names()).map(|near| format!("{{payload.{near}}}")),
            help: format!("the plan has: {}; add `[payloads.{name}]` with `size`", words::list(names())),
        })
    }

    fn unknown(&self, name: &str, captured: &[String]) -> Complaint {
        let late = self.anywhere.iter().any(|known| known == name);
        let title = if late {
            format!("`{{{name}}}` is not there yet in this step")
        } else {
            format!("unknown hole `{{{name}}}`")
        };
        let fixed: &[&str] = if self.user { &["user.id", "user.n", "iteration"] } else { &[] };
        let valid = || fixed.iter().copied().chain(captured.iter().map(String::as_str));
        let near = words::nearest(name, valid()).filter(|near| *near != name).map(|near| format!("{{{near}}}"));
        let braced: Vec<String> = valid().map(|word| format!("{{{word}}}")).collect();
        let list = words::list(braced.iter().map(String::as_str));
        let help = format!(
            "valid here: {list}, `{{data.SET.column}}`, `{{random.uuid}}` and the like; a step before this one gives it with `capture` or `set`; write `{{{{` for a plain brace"
        );
        Complaint { title, near, help }
    }
}

fn no_user(hole: &Hole) -> Complaint {
    Complaint {
        title: format!("`{{{hole}}}` has no value here: no user does this"),
        near: None,
        help: "[setup] and [teardown] run once: use captured and random values only".to_owned(),
    }
}

/// Sets and columns, as far as they could be read.
pub(super) fn columns(sets: &[(String, Option<DataSet>)]) -> Vec<Columns> {
    sets.iter().map(|(name, set)| (name.clone(), set.as_ref().map(|set| set.columns.clone()))).collect()
}

/// Every name that steps capture or set, at any depth.
fn collect(steps: &Node, names: &mut Vec<String>) {
    match &steps.value {
        Value::List(list) => list.iter().for_each(|node| collect(node, names)),
        Value::Table(step) => {
            for entry in &step.entries {
                match (entry.key.as_str(), &entry.node.value) {
                    ("capture" | "set", Value::Table(table)) => {
                        names.extend(table.entries.iter().map(|entry| entry.key.clone()));
                    }
                    ("steps" | "parallel" | "choose", _) => collect(&entry.node, names),
                    _ => {}
                }
            }
        }
        _ => {}
    }
}
