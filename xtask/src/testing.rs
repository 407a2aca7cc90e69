//! `cargo xtask test`: provides what the tests need, builds what they start, and runs every one of them. A need that
//! cannot be met is an error, and what was left out is said at the end: nothing is skipped in silence.

mod needs;
mod order;

use std::process::Command;

use clap::ValueEnum as _;

use crate::args::{Group, TestOptions};
use crate::cargo::{self, Binaries, Package, Profile};
use crate::outcome::{FAIL, PASS};
use crate::say;
use crate::workspace::Workspace;

use self::needs::Needs;
use self::order::Order;

/// The package with the tests against real servers; the groups are those of its test binaries.
const BLACK_BOX: &str = "plimsoll-tests";
/// What black-box tests start.
const PROGRAMS: [&str; 5] = ["loadgen", "memwatch", "verdict", "example-service", "xtask"];

pub(crate) fn run(workspace: &Workspace, options: &TestOptions) -> anyhow::Result<u8> {
    let selection = Selection::of(&cargo::packages(workspace)?, &options.without);
    let needs = Needs::provide(workspace, &selection.groups())?;
    say::step(format!("building {}", PROGRAMS.join(", ")));
    let binaries = cargo::build(workspace, Profile::Dev, &PROGRAMS)?;

    let session = Session { workspace, options, selection, needs, binaries };
    let all_passed = match Order::of(options) {
        Some(order) => order.run(&session)?,
        None => session.run_by_cargo()?,
    };
    let result = if all_passed { "every test passed" } else { "tests failed" };
    say::result(format!("{result}{}", session.selection.confession()));
    Ok(if all_passed { PASS } else { FAIL })
}

/// Everything the test processes are run with. What was started for them ends with it.
#[derive(Debug)]
struct Session<'a> {
    workspace: &'a Workspace,
    options: &'a TestOptions,
    selection: Selection,
    needs: Needs,
    binaries: Binaries,
}

impl Session<'_> {
    /// The usual way: cargo's own order, tests of one binary side by side.
    fn run_by_cargo(&self) -> anyhow::Result<bool> {
        let mut all_passed = true;
        for words in self.selection.cargo_words() {
            let mut test = cargo::command(self.workspace);
            test.args(["test", "--no-fail-fast"]).args(words).arg("--").args(&self.options.harness);
            self.set_variables(&mut test);
            say::step("running the tests");
            all_passed &= cargo::run("cargo test", &mut test)? == 0;
        }
        Ok(all_passed)
    }

    /// How tests learn where their programs and servers are.
    fn set_variables(&self, command: &mut Command) {
        command.env("PLIMSOLL_BIN_DIR", self.binaries.dir()).envs(self.needs.variables());
    }
}

/// Which black-box test binaries run, and which were left out by name.
#[derive(Debug)]
struct Selection {
    included: Vec<String>,
    left_out: Vec<String>,
    without: Vec<Group>,
}

impl Selection {
    fn of(packages: &[Package], without: &[Group]) -> Selection {
        let black_box = packages.iter().filter(|package| package.name == BLACK_BOX);
        let tests = black_box.flat_map(|package| &package.targets).filter(|target| target.is_test());
        let names = tests.map(|target| target.name.clone());
        let (left_out, included) = names.partition(|name| without.contains(&group_of(name)));
        Selection { included, left_out, without: without.to_vec() }
    }

    /// The groups that are asked for, each once. Redis is always among them, for other packages may use it as well.
    fn groups(&self) -> Vec<Group> {
        let mut groups: Vec<Group> = self.included.iter().map(|name| group_of(name)).collect();
        groups.push(Group::Redis);
        groups.retain(|group| !self.without.contains(group));
        groups.sort_unstable();
        groups.dedup();
        groups
    }

    fn leaves_out(&self, target: &str) -> bool {
        self.left_out.iter().any(|name| name == target)
    }

    /// What follows `cargo test`: one call for everything, or two where some of the black-box tests stay out.
    fn cargo_words(&self) -> Vec<Vec<&str>> {
        if self.left_out.is_empty() {
            return vec![vec!["--workspace"]];
        }
        let others = vec!["--workspace", "--exclude", BLACK_BOX];
        let chosen = ["-p", BLACK_BOX, "--lib"].into_iter();
        let chosen = chosen.chain(self.included.iter().flat_map(|name| ["--test", name]));
        vec![others, chosen.collect()]
    }

    /// What the last line has to admit.
    fn confession(&self) -> String {
        if self.without.is_empty() {
            return String::new();
        }
        let groups = self.without.iter().map(|group| name_of(*group)).collect::<Vec<_>>().join(", ");
        let binaries = if self.left_out.is_empty() { "no test binary".to_owned() } else { self.left_out.join(", ") };
        format!(", but left out as asked (--without {groups}): {binaries}")
    }
}

fn group_of(test_binary: &str) -> Group {
    match test_binary {
        name if name.starts_with("docker") => Group::Docker,
        name if name.starts_with("browser") => Group::Browser,
        _ => Group::Redis,
    }
}

/// The group as `--without` takes it.
fn name_of(group: Group) -> String {
    group.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

/// A need that cannot be met: what is missing, why, and how to go on without it.
fn unmet(group: Group, why: &str) -> anyhow::Error {
    let name = name_of(group);
    anyhow::anyhow!("the tests of the group `{name}` cannot run: {why} (leave them out with `--without {name}`)")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selection(without: &[Group]) -> Selection {
        let packages = r#"[{"name": "plimsoll-tests", "targets": [
            {"name": "plimsoll_tests", "kind": ["lib"]}, {"name": "chain", "kind": ["test"]},
            {"name": "docker_stack", "kind": ["test"]}, {"name": "browser_report", "kind": ["test"]}]},
            {"name": "loadgen", "targets": [{"name": "docker_cli", "kind": ["test"]}]}]"#;
        Selection::of(&serde_json::from_str::<Vec<Package>>(packages).unwrap(), without)
    }

    #[test]
    fn without_nothing_everything_runs_by_one_call() {
        let selection = selection(&[]);
        assert_eq!(selection.cargo_words(), [["--workspace"]]);
        assert_eq!(selection.groups(), [Group::Redis, Group::Docker, Group::Browser]);
        assert_eq!(selection.confession(), "");
    }

    #[test]
    fn a_group_left_out_is_left_out_by_name_and_confessed() {
        let selection = selection(&[Group::Docker]);
        assert_eq!(selection.groups(), [Group::Redis, Group::Browser]);
        let words = ["-p", BLACK_BOX, "--lib", "--test", "chain", "--test", "browser_report"];
        assert_eq!(selection.cargo_words()[1], words);
        assert_eq!(selection.confession(), ", but left out as asked (--without docker): docker_stack");
    }

    #[test]
    fn only_black_box_tests_belong_to_groups() {
        assert!(!selection(&[Group::Docker]).leaves_out("docker_cli"));
    }

    #[test]
    fn an_unmet_need_says_how_to_go_on_without_it() {
        let message = unmet(Group::Browser, "there is no chromium on PATH").to_string();
        assert!(message.contains("no chromium") && message.contains("`--without browser`"), "{message}");
    }
}
