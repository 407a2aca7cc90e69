//! `rate` of an open phase: text for a constant or a ramp, a table for every other shape.
//!
//! What a shape means in arrivals is the engine's business; here it is read and checked.

use std::time::Duration;

use crate::model::{Rate, RateShape};
use crate::quantities::rate;
use crate::reader::{Field, Reader};
use crate::tree::Value;

/// The most steps of a phase.
const MOST_STEPS: usize = 1000;

/// A shape that is stated as a table: the keys that tell it, and its reader.
type Form = (&'static [&'static str], fn(&Reader<'_>, Option<Duration>) -> Option<RateShape>);

const FORMS: [Form; 4] = [
    (&["steps"], steps),
    (&["from", "to", "step"], staircase),
    (&["base", "spike", "at", "for"], spike),
    (&["mean", "amplitude", "period"], wave),
];

/// Reads the shape of a rate in a phase of `length`, if that is known.
pub(super) fn shape(field: &Field<'_>, length: Option<Duration>) -> Option<RateShape> {
    if !matches!(field.node.value, Value::Table(_)) {
        return line(field);
    }
    let reader = field.table("the rate's table");
    let Some((_, read)) = FORMS.iter().find(|(keys, _)| keys.iter().any(|key| reader.table.get(key).is_some())) else {
        reader.reject(
            "the rate's table has no shape",
            "write `{ steps = [\"5/s\", \"10/s\"] }`, `{ from = \"5/s\", to = \"50/s\", step = \"5/s\" }`, \
             `{ base = \"20/s\", spike = \"80/s\", at = \"30s\", for = \"10s\" }` or \
             `{ mean = \"20/s\", amplitude = \"10/s\", period = \"1h\" }`",
        );
        return None;
    };
    let shape = read(&reader, length);
    reader.finish();
    shape
}

/// `18/s`, or `18/s -> 0/s`.
fn line(field: &Field<'_>) -> Option<RateShape> {
    let text = field.quantity_text("18/s")?;
    let Some(arrow) = text.content.find("->") else {
        return rate(&text, field.key, "18/s").map(RateShape::Constant);
    };
    let from = rate(&text.part(0..arrow), field.key, "18/s -> 0/s");
    let to = rate(&text.part(arrow + 2..text.content.len()), field.key, "18/s -> 0/s");
    Some(RateShape::Ramp { from: from?, to: to? })
}

fn one(field: &Field<'_>) -> Option<Rate> {
    rate(&field.quantity_text("18/s")?, field.key, "18/s")
}

fn steps(reader: &Reader<'_>, _length: Option<Duration>) -> Option<RateShape> {
    let field = reader.field("steps")?;
    let items = field.items();
    if items.is_empty() || items.len() > MOST_STEPS {
        field.reject(format!("`steps` has {} rates", items.len()), format!("state 1 to {MOST_STEPS} rates"));
    }
    let rates: Vec<Option<Rate>> = items.iter().map(one).collect();
    rates.into_iter().collect::<Option<Vec<Rate>>>().map(RateShape::Steps)
}

/// Steps of the same height, the last one less high when `to` lies between two.
fn staircase(reader: &Reader<'_>, _length: Option<Duration>) -> Option<RateShape> {
    let from = reader.required("from", "\"5/s\"", one);
    let to = reader.required("to", "\"50/s\"", one);
    let step = reader.required("step", "\"5/s\"", one);
    let (from, to, step) = (from?.as_per_second(), to?.as_per_second(), step?.as_per_second());
    // A step that is reached but for rounding is not followed by one of no height.
    let full = ((to - from).abs() / step - 1e-9).ceil();
    if step <= 0.0 || full >= MOST_STEPS as f64 {
        let help = format!("state a `step` above zero that gives at most {MOST_STEPS} steps");
        reader.reject("the steps from one rate to the other are too many", help);
        return None;
    }
    let rates = (0..full.max(0.0) as u32).map(|step_no| from + (to - from).signum() * step * f64::from(step_no));
    let rates: Option<Vec<Rate>> = rates.chain([to]).map(Rate::per_second).collect();
    rates.map(RateShape::Steps)
}

fn spike(reader: &Reader<'_>, length: Option<Duration>) -> Option<RateShape> {
    let base = reader.required("base", "\"20/s\"", one);
    let spike = reader.required("spike", "\"80/s\"", one);
    let at = reader.required("at", "\"30s\"", |field| field.duration(Duration::ZERO, "30s"));
    let lasts = reader.required("for", "\"10s\"", |field| field.positive_duration("10s"));
    let (at, lasts) = (at?, lasts?);
    if length.is_some_and(|length| at + lasts > length) {
        reader.reject("the spike ends after its phase", "`at` and `for` together are at most the phase's `duration`");
    }
    Some(RateShape::Spike { base: base?, spike: spike?, at, length: lasts })
}

fn wave(reader: &Reader<'_>, _length: Option<Duration>) -> Option<RateShape> {
    let mean = reader.required("mean", "\"20/s\"", one);
    let amplitude = reader.required("amplitude", "\"10/s\"", one);
    let period = reader.required("period", "\"1h\"", |field| field.positive_duration("1h"));
    let (mean, amplitude) = (mean?, amplitude?);
    if amplitude > mean {
        reader.reject("the rate would fall below zero", "state an `amplitude` of at most the `mean`");
    }
    Some(RateShape::Wave { mean, amplitude, period: period? })
}
