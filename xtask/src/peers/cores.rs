//! Who runs where: the service on one core, the generators, one at a time, on another. Both on one core would measure
//! how the kernel divides it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::platform;

/// The division of the cores, or why there is none.
#[derive(Debug)]
pub(super) enum Cores {
    Apart { taskset: PathBuf, service: u32, generators: u32 },
    Shared { why: &'static str },
}

impl Cores {
    pub(super) fn divide() -> Cores {
        let allowed = allowed_cores(&fs::read_to_string("/proc/self/status").unwrap_or_default());
        Cores::of(platform::find_program("taskset"), &allowed)
    }

    fn of(taskset: Option<PathBuf>, allowed: &[u32]) -> Cores {
        match (taskset, allowed) {
            (Some(taskset), &[service, generators, ..]) => Cores::Apart { taskset, service, generators },
            (None, _) => Cores::Shared { why: "there is no taskset on PATH" },
            _ => Cores::Shared { why: "there is only one core" },
        }
    }

    pub(super) fn service(&self, program: &Path) -> Command {
        match self {
            Cores::Apart { taskset, service, .. } => pinned(taskset, *service, program),
            Cores::Shared { .. } => Command::new(program),
        }
    }

    pub(super) fn generator(&self, program: &Path) -> Command {
        match self {
            Cores::Apart { taskset, generators, .. } => pinned(taskset, *generators, program),
            Cores::Shared { .. } => Command::new(program),
        }
    }

    pub(super) fn describe(&self) -> String {
        match self {
            Cores::Apart { service, generators, .. } => {
                format!("service on core {service}, generators on core {generators}")
            }
            Cores::Shared { why } => format!("nothing is pinned to a core, for {why}"),
        }
    }
}

/// taskset becomes the program, so the process that is measured is the program's own.
fn pinned(taskset: &Path, core: u32, program: &Path) -> Command {
    let mut command = Command::new(taskset);
    command.arg("--cpu-list").arg(core.to_string()).arg(program);
    command
}

/// The cores this process may use, from a line such as `Cpus_allowed_list: 0-2,5`.
fn allowed_cores(status: &str) -> Vec<u32> {
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).unwrap_or_default();
    list.trim().split(',').filter_map(range).flatten().collect()
}

fn range(text: &str) -> Option<std::ops::RangeInclusive<u32>> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    Some(first.parse().ok()?..=last.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_allowed_cores_are_read_as_ranges() {
        assert_eq!(allowed_cores("Name:\tx\nCpus_allowed_list:\t0-2,5\n"), [0, 1, 2, 5]);
        assert!(allowed_cores("").is_empty());
    }

    #[test]
    fn service_and_generators_get_a_core_each() {
        let cores = Cores::of(Some("/bin/taskset".into()), &[3, 5, 6]);
        let line = |command: Command| crate::process::line_of(&command);
        assert_eq!(line(cores.service(Path::new("s"))), "/bin/taskset --cpu-list 3 s");
        assert_eq!(line(cores.generator(Path::new("g"))), "/bin/taskset --cpu-list 5 g");
    }

    #[test]
    fn why_nothing_is_pinned_is_said() {
        assert!(Cores::of(None, &[0, 1]).describe().ends_with("for there is no taskset on PATH"));
        assert!(Cores::of(Some("/bin/taskset".into()), &[0]).describe().ends_with("for there is only one core"));
    }
}
