//! The body of a request: JSON, form, multipart, text or a file, and the content type that goes with it.

use crate::flow::{Body, FormContent, FormPart};
use crate::reader::{Field, Reader};
use crate::template::{Part, Template};

use super::files;
use super::flows::has_content_type;
use super::names::Names;
use super::templates;

const KINDS: [&str; 6] = ["json", "json_text", "form", "multipart", "body", "body_file"];

/// Reads the body and adds its content type to `headers`, unless these or the `outer` ones (of flow and target) have one.
pub(super) fn read(
    reader: &Reader<'_>,
    headers: &mut Vec<(String, Template)>,
    outer: &[(String, Template)],
    names: &Names,
) -> Option<Body> {
    let stated: Vec<Field<'_>> = KINDS.iter().filter_map(|kind| reader.field(kind)).collect();
    if let [first, second, ..] = stated.as_slice() {
        second.reject(format!("the step has both `{}` and `{}`", first.key, second.key), "keep one of them");
    }
    let field = stated.first()?;
    let typed = has_content_type(headers) || has_content_type(outer);
    let (body, content_type) = match field.key {
        "json" => (Body::Json(templates::json(field, names)), Some("application/json")),
        "json_text" => (json_text(field, names), Some("application/json")),
        "form" => (Body::Form(form(field, names)), Some("application/x-www-form-urlencoded")),
        "multipart" => (multipart(field, typed, names), None),
        "body_file" => (Body::File(files::attachment(field)), None),
        _ if says_json(headers).or_else(|| says_json(outer)) == Some(true) => {
            (Body::Json(templates::body(field, names)), None)
        }
        _ => (Body::Text(templates::body(field, names)), None),
    };
    if let Some(content_type) = content_type.filter(|_| !typed) {
        headers.push(("content-type".to_owned(), Template::literal(content_type)));
    }
    Some(body)
}

/// Whether the content type, if there is one, is a kind of JSON.
fn says_json(headers: &[(String, Template)]) -> Option<bool> {
    let (_, value) = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-type"))?;
    Some(matches!(value.parts.as_slice(), [Part::Literal(text)] if text.to_ascii_lowercase().contains("json")))
}

/// JSON as text, for what TOML cannot say: `null`.
fn json_text(field: &Field<'_>, names: &Names) -> Body {
    let template = templates::body(field, names);
    // A zero is right inside a string and as a value of its own.
    let filled: String =
        template.parts.iter().map(|part| if let Part::Literal(text) = part { text } else { "0" }).collect();
    if let (Err(error), false) = (serde_json::from_str::<serde_json::Value>(&filled), field.context.recorded) {
        field.reject(
            format!("this is not JSON: {error}"),
            "write for example `json_text = '{\"id\": \"{user.id}\", \"note\": null}'`",
        );
    }
    Body::Json(template)
}

fn form(field: &Field<'_>, names: &Names) -> Vec<(String, Template)> {
    let reader = field.table("`form`");
    let entries = reader.table.entries.iter();
    entries.map(|entry| (entry.key.clone(), templates::text(&Field::of(entry, field.context), names))).collect()
}

fn multipart(field: &Field<'_>, typed: bool, names: &Names) -> Body {
    if typed {
        let help = "leave the header `content-type` out: it names the boundary, which is drawn anew each time";
        field.reject("the content type of a multipart body is set by the client", help);
    }
    let parts = field.tables("a part").into_iter().map(|reader| {
        let part = part(&reader, names);
        reader.finish();
        part
    });
    let parts: Vec<FormPart> = parts.collect();
    if parts.is_empty() {
        field.reject("the body has no parts", "add for example `{ name = \"note\", value = \"hello\" }`");
    }
    Body::Multipart(parts)
}

fn part(reader: &Reader<'_>, names: &Names) -> FormPart {
    let name = reader.required("name", "\"note\"", quotable).unwrap_or_default();
    let (value, file) = (reader.field("value"), reader.field("file"));
    let filename = reader.field("filename");
    let content_type = reader.optional("type", quotable);
    if let (Some(_), Some(field)) = (&file, &value) {
        field.reject("the part has both `value` and `file`", "keep one of them");
    }
    if let (None, Some(field)) = (&file, &filename) {
        field.reject("`filename` without `file`", "leave it out, or add `file = \"photo.jpg\"`");
    }
    let content = match (value, file) {
        (_, Some(file)) => {
            let attachment = files::attachment(&file);
            let last = attachment.file.path.rsplit(['/', '\\']).next().unwrap_or_default().to_owned();
            let filename = filename.and_then(|field| quotable(&field)).unwrap_or(last);
            FormContent::File { attachment, filename }
        }
        (Some(value), None) => FormContent::Value(templates::text(&value, names)),
        (None, None) => {
            reader.reject("the part has no content", "add `value = \"...\"` or `file = \"...\"`");
            FormContent::Value(Template::default())
        }
    };
    FormPart { name, content, content_type }
}

/// Text that stands in quotes in the head of a part.
fn quotable(field: &Field<'_>) -> Option<String> {
    let text = field.text("text")?;
    if text.content.is_empty() || text.content.contains(|c: char| c == '"' || c.is_control()) {
        text.reject(format!("`{}` does not fit", field.key), None, "some text without quotes and line breaks");
    }
    Some(text.content)
}
