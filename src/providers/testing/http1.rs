//! An HTTP/1.1 server over TLS on loopback that answers as a test says.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use super::server::Seen;
use super::tls::Authority;

/// What becomes of a request.
#[derive(Clone, Debug)]
pub(in crate::providers) enum Turn {
    Answer(u16, String),
    /// The last on its connection.
    AnswerAndClose(u16),
    /// Once it is told to.
    Told(u16, Arc<Notify>),
    Never,
}

type Script = dyn Fn(&Seen) -> Turn + Send + Sync;

pub(in crate::providers) struct Http1Server {
    address: SocketAddr,
    log: Arc<Log>,
    _accepting: AbortOnDropHandle<()>,
}

struct Log {
    script: Box<Script>,
    seen: Mutex<Vec<Seen>>,
    open: AtomicUsize,
    opened: AtomicUsize,
}

impl Http1Server {
    /// `alpn`: what it offers; nothing of the kind where empty.
    pub(in crate::providers) async fn start(
        authority: &Authority,
        alpn: &[&str],
        script: impl Fn(&Seen) -> Turn + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let log =
            Arc::new(Log { script: Box::new(script), seen: Mutex::default(), open: AtomicUsize::new(0), opened: AtomicUsize::new(0) });
        let (acceptor, shared) = (authority.acceptor_of(alpn), Arc::clone(&log));
        let tasks = TaskTracker::new();
        let accepting = tasks.clone().spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                let (acceptor, log) = (acceptor.clone(), Arc::clone(&shared));
                let number = log.opened.fetch_add(1, Ordering::Relaxed) + 1;
                tasks.spawn(async move {
                    let Ok(tls) = acceptor.accept(tcp).await else { return };
                    log.open.fetch_add(1, Ordering::Relaxed);
                    let service = service_fn(|request| answer(&log, number, request));
                    // how it ends is for the other side to say
                    drop(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(tls), service).await);
                    log.open.fetch_sub(1, Ordering::Relaxed);
                });
            }
        });
        Self { address, log, _accepting: AbortOnDropHandle::new(accepting) }
    }

    /// By name.
    pub(in crate::providers) fn url(&self) -> String {
        format!("https://localhost:{}", self.address.port())
    }

    pub(in crate::providers) fn seen(&self) -> Vec<Seen> {
        self.log.seen.lock().unwrap().clone()
    }

    /// Connections so far.
    pub(in crate::providers) fn opened(&self) -> usize {
        self.log.opened.load(Ordering::Relaxed)
    }

    /// Connections now.
    pub(in crate::providers) fn open(&self) -> usize {
        self.log.open.load(Ordering::Relaxed)
    }
}

async fn answer(log: &Log, connection: usize, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let seen = Seen { connection, path: head.uri.to_string(), headers: head.headers, body, certified: false };
    let turn = (log.script)(&seen);
    log.seen.lock().unwrap().push(seen);
    Ok(match turn {
        Turn::Answer(status, body) => Response::builder().status(status).body(Full::from(body)).unwrap(),
        Turn::AnswerAndClose(status) => Response::builder().status(status).header("connection", "close").body(Full::default()).unwrap(),
        Turn::Told(status, told) => {
            told.notified().await;
            Response::builder().status(status).body(Full::default()).unwrap()
        }
        Turn::Never => std::future::pending().await,
    })
}
