//! The rules about Rust files: how long, how they open, what they do not say. Tests are judged more mildly: those in
//! `tests` directories, and everything after a `#[cfg(test)]` that stands at the start of a line.

use std::path::{Component, Path};

use super::Finding;
use super::rust_text::{self, Split};

const FILE_LINES_MAX: usize = 500;
const FUNCTION_LINES_MAX: usize = 70;
const TEST_MARK: &str = "#[cfg(test)]";

pub(super) fn check(file: &Path, text: &str) -> Vec<Finding> {
    let split = rust_text::split(text);
    let code: Vec<&str> = split.code.lines().collect();
    let own = if is_test_file(file) { 0 } else { lines_before_tests(&code) };
    let mut findings = Vec::new();
    findings.extend(opens_with_purpose(text));
    findings.extend(file_length(own));
    findings.extend(unwraps(&code[..own]));
    findings.extend(function_lengths(&code));
    findings.extend(postponed_work(&split));
    findings
}

fn is_test_file(file: &Path) -> bool {
    let in_tests = file.components().any(|part| part == Component::Normal("tests".as_ref()));
    in_tests || file.file_stem().is_some_and(|stem| stem == "tests")
}

fn lines_before_tests(code: &[&str]) -> usize {
    code.iter().position(|line| line.starts_with(TEST_MARK)).unwrap_or(code.len())
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

    fn rules(file: &str, text: &str) -> Vec<(usize, &'static str)> {
        check(Path::new(file), text).iter().map(|finding| (finding.line, finding.rule)).collect()
    }

    fn function_of(lines: usize) -> String {
        format!("//! x\n\nfn long(\n) {{\n{}}}\n", "    step();\n".repeat(lines - 3))
    }

    #[test]
    fn a_tidy_file_has_no_findings() {
        assert_eq!(rules("src/a.rs", "//! For a.\n\nfn a() {}\n"), []);
    }

    #[test]
    fn a_file_has_to_say_what_it_is_for() {
        assert_eq!(rules("src/a.rs", "fn a() {}\n"), [(1, "every file opens with `//!`")]);
    }

    #[test]
    fn an_unwrap_counts_only_in_code_outside_tests() {
        let text = "//! x\n// .unwrap()\nconst A: &str = \".unwrap()\";\nfn a() { b().unwrap() }\n";
        assert_eq!(rules("src/a.rs", text), [(4, "no bare unwrap")]);
        assert_eq!(rules("tests/a.rs", text), []);
        assert_eq!(rules("src/a.rs", "//! x\n#[cfg(test)]\nmod t { fn a() { b().unwrap() } }\n"), []);
    }

    #[test]
    fn a_function_may_have_seventy_lines_and_no_more() {
        assert_eq!(rules("src/a.rs", &function_of(70)), []);
        assert_eq!(rules("src/a.rs", &function_of(71)), [(3, "functions up to 70 lines")]);
    }

    #[test]
    fn braces_in_texts_do_not_count() {
        let text = format!("//! x\nfn a() {{ b(\"{{\", '{{'); }}\n{}", "const A: u8 = 1;\n".repeat(80));
        assert_eq!(rules("src/a.rs", &text), []);
    }

    #[test]
    fn a_declaration_without_body_has_no_length() {
        let text = format!("//! x\ntrait T {{\n    fn a(&self) -> u8;\n}}\n{}", "const A: u8 = 1;\n".repeat(80));
        assert_eq!(rules("src/a.rs", &text), []);
    }

    #[test]
    fn a_file_is_measured_without_its_tests() {
        let code = format!("//! x\n{}", "const A: u8 = 1;\n".repeat(499));
        let tests = format!("#[cfg(test)]\n{}", "const B: u8 = 1;\n".repeat(300));
        assert_eq!(rules("src/a.rs", &(code.clone() + &tests)), []);
        assert_eq!(rules("src/a.rs", &(code + "const C: u8 = 1;\n")), [(501, "files up to 500 lines")]);
    }

    #[test]
    fn postponed_work_is_found_in_comments_only() {
        let mark = ["TO", "DO"].concat();
        let text = format!("//! x\n// {mark}: later\nconst A: &str = \"{mark}\";\n");
        assert_eq!(rules("src/a.rs", &text), [(2, "no postponed work in comments")]);
    }
}
