//! Values against values, as conditions compare them.
//!
//! Values of different kinds are different, and neither is more. Text that is a number compares with a number as that
//! number; text with a unit compares with a time or a size as that quantity; a size is a number of bytes. Whole
//! numbers compare exactly, however large.

use std::borrow::Cow;
use std::cmp::Ordering;

use plimsoll_plan::Operator;
use plimsoll_record::units::{Quantity, Unit};
use serde_json::Value;

/// One side of a comparison.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Item<'a> {
    /// Any value of JSON.
    Json(Cow<'a, Value>),
    /// Text that is nobody's value: a header, a body.
    Text(Cow<'a, str>),
    /// A time in nanoseconds.
    Time(u128),
    /// A number of bytes.
    Size(u64),
}

/// The same by what it is.
#[derive(Clone, Copy, Debug)]
enum Kind<'a> {
    Number(Number),
    Text(&'a str),
    Time(u128),
    Size(u64),
    /// Neither more nor less than anything.
    Other(&'a Value),
}

#[derive(Clone, Copy, Debug)]
enum Number {
    Whole(i128),
    Real(f64),
}

/// Whether the comparison holds. What is not there equals nothing: then only `!=` holds.
pub(super) fn compare(left: Option<&Item<'_>>, operator: Operator, right: Option<&Item<'_>>) -> bool {
    let (Some(left), Some(right)) = (left, right) else { return operator == Operator::NotEqual };
    let (left, right) = (left.kind(), right.kind());
    match operator {
        Operator::Equal => equal(left, right),
        Operator::NotEqual => !equal(left, right),
        Operator::Less => order(left, right) == Some(Ordering::Less),
        Operator::LessOrEqual => order(left, right).is_some_and(Ordering::is_le),
        Operator::Greater => order(left, right) == Some(Ordering::Greater),
        Operator::GreaterOrEqual => order(left, right).is_some_and(Ordering::is_ge),
        Operator::Contains => contains(left, right),
    }
}

impl Item<'_> {
    /// As text: text itself, anything else as JSON. A time and a size, which nobody may match, in their base units.
    pub(super) fn text(&self) -> Cow<'_, str> {
        match self {
            Self::Json(value) => match &**value {
                Value::String(text) => Cow::Borrowed(text),
                value => Cow::Owned(value.to_string()),
            },
            Self::Text(text) => Cow::Borrowed(text),
            Self::Time(nanos) => Cow::Owned(nanos.to_string()),
            Self::Size(bytes) => Cow::Owned(bytes.to_string()),
        }
    }

    fn kind(&self) -> Kind<'_> {
        match self {
            Self::Json(value) => Kind::of(value),
            Self::Text(text) => Kind::Text(text),
            Self::Time(nanos) => Kind::Time(*nanos),
            Self::Size(bytes) => Kind::Size(*bytes),
        }
    }
}

impl<'a> Kind<'a> {
    fn of(value: &'a Value) -> Self {
        match value {
            Value::Number(number) => Self::Number(Number::of(number)),
            Value::String(text) => Self::Text(text),
            value => Self::Other(value),
        }
    }
}

impl Number {
    fn of(number: &serde_json::Number) -> Self {
        number.as_i128().map_or_else(|| Self::Real(number.as_f64().unwrap_or(f64::NAN)), Self::Whole)
    }

    /// Text that is a number as JSON writes it, but for a sign or zeros before it.
    fn read(text: &str) -> Option<Self> {
        let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
        if !digits.starts_with(|c: char| c.is_ascii_digit()) {
            return None;
        }
        let whole = text.parse().ok().map(Self::Whole);
        whole.or_else(|| text.parse().ok().filter(|number: &f64| number.is_finite()).map(Self::Real))
    }

    fn order(self, other: Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Whole(left), Self::Whole(right)) => Some(left.cmp(&right)),
            (left, right) => left.real().partial_cmp(&right.real()),
        }
    }

    fn real(self) -> f64 {
        match self {
            Self::Whole(whole) => whole as f64,
            Self::Real(real) => real,
        }
    }
}

/// Which one is more; `None` when that says nothing.
fn order(left: Kind<'_>, right: Kind<'_>) -> Option<Ordering> {
    match (left, right) {
        (Kind::Number(left), Kind::Number(right)) => left.order(right),
        (Kind::Number(left), Kind::Text(right)) => left.order(Number::read(right)?),
        (Kind::Text(left), Kind::Number(right)) => Number::read(left)?.order(right),
        (Kind::Text(left), Kind::Text(right)) => Some(left.cmp(right)),
        (Kind::Time(left), Kind::Time(right)) => Some(left.cmp(&right)),
        (Kind::Time(left), Kind::Text(right)) => (left as f64).partial_cmp(&(quantity(right, Unit::Seconds)? * 1e9)),
        (Kind::Size(left), Kind::Size(right)) => Some(left.cmp(&right)),
        (Kind::Size(left), Kind::Number(right)) => Number::Whole(left.into()).order(right),
        (Kind::Size(left), Kind::Text(right)) => {
            let bytes = Number::read(right).or_else(|| quantity(right, Unit::Bytes).map(Number::Real));
            Number::Whole(left.into()).order(bytes?)
        }
        _ => None,
    }
}

fn quantity(text: &str, unit: Unit) -> Option<f64> {
    Quantity::parse(text).ok().filter(|quantity| quantity.unit == unit).map(|quantity| quantity.value)
}

fn equal(left: Kind<'_>, right: Kind<'_>) -> bool {
    match (left, right) {
        (Kind::Other(left), Kind::Other(right)) => same(left, right),
        (left, right) => order(left, right) == Some(Ordering::Equal),
    }
}

/// Lists, tables, `true`, `false` and `null`. Numbers inside are the same when they are equal (RFC 9535, section
/// 2.3.5.2.2); text inside is text.
fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| same(left, right))
        }
        (Value::Object(left), Value::Object(right)) => {
            left.len() == right.len()
                && left.iter().all(|(key, value)| right.get(key).is_some_and(|other| same(value, other)))
        }
        (Value::Number(left), Value::Number(right)) => {
            Number::of(left).order(Number::of(right)) == Some(Ordering::Equal)
        }
        (left, right) => left == right,
    }
}

/// The right text is part of the left one, or the right value is an item of the left list. In text, a number and
/// `true` and `false` are looked for as JSON writes them.
fn contains(left: Kind<'_>, right: Kind<'_>) -> bool {
    match (left, right) {
        (Kind::Other(Value::Array(items)), right) => items.iter().any(|item| equal(Kind::of(item), right)),
        (Kind::Text(left), Kind::Text(right)) => left.contains(right),
        (Kind::Text(left), Kind::Number(Number::Whole(right))) => left.contains(&right.to_string()),
        (Kind::Text(left), Kind::Number(Number::Real(right))) => left.contains(&right.to_string()),
        (Kind::Text(left), Kind::Other(Value::Bool(right))) => left.contains(&right.to_string()),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn json(value: Value) -> Item<'static> {
        Item::Json(Cow::Owned(value))
    }

    fn holds(left: Value, operator: Operator, right: Value) -> bool {
        compare(Some(&json(left)), operator, Some(&json(right)))
    }

    #[test]
    fn text_that_is_a_number_compares_with_numbers_only() {
        use Operator::*;
        assert!(holds(json!("10"), Greater, json!(9)) && holds(json!(9), Less, json!("10")));
        assert!(holds(json!("10"), Less, json!("9")), "two texts compare as text");
        assert!(holds(json!("1.50"), Equal, json!(1.5)) && holds(json!("+7"), Equal, json!(7)));
        for (left, right) in
            [(json!("ten"), json!(10)), (json!(""), json!(0)), (json!("inf"), json!(1)), (json!(" 1"), json!(1))]
        {
            assert!(holds(left.clone(), NotEqual, right.clone()), "{left} {right}");
            assert!(![Equal, Less, LessOrEqual, Greater, GreaterOrEqual].iter().any(|op| holds(
                left.clone(),
                *op,
                right.clone()
            )));
        }
    }

    #[test]
    fn large_whole_numbers_compare_exactly() {
        let (one, next) = (json!(9_007_199_254_740_992_u64), json!(9_007_199_254_740_993_u64));
        assert!(holds(one.clone(), Operator::Less, next.clone()) && holds(one, Operator::NotEqual, next.clone()));
        assert!(holds(next, Operator::Equal, json!("9007199254740993")));
        assert!(holds(json!(u64::MAX), Operator::Greater, json!(i64::MIN)));
        assert!(holds(json!(2), Operator::Equal, json!(2.0)));
    }

    #[test]
    fn lists_and_tables_are_equal_when_all_in_them_is() {
        let (left, right) = (json!({ "a": [1, { "b": null }] }), json!({ "a": [1.0, { "b": null }] }));
        assert!(holds(left.clone(), Operator::Equal, right.clone()));
        assert!(!holds(left.clone(), Operator::LessOrEqual, right), "neither is more");
        assert!(holds(left, Operator::NotEqual, json!({ "a": ["1", { "b": null }] })));
        assert!(
            holds(json!([1]), Operator::NotEqual, json!([1, 2])) && holds(json!({}), Operator::NotEqual, json!([]))
        );
        assert!(
            holds(json!(false), Operator::NotEqual, json!(null))
                && holds(json!("true"), Operator::NotEqual, json!(true))
        );
    }

    #[test]
    fn text_contains_text_and_lists_contain_values() {
        let holds = |left, right| holds(left, Operator::Contains, right);
        assert!(holds(json!("order 42 is done"), json!(42)) && holds(json!("it is true"), json!(true)));
        assert!(holds(json!([1, "2", null]), json!(2)) && holds(json!([1, "2", null]), json!(null)));
        assert!(!holds(json!([12]), json!(1)) && !holds(json!(12), json!(1)) && !holds(json!({ "a": 1 }), json!("a")));
        assert!(!holds(json!("null"), json!(null)) && holds(json!("x"), json!("")));
    }

    #[test]
    fn times_and_sizes_compare_with_quantities() {
        let time = Item::Time(500_000_000);
        let text = |text: &'static str| Item::Text(text.into());
        assert!(compare(Some(&time), Operator::Equal, Some(&text("500ms"))));
        assert!(compare(Some(&time), Operator::Less, Some(&text("1 s"))));
        for other in [text("1MB"), text("soon"), json(json!(500)), Item::Size(1)] {
            assert!(compare(Some(&time), Operator::NotEqual, Some(&other)), "{other:?}");
            assert!(!compare(Some(&time), Operator::LessOrEqual, Some(&other)), "{other:?}");
        }
        let size = Item::Size(1_000);
        for other in [text("1kB"), text("1000"), json(json!(1_000)), Item::Size(1_000)] {
            assert!(compare(Some(&size), Operator::Equal, Some(&other)), "{other:?}");
        }
    }

    #[test]
    fn what_is_not_there_equals_nothing() {
        let one = json(json!(1));
        for (left, right) in [(None, Some(&one)), (Some(&one), None), (None, None)] {
            use Operator::*;
            assert!(compare(left, NotEqual, right));
            for operator in [Equal, Less, LessOrEqual, Greater, GreaterOrEqual, Contains] {
                assert!(!compare(left, operator, right), "{operator:?}");
            }
        }
    }
}
