//! Problems in a plan: where each one is, what is wrong and what would be right. Shows them all at once.
//!
//! It knows nothing of plans: others find the problems. Passwords that stand in URLs of the text are starred out
//! before anything is shown.

use std::fmt;
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Element, Level, Renderer, Snippet, normalize_untrusted_str};

/// A text and the name it is known by.
#[derive(Clone, PartialEq, Eq)]
pub struct SourceText {
    /// Shown in messages: the path.
    pub name: String,
    /// The text.
    pub text: String,
}

/// The text may hold passwords: they are starred out.
impl fmt::Debug for SourceText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SourceText").field("name", &self.name).field("text", &redact(&self.text)).finish()
    }
}

/// Everything that is wrong with a plan; at least one problem.
#[derive(Clone, PartialEq, Eq)]
pub struct Problems {
    /// The text, its passwords starred out byte for byte so that spans still fit.
    source: SourceText,
    list: Vec<Problem>,
}

impl Problems {
    pub(crate) fn new(source: &SourceText, list: Vec<Problem>) -> Self {
        Self { source: SourceText { name: source.name.clone(), text: redact(&source.text) }, list }
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.list.len()
    }

    /// All problems and what would be right, without the text they are in.
    #[must_use]
    pub fn in_words(&self) -> String {
        let words: Vec<String> = self.list.iter().map(Problem::in_words).collect();
        words.join("; and ")
    }

    /// All problems as annotated snippets of the plan.
    #[must_use]
    pub fn render(&self, color: bool) -> String {
        let renderer = if color { Renderer::styled() } else { Renderer::plain() };
        let rendered: Vec<String> = self.list.iter().map(|problem| problem.render(&self.source, &renderer)).collect();
        rendered.join("\n\n")
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl fmt::Debug for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Problems {}

/// Where something was stated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Nowhere in particular: the whole text.
    Document,
    /// These bytes of the text.
    Span(Range<usize>),
    /// The override of this key.
    Set(String),
}

/// One problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    origin: Origin,
    title: String,
    label: Option<String>,
    help: Vec<String>,
}

impl Problem {
    /// A problem at a place; the title says what is wrong.
    pub(crate) fn new(origin: &Origin, title: impl AsRef<str>) -> Self {
        Self { origin: origin.clone(), title: redact(title.as_ref()), label: None, help: Vec::new() }
    }

    /// Adds a few words below the underlined text.
    pub(crate) fn label(mut self, label: impl AsRef<str>) -> Self {
        self.label = Some(redact(label.as_ref()));
        self
    }

    /// Adds what would be right.
    pub(crate) fn help(mut self, help: impl AsRef<str>) -> Self {
        self.help.push(redact(help.as_ref()));
        self
    }

    /// Where it comes in the list: the text from top to bottom, then overrides.
    pub(crate) fn position(&self) -> (u8, usize) {
        match &self.origin {
            Origin::Document => (0, 0),
            Origin::Span(span) => (1, span.start),
            Origin::Set(_) => (2, 0),
        }
    }

    fn in_words(&self) -> String {
        let label = self.label.iter().map(String::as_str);
        let all: Vec<&str> =
            std::iter::once(self.title.as_str()).chain(label).chain(self.help.iter().map(String::as_str)).collect();
        all.join("; ")
    }

    fn render(&self, source: &SourceText, renderer: &Renderer) -> String {
        let help = self.help.iter().map(|text| Level::HELP.message(normalize_untrusted_str(text)).into());
        let group = Level::ERROR
            .primary_title(&self.title)
            .elements(self.place(source))
            .elements(help.collect::<Vec<Element<'_>>>());
        renderer.render(&[group])
    }

    fn place<'a>(&'a self, source: &'a SourceText) -> Vec<Element<'a>> {
        let label = self.label.as_deref().map(normalize_untrusted_str);
        let origin = match &self.origin {
            Origin::Span(span) => {
                let annotation = AnnotationKind::Primary.span(one_line(&source.text, span)).label(label);
                return vec![Snippet::source(&source.text).path(&source.name).annotation(annotation).into()];
            }
            Origin::Document => annotate_snippets::Origin::path(&source.name),
            Origin::Set(key) => annotate_snippets::Origin::path(format!("--set {key}")),
        };
        let mut elements: Vec<Element<'a>> = vec![origin.into()];
        elements.extend(label.map(|label| Level::NOTE.message(label).into()));
        elements
    }
}

/// The part of a span on its first line, on character boundaries: long values would fill the screen.
fn one_line(text: &str, span: &Range<usize>) -> Range<usize> {
    let start = text.floor_char_boundary(span.start.min(text.len()));
    let end = text.ceil_char_boundary(span.end.clamp(start, text.len()));
    let line = text[start..end].find(['\n', '\r']).map_or(end, |offset| start + offset);
    start..line
}

/// Stars out passwords in URLs, byte for byte. Whatever might be one goes: all between the colon after the user and
/// the last `@` of the line.
fn redact(text: &str) -> String {
    text.split_inclusive('\n').map(|line| redact_key(redact_line(line))).collect()
}

/// The same for what stands behind `password =`, unless that names a variable.
fn redact_key(mut line: String) -> String {
    let mut at = 0;
    while let Some(key) = line[at..].find("password").map(|found| at + found + "password".len()) {
        at = key;
        let value = line[at..].trim_start().strip_prefix('=').map(str::trim_start);
        let Some(value) = value.and_then(|value| value.strip_prefix(['"', '\''])) else { continue };
        let start = line.len() - value.len();
        let length = value.find(['"', '\'']).unwrap_or(value.trim_end().len());
        if !value.starts_with("${") {
            line.replace_range(start..start + length, &"*".repeat(length));
        }
        at = start + length;
    }
    line
}

fn redact_line(line: &str) -> String {
    let Some(authority) = line.find("://").map(|at| at + 3) else { return line.to_owned() };
    let Some(end) = line[authority..].rfind('@').map(|at| authority + at) else { return line.to_owned() };
    let Some(colon) = line[authority..end].find(':').map(|at| authority + at + 1) else { return line.to_owned() };
    let stars = "*".repeat(end - colon);
    format!("{}{stars}{}", &line[..colon], &line[end..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let redacted = redact(text);
        assert_eq!(redacted, expected);
        assert_eq!(redacted.len(), text.len(), "spans must still fit");
    }

    #[test]
    fn passwords_in_urls_are_starred_out() {
        check("redis = \"redis://:hunter2@host\"", "redis = \"redis://:*******@host\"");
        check("a = \"http://me:p@ss'w/rd@host/\"\nb = 1\n", "a = \"http://me:*********@host/\"\nb = 1\n");
        check("{ password = \"hunter2\", sentinel_password='b' }", "{ password = \"*******\", sentinel_password='*' }");
        check("password = \"${WORD}\"", "password = \"${WORD}\"");
        check("['redis://:a@h','http://u:b@g']", "['redis://:****************@g']");
    }

    #[test]
    fn urls_without_password_stay() {
        check("url = \"http://127.0.0.1:8080\"", "url = \"http://127.0.0.1:8080\"");
        check("mail = \"me@host\"", "mail = \"me@host\"");
        check("url = \"http://me@host\"", "url = \"http://me@host\"");
    }
}
