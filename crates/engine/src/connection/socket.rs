//! A connection's socket as hyper reads it: one that knows by itself that nothing has arrived.
//!
//! hyper looks for bytes to read several times per request, and all but one of these looks are in vain. Asking the
//! runtime each time costs as much as parsing a small answer does. It knows nothing of HTTP.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;

use super::dial::Stream;

/// A socket that always wakes the same task, whatever context it is read in.
pub(crate) struct Socket {
    stream: TokioIo<Stream>,
    arrival: Arc<News>,
    /// [`Self::arrival`] in the form a context takes.
    waker: Waker,
}

/// Notes that something may have arrived, and passes it on.
struct News {
    owner: Waker,
    readable: AtomicBool,
}

impl Socket {
    /// Wakes `owner` when there is something to read. Every poll must be in a context of `owner`.
    pub(crate) fn new(stream: Stream, owner: Waker) -> Self {
        let arrival = Arc::new(News { owner, readable: AtomicBool::new(true) });
        let waker = Waker::from(Arc::clone(&arrival));
        Self { stream: TokioIo::new(stream), arrival, waker }
    }
}

impl Read for Socket {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        if !self.arrival.readable.load(Ordering::Acquire) {
            return Poll::Pending;
        }
        // Forgotten before the runtime is asked: what arrives from then on is noted again.
        self.arrival.readable.store(false, Ordering::Release);
        let socket = &mut *self;
        let read = Pin::new(&mut socket.stream).poll_read(&mut Context::from_waker(&socket.waker), buf);
        if read.is_ready() {
            socket.arrival.readable.store(true, Ordering::Release);
        }
        read
    }
}

impl Write for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl Wake for News {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.readable.store(true, Ordering::Release);
        self.owner.wake_by_ref();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use std::net::Ipv4Addr;
    use tokio::io::AsyncWriteExt as _;
    use tokio::net::{TcpListener, TcpStream};

    /// A socket owned by the calling task, and its other end.
    async fn pair() -> (Socket, TcpStream) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let owner = poll_fn(|cx| Poll::Ready(cx.waker().clone())).await;
        (Socket::new(Stream::Plain(stream), owner), listener.accept().await.unwrap().0)
    }

    /// One look, with room for `N` bytes.
    async fn look<const N: usize>(socket: &mut Socket) -> Poll<Vec<u8>> {
        poll_fn(|cx| {
            let mut room = [0; N];
            let mut buf = hyper::rt::ReadBuf::new(&mut room);
            let read = Pin::new(&mut *socket).poll_read(cx, buf.unfilled());
            Poll::Ready(read.map(|done| done.map(|()| buf.filled().to_vec()).unwrap()))
        })
        .await
    }

    /// Looks whenever the task is woken, until there is something.
    async fn wait<const N: usize>(socket: &mut Socket) -> Vec<u8> {
        poll_fn(|cx| {
            let mut room = [0; N];
            let mut buf = hyper::rt::ReadBuf::new(&mut room);
            let read = Pin::new(&mut *socket).poll_read(cx, buf.unfilled());
            read.map(|done| done.map(|()| buf.filled().to_vec()).unwrap())
        })
        .await
    }

    #[tokio::test]
    async fn what_arrives_after_looks_in_vain_wakes_the_owner() {
        let (mut socket, mut peer) = pair().await;
        for text in ["one", "two"] {
            assert_eq!(look::<8>(&mut socket).await, Poll::Pending);
            assert_eq!(look::<8>(&mut socket).await, Poll::Pending);
            peer.write_all(text.as_bytes()).await.unwrap();
            assert_eq!(wait::<8>(&mut socket).await, text.as_bytes());
        }
    }

    #[tokio::test]
    async fn one_arrival_may_take_several_reads() {
        let (mut socket, mut peer) = pair().await;
        assert_eq!(look::<4>(&mut socket).await, Poll::Pending);
        peer.write_all(b"12345678").await.unwrap();
        assert_eq!(wait::<4>(&mut socket).await, b"1234");
        assert_eq!(look::<4>(&mut socket).await, Poll::Ready(b"5678".to_vec()));
        assert_eq!(look::<4>(&mut socket).await, Poll::Pending);
    }

    #[tokio::test]
    async fn the_end_of_the_stream_is_seen_again_and_again() {
        let (mut socket, peer) = pair().await;
        assert_eq!(look::<4>(&mut socket).await, Poll::Pending);
        drop(peer);
        assert_eq!(wait::<4>(&mut socket).await, b"");
        assert_eq!(look::<4>(&mut socket).await, Poll::Ready(vec![]));
    }
}
