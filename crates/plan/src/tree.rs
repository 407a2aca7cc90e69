//! A TOML document as a tree that remembers where everything was stated, in the order it was stated.
//!
//! The `toml` crate's own tree sorts keys and borrows the text; steps and headers have an order, and overrides add
//! nodes that are in no text. Nothing here knows what a plan is.

use toml::de::{DeTable, DeValue};

use crate::diagnostics::{Origin, Problem};

/// A value and where it was stated.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) origin: Origin,
    pub(crate) value: Value,
    /// How an override spelled it, so that `--set name=2024` can still be a name.
    pub(crate) spelled: Option<String>,
}

/// A TOML value.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Text(String),
    /// Saturated at the ends of the type, which no field's range reaches.
    Integer(i128),
    Float(f64),
    Boolean(bool),
    Datetime(String),
    List(Vec<Node>),
    Table(Table),
}

impl Node {
    /// Its `name`, if it is a table that has one: how items of lists are addressed.
    pub(crate) fn name(&self) -> Option<&str> {
        match &self.value.as_table()?.get("name")?.node.value {
            Value::Text(name) => Some(name),
            _ => None,
        }
    }
}

impl Value {
    /// The table, if it is one.
    pub(crate) fn as_table(&self) -> Option<&Table> {
        if let Self::Table(table) = self { Some(table) } else { None }
    }

    /// The word for messages.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "text",
            Self::Integer(_) | Self::Float(_) => "a number",
            Self::Boolean(_) => "true or false",
            Self::Datetime(_) => "a date",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
        }
    }
}

/// A table, its entries as stated.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table {
    pub(crate) entries: Vec<Entry>,
}

/// A key with its value.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) origin: Origin,
    pub(crate) node: Node,
}

impl Table {
    pub(crate) fn get(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }
}

/// How many syntax errors are reported; one slip can cause many.
const SYNTAX_ERRORS: usize = 10;

/// Reads a document; else what is wrong with its syntax.
pub(crate) fn parse(text: &str) -> Result<Table, Vec<Problem>> {
    let (root, errors) = DeTable::parse_recoverable(text);
    if errors.is_empty() {
        return Ok(table(root.get_ref(), &Origin::Span));
    }
    Err(errors.iter().take(SYNTAX_ERRORS).map(syntax_problem).collect())
}

fn syntax_problem(error: &toml::de::Error) -> Problem {
    let origin = error.span().map_or(Origin::Document, Origin::Span);
    Problem::new(&origin, "this is not TOML").label(error.message())
}

/// Reads the value of an override: TOML where it is TOML, else text.
pub(crate) fn parse_override(key: &str, text: &str) -> Node {
    let origin = Origin::Set(key.to_owned());
    let value = match DeValue::parse(text) {
        Ok(parsed) => value(parsed.get_ref(), &|_| Origin::Set(key.to_owned())),
        Err(_) => Value::Text(text.to_owned()),
    };
    Node { origin, value, spelled: Some(text.to_owned()) }
}

type Locate<'l> = &'l dyn Fn(std::ops::Range<usize>) -> Origin;

fn table(source: &DeTable<'_>, locate: Locate<'_>) -> Table {
    let mut keys: Vec<_> = source.iter().collect();
    keys.sort_by_key(|(key, _)| key.span().start);
    let entry = |(key, node): (&toml::Spanned<_>, &toml::Spanned<DeValue<'_>>)| {
        let key: (&std::borrow::Cow<'_, str>, _) = (key.get_ref(), key.span());
        Entry { key: key.0.to_string(), origin: locate(key.1), node: self::node(node, locate) }
    };
    Table { entries: keys.into_iter().map(entry).collect() }
}

fn node(source: &toml::Spanned<DeValue<'_>>, locate: Locate<'_>) -> Node {
    Node { origin: locate(source.span()), value: value(source.get_ref(), locate), spelled: None }
}

fn value(source: &DeValue<'_>, locate: Locate<'_>) -> Value {
    match source {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Integer(integer) => Value::Integer(saturated(integer.as_str(), integer.radix())),
        DeValue::Float(float) => Value::Float(float.as_str().parse().unwrap_or(f64::NAN)),
        DeValue::Boolean(boolean) => Value::Boolean(*boolean),
        DeValue::Datetime(datetime) => Value::Datetime(datetime.to_string()),
        DeValue::Array(list) => Value::List(list.iter().map(|item| node(item, locate)).collect()),
        DeValue::Table(source) => Value::Table(table(source, locate)),
    }
}

fn saturated(digits: &str, radix: u32) -> i128 {
    let extreme = if digits.starts_with('-') { i128::MIN } else { i128::MAX };
    i128::from_str_radix(digits, radix).unwrap_or(extreme)
}
