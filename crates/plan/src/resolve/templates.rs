//! Strings of the plan to templates: paths, header values, bodies and JSON.
//!
//! `{user.id}` and `{user.n}` are the holes, `{{` is a plain brace. A brace that does not begin a word in braces, as
//! in JSON text, is a plain brace too.

use std::ops::Range;

use crate::interpolate::Segment;
use crate::reader::Field;
use crate::template::{Part, Secret, Template};
use crate::tree::{Table, Value};
use crate::words;

/// The holes of a template.
const HOLES: [&str; 2] = ["user.id", "user.n"];

/// What a template is for: what may stand in it.
#[derive(Clone, Copy)]
enum Site {
    Header,
    Path,
    Body,
    /// Inside a JSON string: everything is escaped.
    Json,
}

impl Site {
    fn permits(self, c: char) -> bool {
        match self {
            Self::Header => c == '\t' || matches!(c, ' '..='~'),
            Self::Path => matches!(c, '!'..='~') && c != '#',
            Self::Body | Self::Json => true,
        }
    }

    fn rule(self) -> &'static str {
        match self {
            Self::Header => "header values are made of visible ASCII characters and spaces",
            Self::Path => "paths are made of visible ASCII characters without `#`; write others as `%20` and the like",
            Self::Body | Self::Json => "anything may stand here",
        }
    }

    fn spell(self, text: &str) -> String {
        match self {
            Self::Json => json_escaped(text),
            Self::Header | Self::Path | Self::Body => text.to_owned(),
        }
    }
}

/// A header's value.
pub(super) fn header(field: &Field<'_>) -> Template {
    template(field, Site::Header)
}

/// A path with its query.
pub(super) fn path(field: &Field<'_>) -> Template {
    let template = template(field, Site::Path);
    let rooted = matches!(template.parts.first(), Some(Part::Literal(text)) if text.starts_with('/'));
    // Text without parts has a problem that was noted already, unless it is empty.
    let unread = template.parts.is_empty() && !matches!(&field.node.value, Value::Text(text) if text.is_empty());
    if !rooted && !unread {
        field.reject("the path does not begin with `/`", "the target's URL stands in front of it: write `/api/check`");
    }
    template
}

/// A body as stated.
pub(super) fn body(field: &Field<'_>) -> Template {
    template(field, Site::Body)
}

fn template(field: &Field<'_>, site: Site) -> Template {
    let mut parts = Parts::default();
    parts.push_field(field, site);
    Template { parts: parts.list }
}

/// A TOML value as JSON text.
pub(super) fn json(field: &Field<'_>) -> Template {
    let mut parts = Parts::default();
    parts.push_json(field);
    Template { parts: parts.list }
}

/// Parts being put together; neighbouring literals become one.
#[derive(Default)]
struct Parts {
    list: Vec<Part>,
}

impl Parts {
    fn push_literal(&mut self, text: &str) {
        match self.list.last_mut() {
            _ if text.is_empty() => {}
            Some(Part::Literal(literal)) => literal.push_str(text),
            _ => self.list.push(Part::Literal(text.to_owned())),
        }
    }

    fn push_field(&mut self, field: &Field<'_>, site: Site) {
        for segment in field.segments("text").unwrap_or_default() {
            match segment {
                Segment::Plain(text) => self.push_plain(field, &text, site),
                Segment::Environment { name, value } => {
                    if !value.chars().all(|c| site.permits(c)) {
                        field.reject(format!("the value of `{name}` does not fit here"), site.rule());
                    }
                    self.list.push(Part::Environment { name, value: Secret::new(site.spell(&value)) });
                }
            }
        }
    }

    fn push_plain(&mut self, field: &Field<'_>, text: &str, site: Site) {
        if let Some(bad) = text.chars().find(|c| !site.permits(*c)) {
            field.reject(format!("`{}` may not stand here", bad.escape_default()), site.rule());
        }
        let mut at = 0;
        while let Some(brace) = text[at..].find('{').map(|offset| at + offset) {
            self.push_literal(&site.spell(&text[at..brace]));
            at = self.push_brace(field, text, brace, site);
        }
        self.push_literal(&site.spell(&text[at..]));
    }

    /// Understands what begins with this brace; where to go on.
    fn push_brace(&mut self, field: &Field<'_>, text: &str, brace: usize, site: Site) -> usize {
        if text[brace + 1..].starts_with('{') {
            self.push_literal("{");
            doubt_double_braces(field, &text[brace..]);
            return brace + 2;
        }
        let Some(word) = hole(text, brace) else {
            self.push_literal(&site.spell("{"));
            return brace + 1;
        };
        match &text[word.clone()] {
            "user.id" => self.list.push(Part::UserId),
            "user.n" => self.list.push(Part::UserNumber),
            unknown => unknown_hole(field, unknown),
        }
        word.end + 1
    }

    fn push_json(&mut self, field: &Field<'_>) {
        match &field.node.value {
            Value::Text(_) => self.push_json_text(field),
            Value::Integer(integer) => self.push_literal(&integer.to_string()),
            Value::Float(float) => match serde_json::Number::from_f64(*float) {
                Some(number) => self.push_literal(&number.to_string()),
                None => field.reject(format!("JSON has no `{float}`"), "write a finite number, or text"),
            },
            Value::Boolean(boolean) => self.push_literal(&boolean.to_string()),
            Value::Datetime(datetime) => self.push_literal(&format!("\"{datetime}\"")),
            Value::List(_) => self.push_json_list(field),
            Value::Table(table) => self.push_json_table(field, table),
        }
    }

    fn push_json_text(&mut self, field: &Field<'_>) {
        self.push_literal("\"");
        self.push_field(field, Site::Json);
        self.push_literal("\"");
    }

    fn push_json_list(&mut self, field: &Field<'_>) {
        self.push_literal("[");
        for (i, item) in field.items().iter().enumerate() {
            self.push_literal(if i > 0 { "," } else { "" });
            self.push_json(item);
        }
        self.push_literal("]");
    }

    fn push_json_table(&mut self, field: &Field<'_>, table: &Table) {
        self.push_literal("{");
        for (i, entry) in table.entries.iter().enumerate() {
            let comma = if i > 0 { "," } else { "" };
            self.push_literal(&format!("{comma}\"{}\":", json_escaped(&entry.key)));
            self.push_json(&Field::of(entry, field.context));
        }
        self.push_literal("}");
    }
}

/// The word in braces that begins here, if one does.
fn hole(text: &str, brace: usize) -> Option<Range<usize>> {
    let start = brace + 1;
    let end = start + text[start..].find('}')?;
    let word = &text[start..end];
    let is_word = word.starts_with(|c: char| c.is_ascii_alphabetic())
        && word.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'));
    is_word.then_some(start..end)
}

fn unknown_hole(field: &Field<'_>, word: &str) {
    let near = words::nearest(word, HOLES).map(|near| format!("did you mean `{{{near}}}`? "));
    let help = "valid are `{user.id}` and `{user.n}`; write `{{` for a plain brace";
    field.reject(format!("unknown hole `{{{word}}}`"), format!("{}{help}", near.unwrap_or_default()));
}

/// Other tools write holes in double braces; taken as a plain brace, that mistake would go out on the wire.
fn doubt_double_braces(field: &Field<'_>, text: &str) {
    let doubtful = HOLES.iter().find(|hole| text.starts_with(&format!("{{{{{hole}}}}}")));
    if let (Some(hole), false) = (doubtful, field.context.recorded) {
        field.reject(format!("`{{{{{hole}}}}}` has one brace too many"), format!("write `{{{hole}}}`"));
    }
}

fn json_escaped(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}
