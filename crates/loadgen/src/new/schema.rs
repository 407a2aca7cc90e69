//! Example values: those a document gives, else the plainest one that its schema allows.

use crate::document::{Document, NOTHING};

/// Schemas may hold themselves.
const DEEPEST: usize = 4;
/// References to references end somewhere.
const LONGEST_CHAIN: usize = 16;

/// A document with its references.
pub(super) struct Schemas<'a> {
    pub(super) document: &'a Document,
}

impl<'a> Schemas<'a> {
    /// What a `$ref` into this document stands for; other things as they are.
    pub(super) fn resolve(&self, value: &'a Document) -> &'a Document {
        let mut value = value;
        for _ in 0..LONGEST_CHAIN {
            let Some(reference) = value.get("$ref").text() else { return value };
            let Some(path) = reference.strip_prefix("#/") else { return &NOTHING };
            // RFC 6901: ~1 is a slash, ~0 a tilde.
            let names: Vec<String> = path.split('/').map(|name| name.replace("~1", "/").replace("~0", "~")).collect();
            value = self.document.at(&names.iter().map(String::as_str).collect::<Vec<_>>());
        }
        &NOTHING
    }

    /// An example of a parameter or of a media type: its own, else one of its schema.
    pub(super) fn example_of(&self, described: &'a Document) -> Document {
        let listed = described.get("examples").entries().first();
        let listed = listed.map(|(_, example)| self.resolve(example).get("value"));
        let own = [described.get("example"), listed.unwrap_or(&NOTHING)].into_iter().find(|value| !value.is_null());
        own.cloned().unwrap_or_else(|| self.of_schema(described.get("schema"), 0))
    }

    fn of_schema(&self, schema: &'a Document, depth: usize) -> Document {
        let schema = self.resolve(schema);
        let listed = schema.get("examples").items().first().unwrap_or(&NOTHING);
        let chosen = schema.get("enum").items().first().unwrap_or(&NOTHING);
        let stated = [schema.get("example"), listed, schema.get("const"), schema.get("default"), chosen];
        if let Some(stated) = stated.into_iter().find(|value| !value.is_null()) {
            return stated.clone();
        }
        for word in ["oneOf", "anyOf"] {
            if let Some(first) = schema.get(word).items().first().filter(|_| depth < DEEPEST) {
                return self.of_schema(first, depth + 1);
            }
        }
        match kind(schema) {
            "object" => Document::Table(self.entries(schema, depth)),
            "array" if depth < DEEPEST => Document::List(vec![self.of_schema(schema.get("items"), depth + 1)]),
            "array" => Document::List(Vec::new()),
            "integer" => Document::Number((least(schema).ceil() as i64).into()),
            "number" => serde_json::Number::from_f64(least(schema)).map_or(Document::Null, Document::Number),
            "boolean" => Document::Boolean(true),
            "null" => Document::Null,
            _ => Document::Text(text(schema)),
        }
    }

    /// The entries an object needs; all when none is said to be needed.
    fn entries(&self, schema: &'a Document, depth: usize) -> Vec<(String, Document)> {
        let mut entries: Vec<(String, Document)> = Vec::new();
        if depth >= DEEPEST {
            return entries;
        }
        for part in schema.get("allOf").items() {
            if let Document::Table(inherited) = self.of_schema(part, depth + 1) {
                entries.extend(inherited);
            }
        }
        let required = schema.get("required").items();
        for (name, property) in schema.get("properties").entries() {
            let resolved = self.resolve(property);
            let needed = required.is_empty() || required.iter().any(|one| one.text() == Some(name.as_str()));
            if needed && resolved.get("readOnly") != &Document::Boolean(true) {
                entries.retain(|(known, _)| known != name);
                entries.push((name.clone(), self.of_schema(property, depth + 1)));
            }
        }
        entries
    }
}

/// The type, as it is stated or as the other keys tell. OpenAPI 3.1 has lists of types.
fn kind(schema: &Document) -> &str {
    let stated = schema.get("type");
    let listed = stated.items().iter().filter_map(Document::text).find(|word| *word != "null");
    let has = |key: &str| !schema.get(key).is_null();
    match stated.text().or(listed) {
        Some(word) => word,
        None if has("properties") || has("allOf") => "object",
        None if has("items") => "array",
        None => "string",
    }
}

fn least(schema: &Document) -> f64 {
    let bound = |key: &str| schema.get(key).number();
    let above = bound("exclusiveMinimum").map(|bound| bound + 1.0);
    let below = bound("maximum").or_else(|| bound("exclusiveMaximum").map(|bound| bound - 1.0));
    above.or_else(|| bound("minimum")).unwrap_or_else(|| below.map_or(1.0, |most| most.min(1.0)))
}

fn text(schema: &Document) -> String {
    let example = match schema.get("format").text().unwrap_or_default() {
        "date-time" => "2026-01-31T12:00:00Z",
        "date" => "2026-01-31",
        "time" => "12:00:00Z",
        "uuid" => "00000000-0000-4000-8000-000000000001",
        "email" => "user@example.com",
        "uri" | "url" => "https://example.com/",
        "ipv4" => "192.0.2.1",
        "byte" => "dGV4dA==",
        _ => "text",
    };
    let length = |key: &str| schema.get(key).number().map(|length| length.clamp(0.0, 10_000.0) as usize);
    let mut example = example.to_owned();
    while length("minLength").is_some_and(|least| example.len() < least) {
        example.push('x');
    }
    example.truncate(length("maxLength").unwrap_or(usize::MAX));
    example
}
