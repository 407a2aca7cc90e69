//! Reads conditions: the grammar stands in [`crate::condition`].
//!
//! The first mistake of a condition is reported, at its place. Which kinds may be compared is decided here, so that
//! the engine never meets a latency that is compared with a word.

use std::ops::Range;

use crate::condition::{Condition, Operand, Operator, Value};
use crate::patterns::{JsonPath, Pattern, PatternError};
use crate::reader::{Field, Text};
use crate::template::{Form, Hole};
use crate::words;

use super::holes;
use super::names::Names;
use super::values::{OPERANDS, fits, literal, status_codes};

const OPERATORS: [(&str, Operator); 7] = [
    ("==", Operator::Equal),
    ("!=", Operator::NotEqual),
    ("<=", Operator::LessOrEqual),
    (">=", Operator::GreaterOrEqual),
    ("<", Operator::Less),
    (">", Operator::Greater),
    ("contains", Operator::Contains),
];
const DEEPEST: usize = 32;

/// Where a condition stands: whether an answer is at hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In a check or `until`.
    Answer,
    /// In `when` or `while`, before a request.
    User,
}

/// Reads a condition, or notes what is wrong with it.
pub(super) fn read(field: &Field<'_>, place: Place, names: &Names) -> Option<Condition> {
    let example = match place {
        Place::Answer => "\"$.state == 'done'\"",
        Place::User => "\"{state} == 'done'\"",
    };
    let text = shown_text(field, &format!("a condition, for example `{example}`"))?;
    let mut parser = Parser { text: &text, at: 0, depth: 0, place, names };
    let condition = parser.any().and_then(|condition| parser.end().map(|()| condition));
    condition
        .map_err(|problem| text.part(problem.range).reject(problem.title, problem.near.as_deref(), problem.help))
        .ok()
}

/// Text that reports will show: it must not hold a value of the environment.
pub(super) fn shown_text<'a>(field: &Field<'a>, expected: &str) -> Option<Text<'a>> {
    let text = field.text(expected)?;
    if text.has_environment() && !field.context.recorded {
        let help = "records and reports show it; put the value into a step before: `{ set = { wanted = \"${NAME}\" } }`, and compare with `{wanted}`";
        field.reject("a value of the environment cannot stand here", help);
        return None;
    }
    Some(text)
}

struct Wrong {
    range: Range<usize>,
    title: String,
    near: Option<String>,
    help: String,
}

fn wrong(range: Range<usize>, title: impl Into<String>, help: impl Into<String>) -> Wrong {
    Wrong { range, title: title.into(), near: None, help: help.into() }
}

struct Parser<'p> {
    text: &'p Text<'p>,
    at: usize,
    depth: usize,
    place: Place,
    names: &'p Names,
}

type Parsed<T> = Result<T, Wrong>;

impl Parser<'_> {
    fn rest(&self) -> &str {
        &self.text.content[self.at..]
    }

    fn skip_space(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    /// The word that begins here; empty when none does.
    fn word(&self) -> &str {
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        &self.rest()[..self.rest().find(|c| !is_word(c)).unwrap_or(self.rest().len())]
    }

    fn take_word(&mut self, word: &str) -> bool {
        self.skip_space();
        let found = self.word() == word;
        self.at += if found { word.len() } else { 0 };
        found
    }

    fn take(&mut self, sign: &str) -> bool {
        self.skip_space();
        let found = self.rest().starts_with(sign);
        self.at += if found { sign.len() } else { 0 };
        found
    }

    /// What stands here up to the next space, for messages.
    fn here(&self) -> Range<usize> {
        let length = self.rest().find(|c: char| c.is_whitespace() || c == ')').unwrap_or(self.rest().len());
        let first = self.rest().chars().next().map_or(0, char::len_utf8);
        self.at..self.at + length.max(first)
    }

    fn here_text(&self) -> &str {
        &self.text.content[self.here()]
    }

    fn end(&mut self) -> Parsed<()> {
        self.skip_space();
        if self.rest().is_empty() {
            return Ok(());
        }
        let help = "join conditions with `and` or `or`; put text into quotes: `'two words'`";
        Err(wrong(self.here(), format!("`{}` is one too many", self.here_text()), help))
    }

    fn any(&mut self) -> Parsed<Condition> {
        self.joined("or", Self::all, Condition::Any)
    }

    fn all(&mut self) -> Parsed<Condition> {
        self.joined("and", Self::one, Condition::All)
    }

    fn joined(
        &mut self,
        word: &str,
        part: fn(&mut Self) -> Parsed<Condition>,
        join: fn(Vec<Condition>) -> Condition,
    ) -> Parsed<Condition> {
        let first = part(self)?;
        let mut list = vec![first];
        while self.take_word(word) {
            list.push(part(self)?);
        }
        if list.len() == 1 { Ok(list.remove(0)) } else { Ok(join(list)) }
    }

    fn one(&mut self) -> Parsed<Condition> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(wrong(self.here(), "the condition is nested too deeply", "write it in several checks"));
        }
        let condition = if self.take_word("not") {
            Condition::Not(Box::new(self.one()?))
        } else if self.take("(") {
            self.parenthesis()?
        } else {
            self.comparison()?
        };
        self.depth -= 1;
        Ok(condition)
    }

    fn parenthesis(&mut self) -> Parsed<Condition> {
        let open = self.at - 1;
        let inside = self.any()?;
        if self.take(")") { Ok(inside) } else { Err(wrong(open..open + 1, "`(` without `)`", "close the parenthesis")) }
    }

    fn comparison(&mut self) -> Parsed<Condition> {
        self.skip_space();
        let start = self.at;
        let left = self.operand()?;
        let operand = start..self.at;
        self.check_place(&left, operand.clone())?;
        if self.take_word("exists") {
            return Ok(Condition::Exists(left));
        }
        if self.take_word("matches") {
            return self.pattern(left, operand);
        }
        if self.take_word("in") {
            return self.statuses(&left, operand);
        }
        let operator = self.operator()?;
        self.skip_space();
        let start = self.at;
        let right = self.value(&left)?;
        let value = start..self.at;
        fits(&left, operator, &right).map_err(|(title, help)| wrong(value, title, help))?;
        Ok(Condition::Compare { left, operator, right })
    }

    /// Before a request there is no answer to look at.
    fn check_place(&self, left: &Operand, range: Range<usize>) -> Parsed<()> {
        if self.place == Place::Answer || matches!(left, Operand::Hole(_)) {
            return Ok(());
        }
        let help = "capture it in the step before, for example `capture = { code = \"status\" }`, and compare `{code}`";
        Err(wrong(range, format!("there is no answer here to take `{left}` from"), help))
    }

    fn operand(&mut self) -> Parsed<Operand> {
        match self.rest().chars().next() {
            Some('{') => self.hole().map(Operand::Hole),
            Some('$') => self.json_path().map(Operand::Json),
            None => {
                let help = "write for example `$.state == 'done'` or `status in 2xx`";
                Err(wrong(0..self.text.content.len(), "the condition ends too early", help))
            }
            _ => self.operand_word(),
        }
    }

    fn operand_word(&mut self) -> Parsed<Operand> {
        let word = self.word().to_owned();
        let after = &self.rest()[word.len()..];
        let operand = match word.as_str() {
            "status" => Operand::Status,
            "latency" => Operand::Latency,
            "size" => Operand::Size,
            "body" => Operand::Body,
            "value" => Operand::Value,
            "rows" => Operand::Rows,
            "header" if after.starts_with('.') => return self.header(),
            "count" if after.starts_with('(') => return self.count(),
            _ => return Err(self.unknown_operand()),
        };
        self.at += word.len();
        Ok(operand)
    }

    fn unknown_operand(&self) -> Wrong {
        let near = words::nearest(self.word(), OPERANDS.iter().copied()).map(str::to_owned);
        let help = format!("valid are {}", words::list(OPERANDS.iter().copied()));
        let range = self.here();
        Wrong { title: format!("`{}` cannot be compared", self.here_text()), range, near, help }
    }

    fn header(&mut self) -> Parsed<Operand> {
        let start = self.at + "header.".len();
        let is_token = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        let rest = &self.text.content[start..];
        let length = rest.find(|c| !is_token(c)).unwrap_or(rest.len());
        if length == 0 {
            return Err(wrong(self.here(), "the header has no name", "write for example `header.content-type`"));
        }
        self.at = start + length;
        Ok(Operand::Header(rest[..length].to_ascii_lowercase()))
    }

    fn count(&mut self) -> Parsed<Operand> {
        let start = self.at;
        self.at += "count(".len();
        self.skip_space();
        let path = self.json_path()?;
        if self.take(")") {
            return Ok(Operand::Count(path));
        }
        Err(wrong(start..self.at, "`count(` without `)`", "write for example `count($.items[*]) > 0`"))
    }

    /// A query ends where, outside its brackets, something stands that no query holds.
    fn json_path(&mut self) -> Parsed<JsonPath> {
        let length = path_length(self.rest());
        let range = self.at..self.at + length;
        let path = JsonPath::new(&self.rest()[..length]).map_err(|error| bad_path(&error, range.clone()))?;
        self.at = range.end;
        Ok(path)
    }

    fn hole(&mut self) -> Parsed<Hole> {
        let Some(inside) = holes::find(&self.text.content, self.at) else {
            return Err(wrong(self.here(), "this is no hole", "write for example `{name}`"));
        };
        let range = self.at..inside.end + 1;
        let bad = |complaint: holes::Complaint| Wrong {
            range: range.clone(),
            title: complaint.title,
            near: complaint.near,
            help: complaint.help,
        };
        let (hole, form) = holes::parse(&self.text.content[inside]).map_err(bad)?;
        self.names.check_in_condition(&hole).map_err(bad)?;
        if form != Form::Text {
            return Err(wrong(range, "a condition compares values as they are", format!("write `{{{hole}}}`")));
        }
        self.at = range.end;
        Ok(hole)
    }

    fn operator(&mut self) -> Parsed<Operator> {
        self.skip_space();
        let found = OPERATORS.iter().find(|(word, _)| match word {
            &"contains" => self.word() == *word,
            sign => self.rest().starts_with(sign),
        });
        if let Some((word, operator)) = found {
            self.at += word.len();
            return Ok(*operator);
        }
        let valid = || OPERATORS.iter().map(|(word, _)| *word).chain(["matches", "exists", "in"]);
        let help = format!("valid are {}", words::list(valid()));
        if self.rest().is_empty() {
            return Err(wrong(0..self.text.content.len(), "the condition compares with nothing", help));
        }
        let near = match self.here_text() {
            "=" | "===" | "is" => Some("=="),
            other if other.len() > 1 => words::nearest(other, valid()),
            _ => None,
        };
        let title = format!("`{}` is no comparison", self.here_text());
        Err(Wrong { range: self.here(), title, near: near.map(str::to_owned), help })
    }

    fn pattern(&mut self, left: Operand, operand: Range<usize>) -> Parsed<Condition> {
        self.skip_space();
        let start = self.at;
        let Some(text) = self.quoted()? else {
            return Err(wrong(
                self.here_or_all(),
                "`matches` needs a regular expression in quotes",
                "write for example `body matches 'id=[0-9]+'`",
            ));
        };
        if matches!(left, Operand::Status | Operand::Latency | Operand::Size | Operand::Count(_)) {
            let help = "regular expressions are for text: compare it with `==`, `<` and the like";
            return Err(wrong(operand, format!("`{left}` is a number"), help));
        }
        let pattern = Pattern::new(&text);
        let help = "the syntax is that of Rust's regex crate: no look-around, no back-references";
        pattern
            .map(|pattern| Condition::Matches(left, pattern))
            .map_err(|error| wrong(start..self.at, error.to_string(), help))
    }

    fn here_or_all(&self) -> Range<usize> {
        if self.rest().is_empty() { 0..self.text.content.len() } else { self.here() }
    }

    fn statuses(&mut self, left: &Operand, operand: Range<usize>) -> Parsed<Condition> {
        if *left != Operand::Status {
            return Err(wrong(operand, "`in` is for `status`", "write several comparisons with `or`"));
        }
        let mut codes = Vec::new();
        if self.take("[") {
            loop {
                codes.extend(self.status_set()?);
                if self.take("]") {
                    break;
                }
                if !self.take(",") {
                    return Err(wrong(
                        self.here_or_all(),
                        "the list of statuses is not closed",
                        "write for example `status in [200, 4xx]`",
                    ));
                }
            }
        } else {
            codes = self.status_set()?;
        }
        codes.sort_unstable();
        codes.dedup();
        Ok(Condition::StatusIn(codes))
    }

    fn status_set(&mut self) -> Parsed<Vec<u16>> {
        self.skip_space();
        let word = self.word();
        let codes = status_codes(word);
        match codes {
            Some(codes) => {
                self.at += word.len();
                Ok(codes)
            }
            None => Err(wrong(
                self.here_or_all(),
                format!("`{}` is not a status", self.here_text()),
                "write `200`, or `2xx` for a class",
            )),
        }
    }

    fn value(&mut self, left: &Operand) -> Parsed<Value> {
        if self.rest().starts_with('{') {
            return self.hole().map(Value::Hole);
        }
        let start = self.at;
        if let Some(text) = self.quoted()? {
            self.doubt_hole(&text, start)?;
            return Ok(Value::Text(text));
        }
        for (word, value) in [("true", Value::Boolean(true)), ("false", Value::Boolean(false)), ("null", Value::Null)] {
            if self.take_word(word) {
                return Ok(value);
            }
        }
        if self.rest().is_empty() {
            return Err(wrong(
                0..self.text.content.len(),
                "the condition compares with nothing",
                "write for example `$.state == 'done'`",
            ));
        }
        let range = self.here();
        let value =
            literal(&self.text.content[range.clone()]).map_err(|(title, help)| wrong(range.clone(), title, help))?;
        self.at = range.end;
        if *left == Operand::Status && !matches!(value, Value::Number(_)) {
            return Err(wrong(range, "`status` is a number", "write for example `status == 200`, or `status in 2xx`"));
        }
        Ok(value)
    }

    /// A hole in quotes would be compared letter for letter.
    fn doubt_hole(&self, text: &str, start: usize) -> Parsed<()> {
        let hole = text.match_indices('{').find_map(|(brace, _)| holes::find(text, brace));
        match hole.filter(|_| !self.text.context.recorded) {
            Some(inside)
                if holes::parse(&text[inside.clone()])
                    .is_ok_and(|(hole, _)| self.names.check_in_condition(&hole).is_ok()) =>
            {
                let help = format!(
                    "write `{{{}}}` without quotes, and put text together in a step before: `{{ set = {{ wanted = \"...\" }} }}`",
                    &text[inside]
                );
                Err(wrong(start..self.at, "a hole in quotes is plain text", help))
            }
            _ => Ok(()),
        }
    }

    /// Text in quotes; a quote in it is doubled.
    fn quoted(&mut self) -> Parsed<Option<String>> {
        let Some(quote @ ('\'' | '"')) = self.rest().chars().next() else { return Ok(None) };
        let mut text = String::new();
        let mut rest = self.rest()[1..].char_indices().peekable();
        while let Some((i, c)) = rest.next() {
            if c != quote {
                text.push(c);
            } else if rest.peek().is_some_and(|(_, next)| *next == quote) {
                rest.next();
                text.push(quote);
            } else {
                self.at += i + 2;
                return Ok(Some(text));
            }
        }
        Err(wrong(self.at..self.text.content.len(), "the text has no closing quote", format!("end it with {quote}")))
    }
}

/// The length of the query at the start.
fn path_length(text: &str) -> usize {
    let (mut depth, mut quote, mut escaped) = (0_usize, None, false);
    for (i, c) in text.char_indices() {
        match (quote, c) {
            (Some(_), _) if escaped => escaped = false,
            (Some(_), '\\') => escaped = true,
            (Some(open), c) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') if depth > 0 => quote = Some(c),
            (None, '[') => depth += 1,
            (None, ']') => depth = depth.saturating_sub(1),
            (None, c) if depth == 0 && (c.is_whitespace() || "=!<>()'\",".contains(c)) => return i,
            _ => {}
        }
    }
    text.len()
}

fn bad_path(error: &PatternError, range: Range<usize>) -> Wrong {
    let at = match error {
        PatternError::JsonPath { at, .. } => (range.start + at).min(range.end.saturating_sub(1)),
        PatternError::Regex(_) => range.start,
    };
    wrong(at..range.end.max(at), error.to_string(), PATH_HELP)
}

/// What to write instead of a query that is none.
pub(super) const PATH_HELP: &str = "write for example `$.items[0].id` (JSONPath as in RFC 9535)";
