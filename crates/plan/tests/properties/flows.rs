//! Flows of every kind, for the properties: whatever a plan can hold.
//!
//! Values that are named must be known where they are named: `given` and `other` are set in `[setup]`, `rows` has a
//! column `name`, and turns are only named in loops.

use std::num::{NonZeroU16, NonZeroU32};
use std::time::Duration;

use plimsoll_plan::{
    Action, AtEnd, Attachment, Auth, Body, Capture, Check, Choice, Condition, DataSet, DataSource, Expect, FileFact,
    Flow, Form, FormContent, FormPart, Hole, JsonPath, Missing, Operand, Operator, Part, Pattern, Poll, Random,
    Request, Rows, Secret, Source, Step, Take, Template, ThinkTime, Times, Value,
};
use proptest::collection::{btree_map, btree_set, vec};
use proptest::option;
use proptest::prelude::*;

use super::{duration, headers, method, name, path, think};

/// What `[setup]` gives every flow.
pub(super) fn setup() -> Vec<Step> {
    let text = |text: &str| Template::literal(text);
    vec![Step::new(Action::Set(vec![("given".to_owned(), text("1")), ("other".to_owned(), text("{\"a\"$"))]))]
}

pub(super) fn hole() -> impl Strategy<Value = Hole> {
    let word = "[a-z]{1,4}( [a-z.]{1,3})?";
    prop_oneof![
        Just(Hole::UserId),
        Just(Hole::UserNumber),
        Just(Hole::Iteration),
        Just(Hole::Captured("given".to_owned())),
        Just(Hole::Captured("other".to_owned())),
        Just(Hole::Data("rows".to_owned(), "first name".to_owned())),
        Just(Hole::Random(Random::Uuid)),
        (any::<i64>(), any::<i64>()).prop_map(|(a, b)| Hole::Random(Random::Integer { min: a.min(b), max: a.max(b) })),
        vec(word, 1..4).prop_map(|words| Hole::Random(Random::Choice(words))),
        (1..10_000_u16).prop_map(|length| Hole::Random(Random::Text(NonZeroU16::new(length).expect("above zero")))),
    ]
}

/// Literals never stand side by side: the reader makes one of them.
pub(super) fn template(literal: &'static str, forms: &'static [Form]) -> impl Strategy<Value = Template> {
    let part = prop_oneof![
        3 => (hole(), prop::sample::select(forms)).prop_map(|(hole, form)| Part::Hole(hole, form)),
        1 => "[A-Z_][A-Z0-9_]{0,5}".prop_map(|name| Part::Environment { name, value: Secret::new("***".to_owned()) }),
    ];
    (literal, vec((part, literal), 0..4)).prop_map(|(first, rest)| {
        let mut parts = vec![Part::Literal(first)];
        for (hole, text) in rest {
            parts.extend([hole, Part::Literal(text)]);
        }
        parts.retain(|part| !matches!(part, Part::Literal(text) if text.is_empty()));
        Template { parts }
    })
}

fn any_text() -> impl Strategy<Value = Template> {
    template("(?s).{0,8}", &[Form::Text])
}

fn query() -> impl Strategy<Value = JsonPath> {
    let queries =
        ["$", "$.id", "$['a b'][0]", "$.items[?@.price < 10 && @.name == \"it's\"].id", "$..x[-1:]", "$.a[*]"];
    prop::sample::select(queries.to_vec()).prop_map(|text| JsonPath::new(text).expect("a query"))
}

fn pattern() -> impl Strategy<Value = Pattern> {
    let patterns = ["", "a+", "it's", "\"[^\"]*\"", "'\"", "(x)(y)?$", "a|b\n", "\\{\\{\\w+}}"];
    prop::sample::select(patterns.to_vec()).prop_map(|text| Pattern::new(text).expect("an expression"))
}

fn header_name() -> impl Strategy<Value = String> {
    "[a-z0-9_-]{1,8}"
}

/// What can be compared, and with what.
fn comparison(answer: bool) -> BoxedStrategy<Condition> {
    let compare = |left, operator, right| Condition::Compare { left, operator, right };
    let ordered = prop::sample::select(vec![
        Operator::Equal,
        Operator::NotEqual,
        Operator::Less,
        Operator::LessOrEqual,
        Operator::Greater,
        Operator::GreaterOrEqual,
    ]);
    let value = prop_oneof![
        (-1e9..1e9_f64).prop_map(Value::Number),
        any::<i32>().prop_map(|number| Value::Number(f64::from(number))),
        "(?s).{0,9}".prop_map(Value::Text),
        hole().prop_map(Value::Hole),
    ];
    let of_user = hole().prop_map(Operand::Hole);
    let plain = prop_oneof![
        (of_user, ordered.clone(), value.clone()).prop_map(move |(left, how, right)| compare(left, how, right)),
        hole().prop_map(|hole| Condition::Exists(Operand::Hole(hole))),
        (hole(), pattern()).prop_map(|(hole, pattern)| Condition::Matches(Operand::Hole(hole), pattern)),
    ];
    if !answer {
        return plain.boxed();
    }
    let text =
        prop_oneof![Just(Operand::Body), header_name().prop_map(Operand::Header), query().prop_map(Operand::Json),];
    let bool_or_null = prop_oneof![any::<bool>().prop_map(Value::Boolean), Just(Value::Null)];
    prop_oneof![
        plain,
        (text.clone(), ordered.clone(), value).prop_map(move |(left, how, right)| compare(left, how, right)),
        (text.clone(), "(?s).{0,9}").prop_map(move |(left, text)| compare(left, Operator::Contains, Value::Text(text))),
        (query(), bool_or_null).prop_map(move |(path, right)| compare(Operand::Json(path), Operator::Equal, right)),
        (query(), ordered.clone(), 0..99_u16).prop_map(move |(path, how, n)| compare(
            Operand::Count(path),
            how,
            Value::Number(f64::from(n))
        )),
        (ordered.clone(), duration()).prop_map(move |(how, time)| compare(Operand::Latency, how, Value::Time(time))),
        (ordered, 0..1_000_000_000_000_u64).prop_map(move |(how, bytes)| compare(
            Operand::Size,
            how,
            Value::Bytes(bytes)
        )),
        text.prop_map(Condition::Exists),
        statuses().prop_filter("at least one", |codes| !codes.is_empty()).prop_map(Condition::StatusIn),
    ]
    .boxed()
}

pub(super) fn condition(answer: bool) -> impl Strategy<Value = Condition> {
    comparison(answer).prop_recursive(3, 8, 3, |inner| {
        // What is joined alike inside one another is read as one.
        let all = |list: Vec<Condition>| {
            Condition::All(list.into_iter().map(|one| if let Condition::All(_) = one { not(one) } else { one }).collect())
        };
        let any = |list: Vec<Condition>| {
            Condition::Any(list.into_iter().map(|one| if let Condition::Any(_) = one { not(one) } else { one }).collect())
        };
        prop_oneof![
            inner.clone().prop_map(not),
            vec(inner.clone(), 2..4).prop_map(all),
            vec(inner, 2..4).prop_map(any),
        ]
    })
}

fn not(condition: Condition) -> Condition {
    Condition::Not(Box::new(condition))
}

fn statuses() -> impl Strategy<Value = Vec<u16>> {
    let codes = btree_set(prop_oneof![100..600_u16, Just(200_u16)], 0..4);
    (codes, btree_set(1..6_u16, 0..2)).prop_map(|(codes, classes)| {
        let whole = classes.into_iter().flat_map(|class| class * 100..class * 100 + 100);
        let status: std::collections::BTreeSet<u16> = codes.into_iter().chain(whole).collect();
        status.into_iter().collect()
    })
}

fn expect() -> impl Strategy<Value = Expect> {
    let named = btree_map("[^\0]{0,6}[a-z]", condition(true), 0..4);
    (statuses(), statuses(), named, 0..3_usize).prop_map(|(status, limited, named, soft)| {
        let mut checks: Vec<Check> = named.into_iter().map(|(name, condition)| Check { name, condition }).collect();
        let soft = checks.split_off(checks.len().saturating_sub(soft));
        Expect { status, limited, checks, soft }
    })
}

fn captures() -> impl Strategy<Value = Vec<Capture>> {
    let source = prop_oneof![
        query().prop_map(Source::Json),
        pattern().prop_map(|pattern| Source::Regex { group: pattern.groups() as u16, pattern }),
        header_name().prop_map(Source::Header),
        "[a-zA-Z._-]{1,8}".prop_map(Source::Cookie),
        Just(Source::Status),
        Just(Source::Body),
    ];
    let missing = prop_oneof![Just(Missing::End), Just(Missing::Continue), "(?s).{0,6}".prop_map(Missing::Default),];
    btree_map("x[a-z0-9_-]{0,5}", (source, missing), 0..3).prop_map(|captures| {
        captures.into_iter().map(|(name, (from, missing))| Capture { name, from, missing }).collect()
    })
}

fn file() -> impl Strategy<Value = FileFact> {
    ("[a-z/. $]{1,9}", any::<u32>(), "[0-9a-f]{64}").prop_map(|(path, bytes, sha256)| FileFact {
        path,
        bytes: u64::from(bytes),
        sha256,
    })
}

fn body() -> impl Strategy<Value = Body> {
    let fields = btree_map(".{0,5}", any_text(), 0..3).prop_map(|fields| fields.into_iter().collect::<Vec<_>>());
    let attachment = || file().prop_map(|file| Attachment { file, content: None });
    let content = prop_oneof![
        any_text().prop_map(FormContent::Value),
        (attachment(), "[a-z.]{1,5}").prop_map(|(attachment, filename)| FormContent::File { attachment, filename }),
    ];
    let part = ("[a-z]{1,5}", content, option::of("[a-z]{1,4}/[a-z]{1,4}"));
    let part = part.prop_map(|(name, content, content_type)| FormPart { name, content, content_type });
    prop_oneof![
        template("(?s).{0,8}", &[Form::Text, Form::Json]).prop_map(Body::Json),
        template("(?s).{0,8}", &[Form::Text, Form::Json]).prop_map(Body::Text),
        fields.prop_map(Body::Form),
        vec(part, 1..3).prop_map(Body::Multipart),
        attachment().prop_map(Body::File),
    ]
}

pub(super) fn auth() -> impl Strategy<Value = Auth> {
    prop_oneof![
        Just(Auth::None),
        template("[ -~]{0,8}", &[Form::Text]).prop_map(Auth::Bearer),
        (template("[ -9;-~]{0,8}", &[Form::Text]), any_text())
            .prop_map(|(user, password)| Auth::Basic { user, password }),
    ]
}

prop_compose! {
    fn request()(
        (name, method, path, headers) in (name(), method(), path(), headers()),
        auth in option::of(auth()),
        body in option::of(body()),
        (timeout, slow, redirects) in (option::of(duration()), option::of(duration()), 0..=20_u8),
        expect in expect(),
        captures in captures(),
        poll in option::of((condition(true), duration(), duration())),
    ) -> Request {
        let poll = poll.map(|(until, a, b)| {
            Poll { until, every: a.min(b), timeout: a.max(b) + Duration::from_secs(1) }
        });
        // The reader says what a body is where the plan does not.
        let content_type = match &body {
            Some(Body::Json(_)) => Some("application/json"),
            Some(Body::Form(_)) => Some("application/x-www-form-urlencoded"),
            _ => None,
        };
        let mut headers = headers;
        headers.extend(content_type.map(|value| ("content-type".to_owned(), Template::literal(value))));
        Request { store: None, name, method, path, headers, auth, body, timeout, redirects, slow, expect, captures, poll, integrity: None }
    }
}

fn action() -> impl Strategy<Value = Action> {
    let set = btree_map("y[a-z]{0,5}", any_text(), 1..3).prop_map(|values| Action::Set(values.into_iter().collect()));
    let leaf = prop_oneof![
        4 => request().prop_map(|request| Action::Request(Box::new(request))),
        1 => think().prop_map(Action::Think),
        1 => set,
    ];
    leaf.prop_recursive(3, 8, 3, |inner| {
        let steps = || {
            let turn = Condition::Exists(Operand::Hole(Hole::Turn));
            let step = (inner.clone(), any::<bool>());
            vec(step.prop_map(move |(action, when)| Step { when: when.then(|| turn.clone()), action }), 1..3)
        };
        let plain = || vec(inner.clone().prop_map(Step::new), 1..3);
        let times = (0..9_u32, 1..9_u32).prop_map(|(min, max)| {
            let max = NonZeroU32::new(max.max(min)).expect("above zero");
            Times { min, max }
        });
        prop_oneof![
            (times, steps()).prop_map(|(times, steps)| Action::Repeat { times, steps }),
            (condition(false), 1..99_u32, steps()).prop_map(|(condition, limit, steps)| Action::While {
                condition,
                limit: NonZeroU32::new(limit).expect("above zero"),
                steps
            }),
            (1..=1000_u16, steps()).prop_map(|(count, steps)| Action::Copies {
                count: NonZeroU16::new(count).expect("above zero"),
                steps
            }),
            vec(plain(), 2..4).prop_map(Action::Branches),
            vec((1e-3..1e3, prop_oneof![plain(), Just(Vec::new())]), 1..3).prop_map(|choices| {
                Action::Choose(choices.into_iter().map(|(weight, steps)| Choice { weight, steps }).collect())
            }),
        ]
    })
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = (option::of(condition(false)), action()).prop_map(|(when, action)| Step { when, action });
    (request(), vec(step, 0..4)).prop_map(|(first, rest)| {
        let mut steps: Vec<Step> = std::iter::once(first.into()).chain(rest).collect();
        let mut number = 0;
        steps.iter_mut().for_each(|step| rename(step, &mut number));
        steps
    })
}

/// Names are unique in a flow.
fn rename(step: &mut Step, number: &mut usize) {
    let mut all = |steps: &mut Vec<Step>| steps.iter_mut().for_each(|step| rename(step, number));
    match &mut step.action {
        Action::Request(request) => {
            *number += 1;
            request.name = format!("{}{number}", request.name);
        }
        Action::Think(_) | Action::Set(_) => {}
        Action::Repeat { steps, .. } | Action::While { steps, .. } | Action::Copies { steps, .. } => all(steps),
        Action::Branches(branches) => branches.iter_mut().for_each(all),
        Action::Choose(choices) => choices.iter_mut().for_each(|choice| all(&mut choice.steps)),
    }
}

pub(super) fn flows() -> impl Strategy<Value = Vec<Flow>> {
    let parts = (1e-300..1e300, option::of(duration()), headers(), steps());
    btree_map(name(), parts, 1..3).prop_map(|flows| {
        let flow = |(name, (weight, pacing, headers, steps))| Flow { name, weight, pacing, headers, steps };
        // Not in the order of their names: the order a plan states must survive.
        flows.into_iter().rev().map(flow).collect()
    })
}

pub(super) fn data() -> impl Strategy<Value = Vec<DataSet>> {
    let end = || prop_oneof![Just(AtEnd::Wrap), Just(AtEnd::Stop)];
    let take = prop_oneof![Just(Take::Random), end().prop_map(Take::InOrder), end().prop_map(Take::Unique)];
    let cell = prop_oneof![
        "(?s).{0,6}".prop_map(serde_json::Value::from),
        any::<i64>().prop_map(serde_json::Value::from),
        (-1e9..1e9_f64).prop_map(serde_json::Value::from),
        any::<bool>().prop_map(serde_json::Value::from),
    ];
    let rows = vec(cell, 1..5).prop_map(|cells| DataSource::Plan(Rows::new(1, cells).expect("one column")));
    let source = prop_oneof![
        rows,
        (file(), 1..1_000_usize).prop_map(|(file, count)| DataSource::File { file, count, rows: None }),
    ];
    (source, take).prop_map(|(source, take)| {
        vec![DataSet { name: "rows".to_owned(), columns: vec!["first name".to_owned()], source, take }]
    })
}

pub(super) fn think_times() -> impl Strategy<Value = ThinkTime> {
    let some = || duration().prop_map(|duration| duration.max(Duration::from_nanos(1)));
    prop_oneof![
        Just(ThinkTime::None),
        some().prop_map(ThinkTime::Constant),
        (duration(), duration()).prop_map(|(a, b)| ThinkTime::Uniform { min: a.min(b), max: a.max(b) }),
        (some(), some()).prop_map(|(mean, deviation)| ThinkTime::Normal { mean, deviation }),
        (some(), some()).prop_map(|(a, b)| ThinkTime::LogNormal { median: a.min(b), p95: a.max(b) }),
        some().prop_map(|mean| ThinkTime::Exponential { mean }),
    ]
}
