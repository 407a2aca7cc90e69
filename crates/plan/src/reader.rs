//! Reads typed fields out of a TOML tree and notes every problem instead of stopping at the first.
//!
//! A field that cannot be read gives `None` after its problem was noted; callers put a stand-in in its place and go
//! on, so that the rest is checked too. A plan with problems is never handed out, so no stand-in ever is.
//!
//! The words a table knows are the words its reader asked for: [`Reader::finish`] reports all others.

use std::cell::RefCell;
use std::num::NonZeroU64;
use std::ops::Range;

use crate::diagnostics::{Origin, Problem};
use crate::interpolate::{Segment, segments};
use crate::surroundings::Surroundings;
use crate::tree::{Entry, Node, Table, Value};
use crate::words;

/// What all readers of one document share.
pub(crate) struct Context<'a> {
    pub(crate) source: &'a str,
    pub(crate) surroundings: &'a Surroundings<'a>,
    /// True for the plan of a run directory: what a tool wrote is not doubted.
    pub(crate) recorded: bool,
    pub(crate) problems: RefCell<Vec<Problem>>,
}

impl Context<'_> {
    pub(crate) fn report(&self, problem: Problem) {
        self.problems.borrow_mut().push(problem);
    }

    /// Looks variables up; notes those that are not set.
    fn segments(&self, node: &Node, text: &str) -> Option<Vec<Segment>> {
        let problem = |error: crate::interpolate::HoleError| {
            let origin = match exact_start(node, text, self.source) {
                Some(start) => Origin::Span(start + error.range.start..start + error.range.end),
                None => node.origin.clone(),
            };
            self.report(Problem::new(&origin, error.title).help(error.help));
        };
        segments(text, self.surroundings.environment).map_err(|errors| errors.into_iter().for_each(problem)).ok()
    }
}

/// Where the content of a string starts in the source, when it stands there letter for letter.
fn exact_start(node: &Node, text: &str, source: &str) -> Option<usize> {
    let Origin::Span(span) = &node.origin else { return None };
    let start = span.start + 1;
    let end = span.end.checked_sub(1)?;
    (source.get(start..end)? == text).then_some(start)
}

/// A table being read.
pub(crate) struct Reader<'a> {
    pub(crate) table: &'a Table,
    pub(crate) origin: &'a Origin,
    pub(crate) context: &'a Context<'a>,
    /// What it is, for messages: `[target]`.
    what: String,
    known: RefCell<Vec<&'static str>>,
    /// A stand-in for something that is no table: nothing is missing in it.
    stand_in: bool,
}

const NOTHING: &Table = &Table { entries: Vec::new() };

impl<'a> Reader<'a> {
    pub(crate) fn new(table: &'a Table, origin: &'a Origin, context: &'a Context<'a>, what: &str) -> Self {
        Self { table, origin, context, what: what.to_owned(), known: RefCell::default(), stand_in: false }
    }

    /// The field of this key, if it was stated.
    pub(crate) fn field(&self, key: &'static str) -> Option<Field<'a>> {
        self.known.borrow_mut().push(key);
        self.table.get(key).map(|entry| Field { node: &entry.node, key: &entry.key, context: self.context })
    }

    /// What `read` makes of the field, if it was stated and is sound.
    pub(crate) fn optional<T>(&self, key: &'static str, read: impl FnOnce(&Field<'a>) -> Option<T>) -> Option<T> {
        self.field(key).and_then(|field| read(&field))
    }

    /// The same; a field that was not stated is a problem.
    pub(crate) fn required<T>(
        &self,
        key: &'static str,
        example: &str,
        read: impl FnOnce(&Field<'a>) -> Option<T>,
    ) -> Option<T> {
        let field = self.field(key);
        if field.is_none() && !self.stand_in {
            let title = format!("{} has no `{key}`", self.what);
            self.context.report(Problem::new(self.origin, title).help(format!("add for example `{key} = {example}`")));
        }
        field.and_then(|field| read(&field))
    }

    /// Notes a problem of the whole table.
    pub(crate) fn reject(&self, title: impl AsRef<str>, help: impl AsRef<str>) {
        if !self.stand_in {
            self.context.report(Problem::new(self.origin, title).help(help));
        }
    }

    /// Entries whose key no field asked for.
    pub(crate) fn rest(&self) -> impl Iterator<Item = &'a Entry> {
        let known = self.known.borrow().clone();
        self.table.entries.iter().filter(move |entry| !known.contains(&entry.key.as_str()))
    }

    /// Reports keys nothing asked for, with the valid ones.
    pub(crate) fn finish(self) {
        for entry in self.rest() {
            self.unknown(entry);
        }
    }

    /// Reports one unknown key.
    pub(crate) fn unknown(&self, entry: &Entry) {
        let known = self.known.borrow();
        let problem = Problem::new(&entry.origin, format!("unknown key `{}` in {}", entry.key, self.what));
        let problem = match words::nearest(&entry.key, known.iter().copied()) {
            Some(word) => problem.label(format!("did you mean `{word}`?")),
            None => problem,
        };
        self.context.report(problem.help(format!("valid here: {}", words::list(known.iter().copied()))));
    }
}

/// A stated value and the key it stands under.
pub(crate) struct Field<'a> {
    pub(crate) node: &'a Node,
    pub(crate) key: &'a str,
    pub(crate) context: &'a Context<'a>,
}

impl<'a> Field<'a> {
    pub(crate) fn of(entry: &'a Entry, context: &'a Context<'a>) -> Self {
        Self { node: &entry.node, key: &entry.key, context }
    }

    /// Notes that the value is not what it should be.
    pub(crate) fn reject(&self, title: impl AsRef<str>, help: impl AsRef<str>) {
        self.context.report(Problem::new(&self.node.origin, title).help(help));
    }

    /// Notes that the value is of the wrong kind.
    pub(crate) fn wrong_kind(&self, expected: &str) {
        self.reject(format!("`{}` is {}", self.key, self.node.value.kind()), format!("expected {expected}"));
    }

    /// The string, cut into plain text and values of the environment.
    pub(crate) fn segments(&self, expected: &str) -> Option<Vec<Segment>> {
        self.context.segments(self.node, self.string(expected)?)
    }

    /// The string as stated.
    pub(crate) fn string(&self, expected: &str) -> Option<&'a str> {
        match (&self.node.value, &self.node.spelled) {
            (Value::Text(text), _) => Some(text),
            (Value::List(_) | Value::Table(_), _) | (_, None) => {
                self.wrong_kind(expected);
                None
            }
            (_, Some(spelled)) => Some(spelled),
        }
    }

    /// Text, with values of the environment put in.
    pub(crate) fn text(&self, expected: &str) -> Option<Text<'a>> {
        let stated = self.string(expected)?;
        let mut content = String::new();
        let mut variable = None;
        for segment in self.context.segments(self.node, stated)? {
            match segment {
                Segment::Plain(plain) => content.push_str(&plain),
                Segment::Environment { name, value } => {
                    content.push_str(&value);
                    variable.get_or_insert(name);
                }
            }
        }
        let start = if content == stated { exact_start(self.node, stated, self.context.source) } else { None };
        Some(Text { content, origin: self.node.origin.clone(), start, variable, context: self.context })
    }

    /// A name: letters, digits, `-` and `_`. A bad one is reported and still returned, so that others may refer to it.
    pub(crate) fn name(&self) -> Option<String> {
        let text = self.text("a name")?;
        if !words::is_name(&text.content) {
            let title = format!("`{}` is not a name", text.content);
            text.reject(title, None, "names are made of letters, digits, `-` and `_`");
        }
        Some(text.content)
    }

    /// True or false.
    pub(crate) fn boolean(&self) -> Option<bool> {
        match self.node.value {
            Value::Boolean(boolean) => return Some(boolean),
            _ => self.wrong_kind("`true` or `false`"),
        }
        None
    }

    /// A whole number between `least` and the most `T` holds.
    pub(crate) fn whole<T: TryFrom<i128>>(&self, least: i128) -> Option<T> {
        let integer = self.integer()?;
        let whole = if integer >= least { T::try_from(integer).ok() } else { None };
        if whole.is_none() {
            let complaint = if integer < least { format!("less than {least}") } else { "too large".to_owned() };
            self.reject(format!("`{}` is {complaint}", self.key), format!("expected a whole number, {least} or more"));
        }
        whole
    }

    /// A whole number as stated, or as the environment has it: `"${USERS:-20}"`.
    fn integer(&self) -> Option<i128> {
        match &self.node.value {
            Value::Integer(integer) => return Some(*integer),
            Value::Text(text) if text.contains("${") => {
                let text = self.text("a whole number")?;
                let integer = text.content.trim().parse().ok();
                if integer.is_none() {
                    text.reject(format!("`{}` is text", self.key), None, "expected a whole number");
                }
                return integer;
            }
            _ => self.wrong_kind("a whole number, without quotes"),
        }
        None
    }

    /// A whole number above zero.
    pub(crate) fn positive<T: TryFrom<NonZeroU64>>(&self) -> Option<T> {
        let whole = NonZeroU64::new(self.whole(1)?).expect("at least one");
        let fitting = T::try_from(whole).ok();
        if fitting.is_none() {
            self.reject(format!("`{}` is too large", self.key), "expected a smaller whole number");
        }
        fitting
    }

    /// One of a few words.
    pub(crate) fn choice<T: Copy>(&self, valid: &[(&str, T)]) -> Option<T> {
        let list = words::list(valid.iter().map(|(word, _)| *word));
        let text = self.text(&format!("one of {list}"))?;
        let chosen = valid.iter().find(|(word, _)| *word == text.content).map(|(_, value)| *value);
        if chosen.is_none() {
            let near = words::nearest(&text.content, valid.iter().map(|(word, _)| *word));
            text.reject(format!("`{}` cannot be `{}`", self.key, text.content), near, format!("valid here: {list}"));
        }
        chosen
    }

    /// The fields of a list; a single value stands for a list of one.
    pub(crate) fn items(&self) -> Vec<Field<'a>> {
        let field = |node| Field { node, key: self.key, context: self.context };
        match &self.node.value {
            Value::List(list) => list.iter().map(field).collect(),
            _ => vec![field(self.node)],
        }
    }

    /// What stands under a key, if this is a table that has it.
    pub(crate) fn entry(&self, key: &str) -> Option<&'a Node> {
        let Value::Table(table) = &self.node.value else { return None };
        table.get(key).map(|entry| &entry.node)
    }

    /// The table; anything else is a problem and read as an empty one.
    pub(crate) fn table(&self, what: &str) -> Reader<'a> {
        let (origin, context) = (&self.node.origin, self.context);
        if let Value::Table(table) = &self.node.value {
            return Reader::new(table, origin, context, what);
        }
        self.wrong_kind("a table");
        Reader { stand_in: true, ..Reader::new(NOTHING, origin, context, what) }
    }

    /// The tables of a list.
    pub(crate) fn tables(&self, what: &str) -> Vec<Reader<'a>> {
        if matches!(self.node.value, Value::List(_)) {
            return self.items().iter().map(|item| item.table(what)).collect();
        }
        self.wrong_kind("a list of tables");
        Vec::new()
    }
}

/// A string of the plan, or a part of one.
#[derive(Clone)]
pub(crate) struct Text<'a> {
    pub(crate) content: String,
    origin: Origin,
    /// Where `content` starts in the source, when it stands there letter for letter.
    start: Option<usize>,
    /// The first variable whose value is in `content`: then `content` is never quoted.
    variable: Option<String>,
    pub(crate) context: &'a Context<'a>,
}

impl Text<'_> {
    /// True when a value of the environment is in it.
    pub(crate) fn has_environment(&self) -> bool {
        self.variable.is_some()
    }

    /// A part of it, without the space around.
    pub(crate) fn part(&self, range: Range<usize>) -> Self {
        let part = &self.content[range.clone()];
        let start = range.start + part.len() - part.trim_start().len();
        let content = part.trim().to_owned();
        let origin = match self.start {
            Some(base) => Origin::Span(base + start..base + start + content.len()),
            None => self.origin.clone(),
        };
        let start = self.start.map(|base| base + start);
        Self { content, origin, start, variable: self.variable.clone(), context: self.context }
    }

    /// Notes that it is not what it should be. `title` and `nearest` may quote it: with a value of the environment
    /// in it, they are not shown.
    pub(crate) fn reject(&self, title: impl AsRef<str>, nearest: Option<&str>, help: impl AsRef<str>) {
        let problem = match (&self.variable, nearest) {
            (Some(variable), _) => Problem::new(&self.origin, format!("the value of `{variable}` does not fit here")),
            (None, Some(word)) => Problem::new(&self.origin, title).label(format!("did you mean `{word}`?")),
            (None, None) => Problem::new(&self.origin, title),
        };
        self.context.report(problem.help(help));
    }
}
