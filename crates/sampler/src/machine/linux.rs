//! The host as `/proc` shows it.
//!
//! Shares of CPU and rates are differences between two readings, so the first reading has none. All else are the kernel's
//! values of the moment and its counters since boot. Time stalled comes from its totals (PSI), not from its averages, which
//! would smear what a sample is for.

use std::collections::BTreeMap;
use std::path::Path;

use plimsoll_record::series::GapReason;
use plimsoll_record::{Offset, RunClock};
use procfs::{
    CpuPressure, CpuTime, Current, CurrentSI, IoPressure, KernelStats, Meminfo, MemoryPressure, ProcError, ProcResult,
};

use crate::probe::{Failure, Probe, Reading, ReadingFuture};

/// The kernel counts a sector as 512 bytes, whatever the device.
const SECTOR_BYTES: f64 = 512.0;

/// Block devices that are views of others: counting them too would count the same bytes twice.
const VIRTUAL_DISKS: [&str; 5] = ["loop", "ram", "zram", "dm-", "md"];

/// Samples CPU, memory, swap, disks and network of the host.
#[derive(Debug)]
pub struct HostProbe {
    clock: RunClock,
    cpu: Option<CpuTicks>,
    counted: Option<(Offset, Counters)>,
    cores: usize,
    memory_total: u64,
}

/// Bytes since boot, each with the name of its rate.
type Counters = [(&'static str, Option<f64>); 4];

#[derive(Clone, Copy, Debug)]
struct CpuTicks {
    busy: u64,
    total: u64,
}

impl HostProbe {
    /// A probe of this host. The clock relates counters to time passed.
    #[must_use]
    pub fn new(clock: RunClock) -> Self {
        Self { clock, cpu: None, counted: None, cores: 0, memory_total: 0 }
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
        let counters = [
            ("disk_read_rate", disks.map(|(read, _)| read)),
            ("disk_write_rate", disks.map(|(_, written)| written)),
            ("network_sent_rate", network.map(|(sent, _)| sent)),
            ("network_received_rate", network.map(|(_, received)| received)),
        ];
        self.set_rates(counters, &mut reading);
        set_stalls(&mut reading);
        reading.set("tcp_retransmits", procfs::net::snmp().ok().map(|counts| counts.tcp_retrans_segs as f64));
        let extended = std::fs::read_to_string("/proc/net/netstat").unwrap_or_default();
        reading.set("tcp_listen_drops", extended_count(&extended, "TcpExt", "ListenDrops"));
        Ok(reading)
    }

    fn set_rates(&mut self, counters: Counters, reading: &mut Reading) {
        let at = self.clock.now();
        let Some((then, before)) = self.counted.replace((at, counters)) else { return };
        let seconds = at.since(then) as f64 / 1e9;
        for ((key, now), (_, then)) in counters.into_iter().zip(before) {
            let rise = now.zip(then).map(|(now, then)| now - then).filter(|rise| *rise >= 0.0 && seconds > 0.0);
            reading.set(key, rise.map(|rise| rise / seconds));
        }
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

/// Time in which at least one task waited, from the totals that the kernel keeps in microseconds.
fn set_stalls(reading: &mut Reading) {
    let seconds = |total: u64| total as f64 / 1e6;
    reading.set("cpu_stalled_seconds", CpuPressure::current().ok().map(|pressure| seconds(pressure.some.total)));
    reading.set("memory_stalled_seconds", MemoryPressure::current().ok().map(|pressure| seconds(pressure.some.total)));
    reading.set("io_stalled_seconds", IoPressure::current().ok().map(|pressure| seconds(pressure.some.total)));
}

/// A count of `/proc/net/netstat`, where a line of names stands above the line of its numbers.
fn extended_count(text: &str, group: &str, wanted: &str) -> Option<f64> {
    let mut lines = text.lines().filter_map(|line| line.strip_prefix(group)?.strip_prefix(':'));
    let (names, numbers) = (lines.next()?, lines.next()?);
    let at = names.split_ascii_whitespace().position(|name| name == wanted)?;
    numbers.split_ascii_whitespace().nth(at)?.parse().ok()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_is_sampled_and_cpu_needs_two_readings() {
        let mut host = HostProbe::new(RunClock::start());
        let first = host.sample().unwrap().values;
        assert!(!first.contains_key("cpu_share") && !first.contains_key("network_sent_rate"), "{first:?}");
        assert!(first.contains_key("tcp_retransmits") && first.contains_key("tcp_listen_drops"), "{first:?}");
        assert!(first["memory_used"] > 1e6 && first["memory_share"] <= 1.0, "{first:?}");
        assert!(first.contains_key("network_sent_bytes"), "{first:?}");
        let second = host.sample().unwrap().values;
        assert!(second["network_sent_rate"] >= 0.0 && second["disk_write_rate"] >= 0.0, "{second:?}");
    }

    #[test]
    fn shares_are_taken_over_the_ticks_that_passed() {
        let before = CpuTicks { busy: 100, total: 1000 };
        assert_eq!(CpuTicks { busy: 150, total: 1200 }.share_since(before), Some(0.25));
        assert_eq!(before.share_since(before), None, "no tick passed");
    }

    #[test]
    fn a_count_stands_below_its_name() {
        let text = "TcpExt: SyncookiesSent ListenOverflows ListenDrops\nTcpExt: 1 2 3\nIpExt: InNoRoutes\nIpExt: 9\n";
        assert_eq!(extended_count(text, "TcpExt", "ListenDrops"), Some(3.0));
        assert_eq!(extended_count(text, "TcpExt", "Nothing"), None);
        assert_eq!(extended_count("", "TcpExt", "ListenDrops"), None);
    }
}
