//! The runs that a command line names: run directories, and directories that hold some.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use plimsoll_record::digest::{DIGEST_FILE, Digest};
use plimsoll_record::verdict::Judgement;

use crate::args::By;
use crate::judging::{Trouble, judge};
use crate::output;

/// The run directories among and directly under `paths`, in the order of their names within each.
pub(super) fn directories(paths: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let mut runs = Vec::new();
    for path in paths {
        if is_run(path) {
            runs.push(path.clone());
            continue;
        }
        let entries = std::fs::read_dir(path).with_context(|| format!("cannot read {}", path.display()))?;
        let mut inside: Vec<PathBuf> =
            entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| is_run(path)).collect();
        if inside.is_empty() {
            return Err(Trouble::NoRuns { path: path.clone() }.into());
        }
        inside.sort();
        runs.append(&mut inside);
    }
    Ok(runs)
}

fn is_run(path: &Path) -> bool {
    path.join("run.json").is_file() || path.join(DIGEST_FILE).is_file()
}

/// The digests of the runs of one plan, from the oldest to the newest. A run that has none is summed up, and keeps it.
pub(super) fn digests(paths: &[PathBuf], plan: Option<&str>, again: bool) -> anyhow::Result<Vec<Digest>> {
    let mut digests = Vec::new();
    for dir in directories(paths)? {
        match digest(&dir, again) {
            Ok(digest) => digests.push(digest),
            // One run that cannot be read is no reason to show none.
            Err(error) => output::warn(&error.context(format!("{} is left out", dir.display()))),
        }
    }
    if let Some(plan) = plan {
        digests.retain(|digest| digest.plan == plan);
    }
    let mut plans: Vec<&str> = digests.iter().map(|digest| digest.plan.as_str()).collect();
    plans.sort_unstable();
    plans.dedup();
    if plans.len() > 1 {
        return Err(Trouble::ManyPlans { plans: plans.join(", ") }.into());
    }
    if digests.is_empty() {
        return Err(Trouble::NothingLeft.into());
    }
    digests.sort_by_key(|digest| digest.unix_ns);
    Ok(digests)
}

/// The digest of one run.
pub(super) fn digest(dir: &Path, again: bool) -> anyhow::Result<Digest> {
    let has_facts = dir.join("run.json").is_file();
    if !(again && has_facts)
        && let Some(digest) = Digest::read(dir)?
    {
        return Ok(digest);
    }
    let judged = judge(dir, &By::default())?;
    let digest = Digest::of(&judged.facts, &judged.verdict);
    if let Err(error) = digest.store(&judged.facts.run) {
        // A run on a read-only disk counts all the same.
        output::warn(&error.into());
    }
    Ok(digest)
}

/// Runs from which something can be learned about the service: those that passed, warned about or not.
pub(super) fn is_sound(digest: &Digest) -> bool {
    matches!(digest.judgement, Judgement::Pass | Judgement::Warn)
}
