//! Serving: HTTP/1.1 and HTTP/2 without TLS on one port, with limits on how long a caller may take, and an end that loses nothing.

use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Settings;

/// The first bytes of HTTP/2 (RFC 9113, 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// How long a connection may go on after the end began.
const DRAIN: Duration = Duration::from_secs(10);
/// After a failed accept (no more file descriptors): others must end first.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Between two looks at a connection whose first bytes trickle in.
const SNIFF_PAUSE: Duration = Duration::from_millis(5);
/// Silent HTTP/2 connections are asked whether they live.
const PING_INTERVAL: Duration = Duration::from_secs(30);
const MAX_STREAMS: u32 = 256;
const MAX_HEADER_BYTES: u32 = 64 * 1024;

/// Serves until `cancel`; then takes no more connections, and each ends with the requests it has. All of them run in `tasks`.
pub async fn serve(listener: TcpListener, router: Router, settings: Settings, cancel: CancellationToken, tasks: TaskTracker) {
    let server = Server { router, settings, cancel };
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = server.cancel.cancelled() => return,
        };
        match accepted {
            Ok((stream, _)) => drop(tasks.spawn(server.clone().connection(stream))),
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

#[derive(Clone)]
struct Server {
    router: Router,
    settings: Settings,
    cancel: CancellationToken,
}

impl Server {
    async fn connection(self, stream: TcpStream) {
        let begun = tokio::select! {
            begun = tokio::time::timeout(self.settings.header_timeout(), first_bytes(&stream)) => begun,
            () = self.cancel.cancelled() => return,
        };
        if !matches!(begun, Ok(Ok(()))) {
            return;
        }
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a connection could not be set to send at once");
        }
        let mut builder = auto::Builder::new(TokioExecutor::new());
        builder.http1().timer(TokioTimer::new()).header_read_timeout(self.settings.header_timeout());
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(MAX_STREAMS)
            .max_header_list_size(MAX_HEADER_BYTES)
            .keep_alive_interval(PING_INTERVAL);
        let connection = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(self.router));
        let mut connection = std::pin::pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = self.cancel.cancelled() => {
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

/// Waits until it is clear which HTTP the peer speaks: the server below would wait for that without a limit.
async fn first_bytes(stream: &TcpStream) -> std::io::Result<()> {
    let mut buffer = [0; PREFACE.len()];
    loop {
        let length = stream.peek(&mut buffer).await?;
        let seen = buffer.get(..length).unwrap_or_default();
        if length == 0 || length == PREFACE.len() || !PREFACE.starts_with(seen) {
            return Ok(());
        }
        tokio::time::sleep(SNIFF_PAUSE).await;
    }
}

#[cfg(test)]
mod tests;
