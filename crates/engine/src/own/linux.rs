//! `/proc`, read through files that stay open.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt as _;

const PORT_RANGE: &str = "/proc/sys/net/ipv4/ip_local_port_range";
const RESERVED_PORTS: &str = "/proc/sys/net/ipv4/ip_local_reserved_ports";

/// How long a thread waited for a core.
#[derive(Debug)]
pub(crate) struct ThreadWaits(Option<File>);

impl ThreadWaits {
    /// Of the calling thread.
    pub(crate) fn of_this_thread() -> Self {
        Self(File::open("/proc/thread-self/schedstat").ok())
    }

    /// Nanoseconds in which it was runnable and another thread had its core. `None` when the kernel keeps no
    /// scheduling statistics.
    pub(crate) fn so_far_ns(&self) -> Option<u64> {
        let mut buffer = [0; 96];
        run_delay_ns(read_start(self.0.as_ref()?, &mut buffer)?)
    }
}

/// The second of: time on a core, time waiting for one, slices. A thread that asks has had a slice, so zero slices
/// mean that nothing is counted.
fn run_delay_ns(schedstat: &str) -> Option<u64> {
    let mut fields = schedstat.split_ascii_whitespace().skip(1).map(str::parse::<u64>);
    let (delay, slices) = (fields.next()?.ok()?, fields.next()?.ok()?);
    (slices > 0).then_some(delay)
}

/// TCP connections in TIME_WAIT.
#[derive(Debug)]
pub(crate) struct TimeWaits(Option<File>);

impl TimeWaits {
    /// The source.
    pub(crate) fn open() -> Self {
        Self(File::open("/proc/self/net/sockstat").ok())
    }

    /// Of all programs in this network namespace.
    pub(crate) fn count(&self) -> Option<u64> {
        let mut buffer = [0; 1024];
        time_wait(read_start(self.0.as_ref()?, &mut buffer)?)
    }
}

fn time_wait(sockstat: &str) -> Option<u64> {
    let tcp = sockstat.lines().find_map(|line| line.strip_prefix("TCP:"))?;
    let mut words = tcp.split_ascii_whitespace();
    words.find(|word| *word == "tw")?;
    words.next()?.parse().ok()
}

/// The kernel makes the text anew for a read from its beginning.
fn read_start<'a>(file: &File, buffer: &'a mut [u8]) -> Option<&'a str> {
    let read = file.read_at(buffer, 0).ok()?;
    std::str::from_utf8(&buffer[..read]).ok()
}

/// Descriptors that this process holds. When not even one is left to look with, all of `limit` are held.
pub(crate) fn open_files(limit: Option<u64>) -> Option<u64> {
    const DIRECTORY: &str = "/proc/self/fd";
    // Since Linux 6.2 the directory's size is their number; before, it is 0 and they have to be counted.
    let size = fs::metadata(DIRECTORY).map_or(0, |directory| directory.len());
    if size > 0 {
        return Some(size);
    }
    match fs::read_dir(DIRECTORY) {
        // The listing's own descriptor is among them.
        Ok(entries) => Some((entries.count() as u64).saturating_sub(1)),
        Err(error) if is_out_of_files(&error) => limit,
        Err(_) => None,
    }
}

fn is_out_of_files(error: &io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::MFILE.raw_os_error())
}

/// Local ports that the system gives to outgoing connections from one address to one target: its range without the
/// reserved ones. `None` where it cannot be known.
#[must_use]
pub fn local_ports() -> Option<u64> {
    let reserved = fs::read_to_string(RESERVED_PORTS).unwrap_or_default();
    ports_in(&fs::read_to_string(PORT_RANGE).ok()?, &reserved)
}

/// `range` is `first last`, `reserved` is `8080,9148-9155`; both ends count.
fn ports_in(range: &str, reserved: &str) -> Option<u64> {
    let mut ends = range.split_ascii_whitespace().map(|word| word.parse::<u64>().ok());
    let (first, last) = (ends.next()??, ends.next()??);
    let size = |first: u64, last: u64| (last + 1).saturating_sub(first);
    let taken = reserved.trim().split(',').filter_map(|span| {
        let (from, to) = span.split_once('-').unwrap_or((span, span));
        let (from, to): (u64, u64) = (from.parse().ok()?, to.parse().ok()?);
        Some(size(from.max(first), to.min(last)))
    });
    Some(size(first, last).saturating_sub(taken.sum()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::own::Inventory;

    #[test]
    fn the_wait_for_a_core_is_the_second_field_and_absent_where_nothing_is_counted() {
        assert_eq!(run_delay_ns("3 1459717 1\n"), Some(1_459_717));
        assert_eq!(run_delay_ns("0 0 0\n"), None);
        assert_eq!(run_delay_ns(""), None);
    }

    #[test]
    fn reserved_ports_are_no_local_ports() {
        assert_eq!(ports_in("32768\t60999\n", "\n"), Some(28_232));
        assert_eq!(ports_in("40000 40019", "8080,40003,40010-40012,40019-50000"), Some(15));
        assert_eq!(ports_in("", ""), None);
    }

    #[test]
    fn connections_in_time_wait_are_found_in_their_line() {
        let text = "sockets: used 21\nTCP: inuse 2 orphan 0 tw 17 alloc 2 mem 42\nUDP: inuse 0 mem 0\n";
        assert_eq!(time_wait(text), Some(17));
        assert_eq!(time_wait("UDP: inuse 0 mem 0\n"), None);
    }

    #[test]
    fn descriptors_are_counted_and_each_connection_takes_a_port() {
        let inventory = Inventory::open(1);
        let before = inventory.take(0);
        let held: Vec<_> = (0..50).map(|_| std::fs::File::open("/dev/null").unwrap()).collect();
        let after = inventory.take(50);
        // Other tests of this process open and close files meanwhile.
        assert!(
            after.open_files.unwrap() + 25 > before.open_files.unwrap() + held.len() as u64,
            "{after:?} {before:?}"
        );
        assert!(after.open_files_limit.is_none_or(|limit| limit >= after.open_files.unwrap()));
        assert!(after.free_ports.unwrap() + 49 < local_ports().unwrap());
    }

    #[test]
    fn two_local_addresses_give_twice_the_ports() {
        assert_eq!(Inventory::open(2).ports, Inventory::open(1).ports.map(|ports| 2 * ports));
    }

    #[test]
    fn this_kernel_tells_a_threads_waits_and_they_only_grow() {
        let waits = ThreadWaits::of_this_thread();
        let before = waits.so_far_ns().expect("this kernel keeps scheduling statistics");
        std::thread::yield_now();
        assert!(waits.so_far_ns().unwrap() >= before, "waits only grow");
    }
}
