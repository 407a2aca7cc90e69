//! JSONPath queries, compiled. Plain ones (`$.items[0].id`), as most are, walk the value without a query engine.

use plimsoll_plan::JsonPath;
use serde_json::Value;

/// A query.
#[derive(Clone, Debug)]
pub(super) enum Path {
    /// One member or element after the other.
    Plain(Box<[Step]>),
    /// Anything else that RFC 9535 has.
    Query(Box<serde_json_path::JsonPath>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Member(String),
    Element(usize),
}

impl Path {
    pub(super) fn new(path: &JsonPath) -> Self {
        let text = path.as_str();
        match plain(text) {
            Some(steps) => Self::Plain(steps.into()),
            None => Self::Query(Box::new(
                serde_json_path::JsonPath::parse(text).expect("a plan's query was parsed when it was read"),
            )),
        }
    }

    /// The first thing it finds.
    pub(super) fn first<'v>(&self, value: &'v Value) -> Option<&'v Value> {
        match self {
            Self::Plain(steps) => steps.iter().try_fold(value, |value, step| match step {
                Step::Member(name) => value.as_object()?.get(name),
                Step::Element(index) => value.as_array()?.get(*index),
            }),
            Self::Query(query) => query.query(value).first(),
        }
    }

    /// How many things it finds.
    pub(super) fn count(&self, value: &Value) -> usize {
        match self {
            Self::Plain(_) => usize::from(self.first(value).is_some()),
            Self::Query(query) => query.query(value).len(),
        }
    }
}

/// The steps of a query that is nothing but `.name`, `['name']` and `[0]`; `None` when there is anything else.
fn plain(text: &str) -> Option<Vec<Step>> {
    let mut rest = text.strip_prefix('$')?;
    let mut steps = Vec::new();
    while !rest.is_empty() {
        let step;
        (step, rest) = member(rest).or_else(|| quoted(rest)).or_else(|| element(rest))?;
        steps.push(step);
    }
    Some(steps)
}

/// `.name`
fn member(text: &str) -> Option<(Step, &str)> {
    let rest = text.strip_prefix('.')?;
    let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
    let (name, rest) = rest.split_at(end);
    let named = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    named.then(|| (Step::Member(name.to_owned()), rest))
}

/// `['name']`, without escapes.
fn quoted(text: &str) -> Option<(Step, &str)> {
    let rest = text.strip_prefix("['")?;
    let (name, rest) = rest.split_once("']")?;
    let simple = |c: char| c != '\'' && c != '\\' && !c.is_control();
    name.chars().all(simple).then(|| (Step::Member(name.to_owned()), rest))
}

/// `[0]`
fn element(text: &str) -> Option<(Step, &str)> {
    let (digits, rest) = text.strip_prefix('[')?.split_once(']')?;
    let canonical = digits == "0" || !digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit());
    Some((Step::Element(digits.parse().ok().filter(|_| canonical)?), rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;
    use serde_json::json;

    fn path(text: &str) -> Path {
        Path::new(&JsonPath::new(text).unwrap())
    }

    #[test]
    fn plain_queries_need_no_engine_and_others_have_one() {
        for text in ["$", "$.a", "$.items[0].id", "$['a b'].c_1", "$[10]"] {
            assert!(matches!(path(text), Path::Plain(_)), "{text}");
        }
        for text in ["$..a", "$.*", "$[-1]", "$[0:2]", "$[?@.a > 1]", "$[\"a\"]", "$['a\\'b']", "$.größe", "$['a','b']"]
        {
            assert!(matches!(path(text), Path::Query(_)), "{text}");
        }
    }

    #[test]
    fn the_first_find_and_the_number_of_finds() {
        let value = json!({ "items": [{ "id": 7, "tag": null }, { "id": 8 }] });
        assert_eq!(path("$.items[0].id").first(&value), Some(&json!(7)));
        assert_eq!(path("$.items[*].id").first(&value), Some(&json!(7)));
        assert_eq!(path("$.items[-1].id").first(&value), Some(&json!(8)));
        assert_eq!(path("$.items[0].tag").first(&value), Some(&Value::Null), "null is there");
        assert_eq!((path("$.items[2]").first(&value), path("$.items.id").first(&value)), (None, None));
        assert_eq!(
            (path("$.items[*]").count(&value), path("$.items").count(&value), path("$.x").count(&value)),
            (2, 1, 0)
        );
    }

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![Just(Value::Null), any::<i8>().prop_map(Value::from), "[a-c]".prop_map(Value::from)];
        leaf.prop_recursive(4, 30, 3, |inside| {
            prop_oneof![
                prop::collection::vec(inside.clone(), 0..3).prop_map(Value::from),
                prop::collection::btree_map("[a-c]", inside, 0..3).prop_map(Value::from_iter),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default() })]

        #[test]
        fn walking_finds_what_the_engine_finds(value in values(), text in r"\$(\.[a-c]|\[[0-2]\]|\['[a-c]'\]){0,4}") {
            let engine = serde_json_path::JsonPath::parse(&text).unwrap();
            let walk = path(&text);
            prop_assert!(matches!(walk, Path::Plain(_)));
            prop_assert_eq!(walk.first(&value), engine.query(&value).first());
            prop_assert_eq!(walk.count(&value), engine.query(&value).len());
        }
    }
}
