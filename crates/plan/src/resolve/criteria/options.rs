//! How the criteria of a table are judged: `every`, `allow`, `min_samples`, `when`, `abort`, `on_inconclusive`.

use std::num::NonZeroU32;
use std::time::Duration;

use plimsoll_record::verdict::Severity;

use crate::criteria::{Comparison, Every, Expression, Metric, OnInconclusive, Options, Tally, When};
use crate::expression::{self, Names};
use crate::reader::{Field, Reader, Text};

use super::is_whole;

/// The shortest stretch that is judged by itself.
const SHORTEST: Duration = Duration::from_secs(1);
const ALLOW_EXAMPLE: &str = "write for example `\"1 of 20\"`, or `2` for two in all";

/// Reads the options of a table.
pub(super) fn read(reader: &Reader<'_>, names: &Names<'_>) -> Options {
    Options {
        every: every(reader),
        min_samples: reader.optional("min_samples", |field| field.whole(1)).unwrap_or(0),
        when: reader.optional("when", |field| when(field, names)),
        abort: reader.optional("abort", Field::boolean).unwrap_or(false),
        on_inconclusive: reader.optional("on_inconclusive", on_inconclusive).unwrap_or_default(),
    }
}

fn every(reader: &Reader<'_>) -> Option<Every> {
    let length = reader.optional("every", |field| field.duration(SHORTEST, "60s"));
    let stated = reader.table.get("every").is_some();
    let allow = reader.field("allow");
    if let (Some(field), false) = (&allow, stated) {
        field.reject("`allow` without `every`", "add the length of a stretch: `every = \"60s\"`");
    }
    let (allowed, of) = allow.and_then(|field| allowance(&field)).unwrap_or((0, None));
    length.map(|length| Every { length, allowed, of })
}

/// `"1 of 20"`, or a number.
fn allowance(field: &Field<'_>) -> Option<(u32, Option<NonZeroU32>)> {
    if matches!(field.node.value, crate::tree::Value::Integer(_)) {
        return field.whole(0).map(|allowed| (allowed, None));
    }
    let text = field.text("how many stretches may miss, for example `\"1 of 20\"`")?;
    let parsed = match text.content.split_once(" of ") {
        Some((some, of)) => some.trim().parse::<u32>().ok().zip(of.trim().parse::<NonZeroU32>().ok().map(Some)),
        None => text.content.trim().parse().ok().map(|some| (some, None)),
    };
    match parsed {
        Some((allowed, Some(of))) if allowed >= of.get() => {
            text.reject("`allow` lets all of them miss", None, ALLOW_EXAMPLE);
        }
        None => text.reject(format!("`{}` is no allowance", text.content), None, ALLOW_EXAMPLE),
        Some(_) => {}
    }
    parsed
}

fn when(field: &Field<'_>, names: &Names<'_>) -> Option<When> {
    let text = field.text("`\"baseline\"` or a comparison, for example `\"limited_share > 0%\"`")?;
    if text.content.trim() == "baseline" {
        return Some(When::Baseline);
    }
    let text = text.part(0..text.content.len());
    let stated = expression::parse(&text, names)?;
    let help = "valid are `\"baseline\"`, and comparisons of what is counted or sampled: `\"count > 1000\"`";
    if stated.expression.limit.known().is_none() || is_whole(&stated.expression.metric) {
        text.reject("a condition compares one metric with a plain limit", None, help);
        return None;
    }
    Some(When::Holds { text: text.content, expression: Box::new(stated.expression), place: stated.place })
}

fn on_inconclusive(field: &Field<'_>) -> Option<OnInconclusive> {
    const WORDS: [(&str, OnInconclusive); 3] =
        [("inconclusive", OnInconclusive::Stay), ("warn", OnInconclusive::Warn), ("fail", OnInconclusive::Fail)];
    let stated = field.string("one of `inconclusive`, `warn`, `fail`")?;
    if stated == "pass" {
        let help =
            "what was not shown to hold is no pass: write `warn` or `fail`, run longer, or leave the criterion out";
        field.reject("an inconclusive criterion never passes", help);
        return None;
    }
    field.choice(&WORDS)
}

/// Notes options that fit no such criterion.
pub(super) fn check(text: &Text<'_>, severity: Severity, expression: &Expression, options: &Options) {
    if options.every.is_some() && is_whole(&expression.metric) {
        let help = "leave `every` out; it fits percentiles, shares, rates, counts and samples";
        text.reject("it is judged once over its whole scope", None, help);
    }
    let limiter = matches!(expression.metric, Metric::LimiterEffectiveness | Metric::LimiterFalseRejects);
    if options.every.is_some() && (limiter || expression.limit.known().is_none()) {
        let help = "leave `every` out, or compare with a plain limit";
        text.reject("stretches of time are compared with a plain limit of what happened in them", None, help);
    }
    if options.abort && options.every.is_some() {
        text.reject("`abort` watches the whole, `every` judges parts", None, "leave one of them out");
    }
    if options.abort && severity == Severity::Prefer {
        text.reject("what is only preferred aborts nothing", None, "state it under `require`, or leave `abort` out");
    } else if options.abort && !can_abort(expression) {
        let help = "while the load runs, `abort` watches percentiles, `max`, `error_rate`, `limited_share`, shares and \
                    counts of answers with an upper, plain limit; for memory use the alerts of [watch]";
        text.reject("this cannot be known before the end", None, help);
    }
}

/// True for what more requests cannot mend.
fn can_abort(expression: &Expression) -> bool {
    let countable = matches!(
        expression.metric,
        Metric::Percentile { .. }
            | Metric::Max
            | Metric::ErrorRate
            | Metric::LimitedShare
            | Metric::Answers { tally: Tally::Share | Tally::Count, .. }
    );
    let upper = matches!(expression.comparison, Comparison::Less | Comparison::LessOrEqual);
    let zero = expression.comparison == Comparison::Equal && expression.limit.known() == Some(0.0);
    countable && (upper || zero) && expression.limit.known().is_some()
}
