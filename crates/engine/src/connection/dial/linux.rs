//! Local ports on Linux: chosen when the connection is made, not when its address is bound.

use nix::sys::socket::{setsockopt, sockopt::IpBindAddressNoPort};
use tokio::net::TcpSocket;

/// Lets `socket` share its local port with connections to other targets (`IP_BIND_ADDRESS_NO_PORT`, ip(7)).
pub(super) fn leave_port_open(socket: &TcpSocket) {
    // Kernels that do not know the option reserve a port per connection: fewer connections, but connections.
    let _ = setsockopt(socket, IpBindAddressNoPort, &true);
}
