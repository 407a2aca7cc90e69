//! From a run directory to its verdict: loads facts and plan, judges, and says what went wrong in terms of exit codes.

use std::path::{Path, PathBuf};

use plimsoll_criteria::JudgeError;
use plimsoll_plan::{Criterion, Plan, Problems, SourceText};
use plimsoll_record::files::ReadError;
use plimsoll_record::run::RunError;
use plimsoll_record::summary::{Facts, LoadError};
use plimsoll_record::verdict::Verdict;

/// A run and the verdict on it.
#[derive(Debug)]
pub(crate) struct Judged {
    pub(crate) facts: Facts,
    pub(crate) verdict: Verdict,
}

/// Why there is no verdict.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    /// The run directory or one of its files cannot be read.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// A file that is read on demand is damaged.
    #[error(transparent)]
    Judge(#[from] JudgeError),
    /// Nobody wrote down what was planned.
    #[error("{path} has no plan.toml, so there is nothing to judge by; give loadgen and memwatch a plan", path = path.display())]
    NoPlan { path: PathBuf },
    /// The stored plan or the file of criteria is wrong.
    #[error("{0}")]
    Plan(Problems),
    /// The file of criteria cannot be read.
    #[error("cannot read {path}", path = path.display())]
    Criteria {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
}

/// Judges the run in `dir` by the plan's criteria, or by those of another file.
pub(crate) fn judge(dir: &Path, criteria: Option<&Path>) -> Result<Judged, Trouble> {
    let facts = Facts::load(dir)?;
    let text = facts.plan.as_deref().ok_or_else(|| Trouble::NoPlan { path: dir.into() })?;
    let plan = plimsoll_plan::parse_recorded(text).map_err(Trouble::Plan)?;
    let criteria = match criteria {
        Some(path) => read_criteria(path, &plan)?,
        None => plan.criteria.clone(),
    };
    let verdict = plimsoll_criteria::judge(&facts, &plan, &criteria)?;
    Ok(Judged { facts, verdict })
}

fn read_criteria(path: &Path, plan: &Plan) -> Result<Vec<Criterion>, Trouble> {
    let text = std::fs::read_to_string(path).map_err(|source| Trouble::Criteria { path: path.into(), source })?;
    let source = SourceText { name: path.display().to_string(), text };
    plimsoll_plan::parse_criteria(&source, plan).map_err(Trouble::Plan)
}

impl Trouble {
    /// True when another command line or another file would help, false when the machine or the record is to blame.
    pub(crate) fn is_usage(&self) -> bool {
        match self {
            Self::Load(LoadError::Run(error)) => matches!(error, RunError::NotARun { .. } | RunError::TooNew { .. }),
            Self::Load(LoadError::File(error)) | Self::Judge(JudgeError::Requests(error)) => {
                matches!(error, ReadError::TooNew { .. })
            }
            Self::NoPlan { .. } | Self::Plan(_) | Self::Criteria { .. } => true,
        }
    }
}
