//! `verdict suggest`: limits from past runs, as lines of a plan.

use std::process::ExitCode;

use plimsoll_criteria::comparison::{FEWEST_RUNS, Suggestion, suggest};
use plimsoll_record::units::Unit;

use super::runs;
use crate::args::Suggest;
use crate::judging::Trouble;
use crate::{outcome, output};

pub(crate) fn run(args: &Suggest) -> anyhow::Result<ExitCode> {
    let mut digests = runs::digests(&args.runs, args.plan.as_deref(), false)?;
    let all = digests.len();
    digests.retain(runs::is_sound);
    if digests.len() < FEWEST_RUNS {
        return Err(Trouble::FewRuns { sound: digests.len(), all, needed: FEWEST_RUNS }.into());
    }
    let mut list = suggest(&digests, args.false_alarms);
    list.retain(|one| args.endpoints || one.endpoint.is_empty());
    let phase = digests.last().map(|digest| digest.phase.clone()).unwrap_or_default();
    output::print(&text(&list, &phase, digests.len(), all))?;
    Ok(outcome::done())
}

fn text(list: &[Suggestion], phase: &str, sound: usize, all: usize) -> String {
    let mut out = format!(
        "# From {sound} of {all} runs that passed. A limit is what the next run of unchanged code stays below, but for\n\
         # the share of false alarms beside it; a run that is judged by several limits has more of them.\n[criteria]\n"
    );
    if !phase.is_empty() {
        out += &format!("phase = {}\n", toml(phase));
    }
    out += "require = [\n";
    for one in list.iter().filter(|one| one.endpoint.is_empty()) {
        let expression = toml(&format!("{} < {}", one.metric, quantity(one.unit, one.limit)));
        out += &format!("  {expression},{}\n", remark(one));
    }
    out += "]\n";
    for one in list.iter().filter(|one| !one.endpoint.is_empty()) {
        let name: String = one.endpoint.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        let expression = toml(&format!("{} < {}", one.metric, quantity(one.unit, one.limit)));
        out += &format!("\n[criteria.{name}-{}]{}\n", one.metric.replace('_', "-"), remark(one));
        out += &format!("endpoint = {}\nrequire = {expression}\n", toml(&one.endpoint));
    }
    out
}

fn remark(one: &Suggestion) -> String {
    format!(
        "   # false alarms {}; usual {}, most {}",
        Unit::Share.show(one.false_alarms),
        one.unit.show(one.usual),
        one.unit.show(one.most)
    )
}

/// A limit as a plan states it, without losing a digit.
fn quantity(unit: Unit, value: f64) -> String {
    let (factor, word) = match unit {
        Unit::Seconds if value < 1e-3 => (1e6, "us"),
        Unit::Seconds if value < 1.0 => (1e3, "ms"),
        Unit::Seconds => (1.0, "s"),
        Unit::Share => (100.0, "%"),
        Unit::Bytes => (1e-6, "MB"),
        Unit::PerSecond => (1.0, "/s"),
        Unit::BytesPerSecond => (60e-6, " MB/min"),
        Unit::Count | Unit::Ratio => (1.0, ""),
    };
    let text = format!("{:.6}", value * factor);
    format!("{}{word}", text.trim_end_matches('0').trim_end_matches('.'))
}

/// Text as TOML: JSON's strings are basic strings of TOML.
fn toml(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_written_as_plans_have_them() {
        assert_eq!(quantity(Unit::Seconds, 0.13), "130ms");
        assert_eq!(quantity(Unit::Seconds, 2.5), "2.5s");
        assert_eq!(quantity(Unit::Seconds, 0.00094), "940us");
        assert_eq!(quantity(Unit::Share, 0.0012), "0.12%");
        assert_eq!(quantity(Unit::Bytes, 13_000_000.0), "13MB");
    }
}
