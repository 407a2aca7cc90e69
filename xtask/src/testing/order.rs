//! Tests in another order, to find the ones that lean on what ran before them. The test harness always goes by name,
//! so here every test gets a process of its own, one after the other, in an order of our making: what a test leaves
//! behind on the machine (files, ports, servers) is seen by other successors than usual. Documentation tests have no
//! program of their own to ask, so cargo runs them as always, last.

use std::process::Command;
use std::time::Duration;

use crate::args::TestOptions;
use crate::cargo::{self, TestBinary};
use crate::process::{capture, capture_ok};
use crate::say;
use crate::testing::Session;

const LIST_LIMIT: Duration = Duration::from_secs(60);
/// For a test that hangs: longer than any that works.
const CASE_LIMIT: Duration = Duration::from_secs(1800);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Reversed,
    Shuffled { seed: u64 },
}

impl Order {
    /// None for the usual order.
    pub(super) fn of(options: &TestOptions) -> Option<Order> {
        match options.shuffle {
            Some(seed) => Some(Order::Shuffled { seed }),
            None => options.reverse.then_some(Order::Reversed),
        }
    }

    /// Runs every test of the session in this order; the answer is whether all passed.
    pub(super) fn run(self, session: &Session<'_>) -> anyhow::Result<bool> {
        let mut cases = cases(session)?;
        self.arrange(&mut cases);
        say::step(format!("running {} tests one by one ({self:?})", cases.len()));
        let mut failed = Vec::new();
        for case in &cases {
            if !case.passes(session)? {
                failed.push(case.title());
            }
        }
        say::result(format!("{} tests one by one: {} failed", cases.len(), failed.len()));
        failed.iter().for_each(|title| say::result(format!("failed: {title}")));
        Ok(doc_tests_pass(session)? && failed.is_empty())
    }

    fn arrange<T>(self, items: &mut [T]) {
        match self {
            Order::Reversed => items.reverse(),
            Order::Shuffled { seed } => shuffle(items, seed),
        }
    }
}

/// Fisher and Yates. The bias of the remainder is far below what an order of tests could notice.
fn shuffle<T>(items: &mut [T], seed: u64) {
    let mut state = seed;
    for last in (1..items.len()).rev() {
        let drawn = split_mix(&mut state) % (last as u64 + 1);
        items.swap(last, usize::try_from(drawn).expect("it is at most `last`, which is a usize"));
    }
}

/// SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014).
fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// One test function, in the order of its place in the source tree.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Case {
    binary: TestBinary,
    name: String,
}

impl Case {
    fn title(&self) -> String {
        format!("{} {}", self.binary.target, self.name)
    }

    fn passes(&self, session: &Session<'_>) -> anyhow::Result<bool> {
        let mut command = test_command(&self.binary, session);
        command.args(["--exact", &self.name]).args(&session.options.harness);
        let finished = capture(&mut command, CASE_LIMIT)?;
        let passed = finished.succeeded();
        say::result(format!("{} {}", if passed { "ok    " } else { "FAILED" }, self.title()));
        if !passed {
            say::result(finished.stdout + &finished.stderr);
        }
        Ok(passed)
    }
}

fn cases(session: &Session<'_>) -> anyhow::Result<Vec<Case>> {
    let mut cases = Vec::new();
    for binary in cargo::build_tests(session.workspace)? {
        if session.selection.leaves_out(&binary.package_dir, &binary.target) {
            continue;
        }
        let ignored = names(&binary, session, &["--ignored"])?;
        let to_run = names(&binary, session, &[])?.into_iter().filter(|name| !ignored.contains(name));
        cases.extend(to_run.map(|name| Case { binary: binary.clone(), name }));
    }
    // cargo names binaries as it finishes them; a seed has to mean the same order every time.
    cases.sort();
    Ok(cases)
}

fn names(binary: &TestBinary, session: &Session<'_>, words: &[&str]) -> anyhow::Result<Vec<String>> {
    let mut list = test_command(binary, session);
    list.args(["--list", "--format", "terse"]).args(words);
    Ok(names_in(&capture_ok(&mut list, LIST_LIMIT)?.stdout).map(str::to_owned).collect())
}

/// `module::name: test` per line; benchmarks are listed too, as `: benchmark`.
fn names_in(listed: &str) -> impl Iterator<Item = &str> {
    listed.lines().filter_map(|line| line.strip_suffix(": test"))
}

/// A test program as cargo would start it.
fn test_command(binary: &TestBinary, session: &Session<'_>) -> Command {
    let mut command = Command::new(&binary.program);
    command.current_dir(&binary.package_dir).env("CARGO_MANIFEST_DIR", &binary.package_dir);
    session.set_variables(&mut command);
    command
}

fn doc_tests_pass(session: &Session<'_>) -> anyhow::Result<bool> {
    let mut test = cargo::command(session.workspace);
    test.args(["test", "--workspace", "--doc", "--no-fail-fast"]);
    session.set_variables(&mut test);
    Ok(cargo::run("cargo test --doc", &mut test)? == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arranged(order: Order) -> Vec<usize> {
        let mut items: Vec<usize> = (0..50).collect();
        order.arrange(&mut items);
        items
    }

    #[test]
    fn reversed_means_last_first() {
        assert_eq!(arranged(Order::Reversed), (0..50).rev().collect::<Vec<_>>());
    }

    #[test]
    fn a_seed_always_gives_the_same_order_and_another_seed_another() {
        let order = |seed| arranged(Order::Shuffled { seed });
        assert_eq!(order(7), order(7));
        assert_ne!(order(7), order(8));
    }

    #[test]
    fn shuffling_loses_nothing() {
        let mut items = arranged(Order::Shuffled { seed: 1 });
        assert_ne!(items, (0..50).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..50).collect::<Vec<_>>());
    }

    #[test]
    fn only_tests_are_taken_from_the_list() {
        let listed = "plan::tests::a_typo_is_named: test\nbench_it: benchmark\nsrc/lib.rs - f (line 3): test\n";
        let names: Vec<&str> = names_in(listed).collect();
        assert_eq!(names, ["plan::tests::a_typo_is_named", "src/lib.rs - f (line 3)"]);
    }
}
