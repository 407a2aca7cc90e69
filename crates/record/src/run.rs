//! A run directory: `run.json`, `plan.toml`, and the place where each producer creates its own file.
//!
//! Whoever comes first creates the run and takes the clock anchor; a second producer joins it. Judges open it
//! read-only, on any machine.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::clock::{Anchor, RunClock};
use crate::files::FORMAT;

const RUN_FILE: &str = "run.json";
const PLAN_FILE: &str = "plan.toml";
/// The verdict's file name in a run directory: derived, may be deleted.
pub const VERDICT_FILE: &str = "verdict.json";
/// The HTML report's file name: derived, may be deleted.
pub const HTML_FILE: &str = "report.html";
/// The JUnit document's file name: derived, may be deleted.
pub const JUNIT_FILE: &str = "junit.xml";
/// The criteria's file name as CSV: derived, may be deleted.
pub const CSV_FILE: &str = "criteria.csv";
/// The Markdown report's file name: derived, may be deleted.
pub const MARKDOWN_FILE: &str = "report.md";

/// What `run.json` says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunInfo {
    /// The format version of the run directory.
    pub format: u32,
    /// The run's id: UTC time of its creation and the plan's name, e.g. `20260131T120000Z-quick`.
    pub id: String,
    /// The tool and version that created the run.
    pub created_by: String,
    /// The pairing of the run's clock with wall time.
    pub anchor: Anchor,
    /// The machine the producers ran on.
    pub machine: Machine,
}

/// What two runs must share to be comparable, and one boot's identity.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// Identifies the boot, so that a monotonic clock of another boot is never joined. Empty where unknown.
    pub boot_id: String,
    /// Operating system and architecture, e.g. `linux x86_64`.
    pub platform: String,
    /// Kernel release.
    pub kernel: String,
    /// Logical cores available to the process.
    pub cores: usize,
    /// CPU model name. Empty where unknown.
    pub cpu: String,
}

/// Why a run directory could not be made, joined or opened.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The file system said no.
    #[error("cannot write to the run directory {path}; choose a writable one with --run-dir", path = path.display())]
    Unwritable {
        /// The directory or file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// There is no run there.
    #[error("{path} is not a run directory: it has no run.json", path = path.display())]
    NotARun {
        /// The directory.
        path: PathBuf,
    },
    /// It could not be read.
    #[error("cannot read {path}", path = path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// `run.json` is not what the format says.
    #[error("{path} is damaged", path = path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: serde_json::Error,
    },
    /// A later version wrote it.
    #[error("{path}: format {found}, this version reads up to {FORMAT}; use a newer plimsoll", path = path.display())]
    TooNew {
        /// The directory.
        path: PathBuf,
        /// The version found.
        found: u32,
    },
    /// There is a run already.
    #[error("{path} holds a run already; choose another --out", path = path.display())]
    Taken {
        /// The directory.
        path: PathBuf,
    },
    /// The run was recorded in another boot: its clock cannot be continued.
    #[error("{path} was begun before this machine was restarted; choose another --run-dir", path = path.display())]
    OtherBoot {
        /// The directory.
        path: PathBuf,
    },
    /// The other producer of this run resolved another plan.
    #[error("{path} holds another plan than this one; give both tools the same plan, --set and environment, or choose another --run-dir", path = path.display())]
    OtherPlan {
        /// The plan in the run directory.
        path: PathBuf,
    },
}

/// A run directory that exists.
#[derive(Clone, Debug)]
pub struct RunDir {
    path: PathBuf,
    info: RunInfo,
}

impl RunDir {
    /// Creates the run in `path` (made with its parents if need be), or joins the one that is there.
    ///
    /// # Errors
    /// [`RunError`] when the directory cannot be written, holds a damaged or newer run, or one of another boot.
    pub fn create_or_join(path: &Path, plan_name: &str, created_by: &str) -> Result<Self, RunError> {
        let unwritable = |source| RunError::Unwritable { path: path.into(), source };
        fs::create_dir_all(path).map_err(unwritable)?;
        let info = RunInfo::now(plan_name, created_by);
        if publish(path, RUN_FILE, &to_json(&info)).map_err(unwritable)? {
            return Ok(Self { path: path.into(), info });
        }
        let run = Self::open(path)?;
        if run.info.machine.boot_id != info.machine.boot_id {
            return Err(RunError::OtherBoot { path: path.into() });
        }
        Ok(run)
    }

    /// Creates the run in `path` that `info` describes: one that is put together of what others recorded.
    ///
    /// # Errors
    /// [`RunError::Taken`] when there is a run, [`RunError::Unwritable`] when the directory cannot be written.
    pub fn create_as(path: &Path, info: RunInfo) -> Result<Self, RunError> {
        let unwritable = |source| RunError::Unwritable { path: path.into(), source };
        fs::create_dir_all(path).map_err(unwritable)?;
        if publish(path, RUN_FILE, &to_json(&info)).map_err(unwritable)? {
            return Ok(Self { path: path.into(), info });
        }
        Err(RunError::Taken { path: path.into() })
    }

    /// Opens an existing run for reading.
    ///
    /// # Errors
    /// [`RunError`] when there is no run, or it is damaged or newer than this version.
    pub fn open(path: &Path) -> Result<Self, RunError> {
        let file = path.join(RUN_FILE);
        let text = match fs::read_to_string(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Err(RunError::NotARun { path: path.into() }),
            Err(source) => return Err(RunError::Unreadable { path: file, source }),
        };
        let info: RunInfo = serde_json::from_str(&text).map_err(|source| RunError::Damaged { path: file, source })?;
        if info.format > FORMAT {
            return Err(RunError::TooNew { path: path.into(), found: info.format });
        }
        Ok(Self { path: path.into(), info })
    }

    /// The directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What `run.json` says.
    #[must_use]
    pub fn info(&self) -> &RunInfo {
        &self.info
    }

    /// The run's clock. Meaningful only in the boot of the run.
    #[must_use]
    pub fn clock(&self) -> RunClock {
        RunClock::from_anchor(self.info.anchor)
    }

    /// Stores the resolved plan, or makes sure that the one stored by the other producer is the same.
    ///
    /// # Errors
    /// [`RunError::OtherPlan`] when it is not, [`RunError::Unwritable`] when it cannot be written.
    pub fn store_plan(&self, resolved: &str) -> Result<(), RunError> {
        let path = self.path.join(PLAN_FILE);
        let unwritable = |source| RunError::Unwritable { path: path.clone(), source };
        if publish(&self.path, PLAN_FILE, resolved).map_err(unwritable)? {
            return Ok(());
        }
        match self.plan()? {
            Some(stored) if stored == resolved => Ok(()),
            _ => Err(RunError::OtherPlan { path }),
        }
    }

    /// The resolved plan; `None` when the run has none.
    ///
    /// # Errors
    /// [`RunError::Unreadable`] when the file cannot be read.
    pub fn plan(&self) -> Result<Option<String>, RunError> {
        let path = self.path.join(PLAN_FILE);
        match fs::read_to_string(&path) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(source) => Err(RunError::Unreadable { path, source }),
        }
    }

    /// Writes a derived file (verdict, report), replacing an earlier one atomically.
    ///
    /// # Errors
    /// [`RunError::Unwritable`] when it cannot be written.
    pub fn write_derived(&self, name: &str, content: &str) -> Result<PathBuf, RunError> {
        let path = self.path.join(name);
        let temporary = self.path.join(format!(".{name}.{}", std::process::id()));
        let unwritable = |source| RunError::Unwritable { path: path.clone(), source };
        let written = fs::write(&temporary, content).and_then(|()| fs::rename(&temporary, &path));
        if written.is_err() {
            // What could not be put in place must not be left lying about; that it may be absent is fine.
            drop(fs::remove_file(&temporary));
        }
        written.map(|()| path.clone()).map_err(unwritable)
    }
}

impl RunInfo {
    fn now(plan_name: &str, created_by: &str) -> Self {
        let anchor = RunClock::start().anchor();
        let time = jiff::Timestamp::from_nanosecond(anchor.unix_ns.into()).unwrap_or_default();
        Self {
            format: FORMAT,
            id: format!("{}-{plan_name}", time.strftime("%Y%m%dT%H%M%SZ")),
            created_by: created_by.to_owned(),
            anchor,
            machine: Machine::this(),
        }
    }
}

impl Machine {
    /// The machine this process runs on.
    #[must_use]
    pub fn this() -> Self {
        let first_line = |path| fs::read_to_string(path).unwrap_or_default().trim().to_owned();
        Self {
            boot_id: first_line("/proc/sys/kernel/random/boot_id"),
            platform: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
            kernel: first_line("/proc/sys/kernel/osrelease"),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            cpu: cpu_model(&fs::read_to_string("/proc/cpuinfo").unwrap_or_default()),
        }
    }
}

fn cpu_model(cpuinfo: &str) -> String {
    let line = cpuinfo.lines().find(|line| line.starts_with("model name"));
    line.and_then(|line| line.split_once(':')).map_or_else(String::new, |(_, model)| model.trim().to_owned())
}

fn to_json<T: Serialize>(value: &T) -> String {
    let mut text = serde_json::to_string_pretty(value).expect("record types have string keys only");
    text.push('\n');
    text
}

/// Puts a whole file in place unless one is there; false when one was. A reader never sees half of it.
fn publish(dir: &Path, name: &str, content: &str) -> std::io::Result<bool> {
    let temporary = dir.join(format!(".{name}.{}", std::process::id()));
    let written = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .open(&temporary)
        .and_then(|mut file| file.write_all(content.as_bytes()))
        .and_then(|()| match fs::hard_link(&temporary, dir.join(name)) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(error),
        });
    let removed = fs::remove_file(&temporary);
    let created = written?;
    removed?;
    Ok(created)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_producer_joins_the_first_ones_clock() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("deep/run");
        let first = RunDir::create_or_join(&path, "quick", "memwatch 1").unwrap();
        let second = RunDir::create_or_join(&path, "quick", "loadgen 1").unwrap();
        assert_eq!(first.info(), second.info());
        assert!(first.info().id.ends_with("Z-quick"), "{}", first.info().id);
        assert_eq!(second.info().created_by, "memwatch 1");
    }

    #[test]
    fn both_producers_must_hold_the_same_plan() {
        let dir = tempfile::tempdir().unwrap();
        let run = RunDir::create_or_join(dir.path(), "quick", "test").unwrap();
        run.store_plan("name = \"quick\"\n").unwrap();
        run.store_plan("name = \"quick\"\n").unwrap();
        assert!(matches!(run.store_plan("name = \"other\"\n"), Err(RunError::OtherPlan { .. })));
    }

    #[test]
    fn a_run_of_another_boot_cannot_be_continued_but_can_be_read() {
        let dir = tempfile::tempdir().unwrap();
        let mut info = RunInfo::now("quick", "test");
        info.machine.boot_id = "another boot".to_owned();
        fs::write(dir.path().join(RUN_FILE), to_json(&info)).unwrap();
        assert!(RunDir::open(dir.path()).is_ok());
        let joined = RunDir::create_or_join(dir.path(), "quick", "test");
        assert!(matches!(joined, Err(RunError::OtherBoot { .. })));
    }

    #[test]
    fn what_is_no_run_says_so() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(RunDir::open(dir.path()), Err(RunError::NotARun { .. })));
        fs::write(dir.path().join(RUN_FILE), "{").unwrap();
        assert!(matches!(RunDir::open(dir.path()), Err(RunError::Damaged { .. })));
        let under_a_file = dir.path().join(RUN_FILE).join("run");
        assert!(matches!(RunDir::create_or_join(&under_a_file, "x", "test"), Err(RunError::Unwritable { .. })));
    }

    #[test]
    fn nothing_temporary_is_left_behind() {
        let dir = tempfile::tempdir().unwrap();
        let run = RunDir::create_or_join(dir.path(), "quick", "test").unwrap();
        run.store_plan("").unwrap();
        run.write_derived(VERDICT_FILE, "{}").unwrap();
        fs::create_dir(dir.path().join(HTML_FILE)).unwrap();
        assert!(run.write_derived(HTML_FILE, "").is_err(), "a directory stands in its place");
        fs::remove_dir(dir.path().join(HTML_FILE)).unwrap();
        let mut names: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["plan.toml", "run.json", "verdict.json"]);
    }
}
