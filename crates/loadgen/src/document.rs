//! JSON and YAML documents of other tools, read as they are: entries keep their order, nothing is assumed of them.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Number;

use crate::toml_text::{raw, table};

/// A value of a document.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Document {
    Null,
    Boolean(bool),
    Number(Number),
    Text(String),
    /// Text that comes from a variable of the environment: a secret that was taken out.
    Variable(String),
    List(Vec<Document>),
    Table(Vec<(String, Document)>),
}

/// What stands for something that is not there.
pub(crate) static NOTHING: Document = Document::Null;

impl Document {
    /// JSON text.
    ///
    /// # Errors
    /// What is wrong with it, with line and column.
    pub(crate) fn json(text: &str) -> Result<Self, String> {
        serde_json::from_str(text).map_err(|error| error.to_string())
    }

    /// YAML, or JSON when it begins like it.
    ///
    /// # Errors
    /// As of [`Document::json`].
    pub(crate) fn yaml(text: &str) -> Result<Self, String> {
        if text.trim_start().starts_with('{') {
            return Self::json(text);
        }
        serde_saphyr::from_str(text).map_err(|error| error.to_string())
    }

    /// The entry of a table; null where there is none.
    pub(crate) fn get(&self, name: &str) -> &Self {
        self.entries().iter().find(|(key, _)| key == name).map_or(&NOTHING, |(_, value)| value)
    }

    /// The entry of a table, of one in that, and so on.
    pub(crate) fn at(&self, path: &[&str]) -> &Self {
        path.iter().fold(self, |document, name| document.get(name))
    }

    pub(crate) fn is_null(&self) -> bool {
        *self == Self::Null
    }

    pub(crate) fn text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    /// Text, numbers and truth values as text.
    pub(crate) fn scalar(&self) -> Option<String> {
        match self {
            Self::Text(text) => Some(text.clone()),
            Self::Number(number) => Some(number.to_string()),
            Self::Boolean(boolean) => Some(boolean.to_string()),
            Self::Null | Self::Variable(_) | Self::List(_) | Self::Table(_) => None,
        }
    }

    /// A number, also one that is written as text.
    pub(crate) fn number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => number.as_f64(),
            Self::Text(text) => text.trim().parse().ok().filter(|number: &f64| number.is_finite()),
            _ => None,
        }
    }

    /// The items of a list; what is none has none.
    pub(crate) fn items(&self) -> &[Self] {
        if let Self::List(items) = self { items } else { &[] }
    }

    /// The entries of a table; what is none has none.
    pub(crate) fn entries(&self) -> &[(String, Self)] {
        if let Self::Table(entries) = self { entries } else { &[] }
    }

    /// As TOML in one line; `None` where TOML cannot say it: null, and numbers beyond 64 bits. `text` makes templates
    /// of texts.
    pub(crate) fn toml(&self, text: &impl Fn(&str) -> String) -> Option<String> {
        match self {
            Self::Null => None,
            Self::Boolean(boolean) => Some(boolean.to_string()),
            Self::Number(number) if number.is_f64() => number.as_f64().map(|number| format!("{number:?}")),
            Self::Number(number) => number.as_i64().map(|number| number.to_string()),
            Self::Text(plain) => Some(raw(&text(plain))),
            Self::Variable(name) => Some(raw(&format!("${{{name}}}"))),
            Self::List(items) => {
                let items: Option<Vec<String>> = items.iter().map(|item| item.toml(text)).collect();
                items.map(|items| format!("[{}]", items.join(", ")))
            }
            Self::Table(entries) => {
                let entry = |(name, value): &(String, Self)| Some((name.clone(), value.toml(text)?));
                entries.iter().map(entry).collect::<Option<Vec<_>>>().map(table)
            }
        }
    }

    /// As JSON in one line, its texts made templates.
    pub(crate) fn to_json(&self, text: &impl Fn(&str) -> String) -> String {
        let string = |plain: &str| text(&serde_json::Value::from(plain).to_string());
        match self {
            Self::Null => "null".to_owned(),
            Self::Boolean(boolean) => boolean.to_string(),
            Self::Number(number) => number.to_string(),
            Self::Text(plain) => string(plain),
            Self::Variable(name) => format!("\"${{{name}}}\""),
            Self::List(items) => {
                format!("[{}]", items.iter().map(|item| item.to_json(text)).collect::<Vec<_>>().join(","))
            }
            Self::Table(entries) => {
                let entry = |(name, value): &(String, Self)| format!("{}:{}", string(name), value.to_json(text));
                format!("{{{}}}", entries.iter().map(entry).collect::<Vec<_>>().join(","))
            }
        }
    }

    /// The body of a step: `json` where TOML can say it, else `json_text`.
    pub(crate) fn body(&self, text: &impl Fn(&str) -> String) -> (&'static str, String) {
        self.toml(text).map_or_else(|| ("json_text", raw(&self.to_json(text))), |toml| ("json", toml))
    }
}

impl From<&str> for Document {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl<'de> Deserialize<'de> for Document {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Document;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E>(self) -> Result<Document, E> {
        Ok(Document::Null)
    }

    fn visit_none<E>(self) -> Result<Document, E> {
        Ok(Document::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Document, D::Error> {
        Deserialize::deserialize(deserializer)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Document, E> {
        Ok(Document::Boolean(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Document, E> {
        Ok(Document::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Document, E> {
        Ok(Document::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Document, E> {
        Ok(Number::from_f64(value).map_or(Document::Null, Document::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Document, E> {
        Ok(Document::from(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Document, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Document::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Document, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Document::Table(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::toml_text::escape;

    #[test]
    fn json_and_yaml_read_alike_and_keep_their_order() {
        let json = Document::yaml(r#"{"b": {"200": [1, 2.5, "x", null, true]}, "a": {}}"#).unwrap();
        let yaml = Document::yaml("b:\n  200: [1, 2.5, x, ~, true]\na: {}\n").unwrap();
        assert_eq!(json, yaml);
        assert_eq!(json.to_json(&escape), r#"{"b":{"200":[1,2.5,"x",null,true]},"a":{}}"#);
    }

    #[test]
    fn what_toml_cannot_say_stays_json() {
        let body = |text: &str| Document::json(text).unwrap().body(&escape);
        assert_eq!(body(r#"{"z": 1, "a b": ["x"]}"#), ("json", r#"{ z = 1, "a b" = ["x"] }"#.to_owned()));
        assert_eq!(body(r#"{"a": null}"#).0, "json_text");
        assert_eq!(body("18446744073709551615").0, "json_text");
    }

    #[test]
    fn a_bomb_of_aliases_is_refused() {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
        for n in 1..9 {
            text += &format!("a{n}: &a{n} [{}]\n", vec![format!("*a{}", n - 1); 9].join(", "));
        }
        assert!(Document::yaml(&text).is_err());
    }
}
