//! `${NAME}` and `${NAME:-default}` in the strings of a plan; `$$` is a plain `$`.
//!
//! A variable without default must be set. As in a shell, an empty variable takes its default.

use std::ops::Range;

/// A piece of a string.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Segment {
    /// Text of the plan, defaults included.
    Plain(String),
    /// The value of a variable.
    Environment { name: String, value: String },
}

/// What is wrong with a `${...}`, and where in the string.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HoleError {
    pub(crate) range: Range<usize>,
    pub(crate) title: String,
    pub(crate) help: String,
}

/// Cuts a string into segments, looking variables up.
pub(crate) fn segments(
    text: &str,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<Vec<Segment>, Vec<HoleError>> {
    let mut segments = Vec::new();
    let mut errors = Vec::new();
    let mut at = 0;
    while let Some(dollar) = text[at..].find('$').map(|offset| at + offset) {
        push_plain(&mut segments, &text[at..dollar]);
        let rest = &text[dollar + 1..];
        at = dollar + 1;
        if rest.starts_with('{') {
            let length = rest.find('}').map_or(text.len() - dollar, |end| end + 2);
            at = dollar + length;
            match hole(&text[dollar..at], dollar..at, environment) {
                Ok(Segment::Plain(default)) => push_plain(&mut segments, &default),
                Ok(segment) => segments.push(segment),
                Err(error) => errors.push(error),
            }
        } else {
            push_plain(&mut segments, "$");
            at += usize::from(rest.starts_with('$'));
        }
    }
    push_plain(&mut segments, &text[at..]);
    if errors.is_empty() { Ok(segments) } else { Err(errors) }
}

fn push_plain(segments: &mut Vec<Segment>, text: &str) {
    match segments.last_mut() {
        _ if text.is_empty() => {}
        Some(Segment::Plain(plain)) => plain.push_str(text),
        _ => segments.push(Segment::Plain(text.to_owned())),
    }
}

fn hole(text: &str, range: Range<usize>, environment: &dyn Fn(&str) -> Option<String>) -> Result<Segment, HoleError> {
    let error = |title: String, help: String| HoleError { range: range.clone(), title, help };
    let Some(inside) = text.strip_prefix("${").and_then(|text| text.strip_suffix('}')) else {
        return Err(error("`${` without `}`".to_owned(), "write `${NAME}`, or `$$` for a plain `$`".to_owned()));
    };
    let (name, default) = match inside.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (inside, None),
    };
    if !is_variable(name) {
        let help = "write `${NAME}` or `${NAME:-default}`, or `$$` for a plain `$`".to_owned();
        return Err(error(format!("`{name}` is not a variable's name"), help));
    }
    match (environment(name), default) {
        (Some(value), None) => Ok(Segment::Environment { name: name.to_owned(), value }),
        (Some(value), Some(_)) if !value.is_empty() => Ok(Segment::Environment { name: name.to_owned(), value }),
        (_, Some(default)) => Ok(Segment::Plain(default.to_owned())),
        (None, None) => {
            let help = format!("set it, or give it a default: `${{{name}:-default}}`");
            Err(error(format!("the environment variable `{name}` is not set"), help))
        }
    }
}

fn is_variable(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(name: &str) -> Option<String> {
        match name {
            "SET" => Some("value".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        }
    }

    #[track_caller]
    fn check(text: &str, expected: &[Segment]) {
        assert_eq!(segments(text, &environment).unwrap(), expected, "{text}");
    }

    fn plain(text: &str) -> Segment {
        Segment::Plain(text.to_owned())
    }

    fn variable(name: &str, value: &str) -> Segment {
        Segment::Environment { name: name.to_owned(), value: value.to_owned() }
    }

    #[test]
    fn variables_and_defaults_are_put_in() {
        check("a ${SET} b", &[plain("a "), variable("SET", "value"), plain(" b")]);
        check("${SET:-other}", &[variable("SET", "value")]);
        check("${UNSET:-http://a:1}/x", &[plain("http://a:1/x")]);
        check("${EMPTY:-other}", &[plain("other")]);
        check("${EMPTY}", &[variable("EMPTY", "")]);
    }

    #[test]
    fn a_plain_dollar_can_be_written() {
        check("$5 and $$ and $${SET} and $", &[plain("$5 and $ and ${SET} and $")]);
        check("$$${SET}", &[plain("$"), variable("SET", "value")]);
        check("", &[]);
    }

    #[test]
    fn all_holes_of_a_string_are_reported() {
        let errors = segments("${A} ${1x} ${open", &environment).unwrap_err();
        let ranges: Vec<_> = errors.iter().map(|error| error.range.clone()).collect();
        assert_eq!(ranges, [0..4, 5..10, 11..17]);
        assert!(errors[0].title.contains("`A` is not set"), "{errors:?}");
    }
}
