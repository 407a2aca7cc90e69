//! Who runs where: the service on some cores, the generators, one at a time, on others. Both on one core would measure
//! how the kernel divides it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::platform;

/// The division of the cores, or why there is none.
#[derive(Debug)]
pub(super) enum Cores {
    /// The lists overlap where there are too few cores for both.
    Pinned {
        taskset: PathBuf,
        service: Vec<u32>,
        generators: Vec<u32>,
    },
    Free {
        why: &'static str,
        generators: u32,
    },
}

impl Cores {
    /// So many cores for a generator; the service gets what `reserved` generator cores leave it.
    pub(super) fn divide(generators: u32, reserved: u32) -> Cores {
        let allowed = allowed_cores(&fs::read_to_string("/proc/self/status").unwrap_or_default());
        Cores::of(platform::find_program("taskset"), &allowed, generators, reserved)
    }

    fn of(taskset: Option<PathBuf>, allowed: &[u32], generators: u32, reserved: u32) -> Cores {
        let Some(taskset) = taskset else { return Cores::Free { why: "there is no taskset on PATH", generators } };
        if allowed.len() < 2 {
            return Cores::Free { why: "there is only one core", generators };
        }
        let last = |count: u32| allowed.len().saturating_sub(count as usize);
        let service = match last(reserved) {
            0 => allowed,
            own => &allowed[..own],
        };
        Cores::Pinned { taskset, service: service.to_vec(), generators: allowed[last(generators)..].to_vec() }
    }

    pub(super) fn service(&self, program: &Path) -> Command {
        match self {
            Cores::Pinned { taskset, service, .. } => pinned(taskset, service, program),
            Cores::Free { .. } => Command::new(program),
        }
    }

    /// As many as it has cores.
    pub(super) fn service_threads(&self) -> usize {
        match self {
            Cores::Pinned { service, .. } => service.len(),
            Cores::Free { .. } => 1,
        }
    }

    pub(super) fn generator(&self, program: &Path) -> Command {
        match self {
            Cores::Pinned { taskset, generators, .. } => pinned(taskset, generators, program),
            Cores::Free { .. } => Command::new(program),
        }
    }

    /// As many as a generator has cores.
    pub(super) fn generator_threads(&self) -> u32 {
        match self {
            Cores::Pinned { generators, .. } => u32::try_from(generators.len()).unwrap_or(u32::MAX),
            Cores::Free { generators, .. } => *generators,
        }
    }

    pub(super) fn describe(&self) -> String {
        match self {
            Cores::Pinned { service, generators, .. } => {
                let shared = service.iter().any(|core| generators.contains(core));
                let warning = if shared { "; they share, so a rate is that of both together" } else { "" };
                format!("service on {}, generators on {}{warning}", list("core", service), list("core", generators))
            }
            Cores::Free { why, .. } => format!("nothing is pinned to a core, for {why}"),
        }
    }
}

fn list(word: &str, cores: &[u32]) -> String {
    let plural = if cores.len() == 1 { "" } else { "s" };
    format!("{word}{plural} {}", joined(cores))
}

fn joined(cores: &[u32]) -> String {
    cores.iter().map(u32::to_string).collect::<Vec<_>>().join(",")
}

/// taskset becomes the program, so the process that is measured is the program's own.
fn pinned(taskset: &Path, cores: &[u32], program: &Path) -> Command {
    let mut command = Command::new(taskset);
    command.arg("--cpu-list").arg(joined(cores)).arg(program);
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

    fn taskset() -> Option<PathBuf> {
        Some("/bin/taskset".into())
    }

    #[test]
    fn the_allowed_cores_are_read_as_ranges() {
        assert_eq!(allowed_cores("Name:\tx\nCpus_allowed_list:\t0-2,5\n"), [0, 1, 2, 5]);
        assert!(allowed_cores("").is_empty());
    }

    #[test]
    fn generators_get_their_cores_and_the_service_the_rest() {
        let cores = Cores::of(taskset(), &[3, 5, 6], 1, 1);
        let line = |command: Command| crate::process::line_of(&command);
        assert_eq!(line(cores.service(Path::new("s"))), "/bin/taskset --cpu-list 3,5 s");
        assert_eq!(line(cores.generator(Path::new("g"))), "/bin/taskset --cpu-list 6 g");
        assert_eq!((cores.service_threads(), cores.generator_threads()), (2, 1));
    }

    #[test]
    fn the_service_keeps_its_cores_when_fewer_generators_run_than_were_reserved_for() {
        assert!(
            Cores::of(taskset(), &[0, 1, 2, 3], 1, 2).describe().starts_with("service on cores 0,1, generators on")
        );
        assert!(Cores::of(taskset(), &[0, 1, 2, 3], 2, 2).describe().ends_with("generators on cores 2,3"));
    }

    #[test]
    fn too_few_cores_are_shared_and_that_is_said() {
        let shared = Cores::of(taskset(), &[0, 1], 2, 2).describe();
        assert!(shared.starts_with("service on cores 0,1, generators on cores 0,1; they share"), "{shared}");
    }

    #[test]
    fn why_nothing_is_pinned_is_said() {
        assert!(Cores::of(None, &[0, 1], 1, 1).describe().ends_with("for there is no taskset on PATH"));
        assert!(Cores::of(taskset(), &[0], 1, 1).describe().ends_with("for there is only one core"));
    }
}
