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
pub(super) fn io_outcome(error: &io::Error) -> Outcome {
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
pub(super) fn connect_outcome(error: &io::Error) -> Outcome {
    if ran_out(error) {
        return Outcome::LocalResource;
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

/// True when this machine has no more descriptors, ports or buffers to give.
fn ran_out(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let code = error.raw_os_error().map(Errno::from_raw_os_error);
    let own = [Errno::MFILE, Errno::NFILE, Errno::ADDRNOTAVAIL, Errno::NOBUFS, Errno::NOMEM, Errno::AGAIN];
    code.is_some_and(|code| own.contains(&code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn running_out_of_ones_own_is_not_the_servers_fault() {
        for code in [rustix::io::Errno::MFILE, rustix::io::Errno::ADDRNOTAVAIL] {
            let error = io::Error::from_raw_os_error(code.raw_os_error());
            assert_eq!(connect_outcome(&error), Outcome::LocalResource, "{error}");
        }
        let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
        assert_eq!(connect_outcome(&refused), Outcome::Refused);
    }
}
