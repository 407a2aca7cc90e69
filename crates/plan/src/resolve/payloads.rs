//! `[payloads.NAME]`: content to write, by size and shape.

use std::num::NonZeroU64;

use plimsoll_record::units::Unit;

use crate::diagnostics::Problem;
use crate::model::Phase;
use crate::quantities;
use crate::reader::{Context, Field, Reader};
use crate::store::{Payload, Shape};
use crate::tree::{Entry, Value};
use crate::words;

use super::values::bytes;

/// More is content for a file server, not the state of something.
const MOST: u64 = 100_000_000;

/// The words of shapes.
pub(crate) const SHAPES: [(&str, Shape); 3] = [("text", Shape::Text), ("json", Shape::Json), ("bytes", Shape::Bytes)];

/// Reads all payloads.
pub(super) fn read(field: &Field<'_>, phases: &[Phase]) -> Vec<Payload> {
    let reader = field.table("[payloads]");
    reader.table.entries.iter().map(|entry| payload(entry, field.context, phases)).collect()
}

/// The names of payloads: also of those that cannot be read.
pub(super) fn names(field: &Field<'_>) -> Vec<String> {
    let table = field.node.value.as_table();
    table.into_iter().flat_map(|table| &table.entries).map(|entry| entry.key.clone()).collect()
}

fn payload(entry: &Entry, context: &Context<'_>, phases: &[Phase]) -> Payload {
    if !words::is_name(&entry.key) {
        let problem = Problem::new(&entry.origin, format!("`{}` is not a name", entry.key));
        context.report(problem.help("names are made of letters, digits, `-` and `_`"));
    }
    let reader = Field::of(entry, context).table(&format!("[payloads.{}]", entry.key));
    let size = reader.required("size", "\"10kB\"", |field| size(field)).unwrap_or(NonZeroU64::MIN);
    let by_phase = reader.field("by_phase").map(|field| by_phase(&field, phases)).unwrap_or_default();
    let compressible = reader.optional("compressible", share).unwrap_or(0.0);
    let shape = reader.optional("shape", |field| field.choice(&SHAPES)).unwrap_or(Shape::Text);
    reader.finish();
    Payload { name: entry.key.clone(), bytes: size, by_phase, compressible, shape }
}

fn size(field: &Field<'_>) -> Option<NonZeroU64> {
    let text = field.quantity_text("10kB")?;
    let size = quantities::number(&text, field.key, Unit::Bytes, "10kB")?;
    let size = bytes(size).filter(|size| *size <= MOST).and_then(NonZeroU64::new);
    if size.is_none() {
        text.reject(format!("`{}` does not fit", field.key), None, "more than nothing and at most 100 MB");
    }
    size
}

/// `{ small = "1kB", large = "1MB" }`, by the names of phases.
fn by_phase(field: &Field<'_>, phases: &[Phase]) -> Vec<(String, NonZeroU64)> {
    let reader = field.table("`by_phase`");
    let names = || phases.iter().map(|phase| phase.name.as_str());
    let mut sizes = Vec::new();
    for entry in &reader.table.entries {
        if !names().any(|name| name == entry.key) {
            let problem = Problem::new(&entry.origin, format!("there is no phase `{}`", entry.key));
            let problem = match words::nearest(&entry.key, names()) {
                Some(word) => problem.label(format!("did you mean `{word}`?")),
                None => problem,
            };
            field.context.report(problem.help(format!("the plan's phases are {}", words::list(names()))));
        }
        sizes.extend(size(&Field::of(entry, field.context)).map(|size| (entry.key.clone(), size)));
    }
    sizes
}

/// From 0 to 1.
fn share(field: &Field<'_>) -> Option<f64> {
    let share = match field.node.value {
        Value::Integer(integer) => integer as f64,
        Value::Float(float) => float,
        _ => {
            field.wrong_kind("a number from 0 to 1, for example `0.7`");
            return None;
        }
    };
    if (0.0..=1.0).contains(&share) {
        return Some(share);
    }
    field.reject(format!("`{}` is not between 0 and 1", field.key), "0.7: seven tenths of it repeat");
    None
}

/// Why a payload may not stand where other text is.
pub(super) fn check_alone(reader: &Reader<'_>, name: &str) {
    reader.reject(
        format!("`{{payload.{name}}}` is any bytes, and stands beside other text"),
        "make it a whole argument or parameter, or give it `shape = \"text\"`",
    );
}
