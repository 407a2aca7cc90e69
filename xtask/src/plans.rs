//! Which plan files a word on the command line means, and which servers they ask. What else is in them is the tools' business.

use std::fs;
use std::path::{Path, PathBuf};

use crate::outcome::Usage;

const EXTENSION: &str = "toml";
const ALL: &str = "all";

/// A plan to run, and the short name that its run directory takes: `quick`, `assistant/steady`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) name: String,
    pub(crate) file: PathBuf,
}

/// What plans ask beside Redis, told by the variables they name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Parts {
    pub(crate) service: bool,
    pub(crate) postgres: bool,
}

impl Parts {
    /// Of a plan's text, or of what is laid over it.
    pub(crate) fn named_in(text: &str) -> Parts {
        let names = |variable: &str| text.contains(&format!("${{{variable}"));
        Parts { service: names("TARGET_URL") || names("ORCHESTRATOR_URL"), postgres: names("POSTGRES_URL") }
    }

    pub(crate) fn and(self, other: Parts) -> Parts {
        Parts { service: self.service || other.service, postgres: self.postgres || other.postgres }
    }
}

/// What a word means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Choice {
    One(Plan),
    /// A group, or all of them: they share a summary.
    Several(Vec<Plan>),
}

impl Choice {
    pub(crate) fn plans(&self) -> &[Plan] {
        match self {
            Choice::One(plan) => std::slice::from_ref(plan),
            Choice::Several(plans) => plans,
        }
    }

    pub(crate) fn is_several(&self) -> bool {
        matches!(self, Choice::Several(_))
    }

    /// Of several plans those with these names, or all where there are none. `steady` means `assistant/steady` too.
    pub(crate) fn only(self, names: &[String]) -> Result<Choice, Usage> {
        let is_named = |plan: &Plan, name: &str| plan.name == name || plan.name.rsplit('/').next() == Some(name);
        let has = |name: &&String| self.plans().iter().any(|plan| is_named(plan, name));
        if let Some(name) = names.iter().find(|name| !has(name)) {
            let valid = self.plans().iter().map(|plan| plan.name.as_str()).collect::<Vec<_>>().join(", ");
            return Err(Usage(format!("--only {name}: there is no such plan among {valid}")));
        }
        Ok(match self {
            Choice::Several(mut plans) if !names.is_empty() => {
                plans.retain(|plan| names.iter().any(|name| is_named(plan, name)));
                Choice::Several(plans)
            }
            all => all,
        })
    }

    /// Of several plans those that have a quick form, and the names of the others. A single plan is left to the
    /// tools, which say what it lacks.
    pub(crate) fn with_quick_forms(self) -> (Choice, Vec<String>) {
        match self {
            Choice::One(_) => (self, Vec::new()),
            Choice::Several(plans) => {
                let (quick, others): (Vec<_>, Vec<_>) = plans.into_iter().partition(Plan::has_quick_form);
                (Choice::Several(quick), others.into_iter().map(|plan| plan.name).collect())
            }
        }
    }
}

impl Plan {
    /// A file that cannot be read asks nothing: the tools say what is wrong with it.
    pub(crate) fn parts(&self) -> Parts {
        Parts::named_in(&fs::read_to_string(&self.file).unwrap_or_default())
    }

    /// The shipped plans write the header of the table on a line of its own.
    fn has_quick_form(&self) -> bool {
        fs::read_to_string(&self.file)
            .is_ok_and(|text| text.lines().any(|line| line.trim_start().starts_with("[quick]")))
    }
}

/// `all`, a path, or the name of a plan or of a group in `dir`, in this order; else an error with the valid names.
pub(crate) fn resolve(dir: &Path, word: &str) -> Result<Choice, Usage> {
    let known = shipped(dir);
    let path = Path::new(word);
    if path.extension().is_some_and(|extension| extension == EXTENSION) && path.is_file() {
        let name = stem(path);
        return Ok(Choice::One(Plan { name, file: path.to_owned() }));
    }
    let group = format!("{}/", word.trim_end_matches('/'));
    let within = |plan: &&Plan| word == ALL || plan.name.starts_with(&group);
    let several: Vec<Plan> = known.iter().filter(within).cloned().collect();
    match known.iter().find(|plan| plan.name == word) {
        Some(plan) => Ok(Choice::One(plan.clone())),
        None if !several.is_empty() => Ok(Choice::Several(several)),
        None => Err(unknown(word, dir, &known)),
    }
}

/// The plans in `dir` and in the groups below it, by name.
fn shipped(dir: &Path) -> Vec<Plan> {
    let mut plans = in_group(dir, "");
    for group in entries(dir).filter(|path| path.is_dir()) {
        plans.extend(in_group(&group, &format!("{}/", stem(&group))));
    }
    plans.sort_by(|a, b| a.name.cmp(&b.name));
    plans
}

fn in_group(dir: &Path, prefix: &str) -> Vec<Plan> {
    let files = entries(dir).filter(|path| path.extension().is_some_and(|extension| extension == EXTENSION));
    files.map(|file| Plan { name: format!("{prefix}{}", stem(&file)), file }).collect()
}

fn entries(dir: &Path) -> impl Iterator<Item = PathBuf> {
    fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path())
}

fn stem(path: &Path) -> String {
    path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
}

fn unknown(word: &str, dir: &Path, known: &[Plan]) -> Usage {
    let mut groups: Vec<&str> = known.iter().filter_map(|plan| Some(plan.name.split_once('/')?.0)).collect();
    groups.dedup();
    let names = known.iter().map(|plan| plan.name.as_str()).chain(groups).chain([ALL]).collect::<Vec<_>>().join(", ");
    Usage(format!("there is no plan `{word}`: write the path of a .toml file, or one of {names} ({})", dir.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shipped() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("assistant")).unwrap();
        for name in ["quick.toml", "rate-limiter.toml", "notes.md", "assistant/spike.toml", "assistant/foods.csv"] {
            fs::write(dir.path().join(name), "").unwrap();
        }
        fs::write(dir.path().join("assistant/steady.toml"), "name = \"steady\"\n[quick]\n").unwrap();
        dir
    }

    #[track_caller]
    fn names(dir: &Path, word: &str) -> Vec<String> {
        resolve(dir, word).unwrap().plans().iter().map(|plan| plan.name.clone()).collect()
    }

    #[test]
    fn a_name_means_the_shipped_plan() {
        let dir = shipped();
        let one = |name: &str, file: &str| Choice::One(Plan { name: name.to_owned(), file: dir.path().join(file) });
        assert_eq!(resolve(dir.path(), "quick").unwrap(), one("quick", "quick.toml"));
        assert_eq!(resolve(dir.path(), "assistant/spike").unwrap(), one("assistant/spike", "assistant/spike.toml"));
    }

    #[test]
    fn a_group_and_all_mean_several_in_order() {
        let dir = shipped();
        let group = ["assistant/spike", "assistant/steady"];
        assert_eq!(names(dir.path(), "assistant"), group);
        assert_eq!(names(dir.path(), "assistant/"), group);
        assert_eq!(names(dir.path(), "all"), ["assistant/spike", "assistant/steady", "quick", "rate-limiter"]);
        assert!(resolve(dir.path(), "all").unwrap().is_several());
    }

    #[test]
    fn of_several_plans_only_those_with_a_quick_form_have_one() {
        let dir = shipped();
        let (quick, others) = resolve(dir.path(), "all").unwrap().with_quick_forms();
        assert_eq!(quick.plans().len(), 1);
        assert_eq!((quick.plans()[0].name.as_str(), others.len()), ("assistant/steady", 3));
        let single = resolve(dir.path(), "quick").unwrap();
        assert_eq!(single.clone().with_quick_forms(), (single, Vec::new()));
    }

    #[test]
    fn only_the_named_ones_of_a_group_remain_and_a_wrong_name_is_answered_with_the_valid_ones() {
        let dir = shipped();
        let only = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            resolve(dir.path(), "assistant").unwrap().only(&names)
        };
        assert_eq!(only(&["steady"]).unwrap().plans()[0].name, "assistant/steady");
        assert_eq!(only(&["steady", "assistant/spike"]).unwrap().plans().len(), 2);
        assert_eq!(only(&[]).unwrap().plans().len(), 2);
        let message = only(&["spike", "quick"]).unwrap_err().to_string();
        assert!(message.contains("quick") && message.contains("assistant/spike, assistant/steady"), "{message}");
    }

    #[test]
    fn what_a_plan_asks_is_told_by_the_variables_it_names() {
        let stores = Parts::named_in("url = \"${POSTGRES_URL:-postgresql://127.0.0.1}\" # no TARGET_URL");
        assert_eq!(stores, Parts { service: false, postgres: true });
        let tasks = Parts::named_in("url = \"${ORCHESTRATOR_URL}\"");
        assert_eq!(stores.and(tasks), Parts { service: true, postgres: true });
    }

    #[test]
    fn a_path_is_taken_as_it_is() {
        let dir = shipped();
        let path = dir.path().join("rate-limiter.toml");
        assert_eq!(names(Path::new("/nowhere"), path.to_str().unwrap()), ["rate-limiter"]);
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_valid_ones() {
        let message = resolve(shipped().path(), "quik").unwrap_err().to_string();
        assert!(message.contains("`quik`") && message.contains("quick, rate-limiter, assistant, all"), "{message}");
    }

    #[test]
    fn all_of_nothing_is_an_error() {
        assert!(resolve(Path::new("/nowhere"), "all").is_err());
        assert!(resolve(Path::new("/nowhere"), "missing.toml").is_err());
    }
}
