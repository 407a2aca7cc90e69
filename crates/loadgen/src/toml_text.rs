//! Text as TOML writes it, in the strings and keys of a plan.

/// A string that is taken as it is: `$` and what would be a hole are escaped.
pub(crate) fn quote(text: &str) -> String {
    raw(&escape(text))
}

/// The text of a string that is taken as it is, without the quotes.
pub(crate) fn escape(text: &str) -> String {
    let text = dollars(text);
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some((before, after)) = rest.split_once('{') {
        // A lone brace that begins no word is a plain brace, as in JSON.
        let plain = !after.starts_with(|c: char| c.is_ascii_alphabetic() || c == '{');
        out.push_str(before);
        out.push_str(if plain { "{" } else { "{{" });
        rest = after;
    }
    out + rest
}

/// The same for text in which there are no holes, but variables of the environment: JSONPaths, URLs.
pub(crate) fn dollars(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        // A lone dollar that begins nothing is a plain one, as at the head of a JSONPath.
        out.push_str(if after.starts_with(['{', '$']) { "$$" } else { "$" });
        rest = after;
    }
    out + rest
}

/// A string whose variables and holes are meant.
pub(crate) fn raw(text: &str) -> String {
    let plain = !text.contains(|c: char| c == '"' || c == '\\' || c.is_control());
    // The writer of `toml` spreads text over lines, and a step is easier to read in one.
    if plain {
        format!("\"{text}\"")
    } else if fits_quotes(text) {
        format!("'{text}'")
    } else {
        escaped(text)
    }
}

fn fits_quotes(text: &str) -> bool {
    !text.contains(|c: char| c == '\'' || c.is_control())
}

fn escaped(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// A key: quoted unless it is a bare word.
pub(crate) fn key(text: &str) -> String {
    if is_name(text) { text.to_owned() } else { escaped(text) }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
}

/// The nearest name for plans, flows and steps, at most so long: letters, digits and single dashes.
pub(crate) fn name(text: &str) -> String {
    let mut name = String::new();
    for c in text.chars() {
        if c.is_ascii_alphanumeric() || c == '_' {
            name.push(c);
        } else if !name.ends_with('-') && !name.is_empty() {
            name.push('-');
        }
    }
    name.truncate(60);
    let name = name.trim_matches('-');
    if name.is_empty() { "unnamed".to_owned() } else { name.to_owned() }
}

/// An inline table; `{}` without entries.
pub(crate) fn table(entries: impl IntoIterator<Item = (String, String)>) -> String {
    let entries: Vec<String> = entries.into_iter().map(|(name, value)| format!("{} = {value}", key(&name))).collect();
    if entries.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", entries.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dollars_and_holes_are_escaped_and_json_stays_readable() {
        assert_eq!(quote("$$a"), "\"$$$a\"");
        assert_eq!(quote("costs $5"), "\"costs $5\"");
        assert_eq!(quote("{user.id} ${HOME}"), "\"{{user.id} $${{HOME}\"");
        assert_eq!(quote(r#"{"a": {}}"#), r#"'{"a": {}}'"#);
        assert_eq!(quote("it's \"so\"\n"), r#""it's \"so\"\n""#);
    }

    #[test]
    fn names_are_made_of_anything() {
        assert_eq!(name("get /api/v1/items/{id}"), "get-api-v1-items-id");
        assert_eq!(name("/"), "unnamed");
        assert_eq!(key("x-a"), "x-a");
        assert_eq!(key("a \"b\""), r#""a \"b\"""#);
    }
}
