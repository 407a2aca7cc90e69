//! Strings of the plan to templates: paths, header values, bodies and JSON.
//!
//! `{{` is a plain brace. A brace that does not begin a hole, as in JSON text, is a plain brace too, and so is every
//! closing one.

use crate::interpolate::Segment;
use crate::reader::Field;
use crate::template::{Form, Hole, Part, Secret, Template};
use crate::tree::{Table, Value};

use super::holes::{self, Complaint};
use super::names::Names;

/// What a template is for: what may stand in it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Site {
    Header,
    Path,
    /// A key or value of a query: everything is percent-encoded.
    Query,
    /// Anything, put in as it is.
    Text,
    /// A body.
    Body,
    /// Inside a JSON string: plain text is escaped here, values where they are put in.
    Json,
}

impl Site {
    fn permits(self, c: char) -> bool {
        match self {
            Self::Header => c == '\t' || matches!(c, ' '..='~'),
            Self::Path => matches!(c, '!'..='~') && c != '#',
            Self::Query | Self::Text | Self::Body | Self::Json => true,
        }
    }

    fn rule(self) -> &'static str {
        match self {
            Self::Header => "header values are made of visible ASCII characters and spaces",
            Self::Path => "paths are made of visible ASCII characters without `#`; write others as `%20` and the like",
            Self::Query | Self::Text | Self::Body | Self::Json => "anything may stand here",
        }
    }

    fn spell(self, text: &str) -> String {
        match self {
            Self::Json => json_escaped(text),
            Self::Query => percent_encoded(text),
            Self::Header | Self::Path | Self::Text | Self::Body => text.to_owned(),
        }
    }

    /// A value of the environment: the engine escapes it for JSON, but cannot know a query from a path.
    fn spell_value(self, text: &str) -> String {
        if self == Self::Query { percent_encoded(text) } else { text.to_owned() }
    }

    /// Why a form does not fit here.
    fn refuses(self, form: Form) -> Option<(&'static str, &'static str)> {
        match (form, self) {
            (Form::Raw, site) if site != Self::Path => {
                Some(("`:raw` is for paths", "leave `:raw` out: here nothing is percent-encoded"))
            }
            (Form::Json, Self::Header | Self::Path | Self::Query | Self::Text) => {
                Some(("`:json` is for JSON bodies", "leave `:json` out: a list or a table is put in as JSON anyway"))
            }
            _ => None,
        }
    }
}

/// A header's value.
pub(super) fn header(field: &Field<'_>, names: &Names) -> Template {
    template(field, Site::Header, names)
}

/// A path with its query.
pub(super) fn path(field: &Field<'_>, names: &Names) -> Template {
    let template = template(field, Site::Path, names);
    let rooted = match template.parts.first() {
        Some(Part::Literal(text)) => text.starts_with('/'),
        Some(Part::Hole(_, Form::Raw)) => true,
        _ => false,
    };
    // Text without parts has a problem that was noted already, unless it is empty.
    let unread = template.parts.is_empty() && !matches!(&field.node.value, Value::Text(text) if text.is_empty());
    if !rooted && !unread {
        field.reject(
            "the path does not begin with `/`",
            "the target's URL stands in front of it: write `/api/check`, or `{next:raw}` for a captured path",
        );
    }
    template
}

/// Adds `query = { a = "{x}" }` to a path.
pub(super) fn query(path: Template, field: &Field<'_>, names: &Names) -> Template {
    let reader = field.table("`query`");
    let stated = |part: &Part| matches!(part, Part::Literal(text) if text.contains('?'));
    let mut separator = if path.parts.iter().any(stated) { "&" } else { "?" };
    let mut parts = Parts { list: path.parts };
    for entry in &reader.table.entries {
        parts.push_literal(&format!("{separator}{}=", percent_encoded(&entry.key)));
        parts.push_scalar(&Field::of(entry, field.context), Site::Query, names);
        separator = "&";
    }
    Template { parts: parts.list }
}

/// A body as stated.
pub(super) fn body(field: &Field<'_>, names: &Names) -> Template {
    template(field, Site::Body, names)
}

/// Text of any kind: values of forms, of variables, credentials. Numbers and truth values are their text.
pub(super) fn text(field: &Field<'_>, names: &Names) -> Template {
    let mut parts = Parts::default();
    parts.push_scalar(field, Site::Text, names);
    Template { parts: parts.list }
}

fn template(field: &Field<'_>, site: Site, names: &Names) -> Template {
    let mut parts = Parts::default();
    parts.push_field(field, site, names);
    Template { parts: parts.list }
}

/// A TOML value as JSON text.
pub(super) fn json(field: &Field<'_>, names: &Names) -> Template {
    let mut parts = Parts::default();
    parts.push_json(field, names);
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

    fn push_scalar(&mut self, field: &Field<'_>, site: Site, names: &Names) {
        match &field.node.value {
            Value::Integer(integer) => self.push_literal(&integer.to_string()),
            Value::Float(float) => self.push_literal(&float.to_string()),
            Value::Boolean(boolean) => self.push_literal(&boolean.to_string()),
            _ => self.push_field(field, site, names),
        }
    }

    fn push_field(&mut self, field: &Field<'_>, site: Site, names: &Names) {
        for segment in field.segments("text").unwrap_or_default() {
            match segment {
                Segment::Plain(text) => self.push_plain(field, &text, site, names),
                Segment::Environment { name, value } => {
                    if !value.chars().all(|c| site.permits(c)) {
                        field.reject(format!("the value of `{name}` does not fit here"), site.rule());
                    }
                    self.list.push(Part::Environment { name, value: Secret::new(site.spell_value(&value)) });
                }
            }
        }
    }

    fn push_plain(&mut self, field: &Field<'_>, text: &str, site: Site, names: &Names) {
        let mut at = 0;
        while let Some(brace) = text[at..].find('{').map(|offset| at + offset) {
            self.push_text(field, &text[at..brace], site);
            at = self.push_brace(field, text, brace, site, names);
        }
        self.push_text(field, &text[at..], site);
    }

    fn push_text(&mut self, field: &Field<'_>, text: &str, site: Site) {
        if let Some(bad) = text.chars().find(|c| !site.permits(*c)) {
            field.reject(format!("`{}` may not stand here", bad.escape_default()), site.rule());
        }
        self.push_literal(&site.spell(text));
    }

    /// Understands what begins with this brace; where to go on.
    fn push_brace(&mut self, field: &Field<'_>, text: &str, brace: usize, site: Site, names: &Names) -> usize {
        if text[brace + 1..].starts_with('{') {
            self.push_literal(&site.spell("{"));
            doubt_double_braces(field, &text[brace..], names);
            return brace + 2;
        }
        let Some(inside) = holes::find(text, brace) else {
            self.push_literal(&site.spell("{"));
            return brace + 1;
        };
        match hole(&text[inside.clone()], names) {
            Ok((_, form)) if site.refuses(form).is_some() => {
                let (title, help) = site.refuses(form).expect("the guard found one");
                field.reject(title, help);
            }
            Ok((hole, form)) => self.list.push(Part::Hole(hole, form)),
            Err(complaint) => reject(field, &complaint),
        }
        inside.end + 1
    }

    fn push_json(&mut self, field: &Field<'_>, names: &Names) {
        match &field.node.value {
            Value::Text(text) => self.push_json_text(field, text, names),
            Value::Integer(integer) => self.push_literal(&integer.to_string()),
            Value::Float(float) => match serde_json::Number::from_f64(*float) {
                Some(number) => self.push_literal(&number.to_string()),
                None => field.reject(format!("JSON has no `{float}`"), "write a finite number, or text"),
            },
            Value::Boolean(boolean) => self.push_literal(&boolean.to_string()),
            Value::Datetime(datetime) => self.push_literal(&format!("\"{datetime}\"")),
            Value::List(_) => self.push_json_list(field, names),
            Value::Table(table) => self.push_json_table(field, table, names),
        }
    }

    /// A JSON string, but for one that is nothing but `{name:json}`.
    fn push_json_text(&mut self, field: &Field<'_>, text: &str, names: &Names) {
        let whole = text.starts_with('{') && holes::find(text, 0).is_some_and(|inside| inside.end + 1 == text.len());
        if whole && text.ends_with(":json}") {
            return self.push_field(field, Site::Body, names);
        }
        self.push_literal("\"");
        let first = self.list.len();
        self.push_field(field, Site::Json, names);
        if self.list[first.min(self.list.len())..].iter().any(|part| matches!(part, Part::Hole(_, Form::Json))) {
            field.reject("`:json` stands beside other text", "it is a whole value: `\"{name:json}\"` alone");
        }
        self.push_literal("\"");
    }

    fn push_json_list(&mut self, field: &Field<'_>, names: &Names) {
        self.push_literal("[");
        for (i, item) in field.items().iter().enumerate() {
            self.push_literal(if i > 0 { "," } else { "" });
            self.push_json(item, names);
        }
        self.push_literal("]");
    }

    fn push_json_table(&mut self, field: &Field<'_>, table: &Table, names: &Names) {
        self.push_literal("{");
        for (i, entry) in table.entries.iter().enumerate() {
            let comma = if i > 0 { "," } else { "" };
            self.push_literal(&format!("{comma}\"{}\":", json_escaped(&entry.key)));
            self.push_json(&Field::of(entry, field.context), names);
        }
        self.push_literal("}");
    }
}

fn hole(inside: &str, names: &Names) -> Result<(Hole, Form), Complaint> {
    let (hole, form) = holes::parse(inside)?;
    names.check(&hole).map(|()| (hole, form))
}

fn reject(field: &Field<'_>, complaint: &Complaint) {
    let near = complaint.near.as_deref().map(|near| format!("did you mean `{near}`? ")).unwrap_or_default();
    field.reject(&complaint.title, format!("{near}{}", complaint.help));
}

/// Other tools write holes in double braces; taken as a plain brace, that mistake would go out on the wire.
fn doubt_double_braces(field: &Field<'_>, text: &str, names: &Names) {
    let inside = text.strip_prefix("{{").and_then(|rest| rest.split_once("}}")).map(|(inside, _)| inside.trim());
    let doubtful = inside.filter(|inside| !inside.is_empty() && hole(inside, names).is_ok());
    if let (Some(hole), false) = (doubtful, field.context.recorded) {
        field.reject(format!("`{{{{{hole}}}}}` has one brace too many"), format!("write `{{{hole}}}`"));
    }
}

fn json_escaped(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

/// All but the unreserved characters of RFC 3986, section 2.3.
fn percent_encoded(text: &str) -> String {
    const KEPT: &percent_encoding::AsciiSet =
        &percent_encoding::NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    percent_encoding::utf8_percent_encode(text, KEPT).to_string()
}
