//! Sets of data: who uses them, and whether their rows suffice.

use plimsoll_engine::holes_of_flow;
use plimsoll_plan::{AtEnd, DataSet, Flow, Hole, Plan, Take};
use plimsoll_record::units::show_count;

use plimsoll_criteria::forecast::{Amount, Forecast, shares};

/// A set of data and what the plan needs of it.
pub(super) struct Supply {
    pub(super) name: String,
    pub(super) rows: usize,
    pub(super) flows: Vec<String>,
    /// What comes of it, in words.
    pub(super) words: String,
    pub(super) suffices: bool,
}

pub(super) fn supplies(plan: &Plan, forecast: &Forecast) -> Vec<Supply> {
    plan.data.iter().map(|set| supply(set, plan, forecast)).collect()
}

fn supply(set: &DataSet, plan: &Plan, forecast: &Forecast) -> Supply {
    let uses = |hole: &Hole| matches!(hole, Hole::Data(name, _) if *name == set.name);
    let target = plan.target.as_ref();
    let used = |flow: &&Flow| holes_of_flow(flow, target).into_iter().any(uses);
    let flows: Vec<String> = plan.flows.iter().filter(used).map(|flow| flow.name.clone()).collect();
    let share: f64 = plan.flows.iter().zip(shares(plan)).filter(|(flow, _)| used(flow)).map(|(_, share)| share).sum();
    let iterations =
        forecast.phases.iter().map(|phase| phase.iterations).fold(Amount::NONE, Amount::plus).scaled(share);
    let rows = set.count();
    let (words, suffices) = if flows.is_empty() {
        ("no flow uses it".to_owned(), true)
    } else {
        verdict(set, rows, iterations, most_users(plan, forecast))
    };
    Supply { name: set.name.clone(), rows, flows, words, suffices }
}

/// Identities that act: those of open phases, or the largest crowd.
fn most_users(plan: &Plan, forecast: &Forecast) -> u64 {
    let crowds = forecast.phases.iter().map(|phase| phase.users.unwrap_or(plan.users.count.get()));
    crowds.max().unwrap_or(0)
}

fn verdict(set: &DataSet, rows: usize, iterations: Amount, users: u64) -> (String, bool) {
    let enough = |needed: f64| needed <= rows as f64;
    let needed = iterations.show();
    match set.take {
        Take::Random => (format!("drawn at random by {needed} iterations"), true),
        Take::InOrder(AtEnd::Wrap) => {
            let turns = (iterations.expected / rows.max(1) as f64).ceil().max(1.0);
            (format!("{needed} iterations go through it {} times at most", show_count(turns)), true)
        }
        Take::InOrder(AtEnd::Stop) if enough(iterations.expected) => (format!("enough for {needed} iterations"), true),
        Take::InOrder(AtEnd::Stop) => {
            (format!("too few: {needed} iterations need a row each, and those beyond the last do not start"), false)
        }
        Take::Unique(_) if enough(users as f64) => (format!("enough for {} users", show_count(users as f64)), true),
        Take::Unique(AtEnd::Wrap) => {
            (format!("{} users share them: not every one has a row of its own", show_count(users as f64)), false)
        }
        Take::Unique(AtEnd::Stop) => {
            (format!("too few for {} users: those beyond the last row do not run", show_count(users as f64)), false)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use plimsoll_engine::schedule::Share;

    use super::*;
    use crate::check::parse;

    fn of(phase: &str, data: &str, use_in: &str) -> Supply {
        let text = format!(
            "schema = 1\nname = \"p\"\n[target]\nurl = \"http://h\"\n[[phases]]\nname = \"a\"\nduration = \"10s\"\n{phase}\n\
             [data.people]\nrows = [{{ name = \"ann\" }}, {{ name = \"bob\" }}]\n{data}\n\
             [flows.f]\nsteps = [{{ name = \"s\", post = \"/\", {use_in} }}]\n"
        );
        let plan = parse(&text);
        let forecast = crate::check::foretell(&plan, Share::WHOLE, Duration::from_millis(100)).unwrap();
        supplies(&plan, &forecast).remove(0)
    }

    const BODY: &str = "json = { n = \"{data.people.name}\" }";

    #[test]
    fn rows_that_run_out_are_said_before_the_run() {
        let stop = of("rate = \"1/s\"", "at_end = \"stop\"", BODY);
        assert!(!stop.suffices && stop.words.contains("too few: 10 iterations"), "{}", stop.words);
        let wrap = of("rate = \"1/s\"", "", BODY);
        assert!(wrap.suffices && wrap.words.contains("5 times"), "{}", wrap.words);
        let unique = of("users = 3", "take = \"unique\"", "query = { n = \"{data.people.name}\" }");
        assert!(!unique.suffices && unique.words.contains("3 users"), "{}", unique.words);
        assert!(of("users = 2", "take = \"unique\"", BODY).suffices);
    }

    #[test]
    fn every_place_of_a_hole_is_seen() {
        for place in [
            "headers = { x = \"{data.people.name}\" }",
            "auth = { bearer = \"{data.people.name}\" }",
            "form = { a = \"{data.people.name}\" }",
            "expect = { json = { \"$.n\" = \"{data.people.name}\" } }",
            "when = \"{data.people.name} == 'ann'\"",
        ] {
            assert_eq!(of("rate = \"1/s\"", "", place).flows, ["f"], "{place}");
        }
        assert_eq!(of("rate = \"1/s\"", "", "body = \"x\"").words, "no flow uses it");
    }
}
