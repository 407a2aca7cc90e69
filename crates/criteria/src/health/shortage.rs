//! What the generator ran out of, when it ran out of something of its own: descriptors, local ports, memory.

use plimsoll_record::ledger::Outcome;
use plimsoll_record::summary::{Scope, Window};

use super::judged::Judged;
use super::spans;
use crate::run::JudgedRun;
use crate::words;

/// One resource that was not there when a connection was to be opened.
#[derive(Debug)]
pub(super) struct Shortage {
    pub(super) outcome: Outcome,
    /// The intervals in which it happened.
    pub(super) spans: Vec<Window>,
    pub(super) words: String,
}

/// Everything the judged part of the run lacked.
pub(super) fn list(run: &JudgedRun<'_>, judged: &Judged) -> Vec<Shortage> {
    let lacking = judged.ledger.outcomes().filter(|(outcome, _)| outcome.is_own_shortage());
    let shortage = |(outcome, requests)| {
        let spans = when(run, outcome, judged.window);
        let story = format!("for {} requests in {}", words::count(requests), spans::words(&spans));
        Shortage { outcome, spans, words: reason(run, outcome, &story) }
    };
    lacking.map(shortage).collect()
}

/// In short.
pub(super) fn brief(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::OutOfDescriptors => "loadgen ran out of file descriptors",
        Outcome::OutOfPorts => "loadgen ran out of local ports",
        Outcome::OutOfMemory => "loadgen's machine ran out of memory or socket buffers",
        _ => "loadgen ran out of ports or file descriptors",
    }
}

fn when(run: &JudgedRun<'_>, outcome: Outcome, window: Window) -> Vec<Window> {
    let rows = run.facts.intervals(&Scope::default()).filter(|row| row.ledger.count(outcome) > 0);
    spans::merged(rows.filter_map(|row| spans::overlap(spans::span(row.at_ns, row.len_ns), window)).collect())
}

fn reason(run: &JudgedRun<'_>, outcome: Outcome, story: &str) -> String {
    let brief = brief(outcome);
    match outcome {
        Outcome::OutOfDescriptors => {
            let limit = run.facts.generator().filter_map(|row| row.open_files_limit).min();
            let limit = limit.map_or_else(String::new, |limit| format!(" (the limit is {})", words::count(limit)));
            format!("{brief} {story}{limit}; raise the limit with `ulimit -n`, or lower `connections` under [target]")
        }
        Outcome::OutOfPorts => format!(
            "{brief} {story}{}; add local_addresses under [target], widen net.ipv4.ip_local_port_range, or lower \
             `connections`; ports of connections that were closed stay taken for a minute",
            ports(run)
        ),
        Outcome::OutOfMemory => format!("{brief} {story}; lower `connections` under [target], or use a larger machine"),
        _ => format!("{brief} {story}; raise `ulimit -n` or widen net.ipv4.ip_local_port_range"),
    }
}

/// The most connections that were open when ports ran out.
fn ports(run: &JudgedRun<'_>) -> String {
    let most = run.facts.generator().map(|row| row.connections).max();
    most.map_or_else(String::new, |most| format!(" (up to {} connections were open)", words::count(most)))
}

#[cfg(test)]
mod tests {
    use plimsoll_record::verdict::Judgement;

    use super::*;
    use crate::testing::{Script, Second};

    #[track_caller]
    fn check(outcome: Outcome, words: &[&str]) {
        let mut script = Script::healthy(60).criteria(r#"require = ["p99 < 500ms"]"#);
        script.seconds[5] = Second::ok(90, 10).and(outcome, 10);
        script.generator[5].open_files_limit = Some(64);
        script.generator[5].connections = 20;
        let health = script.judge().generator;
        assert_eq!(health.judgement, Judgement::Inconclusive);
        assert_eq!(health.contaminated, [(5_000_000_000, 6_000_000_000)]);
        for word in words.iter().chain(&["for 10 requests in 5.0-6.0 s"]) {
            assert!(health.reason.contains(word), "`{word}` is not in `{}`", health.reason);
        }
    }

    #[test]
    fn what_ran_out_is_named_with_the_way_to_more_of_it() {
        check(Outcome::OutOfDescriptors, &["file descriptors", "the limit is 64", "ulimit -n"]);
        check(
            Outcome::OutOfPorts,
            &["local ports", "local_addresses", "net.ipv4.ip_local_port_range", "20 connections"],
        );
        check(Outcome::OutOfMemory, &["memory or socket buffers", "larger machine"]);
    }

    #[test]
    fn a_record_that_does_not_tell_which_names_both() {
        check(Outcome::LocalResource, &["ports or file descriptors", "ulimit -n", "net.ipv4.ip_local_port_range"]);
    }
}
