//! A record in the formats of other tools: CSV for data frames, JTL for JMeter, hlog for HdrHistogram's tools,
//! OpenMetrics for Prometheus and Grafana.
//!
//! Facts only, and no fact is invented: what was not measured is an empty cell or an absent sample, never 0. Latency is
//! response time, from the intended send. Nothing here is read back.

mod csv;
mod hlog;
mod jtl;
mod openmetrics;

use std::io::Write;
use std::path::PathBuf;

use crate::clock::Offset;
use crate::files::ReadError;
use crate::requests::{RequestNames, RequestReader};
use crate::summary::Facts;
use crate::traffic::TrafficHeader;

pub use csv::{cell, tables};
pub use hlog::hlog;
pub use jtl::jtl;
pub use openmetrics::openmetrics;

/// Why a run could not be exported.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The run holds no traffic.
    #[error("{path} holds no traffic to export", path = path.display())]
    NoTraffic {
        /// The run.
        path: PathBuf,
    },
    /// The run has no request log.
    #[error("{path} has no request log; record it again with `requests = \"all\"` under [generator] of the plan", path = path.display())]
    NoRequests {
        /// The run.
        path: PathBuf,
    },
    /// A file of the run cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The export cannot be written.
    #[error("cannot write the export")]
    Write(#[from] std::io::Error),
}

/// What the indices of a record's requests stand for; `user` is what an identity has before and after its number.
#[must_use]
pub fn names(facts: &Facts, user: Option<(String, String)>) -> RequestNames {
    let header = facts.traffic.as_ref().map(|traffic| &traffic.header.body);
    let phases = header.map(|header| header.phases.iter().map(|phase| phase.name.clone()).collect());
    RequestNames {
        phases: phases.unwrap_or_default(),
        operations: header.map(|header| header.operations.clone()).unwrap_or_default(),
        user: user.unwrap_or_default(),
    }
}

fn header(facts: &Facts) -> Result<&TrafficHeader, ExportError> {
    let traffic = facts.traffic.as_ref();
    traffic
        .map(|traffic| &traffic.header.body)
        .ok_or_else(|| ExportError::NoTraffic { path: facts.run.path().to_owned() })
}

fn log(facts: &Facts) -> Result<RequestReader, ExportError> {
    let path = facts.run.path();
    RequestReader::open(path)?.ok_or_else(|| ExportError::NoRequests { path: path.to_owned() })
}

/// A point on the run's clock in Unix nanoseconds.
fn unix_ns(facts: &Facts, at: Offset) -> i64 {
    facts.run.info().anchor.unix_ns.saturating_add(at.0)
}

fn name(names: &[String], index: impl Into<usize>) -> &str {
    names.get(index.into()).map_or("unknown", String::as_str)
}

/// Hands text over in large pieces.
fn in_chunks(out: &mut dyn Write, chunk: &mut Vec<u8>) -> std::io::Result<()> {
    if chunk.len() >= 1 << 16 {
        out.write_all(chunk)?;
        chunk.clear();
    }
    Ok(())
}

#[cfg(test)]
mod tests;
