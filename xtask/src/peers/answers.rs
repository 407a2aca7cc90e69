//! What each generator prints at its end, read for two numbers: requests answered well, and their rate. A request that
//! failed is an error here: it costs other work than an answered one, so the run cannot be compared.

use anyhow::{Context as _, bail};
use serde_json::Value;

/// oha counts requests that were under way at the end here, and no generator can avoid to have some.
const CUT_OFF_AT_THE_END: &str = "aborted due to deadline";

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Answer {
    pub(super) requests: f64,
    pub(super) per_second: f64,
}

impl Answer {
    fn new(requests: f64, per_second: f64, failed: f64) -> anyhow::Result<Answer> {
        if failed > 0.0 {
            bail!("{failed} requests failed beside {requests} that were answered");
        }
        if requests <= 0.0 {
            bail!("no request was answered");
        }
        Ok(Answer { requests, per_second })
    }
}

pub(super) fn loadgen(output: &str) -> anyhow::Result<Answer> {
    let root: Value = serde_json::from_str(output)?;
    let total = &root["total"];
    let (ok, failed) = (sum(&total["ended"], |how| how == "ok"), sum(&total["ended"], |how| how != "ok"));
    Answer::new(ok, number(&total["achieved_per_s"])?, failed)
}

pub(super) fn oha(output: &str) -> anyhow::Result<Answer> {
    let root: Value = serde_json::from_str(output)?;
    let statuses = &root["statusCodeDistribution"];
    let ok = sum(statuses, |status| status.starts_with('2'));
    let refused = sum(statuses, |status| !status.starts_with('2'));
    let failed = refused + sum(&root["errorDistribution"], |why| why != CUT_OFF_AT_THE_END);
    // Its own rate counts the requests that were cut off too.
    Answer::new(ok, ok / number(&root["summary"]["total"])?, failed)
}

/// wrk and wrk2, which print alike. What went wrong has a line of its own, and only then.
pub(super) fn wrk(output: &str) -> anyhow::Result<Answer> {
    let problems = ["Socket errors:", "Non-2xx or 3xx responses:"];
    if let Some(line) = output.lines().find(|line| problems.iter().any(|problem| line.contains(problem))) {
        bail!("{}", line.trim());
    }
    Answer::new(before(output, " requests in ")?, after(output, "Requests/sec:")?, 0.0)
}

pub(super) fn h2load(output: &str) -> anyhow::Result<Answer> {
    let rate = before(output, " req/s,")?;
    let failed = before(output, " failed,")? + before(output, " errored,")?;
    Answer::new(before(output, " succeeded,")?, rate, failed)
}

/// hey keeps a million answers at most, so what it counted by status is too little in a long run: the number comes
/// from rate and time.
pub(super) fn hey(output: &str) -> anyhow::Result<Answer> {
    let per_second = after(output, "Requests/sec:")?;
    let is_good = |line: &str| line.starts_with("[2") && line.ends_with(" responses");
    let mut outcomes = output.lines().map(str::trim).filter(|line| line.starts_with('['));
    if let Some(line) = outcomes.find(|line| !is_good(line)) {
        bail!("{line}");
    }
    Answer::new((per_second * after(output, "Total:")?).round(), per_second, 0.0)
}

fn number(value: &Value) -> anyhow::Result<f64> {
    value.as_f64().context("a number is missing in the output")
}

fn sum(counts: &Value, wanted: impl Fn(&str) -> bool) -> f64 {
    let counts = counts.as_object().into_iter().flatten();
    counts.filter(|(name, _)| wanted(name)).filter_map(|(_, count)| count.as_f64()).fold(0.0, |sum, count| sum + count)
}

/// The number that stands right before these words, where they stand first.
fn before(output: &str, words: &str) -> anyhow::Result<f64> {
    let start = output.split_once(words).and_then(|(start, _)| start.split_whitespace().next_back());
    start.and_then(|number| number.parse().ok()).with_context(|| format!("no number before `{words}` in the output"))
}

/// The number that follows these words, where they stand first.
fn after(output: &str, words: &str) -> anyhow::Result<f64> {
    let rest = output.split_once(words).and_then(|(_, rest)| rest.split_whitespace().next());
    rest.and_then(|number| number.parse().ok()).with_context(|| format!("no number after `{words}` in the output"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_answer(answer: anyhow::Result<Answer>, requests: f64, per_second: f64) {
        assert_eq!(answer.unwrap(), Answer { requests, per_second });
    }

    fn refusal(answer: anyhow::Result<Answer>) -> String {
        answer.unwrap_err().to_string()
    }

    #[test]
    fn what_each_generator_answered_and_how_fast_is_read_from_its_own_output() {
        assert_answer(loadgen(include_str!("samples/loadgen.json")), 73_541.0, 73_487.288_361_398_52);
        assert_answer(wrk(include_str!("samples/wrk.txt")), 82_461.0, 82_310.54);
        assert_answer(h2load(include_str!("samples/h2load.txt")), 85_006.0, 85_006.0);
        assert_answer(oha(include_str!("samples/oha.json")), 91_321.0, 91_321.0 / 1.002_024_351);
        assert_answer(hey(include_str!("samples/hey.txt")), 48_495.0, 48_476.039_8);
    }

    #[test]
    fn a_run_with_failures_is_refused_in_every_dialect() {
        assert_eq!(
            refusal(loadgen(include_str!("samples/loadgen-404.json"))),
            "20 requests failed beside 0 that were answered"
        );
        assert_eq!(refusal(wrk(include_str!("samples/wrk-404.txt"))), "Non-2xx or 3xx responses: 113268");
        assert_eq!(
            refusal(h2load(include_str!("samples/h2load-404.txt"))),
            "20 requests failed beside 0 that were answered"
        );
        assert!(refusal(oha(include_str!("samples/oha-404.json"))).starts_with("20 requests failed"));
        assert!(refusal(oha(include_str!("samples/oha-refused.json"))).starts_with("4 requests failed"));
        assert!(refusal(hey(include_str!("samples/hey-404.txt"))).starts_with("[404]"));
        assert!(refusal(hey(include_str!("samples/hey-refused.txt"))).contains("connection refused"));
    }

    #[test]
    fn another_output_is_an_error_that_says_what_was_missed() {
        assert_eq!(refusal(wrk("unable to connect")), "no number before ` requests in ` in the output");
        assert!(refusal(h2load("")).contains(" req/s,"));
        assert!(refusal(hey("")).contains("Requests/sec:"));
        assert!(loadgen("not JSON").is_err());
        assert!(oha("{}").is_err());
    }
}
