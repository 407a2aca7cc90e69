//! What users do: flows of steps, requests with captures and checks, groups and loops.
//!
//! Plain data, and the contract with the engine: what the comments promise, it does. How a flow is written is told
//! in `docs/plans.md`; the language of conditions in [`crate::condition`].
//!
//! A user's variables (`{name}`) begin with those of `[setup]`. In a closed phase they stay for all iterations of
//! the user, in an open phase each arrival is a new visit. A step that fails (no answer, an unexpected status, a
//! failed check, a capture that finds nothing and ends) ends the iteration.

use std::num::{NonZeroU16, NonZeroU32};
use std::time::Duration;

use crate::condition::Condition;
use crate::data::Attachment;
use crate::integrity::Touch;
use crate::model::{Method, ThinkTime};
use crate::patterns::{JsonPath, Pattern};
use crate::store::Call;
use crate::template::Template;

/// What a user does in one iteration.
#[derive(Clone, Debug, PartialEq)]
pub struct Flow {
    /// Its name, unique in the plan.
    pub name: String,
    /// How often it is chosen, relative to the others. Positive and finite.
    pub weight: f64,
    /// In closed phases: a user starts iterations of this flow this far apart, however long they take; one that
    /// takes longer is followed at once. Counts from the start of the iteration; the phase's think time is left out.
    pub pacing: Option<Duration>,
    /// Headers of its requests: they replace the target's of the same name, and steps replace them.
    pub headers: Vec<(String, Template)>,
    /// Its steps, in order. At least one request among them.
    pub steps: Vec<Step>,
}

/// One step.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// The step is left out unless this holds. It looks at values of the user only, never at an answer.
    pub when: Option<Condition>,
    /// What is done.
    pub action: Action,
}

/// What a step does.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// A request and its answer.
    Request(Box<Request>),
    /// A pause.
    Think(ThinkTime),
    /// Gives variables values, in order: `{ set = { key = "{random.uuid}" } }`.
    Set(Vec<(String, Template)>),
    /// Steps over again.
    Repeat {
        /// How often; drawn anew each time when the two differ.
        times: Times,
        /// What is repeated.
        steps: Vec<Step>,
    },
    /// Steps as long as something holds, asked before each turn.
    While {
        /// What must hold. It looks at values of the user only.
        condition: Condition,
        /// The most turns. Reaching it while the condition holds fails the iteration.
        limit: NonZeroU32,
        /// What is repeated.
        steps: Vec<Step>,
    },
    /// So many copies of the steps at once, each with variables of its own that are gone when all have ended. The
    /// group ends with its last copy, and fails when one fails.
    Copies {
        /// How many, at most 1,000.
        count: NonZeroU16,
        /// What each does.
        steps: Vec<Step>,
    },
    /// Several lists of steps at once. Variables go on in the order of the branches. The group ends with its last
    /// branch, and fails when one fails. At least two branches, none empty.
    Branches(Vec<Vec<Step>>),
    /// One of several lists of steps, at random. At least one.
    Choose(Vec<Choice>),
}

/// How often steps are repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// The fewest times.
    pub min: u32,
    /// The most times, at least `min`.
    pub max: NonZeroU32,
}

/// One of the lists a user may choose.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    /// How often it is chosen, relative to the others. Positive and finite.
    pub weight: f64,
    /// Its steps; none to do nothing.
    pub steps: Vec<Step>,
}

/// A request, its answer and what is made of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// What it asks of a store. `None`: it is a request of HTTP to the target. With it, method, path, headers,
    /// credentials, body and redirects mean nothing.
    pub store: Option<Box<Call>>,
    /// Its name, unique in the flow. The operation in the record is `name` when the plan has no other request of
    /// that name, else `flow.name`.
    pub name: String,
    /// The method.
    pub method: Method,
    /// Path and query. Begins with `/`, or with a hole of [`Form::Raw`](crate::template::Form::Raw).
    pub path: Template,
    /// Headers of this request, added to the target's and the flow's. Says what the body is, but for multipart.
    pub headers: Vec<(String, Template)>,
    /// Who asks. `None`: as the target says.
    pub auth: Option<Auth>,
    /// The body.
    pub body: Option<Body>,
    /// How long to wait for the complete answer. `None`: the target's timeout.
    pub timeout: Option<Duration>,
    /// How many redirects are followed; each is a request of its own on the wire, all are one arrival. Beyond it
    /// the answer stands as it is, a redirect.
    pub redirects: u8,
    /// A request that takes longer is logged as it happens. `None`: as the generator says.
    pub slow: Option<Duration>,
    /// What answer is expected.
    pub expect: Expect,
    /// What is kept of the answer, in order, once it is as expected.
    pub captures: Vec<Capture>,
    /// Whether it is sent until something holds.
    pub poll: Option<Poll>,
    /// What it does to the user's key of a set: [`Plan::integrity`](crate::model::Plan::integrity).
    pub integrity: Option<(Touch, String)>,
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Auth {
    /// Nobody: also where the target has one.
    None,
    /// User and password (RFC 7617).
    Basic {
        /// The user; holds no colon.
        user: Template,
        /// The password.
        password: Template,
    },
    /// A token (RFC 6750).
    Bearer(Template),
}

/// The body of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// JSON: the literals are JSON text; a value of [`Form::Text`](crate::template::Form::Text) and of the
    /// environment stands inside a string and is escaped for it.
    Json(Template),
    /// Anything: values are put in as they are.
    Text(Template),
    /// Fields of a form, in order, each name and value still to be encoded (`application/x-www-form-urlencoded`).
    Form(Vec<(String, Template)>),
    /// Parts of a form with files (RFC 7578); the engine chooses the boundary and sets the content type.
    Multipart(Vec<FormPart>),
    /// The content of a file, as it is.
    File(Attachment),
}

/// A part of a multipart body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormPart {
    /// The field's name.
    pub name: String,
    /// What is in it.
    pub content: FormContent,
    /// Its content type.
    pub content_type: Option<String>,
}

/// What is in a part of a multipart body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FormContent {
    /// Text.
    Value(Template),
    /// A file.
    File {
        /// The file.
        attachment: Attachment,
        /// The name it is sent under.
        filename: String,
    },
}

/// What answer is expected.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Expect {
    /// Status codes that are ok. Empty: every 2xx and 3xx.
    pub status: Vec<u16>,
    /// The status codes of rate-limited answers, counted apart from ok and error: nothing further is checked or
    /// captured.
    pub limited: Vec<u16>,
    /// What must hold for an answer of expected status. The first that does not hold fails the request.
    pub checks: Vec<Check>,
    /// What should hold: each is counted and fails nothing.
    pub soft: Vec<Check>,
}

/// Something an answer is checked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Check {
    /// What it is counted and shown as, unique in the request: the condition's text unless the plan names it.
    pub name: String,
    /// What must hold.
    pub condition: Condition,
}

/// What is kept of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capture {
    /// The variable.
    pub name: String,
    /// Where its value is found.
    pub from: Source,
    /// What happens when nothing is found.
    pub missing: Missing,
}

/// Where a captured value is found. Values of JSON keep their kind, all others are text, but for the status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The first thing a query finds in the JSON body: `"$.id"`.
    Json(JsonPath),
    /// A group of the first match in the body: `{ regex = "csrf=(\\w+)", group = 1 }`. Group 0 is the whole match.
    Regex {
        /// The expression.
        pattern: Pattern,
        /// The group; the expression has it.
        group: u16,
    },
    /// The first header of this name, in lower case: `"header.location"`.
    Header(String),
    /// A cookie this answer sets: `"cookie.session"`.
    Cookie(String),
    /// The status code, a number: `"status"`.
    Status,
    /// The whole body as text: `"body"`.
    Body,
    /// The value of a store's reply, in its own kind: `"value"`. Of SQL it is the first column of the first row. What
    /// Redis calls nil, and SQL null, is not there.
    Value,
    /// How many rows a store's reply has: `"rows"`. Of SQL the rows it gave or changed, of Redis the items of a list,
    /// 1 for any other value and 0 for nil.
    Rows,
}

/// What happens when a capture finds nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Missing {
    /// The request counts as failed, in a class of its own, and the iteration ends.
    End,
    /// The request counts as failed in that class; the iteration goes on, and the variable keeps what it had.
    Continue,
    /// The variable gets this text, and nothing has failed.
    Default(String),
}

/// Sends a request until something holds. Each try is an arrival of the request's operation, judged like any other;
/// a try that fails ends the poll. The whole, from the first try's intended start to the last answer, is one arrival
/// of an operation of its own: ok, failed with its try, or timed out. Captures are taken from the last answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Poll {
    /// What is waited for; it may look at the answer.
    pub until: Condition,
    /// From an answer to the next try. Default 500 ms.
    pub every: Duration,
    /// The longest the whole may take. Default 1 min.
    pub timeout: Duration,
}

impl Step {
    /// A step that is always done.
    #[must_use]
    pub fn new(action: Action) -> Self {
        Self { when: None, action }
    }

    /// The request, if it is one.
    #[must_use]
    pub fn request(&self) -> Option<&Request> {
        match &self.action {
            Action::Request(request) => Some(request),
            _ => None,
        }
    }

    /// The request, to be changed.
    pub fn request_mut(&mut self) -> Option<&mut Request> {
        match &mut self.action {
            Action::Request(request) => Some(request),
            _ => None,
        }
    }

    /// The lists of steps inside it, in order.
    #[must_use]
    pub fn inside(&self) -> Vec<&[Self]> {
        match &self.action {
            Action::Request(_) | Action::Think(_) | Action::Set(_) => Vec::new(),
            Action::Repeat { steps, .. } | Action::While { steps, .. } | Action::Copies { steps, .. } => vec![steps],
            Action::Branches(branches) => branches.iter().map(Vec::as_slice).collect(),
            Action::Choose(choices) => choices.iter().map(|choice| choice.steps.as_slice()).collect(),
        }
    }
}

impl From<Request> for Step {
    fn from(request: Request) -> Self {
        Self::new(Action::Request(Box::new(request)))
    }
}

impl Request {
    /// A request without headers and body that expects any 2xx or 3xx.
    #[must_use]
    pub fn new(name: &str, method: Method, path: Template) -> Self {
        Self {
            store: None,
            name: name.to_owned(),
            method,
            path,
            headers: Vec::new(),
            auth: None,
            body: None,
            timeout: None,
            redirects: 0,
            slow: None,
            expect: Expect::default(),
            captures: Vec::new(),
            poll: None,
            integrity: None,
        }
    }
}

/// All requests of a list of steps, depth first, in the order they are written.
#[must_use]
pub fn requests(steps: &[Step]) -> Vec<&Request> {
    // A step is a request or has steps inside, never both.
    let of = |step| Step::request(step).into_iter().chain(Step::inside(step).into_iter().flat_map(requests));
    steps.iter().flat_map(of).collect()
}
