//! HdrHistogram's interval log (version 1.3), which its log processor, plotter and libraries in other languages read.
//!
//! A line per interval, operation and kind: the tag is the operation for served answers, with `:limited` for
//! rate-limited ones and `:service` for service time. Values are nanoseconds; the column of maxima is in milliseconds.

use std::io::Write;
use std::time::{Duration, SystemTime};

use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{
    IntervalLogWriter, IntervalLogWriterBuilder, IntervalLogWriterError, Tag,
};

use super::{ExportError, header, name, unix_ns};
use crate::latency::Histogram;
use crate::summary::{Facts, Scope};
use crate::traffic::Interval;

/// Nanoseconds in the unit of the maxima.
const MILLISECOND: f64 = 1e6;

type Log<'a, 'b, 'c> = IntervalLogWriter<'a, 'b, &'c mut dyn Write, V2DeflateSerializer>;

/// Writes the response and service times of each interval and operation.
///
/// # Errors
/// [`ExportError`] when there is no traffic or `out` cannot be written.
pub fn hlog(facts: &Facts, out: &mut dyn Write) -> Result<(), ExportError> {
    let header = header(facts)?;
    let start = SystemTime::UNIX_EPOCH + Duration::from_nanos(unix_ns(facts, header.start_ns).try_into().unwrap_or(0));
    let mut out = out;
    let mut serializer = V2DeflateSerializer::new();
    let mut builder = IntervalLogWriterBuilder::new();
    builder.add_comment("[Histogram log format version 1.3]");
    builder.add_comment("[plimsoll: tag is the operation; values in nanoseconds, from the intended send time]");
    builder.with_start_time(start).with_base_time(start).with_max_value_divisor(MILLISECOND);
    let mut log = builder.begin_log_with(&mut out, &mut serializer)?;
    for row in facts.intervals(&Scope::default()) {
        let since = Duration::from_nanos(row.at_ns.since(header.start_ns));
        let operation = tag_text(name(&header.operations, row.operation as usize));
        for (suffix, histogram) in kinds(row) {
            line(&mut log, histogram, since, row.len_ns, &format!("{operation}{suffix}"))?;
        }
    }
    drop(log);
    Ok(out.flush()?)
}

fn kinds(row: &Interval) -> [(&'static str, &Histogram); 3] {
    [("", &row.served.response), (":limited", &row.limited.response), (":service", &row.served.service)]
}

fn line(log: &mut Log<'_, '_, '_>, of: &Histogram, since: Duration, len_ns: u64, tag: &str) -> Result<(), ExportError> {
    if of.is_empty() {
        return Ok(());
    }
    let written = log.write_histogram(&of.to_hdr(), since, Duration::from_nanos(len_ns), Tag::new(tag));
    written.map_err(|error| match error {
        IntervalLogWriterError::IoError(error) => ExportError::Write(error),
        IntervalLogWriterError::SerializeError(error) => ExportError::Write(std::io::Error::other(error)),
    })
}

/// A tag holds no comma, space or line break.
fn tag_text(operation: &str) -> String {
    operation.chars().map(|c| if c == ',' || c.is_whitespace() || c.is_control() { '_' } else { c }).collect()
}
