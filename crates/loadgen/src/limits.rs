//! The machine's limits that stand in the way of many connections: said before the run, not found in its record.
//!
//! Only a limit under which not one request could be sent is an error; everything else is a warning, because the
//! record names what ran out.

use std::num::NonZeroU32;

use plimsoll_engine::local_ports;
use plimsoll_plan::Plan;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::exit::{ENVIRONMENT, Failure};

/// Descriptors needed beside those of connections.
const SPARE: u64 = 64;
/// Fewer than these, and not one worker gets its runtime, its timer and a connection.
const LEAST: u64 = 9;

/// Raises what may be raised for `connections` of `plan`, and says what will be short.
///
/// # Errors
/// [`Failure`] when nothing could be sent at all.
pub(crate) fn prepare(plan: &Plan, connections: u64) -> Result<Vec<String>, Failure> {
    let files = raise(connections);
    if let Files::TooFew(available) = files {
        let message = format!(
            "error: the limit on open files is {available}, and loadgen needs {LEAST} to send anything; raise it with `ulimit -n {}`",
            connections + SPARE
        );
        return Err(Failure::new(ENVIRONMENT, message));
    }
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get() as u64);
    let warnings = [
        files.warning(connections),
        ports_warning(connections, local_addresses(plan), local_ports()),
        workers_warning(plan.generator.workers, cores),
    ];
    Ok(warnings.into_iter().flatten().collect())
}

/// Raises the limit on open files as far as this user may, and says when it is still below what `connections` need.
pub(crate) fn raise_open_files(connections: u32) -> Option<String> {
    raise(connections.into()).warning(connections.into())
}

/// How many files may be open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Files {
    Enough,
    Short(u64),
    TooFew(u64),
}

impl Files {
    fn of(available: Option<u64>, connections: u64) -> Self {
        match available {
            Some(available) if available < LEAST => Self::TooFew(available),
            Some(available) if available < connections + SPARE => Self::Short(available),
            _ => Self::Enough,
        }
    }

    fn warning(self, connections: u64) -> Option<String> {
        let (Self::Short(available) | Self::TooFew(available)) = self else { return None };
        let needed = connections + SPARE;
        Some(format!(
            "warning: {connections} connections need {needed} open files and the limit is {available}; \
             raise it with `ulimit -n {needed}`"
        ))
    }
}

/// Raises the limit on open files as far as this user may.
fn raise(connections: u64) -> Files {
    let needed = connections + SPARE;
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= needed) {
        return Files::Enough;
    }
    let wanted = limit.maximum.map_or(needed, |maximum| maximum.min(needed));
    let raised = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum: limit.maximum }).is_ok();
    Files::of(if raised { Some(wanted) } else { limit.current }, connections)
}

/// How many addresses of this machine the connections leave from.
fn local_addresses(plan: &Plan) -> u64 {
    let ranges = plan.target.iter().flat_map(|target| &target.local_addresses);
    ranges.map(|range| range.addresses().count() as u64).sum::<u64>().max(1)
}

fn ports_warning(connections: u64, addresses: u64, ports: Option<u64>) -> Option<String> {
    let ports = ports.filter(|ports| connections > ports.saturating_mul(addresses))?;
    Some(format!(
        "warning: {connections} connections to one target need as many local ports, and this machine gives {ports} \
         per local address, of which the plan has {addresses}; add local_addresses under [target], or widen \
         net.ipv4.ip_local_port_range"
    ))
}

fn workers_warning(workers: Option<NonZeroU32>, cores: u64) -> Option<String> {
    let workers = workers.filter(|workers| u64::from(workers.get()) > cores)?;
    Some(format!(
        "warning: {workers} workers share {cores} cores and will wait for each other; lower `workers` under \
         [generator], or leave it out"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_below_the_need_is_a_warning_and_one_below_anything_an_error() {
        assert_eq!(Files::of(None, 1_000), Files::Enough);
        assert_eq!(Files::of(Some(1_064), 1_000), Files::Enough);
        assert_eq!(Files::of(Some(1_063), 1_000), Files::Short(1_063));
        assert_eq!(Files::of(Some(LEAST - 1), 1), Files::TooFew(LEAST - 1));
        assert!(Files::Short(64).warning(100).is_some_and(|words| words.contains("`ulimit -n 164`")));
        assert_eq!(Files::Enough.warning(100), None);
    }

    #[test]
    fn more_connections_than_local_ports_are_a_warning() {
        let words = ports_warning(56_465, 2, Some(28_232));
        assert!(words.is_some_and(|words| words.contains("gives 28232 per local address, of which the plan has 2")));
        assert_eq!(ports_warning(56_464, 2, Some(28_232)), None);
        assert_eq!(ports_warning(u64::MAX, 1, None), None);
    }

    #[test]
    fn more_workers_than_cores_are_a_warning() {
        assert!(workers_warning(NonZeroU32::new(3), 2).is_some_and(|words| words.contains("3 workers share 2 cores")));
        assert_eq!((workers_warning(NonZeroU32::new(2), 2), workers_warning(None, 2)), (None, None));
    }
}
