//! Conditions and checks: one small typed expression, as data.
//!
//! ```text
//! condition  = both { "or" both } ;
//! both       = one { "and" one } ;
//! one        = "not" one | "(" condition ")" | comparison ;
//! comparison = operand operator value                  one value against another
//!            | operand "matches" text                  a regular expression, found anywhere
//!            | operand "exists"
//!            | "status" "in" statuses ;
//! operand    = "status" | "latency" | "size" | "body"  the answer at hand
//!            | "value" | "rows"                        the reply of a store
//!            | "header." name
//!            | jsonpath                                the first thing it finds in the body: $.items[0].id
//!            | "count(" jsonpath ")"                   how many things it finds
//!            | hole ;                                  {name}, {user.n}, {data.users.plan}, {random.int(1, 10)}
//! operator   = "==" | "!=" | "<" | "<=" | ">" | ">=" | "contains" ;
//! value      = text | number | time | size | "true" | "false" | "null" | hole ;
//! text       = "'" { any but "'" | "''" } "'" | '"' { any but '"' | '""' } '"' ;   a doubled quote is one
//! statuses   = status | "[" status { "," status } "]" ;
//! status     = 100..599 | "1xx" | ... | "5xx" ;
//! ```
//!
//! What it means: something that is not there (a header the answer lacks, a path that finds nothing, a name nothing
//! was captured under yet) equals nothing: `!=` holds, every other comparison does not. Values of different kinds
//! are different; text that is a number compares with a number as that number. Header names ignore case.
//!
//! `Display` writes the canonical text, which is read back as an equal condition and names a check in reports.

use std::fmt;
use std::time::Duration;

use crate::patterns::{JsonPath, Pattern};
use crate::quantities;
use crate::template::Hole;

/// Something that holds or does not.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    /// One value against another: `status == 200`, `$.state == 'done'`, `{turn} <= 3`.
    Compare {
        /// The left side.
        left: Operand,
        /// How they are compared.
        operator: Operator,
        /// The right side.
        right: Value,
    },
    /// The expression is found in the text of the operand: `body matches 'id=\d+'`.
    Matches(Operand, Pattern),
    /// It is there: `header.location exists`, `$.next exists`, `{token} exists`.
    Exists(Operand),
    /// The status is one of these, in ascending order and at least one: `status in [200, 4xx]`.
    StatusIn(Vec<u16>),
    /// The opposite.
    Not(Box<Self>),
    /// Every one of them, from left to right; two or more.
    All(Vec<Self>),
    /// At least one of them, from left to right; two or more.
    Any(Vec<Self>),
}

/// What is compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operand {
    /// The status code of the answer.
    Status,
    /// The response time of this one request, from its intended start.
    Latency,
    /// The size of the body in bytes, after decompression.
    Size,
    /// The body as text.
    Body,
    /// The first header of this name; the name is in lower case.
    Header(String),
    /// The first thing the query finds in the JSON body.
    Json(JsonPath),
    /// How many things the query finds in the JSON body.
    Count(JsonPath),
    /// A value of the user.
    Hole(Hole),
    /// The value of a store's reply, as [`Source::Value`](crate::flow::Source::Value) has it.
    Value,
    /// How many rows a store's reply has, as [`Source::Rows`](crate::flow::Source::Rows) counts them.
    Rows,
}

/// How two values are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
    /// `contains`: the right text is part of the left one, or the right value is an item of the left list.
    Contains,
}

/// The right side of a comparison.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A number; finite.
    Number(f64),
    /// A time: what `latency` is compared with.
    Time(Duration),
    /// A number of bytes: what `size` is compared with.
    Bytes(u64),
    /// Text.
    Text(String),
    /// True or false.
    Boolean(bool),
    /// JSON's null.
    Null,
    /// A value of the user.
    Hole(Hole),
}

impl Condition {
    /// True when it needs the body of the answer: only then the engine keeps it.
    #[must_use]
    pub fn reads_body(&self) -> bool {
        self.operands().iter().any(|operand| {
            matches!(operand, Operand::Body | Operand::Json(_) | Operand::Count(_) | Operand::Value | Operand::Rows)
        })
    }

    /// Everything it looks at, from left to right.
    #[must_use]
    pub fn operands(&self) -> Vec<&Operand> {
        match self {
            Self::Compare { left, .. } | Self::Matches(left, _) | Self::Exists(left) => vec![left],
            Self::StatusIn(_) => vec![&Operand::Status],
            Self::Not(inner) => inner.operands(),
            Self::All(list) | Self::Any(list) => list.iter().flat_map(Self::operands).collect(),
        }
    }

    /// Inside something that binds tighter, what binds looser needs parentheses.
    fn write_inside(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All(_) | Self::Any(_) => write!(f, "({self})"),
            _ => write!(f, "{self}"),
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Compare { left, operator, right } => write!(f, "{left} {} {right}", operator.word()),
            Self::Matches(operand, pattern) => write!(f, "{operand} matches {}", quoted(pattern.as_str())),
            Self::Exists(operand) => write!(f, "{operand} exists"),
            Self::StatusIn(codes) => write!(f, "status in {}", statuses(codes)),
            Self::Not(inner) => {
                f.write_str("not ")?;
                inner.write_inside(f)
            }
            Self::All(list) => write_joined(f, list, " and "),
            Self::Any(list) => write_joined(f, list, " or "),
        }
    }
}

fn write_joined(f: &mut fmt::Formatter<'_>, list: &[Condition], word: &str) -> fmt::Result {
    for (i, condition) in list.iter().enumerate() {
        f.write_str(if i > 0 { word } else { "" })?;
        condition.write_inside(f)?;
    }
    Ok(())
}

impl fmt::Display for Operand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status => f.write_str("status"),
            Self::Latency => f.write_str("latency"),
            Self::Size => f.write_str("size"),
            Self::Body => f.write_str("body"),
            Self::Header(name) => write!(f, "header.{name}"),
            Self::Json(path) => f.write_str(path.as_str()),
            Self::Count(path) => write!(f, "count({})", path.as_str()),
            Self::Hole(hole) => write!(f, "{{{hole}}}"),
            Self::Value => f.write_str("value"),
            Self::Rows => f.write_str("rows"),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Time(time) => f.write_str(&quantities::show(*time)),
            Self::Bytes(bytes) => f.write_str(&show_bytes(*bytes)),
            Self::Text(text) => f.write_str(&quoted(text)),
            Self::Boolean(boolean) => write!(f, "{boolean}"),
            Self::Null => f.write_str("null"),
            Self::Hole(hole) => write!(f, "{{{hole}}}"),
        }
    }
}

impl Operator {
    /// How it is written.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::Contains => "contains",
        }
    }
}

/// Text in the quotes it does not hold, or with its quotes doubled.
fn quoted(text: &str) -> String {
    if text.contains('\'') && !text.contains('"') {
        return format!("\"{text}\"");
    }
    format!("'{}'", text.replace('\'', "''"))
}

/// A size in the largest decimal unit that keeps it whole.
pub(crate) fn show_bytes(bytes: u64) -> String {
    let units = [("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1_000)];
    let unit = units.iter().find(|(_, size)| bytes >= *size && bytes.is_multiple_of(*size));
    unit.map_or_else(|| format!("{bytes}B"), |(unit, size)| format!("{}{unit}", bytes / size))
}

/// Whole classes as `2xx`, other codes as they are; brackets around several.
fn statuses(codes: &[u16]) -> String {
    let words = status_words(codes);
    if let [word] = words.as_slice() { word.clone() } else { format!("[{}]", words.join(", ")) }
}

/// Whole classes as `2xx`, other codes as they are.
pub(crate) fn status_words(codes: &[u16]) -> Vec<String> {
    let whole = |class: u16| (class * 100..class * 100 + 100).all(|code| codes.contains(&code));
    let classes: Vec<u16> = (1..=5).filter(|class| whole(*class)).collect();
    let single = codes.iter().filter(|code| !classes.contains(&(**code / 100)));
    classes.iter().map(|class| format!("{class}xx")).chain(single.map(u16::to_string)).collect()
}
