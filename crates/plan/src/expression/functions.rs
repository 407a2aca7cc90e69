//! Words that take arguments. A new one: an arm in [`call`], its name in [`NAMES`], a line in `docs/criteria.md`.

use crate::criteria::{Elsewhere, Metric};
use crate::reader::Text;
use crate::words;

use super::measured::{self, Measured};
use super::{Names, answers, place, sampled};

/// Functions that are not those of a series or of answers, with an example of each.
const OTHERS: [(&str, &str); 3] =
    [("drift", "drift(p95) < 20%"), ("recovery_time", "recovery_time(spike) < 60s"), ("knee", "knee(p95 < 2s) > 20/s")];

/// What words in front of a parenthesis turned out to be.
pub(super) enum Call {
    /// A function.
    Of(Measured),
    /// A metric, and the arguments say where it is measured.
    Metric,
    /// Neither, which was reported.
    Rejected,
}

impl Call {
    fn of(measured: Option<Measured>) -> Self {
        measured.map_or(Self::Rejected, Self::Of)
    }
}

/// An example of a function that needs arguments.
pub(super) fn example(word: &str) -> Option<&'static str> {
    match word {
        "share" => Some("share(5xx) < 1%"),
        "rate" => Some("rate(timed_out) < 1/min"),
        "slope" => Some("slope(redis.used_memory) < 1 MB/min"),
        "peak" | "min" | "last" => Some("peak(redis.used_memory) < 50MB"),
        _ => OTHERS.iter().find(|(name, _)| *name == word).map(|(_, example)| *example),
    }
}

/// Understands `word(arguments)`.
pub(super) fn call(text: &Text<'_>, word: &Text<'_>, arguments: &[Text<'_>], names: &Names<'_>) -> Call {
    let (first, rest) = arguments.split_first().expect("parentheses hold one argument at least, if an empty one");
    match word.content.as_str() {
        "drift" => Call::of(drift(first, rest, names)),
        "recovery_time" => Call::of(recovery_time(first, rest, names)),
        "knee" => Call::of(knee(first, rest, names)),
        name => {
            let tally = answers::tally(name);
            let function = sampled::function(name);
            if let (Some(tally), Some(of)) = (tally, answers::find(&first.content)) {
                let metric = Metric::Answers { tally, answers: of };
                return Call::of(placed(metric, rest, names));
            }
            let is_metric = measured::plain(name).is_some();
            if is_metric && place::is_place(first, names) {
                return Call::Metric;
            }
            match (function, tally) {
                (Some(function), _) if first.content.contains('.') || tally.is_none() => {
                    let series = sampled::series(function, first, names.watch);
                    Call::of(series.and_then(|metric| placed(metric, rest, names)))
                }
                (_, Some(_)) if !is_metric => {
                    answers::reject(first);
                    Call::Rejected
                }
                _ if is_metric || measured::percentile_number(name).is_some() => Call::Metric,
                _ => unknown(word, text),
            }
        }
    }
}

fn placed(metric: Metric, rest: &[Text<'_>], names: &Names<'_>) -> Option<Measured> {
    let place = place::read(rest, &metric, names)?;
    Some(Measured { metric, place })
}

fn unknown(word: &Text<'_>, text: &Text<'_>) -> Call {
    let known = || {
        let series = sampled::FUNCTIONS.iter().map(|(name, _)| *name);
        let others = OTHERS.iter().map(|(name, _)| *name);
        series.chain(["share", "count"]).chain(others)
    };
    let near = words::nearest(&word.content, known());
    let help = format!("valid are {}; a metric may name its place: `p95(ENDPOINT)`", words::list(known()));
    let place = if word.content.is_empty() { text } else { word };
    place.reject(format!("unknown function `{}`", word.content), near, help);
    Call::Rejected
}

/// `drift(p95)`, `drift(p95, steady)`.
fn drift(first: &Text<'_>, rest: &[Text<'_>], names: &Names<'_>) -> Option<Measured> {
    let metric = measured::metric(first, names)?;
    if !matches!(metric, Metric::Percentile { .. } | Metric::Mean | Metric::Throughput) {
        let help = "it takes a percentile, `mean` or `throughput`; for a sampled series there is `slope`";
        first.reject(format!("there is no drift of `{}`", first.content), None, help);
        return None;
    }
    placed(Metric::Drift(Box::new(metric)), rest, names)
}

/// `recovery_time(spike)`, `recovery_time(spike, p99)`.
fn recovery_time(first: &Text<'_>, rest: &[Text<'_>], names: &Names<'_>) -> Option<Measured> {
    let name = first.content.strip_prefix("phase ").map_or(first.content.as_str(), str::trim);
    if !names.phases.contains(&name) {
        let help = format!("phases: {}", words::list(names.phases.iter().copied()));
        let near = words::nearest(name, names.phases.iter().copied());
        first.reject(format!("there is no phase `{name}` to recover from"), near, help);
        return None;
    }
    let (mut quantile, mut places) = (0.95, rest);
    if let Some((metric, others)) =
        rest.split_first().filter(|(one, _)| measured::percentile_number(&one.content).is_some())
    {
        let Metric::Percentile { quantile: stated, .. } = measured::metric(metric, names)? else { return None };
        (quantile, places) = (stated, others);
    }
    let metric = Metric::RecoveryTime { phase: name.to_owned(), quantile };
    let measured = placed(metric, places, names)?;
    if measured.place.phase.is_some() {
        first.reject("the time to recover has one phase", None, "write for example `recovery_time(spike, p95)`");
        return None;
    }
    Some(measured)
}

/// `knee(p95 < 2s)`.
fn knee(first: &Text<'_>, rest: &[Text<'_>], names: &Names<'_>) -> Option<Measured> {
    if place::is_place(first, names) {
        let metric = Metric::Knee(None);
        let all: Vec<Text<'_>> = std::iter::once(first.clone()).chain(rest.iter().cloned()).collect();
        return placed(metric, &all, names);
    }
    let stated = super::parse(first, names)?;
    let per_step = stated.expression.metric.is_traffic() && stated.expression.limit.known().is_some();
    let nested = matches!(stated.expression.metric, Metric::Knee(_) | Metric::RecoveryTime { .. } | Metric::Drift(_));
    if !per_step || nested || stated.place != Elsewhere::default() {
        let help = "compare a percentile, a rate or a share with a plain limit: `knee(p95 < 2s)`";
        first.reject("this cannot be judged at each rate", None, help);
        return None;
    }
    placed(Metric::Knee(Some(Box::new(stated.expression))), rest, names)
}
