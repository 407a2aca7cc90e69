//! What `[users]` says beyond who they are: cookies, connections, sessions. And which requests are logged.

use std::num::NonZeroU32;

use plimsoll_record::units::{Quantity, Unit};

use crate::model::{ConnectionUse, RequestLogging, Session, SessionLength};
use crate::reader::{Field, Reader};
use crate::words;

use super::values::bytes;

const BODY_CAP: NonZeroU32 = NonZeroU32::new(4_000).expect("a constant above zero");

/// Whose connections requests use.
pub(super) fn connections(field: &Field<'_>) -> Option<ConnectionUse> {
    let words = [("pool", ConnectionUse::Pool), ("per_user", ConnectionUse::PerUser), ("new", ConnectionUse::New)];
    field.choice(&words)
}

/// `session` and `replace`.
pub(super) fn session(reader: &Reader<'_>) -> Option<Session> {
    let length = reader.field("session").map(|field| session_length(&field));
    let replace = reader.field("replace");
    if let (None, Some(field)) = (&length, &replace) {
        field.reject("`replace` without `session`", "leave it out: users without a session end with their phase");
    }
    let replace = replace.and_then(|field| field.boolean()).unwrap_or(true);
    length.flatten().map(|length| Session { length, replace })
}

fn session_length(field: &Field<'_>) -> Option<SessionLength> {
    let reader = field.table("`session`");
    let iterations = reader.optional("iterations", Field::positive).map(SessionLength::Iterations);
    let requests = reader.optional("requests", Field::positive).map(SessionLength::Requests);
    let stated = |key: &str| reader.table.get(key).is_some();
    match (stated("iterations"), stated("requests")) {
        (true, true) => reader.reject("`session` has both `iterations` and `requests`", "keep one of them"),
        (false, false) => {
            reader.reject("`session` has no length", "write `{ iterations = 50 }` or `{ requests = 50 }`");
        }
        _ => {}
    }
    reader.finish();
    iterations.or(requests)
}

/// `"all"`, `"none"`, `"bad"` or a share such as `"10%"`.
pub(super) fn request_logging(field: &Field<'_>) -> Option<RequestLogging> {
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
pub(super) fn failed_bodies(reader: &Reader<'_>) -> Option<NonZeroU32> {
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
