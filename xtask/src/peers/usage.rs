//! What a process used up: CPU time and the peak of its memory, as the kernel accounts them. Linux only, for the peak
//! is read from `/proc`.

use std::fs;
use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, bail};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;

use crate::interrupt;
use crate::process::{self, Running};
use crate::wait::{Deadline, PAUSE};

/// A process that ended well, with what it said on stdout and what it took.
#[derive(Debug)]
pub(super) struct Metered {
    pub(super) stdout: String,
    /// User and system time of all its threads.
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
    // A child's time is added to its parent's account when it is reaped, in microseconds where `/proc` has hundredths
    // of a second. Nothing else is reaped meanwhile.
    let before = cpu_s_of_reaped()?;
    let status = running.wait()?;
    let cpu_s = cpu_s_of_reaped()? - before;
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

/// User and system time of all children that ended and were waited for.
fn cpu_s_of_reaped() -> anyhow::Result<f64> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).context("cannot read the CPU time of a generator")?;
    let seconds = |time: TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    Ok(seconds(usage.user_time()) + seconds(usage.system_time()))
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
