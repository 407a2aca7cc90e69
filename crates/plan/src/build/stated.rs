//! Values as a builder states them, and their text. What they mean, and whether they fit, others decide.

use std::fmt;
use std::time::Duration;

use crate::quantities;
use crate::write::{key, toml_string};

/// A value of a plan: text, a number, true or false, a list or a table. Made from the types of Rust by `into()`,
/// durations included; tables begin with [`table`](super::table).
#[derive(Clone, Debug, PartialEq)]
pub struct Stated(Kind);

#[derive(Clone, Debug, PartialEq)]
enum Kind {
    Text(String),
    Whole(i128),
    Float(f64),
    Boolean(bool),
    List(Vec<Stated>),
    Table(Vec<(String, Stated)>),
}

impl Stated {
    /// A table without entries.
    pub(super) fn table() -> Self {
        Self(Kind::Table(Vec::new()))
    }

    /// A list of these.
    pub(super) fn list(items: impl IntoIterator<Item = Self>) -> Self {
        Self(Kind::List(items.into_iter().collect()))
    }

    /// The table with this entry. A key that is there already has its value replaced; what is no table becomes one.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<Self>) -> Self {
        *self.entry(key) = value.into();
        self
    }

    /// The place of a key's value, an empty table when it is new.
    pub(super) fn entry(&mut self, key: &str) -> &mut Self {
        if !matches!(self.0, Kind::Table(_)) {
            *self = Self::table();
        }
        let Kind::Table(entries) = &mut self.0 else { unreachable!("made a table above") };
        let at = entries.iter().position(|(known, _)| known == key).unwrap_or_else(|| {
            entries.push((key.to_owned(), Self::table()));
            entries.len() - 1
        });
        &mut entries[at].1
    }

    /// The place at the end of keys with dots between them.
    pub(super) fn at(&mut self, path: &str) -> &mut Self {
        path.split('.').fold(self, |place, key| place.entry(key))
    }

    /// Adds an item to a list. A single value stands for a list of one, an empty table for an empty list.
    pub(super) fn push(&mut self, item: impl Into<Self>) {
        match &mut self.0 {
            Kind::List(list) => list.push(item.into()),
            Kind::Table(entries) if entries.is_empty() => *self = Self::list([item.into()]),
            _ => *self = Self::list([self.clone(), item.into()]),
        }
    }

    /// The whole as a document: an entry per line, its tables below headings, so that a message about an entry shows
    /// that entry.
    pub(super) fn document(&self) -> String {
        let is_table = |value: &Self| matches!(value.0, Kind::Table(_));
        let (tables, plain): (Vec<_>, Vec<_>) = self.entries().iter().partition(|(_, value)| is_table(value));
        let line = |(name, value): &&(String, Self)| format!("{} = {value}\n", key(name));
        let below = |(name, table): &&(String, Self)| format!("\n[{}]\n{}", key(name), table.lines());
        plain.iter().map(line).chain(tables.iter().map(below)).collect()
    }

    /// Its entries, one per line.
    pub(super) fn lines(&self) -> String {
        self.entries().iter().map(|(name, value)| format!("{} = {value}\n", key(name))).collect()
    }

    fn entries(&self) -> &[(String, Self)] {
        if let Kind::Table(entries) = &self.0 { entries } else { &[] }
    }
}

/// One value in TOML. Tables of a list have lines of their own.
impl fmt::Display for Stated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Text(text) => f.write_str(&toml_string(text)),
            Kind::Whole(whole) => write!(f, "{whole}"),
            Kind::Float(float) if float.is_nan() => f.write_str("nan"),
            Kind::Float(float) => write!(f, "{float:?}"),
            Kind::Boolean(boolean) => write!(f, "{boolean}"),
            Kind::List(list) if list.iter().any(|item| matches!(item.0, Kind::Table(_))) => {
                f.write_str("[\n")?;
                list.iter().try_for_each(|item| writeln!(f, "  {item},"))?;
                f.write_str("]")
            }
            Kind::List(list) => {
                let items: Vec<String> = list.iter().map(Self::to_string).collect();
                write!(f, "[{}]", items.join(", "))
            }
            Kind::Table(entries) => {
                f.write_str("{")?;
                for (at, (name, value)) in entries.iter().enumerate() {
                    write!(f, "{} {} = {value}", if at == 0 { "" } else { "," }, key(name))?;
                }
                f.write_str(" }")
            }
        }
    }
}

impl From<&str> for Stated {
    fn from(text: &str) -> Self {
        Self(Kind::Text(text.to_owned()))
    }
}

impl From<String> for Stated {
    fn from(text: String) -> Self {
        Self(Kind::Text(text))
    }
}

impl From<bool> for Stated {
    fn from(boolean: bool) -> Self {
        Self(Kind::Boolean(boolean))
    }
}

impl From<i32> for Stated {
    fn from(whole: i32) -> Self {
        Self(Kind::Whole(whole.into()))
    }
}

impl From<u32> for Stated {
    fn from(whole: u32) -> Self {
        Self(Kind::Whole(whole.into()))
    }
}

impl From<u64> for Stated {
    fn from(whole: u64) -> Self {
        Self(Kind::Whole(whole.into()))
    }
}

impl From<f64> for Stated {
    fn from(float: f64) -> Self {
        Self(Kind::Float(float))
    }
}

/// As text with a unit.
impl From<Duration> for Stated {
    fn from(duration: Duration) -> Self {
        Self(Kind::Text(quantities::show(duration)))
    }
}

impl<T: Into<Stated>> From<Vec<T>> for Stated {
    fn from(list: Vec<T>) -> Self {
        Self::list(list.into_iter().map(Into::into))
    }
}

impl<T: Into<Stated>, const N: usize> From<[T; N]> for Stated {
    fn from(list: [T; N]) -> Self {
        Self::list(list.into_iter().map(Into::into))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_says_what_was_stated_in_order() {
        let mut root = Stated::table().with("name", "a \"b\"\n").with("z", Stated::table().with("on", true));
        *root.at("z.deep.most") = Stated::table().with("b", 1).with("a", [0.5, f64::INFINITY]);
        root.entry("list").push(Stated::table().with("weird key", Duration::from_millis(1500)));
        let parsed: toml::Table = root.document().parse().unwrap();
        let expected: toml::Table = r#"
            name = "a \"b\"\n"
            list = [{ "weird key" = "1500ms" }]
            z = { on = true, deep = { most = { b = 1, a = [0.5, inf] } } }
        "#
        .parse()
        .unwrap();
        assert_eq!(parsed, expected);
        assert!(root.document().contains("{ b = 1, a = ["), "{}", root.document());
    }

    #[test]
    fn the_last_word_counts_and_lists_grow() {
        let mut table = Stated::table().with("a", 1).with("a", 2).with("list", "x");
        table.entry("list").push("y");
        assert_eq!(table, Stated::table().with("a", 2).with("list", ["x", "y"]));
    }
}
