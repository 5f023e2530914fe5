//! An HTTP/2 server over TLS on loopback that answers as a test says.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream};
use http::{HeaderMap, Request, Response};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use super::tls::Authority;

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(in crate::providers) struct Seen {
    /// The how-manyth connection of the server, from 1.
    pub(in crate::providers) connection: usize,
    /// Whether the client showed a certificate.
    pub(in crate::providers) certified: bool,
    pub(in crate::providers) path: String,
    pub(in crate::providers) headers: HeaderMap,
    pub(in crate::providers) body: Bytes,
}

impl Seen {
    pub(in crate::providers) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    pub(in crate::providers) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// What becomes of a request.
#[derive(Clone, Debug)]
pub(in crate::providers) enum Reply {
    Answer { status: u16, headers: Vec<(&'static str, String)>, body: String },
    Reset(Reason),
}

impl Reply {
    pub(in crate::providers) fn new(status: u16, body: impl Into<String>) -> Self {
        Self::Answer { status, headers: Vec::new(), body: body.into() }
    }

    pub(in crate::providers) fn json(status: u16, body: &serde_json::Value) -> Self {
        Self::new(status, body.to_string())
    }

    pub(in crate::providers) fn ok() -> Self {
        Self::new(200, "")
    }
}

type Script = dyn Fn(&Seen) -> Reply + Send + Sync;

pub(in crate::providers) struct Server {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    connections: Arc<AtomicUsize>,
    _accepting: AbortOnDropHandle<()>,
}

#[derive(Clone)]
struct Service {
    script: Arc<Script>,
    seen: Arc<Mutex<Vec<Seen>>>,
    keep: bool,
}

impl Server {
    pub(in crate::providers) async fn start(authority: &Authority, script: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        Self::run(authority, Arc::new(script), true).await
    }

    /// One that remembers nothing, for measuring.
    pub(in crate::providers) async fn forgetful(authority: &Authority) -> Self {
        Self::run(authority, Arc::new(|_| Reply::ok()), false).await
    }

    async fn run(authority: &Authority, script: Arc<Script>, keep: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (seen, connections) = (Arc::default(), Arc::new(AtomicUsize::new(0)));
        let service = Service { script, seen: Arc::clone(&seen), keep };
        let (acceptor, count) = (authority.acceptor("h2"), Arc::clone(&connections));
        let tasks = TaskTracker::new();
        let accepting = tasks.clone().spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                let number = count.fetch_add(1, Ordering::Relaxed) + 1;
                tasks.spawn(serve(tcp, acceptor.clone(), service.clone(), number, tasks.clone()));
            }
        });
        Self { address, seen, connections, _accepting: AbortOnDropHandle::new(accepting) }
    }

    pub(in crate::providers) fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    pub(in crate::providers) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    pub(in crate::providers) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

async fn serve(tcp: TcpStream, acceptor: TlsAcceptor, service: Service, connection: usize, tasks: TaskTracker) {
    tcp.set_nodelay(true).unwrap();
    let Ok(tls) = acceptor.accept(tcp).await else { return };
    let certified = tls.get_ref().1.peer_certificates().is_some();
    let Ok(mut http2) = h2::server::handshake(tls).await else { return };
    while let Some(Ok((request, respond))) = http2.accept().await {
        tasks.spawn(answer(request, respond, service.clone(), (connection, certified)));
    }
}

async fn answer(request: Request<RecvStream>, mut respond: SendResponse<Bytes>, service: Service, (connection, certified): (usize, bool)) {
    let (head, mut stream) = request.into_parts();
    let mut body = Vec::new();
    while let Some(Ok(chunk)) = stream.data().await {
        stream.flow_control().release_capacity(chunk.len()).unwrap();
        body.extend_from_slice(&chunk);
    }
    let seen = Seen { connection, certified, path: head.uri.path().to_owned(), headers: head.headers, body: body.into() };
    let reply = (service.script)(&seen);
    if service.keep {
        service.seen.lock().unwrap().push(seen);
    }
    match reply {
        Reply::Reset(reason) => respond.send_reset(reason),
        Reply::Answer { status, headers, body } => {
            let mut response = Response::builder().status(status);
            for (name, value) in headers {
                response = response.header(name, value);
            }
            let response = response.body(()).unwrap();
            // the client may have gone
            if let Ok(mut stream) = respond.send_response(response, body.is_empty())
                && !body.is_empty()
            {
                drop(stream.send_data(body.into(), true));
            }
        }
    }
}
