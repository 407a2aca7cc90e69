//! What a process used up: CPU time and the peak of its memory, as the kernel accounts them. Linux only, for both are
//! read from `/proc`.

use std::fs;
use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, bail};

use crate::interrupt;
use crate::process::{self, Running};
use crate::wait::{Deadline, PAUSE};

/// Fields of `/proc/PID/stat` after the name in parentheses, counted from 0 (proc_pid_stat(5): fields 14 and 15).
const USER_TICKS: usize = 11;
const SYSTEM_TICKS: usize = 12;
/// `USER_HZ`, in which the kernel reports times to programs: 100 on every architecture that Rust has Linux for.
const TICKS_PER_SECOND: f64 = 100.0;

/// A process that ended well, with what it said on stdout and what it took.
#[derive(Debug)]
pub(super) struct Metered {
    pub(super) stdout: String,
    /// User and system time of all its threads, to 10 ms.
    pub(super) cpu_s: f64,
    /// None where it ended before the first look.
    pub(super) peak_rss_kib: Option<u64>,
}

/// Runs a command to its end. A failure is an error with the command's own words.
pub(super) fn run(command: &mut Command, limit: Duration) -> anyhow::Result<Metered> {
    let line = process::line_of(command);
    let (mut out, mut err) = (process::scratch_file()?, process::scratch_file()?);
    command.stdout(out.try_clone()?).stderr(err.try_clone()?);
    let running = Running::start("a generator", command)?;
    let peak_rss_kib = watch(&running, limit).with_context(|| format!("`{line}`"))?;
    // It has ended and is not reaped, so these are the final times, and its number is still its own.
    let cpu_s = cpu_seconds(&read(running.id(), "stat")?).context("cannot read the CPU time in /proc/PID/stat")?;
    let status = running.wait()?;
    let finished =
        process::Finished { status, stdout: process::text_of(&mut out)?, stderr: process::text_of(&mut err)? };
    if !finished.succeeded() {
        bail!("`{line}`: {}", finished.complaint());
    }
    Ok(Metered { stdout: finished.stdout, cpu_s, peak_rss_kib })
}

/// Waits for the end, up to the limit. A process that ended has no memory left, so the peak is looked up on the way;
/// it never falls, so the last look counts.
fn watch(running: &Running, limit: Duration) -> anyhow::Result<Option<u64>> {
    let deadline = Deadline::after(limit);
    let mut peak = None;
    while !running.has_exited() {
        interrupt::check()?;
        if deadline.has_passed() {
            bail!("it did not end within {} s", limit.as_secs());
        }
        peak = read(running.id(), "status").ok().and_then(|status| peak_rss_kib(&status)).or(peak);
        thread::sleep(PAUSE);
    }
    Ok(peak)
}

fn read(pid: u32, file: &str) -> anyhow::Result<String> {
    let path = format!("/proc/{pid}/{file}");
    fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))
}

fn cpu_seconds(stat: &str) -> Option<f64> {
    // The name may hold spaces and parentheses of its own; the last one ends it.
    let (_, fields) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let ticks = |index: usize| fields.get(index)?.parse::<u32>().ok();
    Some(f64::from(ticks(USER_TICKS)? + ticks(SYSTEM_TICKS)?) / TICKS_PER_SECOND)
}

fn peak_rss_kib(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_secs(20);

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn user_and_system_time_are_found_after_a_name_with_spaces_and_parentheses() {
        let stat = "7 (a) b (c) Z 1 7 7 0 -1 4 1 0 0 0 250 50 0 0 20 0 1 0 99 0 0 184467";
        assert_eq!(cpu_seconds(stat), Some(3.0));
        assert_eq!(cpu_seconds("7 (a) Z 1"), None);
    }

    #[test]
    fn the_peak_is_read_in_kib() {
        assert_eq!(peak_rss_kib("VmPeak:\t 9 kB\nVmHWM:\t    5120 kB\nVmRSS:\t 4 kB\n"), Some(5120));
        assert_eq!(peak_rss_kib("Name:\tzombie\nState:\tZ (zombie)\n"), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn what_a_process_said_and_took_is_kept_after_its_end() {
        let script = "i=0; while [ $i -lt 200000 ]; do i=$((i + 1)); done; echo done";
        let metered = run(&mut shell(script), SOON).unwrap();
        assert_eq!(metered.stdout, "done\n");
        assert!(metered.cpu_s > 0.0, "{metered:?}");
        assert!(metered.peak_rss_kib.unwrap() > 100, "{metered:?}");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_failure_is_quoted() {
        let error = run(&mut shell("echo error: no such option >&2; exit 2"), SOON).unwrap_err();
        assert!(error.to_string().ends_with("error: no such option"), "{error}");
    }
}
