//! What an error of a connection means: one of the ledger's outcomes. Text is not made here.

use std::io;

use plimsoll_record::ledger::Outcome;

/// What an error of hyper means.
pub(super) fn outcome_of(error: &hyper::Error) -> Outcome {
    if error.is_parse() || error.is_parse_too_large() || error.is_parse_status() {
        return Outcome::Protocol;
    }
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        if let Some(error) = inner.downcast_ref::<io::Error>() {
            return io_outcome(error);
        }
        cause = inner.source();
    }
    if error.is_incomplete_message() || error.is_canceled() || error.is_closed() {
        return Outcome::Closed;
    }
    Outcome::Protocol
}

/// What an I/O error on an open connection means.
pub(crate) fn io_outcome(error: &io::Error) -> Outcome {
    if is_tls(error) {
        return Outcome::Tls;
    }
    match error.kind() {
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionAborted => Outcome::Reset,
        io::ErrorKind::UnexpectedEof => Outcome::Closed,
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => Outcome::Protocol,
        _ => Outcome::Io,
    }
}

/// What a failed attempt to connect means.
pub(crate) fn connect_outcome(error: &io::Error) -> Outcome {
    if let Some(shortage) = own_shortage(error) {
        return shortage;
    }
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Outcome::Refused,
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => Outcome::Unreachable,
        io::ErrorKind::TimedOut => Outcome::ConnectTimedOut,
        io::ErrorKind::ConnectionReset => Outcome::Reset,
        _ => Outcome::Io,
    }
}

/// True when TLS itself failed: also after the handshake, when the server did not like the client's certificate.
pub(super) fn is_tls(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<rustls::Error>())
}

/// What this machine has no more of to give, if that is why.
fn own_shortage(error: &io::Error) -> Option<Outcome> {
    use rustix::io::Errno;
    match Errno::from_raw_os_error(error.raw_os_error()?) {
        Errno::MFILE | Errno::NFILE => Some(Outcome::OutOfDescriptors),
        Errno::ADDRNOTAVAIL | Errno::ADDRINUSE => Some(Outcome::OutOfPorts),
        Errno::NOBUFS | Errno::NOMEM | Errno::AGAIN => Some(Outcome::OutOfMemory),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn running_out_of_ones_own_is_not_the_servers_fault_and_names_what_ran_out() {
        let check = |code: rustix::io::Errno, expected| {
            let error = io::Error::from_raw_os_error(code.raw_os_error());
            assert_eq!(connect_outcome(&error), expected, "{error}");
        };
        check(rustix::io::Errno::MFILE, Outcome::OutOfDescriptors);
        check(rustix::io::Errno::NFILE, Outcome::OutOfDescriptors);
        check(rustix::io::Errno::ADDRNOTAVAIL, Outcome::OutOfPorts);
        check(rustix::io::Errno::ADDRINUSE, Outcome::OutOfPorts);
        check(rustix::io::Errno::NOBUFS, Outcome::OutOfMemory);
        check(rustix::io::Errno::CONNREFUSED, Outcome::Refused);
        assert_eq!(connect_outcome(&io::Error::from(io::ErrorKind::ConnectionRefused)), Outcome::Refused);
    }
}
