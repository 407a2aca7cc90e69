//! The right side of a comparison: numbers with units, `baseline`, other metrics, `+ - * /` and parentheses.
//!
//! The result is `factor * reference + offset`. So numbers may be multiplied by percentages or plain numbers only, and
//! one thing at most may be measured: the interval of a product of two measured values helps nobody.

use std::ops::Range;

use plimsoll_record::units::{Quantity, Unit};

use crate::criteria::{Bound, Reference};
use crate::quantities::{example, kind};
use crate::reader::Text;

use super::{Names, measured};

/// The word for earlier runs.
const BASELINE: &str = "baseline";

/// The limit of a metric in `unit`.
pub(super) fn limit(text: &Text<'_>, measured: &str, unit: Unit, names: &Names<'_>) -> Option<Bound> {
    let mut parser = Parser { text, at: 0, measured, unit, names };
    let help = format!("write for example `{}`", example(unit));
    let outcome = parser.whole();
    match outcome {
        Ok(linear) => finish(linear, text, measured, unit, &help),
        Err(Wrong::Reported) => None,
        Err(Wrong::At { range, title, help: own }) => {
            text.part(range).reject(title, None, own.unwrap_or(help));
            None
        }
    }
}

fn finish(linear: Linear, text: &Text<'_>, measured: &str, unit: Unit, help: &str) -> Option<Bound> {
    let plain_count = unit == Unit::Count && linear.unit == Unit::Ratio;
    if linear.unit == unit || plain_count {
        return Some(Bound { offset: linear.offset, factor: linear.factor, reference: linear.reference, unit });
    }
    let title = match linear.unit {
        Unit::Ratio => format!("`{}` has no unit, but `{measured}` is {}", text.content, kind(unit)),
        other => format!("`{}` is {}, but `{measured}` is {}", text.content, kind(other), kind(unit)),
    };
    text.reject(title, None, help);
    None
}

/// `factor * reference + offset`.
#[derive(Clone, Debug)]
struct Linear {
    factor: f64,
    reference: Option<Reference>,
    offset: f64,
    unit: Unit,
}

impl Linear {
    fn scaled(self, by: f64) -> Self {
        Self { factor: self.factor * by, offset: self.offset * by, ..self }
    }

    /// The number, when this can be a factor.
    fn as_factor(&self) -> Option<f64> {
        let pure = self.reference.is_none() && matches!(self.unit, Unit::Ratio | Unit::Share);
        pure.then_some(self.offset)
    }
}

enum Wrong {
    /// It was reported where it was found.
    Reported,
    At {
        range: Range<usize>,
        title: String,
        help: Option<String>,
    },
}

fn wrong(range: Range<usize>, title: impl Into<String>, help: Option<&str>) -> Wrong {
    Wrong::At { range, title: title.into(), help: help.map(str::to_owned) }
}

struct Parser<'t, 'a> {
    text: &'t Text<'a>,
    at: usize,
    /// What is compared, for messages.
    measured: &'t str,
    unit: Unit,
    names: &'t Names<'t>,
}

impl Parser<'_, '_> {
    fn whole(&mut self) -> Result<Linear, Wrong> {
        let all = 0..self.text.content.len();
        if self.text.content.is_empty() {
            return Err(wrong(all, "it is compared with nothing", None));
        }
        let linear = self.sum()?;
        self.skip_space();
        if self.at < self.text.content.len() {
            let title = format!("`{}` does not continue the limit", self.rest());
            return Err(wrong(self.at..all.end, title, Some("valid are `+`, `-`, `*` and `/`")));
        }
        Ok(linear)
    }

    fn sum(&mut self) -> Result<Linear, Wrong> {
        let start = self.at;
        let mut left = self.product()?;
        loop {
            let sign = if self.take('+') {
                1.0
            } else if self.take('-') {
                -1.0
            } else {
                return Ok(left);
            };
            let right = self.product()?.scaled(sign);
            left = added(left, right, start..self.at)?;
        }
    }

    fn product(&mut self) -> Result<Linear, Wrong> {
        let start = self.at;
        let mut left = self.atom()?;
        loop {
            if self.take('*') {
                let right = self.atom()?;
                left = multiplied(left, right, start..self.at)?;
            } else if self.take('/') {
                let right = self.atom()?;
                let by = right.as_factor().filter(|by| *by != 0.0);
                let help = "divide by a number other than zero: `baseline / 2`";
                let by = by.ok_or_else(|| wrong(start..self.at, "this division makes no limit", Some(help)))?;
                left = left.scaled(1.0 / by);
            } else {
                return Ok(left);
            }
        }
    }

    fn atom(&mut self) -> Result<Linear, Wrong> {
        self.skip_space();
        let rest = self.rest();
        match rest.chars().next() {
            Some('(') => self.parenthesis(),
            Some('-') => {
                self.at += 1;
                self.atom().map(|linear| linear.scaled(-1.0))
            }
            Some(c) if c.is_ascii_digit() || matches!(c, '.' | '+') => self.quantity(),
            Some(c) if c.is_ascii_alphabetic() => self.word(),
            _ => {
                let title = if rest.is_empty() { "the limit ends too early".to_owned() } else { no_number(rest) };
                Err(wrong(self.at..self.text.content.len(), title, None))
            }
        }
    }

    fn parenthesis(&mut self) -> Result<Linear, Wrong> {
        let start = self.at;
        self.at += 1;
        let linear = self.sum()?;
        if self.take(')') {
            return Ok(linear);
        }
        Err(wrong(start..self.text.content.len(), "the parenthesis is not closed", Some("close it with `)`")))
    }

    /// A number and its unit. A unit may hold a `/`, which divides only when what follows is no time: `18/s`, `6 / 2`.
    fn quantity(&mut self) -> Result<Linear, Wrong> {
        let start = self.at;
        let digits = |c: char| c.is_ascii_digit() || matches!(c, '.' | '_');
        self.at += usize::from(self.rest().starts_with('+'));
        self.at += self.rest().find(|c| !digits(c)).unwrap_or(self.rest().len());
        let number_ends = self.at;
        self.skip_space();
        let letters = |text: &str| text.find(|c: char| !(c.is_alphabetic() || c == '%')).unwrap_or(text.len());
        let unit = letters(self.rest());
        self.at = if unit == 0 { number_ends } else { self.at + unit };
        let after = self.rest().trim_start();
        if let Some(per) = after.strip_prefix('/').map(str::trim_start).filter(|per| letters(per) > 0) {
            let word = &per[..letters(per)];
            if ["s", "sec", "m", "min", "h"].contains(&word) && !per[word.len()..].trim_start().starts_with('(') {
                self.at = self.text.content.len() - per.len() + word.len();
            }
        }
        let range = start..self.at;
        match Quantity::parse(&self.text.content[range.clone()]) {
            Ok(Quantity { value, unit }) => Ok(Linear { factor: 0.0, reference: None, offset: value, unit }),
            Err(error) => Err(wrong(range, error.to_string(), None)),
        }
    }

    /// `baseline`, or a metric with its parentheses.
    fn word(&mut self) -> Result<Linear, Wrong> {
        let start = self.at;
        let rest = self.rest();
        let in_log = rest.starts_with("log.");
        let part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.') || in_log && c == '-';
        self.at += rest.find(|c| !part(c)).unwrap_or(rest.len());
        self.skip_call();
        let range = start..self.at;
        let word = self.text.part(range.clone());
        if word.content == BASELINE {
            return Ok(Linear { factor: 1.0, reference: Some(Reference::Baseline), offset: 0.0, unit: self.unit });
        }
        let is_call = word.content.contains('(');
        let known = measured::plain(&word.content).is_some() || measured::percentile_number(&word.content).is_some();
        if !(is_call || known || in_log) {
            let title = no_number(&self.text.content);
            let help = format!(
                "a limit is a number with a unit, `{BASELINE}`, or another metric: `{}`, `{} < {BASELINE} * 1.1`",
                example(self.unit),
                self.measured
            );
            return Err(wrong(range, title, Some(&help)));
        }
        let measured = measured::parse(&word, self.names).ok_or(Wrong::Reported)?;
        let unit = measured.metric.unit();
        let reference = Reference::Measured { metric: Box::new(measured.metric), place: measured.place };
        Ok(Linear { factor: 1.0, reference: Some(reference), offset: 0.0, unit })
    }

    /// Parentheses that follow at once, with what is in them.
    fn skip_call(&mut self) {
        if !self.rest().starts_with('(') {
            return;
        }
        let mut depth = 0_i32;
        let end = self.rest().find(|c: char| {
            depth += i32::from(c == '(') - i32::from(c == ')');
            depth == 0
        });
        self.at = end.map_or(self.text.content.len(), |end| self.at + end + 1);
    }

    fn take(&mut self, sign: char) -> bool {
        self.skip_space();
        let found = self.rest().starts_with(sign);
        self.at += usize::from(found);
        found
    }

    fn skip_space(&mut self) {
        self.at = self.text.content.len() - self.rest().trim_start().len();
    }

    fn rest(&self) -> &str {
        &self.text.content[self.at..]
    }
}

fn no_number(text: &str) -> String {
    format!("`{text}` does not begin with a number")
}

fn added(left: Linear, right: Linear, range: Range<usize>) -> Result<Linear, Wrong> {
    if left.unit != right.unit {
        let title = format!("{} and {} cannot be added", kind(left.unit), kind(right.unit));
        return Err(wrong(range, title, Some("add what has the same kind of unit: `baseline * 1.1 + 5ms`")));
    }
    let reference = match (left.reference, right.reference) {
        (Some(_), Some(_)) => return Err(two_references(range)),
        (one, other) => one.or(other),
    };
    let (factor, offset) = (left.factor + right.factor, left.offset + right.offset);
    Ok(Linear { factor, reference, offset, unit: left.unit })
}

fn multiplied(left: Linear, right: Linear, range: Range<usize>) -> Result<Linear, Wrong> {
    match (left.as_factor(), right.as_factor()) {
        // Of two that can be factors, the plain number is the one: `50% * 2` is a share.
        (Some(by), Some(_)) if left.unit == Unit::Ratio => Ok(right.scaled(by)),
        (_, Some(by)) => Ok(left.scaled(by)),
        (Some(by), None) => Ok(right.scaled(by)),
        (None, None) if left.reference.is_some() && right.reference.is_some() => Err(two_references(range)),
        (None, None) => {
            let help = "multiply by a plain number or a percentage: `baseline * 1.1`, `baseline * 110%`";
            Err(wrong(range, "a quantity with a unit is no factor", Some(help)))
        }
    }
}

fn two_references(range: Range<usize>) -> Wrong {
    let help = "a limit refers to one at most: `p95(read) < p95(write) * 2 + 5ms`";
    wrong(range, "two things are measured in one limit", Some(help))
}
