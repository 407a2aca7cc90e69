//! Looking at what a running tool does: waiting for it with an end, reading its record, sending it signals.

use std::path::Path;
use std::process::Child;
use std::thread::sleep;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

const LOOKS: usize = 400;
const PAUSE: Duration = Duration::from_millis(25);

/// Waits until `look` finds something, for ten seconds at most.
///
/// # Panics
/// When it never does.
#[track_caller]
pub fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    for _ in 0..LOOKS {
        if let Some(found) = look() {
            return found;
        }
        sleep(PAUSE);
    }
    panic!("waited for nothing: {what}");
}

/// The whole rows of a fact file so far: none when there is no file yet, and a last row that is still being written
/// does not count.
///
/// # Panics
/// When a whole row is no JSON.
#[must_use]
pub fn rows_of(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let whole = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
    whole.map(|line| serde_json::from_str(line).expect("rows are JSON")).collect()
}

/// Sends a signal to a process, e.g. `Signal::STOP` to a server that shall hang.
///
/// # Panics
/// When there is no such process.
pub fn signal(pid: u32, signal: Signal) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).expect("a process has a positive id");
    kill_process(pid, signal).expect("the process runs");
}

/// Waits for the end of a started tool; false when it still runs after ten seconds.
///
/// # Panics
/// When it cannot be waited for.
#[must_use]
pub fn ends_soon(child: &mut Child) -> bool {
    for _ in 0..LOOKS {
        if child.try_wait().expect("the child is ours").is_some() {
            return true;
        }
        sleep(PAUSE);
    }
    false
}
