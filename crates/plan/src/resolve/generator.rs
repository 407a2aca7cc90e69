//! What `[generator]` says: how exactly arrivals are kept, and what of the requests is logged.

use std::num::NonZeroU32;
use std::time::Duration;

use plimsoll_record::units::{Quantity, Unit};

use crate::model::{Generator, LONGEST_TICK, Precision, RequestLogging, SHORTEST_TICK};
use crate::reader::{Field, Reader, Text};
use crate::words;

use super::target;
use super::values::bytes;

const BODY_CAP: NonZeroU32 = NonZeroU32::new(4_000).expect("a constant above zero");
const INTERVAL: Duration = Duration::from_secs(1);
const MAX_SEND_LAG: Duration = Duration::from_millis(10);

/// Reads `[generator]`; some defaults depend on the rest of the plan.
pub(super) fn generator(field: Option<&Field<'_>>, has_limiter: bool, timeout: Option<Duration>) -> Generator {
    let mut generator = Generator {
        workers: None,
        precision: None,
        interval: INTERVAL,
        max_send_lag: MAX_SEND_LAG,
        requests: if has_limiter { RequestLogging::All } else { RequestLogging::None },
        failed_bodies: None,
        slow: None,
        drain: timeout.unwrap_or(target::TIMEOUT),
    };
    if let Some(reader) = field.map(|field| field.table("[generator]")) {
        read_generator(&reader, &mut generator);
        reader.finish();
    }
    generator
}

fn read_generator(reader: &Reader<'_>, generator: &mut Generator) {
    generator.workers = reader.optional("workers", Field::positive);
    generator.precision = reader.optional("precision", precision);
    let interval = reader.optional("interval", |field| field.duration(Duration::from_millis(100), "1s"));
    let max_send_lag = reader.optional("max_send_lag", |field| field.positive_duration("10ms"));
    let requests = reader.optional("requests", request_logging);
    generator.failed_bodies = failed_bodies(reader);
    generator.slow = reader.optional("slow", |field| field.positive_duration("3s"));
    let drain = reader.optional("drain", |field| field.duration(Duration::ZERO, "30s"));
    generator.interval = interval.unwrap_or(generator.interval);
    generator.max_send_lag = max_send_lag.unwrap_or(generator.max_send_lag);
    generator.requests = requests.unwrap_or(generator.requests);
    generator.drain = drain.unwrap_or(generator.drain);
}

/// `"fine"`, `"coarse"` or a tick such as `"1ms"`.
fn precision(field: &Field<'_>) -> Option<Precision> {
    let words = [("fine", Precision::Fine), ("coarse", Precision::Coarse)];
    let text = field.text("`\"fine\"`, `\"coarse\"` or a time such as `\"1ms\"`")?;
    if let Some((_, precision)) = words.iter().find(|(word, _)| *word == text.content) {
        return Some(*precision);
    }
    if text.content.starts_with(|first: char| first.is_ascii_digit()) {
        return tick(field, &text);
    }
    let near = words::nearest(&text.content, words.iter().map(|(word, _)| *word));
    let help = "valid here: `fine`, `coarse` and times from 10us to 10ms";
    text.reject(format!("`{}` cannot be `{}`", field.key, text.content), near, help);
    None
}

fn tick(field: &Field<'_>, text: &Text<'_>) -> Option<Precision> {
    let tick = field.duration(Duration::ZERO, "1ms")?;
    if (SHORTEST_TICK..=LONGEST_TICK).contains(&tick) {
        return Some(Precision::Tick(tick));
    }
    text.reject(
        format!("`{}` is not a tick", text.content),
        None,
        "from 10us to 10ms; `fine` is a wake-up per arrival",
    );
    None
}

/// `"all"`, `"none"`, `"bad"` or a share such as `"10%"`.
fn request_logging(field: &Field<'_>) -> Option<RequestLogging> {
    let words = [("all", RequestLogging::All), ("none", RequestLogging::None), ("bad", RequestLogging::Bad)];
    let text = field.text("`\"all\"`, `\"none\"`, `\"bad\"` or a share such as `\"10%\"`")?;
    if let Some((_, logging)) = words.iter().find(|(word, _)| *word == text.content) {
        return Some(*logging);
    }
    match Quantity::parse(&text.content) {
        Ok(Quantity { value, unit: Unit::Share }) if value > 0.0 && value < 1.0 => Some(RequestLogging::Share(value)),
        Ok(Quantity { unit: Unit::Share, .. }) => {
            text.reject(
                "the share is not between 0 % and 100 %",
                None,
                "write `\"all\"`, `\"none\"` or for example `\"10%\"`",
            );
            None
        }
        _ => {
            let near = words::nearest(&text.content, words.iter().map(|(word, _)| *word));
            let help = "valid here: `all`, `none`, `bad` and shares such as `10%`";
            text.reject(format!("`{}` cannot be `{}`", field.key, text.content), near, help);
            None
        }
    }
}

/// `bodies` and `body_cap`: whether bodies of failed answers are kept, and how much of each.
fn failed_bodies(reader: &Reader<'_>) -> Option<NonZeroU32> {
    let kept = reader.optional("bodies", |field| field.choice(&[("failed", true), ("none", false)])).unwrap_or(false);
    let cap = reader.field("body_cap");
    if let (Some(field), false) = (&cap, kept) {
        field.reject("`body_cap` without `bodies = \"failed\"`", "leave it out, or add `bodies = \"failed\"`");
    }
    let cap = cap.map_or(Some(BODY_CAP), |field| size(&field));
    cap.filter(|_| kept)
}

/// A positive number of bytes below 4 GB.
fn size(field: &Field<'_>) -> Option<NonZeroU32> {
    let text = field.quantity_text("4kB")?;
    let size = crate::quantities::number(&text, field.key, Unit::Bytes, "4kB")?;
    let cap = bytes(size).and_then(|bytes| u32::try_from(bytes).ok()).and_then(NonZeroU32::new);
    if cap.is_none() {
        let help = "more than nothing and less than 4 GB, for example `4kB`";
        text.reject(format!("`{}` does not fit", field.key), None, help);
    }
    cap
}
