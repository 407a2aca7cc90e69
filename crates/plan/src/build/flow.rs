//! Flows and their steps: requests, pauses, groups and loops.

use std::fmt::Display;

use super::{Stated, table};

/// A flow in the making; see [`flow`].
#[derive(Clone, Debug, PartialEq)]
#[must_use = "a flow does nothing until a plan has it"]
pub struct FlowBuilder {
    pub(super) name: String,
    pub(super) table: Stated,
}

/// What a user does in one iteration.
pub fn flow(name: &str) -> FlowBuilder {
    FlowBuilder { name: name.to_owned(), table: table() }
}

impl FlowBuilder {
    /// How often it is chosen, relative to the others. Default 1.
    pub fn weight(self, weight: f64) -> Self {
        self.with("weight", weight)
    }

    /// Iterations of a user start this far apart, where phases do not say it.
    pub fn pacing(self, pacing: impl Into<Stated>) -> Self {
        self.with("pacing", pacing)
    }

    /// A header of all its requests.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        *self.table.entry("headers").entry(name) = value.into();
        self
    }

    /// Its next step.
    pub fn step(mut self, step: StepBuilder) -> Self {
        self.table.entry("steps").push(step.0);
        self
    }

    /// A pause: `.step(think(..))`.
    pub fn think(self, think: impl Into<Stated>) -> Self {
        self.step(self::think(think))
    }

    /// Any key that flows have.
    pub fn with(mut self, key: &str, value: impl Into<Stated>) -> Self {
        *self.table.entry(key) = value.into();
        self
    }
}

/// A step in the making: a request ([`get`], [`post`] and so on), a pause ([`think`]), a group or a loop.
#[derive(Clone, Debug, PartialEq)]
#[must_use = "a step does nothing until a flow has it"]
pub struct StepBuilder(Stated);

fn request(method: &str, name: &str, path: &str) -> StepBuilder {
    StepBuilder(table().with("name", name).with(method, path))
}

/// A GET request of this name to this path.
pub fn get(name: &str, path: &str) -> StepBuilder {
    request("get", name, path)
}

/// A POST request of this name to this path.
pub fn post(name: &str, path: &str) -> StepBuilder {
    request("post", name, path)
}

/// A PUT request of this name to this path.
pub fn put(name: &str, path: &str) -> StepBuilder {
    request("put", name, path)
}

/// A PATCH request of this name to this path.
pub fn patch(name: &str, path: &str) -> StepBuilder {
    request("patch", name, path)
}

/// A DELETE request of this name to this path.
pub fn delete(name: &str, path: &str) -> StepBuilder {
    request("delete", name, path)
}

/// A HEAD request of this name to this path.
pub fn head(name: &str, path: &str) -> StepBuilder {
    request("head", name, path)
}

/// An OPTIONS request of this name to this path.
pub fn options(name: &str, path: &str) -> StepBuilder {
    request("options", name, path)
}

/// A command of Redis under this name: `redis("save", ["SET", "agent:{user.id}", "{payload.state}"])`. Where the plan
/// has several stores of Redis, `.with("on", "cache")` says which.
pub fn redis<W: Into<Stated>>(name: &str, words: impl IntoIterator<Item = W>) -> StepBuilder {
    let words = Stated::list(words.into_iter().map(Into::into));
    StepBuilder(table().with("name", name).with("redis", words))
}

/// A statement of SQL under this name, with its parameters.
pub fn sql<P: Into<Stated>>(name: &str, statement: &str, params: impl IntoIterator<Item = P>) -> StepBuilder {
    let params = Stated::list(params.into_iter().map(Into::into));
    StepBuilder(table().with("name", name).with("sql", statement).with("params", params))
}

/// A pause: `"2s"`, `"5s..15s"`, `"lognormal(8s, p95 = 20s)"`.
pub fn think(think: impl Into<Stated>) -> StepBuilder {
    StepBuilder(table().with("think", think))
}

/// Gives a value a name, to use it more than once: `set("key", "{random.uuid}")`.
pub fn set(name: &str, value: &str) -> StepBuilder {
    StepBuilder(table().with("set", table().with(name, value)))
}

/// Steps over again: `3` times, or `"1..5"`.
pub fn repeat(times: impl Into<Stated>, steps: impl IntoIterator<Item = StepBuilder>) -> StepBuilder {
    StepBuilder(table().with("repeat", times).with("steps", list(steps)))
}

/// Steps as long as a condition on values of the user holds. Reaching `limit` turns fails the iteration.
pub fn repeat_while(condition: &str, limit: u32, steps: impl IntoIterator<Item = StepBuilder>) -> StepBuilder {
    StepBuilder(table().with("while", condition).with("limit", limit).with("steps", list(steps)))
}

/// So many copies of the steps at once, each with values of its own.
pub fn parallel(copies: u32, steps: impl IntoIterator<Item = StepBuilder>) -> StepBuilder {
    StepBuilder(table().with("parallel", copies).with("steps", list(steps)))
}

/// Branches at once; what they capture stays.
pub fn branches(branches: impl IntoIterator<Item = Vec<StepBuilder>>) -> StepBuilder {
    StepBuilder(table().with("parallel", Stated::list(branches.into_iter().map(list))))
}

/// One of these at random, by weight; an empty one does nothing.
pub fn choose(choices: impl IntoIterator<Item = (f64, Vec<StepBuilder>)>) -> StepBuilder {
    let choice = |(weight, steps): (f64, _)| table().with("weight", weight).with("steps", list(steps));
    StepBuilder(table().with("choose", Stated::list(choices.into_iter().map(choice))))
}

pub(super) fn list(steps: impl IntoIterator<Item = StepBuilder>) -> Stated {
    Stated::list(steps.into_iter().map(|step| step.0))
}

impl StepBuilder {
    /// The step is left out unless this holds; it sees values of the user only.
    pub fn when(self, condition: &str) -> Self {
        self.with("when", condition)
    }

    /// A header of the request.
    pub fn header(self, name: &str, value: &str) -> Self {
        self.entry("headers", name, value)
    }

    /// A parameter of the query; it is percent-encoded.
    pub fn query(self, name: &str, value: impl Into<Stated>) -> Self {
        self.entry("query", name, value)
    }

    /// Sends a bearer token.
    pub fn bearer(self, token: &str) -> Self {
        self.entry("auth", "bearer", token)
    }

    /// Sends a name and a password.
    pub fn basic(self, user: &str, password: &str) -> Self {
        self.with("auth", table().with("basic", table().with("user", user).with("password", password)))
    }

    /// A JSON body: a table or a list.
    pub fn json(self, body: impl Into<Stated>) -> Self {
        self.with("json", body)
    }

    /// A JSON body as text: anything that shows as JSON, such as a `serde_json::Value`. It is sent as it is written.
    pub fn json_text(self, body: impl Display) -> Self {
        self.with("json_text", body.to_string())
    }

    /// A field of a form as body.
    pub fn form(self, name: &str, value: impl Into<Stated>) -> Self {
        self.entry("form", name, value)
    }

    /// A body of any text.
    pub fn body(self, text: &str) -> Self {
        self.with("body", text)
    }

    /// For the complete answer. Default: the target's.
    pub fn timeout(self, timeout: impl Into<Stated>) -> Self {
        self.with("timeout", timeout)
    }

    /// What the answer must be, by a key of `expect`: `expect("status", 201)`.
    pub fn expect(self, key: &str, value: impl Into<Stated>) -> Self {
        self.entry("expect", key, value)
    }

    /// A condition that must hold of the answer: `"$.ok == true"`.
    pub fn check(mut self, condition: &str) -> Self {
        self.0.at("expect.that").push(condition);
        self
    }

    /// A condition that is only counted.
    pub fn soft_check(mut self, condition: &str) -> Self {
        self.0.at("soft.that").push(condition);
        self
    }

    /// Keeps a value of the answer for later steps: `"$.id"`, `"header.location"`, `"cookie.session"`, `"status"`,
    /// `"body"`, or a table.
    pub fn capture(self, name: &str, from: impl Into<Stated>) -> Self {
        self.entry("capture", name, from)
    }

    /// Sends the request again until this holds of its answer.
    pub fn poll(self, until: &str) -> Self {
        self.entry("poll", "until", until)
    }

    /// From an answer to the next try. Default 500 ms.
    pub fn poll_every(self, pause: impl Into<Stated>) -> Self {
        self.entry("poll", "every", pause)
    }

    /// For the whole poll. Default 1 min.
    pub fn poll_timeout(self, timeout: impl Into<Stated>) -> Self {
        self.entry("poll", "timeout", timeout)
    }

    /// Any key that steps have.
    pub fn with(self, key: &str, value: impl Into<Stated>) -> Self {
        Self(self.0.with(key, value))
    }

    fn entry(mut self, key: &str, name: &str, value: impl Into<Stated>) -> Self {
        *self.0.entry(key).entry(name) = value.into();
        self
    }
}
