//! Plans from Rust: a builder with the words of the plan file.
//!
//! What a builder was told is read by the same reader as a file, so that defaults, quantities, conditions and rules
//! are the same, and a plan that was built equals its twin in TOML. There is a method for what most plans say; every
//! other key of the reference is set by `with`. Saying the same key twice replaces it, except where things are added
//! one by one: phases, flows, steps, checks and criteria.
//!
//! Text means what it means in a file: `{user.id}` is a hole, `${NAME}` a variable that [`PlanBuilder::build_with`] is
//! handed, `$$` a plain `$`. Secrets are best given as variables: only those are kept out of records and messages.
//!
//! ```
//! use plimsoll_plan::Plan;
//! use plimsoll_plan::build::{closed, flow, get, open, post, table};
//!
//! let plan = Plan::builder("shop")
//!     .target("http://127.0.0.1:8080")
//!     .users(100)
//!     .phase(open("steady", "18/s").duration("3m").poisson())
//!     .phase(closed("people", 50).duration("10m").think("5s..15s"))
//!     .flow(
//!         flow("buy")
//!             .step(post("order", "/orders").json(table().with("by", "{user.id}")).check("$.ok == true").capture("id", "$.id"))
//!             .think("1s..2s")
//!             .step(get("wait", "/orders/{id}").poll("$.state == 'sent'").poll_timeout("3m")),
//!     )
//!     .require("error_rate < 1%")
//!     .build()?;
//! assert_eq!(plan.operations(), ["order", "wait", "wait.poll"]);
//!
//! let problems = Plan::builder("shop").target("http://127.0.0.1:8080").build().unwrap_err();
//! assert!(problems.to_string().contains("the plan has `target`, but no `phases`"));
//! # Ok::<(), plimsoll_plan::Problems>(())
//! ```

mod flow;
mod phase;
mod stated;

pub use flow::{
    FlowBuilder, StepBuilder, branches, choose, delete, flow, get, head, options, parallel, patch, post, put, redis,
    repeat, repeat_while, set, sql, think,
};
pub use phase::{PhaseBuilder, closed, open};
pub use stated::Stated;

use std::fmt::Display;

use crate::diagnostics::{Problems, SourceText};
use crate::model::Plan;
use crate::resolve::parse;
use crate::surroundings::Surroundings;
use crate::write::key;

/// What messages call the text that a builder makes.
const SOURCE: &str = "plan built in Rust";

/// A plan in the making; see [`Plan::builder`].
#[derive(Clone, Debug, PartialEq)]
#[must_use = "a plan is made by `build`"]
pub struct PlanBuilder {
    root: Stated,
    flows: Vec<FlowBuilder>,
}

/// An empty table, for values that are one: `table().with("regex", "id=(.*)").with("default", "none")`.
#[must_use]
pub fn table() -> Stated {
    Stated::table()
}

impl Plan {
    /// Begins a plan of this name; see [`build`](crate::build).
    pub fn builder(name: &str) -> PlanBuilder {
        PlanBuilder { root: table().with("name", name), flows: Vec::new() }
    }
}

impl PlanBuilder {
    /// Seeds every random choice. Default 1.
    pub fn seed(self, seed: u64) -> Self {
        self.with("seed", seed)
    }

    /// Where traffic goes: the base URL.
    pub fn target(self, url: impl Display) -> Self {
        self.with("target.url", url.to_string())
    }

    /// A store: `store("redis", "redis://127.0.0.1:6379")`. What else it has is set by
    /// `with("targets.redis.connections", 50)`.
    pub fn store(self, name: &str, url: impl Display) -> Self {
        self.with(&format!("targets.{name}.url"), url.to_string())
    }

    /// A header of every request.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        *self.root.at("target.headers").entry(name) = value.into();
        self
    }

    /// How many identities there are. Default 1.
    pub fn users(self, count: u64) -> Self {
        self.with("users.count", count)
    }

    /// The pattern of identities, n from 1: `"tenant-{n}"`.
    pub fn user_id(self, pattern: &str) -> Self {
        self.with("users.id", pattern)
    }

    /// The next phase.
    pub fn phase(mut self, phase: PhaseBuilder) -> Self {
        self.root.entry("phases").push(phase.0);
        self
    }

    /// Another flow.
    pub fn flow(mut self, flow: FlowBuilder) -> Self {
        self.flows.push(flow);
        self
    }

    /// What runs once before the first phase; every user has what it captures.
    pub fn setup(self, steps: impl IntoIterator<Item = StepBuilder>) -> Self {
        self.with("setup.steps", flow::list(steps))
    }

    /// What runs once after the last phase.
    pub fn teardown(self, steps: impl IntoIterator<Item = StepBuilder>) -> Self {
        self.with("teardown.steps", flow::list(steps))
    }

    /// A criterion that decides between pass and fail: `"p99 < 500ms"`.
    pub fn require(mut self, criterion: &str) -> Self {
        self.root.at("criteria.require").push(criterion);
        self
    }

    /// A criterion that decides between pass and warn.
    pub fn prefer(mut self, criterion: &str) -> Self {
        self.root.at("criteria.prefer").push(criterion);
        self
    }

    /// Any key of the plan, tables with dots between: `with("target.timeout", "5s")`, `with("users.cookies", true)`,
    /// `with("data.words.rows", [table().with("word", "tea")])`.
    pub fn with(mut self, path: &str, value: impl Into<Stated>) -> Self {
        *self.root.at(path) = value.into();
        self
    }

    /// The plan. It may name no file and no `${VARIABLE}` without a default; see [`PlanBuilder::build_with`].
    ///
    /// # Errors
    /// Every problem of the plan, at once, shown in the text that the builder made of it.
    pub fn build(self) -> Result<Plan, Problems> {
        self.build_with(&Surroundings::NONE)
    }

    /// The plan, with these files and variables.
    ///
    /// # Errors
    /// Every problem of the plan, at once, shown in the text that the builder made of it.
    pub fn build_with(self, surroundings: &Surroundings<'_>) -> Result<Plan, Problems> {
        let source = SourceText { name: SOURCE.to_owned(), text: self.document() };
        parse(&source, &[], surroundings)
    }

    /// Each flow has a heading of its own, so that two of one name stay two.
    fn document(&self) -> String {
        let flow = |flow: &FlowBuilder| format!("\n[flows.{}]\n{}", key(&flow.name), flow.table.lines());
        self.flows.iter().map(flow).fold(self.root.document(), |text, flow| text + &flow)
    }
}
