//! A process as `/proc` shows it, found by pid, by the name of its executable, or by the port it listens on.
//!
//! Its share of shared pages (PSS) makes the kernel walk its memory, so it is read at the first and the last reading and
//! once a minute.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use plimsoll_plan::ProcessWatch;
use plimsoll_record::series::{GapReason, MarkKind};
use plimsoll_record::{Offset, RunClock};
use procfs::net::TcpState;
use procfs::process::{FDTarget, Process, Stat};
use procfs::{ProcError, ProcResult, WithCurrentSystemInfo};

use crate::probe::{Failure, Probe, Reading, ReadingFuture};

const PSS_EVERY_NS: u64 = 60_000_000_000;

/// Samples memory, CPU, threads and open files of a process.
pub struct ProcessProbe {
    watch: ProcessWatch,
    clock: RunClock,
    found: Option<Found>,
    walked: Option<Offset>,
    is_last: bool,
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
        Self { watch: watch.clone(), clock, found: None, walked: None, is_last: false }
    }

    fn sample(&mut self) -> Result<Reading, Failure> {
        let before = self.found;
        let gone = |_| Failure::new(GapReason::Gone, format!("{} is not running", self.watch));
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
                self.walked = None;
            }
            None => {}
        }
        reading.set("cpu_seconds", Some(now.ticks as f64 / procfs::ticks_per_second() as f64));
        reading.set("rss", Some(stat.rss_bytes().get() as f64));
        reading.set("pss", self.walks(now.at).then(|| pss(&process)).flatten());
        reading.set("threads", Some(stat.num_threads as f64));
        // Reading the descriptors of another user's process needs rights that its memory does not.
        reading.set("open_files", process.fd_count().ok().map(|count| count as f64));
        self.found = Some(now);
        Ok(reading)
    }

    /// True when the process's memory is due for a walk, which is then taken.
    fn walks(&mut self, at: Offset) -> bool {
        let due = self.is_last || self.walked.is_none_or(|before| at.since(before) >= PSS_EVERY_NS);
        if due {
            self.walked = Some(at);
        }
        due
    }

    /// The same process as before, else the one that answers to the description now.
    fn find(&self, before: Option<Found>) -> ProcResult<(Process, Stat)> {
        let pid = match &self.watch {
            ProcessWatch::Pid(pid) => Some(i32::try_from(*pid).unwrap_or(i32::MAX)),
            ProcessWatch::Name(_) | ProcessWatch::Port(_) => before.map(|found| found.pid),
        };
        let same = |stat: &Stat| before.is_none_or(|found| found.started == stat.starttime);
        match (pid.map(running), &self.watch) {
            (Some(Ok((process, stat))), _) if same(&stat) => Ok((process, stat)),
            (_, ProcessWatch::Name(name)) => oldest(|process| is_named(process, name)),
            (_, ProcessWatch::Port(port)) => {
                let sockets = listeners(*port);
                if sockets.is_empty() {
                    Err(ProcError::NotFound(None))
                } else {
                    oldest(|process| holds(process, &sockets))
                }
            }
            (_, ProcessWatch::Pid(_)) => Err(ProcError::NotFound(None)),
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

fn pss(process: &Process) -> Option<f64> {
    let rollup = process.smaps_rollup().ok()?;
    let map = rollup.memory_map_rollup.0.first()?;
    map.extension.map.get("Pss").map(|bytes| *bytes as f64)
}

/// A process that still runs: a zombie has ended, only nobody has asked for its exit code yet.
fn running(pid: i32) -> ProcResult<(Process, Stat)> {
    let process = Process::new(pid)?;
    let stat = process.stat()?;
    if matches!(stat.state, 'Z' | 'X') { Err(ProcError::NotFound(None)) } else { Ok((process, stat)) }
}

/// The oldest other process that is wanted: the first of a family.
fn oldest(wanted: impl Fn(&Process) -> bool) -> ProcResult<(Process, Stat)> {
    let own = std::process::id();
    let processes = procfs::process::all_processes()?.flatten().filter(|process| process.pid().unsigned_abs() != own);
    let found = processes.filter(|process| wanted(process)).filter_map(|process| running(process.pid()).ok());
    found.min_by_key(|(_, stat)| stat.starttime).ok_or(ProcError::NotFound(None))
}

/// True for the name of the executable's file; kernels cut the short name that others see to 15 bytes.
fn is_named(process: &Process, name: &str) -> bool {
    let file = |path: &Path| path.file_name().is_some_and(|file| file == name);
    match process.exe() {
        Ok(exe) => file(&exe),
        Err(_) => process.stat().is_ok_and(|stat| !stat.comm.is_empty() && name.starts_with(&stat.comm)),
    }
}

/// The sockets that listen on a port, by inode.
fn listeners(port: u16) -> BTreeSet<u64> {
    let tables = [procfs::net::tcp(), procfs::net::tcp6()].into_iter().flatten().flatten();
    let listening = tables.filter(|entry| entry.state == TcpState::Listen && entry.local_address.port() == port);
    listening.map(|entry| entry.inode).collect()
}

fn holds(process: &Process, sockets: &BTreeSet<u64>) -> bool {
    let Ok(mut descriptors) = process.fd() else { return false };
    descriptors
        .any(|fd| matches!(fd, Ok(fd) if matches!(fd.target, FDTarget::Socket(inode) if sockets.contains(&inode))))
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

    fn prepare_for_last(&mut self) {
        self.is_last = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_found_by_its_pid() {
        let mut probe = ProcessProbe::new(&ProcessWatch::Pid(std::process::id()), RunClock::start());
        let values = probe.sample().unwrap().values;
        assert!(values["rss"] > 1e5 && values["threads"] >= 1.0 && values["open_files"] >= 3.0, "{values:?}");
        assert!(values["pss"] > 1e5 && values["pss"] <= values["rss"] * 1.1, "{values:?}");
        assert_eq!(probe.sample().unwrap().values.get("pss"), None, "walking its memory is not for each reading");
        probe.prepare_for_last();
        assert!(probe.sample().unwrap().values.contains_key("pss"));
    }

    #[test]
    fn the_sockets_that_listen_on_a_port_are_told_from_others() {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let sockets = listeners(port);
        let own = Process::new(i32::try_from(std::process::id()).unwrap()).unwrap();
        assert!(holds(&own, &sockets), "{sockets:?}");
        assert!(!holds(&own, &BTreeSet::from([u64::MAX])));
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
        for watch in [ProcessWatch::Name("no-such-program".to_owned()), ProcessWatch::Port(1)] {
            let failure = ProcessProbe::new(&watch, RunClock::start()).sample().unwrap_err();
            assert_eq!((failure.reason, failure.detail), (GapReason::Gone, format!("{watch} is not running")));
        }
    }
}
