//! Local ports elsewhere: reserved when the address is bound.

use tokio::net::TcpSocket;

/// Nothing can be done here.
pub(super) fn leave_port_open(_: &TcpSocket) {}
