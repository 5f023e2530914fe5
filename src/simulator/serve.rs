//! A listener: takes TCP connections, does the TLS handshake and hands each to its protocol.

use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::look_alike::LookAlike;
use super::{http1, http2};

const HANDSHAKE: Duration = Duration::from_secs(10);
/// After a failed accept (no file handles left, mostly) it is tried again.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What a listener serves, and how.
pub(super) struct Service<L> {
    pub(super) look_alike: Arc<L>,
    pub(super) tls: Arc<ServerConfig>,
    pub(super) streams: http2::Streams,
    pub(super) tasks: TaskTracker,
    pub(super) cancel: CancellationToken,
}

impl<L: LookAlike> Service<L> {
    /// Starts to serve in the task set, until cancelled.
    pub(super) fn start(self, listener: TcpListener) {
        let tasks = self.tasks.clone();
        tasks.spawn(async move {
            let cancel = self.cancel.clone();
            let accepting = self.accept(listener);
            cancel.run_until_cancelled(accepting).await;
        });
    }

    async fn accept(self, listener: TcpListener) {
        let acceptor = TlsAcceptor::from(Arc::clone(&self.tls));
        loop {
            let Ok((tcp, _)) = listener.accept().await else {
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            };
            let connection = connect(Arc::clone(&self.look_alike), acceptor.clone(), tcp, self.streams);
            let cancel = self.cancel.clone();
            self.tasks.spawn(async move {
                cancel.run_until_cancelled(connection).await;
            });
        }
    }
}

async fn connect<L: LookAlike>(look_alike: Arc<L>, acceptor: TlsAcceptor, tcp: TcpStream, streams: http2::Streams) {
    if let Err(error) = tcp.set_nodelay(true) {
        tracing::debug!(%error, "cannot switch Nagle's algorithm off");
    }
    let handshake = tokio::time::timeout(HANDSHAKE, acceptor.accept(tcp));
    let io = match handshake.await {
        Ok(Ok(io)) => io,
        Ok(Err(error)) => {
            tracing::debug!(%error, "a TLS handshake with the simulator failed");
            return;
        }
        Err(_) => return,
    };
    look_alike.book().count_connection();
    // a client that names no protocol speaks the oldest that is offered
    let negotiated = io.get_ref().1.alpn_protocol();
    let offers_http1 = acceptor.config().alpn_protocols.iter().any(|name| name == b"http/1.1");
    if offers_http1 && negotiated != Some(b"h2") {
        if let Err(error) = http1::serve(look_alike, io).await {
            tracing::debug!(%error, "an HTTP/1.1 connection to the simulator ended");
        }
    } else if let Err(error) = http2::serve(look_alike, io, streams).await {
        tracing::debug!(%error, "an HTTP/2 connection to the simulator ended");
    }
}
