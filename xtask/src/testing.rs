//! `cargo xtask test`: provides what the tests need, builds what they start, and runs every one of them. A need that
//! cannot be met is an error, and what was left out is said at the end: nothing is skipped in silence.

mod needs;
mod order;

use std::path::{Path, PathBuf};
use std::process::Command;

use clap::ValueEnum as _;

use crate::args::{Group, TestOptions};
use crate::cargo::{self, Binaries, Package, Profile, Target};
use crate::interrupt::Interrupted;
use crate::outcome::{FAIL, PASS};
use crate::process;
use crate::say;
use crate::workspace::Workspace;

use self::needs::Needs;
use self::order::Order;

/// The packages all of whose test binaries start servers. A test binary of another package may need PostgreSQL, which
/// its name says.
const NEEDY_PACKAGES: [&str; 3] = ["plimsoll-tests", "plimsoll-sampler", "example-service"];
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
            say::step(format!("$ {}", process::line_of(&test)));
            all_passed &= cargo::run("cargo test", &mut test)? == 0;
        }
        Ok(all_passed)
    }

    /// How tests learn where their programs and servers are.
    fn set_variables(&self, command: &mut Command) {
        command.env("PLIMSOLL_BIN_DIR", self.binaries.dir()).envs(self.needs.variables());
    }
}

/// Which test binaries run, and which were left out by the name of what they need.
#[derive(Debug)]
struct Selection {
    included: Vec<TestTarget>,
    left_out: Vec<TestTarget>,
    without: Vec<Group>,
}

/// A test binary, which may need more than cargo.
#[derive(Debug, Clone)]
struct TestTarget {
    package: String,
    package_dir: PathBuf,
    has_library: bool,
    name: String,
}

impl TestTarget {
    fn of(package: &Package) -> Vec<TestTarget> {
        let has_library = package.targets.iter().any(Target::is_library);
        let tests = package.targets.iter().filter(|target| target.is_test());
        let targets = tests.map(|target| TestTarget {
            package: package.name.clone(),
            package_dir: package.dir().to_owned(),
            has_library,
            name: target.name.clone(),
        });
        targets.collect()
    }

    /// What it needs, as test authors say it: by its package and its name.
    fn group(&self) -> Option<Group> {
        let is_needy = NEEDY_PACKAGES.contains(&self.package.as_str());
        match self.name.as_str() {
            name if name.starts_with("postgres") => Some(Group::Postgres),
            _ if !is_needy => None,
            name if name.starts_with("docker") => Some(Group::Docker),
            name if name.starts_with("browser") => Some(Group::Browser),
            _ => Some(Group::Redis),
        }
    }
}

impl Selection {
    fn of(packages: &[Package], without: &[Group]) -> Selection {
        let tests = packages.iter().flat_map(TestTarget::of);
        let (left_out, included) = tests.partition(|test| test.group().is_some_and(|group| without.contains(&group)));
        Selection { included, left_out, without: without.to_vec() }
    }

    /// The groups that are asked for, each once.
    fn groups(&self) -> Vec<Group> {
        let mut groups: Vec<Group> = self.included.iter().filter_map(TestTarget::group).collect();
        groups.sort_unstable();
        groups.dedup();
        groups
    }

    fn leaves_out(&self, package_dir: &Path, target: &str) -> bool {
        self.left_out.iter().any(|test| test.name == target && test.package_dir == package_dir)
    }

    /// What follows `cargo test`: one call for everything; where something stays out, one for the packages that
    /// lose nothing and then what remains of the others, target by target.
    fn cargo_words(&self) -> Vec<Vec<&str>> {
        let mut split: Vec<&TestTarget> = self.left_out.iter().collect();
        split.dedup_by_key(|test| &test.package);
        let mut calls = vec![vec!["--workspace"]];
        for test in split {
            calls[0].extend(["--exclude", &test.package]);
            calls.push(self.remains_of(test));
            if test.has_library {
                calls.push(vec!["-p", &test.package, "--doc"]);
            }
        }
        calls
    }

    fn remains_of<'a>(&'a self, test: &'a TestTarget) -> Vec<&'a str> {
        let mut words = vec!["-p", &test.package, "--bins"];
        words.extend(test.has_library.then_some("--lib"));
        let included = self.included.iter().filter(|other| other.package == test.package);
        words.extend(included.flat_map(|other| ["--test", &other.name]));
        words
    }

    /// What the last line has to admit.
    fn confession(&self) -> String {
        if self.without.is_empty() {
            return String::new();
        }
        let groups = self.without.iter().map(|group| name_of(*group)).collect::<Vec<_>>().join(",");
        let names = self.left_out.iter().map(|test| format!("{}/{}", test.package, test.name)).collect::<Vec<_>>();
        let binaries = if names.is_empty() { "no test binary".to_owned() } else { names.join(", ") };
        format!("; left out as asked (--without {groups}): {binaries}")
    }
}

/// The group as `--without` takes it.
fn name_of(group: Group) -> String {
    group.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

/// An error that leaves a need unmet, unless it is the user's own wish to stop.
fn unmet_by(group: Group, error: anyhow::Error) -> anyhow::Error {
    if error.is::<Interrupted>() { error } else { unmet(group, &format!("{error:#}")) }
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
        let packages = r#"[{"name": "plimsoll-tests", "manifest_path": "/w/tests/Cargo.toml", "targets": [
            {"name": "plimsoll_tests", "kind": ["lib"]}, {"name": "chain", "kind": ["test"]},
            {"name": "docker_stack", "kind": ["test"]}, {"name": "browser_report", "kind": ["test"]}]},
            {"name": "example-service", "manifest_path": "/w/service/Cargo.toml", "targets": [
            {"name": "example-service", "kind": ["bin"]}, {"name": "service", "kind": ["test"]}]},
            {"name": "loadgen", "manifest_path": "/w/loadgen/Cargo.toml", "targets": [
            {"name": "docker_cli", "kind": ["test"]}]},
            {"name": "plimsoll-engine", "manifest_path": "/w/engine/Cargo.toml", "targets": [
            {"name": "whole", "kind": ["test"]}, {"name": "postgres_steps", "kind": ["test"]}]}]"#;
        Selection::of(&serde_json::from_str::<Vec<Package>>(packages).unwrap(), without)
    }

    #[test]
    fn without_nothing_everything_runs_by_one_call() {
        let selection = selection(&[]);
        assert_eq!(selection.cargo_words(), [["--workspace"]]);
        assert_eq!(selection.groups(), [Group::Redis, Group::Postgres, Group::Docker, Group::Browser]);
        assert_eq!(selection.confession(), "");
    }

    #[test]
    fn a_group_left_out_is_left_out_by_name_and_confessed() {
        let selection = selection(&[Group::Docker]);
        assert_eq!(selection.groups(), [Group::Redis, Group::Postgres, Group::Browser]);
        let calls: Vec<String> = selection.cargo_words().iter().map(|words| words.join(" ")).collect();
        let remains = "-p plimsoll-tests --bins --lib --test chain --test browser_report";
        assert_eq!(calls, ["--workspace --exclude plimsoll-tests", remains, "-p plimsoll-tests --doc"]);
        assert_eq!(selection.confession(), "; left out as asked (--without docker): plimsoll-tests/docker_stack");
    }

    #[test]
    fn a_program_without_library_has_no_library_to_test() {
        let selection = selection(&[Group::Redis]);
        assert_eq!(selection.cargo_words()[3], ["-p", "example-service", "--bins"]);
        assert_eq!(selection.groups(), [Group::Postgres, Group::Docker, Group::Browser]);
    }

    #[test]
    fn only_packages_that_start_servers_have_groups() {
        let selection = selection(&[Group::Docker]);
        assert!(selection.leaves_out(Path::new("/w/tests"), "docker_stack"));
        assert!(!selection.leaves_out(Path::new("/w/loadgen"), "docker_cli"));
    }

    #[test]
    fn a_test_of_any_package_may_need_postgres_and_its_siblings_run_without() {
        let selection = selection(&[Group::Postgres]);
        let calls: Vec<String> = selection.cargo_words().iter().map(|words| words.join(" ")).collect();
        assert_eq!(calls[1..], ["-p plimsoll-engine --bins --test whole"]);
    }

    #[test]
    fn a_wish_to_stop_stays_one() {
        assert!(unmet_by(Group::Docker, Interrupted.into()).is::<Interrupted>());
    }

    #[test]
    fn an_unmet_need_says_how_to_go_on_without_it() {
        let message = unmet(Group::Browser, "there is no chromium on PATH").to_string();
        assert!(message.contains("no chromium") && message.contains("`--without browser`"), "{message}");
    }
}
