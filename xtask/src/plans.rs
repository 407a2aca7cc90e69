//! Which plan files a word on the command line means. What is in them is the tools' business.

use std::fs;
use std::path::{Path, PathBuf};

use crate::outcome::Usage;

const EXTENSION: &str = "toml";

/// A plan to run, and the short name that its run directory takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) name: String,
    pub(crate) file: PathBuf,
}

/// `all`, a path, or a name in `dir`, in this order; else an error with the valid names.
pub(crate) fn resolve(dir: &Path, word: &str) -> Result<Vec<Plan>, Usage> {
    let known = in_dir(dir);
    if word == "all" {
        return if known.is_empty() { Err(unknown(word, dir, &known)) } else { Ok(known) };
    }
    let path = Path::new(word);
    if path.extension().is_some_and(|extension| extension == EXTENSION) {
        return if path.is_file() { Ok(vec![plan_at(path)]) } else { Err(unknown(word, dir, &known)) };
    }
    match known.iter().find(|plan| plan.name == word) {
        Some(plan) => Ok(vec![plan.clone()]),
        None => Err(unknown(word, dir, &known)),
    }
}

fn in_dir(dir: &Path) -> Vec<Plan> {
    let paths = fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    let files = paths.filter(|path| path.extension().is_some_and(|extension| extension == EXTENSION));
    let mut plans: Vec<Plan> = files.map(|path| plan_at(&path)).collect();
    plans.sort_by(|a, b| a.name.cmp(&b.name));
    plans
}

fn plan_at(path: &Path) -> Plan {
    let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    Plan { name, file: path.to_owned() }
}

fn unknown(word: &str, dir: &Path, known: &[Plan]) -> Usage {
    let names = known.iter().map(|plan| plan.name.as_str()).chain(["all"]).collect::<Vec<_>>().join(", ");
    Usage(format!("there is no plan `{word}`: write the path of a .toml file, or one of {names} ({})", dir.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shipped() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for name in ["quick.toml", "rate-limiter.toml", "notes.md"] {
            fs::write(dir.path().join(name), "").unwrap();
        }
        dir
    }

    #[test]
    fn a_name_means_the_shipped_plan() {
        let dir = shipped();
        let plans = resolve(dir.path(), "quick").unwrap();
        assert_eq!(plans, [Plan { name: "quick".to_owned(), file: dir.path().join("quick.toml") }]);
    }

    #[test]
    fn all_means_every_shipped_plan_in_order() {
        let dir = shipped();
        let names: Vec<String> = resolve(dir.path(), "all").unwrap().into_iter().map(|plan| plan.name).collect();
        assert_eq!(names, ["quick", "rate-limiter"]);
    }

    #[test]
    fn a_path_is_taken_as_it_is() {
        let dir = shipped();
        let path = dir.path().join("rate-limiter.toml");
        let plans = resolve(Path::new("/nowhere"), path.to_str().unwrap()).unwrap();
        assert_eq!(plans[0].name, "rate-limiter");
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_valid_ones() {
        let message = resolve(shipped().path(), "quik").unwrap_err().to_string();
        assert!(message.contains("`quik`") && message.contains("quick, rate-limiter, all"), "{message}");
    }

    #[test]
    fn all_of_nothing_is_an_error() {
        assert!(resolve(Path::new("/nowhere"), "all").is_err());
    }
}
