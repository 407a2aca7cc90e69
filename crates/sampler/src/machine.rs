//! The host and one process on it, from what the operating system counts.
//!
//! Linux is read through `/proc`. Elsewhere the twin module has the same probes, which say that they are unavailable.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
mod process;
#[cfg(target_os = "linux")]
pub use self::{linux::HostProbe, process::ProcessProbe};

#[cfg(not(target_os = "linux"))]
mod elsewhere;
#[cfg(not(target_os = "linux"))]
pub use self::elsewhere::{HostProbe, ProcessProbe};
