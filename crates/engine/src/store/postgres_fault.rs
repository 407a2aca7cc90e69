//! Errors of PostgreSQL in the words of the record: by their SQLSTATE, or by what became of the connection.

use std::error::Error as _;
use std::io;

use plimsoll_record::ledger::Outcome;
use tokio_postgres::Error;
use tokio_postgres::error::SqlState;

use super::reply::Fault;
use crate::connection::{connect_outcome, io_outcome};

/// What an error means.
pub(super) fn fault_of(error: &Error) -> Fault {
    if let Some(reported) = error.as_db_error() {
        let text = format!("{} {}", reported.code().code(), reported.message());
        return Fault::new(of_state(reported.code()), text);
    }
    let text = error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {source}"));
    Fault::new(of_connection(error), text)
}

/// By the state, else by its class: the first two characters (PostgreSQL, appendix A).
fn of_state(state: &SqlState) -> Outcome {
    match *state {
        SqlState::T_R_SERIALIZATION_FAILURE => Outcome::SerializationFailure,
        SqlState::T_R_DEADLOCK_DETECTED => Outcome::Deadlock,
        SqlState::TOO_MANY_CONNECTIONS => Outcome::TooManyClients,
        SqlState::READ_ONLY_SQL_TRANSACTION => Outcome::ReadOnly,
        SqlState::INSUFFICIENT_PRIVILEGE => Outcome::Denied,
        SqlState::CANNOT_CONNECT_NOW => Outcome::NotReady,
        SqlState::ADMIN_SHUTDOWN | SqlState::CRASH_SHUTDOWN => Outcome::Closed,
        _ => match state.code().get(..2) {
            Some("23") => Outcome::ConstraintViolation,
            Some("28") => Outcome::Denied,
            Some("53") => Outcome::StoreFull,
            _ => Outcome::StoreError,
        },
    }
}

fn of_connection(error: &Error) -> Outcome {
    let mut cause = error.source();
    while let Some(inner) = cause {
        if let Some(error_of_io) = inner.downcast_ref::<io::Error>() {
            let connecting = error.to_string().starts_with("error connecting");
            return if connecting { connect_outcome(error_of_io) } else { io_outcome(error_of_io) };
        }
        cause = inner.source();
    }
    match error.to_string() {
        _ if error.is_closed() => Outcome::Closed,
        text if text.contains("TLS") => Outcome::Tls,
        text if text.contains("password") || text.contains("authentication") => Outcome::Denied,
        text if text.contains("converting") || text.contains("configuration") => Outcome::NotBuilt,
        _ => Outcome::Protocol,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_have_classes_of_their_own() {
        let check = |code: &str, expected| assert_eq!(of_state(&SqlState::from_code(code)), expected, "{code}");
        check("40001", Outcome::SerializationFailure);
        check("40P01", Outcome::Deadlock);
        check("53300", Outcome::TooManyClients);
        check("53100", Outcome::StoreFull);
        check("25006", Outcome::ReadOnly);
        check("57P03", Outcome::NotReady);
        check("57P01", Outcome::Closed);
        check("28P01", Outcome::Denied);
        check("42501", Outcome::Denied);
        check("23505", Outcome::ConstraintViolation);
        check("42P01", Outcome::StoreError);
    }
}
