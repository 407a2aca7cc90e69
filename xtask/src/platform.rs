//! What kind of machine this is: which programs are on PATH, and which one line installs a missing one.

use std::env;
use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// The first program of this name on PATH that can be executed.
pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    find_in(name, &env::var_os("PATH")?)
}

/// When the process started, in a unit of the system's own; `None` when there is none, or it cannot be told here.
pub(crate) fn start_time(pid: i32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything; behind it the 20th field is the 22nd of proc(5).
    stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()
}

fn find_in(name: &str, path: &OsStr) -> Option<PathBuf> {
    env::split_paths(path).map(|dir| dir.join(name)).find(|candidate| is_executable(candidate))
}

fn is_executable(path: &Path) -> bool {
    path.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

/// Debian, Ubuntu and their kin, told by the package tools we would use.
pub(crate) fn has_apt() -> bool {
    ["apt-get", "dpkg-deb"].iter().all(|tool| find_program(tool).is_some())
}

pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// The one line that installs Redis here.
pub(crate) fn redis_install_line() -> &'static str {
    install_line(|tool| find_program(tool).is_some())
}

fn install_line(has: impl Fn(&str) -> bool) -> &'static str {
    let lines = [
        ("apt-get", "sudo apt-get install redis-server"),
        ("dnf", "sudo dnf install valkey"),
        ("apk", "sudo apk add redis"),
        ("pacman", "sudo pacman -S valkey"),
        ("zypper", "sudo zypper install valkey"),
        ("brew", "brew install redis"),
    ];
    let line = lines.iter().find(|(tool, _)| has(tool)).map(|(_, line)| *line);
    line.unwrap_or("install redis-server or valkey-server and put it on PATH")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn the_line_to_type_is_the_one_of_this_platform() {
        assert_eq!(install_line(|tool| tool == "brew"), "brew install redis");
        assert_eq!(install_line(|tool| tool == "dnf"), "sudo dnf install valkey");
        assert!(install_line(|_| false).contains("PATH"));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_process_keeps_its_start_time_and_nobody_has_none() {
        let own = i32::try_from(std::process::id()).unwrap();
        assert!(start_time(own).is_some() && start_time(own) == start_time(own));
        assert_eq!(start_time(i32::MAX), None);
    }

    #[test]
    fn only_an_executable_file_counts_as_a_program() {
        let dir = tempfile::tempdir().unwrap();
        let tool = dir.path().join("tool");
        fs::write(&tool, "").unwrap();
        assert_eq!(find_in("tool", dir.path().as_os_str()), None);
        fs::set_permissions(&tool, fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(find_in("tool", dir.path().as_os_str()), Some(tool));
    }
}
