//! The host and a process as `/proc` shows them.
//!
//! Shares of CPU are differences between two readings, so the first reading has none. Disk and network are the
//! kernel's counters since boot; rates are made from them by whoever reads the record.

use std::collections::BTreeMap;
use std::path::Path;

use plimsoll_plan::ProcessWatch;
use plimsoll_record::series::{GapReason, MarkKind};
use plimsoll_record::{Offset, RunClock};
use procfs::process::{Process, Stat};
use procfs::{CpuTime, Current, CurrentSI, KernelStats, Meminfo, ProcError, ProcResult, WithCurrentSystemInfo};

use crate::probe::{Failure, Probe, Reading, ReadingFuture};

/// The kernel counts a sector as 512 bytes, whatever the device.
const SECTOR_BYTES: f64 = 512.0;

/// Block devices that are views of others: counting them too would count the same bytes twice.
const VIRTUAL_DISKS: [&str; 5] = ["loop", "ram", "zram", "dm-", "md"];

/// Samples CPU, memory, swap, disks and network of the host.
#[derive(Debug, Default)]
pub struct HostProbe {
    cpu: Option<CpuTicks>,
    cores: usize,
    memory_total: u64,
}

#[derive(Clone, Copy, Debug)]
struct CpuTicks {
    busy: u64,
    total: u64,
}

impl HostProbe {
    /// A probe of this host.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn sample(&mut self) -> Result<Reading, Failure> {
        let mut reading = Reading::default();
        let stats = KernelStats::current().map_err(|error| unreadable("/proc/stat", &error))?;
        let now = CpuTicks::of(&stats.total);
        reading.set("cpu_share", self.cpu.and_then(|before| now.share_since(before)));
        (self.cpu, self.cores) = (Some(now), stats.cpu_time.len());

        let memory = Meminfo::current().map_err(|error| unreadable("/proc/meminfo", &error))?;
        self.memory_total = memory.mem_total;
        let used = memory.mem_available.map(|available| memory.mem_total.saturating_sub(available) as f64);
        reading.set("memory_used", used);
        reading.set("memory_share", used.map(|used| used / memory.mem_total as f64));
        reading.set("swap_used", Some(memory.swap_total.saturating_sub(memory.swap_free) as f64));

        let disks = disk_bytes().ok();
        reading.set("disk_read_bytes", disks.map(|(read, _)| read));
        reading.set("disk_write_bytes", disks.map(|(_, written)| written));
        let network = network_bytes().ok();
        reading.set("network_sent_bytes", network.map(|(sent, _)| sent));
        reading.set("network_received_bytes", network.map(|(_, received)| received));
        Ok(reading)
    }
}

impl CpuTicks {
    fn of(time: &CpuTime) -> Self {
        let idle = time.idle + time.iowait.unwrap_or(0);
        let other = [time.irq, time.softirq, time.steal].into_iter().flatten().sum::<u64>();
        let busy = time.user + time.nice + time.system + other;
        Self { busy, total: busy + idle }
    }

    fn share_since(self, before: Self) -> Option<f64> {
        let total = self.total.checked_sub(before.total).filter(|ticks| *ticks > 0)?;
        Some((self.busy.saturating_sub(before.busy) as f64 / total as f64).min(1.0))
    }
}

/// Bytes read from and written to whole devices since boot.
fn disk_bytes() -> ProcResult<(f64, f64)> {
    let is_disk = |name: &str| {
        !VIRTUAL_DISKS.iter().any(|prefix| name.starts_with(prefix)) && Path::new("/sys/block").join(name).exists()
    };
    let disks = procfs::diskstats()?;
    let disks = disks.iter().filter(|disk| is_disk(&disk.name));
    Ok(disks.fold((0.0, 0.0), |(read, written), disk| {
        (read + disk.sectors_read as f64 * SECTOR_BYTES, written + disk.sectors_written as f64 * SECTOR_BYTES)
    }))
}

/// Bytes sent and received on all interfaces since boot.
fn network_bytes() -> ProcResult<(f64, f64)> {
    let interfaces = procfs::net::dev_status()?;
    Ok(interfaces.values().fold((0.0, 0.0), |(sent, received), interface| {
        (sent + interface.sent_bytes as f64, received + interface.recv_bytes as f64)
    }))
}

fn unreadable(path: &str, error: &ProcError) -> Failure {
    Failure::new(GapReason::Malformed, format!("{path}: {error}"))
}

impl Probe for HostProbe {
    fn source(&self) -> String {
        "this host".to_owned()
    }

    fn identity(&self) -> BTreeMap<String, String> {
        let facts = [("cores", self.cores.to_string()), ("memory_total", self.memory_total.to_string())];
        facts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    fn read(&mut self) -> ReadingFuture<'_> {
        let sample = self.sample();
        Box::pin(async { sample })
    }
}

/// Samples resident memory, CPU, threads and open files of a process.
pub struct ProcessProbe {
    watch: ProcessWatch,
    clock: RunClock,
    found: Option<Found>,
}

/// The process under watch. A pid may be used again, a pid with its start time is unique.
#[derive(Clone, Copy, Debug)]
struct Found {
    pid: i32,
    started: u64,
    ticks: u64,
    at: Offset,
}

impl ProcessProbe {
    /// A probe of the process that `watch` names; it is looked for at each reading until it is there. The clock
    /// relates CPU time to time passed.
    #[must_use]
    pub fn new(watch: &ProcessWatch, clock: RunClock) -> Self {
        Self { watch: watch.clone(), clock, found: None }
    }

    fn sample(&mut self) -> Result<Reading, Failure> {
        let before = self.found;
        let gone = |_| Failure::new(GapReason::Gone, format!("{} is not running", self.source()));
        let (process, stat) = self.find(before).map_err(gone)?;
        let now = Found {
            pid: stat.pid,
            started: stat.starttime,
            ticks: stat.utime.saturating_add(stat.stime),
            at: self.clock.now(),
        };
        let mut reading = Reading::default();
        match before {
            Some(before) if before.started == now.started => reading.set("cpu_share", now.cpu_since(before)),
            Some(before) => {
                let detail = format!("pid {} took the place of pid {}", now.pid, before.pid);
                reading.marks.push((MarkKind::Restarted, detail));
            }
            None => {}
        }
        reading.set("rss", Some(stat.rss_bytes().get() as f64));
        reading.set("threads", Some(stat.num_threads as f64));
        // Reading the descriptors of another user's process needs rights that its memory does not.
        reading.set("open_files", process.fd_count().ok().map(|count| count as f64));
        self.found = Some(now);
        Ok(reading)
    }

    /// The same process as before, else the one that answers to the name now.
    fn find(&self, before: Option<Found>) -> ProcResult<(Process, Stat)> {
        let pid = match &self.watch {
            ProcessWatch::Pid(pid) => Some(i32::try_from(*pid).unwrap_or(i32::MAX)),
            ProcessWatch::Name(_) | ProcessWatch::Port(_) => before.map(|found| found.pid),
        };
        let same = |stat: &Stat| before.is_none_or(|found| found.started == stat.starttime);
        match (pid.map(running), &self.watch) {
            (Some(Ok((process, stat))), _) if same(&stat) => Ok((process, stat)),
            (_, ProcessWatch::Name(name)) => oldest_named(name),
            (_, ProcessWatch::Pid(_) | ProcessWatch::Port(_)) => Err(ProcError::NotFound(None)),
        }
    }
}

impl Found {
    fn cpu_since(&self, before: Self) -> Option<f64> {
        let seconds = self.at.since(before.at) as f64 / 1e9;
        let ticks = self.ticks.saturating_sub(before.ticks) as f64;
        (seconds > 0.0).then(|| ticks / procfs::ticks_per_second() as f64 / seconds)
    }
}

/// A process that still runs: a zombie has ended, only nobody has asked for its exit code yet.
fn running(pid: i32) -> ProcResult<(Process, Stat)> {
    let process = Process::new(pid)?;
    let stat = process.stat()?;
    if matches!(stat.state, 'Z' | 'X') { Err(ProcError::NotFound(None)) } else { Ok((process, stat)) }
}

fn oldest_named(name: &str) -> ProcResult<(Process, Stat)> {
    let own = std::process::id();
    let processes = procfs::process::all_processes()?.flatten().filter(|process| process.pid().unsigned_abs() != own);
    let named = processes.filter(|process| is_named(process, name)).filter_map(|process| running(process.pid()).ok());
    named.min_by_key(|(_, stat)| stat.starttime).ok_or(ProcError::NotFound(None))
}

/// True for the name of the executable's file; kernels cut the short name that others see to 15 bytes.
fn is_named(process: &Process, name: &str) -> bool {
    let file = |path: &Path| path.file_name().is_some_and(|file| file == name);
    match process.exe() {
        Ok(exe) => file(&exe),
        Err(_) => process.stat().is_ok_and(|stat| !stat.comm.is_empty() && name.starts_with(&stat.comm)),
    }
}

impl Probe for ProcessProbe {
    fn source(&self) -> String {
        self.watch.to_string()
    }

    fn identity(&self) -> BTreeMap<String, String> {
        self.found.iter().map(|found| ("pid".to_owned(), found.pid.to_string())).collect()
    }

    fn read(&mut self) -> ReadingFuture<'_> {
        let sample = self.sample();
        Box::pin(async { sample })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_is_sampled_and_cpu_needs_two_readings() {
        let mut host = HostProbe::new();
        let first = host.sample().unwrap().values;
        assert!(!first.contains_key("cpu_share"), "{first:?}");
        assert!(first["memory_used"] > 1e6 && first["memory_share"] <= 1.0, "{first:?}");
        assert!(first.contains_key("network_sent_bytes"), "{first:?}");
    }

    #[test]
    fn shares_are_taken_over_the_ticks_that_passed() {
        let before = CpuTicks { busy: 100, total: 1000 };
        assert_eq!(CpuTicks { busy: 150, total: 1200 }.share_since(before), Some(0.25));
        assert_eq!(before.share_since(before), None, "no tick passed");
    }

    #[test]
    fn this_process_is_found_by_its_pid() {
        let mut probe = ProcessProbe::new(&ProcessWatch::Pid(std::process::id()), RunClock::start());
        let values = probe.sample().unwrap().values;
        assert!(values["rss"] > 1e5 && values["threads"] >= 1.0 && values["open_files"] >= 3.0, "{values:?}");
    }

    #[test]
    fn an_ended_process_is_gone_and_never_another_one() {
        let mut child = std::process::Command::new("sleep").arg("30").spawn().unwrap();
        let mut probe = ProcessProbe::new(&ProcessWatch::Pid(child.id()), RunClock::start());
        probe.sample().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(probe.sample().unwrap_err().reason, GapReason::Gone);
    }

    #[test]
    fn a_process_that_is_not_there_yet_is_a_gap() {
        let mut probe = ProcessProbe::new(&ProcessWatch::Name("no-such-program".to_owned()), RunClock::start());
        let failure = probe.sample().unwrap_err();
        assert_eq!(failure.reason, GapReason::Gone);
        assert!(failure.detail.contains("no-such-program"), "{failure:?}");
    }
}
