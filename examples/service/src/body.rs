//! Bodies of replies: whole, generated as they are sent, or broken off as the `close` and `stall` faults say.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use hyper::body::{self, Frame, SizeHint};

const FILLER: &[u8; 16 * 1024] = &[b'x'; 16 * 1024];

/// The body of a reply.
#[derive(Debug)]
pub(crate) struct Body {
    data: Bytes,
    then: Then,
}

/// What follows the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    /// The regular end.
    End,
    /// So many more bytes of filler, made as they are sent.
    Filler(u64),
    /// One pause, in which the data is flushed, and then the connection is closed.
    Pause,
    Close,
    /// Nothing, for as long as the client waits.
    Silence,
}

/// Why a body broke off: the `close` fault.
#[derive(Debug, thiserror::Error)]
#[error("closed in the middle of the body by the `close` fault")]
pub(crate) struct Closed;

impl Body {
    pub(crate) fn whole(data: Bytes) -> Self {
        Self { data, then: Then::End }
    }

    pub(crate) fn filler(bytes: u64) -> Self {
        Self { data: Bytes::new(), then: Then::Filler(bytes) }
    }

    /// Half of the data, and then the connection is closed.
    pub(crate) fn closed_midway(self) -> Self {
        Self { data: first_half(&self.data), then: Then::Pause }
    }

    /// Half of the data, and then nothing more, without an end.
    pub(crate) fn stalled_midway(self) -> Self {
        Self { data: first_half(&self.data), then: Then::Silence }
    }

    /// The length to announce, where it is known.
    pub(crate) fn length(&self) -> Option<u64> {
        let data = u64::try_from(self.data.len()).unwrap_or(u64::MAX);
        match self.then {
            Then::End => Some(data),
            Then::Filler(rest) => Some(data.saturating_add(rest)),
            Then::Pause | Then::Close | Then::Silence => None,
        }
    }
}

impl body::Body for Body {
    type Data = Bytes;
    type Error = Closed;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Closed>>> {
        if !self.data.is_empty() {
            let data = std::mem::take(&mut self.data);
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        match self.then {
            Then::End | Then::Filler(0) => Poll::Ready(None),
            Then::Filler(rest) => {
                let length = usize::try_from(rest).unwrap_or(usize::MAX).min(FILLER.len());
                self.then = Then::Filler(rest - u64::try_from(length).unwrap_or(rest));
                Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&FILLER[..length])))))
            }
            Then::Pause => {
                // hyper flushes when a body has nothing ready; an error at once would lose the first half.
                self.then = Then::Close;
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Then::Close => Poll::Ready(Some(Err(Closed))),
            Then::Silence => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.length() == Some(0)
    }

    fn size_hint(&self) -> SizeHint {
        self.length().map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

fn first_half(data: &Bytes) -> Bytes {
    data.slice(..data.len().div_ceil(2))
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    #[tokio::test]
    async fn filler_has_exactly_the_length_it_announces() {
        for length in [0u64, 1, 16 * 1024, 100_000] {
            let body = Body::filler(length);
            assert_eq!(body::Body::size_hint(&body).exact(), Some(length));
            let sent = body.collect().await.unwrap().to_bytes();
            assert_eq!(sent.len() as u64, length);
        }
    }

    #[tokio::test]
    async fn a_body_closed_midway_gives_its_first_half_and_then_fails() {
        let mut body = Body::whole(Bytes::from_static(b"abcdef")).closed_midway();
        let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(&first[..], b"abc");
        assert!(body.frame().await.unwrap().is_err());
    }
}
