//! Think times: `2s`, `5s..15s`, `normal(10s, 2s)`, `lognormal(8s, p95 = 20s)`, `exponential(10s)`.

use std::ops::Range;
use std::time::Duration;

use plimsoll_record::units::{Quantity, Unit};

use crate::model::ThinkTime;
use crate::quantities::duration;
use crate::reader::{Field, Text};
use crate::words;

/// The 0.95 quantile of the standard normal distribution.
const NORMAL_95: f64 = 1.644_853_626_951_472_2;
const EXAMPLES: [&str; 4] = ["5s..15s", "normal(10s, 2s)", "lognormal(8s, p95 = 20s)", "exponential(10s)"];

/// Reads a think time.
pub(super) fn read(field: &Field<'_>) -> Option<ThinkTime> {
    let text = field.quantity_text("5s..15s")?;
    if let Some(open) = text.content.find('(') {
        return distribution(&text, field.key, open);
    }
    let Some(dots) = text.content.find("..") else {
        let pause = duration(&text, field.key, Duration::ZERO, "2s")?;
        return Some(if pause.is_zero() { ThinkTime::None } else { ThinkTime::Constant(pause) });
    };
    let min = duration(&text.part(0..dots), field.key, Duration::ZERO, "5s..15s");
    let max = duration(&text.part(dots + 2..text.content.len()), field.key, Duration::ZERO, "5s..15s");
    let (min, max) = (min?, max?);
    if max < min {
        text.reject("the longest think time is less than the shortest", None, "the shorter one comes first: `5s..15s`");
    }
    Some(ThinkTime::Uniform { min, max })
}

fn distribution(text: &Text<'_>, key: &str, open: usize) -> Option<ThinkTime> {
    let name = text.part(0..open);
    let Some(inside) = text.content[open + 1..].strip_suffix(')') else {
        text.reject("the parenthesis is not closed", None, format!("valid are {}", words::list(EXAMPLES)));
        return None;
    };
    let arguments = arguments(inside, open + 1);
    let part = |i: usize| text.part(arguments[i].clone());
    let pause = |i: usize, example: &str| duration(&part(i), key, Duration::from_nanos(1), example);
    match (name.content.as_str(), arguments.len()) {
        ("exponential", 1) => Some(ThinkTime::Exponential { mean: pause(0, "10s")? }),
        ("normal", 2) => Some(ThinkTime::Normal { mean: pause(0, "10s")?, deviation: pause(1, "2s")? }),
        ("lognormal", 2) => {
            let median = pause(0, "8s")?;
            let p95 = p95(median, &part(1), key)?;
            Some(ThinkTime::LogNormal { median, p95 })
        }
        (word, _) => {
            let names = ["normal", "lognormal", "exponential"];
            let title = match names.contains(&word) {
                true => format!("`{word}` takes other values"),
                false => format!("unknown think time `{word}`"),
            };
            let near = if names.contains(&word) { None } else { words::nearest(word, names) };
            name.reject(title, near, format!("valid are {}", words::list(EXAMPLES)));
            None
        }
    }
}

/// What stands between the commas.
fn arguments(inside: &str, start: usize) -> Vec<Range<usize>> {
    let mut at = start;
    let mut list = Vec::new();
    for part in inside.split(',') {
        list.push(at..at + part.len());
        at += part.len() + 1;
    }
    list
}

/// `p95 = 20s`, or the sigma of the logarithm as a plain number.
fn p95(median: Duration, text: &Text<'_>, key: &str) -> Option<Duration> {
    if let Some(equals) = text.content.find('=') {
        let word = text.part(0..equals);
        if word.content != "p95" {
            word.reject(
                format!("`{}` is not known here", word.content),
                Some("p95"),
                "write for example `lognormal(8s, p95 = 20s)`",
            );
            return None;
        }
        let p95 = duration(&text.part(equals + 1..text.content.len()), key, Duration::from_nanos(1), "20s")?;
        if p95 < median {
            text.reject(
                "the 95th percentile is below the median",
                None,
                "the median comes first: `lognormal(8s, p95 = 20s)`",
            );
        }
        return Some(p95);
    }
    let sigma = Quantity::parse(&text.content)
        .ok()
        .filter(|sigma| sigma.unit == Unit::Ratio && (0.0..=5.0).contains(&sigma.value));
    let p95 = sigma
        .and_then(|sigma| Duration::try_from_secs_f64(median.as_secs_f64() * (NORMAL_95 * sigma.value).exp()).ok());
    if p95.is_none() {
        text.reject("this is no sigma", None, "write a plain number from 0 to 5, or the 95th percentile: `p95 = 20s`");
    }
    p95.map(|p95| p95.max(median))
}
