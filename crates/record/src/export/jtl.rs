//! JMeter's CSV results, for its listeners and dashboards, from the request log.
//!
//! `elapsed` is response time, from the intended send, which JMeter itself does not know; `IdleTime` is the part of it
//! before the request was sent. Time to the first byte and of connecting are not measured and 0, as JMeter has it.

use std::io::Write;

use super::csv::cell;
use super::{ExportError, in_chunks, log, name, unix_ns};
use crate::ledger::Outcome;
use crate::requests::{RequestNames, RequestRow};
use crate::summary::Facts;

const COLUMNS: &str = "timeStamp,elapsed,label,responseCode,responseMessage,threadName,dataType,success,\
failureMessage,bytes,sentBytes,grpThreads,allThreads,URL,Latency,IdleTime,Connect";

/// Writes the request log as JTL.
///
/// # Errors
/// [`ExportError`] when there is no request log, it is damaged, or `out` cannot be written.
pub fn jtl(facts: &Facts, names: &RequestNames, out: &mut dyn Write) -> Result<(), ExportError> {
    let mut chunk = format!("{COLUMNS}\n").into_bytes();
    for row in log(facts)? {
        line(facts, names, &row?, &mut chunk)?;
        in_chunks(out, &mut chunk)?;
    }
    out.write_all(&chunk)?;
    Ok(out.flush()?)
}

fn line(facts: &Facts, names: &RequestNames, row: &RequestRow, out: &mut Vec<u8>) -> std::io::Result<()> {
    let ms = |nanos: u64| nanos / 1_000_000;
    let label = cell(name(&names.operations, row.operation));
    let thread = cell(&format!("{} {}{}{}", name(&names.phases, row.phase), names.user.0, row.user, names.user.1));
    let success = !row.outcome.is_failure();
    let (code, failure) = match row.status {
        0 => (format!("Non HTTP response code: {}", row.outcome.name()), row.outcome.name()),
        status if success => (status.to_string(), ""),
        status => (status.to_string(), row.outcome.name()),
    };
    let message = if row.outcome == Outcome::Ok { "OK" } else { row.outcome.name() };
    writeln!(
        out,
        "{},{},{label},{code},{message},{thread},text,{success},{failure},{},0,1,1,null,0,{},0",
        unix_ns(facts, row.intended).div_euclid(1_000_000),
        ms(row.response_ns()),
        row.body_bytes,
        ms(row.send_lag_ns),
    )
}
