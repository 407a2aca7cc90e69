//! From a run directory to its verdict: loads facts and plan, judges, and says what went wrong in terms of exit codes.

use std::path::{Path, PathBuf};

use plimsoll_criteria::comparison::CompareError;
use plimsoll_criteria::{Baseline, JudgeError};
use plimsoll_plan::{Criterion, Plan, Problems, SourceText};
use plimsoll_record::export::ExportError;
use plimsoll_record::files::ReadError;
use plimsoll_record::merge::MergeError;
use plimsoll_record::run::RunError;
use plimsoll_record::summary::{Facts, LoadError};
use plimsoll_record::verdict::Verdict;

use crate::args::By;

/// A run and the verdict on it.
#[derive(Debug)]
pub(crate) struct Judged {
    pub(crate) facts: Facts,
    pub(crate) plan: Plan,
    /// What it was judged by.
    pub(crate) criteria: Vec<Criterion>,
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
    /// Segments cannot become a whole.
    #[error(transparent)]
    Merge(MergeError),
    /// The run cannot be exported.
    #[error(transparent)]
    Export(ExportError),
    /// Two runs cannot be compared.
    #[error(transparent)]
    Compare(CompareError),
    /// A directory is no run and holds none.
    #[error("{path} is no run directory and holds none; name run directories, or the directory they are in", path = path.display())]
    NoRuns { path: PathBuf },
    /// No run could be used.
    #[error("no run is left to look at")]
    NothingLeft,
    /// The runs are of several plans.
    #[error("the runs are of several plans ({plans}); choose one with --plan")]
    ManyPlans { plans: String },
    /// No run has such a metric.
    #[error("no run has the metric `{metric}`; they have {known}")]
    NoMetric { metric: String, known: String },
    /// No criterion has this id.
    #[error("no criterion `{id}`; the run was judged by {known}")]
    NoCriterion { id: String, known: String },
    /// There are too few runs to learn from.
    #[error(
        "{sound} of {all} runs passed, and limits take {needed} or more; record more runs of code that is known to be good"
    )]
    FewRuns { sound: usize, all: usize, needed: usize },
    /// A replacement on the command line is none.
    #[error("--set: {reason}")]
    Override { reason: String },
    /// The plan or the file of criteria cannot be read.
    #[error("cannot read {path}", path = path.display())]
    Criteria {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
}

/// Judges the run in `dir` by what was asked for: the plan's criteria or those of another file, beside earlier runs.
pub(crate) fn judge(dir: &Path, by: &By) -> Result<Judged, Trouble> {
    let (facts, plan) = load(dir)?;
    let criteria = match &by.criteria {
        Some(path) => read_criteria(path, &plan)?,
        None => plan.criteria.clone(),
    };
    let earlier = by.baseline.iter().map(|dir| load(dir)).collect::<Result<Vec<_>, _>>()?;
    let baselines: Vec<Baseline<'_>> = earlier.iter().map(|(facts, plan)| Baseline { facts, plan }).collect();
    let verdict = plimsoll_criteria::judge_against(&facts, &plan, &criteria, &baselines)?;
    Ok(Judged { facts, plan, criteria, verdict })
}

fn load(dir: &Path) -> Result<(Facts, Plan), Trouble> {
    let facts = Facts::load(dir)?;
    let text = facts.plan.as_deref().ok_or_else(|| Trouble::NoPlan { path: dir.into() })?;
    let plan = plimsoll_plan::parse_recorded(text).map_err(Trouble::Plan)?;
    Ok((facts, plan))
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
            Self::Merge(error) => !matches!(error, MergeError::Read(_) | MergeError::Write(_)),
            Self::Export(error) => matches!(error, ExportError::NoTraffic { .. } | ExportError::NoRequests { .. }),
            Self::NoPlan { .. }
            | Self::Plan(_)
            | Self::Criteria { .. }
            | Self::Compare(_)
            | Self::NoRuns { .. }
            | Self::NothingLeft
            | Self::ManyPlans { .. }
            | Self::NoMetric { .. }
            | Self::NoCriterion { .. }
            | Self::Override { .. }
            | Self::FewRuns { .. } => true,
        }
    }
}
