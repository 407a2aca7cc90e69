//! Rows of PostgreSQL as JSON, for conditions and captures.
//!
//! Numbers, text, truth values, JSON, UUIDs and bytes are read; of any other type the plan's statement asks for text
//! (`created::text`), else the value is not there.

use std::error::Error;
use std::fmt::Write;

use serde_json::{Map, Value};
use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, Type};

/// A row as an object of its columns.
pub(super) fn row_as_json(row: &Row) -> Value {
    let entry = |(index, column): (usize, &tokio_postgres::Column)| {
        (column.name().to_owned(), value(row, index).unwrap_or(Value::Null))
    };
    Value::Object(row.columns().iter().enumerate().map(entry).collect::<Map<_, _>>())
}

/// The first column; `None` when it is null.
pub(super) fn first_value(row: &Row) -> Option<Value> {
    if row.is_empty() { None } else { value(row, 0) }
}

fn value(row: &Row, index: usize) -> Option<Value> {
    row.try_get::<_, Option<Read>>(index).ok().flatten().and_then(|read| read.0)
}

/// A value that was read as its type says.
struct Read(Option<Value>);

impl<'a> FromSql<'a> for Read {
    fn from_sql(kind: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        let text = |raw: &[u8]| Value::from(String::from_utf8_lossy(raw));
        Ok(Self(match *kind {
            Type::BOOL => Some(Value::from(bool::from_sql(kind, raw)?)),
            Type::INT2 => Some(Value::from(i16::from_sql(kind, raw)?)),
            Type::INT4 => Some(Value::from(i32::from_sql(kind, raw)?)),
            Type::INT8 => Some(Value::from(i64::from_sql(kind, raw)?)),
            Type::OID => Some(Value::from(u32::from_sql(kind, raw)?)),
            Type::FLOAT4 => Some(Value::from(f32::from_sql(kind, raw)?)),
            Type::FLOAT8 => Some(Value::from(f64::from_sql(kind, raw)?)),
            Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME | Type::UNKNOWN => Some(text(raw)),
            Type::JSON => Some(serde_json::from_slice(raw)?),
            // The first byte is the version of the format.
            Type::JSONB => Some(serde_json::from_slice(raw.get(1..).unwrap_or_default())?),
            Type::UUID => Some(Value::from(uuid(raw))),
            Type::BYTEA => Some(text(raw)),
            _ => None,
        }))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

fn uuid(raw: &[u8]) -> String {
    let mut text = String::with_capacity(36);
    for (index, byte) in raw.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_as_their_type_says() {
        let read = |kind: Type, raw: &[u8]| Read::from_sql(&kind, raw).unwrap().0;
        assert_eq!(read(Type::INT4, &[0, 0, 1, 0]), Some(Value::from(256)));
        assert_eq!(read(Type::JSONB, b"\x01{\"a\":1}"), Some(serde_json::json!({ "a": 1 })));
        assert_eq!(read(Type::TEXT, "grüße".as_bytes()), Some(Value::from("grüße")));
        let bytes: Vec<u8> = (0..16).collect();
        assert_eq!(read(Type::UUID, &bytes), Some(Value::from("00010203-0405-0607-0809-0a0b0c0d0e0f")));
        assert_eq!(read(Type::NUMERIC, &[0; 8]), None, "asked for as text, or not at all");
    }
}
