//! Control groups as files, version 1 and version 2: usage, limits, throttling, kills.
//!
//! Limits may stand on a parent only; what counts here is the container's own group, as its engine sets it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::Usage;

/// Version 1 writes "no limit" as a number near the largest there is.
const NO_LIMIT: f64 = 1e18;

/// Where control groups are mounted, and where processes are looked up.
#[derive(Clone, Debug)]
pub(super) struct Hierarchy {
    root: PathBuf,
    processes: PathBuf,
}

/// One control group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Group {
    /// One directory per controller: memory, cpu, cpuacct, blkio, pids.
    First(BTreeMap<&'static str, PathBuf>),
    /// One directory.
    Second(PathBuf),
}

impl Hierarchy {
    pub(super) fn of_this_machine() -> Self {
        Self { root: PathBuf::from("/sys/fs/cgroup"), processes: PathBuf::from("/proc") }
    }

    /// The group at this path below the root; `None` when there is none.
    pub(super) fn group(&self, path: &Path) -> Option<Group> {
        let path = path.strip_prefix("/").unwrap_or(path);
        let second = self.root.join(path);
        if second.join("memory.current").is_file() || second.join("cgroup.controllers").is_file() {
            return Some(Group::Second(second));
        }
        let found = CONTROLLERS.into_iter().map(|controller| (controller, self.root.join(controller).join(path)));
        let found: BTreeMap<_, _> = found.filter(|(_, dir)| dir.is_dir()).collect();
        (!found.is_empty()).then_some(Group::First(found))
    }

    /// True when this process is in the group of this container, which bears the container's id in its name.
    pub(super) fn holds(&self, pid: i32, id: &str) -> bool {
        let groups = fs::read_to_string(self.processes.join(pid.to_string()).join("cgroup"));
        !id.is_empty() && groups.is_ok_and(|groups| groups.contains(id))
    }

    /// What the group of a process uses, and what its network namespace carried.
    pub(super) fn usage_of_process(&self, pid: i32) -> Option<Usage> {
        let process = self.processes.join(pid.to_string());
        let mut usage = self.group_of(&fs::read_to_string(process.join("cgroup")).ok()?)?.usage()?;
        usage.network = fs::read_to_string(process.join("net/dev")).ok().map(|text| network(&text));
        Some(usage)
    }

    /// The group that `/proc/PID/cgroup` names: lines of `number:controllers:path`.
    fn group_of(&self, text: &str) -> Option<Group> {
        let mut found = BTreeMap::new();
        for line in text.lines() {
            let mut parts = line.splitn(3, ':');
            let (Some(_), Some(controllers), Some(path)) = (parts.next(), parts.next(), parts.next()) else { continue };
            let below = path.trim_start_matches('/');
            if controllers.is_empty() && self.root.join(below).join("memory.current").is_file() {
                return Some(Group::Second(self.root.join(below)));
            }
            for controller in CONTROLLERS.into_iter().filter(|one| controllers.split(',').any(|other| other == *one)) {
                let dir = self.root.join(controller).join(below);
                if dir.is_dir() {
                    found.insert(controller, dir);
                }
            }
        }
        // The root group is the whole machine: a process that is in no group of its own is in no container's.
        let is_own = found.get("memory").is_some_and(|dir| *dir != self.root.join("memory"));
        is_own.then_some(Group::First(found))
    }
}

const CONTROLLERS: [&str; 5] = ["memory", "cpu", "cpuacct", "blkio", "pids"];

impl Group {
    /// What it uses; `None` when it is gone.
    pub(super) fn usage(&self) -> Option<Usage> {
        match self {
            Self::First(dirs) => first(dirs),
            Self::Second(dir) => second(dir),
        }
    }
}

fn first(dirs: &BTreeMap<&'static str, PathBuf>) -> Option<Usage> {
    let file = |controller: &str, name: &str| fs::read_to_string(dirs.get(controller)?.join(name)).ok();
    let value = |controller: &str, name: &str| file(controller, name)?.trim().parse::<f64>().ok();
    let memory = words(&file("memory", "memory.stat")?);
    let throttling = words(&file("cpu", "cpu.stat").unwrap_or_default());
    let kills = words(&file("memory", "memory.oom_control").unwrap_or_default());
    let quota = value("cpu", "cpu.cfs_quota_us").filter(|quota| *quota > 0.0);
    Some(Usage {
        memory_usage: value("memory", "memory.usage_in_bytes"),
        inactive_file: memory.get("total_inactive_file").copied(),
        anonymous: memory.get("total_rss").copied(),
        memory_limit: value("memory", "memory.limit_in_bytes").filter(|limit| *limit < NO_LIMIT),
        cpu_seconds: value("cpuacct", "cpuacct.usage").map(|ns| ns / 1e9),
        cpu_limit: quota.zip(value("cpu", "cpu.cfs_period_us")).map(|(quota, period)| quota / period),
        throttled_seconds: throttling.get("throttled_time").map(|ns| ns / 1e9),
        oom_kills: kills.get("oom_kill").copied(),
        pids: value("pids", "pids.current"),
        disk: file("blkio", "blkio.throttle.io_service_bytes_recursive")
            .or_else(|| file("blkio", "blkio.throttle.io_service_bytes"))
            .map(|text| disk_of_first(&text)),
        network: None,
    })
}

fn second(dir: &Path) -> Option<Usage> {
    let file = |name: &str| fs::read_to_string(dir.join(name)).ok();
    let value = |name: &str| file(name)?.trim().parse::<f64>().ok();
    let memory = words(&file("memory.stat")?);
    let cpu = words(&file("cpu.stat").unwrap_or_default());
    let kills = words(&file("memory.events").unwrap_or_default());
    Some(Usage {
        memory_usage: value("memory.current"),
        inactive_file: memory.get("inactive_file").copied(),
        anonymous: memory.get("anon").copied(),
        // The word `max` stands for no limit, and is no number.
        memory_limit: value("memory.max"),
        cpu_seconds: cpu.get("usage_usec").map(|us| us / 1e6),
        cpu_limit: file("cpu.max").and_then(|text| {
            let (quota, period) = text.trim().split_once(' ')?;
            Some(quota.parse::<f64>().ok()? / period.parse::<f64>().ok()?)
        }),
        throttled_seconds: cpu.get("throttled_usec").map(|us| us / 1e6),
        oom_kills: kills.get("oom_kill").copied(),
        pids: value("pids.current"),
        disk: file("io.stat").map(|text| disk_of_second(&text)),
        network: None,
    })
}

/// Lines of a word and a number.
fn words(text: &str) -> BTreeMap<String, f64> {
    let pair = |line: &str| {
        let (word, number) = line.trim().split_once(' ')?;
        Some((word.to_owned(), number.trim().parse().ok()?))
    };
    text.lines().filter_map(pair).collect()
}

/// `8:0 Read 4096`: bytes read and written, over all devices.
fn disk_of_first(text: &str) -> (f64, f64) {
    let sum = |wanted: &str| {
        let line = |line: &str| {
            let mut words = line.split_ascii_whitespace().skip(1);
            (words.next()? == wanted).then(|| words.next()?.parse::<f64>().ok()).flatten()
        };
        // Adding to zero: the sum of nothing would be written as -0.
        text.lines().filter_map(line).fold(0.0, |sum, bytes: f64| sum + bytes)
    };
    (sum("Read"), sum("Write"))
}

/// `8:0 rbytes=4096 wbytes=0 rios=1`: bytes read and written, over all devices.
fn disk_of_second(text: &str) -> (f64, f64) {
    let sum = |key: &str| {
        let all = text
            .split_ascii_whitespace()
            .filter_map(|word| word.strip_prefix(key)?.strip_prefix('=')?.parse::<f64>().ok());
        all.fold(0.0, |sum, bytes: f64| sum + bytes)
    };
    (sum("rbytes"), sum("wbytes"))
}

/// Bytes received and sent on all interfaces but the loopback, from `/proc/PID/net/dev`.
fn network(text: &str) -> (f64, f64) {
    let interfaces = text.lines().filter_map(|line| line.split_once(':')).filter(|(name, _)| name.trim() != "lo");
    interfaces.fold((0.0, 0.0), |(received, sent), (_, counters)| {
        let at = |i: usize| counters.split_ascii_whitespace().nth(i).and_then(|number| number.parse::<f64>().ok());
        (received + at(0).unwrap_or(0.0), sent + at(8).unwrap_or(0.0))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Machine {
        dir: tempfile::TempDir,
        hierarchy: Hierarchy,
    }

    impl Machine {
        fn new(files: &[(&str, &str)]) -> Self {
            let dir = tempfile::tempdir().unwrap();
            let hierarchy = Hierarchy { root: dir.path().join("cgroup"), processes: dir.path().join("proc") };
            let machine = Self { dir, hierarchy };
            for (path, text) in files {
                let path = machine.dir.path().join(path);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, text).unwrap();
            }
            machine
        }
    }

    const NET: &str = "Inter-|   Receive\n face |bytes\n    lo: 9 0 0 0 0 0 0 0 9 0\n  eth0: 500 1 0 0 0 0 0 0 70 1\n";

    #[test]
    fn a_group_of_version_2_is_read_through_one_of_its_processes() {
        let group = "cgroup/system.slice/docker-1.scope";
        let file = |name: &str| format!("{group}/{name}");
        let machine = Machine::new(&[
            (&file("memory.current"), "1000\n"),
            (&file("memory.stat"), "anon 600\nfile 400\ninactive_file 300\n"),
            (&file("memory.max"), "2000\n"),
            (&file("memory.events"), "low 0\noom 3\noom_kill 2\n"),
            (&file("cpu.stat"), "usage_usec 2500000\nnr_throttled 4\nthrottled_usec 1000000\n"),
            (&file("cpu.max"), "150000 100000\n"),
            (&file("io.stat"), "8:0 rbytes=10 wbytes=20 rios=1\n8:16 rbytes=1 wbytes=2\n"),
            (&file("pids.current"), "5\n"),
            ("proc/7/cgroup", "0::/system.slice/docker-1.scope\n"),
            ("proc/7/net/dev", NET),
        ]);
        let expected = Usage {
            memory_usage: Some(1000.0),
            inactive_file: Some(300.0),
            anonymous: Some(600.0),
            memory_limit: Some(2000.0),
            cpu_seconds: Some(2.5),
            cpu_limit: Some(1.5),
            throttled_seconds: Some(1.0),
            oom_kills: Some(2.0),
            pids: Some(5.0),
            disk: Some((11.0, 22.0)),
            network: Some((500.0, 70.0)),
        };
        assert_eq!(machine.hierarchy.usage_of_process(7), Some(expected));
    }

    #[test]
    fn without_limits_version_2_says_max_and_they_are_absent() {
        let machine = Machine::new(&[
            ("cgroup/a/memory.current", "1000"),
            ("cgroup/a/memory.stat", "anon 1\n"),
            ("cgroup/a/memory.max", "max\n"),
            ("cgroup/a/cpu.max", "max 100000\n"),
        ]);
        let usage = machine.hierarchy.group(Path::new("/a")).unwrap().usage().unwrap();
        assert_eq!((usage.memory_limit, usage.cpu_limit, usage.inactive_file), (None, None, None));
    }

    #[test]
    fn a_group_of_version_1_is_read_from_the_directories_of_its_controllers() {
        let machine = Machine::new(&[
            ("cgroup/memory/docker/1/memory.stat", "rss 1\ntotal_rss 600\ninactive_file 1\ntotal_inactive_file 300\n"),
            ("cgroup/memory/docker/1/memory.usage_in_bytes", "1000\n"),
            ("cgroup/memory/docker/1/memory.limit_in_bytes", "9223372036854771712\n"),
            ("cgroup/memory/docker/1/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n"),
            ("cgroup/cpu/docker/1/cpu.stat", "nr_periods 1\nnr_throttled 1\nthrottled_time 500000000\n"),
            ("cgroup/cpu/docker/1/cpu.cfs_quota_us", "50000\n"),
            ("cgroup/cpu/docker/1/cpu.cfs_period_us", "100000\n"),
            ("cgroup/cpuacct/docker/1/cpuacct.usage", "2500000000\n"),
            ("cgroup/blkio/docker/1/blkio.throttle.io_service_bytes", "8:0 Read 10\n8:0 Write 20\n8:0 Total 30\n"),
            ("proc/7/cgroup", "4:memory:/docker/1\n3:cpu,cpuacct:/docker/1\n2:blkio:/docker/1\n0::/\n"),
        ]);
        let usage = machine.hierarchy.usage_of_process(7).unwrap();
        assert_eq!((usage.memory_usage, usage.inactive_file, usage.memory_limit), (Some(1000.0), Some(300.0), None));
        assert_eq!((usage.cpu_seconds, usage.cpu_limit, usage.throttled_seconds), (Some(2.5), Some(0.5), Some(0.5)));
        assert_eq!((usage.oom_kills, usage.disk), (Some(1.0), Some((10.0, 20.0))));
        assert!(machine.hierarchy.holds(7, "docker/1") && !machine.hierarchy.holds(7, "docker/2"));
        assert!(!machine.hierarchy.holds(7, "") && !machine.hierarchy.holds(8, "docker/1"));
    }

    #[test]
    fn the_whole_machine_is_no_container_and_a_group_that_is_gone_is_none() {
        let machine =
            Machine::new(&[("cgroup/memory/memory.stat", "total_rss 1\n"), ("proc/7/cgroup", "4:memory:/\n0::/\n")]);
        assert_eq!(machine.hierarchy.usage_of_process(7), None);
        assert_eq!(machine.hierarchy.group(Path::new("/docker/1")), None);
    }
}
