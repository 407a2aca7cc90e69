//! Opening a connection: where to, from which local address, and whether TLS is spoken. HTTP begins elsewhere.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
use linux::leave_port_open;

#[cfg(not(target_os = "linux"))]
mod portable;
#[cfg(not(target_os = "linux"))]
use portable::leave_port_open;

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use plimsoll_plan::{AddressRange, HttpVersion, Target};
use plimsoll_record::RunClock;
use plimsoll_record::ledger::Outcome;
use plimsoll_record::timings::Opening;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::client::TlsStream;

use super::outcome::{connect_outcome, io_outcome};
use super::pool::Protocol;
use super::tls::{Tls, TlsError};

/// Why there is no way from this machine to the target.
#[derive(Debug, thiserror::Error)]
pub enum RouteError {
    /// The host's name has no address.
    #[error("cannot find the address of {address}; is the host in the target's url right?")]
    Resolve {
        /// Host and port.
        address: String,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// Nothing can be bound to a local address of the plan.
    #[error("cannot send from {address}; name addresses of this machine in `target.local_addresses`")]
    LocalAddress {
        /// The address.
        address: IpAddr,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The local addresses are all of the other family.
    #[error("none of `target.local_addresses` is of the same family as {address}, IPv4 or IPv6; add one that is")]
    Family {
        /// The target.
        address: SocketAddr,
    },
    /// TLS cannot be spoken as the plan says.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// Why a connection could not be opened.
#[derive(Debug)]
pub(crate) enum DialError {
    /// No TCP connection.
    Connect(io::Error),
    /// No TLS over it.
    Tls(io::Error),
    /// TLS, but not the HTTP version that the plan insists on.
    Version,
}

impl DialError {
    /// The outcome of a request that needed the connection.
    pub(crate) fn outcome(&self) -> Outcome {
        match self {
            Self::Connect(error) => connect_outcome(error),
            Self::Tls(error) => match io_outcome(error) {
                // A server that hangs up in the middle of a handshake has failed it.
                Outcome::Closed | Outcome::Protocol => Outcome::Tls,
                outcome => outcome,
            },
            Self::Version => Outcome::Tls,
        }
    }
}

/// The way to the target, the same for all workers and never changed.
#[derive(Debug)]
pub(crate) struct Route {
    addresses: Vec<SocketAddr>,
    local: Vec<IpAddr>,
    tls: Option<Arc<Tls>>,
    http: HttpVersion,
    /// What connections are timed by.
    clock: RunClock,
    lookup_ns: Option<u64>,
}

impl Route {
    /// Resolves the target's name, reads its PEM files, and tries its local addresses.
    pub(crate) fn prepare(target: &Target) -> Result<Self, RouteError> {
        let clock = RunClock::start();
        let began = clock.now();
        let resolved = target.url.socket_addrs(|| None);
        let lookup_ns = target.url.domain().map(|_| clock.now().since(began));
        let addresses = resolved.map_err(|source| RouteError::Resolve { address: address_of(target), source })?;
        let local: Vec<IpAddr> = target.local_addresses.iter().copied().flat_map(AddressRange::addresses).collect();
        if let (false, Some(first)) = (local.is_empty(), addresses.first()) {
            let fits = |address: &SocketAddr| local.iter().any(|local| local.is_ipv4() == address.is_ipv4());
            if !addresses.iter().any(fits) {
                return Err(RouteError::Family { address: *first });
            }
        }
        for address in &local {
            // Bound and given back: a run must not find out one connection at a time.
            let bound = TcpListener::bind((*address, 0));
            bound.map_err(|source| RouteError::LocalAddress { address: *address, source })?;
        }
        let tls = if target.url.scheme() == "https" { Some(Arc::new(Tls::prepare(target)?)) } else { None };
        Ok(Self { addresses, local, tls, http: target.http, clock, lookup_ns })
    }

    /// The protocol, where it is known before the first connection.
    pub(crate) fn protocol(&self) -> Option<Protocol> {
        match (self.http, &self.tls) {
            (HttpVersion::One, _) | (HttpVersion::Auto, None) => Some(Protocol::One),
            (HttpVersion::Two, _) => Some(Protocol::Two),
            (HttpVersion::Auto, Some(_)) => None,
        }
    }

    /// The number of local addresses that connections leave from.
    pub(crate) fn local_addresses(&self) -> u64 {
        let fits = |local: &&IpAddr| self.addresses.first().is_none_or(|first| first.is_ipv4() == local.is_ipv4());
        self.local.iter().filter(fits).count().max(1) as u64
    }

    /// How long the target's name took to be looked up; `None` when it is an address.
    pub(crate) fn lookup_ns(&self) -> Option<u64> {
        self.lookup_ns
    }

    /// How TLS is spoken, if it is.
    pub(crate) fn tls(&self) -> Option<&Tls> {
        self.tls.as_deref()
    }

    /// Opens the `turn`-th connection: to the first address that accepts one, from the local address whose turn it is.
    pub(crate) async fn open(&self, turn: usize) -> Result<Stream, DialError> {
        self.open_timed(turn).await.map(|(stream, _)| stream)
    }

    /// The same, and how long each part of it took.
    pub(crate) async fn open_timed(&self, turn: usize) -> Result<(Stream, Opening), DialError> {
        let began = self.clock.now();
        let stream = self.connect(turn).await.map_err(DialError::Connect)?;
        let connected = self.clock.now();
        let opening = Opening { connect_ns: connected.since(began), tls_ns: None };
        let Some(tls) = &self.tls else { return Ok((Stream::Plain(stream), opening)) };
        let secured = tls.secure(stream).await.map_err(DialError::Tls)?;
        let opening = Opening { tls_ns: Some(self.clock.now().since(connected)), ..opening };
        let stream = Stream::Secured(Box::new(Secured { stream: secured, tls: Arc::clone(tls) }));
        if self.http == HttpVersion::Two && stream.negotiated() != Protocol::Two {
            tls.note_version();
            return Err(DialError::Version);
        }
        Ok((stream, opening))
    }

    async fn connect(&self, turn: usize) -> io::Result<TcpStream> {
        let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for address in &self.addresses {
            match self.connect_to(*address, turn).await {
                Ok(stream) => {
                    stream.set_nodelay(true)?;
                    return Ok(stream);
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    async fn connect_to(&self, address: SocketAddr, turn: usize) -> io::Result<TcpStream> {
        if self.local.is_empty() {
            return TcpStream::connect(address).await;
        }
        let family = || self.local.iter().filter(|local| local.is_ipv4() == address.is_ipv4());
        let turn = turn.checked_rem(family().count()).unwrap_or(0);
        let local = family().nth(turn).ok_or(io::ErrorKind::Unsupported)?;
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        leave_port_open(&socket);
        socket.bind(SocketAddr::new(*local, 0))?;
        socket.connect(address).await
    }
}

/// Host and port of the target, for people.
pub(crate) fn address_of(target: &Target) -> String {
    let host = target.url.host_str().unwrap_or_default();
    target.url.port_or_known_default().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// An open connection on which HTTP can begin.
pub(crate) enum Stream {
    Plain(TcpStream),
    Secured(Box<Secured>),
}

/// A connection that speaks TLS.
pub(crate) struct Secured {
    stream: TlsStream<TcpStream>,
    tls: Arc<Tls>,
}

impl Secured {
    /// A server that ends a connection says why in an alert, which may lie unread when writing fails: that error, or
    /// else `error`.
    #[cold]
    fn last_word(&mut self, cx: &mut Context<'_>, error: io::Error) -> io::Error {
        let mut room = [0; 1];
        match Pin::new(&mut self.stream).poll_read(cx, &mut ReadBuf::new(&mut room)) {
            Poll::Ready(Err(alert)) => {
                self.tls.note(&alert);
                alert
            }
            Poll::Ready(Ok(())) | Poll::Pending => error,
        }
    }
}

impl Stream {
    /// What the two sides agreed on in the handshake (ALPN, RFC 7301); HTTP/1.1 when they said nothing.
    pub(crate) fn negotiated(&self) -> Protocol {
        match self {
            Self::Secured(secured) if secured.stream.get_ref().1.alpn_protocol() == Some(b"h2") => Protocol::Two,
            Self::Secured(_) | Self::Plain(_) => Protocol::One,
        }
    }

    pub(crate) fn is_secured(&self) -> bool {
        matches!(self, Self::Secured(_))
    }
}

impl AsyncRead for Stream {
    #[inline]
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Secured(secured) => {
                let read = Pin::new(&mut secured.stream).poll_read(cx, buffer);
                if let Poll::Ready(Err(error)) = &read {
                    secured.tls.note(error);
                }
                read
            }
        }
    }
}

impl AsyncWrite for Stream {
    #[inline]
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Secured(secured) => match Pin::new(&mut secured.stream).poll_write(cx, bytes) {
                Poll::Ready(Err(error)) => Poll::Ready(Err(secured.last_word(cx, error))),
                written => written,
            },
        }
    }

    #[inline]
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Secured(secured) => match Pin::new(&mut secured.stream).poll_flush(cx) {
                Poll::Ready(Err(error)) => Poll::Ready(Err(secured.last_word(cx, error))),
                flushed => flushed,
            },
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Secured(secured) => Pin::new(&mut secured.stream).poll_shutdown(cx),
        }
    }

    #[inline]
    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, buffers),
            Self::Secured(secured) => Pin::new(&mut secured.stream).poll_write_vectored(cx, buffers),
        }
    }

    #[inline]
    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_write_vectored(),
            Self::Secured(secured) => secured.stream.is_write_vectored(),
        }
    }
}
