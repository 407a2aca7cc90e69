//! Conditions evaluated as slowly and simply as their definition reads, to check the compiled ones against.

use std::collections::HashMap;

use bytes::Bytes;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use plimsoll_plan::{
    Action, Condition, Hole, JsonPath, Operand, Operator, Pattern, Plan, Step, Template, Value as Literal,
};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use serde_json::{Value, json};

use super::contents::{Kept, Raw};
use super::{Answer, Test};
use crate::data::Sets;
use crate::fixtures::plan_for;
use crate::names::Names;
use crate::visit::{Iteration, Origin, Visit};

const NAMES: [&str; 3] = ["a", "b", "c"];

/// What there is to look at.
#[derive(Clone, Debug)]
struct World {
    status: u16,
    latency_ms: u64,
    headers: HashMap<String, String>,
    body: String,
    variables: HashMap<String, Value>,
}

impl World {
    fn holds(&self, condition: &Condition) -> bool {
        match condition {
            Condition::Compare { left, operator, right } => {
                let (left, right) = (self.operand(left), self.value(right));
                let (Some(left), Some(right)) = (left, right) else { return *operator == Operator::NotEqual };
                naive(&left, *operator, &right)
            }
            Condition::Matches(operand, pattern) => self.operand(operand).is_some_and(|value| {
                let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                regex::Regex::new(pattern.as_str()).unwrap().is_match(&text)
            }),
            Condition::Exists(operand) => self.operand(operand).is_some(),
            Condition::StatusIn(codes) => codes.contains(&self.status),
            Condition::Not(inner) => !self.holds(inner),
            Condition::All(list) => list.iter().all(|one| self.holds(one)),
            Condition::Any(list) => list.iter().any(|one| self.holds(one)),
        }
    }

    /// Times in milliseconds, sizes in bytes.
    fn operand(&self, operand: &Operand) -> Option<Value> {
        let found = |path: &JsonPath| {
            let body: Value = serde_json::from_str(&self.body).ok()?;
            let path = serde_json_path::JsonPath::parse(path.as_str()).unwrap();
            Some(path.query(&body).all().into_iter().cloned().collect::<Vec<Value>>())
        };
        match operand {
            Operand::Status => Some(json!(self.status)),
            Operand::Latency => Some(json!(self.latency_ms)),
            Operand::Size => Some(json!(self.body.len())),
            Operand::Body => Some(json!(self.body)),
            Operand::Header(name) => self.headers.get(name).map(|value| json!(value)),
            Operand::Json(path) => found(path)?.first().cloned(),
            Operand::Count(path) => Some(json!(found(path)?.len())),
            Operand::Hole(hole) => self.hole(hole),
            // Answers of HTTP have neither.
            Operand::Value | Operand::Rows => None,
        }
    }

    fn value(&self, value: &Literal) -> Option<Value> {
        match value {
            Literal::Number(number) => Some(json!(number)),
            Literal::Time(time) => Some(json!(time.as_millis() as u64)),
            Literal::Bytes(bytes) => Some(json!(bytes)),
            Literal::Text(text) => Some(json!(text)),
            Literal::Boolean(boolean) => Some(json!(boolean)),
            Literal::Null => Some(Value::Null),
            Literal::Hole(hole) => self.hole(hole),
        }
    }

    fn hole(&self, hole: &Hole) -> Option<Value> {
        match hole {
            Hole::Captured(name) => self.variables.get(name).cloned(),
            _ => None,
        }
    }

    fn answer(&self) -> Answer {
        let header = |(name, value): (&String, &String)| {
            (HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap())
        };
        let headers: HeaderMap = self.headers.iter().map(header).collect();
        let body = Bytes::from(self.body.clone());
        let (body_bytes, latency_ns) = (body.len() as u64, self.latency_ms * 1_000_000);
        let kept = Some(Box::new(Kept::new(headers, Raw::Whole(body))));
        Answer { status: self.status, body_bytes, latency_ns, kept, fault: None, retries: 0 }
    }

    fn visit(&self, names: &Names) -> Visit {
        let mut visit = user();
        for (name, value) in &self.variables {
            visit.set(names.slot(name).unwrap(), value.clone());
        }
        visit
    }
}

/// Numbers are small here, so a double is exact.
fn number(value: &Value) -> Option<f64> {
    value.as_f64()
}

fn read(value: &Value) -> Option<f64> {
    let text = value.as_str()?;
    text.chars().all(|c| c.is_ascii_digit() || c == '-' || c == '.').then(|| text.parse().ok()).flatten()
}

fn equal(left: &Value, right: &Value) -> bool {
    match (number(left), number(right)) {
        (Some(left), Some(right)) => left == right,
        (Some(left), None) => read(right) == Some(left),
        (None, Some(right)) => read(left) == Some(right),
        (None, None) => deeply(left) == deeply(right),
    }
}

/// With every number as a double, so that 1 is 1.0 within lists.
fn deeply(value: &Value) -> Value {
    match value {
        Value::Number(number) => json!(number.as_f64()),
        Value::Array(items) => items.iter().map(deeply).collect(),
        Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), deeply(value))).collect(),
        value => value.clone(),
    }
}

fn naive(left: &Value, operator: Operator, right: &Value) -> bool {
    let both = match (left.as_str(), right.as_str()) {
        (Some(left), Some(right)) => Some(left.cmp(right)),
        _ => {
            let side = |value: &Value| number(value).or_else(|| read(value));
            side(left).zip(side(right)).and_then(|(left, right)| left.partial_cmp(&right))
        }
    };
    match operator {
        Operator::Equal => equal(left, right),
        Operator::NotEqual => !equal(left, right),
        Operator::Less => both.is_some_and(|order| order.is_lt()),
        Operator::LessOrEqual => both.is_some_and(|order| order.is_le()),
        Operator::Greater => both.is_some_and(|order| order.is_gt()),
        Operator::GreaterOrEqual => both.is_some_and(|order| order.is_ge()),
        Operator::Contains => match (left, right) {
            (Value::Array(items), right) => items.iter().any(|item| equal(item, right)),
            (Value::String(left), Value::String(right)) => left.contains(right.as_str()),
            (Value::String(left), Value::Bool(right)) => left.contains(&right.to_string()),
            (Value::String(left), right) if right.is_number() => left.contains(&right.as_f64().unwrap().to_string()),
            _ => false,
        },
    }
}

/// Names of all variables that conditions here use.
pub(super) fn names() -> Names {
    let mut plan: Plan = plan_for("http://localhost:1");
    let values = NAMES.map(|name| (name.to_owned(), Template::literal("")));
    plan.setup = vec![Step::new(Action::Set(values.to_vec()))];
    Names::of(&plan, Sets::none())
}

/// A user who knows nothing yet.
pub(super) fn user() -> Visit {
    Origin::new(1, false).visit(Iteration { user: 1, phase: 0, number: 1, ordinal: 0 })
}

fn scalars() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-3i64..4).prop_map(Value::from),
        (-6i32..7).prop_map(|half| json!(f64::from(half) / 2.0)),
        "[a-b0-2.]{0,3}".prop_map(Value::from),
    ]
}

fn values() -> impl Strategy<Value = Value> {
    scalars().prop_recursive(2, 8, 3, |inside| {
        prop_oneof![
            prop::collection::vec(inside.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map("[a-c]", inside, 0..3).prop_map(Value::from_iter),
        ]
    })
}

fn worlds() -> impl Strategy<Value = World> {
    let body = prop_oneof![4 => values().prop_map(|value| value.to_string()), 1 => "[a-c<1]{0,6}"];
    let headers = prop::collection::hash_map("[x-z]", "[a-b0-2]{0,3}", 0..3);
    let variables = prop::collection::hash_map(prop::sample::select(&NAMES[..]), values(), 0..3);
    (199u16..203, 0u64..4, headers, body, variables).prop_map(|(status, latency_ms, headers, body, variables)| {
        let variables = variables.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        World { status, latency_ms, headers, body, variables }
    })
}

fn holes() -> impl Strategy<Value = Hole> {
    prop::sample::select(&NAMES[..]).prop_map(|name| Hole::Captured(name.to_owned()))
}

/// What may be compared with plain values.
fn operands() -> impl Strategy<Value = Operand> {
    let path = prop::sample::select(&["$", "$.a", "$.a.b", "$[0]", "$[*]", "$..a", "$['b']"][..]);
    let path = path.prop_map(|text| JsonPath::new(text).unwrap());
    prop_oneof![
        Just(Operand::Status),
        Just(Operand::Body),
        "[x-z]".prop_map(Operand::Header),
        path.clone().prop_map(Operand::Json),
        path.prop_map(Operand::Count),
        holes().prop_map(Operand::Hole),
    ]
}

fn literals() -> impl Strategy<Value = Literal> {
    prop_oneof![
        2 => (-3i32..204).prop_map(|number| Literal::Number(number.into())),
        2 => (-6i32..7).prop_map(|half| Literal::Number(f64::from(half) / 2.0)),
        4 => "[a-b0-2]{0,2}".prop_map(Literal::Text),
        1 => any::<bool>().prop_map(Literal::Boolean),
        1 => Just(Literal::Null),
        2 => holes().prop_map(Literal::Hole),
    ]
}

fn operators() -> impl Strategy<Value = Operator> {
    use Operator::*;
    prop::sample::select(
        &[Equal, NotEqual, Less, LessOrEqual, Greater, GreaterOrEqual, Contains, Contains, Contains][..],
    )
}

fn comparisons() -> impl Strategy<Value = Condition> {
    let compare = |(left, operator, right)| Condition::Compare { left, operator, right };
    let times = (0u64..4).prop_map(|ms| Literal::Time(std::time::Duration::from_millis(ms)));
    let pattern = prop::sample::select(&["^[0-9]+$", "a", "true|null", r"\[", "."][..]);
    prop_oneof![
        6 => (operands(), operators(), literals()).prop_map(compare),
        1 => (Just(Operand::Latency), operators(), times).prop_map(compare),
        1 => (Just(Operand::Size), operators(), (0u64..6).prop_map(Literal::Bytes)).prop_map(compare),
        1 => (operands(), pattern).prop_map(|(left, text)| Condition::Matches(left, Pattern::new(text).unwrap())),
        1 => operands().prop_map(Condition::Exists),
        1 => prop::collection::vec(198u16..204, 1..4).prop_map(Condition::StatusIn),
    ]
}

fn conditions() -> impl Strategy<Value = Condition> {
    comparisons().prop_recursive(3, 12, 3, |inside| {
        prop_oneof![
            inside.clone().prop_map(|one| Condition::Not(Box::new(one))),
            prop::collection::vec(inside.clone(), 2..4).prop_map(Condition::All),
            prop::collection::vec(inside, 2..4).prop_map(Condition::Any),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, rng_seed: RngSeed::Fixed(1), ..ProptestConfig::with_cases(10_000) })]

    #[test]
    fn compiled_conditions_hold_when_they_should(condition in conditions(), world in worlds()) {
        let names = names();
        let compiled = Test::compile(&condition, &names);
        let held = compiled.holds(&world.visit(&names), &world.answer());
        prop_assert_eq!(held, Ok(world.holds(&condition)), "{} in {:?}", condition, world);
    }
}
