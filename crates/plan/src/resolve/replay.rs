//! `arrivals = { file = "access.log", speed = 2 }`: arrivals at the times a file records.

use std::sync::Arc;
use std::time::Duration;

use crate::model::{Recording, Replay};
use crate::quantities::LONGEST;
use crate::reader::{Field, Reader, Text};
use crate::recording;
use crate::tree::Value;

/// A replay, and how long all of it takes; the latter only where the times are known.
pub(super) struct Stated {
    pub(super) replay: Replay,
    pub(super) length: Option<Duration>,
}

/// Reads the table. What lies behind `duration`, if that is stated, is cut off.
pub(super) fn replay(field: &Field<'_>, duration: Option<Duration>) -> Option<Stated> {
    let reader = field.table("the arrivals' table");
    let file = reader.required("file", "\"access.log\"", |field| field.text("the path of a file"));
    let speed = reader.optional("speed", speed).unwrap_or(1.0);
    let stated = match file {
        Some(file) if reader.context.recorded => recorded(&reader, file, speed),
        Some(file) => from_file(&reader, &file, speed, duration),
        None => None,
    };
    reader.finish();
    stated
}

fn speed(field: &Field<'_>) -> Option<f64> {
    let speed = match field.node.value {
        Value::Integer(integer) => integer as f64,
        Value::Float(float) => float,
        _ => {
            field.wrong_kind("a number, for example `2`: twice as fast as recorded");
            return None;
        }
    };
    if speed > 0.0 && speed.is_finite() {
        return Some(speed);
    }
    field.reject("`speed` must be above zero and finite", "2 is twice as fast as recorded, 0.5 half as fast");
    None
}

/// The plan of a run directory keeps no times.
fn recorded(reader: &Reader<'_>, file: Text<'_>, speed: f64) -> Option<Stated> {
    let count = reader.required("count", "1000", |field| field.whole(0))?;
    Some(Stated { replay: Replay { file: file.content, speed, recording: Recording::Count(count) }, length: None })
}

fn from_file(reader: &Reader<'_>, file: &Text<'_>, speed: f64, duration: Option<Duration>) -> Option<Stated> {
    let name = file.content.clone();
    let text = match (reader.context.surroundings.file)(&name) {
        Ok(text) => text,
        Err(error) => {
            let help = "a relative path counts from the directory of the plan";
            file.reject(format!("cannot read `{name}`: {error}"), None, help);
            return None;
        }
    };
    let read = match recording::read(&text) {
        Ok(read) => read,
        Err(error) => {
            file.reject(format!("cannot replay `{name}`: {error}"), None, recording::FORMS);
            return None;
        }
    };
    let mut replay = Replay { file: name, speed, recording: Recording::Count(0) };
    let length = Duration::try_from_secs_f64(read.length as f64 / 1e9 / speed).unwrap_or(Duration::MAX);
    let length = length.max(Duration::from_nanos(1));
    if duration.is_none() && length > LONGEST {
        reader.reject("the replay takes longer than 365 days", "replay it faster, or give the phase a `duration`");
        return None;
    }
    let end = u64::try_from(duration.unwrap_or(length).as_nanos()).unwrap_or(u64::MAX);
    let kept = read.times.partition_point(|at| replay.at_ns(*at) < end);
    replay.recording = Recording::Times(Arc::from(&read.times[..kept]));
    Some(Stated { replay, length: Some(length) })
}
