//! Every sampled value as CSV: one line per tick, one column per metric of the catalogue. Empty means missing.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use plimsoll_plan::Watch;
use plimsoll_record::RunClock;
use plimsoll_record::metric::{METRICS, Metric};

use crate::exit::Fatal;
use crate::rows::Row;

/// Writes the file.
#[derive(Debug)]
pub(crate) struct Csv {
    path: PathBuf,
    out: BufWriter<File>,
    columns: Vec<Column>,
}

/// A metric, and of which of several series.
type Column = (&'static Metric, Option<String>);

/// Every metric of the catalogue; those of containers and endpoints once for each.
fn columns(watch: &Watch) -> Vec<Column> {
    let series = |metric: &'static Metric| {
        let names = watch.names(metric.source).into_iter().map(|name| Some(name.to_owned()));
        let names: Vec<Option<String>> = if metric.source.is_named() { names.collect() } else { vec![None] };
        names.into_iter().map(move |of| (metric, of))
    };
    METRICS.iter().flat_map(series).collect()
}

impl Csv {
    /// Creates the file, replacing an earlier one, and writes its header.
    pub(crate) fn create(path: &Path, watch: &Watch) -> Result<Self, Fatal> {
        let file = File::create(path).with_context(|| format!("cannot write {}", path.display()));
        let out = BufWriter::new(file.map_err(Fatal::environment)?);
        let mut csv = Self { path: path.to_owned(), out, columns: columns(watch) };
        let names: Vec<String> = csv.columns.iter().map(|(metric, of)| metric.name_of(of.as_deref())).collect();
        csv.line(&format!("timestamp,offset_seconds,{}", names.join(",")))?;
        Ok(csv)
    }

    /// Appends a tick.
    pub(crate) fn row(&mut self, row: &Row, clock: RunClock) -> Result<(), Fatal> {
        let text = line(row, clock, &self.columns);
        self.line(&text)
    }

    fn line(&mut self, line: &str) -> Result<(), Fatal> {
        let written = writeln!(self.out, "{line}").and_then(|()| self.out.flush());
        written.map_err(|error: io::Error| {
            let context = format!("cannot write {}; free some space or choose another --csv", self.path.display());
            Fatal::environment(anyhow::Error::new(error).context(context))
        })
    }
}

/// Wall time in RFC 3339, offset from the run's anchor, values.
fn line(row: &Row, clock: RunClock, columns: &[Column]) -> String {
    let at = row.at();
    let time = jiff::Timestamp::from_nanosecond(clock.unix_ns(at).into()).unwrap_or_default();
    let mut line = format!("{time:.6},{:.6}", at.as_secs_f64());
    for (metric, of) in columns {
        line.push(',');
        if let Some(value) = row.value_of(metric.source, of.as_deref(), metric.key) {
            let _ = write!(line, "{value}");
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use plimsoll_record::Offset;
    use plimsoll_record::clock::Anchor;
    use plimsoll_record::metric::Source;
    use plimsoll_record::series::Sample;

    use super::*;
    use crate::rows::Outcome;

    #[test]
    fn missing_values_are_empty_and_times_line_up() {
        let values = BTreeMap::from([("used_memory".to_owned(), 1_048_576.0)]);
        let sample = Sample { at_ns: Offset(1_500_000_000), took_ns: 1, values };
        let row = Row::of(Source::Redis, Outcome::Sample(sample));
        let clock = RunClock::from_anchor(Anchor { monotonic_ns: 0, unix_ns: 1_767_225_600_000_000_000 });
        let columns = columns(&Watch::default());
        let line = line(&row, clock, &columns);
        assert!(line.starts_with("2026-01-01T00:00:01.500000Z,1.500000,1048576,,"), "{line}");
        assert_eq!(line.matches(',').count(), columns.len() + 1);
        assert!(!columns.iter().any(|(metric, _)| metric.source.is_named()), "nothing is watched by name");
    }
}
