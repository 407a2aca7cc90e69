//! The rule about documents: a link to a file leads to a file.

use std::path::Path;

use super::Finding;

pub(super) fn check(file: &Path, text: &str) -> Vec<Finding> {
    let dir = file.parent().unwrap_or(file);
    let mut findings = Vec::new();
    let mut in_fence = false;
    for (line, number) in text.lines().zip(1..) {
        in_fence ^= line.trim_start().starts_with("```");
        if in_fence {
            continue;
        }
        let dead = file_links(line).filter(|link| !dir.join(link).exists());
        findings.extend(dead.map(|link| Finding::new(number, "links lead to files", format!("there is no {link}"))));
    }
    findings
}

/// The targets of `[words](target)` that are files, without their `#fragment`.
fn file_links(line: &str) -> impl Iterator<Item = &str> {
    let targets = line.split("](").skip(1).filter_map(|rest| rest.split([')', ' ']).next());
    let files = targets.filter(|target| !target.contains("://") && !target.starts_with("mailto:"));
    files.filter_map(|target| target.split('#').next()).filter(|path| !path.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_to_files_are_told_from_others() {
        let line = "[a](docs/A.md#part) ![b](b.png \"B\") [c](https://example.org/x) [d](#here) [e](mailto:e@x)";
        assert_eq!(file_links(line).collect::<Vec<_>>(), ["docs/A.md", "b.png"]);
    }

    #[test]
    fn a_dead_link_is_named_with_its_line() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("there.md"), "").unwrap();
        let text = "[a](there.md)\n```\n[b](in-a-fence.md)\n```\n[c](gone.md)\n";
        let findings = check(&dir.path().join("README.md"), text);
        assert_eq!(findings, [Finding::new(5, "links lead to files", "there is no gone.md")]);
    }
}
