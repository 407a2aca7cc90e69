//! The right sides of comparisons: literals with their units, and which kinds may be compared with which.
//!
//! What [`super::conditions`] asks once it knows the words.

use std::time::Duration;

use plimsoll_record::units::{Quantity, Unit};

use crate::condition::{Operand, Operator, Value};

/// What may stand on the left, for messages.
pub(super) const OPERANDS: &[&str] = &[
    "status",
    "latency",
    "size",
    "body",
    "header.NAME",
    "$.json.path",
    "count($.json.path)",
    "value",
    "rows",
    "{name}",
];

/// `200`, or `2xx` for a whole class.
pub(super) fn status_codes(word: &str) -> Option<Vec<u16>> {
    match word.as_bytes() {
        [class @ b'1'..=b'5', b'x' | b'X', b'x' | b'X'] => {
            let first = u16::from(class - b'0') * 100;
            Some((first..first + 100).collect())
        }
        _ => word.parse().ok().filter(|code| (100..600).contains(code)).map(|code| vec![code]),
    }
}

/// A number, a time or a size.
pub(super) fn literal(word: &str) -> Result<Value, (String, String)> {
    if status_codes(word).is_some() && word.ends_with(['x', 'X']) {
        return Err((format!("`{word}` is a class"), format!("write `status in {word}`")));
    }
    if !word.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.')) {
        return Err((format!("`{word}` is no value"), format!("put text into quotes: `'{word}'`")));
    }
    let quantity = Quantity::parse(word).map_err(|error| (error.to_string(), "text stands in quotes".to_owned()))?;
    let value = match quantity.unit {
        Unit::Ratio if quantity.value.is_finite() => Some(Value::Number(quantity.value)),
        Unit::Seconds => Duration::try_from_secs_f64(quantity.value).ok().map(Value::Time),
        Unit::Bytes => bytes(quantity.value).map(Value::Bytes),
        _ => None,
    };
    value.ok_or_else(|| {
        (format!("`{word}` does not fit here"), "write a number, a time (`500ms`) or a size (`1MB`)".to_owned())
    })
}

/// A whole number of bytes.
pub(super) fn bytes(value: f64) -> Option<u64> {
    const MOST: f64 = 1e15;
    (0.0..=MOST).contains(&value).then(|| value.round() as u64)
}

/// Whether these two can be compared this way.
pub(super) fn fits(left: &Operand, operator: Operator, right: &Value) -> Result<(), (String, String)> {
    let complain = |title: &str, help: &str| Err((title.to_owned(), help.to_owned()));
    let number = matches!(left, Operand::Status | Operand::Latency | Operand::Size | Operand::Count(_) | Operand::Rows);
    let ordered =
        matches!(operator, Operator::Less | Operator::LessOrEqual | Operator::Greater | Operator::GreaterOrEqual);
    match (left, right) {
        _ if number && operator == Operator::Contains => {
            complain(&format!("`{left}` is a number and contains nothing"), "compare it with `==`, `<` and the like")
        }
        (Operand::Latency, Value::Time(_) | Value::Hole(_)) | (Operand::Size, Value::Bytes(_) | Value::Hole(_)) => {
            Ok(())
        }
        (Operand::Latency, Value::Number(number)) => {
            complain("`latency` is a time", &format!("write its unit, for example `{number}ms`"))
        }
        (Operand::Latency, _) => complain("`latency` is a time", "write for example `latency < 500ms`"),
        (Operand::Size, Value::Number(number)) => {
            complain("`size` has a unit", &format!("write `{number}B`, `{number}kB` or `{number}MB`"))
        }
        (Operand::Size, _) => complain("`size` is a size", "write for example `size < 1MB`"),
        (_, Value::Time(_) | Value::Bytes(_)) => {
            complain(&format!("`{left}` has no unit"), "only `latency` and `size` have one: write a plain number")
        }
        (Operand::Status | Operand::Count(_) | Operand::Rows, Value::Number(_) | Value::Hole(_)) => Ok(()),
        (Operand::Status | Operand::Count(_) | Operand::Rows, _) => {
            complain(&format!("`{left}` is a number"), "compare it with a number, without quotes")
        }
        (_, Value::Boolean(_) | Value::Null) if ordered || operator == Operator::Contains => {
            complain(&format!("`{right}` is neither more nor less than anything"), "use `==` or `!=`")
        }
        _ => Ok(()),
    }
}
