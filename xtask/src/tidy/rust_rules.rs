//! The rules about Rust files: how long, how they open, what they do not say. Tests are judged more mildly: those in
//! `tests` directories, modules that are declared under `#[cfg(test)]`, and everything after a `#[cfg(test)]` that
//! stands at the start of a line before more than a declaration.

use std::path::{Component, Path, PathBuf};

use super::Finding;
use super::rust_text::{self, Split};

const FILE_LINES_MAX: usize = 500;
const FUNCTION_LINES_MAX: usize = 70;
const TEST_MARK: &str = "#[cfg(test)]";

/// Whether a whole file is there for tests only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Product,
    Test,
}

pub(super) fn check(role: Role, text: &str) -> Vec<Finding> {
    let split = rust_text::split(text);
    let code: Vec<&str> = split.code.lines().collect();
    let own = if role == Role::Test { 0 } else { lines_before_tests(&code) };
    let mut findings = Vec::new();
    findings.extend(opens_with_purpose(text));
    findings.extend(file_length(own));
    findings.extend(unwraps(&code[..own]));
    findings.extend(function_lengths(&code));
    findings.extend(postponed_work(&split));
    findings
}

/// Whether a path is in a `tests` directory.
pub(super) fn is_in_tests(file: &Path) -> bool {
    file.components().any(|part| part == Component::Normal("tests".as_ref()))
}

/// The files of the modules that this file declares for tests only.
pub(super) fn test_modules(file: &Path, text: &str) -> Vec<PathBuf> {
    let split = rust_text::split(text);
    let code: Vec<&str> = split.code.lines().collect();
    let declared =
        code.windows(2).filter(|pair| pair[0].trim() == TEST_MARK).filter_map(|pair| declared_module(pair[1]));
    declared.flat_map(|name| module_files(file, name)).collect()
}

/// The name in `mod name;`, `pub mod name;`.
fn declared_module(line: &str) -> Option<&str> {
    let mut words = line.trim().strip_suffix(';')?.split_whitespace().rev();
    let name = words.next()?;
    (words.next() == Some("mod")).then_some(name)
}

/// Both places where the compiler looks for a module.
fn module_files(file: &Path, name: &str) -> [PathBuf; 2] {
    let is_root = file.file_stem().is_some_and(|stem| ["lib", "main", "mod"].iter().any(|root| stem == *root));
    let dir = if is_root { file.parent().map(Path::to_owned).unwrap_or_default() } else { file.with_extension("") };
    [dir.join(name).with_extension("rs"), dir.join(name).join("mod.rs")]
}

/// Tests come last: all lines before the mark, unless it stands before a mere declaration.
fn lines_before_tests(code: &[&str]) -> usize {
    let next_is_body = |at: usize| code.get(at + 1).is_some_and(|next| !next.trim_end().ends_with(';'));
    let mark = (0..code.len()).find(|at| code[*at].starts_with(TEST_MARK) && next_is_body(*at));
    mark.unwrap_or(code.len())
}

fn opens_with_purpose(text: &str) -> Option<Finding> {
    let opens = text.starts_with("//!");
    (!opens).then(|| Finding::new(1, "every file opens with `//!`", "say what it is for, and what not"))
}

fn file_length(own: usize) -> Option<Finding> {
    let detail = || format!("{own} lines without tests, and the limit is {FILE_LINES_MAX}");
    (own > FILE_LINES_MAX).then(|| Finding::new(own, "files up to 500 lines", detail()))
}

fn unwraps(code: &[&str]) -> Vec<Finding> {
    let found = code.iter().zip(1..).filter(|(line, _)| line.contains(".unwrap()"));
    found.map(|(_, number)| Finding::new(number, "no bare unwrap", "write expect(\"why this cannot fail\")")).collect()
}

/// Work put off belongs in the tracker, where somebody will find it.
fn postponed_work(split: &Split) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (line, number) in split.comments.lines().zip(1..) {
        let words = line.split(|c: char| !c.is_alphanumeric());
        for word in words.filter(|word| matches!(*word, "TODO" | "FIXME" | "XXX")) {
            findings.push(Finding::new(number, "no postponed work in comments", word));
        }
    }
    findings
}

fn function_lengths(code: &[&str]) -> Vec<Finding> {
    let starts = code.iter().enumerate().filter_map(|(index, line)| Some((index, function_name(line)?)));
    let long = starts.filter_map(|(index, name)| {
        let lines = body_lines(&code[index..])?;
        (lines > FUNCTION_LINES_MAX).then(|| {
            let detail = format!("`{name}` has {lines} lines, and the limit is {FUNCTION_LINES_MAX}");
            Finding::new(index + 1, "functions up to 70 lines", detail)
        })
    });
    long.collect()
}

/// The name after `fn` where a line declares a function, and not a type such as `fn(u8)`.
fn function_name(line: &str) -> Option<&str> {
    let (before, after) = line.split_once("fn ")?;
    let only_qualifiers = before.split_whitespace().all(|word| {
        word.starts_with("pub") || word.ends_with(')') || ["const", "async", "unsafe", "extern"].contains(&word)
    });
    let name = after.split(|c: char| !c.is_alphanumeric() && c != '_').next()?;
    (only_qualifiers && !name.is_empty()).then_some(name)
}

/// Lines from the declaration to the brace that closes the body; None for a declaration without body.
fn body_lines(code: &[&str]) -> Option<usize> {
    let mut depth = 0_usize;
    let mut opened = false;
    for (line, count) in code.iter().zip(1..) {
        for c in line.chars() {
            match c {
                '{' => (depth, opened) = (depth + 1, true),
                '}' => depth = depth.saturating_sub(1),
                ';' if !opened && depth == 0 => return None,
                _ => {}
            }
        }
        if opened && depth == 0 {
            return Some(count);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(text: &str) -> Vec<(usize, &'static str)> {
        rules_as(Role::Product, text)
    }

    fn rules_as(role: Role, text: &str) -> Vec<(usize, &'static str)> {
        check(role, text).iter().map(|finding| (finding.line, finding.rule)).collect()
    }

    fn function_of(lines: usize) -> String {
        format!("//! x\n\nfn long(\n) {{\n{}}}\n", "    step();\n".repeat(lines - 3))
    }

    #[test]
    fn a_tidy_file_has_no_findings() {
        assert_eq!(rules("//! For a.\n\nfn a() {}\n"), []);
    }

    #[test]
    fn a_file_has_to_say_what_it_is_for() {
        assert_eq!(rules("fn a() {}\n"), [(1, "every file opens with `//!`")]);
    }

    #[test]
    fn an_unwrap_counts_only_in_code_outside_tests() {
        let text = "//! x\n// .unwrap()\nconst A: &str = \".unwrap()\";\nfn a() { b().unwrap() }\n";
        assert_eq!(rules(text), [(4, "no bare unwrap")]);
        assert_eq!(rules_as(Role::Test, text), []);
        assert_eq!(rules("//! x\n#[cfg(test)]\nmod t { fn a() { b().unwrap() } }\n"), []);
    }

    #[test]
    fn a_function_may_have_seventy_lines_and_no_more() {
        assert_eq!(rules(&function_of(70)), []);
        assert_eq!(rules(&function_of(71)), [(3, "functions up to 70 lines")]);
    }

    #[test]
    fn braces_in_texts_do_not_count() {
        let text = format!("//! x\nfn a() {{ b(\"{{\", '{{'); }}\n{}", "const A: u8 = 1;\n".repeat(80));
        assert_eq!(rules(&text), []);
    }

    #[test]
    fn a_declaration_without_body_has_no_length() {
        let text = format!("//! x\ntrait T {{\n    fn a(&self) -> u8;\n}}\n{}", "const A: u8 = 1;\n".repeat(80));
        assert_eq!(rules(&text), []);
    }

    #[test]
    fn a_file_is_measured_without_its_tests() {
        let code = format!("//! x\n{}", "const A: u8 = 1;\n".repeat(499));
        let tests = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", "const B: u8 = 1;\n".repeat(300));
        assert_eq!(rules(&(code.clone() + &tests)), []);
        assert_eq!(rules(&(code + "const C: u8 = 1;\n")), [(501, "files up to 500 lines")]);
    }

    #[test]
    fn a_module_declared_for_tests_does_not_end_the_file() {
        let text = "//! x\n#[cfg(test)]\nmod fixtures;\nfn a() { b().unwrap() }\n";
        assert_eq!(rules(text), [(4, "no bare unwrap")]);
    }

    #[test]
    fn modules_declared_for_tests_are_known_by_file() {
        let text = "mod a;\n#[cfg(test)]\nmod fixtures;\n#[cfg(test)]\nmod tests {\n}\n";
        let expected = [PathBuf::from("src/fixtures.rs"), PathBuf::from("src/fixtures/mod.rs")];
        assert_eq!(test_modules(Path::new("src/lib.rs"), text), expected);
        assert_eq!(test_modules(Path::new("src/plan.rs"), text)[0], Path::new("src/plan/fixtures.rs"));
    }

    #[test]
    fn a_tests_directory_is_known_by_its_name() {
        assert!(is_in_tests(Path::new("crates/a/tests/b.rs")));
        assert!(!is_in_tests(Path::new("crates/a/src/tests_of_b.rs")));
    }

    #[test]
    fn postponed_work_is_found_in_comments_only() {
        let mark = ["TO", "DO"].concat();
        let text = format!("//! x\n// {mark}: later\nconst A: &str = \"{mark}\";\n");
        assert_eq!(rules(&text), [(2, "no postponed work in comments")]);
    }
}
