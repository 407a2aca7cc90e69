//! What `[users]` says beyond who they are: cookies, connections, sessions.

use crate::model::{ConnectionUse, Session, SessionLength};
use crate::reader::{Field, Reader};

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
