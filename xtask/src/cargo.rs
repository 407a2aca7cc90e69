//! Calls to cargo: building binaries and learning where they are, and what the workspace consists of.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde::Deserialize;

use crate::interrupt;
use crate::outcome::Usage;
use crate::process::{self, Running};
use crate::workspace::Workspace;

const METADATA_LIMIT: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    Dev,
    Release,
}

/// A directory with the programs of this workspace in it.
#[derive(Debug, Clone)]
pub(crate) struct Binaries {
    dir: PathBuf,
}

impl Binaries {
    /// Programs that somebody else built, all of which have to be there.
    pub(crate) fn in_dir(dir: &Path, names: &[&str]) -> anyhow::Result<Binaries> {
        let binaries = Binaries { dir: std::path::absolute(dir)? };
        match binaries.missing(names) {
            Some(name) => Err(Usage(format!("there is no program `{name}` in {}", dir.display())).into()),
            None => Ok(binaries),
        }
    }

    fn missing<'a>(&self, names: &[&'a str]) -> Option<&'a str> {
        names.iter().copied().find(|name| !self.program(name).is_file())
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }
}

/// The cargo that started us, else the one on PATH.
pub(crate) fn command(workspace: &Workspace) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(workspace.root());
    command
}

/// Runs cargo with its output shown; the answer is its exit code.
pub(crate) fn run(name: &str, command: &mut Command) -> anyhow::Result<u8> {
    interrupt::check()?;
    let status = Running::start(name, command)?.wait()?;
    interrupt::check()?;
    Ok(process::exit_code(status))
}

/// Builds packages that have a binary of the same name.
pub(crate) fn build(workspace: &Workspace, profile: Profile, packages: &[&str]) -> anyhow::Result<Binaries> {
    let mut build = command(workspace);
    build.arg("build").args(packages.iter().flat_map(|package| ["-p", package]));
    if profile == Profile::Release {
        build.arg("--release");
    }
    let programs: Vec<PathBuf> =
        artifacts(workspace, &mut build)?.into_iter().filter_map(Artifact::into_program).collect();
    let Some(dir) = programs.iter().find_map(|program| program.parent()) else { bail!("cargo built no program") };
    let binaries = Binaries { dir: dir.to_owned() };
    match binaries.missing(packages) {
        Some(name) => bail!("cargo built no program `{name}`"),
        None => Ok(binaries),
    }
}

/// Builds every test binary.
pub(crate) fn build_tests(workspace: &Workspace) -> anyhow::Result<Vec<TestBinary>> {
    let mut build = command(workspace);
    build.args(["test", "--workspace", "--no-run"]);
    let artifacts = artifacts(workspace, &mut build)?;
    Ok(artifacts.into_iter().filter_map(Artifact::into_test).collect())
}

/// A program that cargo made to run tests. They sort by their place in the source tree.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TestBinary {
    /// cargo runs tests here.
    pub(crate) package_dir: PathBuf,
    pub(crate) target: String,
    pub(crate) program: PathBuf,
}

/// Runs a building command, its errors shown, and reads what it made. The messages go through a file, so that the
/// wait for cargo stays one that can be interrupted.
fn artifacts(workspace: &Workspace, build: &mut Command) -> anyhow::Result<Vec<Artifact>> {
    let scratch = workspace.scratch_dir("cargo")?;
    let messages = scratch.path().join("messages.jsonl");
    build.arg("--message-format=json-render-diagnostics").stdout(File::create(&messages)?);
    if run("cargo", build)? != 0 {
        bail!("the build failed");
    }
    let text = fs::read_to_string(&messages)?;
    let lines = text.lines().filter(|line| line.contains("\"compiler-artifact\""));
    lines.map(|line| serde_json::from_str(line).context("cannot read cargo's messages")).collect()
}

#[derive(Debug, Deserialize)]
struct Artifact {
    executable: Option<PathBuf>,
    manifest_path: PathBuf,
    profile: ArtifactProfile,
    target: Target,
}

#[derive(Debug, Deserialize)]
struct ArtifactProfile {
    test: bool,
}

impl Artifact {
    fn into_program(self) -> Option<PathBuf> {
        self.executable.filter(|_| !self.profile.test)
    }

    fn into_test(self) -> Option<TestBinary> {
        let program = self.executable.filter(|_| self.profile.test)?;
        let package_dir = self.manifest_path.parent()?.to_owned();
        Some(TestBinary { target: self.target.name, program, package_dir })
    }
}

/// The packages of the workspace, without their dependencies.
pub(crate) fn packages(workspace: &Workspace) -> anyhow::Result<Vec<Package>> {
    let mut metadata = command(workspace);
    metadata.args(["metadata", "--no-deps", "--format-version", "1"]);
    let answer = process::capture_ok(&mut metadata, METADATA_LIMIT)?.stdout;
    let metadata: Metadata = serde_json::from_str(&answer).context("cannot read cargo's metadata")?;
    Ok(metadata.packages)
}

#[derive(Debug, Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) targets: Vec<Target>,
    manifest_path: PathBuf,
}

impl Package {
    pub(crate) fn dir(&self) -> &Path {
        self.manifest_path.parent().unwrap_or(&self.manifest_path)
    }
}

#[derive(Debug, Deserialize)]
pub(crate) struct Target {
    pub(crate) name: String,
    pub(crate) kind: Vec<String>,
}

impl Target {
    pub(crate) fn is_test(&self) -> bool {
        self.kind.iter().any(|kind| kind == "test")
    }

    pub(crate) fn is_library(&self) -> bool {
        self.kind.iter().any(|kind| kind == "lib")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn artifact(test: bool, executable: &str) -> Artifact {
        let line = format!(
            r#"{{"reason":"compiler-artifact","manifest_path":"/w/tests/Cargo.toml","executable":{executable},
            "profile":{{"test":{test},"opt_level":"0"}},"target":{{"name":"docker_stack","kind":["test"]}}}}"#
        );
        serde_json::from_str(&line).unwrap()
    }

    #[test]
    fn a_test_binary_knows_its_package() {
        let test = artifact(true, "\"/w/target/debug/deps/docker_stack-1\"").into_test().unwrap();
        assert_eq!(test.package_dir, Path::new("/w/tests"));
        assert_eq!(test.target, "docker_stack");
    }

    #[test]
    fn programs_and_tests_and_libraries_are_told_apart() {
        assert_eq!(artifact(true, "\"/w/t\"").into_program(), None);
        assert_eq!(artifact(false, "\"/w/t\"").into_program(), Some("/w/t".into()));
        assert_eq!(artifact(false, "null").into_program(), None);
        assert_eq!(artifact(false, "\"/w/t\"").into_test(), None);
    }
}
