//! The operating system's limits that stand in the way of many connections.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors needed beside those of connections.
const SPARE: u64 = 64;

/// Raises the limit on open files as far as this user may, and says when it is still below what `connections` need.
pub(crate) fn raise_open_files(connections: u32) -> Option<String> {
    let needed = u64::from(connections) + SPARE;
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= needed) {
        return None;
    }
    let wanted = limit.maximum.map_or(needed, |maximum| maximum.min(needed));
    let raised = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum: limit.maximum }).is_ok();
    let available = if raised { wanted } else { limit.current.unwrap_or(needed) };
    (available < needed).then(|| {
        format!(
            "warning: {connections} connections need {needed} open files and the limit is {available}; \
             raise it with `ulimit -n {needed}`"
        )
    })
}
