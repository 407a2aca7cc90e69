//! Where a calibration is kept: with the user's data, and a copy beside the facts of every run it fits.

use std::path::{Path, PathBuf};

use plimsoll_record::RunDir;
use plimsoll_record::calibration::{CALIBRATION_FILE, Calibration};

use crate::exit::{ENVIRONMENT, Failure};

/// `$XDG_DATA_HOME/plimsoll/calibration.json`, else below `~/.local/share`; `None` without a home.
#[expect(clippy::disallowed_methods, reason = "a binary asks the environment where the user's data are")]
pub(crate) fn usual_place() -> Option<PathBuf> {
    place(|name| std::env::var(name).ok())
}

fn place(variable: impl Fn(&str) -> Option<String>) -> Option<PathBuf> {
    let data = variable("XDG_DATA_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let home = || variable("HOME").filter(|home| !home.is_empty()).map(|home| PathBuf::from(home).join(".local/share"));
    Some(data.or_else(home)?.join("plimsoll").join(CALIBRATION_FILE))
}

/// Puts it in place, whole or not at all.
pub(super) fn write(path: &Path, calibration: &Calibration) -> Result<(), Failure> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let written = std::fs::create_dir_all(parent)
        .and_then(|()| tempfile::NamedTempFile::new_in(parent))
        .and_then(|file| std::fs::write(file.path(), calibration.to_json()).map(|()| file))
        .and_then(|file| file.persist(path).map_err(|error| error.error));
    written.map(|_| ()).map_err(|error| {
        let path = path.display();
        Failure::new(
            ENVIRONMENT,
            format!("error: cannot write {path}: {error}; choose another with --store, or use --no-store"),
        )
    })
}

/// Copies the stored calibration into `run` if it is of this machine and version. A run does not depend on it: what is
/// wrong with it is a warning.
pub(crate) fn copy_into(run: &RunDir, by: &str) -> Option<String> {
    copy(&usual_place()?, run, by)
}

fn copy(path: &Path, run: &RunDir, by: &str) -> Option<String> {
    match Calibration::read(path) {
        Ok(Some(found)) if found.fits(&run.info().machine, by) => {
            run.store_calibration(&found).err().map(|error| format!("warning: {error}"))
        }
        Ok(_) => None,
        Err(error) => Some(format!("warning: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use plimsoll_record::run::Machine;
    use plimsoll_record::verdict::Judgement;

    use super::*;

    fn calibration(by: &str) -> Calibration {
        Calibration {
            format: 1,
            by: by.to_owned(),
            unix_ns: 0,
            machine: Machine::this(),
            effort: "quick".to_owned(),
            judgement: Judgement::Pass,
            trials: Vec::new(),
            rate: None,
        }
    }

    #[test]
    fn it_is_kept_with_the_users_data() {
        let with = |data: &'static str, home: &'static str| {
            place(|name| Some(if name == "HOME" { home } else { data }.to_owned()).filter(|value| !value.is_empty()))
        };
        assert_eq!(with("/data", "/home/a").unwrap(), Path::new("/data/plimsoll/calibration.json"));
        assert_eq!(with("", "/home/a").unwrap(), Path::new("/home/a/.local/share/plimsoll/calibration.json"));
        assert_eq!(with("not/absolute", "/a").unwrap(), Path::new("/a/.local/share/plimsoll/calibration.json"));
        assert_eq!(with("", ""), None);
    }

    #[test]
    fn one_that_fits_is_copied_and_any_other_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("deep/store.json");
        let run = RunDir::create_or_join(&dir.path().join("run"), "test", "loadgen 1").unwrap();
        assert_eq!(copy(&path, &run, "loadgen 1"), None);
        write(&path, &calibration("loadgen 2")).unwrap();
        assert_eq!(copy(&path, &run, "loadgen 1"), None);
        assert_eq!(run.calibration().unwrap(), None);
        write(&path, &calibration("loadgen 1")).unwrap();
        assert_eq!(copy(&path, &run, "loadgen 1"), None);
        assert_eq!(run.calibration().unwrap(), Some(calibration("loadgen 1")));
    }

    #[test]
    fn a_damaged_one_is_a_warning() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("store.json");
        std::fs::write(&path, "{").unwrap();
        let run = RunDir::create_or_join(&dir.path().join("run"), "test", "loadgen 1").unwrap();
        let warning = copy(&path, &run, "loadgen 1").unwrap();
        assert!(warning.starts_with("warning: ") && warning.contains("loadgen calibrate"), "{warning}");
    }

    #[test]
    fn a_place_that_cannot_be_written_names_the_way_out() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("file"), "").unwrap();
        let error = write(&dir.path().join("file/store.json"), &calibration("loadgen 1")).unwrap_err();
        assert!(format!("{error:?}").contains("--no-store"), "{error:?}");
    }
}
