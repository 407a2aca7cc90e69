//! How long a process was ready to run and had no core: the plainest sign that a machine has other things to do.
//!
//! Linux counts it per thread (`schedstat`, the second number). Where there is no such file, nothing was waited for.

use std::fs;

/// Over all threads that the process `pid` has now, in seconds.
pub(super) fn seconds(pid: u32) -> f64 {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let counted = tasks.filter_map(|task| nanos(&fs::read_to_string(task.path().join("schedstat")).ok()?));
    counted.sum::<u64>() as f64 / 1e9
}

fn nanos(schedstat: &str) -> Option<u64> {
    schedstat.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_number_counts() {
        assert_eq!(nanos("81234 133527 1\n"), Some(133_527));
        assert_eq!(nanos(""), None);
    }

    #[test]
    fn a_process_that_is_not_there_waits_for_nothing() {
        assert!(seconds(u32::MAX).abs() < f64::EPSILON);
    }
}
