//! `cargo xtask tidy`: the house rules that no other tool checks. Each violation is one line: file, line, rule.

mod manifests;
mod markdown;
mod rust_rules;
mod rust_text;

use std::collections::HashSet;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::outcome::{FAIL, PASS};
use crate::say;
use crate::workspace::Workspace;

use self::rust_rules::Role;

/// Not ours, or made by us: build output, runs, the history, and records and snapshots kept as they were written.
const SKIPPED_DIRS: [&str; 4] = ["target", "runs", ".git", "snapshots"];
const TEXT_EXTENSIONS: [&str; 6] = ["rs", "toml", "md", "yaml", "yml", "sh"];

pub(crate) fn run(workspace: &Workspace) -> anyhow::Result<u8> {
    let sources = sources_below(workspace.root())?;
    let violations = check_all(&sources);
    violations.iter().for_each(|violation| say::result(violation.to_string()));
    say::step(format!("tidy: {} files, {} violations", sources.len(), violations.len()));
    Ok(if violations.is_empty() { PASS } else { FAIL })
}

/// A file and what is in it.
#[derive(Debug)]
struct Source {
    path: PathBuf,
    /// The path as it is shown and judged: from the root of the workspace.
    relative: PathBuf,
    text: String,
}

fn sources_below(root: &Path) -> anyhow::Result<Vec<Source>> {
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(Source { relative: path.strip_prefix(root).unwrap_or(&path).to_owned(), path, text })
    };
    files_below(root)?.into_iter().map(read).collect()
}

fn check_all(sources: &[Source]) -> Vec<Violation> {
    let rust = sources.iter().filter(|source| source.extension() == Some("rs"));
    let for_tests: HashSet<PathBuf> = rust.flat_map(|s| rust_rules::test_modules(&s.relative, &s.text)).collect();
    let mut violations: Vec<Violation> = sources.iter().flat_map(|source| source.check(&for_tests)).collect();
    violations.sort();
    violations
}

impl Source {
    fn extension(&self) -> Option<&str> {
        self.path.extension()?.to_str()
    }

    fn check(&self, for_tests: &HashSet<PathBuf>) -> Vec<Violation> {
        let mut findings = trailing_whitespace(&self.text);
        match self.extension() {
            Some("rs") => findings.extend(rust_rules::check(self.role(for_tests), &self.text)),
            Some("md") => findings.extend(markdown::check(&self.path, &self.text)),
            Some("toml") if self.path.ends_with("Cargo.toml") => findings.extend(manifests::check(&self.text)),
            _ => {}
        }
        let file = || self.relative.clone();
        let violation = |Finding { line, rule, detail }| Violation { file: file(), line, rule, detail };
        findings.into_iter().map(violation).collect()
    }

    fn role(&self, for_tests: &HashSet<PathBuf>) -> Role {
        let is_test = for_tests.contains(&self.relative) || rust_rules::is_in_tests(&self.relative);
        if is_test { Role::Test } else { Role::Product }
    }
}

/// One rule broken in one place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Violation {
    file: PathBuf,
    line: usize,
    rule: &'static str,
    detail: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}: {}", self.file.display(), self.line, self.rule, self.detail)
    }
}

/// A violation before it is known which file it is in.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Finding {
    line: usize,
    rule: &'static str,
    detail: String,
}

impl Finding {
    fn new(line: usize, rule: &'static str, detail: impl Into<String>) -> Finding {
        Finding { line, rule, detail: detail.into() }
    }
}

fn trailing_whitespace(text: &str) -> Vec<Finding> {
    let ends_in_space = |line: &str| line.ends_with([' ', '\t']);
    let found = text.split('\n').zip(1..).filter(|(line, _)| ends_in_space(line));
    found.map(|(_, number)| Finding::new(number, "no trailing whitespace", "the line ends in a space or tab")).collect()
}

fn files_below(root: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut dirs = vec![root.to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(&dir).with_context(|| format!("cannot read {}", dir.display()))? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() && !is_skipped(&entry.path()) {
                dirs.push(entry.path());
            } else if kind.is_file() && is_text(&entry.path()) {
                files.push(entry.path());
            }
        }
    }
    Ok(files)
}

fn is_skipped(dir: &Path) -> bool {
    dir.file_name().is_some_and(|name| SKIPPED_DIRS.iter().any(|skipped| name == *skipped))
}

fn is_text(file: &Path) -> bool {
    file.extension().is_some_and(|extension| TEXT_EXTENSIONS.iter().any(|text| extension == *text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(path: &str, text: &str) -> Source {
        Source { path: path.into(), relative: path.into(), text: text.to_owned() }
    }

    #[test]
    fn trailing_whitespace_is_found_by_line() {
        let lines: Vec<usize> = trailing_whitespace("a\nb \n\nc\t").iter().map(|finding| finding.line).collect();
        assert_eq!(lines, [2, 4]);
    }

    #[test]
    fn a_violation_reads_as_file_line_rule() {
        let violations = check_all(&[source("src/a.rs", "//! a\n\nfn f() { g().unwrap(); }\n")]);
        assert_eq!(violations.len(), 1);
        assert!(violations[0].to_string().starts_with("src/a.rs:3: no bare unwrap"), "{}", violations[0]);
    }

    #[test]
    fn a_file_that_is_declared_for_tests_is_judged_as_one() {
        let fixtures = || source("src/fixtures.rs", "//! a\n\nfn f() { g().unwrap(); }\n");
        let declared = source("src/lib.rs", "//! a\n#[cfg(test)]\nmod fixtures;\n");
        assert_eq!(check_all(&[declared, fixtures()]), []);
        let plain = source("src/lib.rs", "//! a\nmod fixtures;\n");
        assert_eq!(check_all(&[plain, fixtures()]).len(), 1);
    }

    #[test]
    fn build_output_and_history_are_not_ours() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["target/a.rs", ".git/a.rs", "crates/a.rs", "crates/a.bin"] {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        assert_eq!(files_below(dir.path()).unwrap(), [dir.path().join("crates/a.rs")]);
    }
}
