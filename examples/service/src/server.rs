//! Threads and connections: one listener deals connections out to threads, each with a runtime and a
//! Redis connection of its own, so that nothing is shared between cores on the way of a request.

use std::{io, net::SocketAddr, num::NonZeroUsize, sync::Arc, thread, time::Duration};

use hyper::service::service_fn;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    runtime,
    signal::unix::{SignalKind, signal},
    sync::{Notify, mpsc, watch},
    time,
};
use tokio_rustls::TlsAcceptor;

use crate::{
    leak, link,
    logs::ErrorEvent,
    memory, routes,
    state::{Shared, Worker},
};

/// Accepted connections that wait for a thread to take them; beyond that the kernel's backlog holds them.
const HANDOVER: usize = 256;
const FIRST_CONNECT: Duration = Duration::from_secs(3);
const DRAIN: Duration = Duration::from_secs(3);
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Why the service could not run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServeError {
    #[error("cannot listen on {address}; choose another --listen address (port 0 takes a free one)")]
    Listen { address: SocketAddr, source: io::Error },
    #[error("cannot start the runtime or its threads")]
    Runtime(#[from] io::Error),
}

/// The listening end of one serving thread.
struct Desk {
    connections: mpsc::Sender<std::net::TcpStream>,
    redis_tried: Arc<Notify>,
    thread: thread::JoinHandle<()>,
}

/// Serves until SIGTERM or SIGINT, then lets the requests under way finish. `ready` gets the bound address.
pub(crate) fn run(
    shared: &Arc<Shared>,
    address: SocketAddr,
    threads: NonZeroUsize,
    ready: impl FnOnce(SocketAddr) -> io::Result<()>,
) -> Result<(), ServeError> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let desks = runtime.block_on(async {
        // Installed first: from the moment the ready line is out, a signal means a clean end.
        let stop = stop_signal()?;
        let listener = TcpListener::bind(address).await.map_err(|source| ServeError::Listen { address, source })?;
        let bound = listener.local_addr()?;
        let desks = (0..threads.get()).map(|number| open_desk(shared, number)).collect::<io::Result<Vec<_>>>()?;
        // Requests sent right after the ready line should find Redis, if there is one.
        for desk in &desks {
            let _ = time::timeout(FIRST_CONNECT, desk.redis_tried.notified()).await;
        }
        ready(bound)?;
        tokio::select! {
            () = deal(&listener, &desks, shared) => {}
            () = stop => {}
        }
        Ok::<_, ServeError>(desks)
    })?;
    close(desks);
    Ok(())
}

fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// Accepts for ever, and gives each thread its turn.
async fn deal(listener: &TcpListener, desks: &[Desk], shared: &Shared) {
    for desk in desks.iter().cycle() {
        match accept(listener).await {
            // A thread only stops taking connections when it is told to, and nobody has yet.
            Ok(stream) => drop(desk.connections.send(stream).await),
            Err(error) => {
                // Out of file descriptors, most likely: pause rather than spin until some are closed.
                let message = format!("cannot accept a connection: {error}");
                shared.logs.error(ErrorEvent::AcceptError, None, &message);
                time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Detaches the connection from this runtime: the thread that serves it registers it with its own.
async fn accept(listener: &TcpListener) -> io::Result<std::net::TcpStream> {
    let (stream, _peer) = listener.accept().await?;
    stream.set_nodelay(true)?;
    stream.into_std()
}

fn open_desk(shared: &Arc<Shared>, number: usize) -> io::Result<Desk> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let (connections, incoming) = mpsc::channel(HANDOVER);
    let redis_tried = Arc::new(Notify::new());
    let worker = Worker::new(shared);
    let tried = Arc::clone(&redis_tried);
    let thread = thread::Builder::new()
        .name(format!("serve-{number}"))
        .spawn(move || runtime.block_on(work(worker, incoming, tried, number == 0)))?;
    Ok(Desk { connections, redis_tried, thread })
}

/// Dropping the sending ends tells the threads to drain.
fn close(desks: Vec<Desk>) {
    let threads: Vec<_> = desks.into_iter().map(|desk| desk.thread).collect();
    for thread in threads {
        // A panic in a thread has been printed by its hook; the others still drain.
        let _ = thread.join();
    }
}

/// One thread's life. The first thread also does what the service does once: leak, and tidy up Redis.
async fn work(
    worker: Worker,
    mut incoming: mpsc::Receiver<std::net::TcpStream>,
    redis_tried: Arc<Notify>,
    is_first: bool,
) {
    let Worker { shared, link, .. } = worker.clone();
    tokio::spawn(link::keep(Arc::clone(&link), Arc::clone(&shared), redis_tried));
    if is_first {
        tokio::spawn(leak::run(Arc::clone(&shared), Arc::clone(&link)));
    }
    let (stopping, stopped) = watch::channel(());
    while let Some(stream) = incoming.recv().await {
        // The connection may be gone already; its client knows.
        if let Ok(stream) = TcpStream::from_std(stream) {
            tokio::spawn(converse(worker.clone(), stream, stopped.clone()));
        }
    }
    drop(stopped);
    let _ = stopping.send(());
    // Each connection holds a receiver, so the channel closes with the last of them.
    let _ = time::timeout(DRAIN, stopping.closed()).await;
    if is_first && let Ok(session) = link.session() {
        let restored = memory::restore(&session.client, &shared).await;
        if let Err(error) = restored {
            let message = format!("could not put back maxmemory: {error}");
            shared.logs.error(ErrorEvent::RedisError, None, &message);
        }
    }
}

/// Serves one connection, over TLS where the service has a certificate.
async fn converse(worker: Worker, stream: TcpStream, stopped: watch::Receiver<()>) {
    let Some(config) = worker.shared.tls.clone() else {
        return exchange(worker, stream, stopped).await;
    };
    // A handshake that fails is told to the client by its alert, and one that never ends is dropped.
    if let Ok(Ok(stream)) = time::timeout(HANDSHAKE, TlsAcceptor::from(config).accept(stream)).await {
        exchange(worker, stream, stopped).await;
    }
}

/// Answers requests until the connection ends, or until the service stops and its present request is answered.
///
/// HTTP/1.1 or HTTP/2, as the client's first bytes say (RFC 9113, 3.3).
async fn exchange<S>(worker: Worker, stream: S, mut stopped: watch::Receiver<()>)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let service = service_fn(move |request| routes::serve(worker.clone(), request));
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().pipeline_flush(true);
    let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
    // A connection that ends in an error is a client that went away: not the service's failure.
    tokio::select! {
        biased;
        _ = connection.as_mut() => return,
        _ = stopped.changed() => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}
