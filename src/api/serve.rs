//! Serving: HTTP/1.1 and HTTP/2 on one port, with limits on how many may come and how long each may take, and an end that loses nothing.
//!
//! Of what HTTP/2 has been attacked with, h2 itself bounds: CONTINUATION frames (CVE-2024-27316) by the size of a header list, streams that
//! are reset before they are accepted (20) or for errors of the peer's (1024; CVE-2023-44487, CVE-2025-8671), small and empty DATA frames,
//! and one answer to PING and SETTINGS is waited for before more is read. [`link`] bounds what is left: requests that are taken back after
//! they were accepted, and frames that only keep us busy.

mod answer;
mod link;
mod links;
mod stream;
mod tls;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use bytes::Bytes;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use ipnet::IpNet;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::answer::Asking;
use self::link::{Link, Timeouts};
use self::links::{Links, Place};
use self::stream::Stream;
use super::Settings;
use super::load::overloaded;
use super::peer::{Peer, is_in};

pub use self::tls::{Tls, TlsError};

/// The first bytes of HTTP/2 (RFC 9113, 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// How long a connection may go on after the end began.
const DRAIN: Duration = Duration::from_secs(10);
/// After a failed accept (no more file descriptors): others must end first.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How often connections are looked at.
const SWEEP: Duration = Duration::from_secs(1);
/// Silent HTTP/2 connections are asked whether they live.
const PING_INTERVAL: Duration = Duration::from_secs(30);
const MAX_STREAMS: u32 = 128;
/// What one stream and one connection may bring before it is read, in bytes.
const STREAM_WINDOW: u32 = 128 * 1024;
const CONNECTION_WINDOW: u32 = 4 * STREAM_WINDOW;
/// What a stream of HTTP/2 may have waiting to be sent before its answer is asked for more, in bytes.
const SEND_BUFFER: usize = 64 * 1024;
/// The head of a request, at most, in bytes.
const MAX_HEAD: u16 = 16 * 1024;

/// Where callers come in.
#[derive(Debug)]
pub struct Door {
    /// Takes their connections.
    pub listener: TcpListener,
    /// Without it they speak as they are.
    pub tls: Option<Arc<Tls>>,
}

/// Serves until `cancel`; then takes no more connections, and each ends with the requests it has. All of them run in `tasks`.
pub async fn serve(door: Door, router: Router, settings: Settings, cancel: CancellationToken, tasks: TaskTracker) {
    let most_of_one = settings.max_connections_per_address;
    let links = Arc::new(Links::new(settings.max_connections, most_of_one, settings.trusted_proxies.clone()));
    let timeouts = Timeouts { head: settings.header_timeout(), idle: settings.idle_timeout(), write: settings.write_timeout() };
    drop(tasks.spawn(sweep(Arc::clone(&links), timeouts, cancel.clone())));
    let trusted: Arc<[IpNet]> = settings.trusted_proxies.into();
    let Door { listener, tls } = door;
    // who expects TLS could not read it
    let refusal = if tls.is_some() { Bytes::new() } else { refusal() };
    let server = Server { router, tls, timeouts, trusted, cancel };
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = server.cancel.cancelled() => return,
        };
        match accepted {
            Ok((stream, peer)) => match links.admit(peer.ip()) {
                Some(place) => drop(tasks.spawn(server.clone().connection(stream, peer, place))),
                None => refuse(&stream, &refusal),
            },
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn sweep(links: Arc<Links>, timeouts: Timeouts, cancel: CancellationToken) {
    while cancel.run_until_cancelled(tokio::time::sleep(SWEEP)).await.is_some() {
        links.sweep(timeouts);
    }
}

/// What a connection is told that there is no place for.
fn refusal() -> Bytes {
    let body = serde_json::to_string(&overloaded().into_body()).unwrap_or_default();
    let head = "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/problem+json\r\nretry-after: 1\r\nconnection: close";
    format!("{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into()
}

/// Says so, where that goes at once.
fn refuse(stream: &TcpStream, refusal: &[u8]) {
    metrics::counter!("herald_connections_refused_total").increment(1);
    if let Err(error) = stream.try_write(refusal) {
        tracing::debug!(%error, "a connection could not be told that there is no place for it");
    }
}

#[derive(Clone)]
struct Server {
    router: Router,
    tls: Option<Arc<Tls>>,
    timeouts: Timeouts,
    trusted: Arc<[IpNet]>,
    cancel: CancellationToken,
}

impl Server {
    async fn connection(self, stream: TcpStream, peer: SocketAddr, place: Place) {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a connection could not be set to send at once");
        }
        let link = Arc::clone(&place.link);
        let spoken = async {
            match self.tls.clone() {
                Some(tls) => self.secure(stream, peer, Arc::clone(&link), &tls).await,
                None => self.plain(stream, peer, Arc::clone(&link)).await,
            }
        };
        tokio::select! {
            () = spoken => {}
            () = link.is_cut() => {}
        }
    }

    /// HTTP over TLS; the handshake has the time of a head.
    async fn secure(self, stream: TcpStream, peer: SocketAddr, link: Arc<Link>, tls: &Tls) {
        let shaken = tokio::select! {
            shaken = tls.acceptor().accept(stream) => shaken,
            () = self.cancel.cancelled() => return,
        };
        match shaken {
            Ok(stream) => {
                let is_http2 = stream.get_ref().1.alpn_protocol() == Some(tls::H2);
                let peer = Peer { address: peer.ip(), is_secure: true };
                self.speak(Stream::new(stream, Bytes::new(), Arc::clone(&link)), peer, link, is_http2).await;
            }
            Err(error) => tracing::debug!(%error, "a TLS handshake failed"),
        }
    }

    /// HTTP without TLS, of either version.
    async fn plain(self, mut stream: TcpStream, peer: SocketAddr, link: Arc<Link>) {
        let first = tokio::select! {
            first = first_bytes(&mut stream) => first,
            () = self.cancel.cancelled() => return,
        };
        let Ok(Some(first)) = first else { return };
        let is_http2 = first == PREFACE;
        let peer = Peer { address: peer.ip(), is_secure: false };
        self.speak(Stream::new(stream, first, Arc::clone(&link)), peer, link, is_http2).await;
    }

    async fn speak<T: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
        self,
        stream: Stream<T>,
        peer: Peer,
        link: Arc<Link>,
        is_http2: bool,
    ) {
        let Self { router, timeouts, trusted, cancel, .. } = self;
        let is_proxy = is_in(&trusted, peer.address);
        if is_http2 {
            link.is_of_http2();
        }
        let builder = builder(is_http2);
        let connection = builder.serve_connection(TokioIo::new(stream), Asking { router, link, peer, timeouts, is_proxy });
        let mut connection = std::pin::pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = cancel.cancelled() => {
                connection.as_mut().graceful_shutdown();
                let Ok(ended) = tokio::time::timeout(DRAIN, connection).await else {
                    tracing::warn!("a connection did not end in time and was dropped");
                    return;
                };
                ended
            }
        };
        if let Err(error) = ended {
            tracing::debug!(error = &*error, "a connection broke off");
        }
    }
}

/// How one version of HTTP is spoken. How long a head and an idle connection may take, [`link`] knows.
fn builder(is_http2: bool) -> auto::Builder<TokioExecutor> {
    let builder = auto::Builder::new(TokioExecutor::new());
    let mut builder = if is_http2 { builder.http2_only() } else { builder.http1_only() };
    builder.http1().timer(TokioTimer::new()).header_read_timeout(None).max_buf_size(usize::from(MAX_HEAD));
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(u32::from(MAX_HEAD))
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(SEND_BUFFER)
        .keep_alive_interval(PING_INTERVAL);
    builder
}

/// Reads until it is clear which HTTP the peer speaks; all of [`PREFACE`] where it is HTTP/2, `None` where it left.
async fn first_bytes(stream: &mut TcpStream) -> std::io::Result<Option<Bytes>> {
    let mut buffer = [0; PREFACE.len()];
    let mut length = 0;
    loop {
        let read = stream.read(buffer.get_mut(length..).unwrap_or_default()).await?;
        length += read;
        let seen = buffer.get(..length).unwrap_or_default();
        if length == PREFACE.len() || !PREFACE.starts_with(seen) {
            return Ok(Some(Bytes::copy_from_slice(seen)));
        }
        if read == 0 {
            return Ok(None);
        }
    }
}

#[cfg(test)]
mod tests;
