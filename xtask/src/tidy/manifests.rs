//! The rules about who may depend on whom. The manifests are the architecture: an arrow that is not meant to be
//! is stopped here before code leans on it.

use super::Finding;

/// These know the record and the plan, and never one another: what they share goes through the run directory.
const SEPARATE: [&str; 4] = ["plimsoll-engine", "plimsoll-sampler", "plimsoll-criteria", "plimsoll-report"];
/// The record is read by everything, so it carries neither a runtime nor a command line.
const FOREIGN_TO_RECORD: [&str; 2] = ["tokio", "clap"];
const RULE: &str = "dependencies point one way";

pub(super) fn check(manifest: &str) -> Vec<Finding> {
    let Some(package) = package_name(manifest) else { return Vec::new() };
    let forbidden = dependencies(manifest).filter(|(_, name)| is_forbidden(package, name));
    forbidden.map(|(line, name)| Finding::new(line, RULE, format!("{package} must not depend on {name}"))).collect()
}

fn is_forbidden(package: &str, dependency: &str) -> bool {
    match package {
        "xtask" => dependency.starts_with("plimsoll-"),
        "plimsoll-record" => dependency.starts_with("plimsoll-") || FOREIGN_TO_RECORD.contains(&dependency),
        "plimsoll-plan" => SEPARATE.contains(&dependency),
        _ => SEPARATE.contains(&package) && SEPARATE.contains(&dependency),
    }
}

fn package_name(manifest: &str) -> Option<&str> {
    let line = in_sections(manifest, |section| section == "package").find(|(_, line)| line.starts_with("name"))?.1;
    line.split('"').nth(1)
}

/// Name and line of every dependency, also those for tests and for one platform, in whichever form they are written.
fn dependencies(manifest: &str) -> impl Iterator<Item = (usize, &str)> {
    dependency_lines(manifest).chain(dependency_tables(manifest))
}

/// `name.workspace = true` below `[dependencies]`.
fn dependency_lines(manifest: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = in_sections(manifest, |section| section.ends_with("dependencies") && !section.starts_with("workspace"));
    lines.filter_map(|(number, line)| {
        let name = line.split(['.', '=', ' ']).next()?;
        (!name.is_empty() && !name.starts_with('#')).then_some((number, name))
    })
}

/// `[dependencies.name]`.
fn dependency_tables(manifest: &str) -> impl Iterator<Item = (usize, &str)> {
    manifest.lines().zip(1..).filter_map(|(line, number)| {
        let (section, name) = line.strip_prefix('[')?.trim_end_matches(']').rsplit_once('.')?;
        (section.ends_with("dependencies") && !section.starts_with("workspace")).then_some((number, name))
    })
}

/// The lines below the headings that are wanted.
fn in_sections(manifest: &str, is_wanted: impl Fn(&str) -> bool) -> impl Iterator<Item = (usize, &str)> {
    let mut wanted = false;
    manifest.lines().zip(1..).filter_map(move |(line, number)| {
        let Some(heading) = line.strip_prefix('[') else { return wanted.then_some((number, line)) };
        wanted = is_wanted(heading.trim_end_matches(']'));
        None
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(package: &str, section: &str, dependency: &str) -> String {
        format!(
            "[package]\nname = \"{package}\"\n\n[{section}]\nserde.workspace = true\n{dependency}.workspace = true\n"
        )
    }

    fn findings(package: &str, section: &str, dependency: &str) -> Vec<usize> {
        check(&manifest(package, section, dependency)).iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn the_four_in_the_middle_never_depend_on_one_another() {
        for package in SEPARATE {
            for dependency in SEPARATE {
                assert_eq!(findings(package, "dependencies", dependency), [6], "{package} on {dependency}");
            }
            assert!(findings(package, "dependencies", "plimsoll-record").is_empty());
        }
    }

    #[test]
    fn test_and_platform_sections_count_as_well() {
        assert_eq!(findings("plimsoll-report", "dev-dependencies", "plimsoll-criteria"), [6]);
        assert_eq!(findings("plimsoll-report", "target.'cfg(unix)'.dependencies", "plimsoll-criteria"), [6]);
    }

    #[test]
    fn the_record_has_neither_runtime_nor_command_line() {
        assert_eq!(findings("plimsoll-record", "dependencies", "tokio"), [6]);
        assert_eq!(findings("plimsoll-record", "dependencies", "clap"), [6]);
        assert!(findings("plimsoll-sampler", "dependencies", "tokio").is_empty());
    }

    #[test]
    fn xtask_links_none_of_the_libraries() {
        assert_eq!(findings("xtask", "dependencies", "plimsoll-record"), [6]);
        assert!(findings("verdict", "dependencies", "plimsoll-criteria").is_empty());
    }

    #[test]
    fn the_list_of_the_workspace_is_no_dependency() {
        let manifest = manifest("plimsoll-report", "workspace.dependencies", "plimsoll-criteria");
        assert_eq!(check(&manifest), []);
    }

    #[test]
    fn a_dependency_written_as_a_table_of_its_own_is_seen() {
        let manifest = "[package]\nname = \"xtask\"\n\n[dependencies.plimsoll-record]\npath = \"../record\"\n";
        assert_eq!(check(manifest).len(), 1);
    }
}
