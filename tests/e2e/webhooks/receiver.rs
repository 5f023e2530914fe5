//! An app's backend that takes webhooks: HTTPS on loopback, with a certificate authority of its own, answering as a test says.

use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use crate::daemon::until;

/// What is answered at a path; after the last of a list, 200.
#[derive(Clone, Copy, Debug)]
pub(super) enum Reply {
    Status(u16),
    /// 307 to a path of this receiver.
    Redirect(&'static str),
    Never,
}

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(super) struct Got {
    pub(super) path: String,
    pub(super) headers: HeaderMap,
    pub(super) bytes: Bytes,
    pub(super) body: Value,
}

impl Got {
    pub(super) fn id(&self) -> &str {
        self.headers["webhook-id"].to_str().unwrap()
    }

    /// Its `type`.
    pub(super) fn kind(&self) -> &str {
        self.body["type"].as_str().unwrap()
    }

    pub(super) fn items(&self) -> &[Value] {
        self.body["data"].as_array().unwrap()
    }

    /// Whether the specification's own library takes it, by this secret.
    pub(super) fn is_signed_by(&self, secret: &str) -> bool {
        standardwebhooks::Webhook::new(secret).unwrap().verify(&self.bytes, &self.headers).is_ok()
    }
}

pub(super) struct Receiver {
    port: u16,
    dir: TempDir,
    log: Arc<Log>,
    _accepting: AbortOnDropHandle<()>,
}

#[derive(Default)]
struct Log {
    got: Mutex<Vec<Got>>,
    replies: Mutex<HashMap<String, VecDeque<Reply>>>,
    always: Mutex<HashMap<String, Reply>>,
}

impl Receiver {
    /// One with a certificate for 127.0.0.1, and for these names.
    pub(super) async fn start(names: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let authority_key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        std::fs::write(dir.path().join("ca.pem"), params.self_signed(&authority_key).unwrap().pem()).unwrap();
        let issuer = Issuer::new(params, authority_key);
        let key = KeyPair::generate().unwrap();
        let names = names.iter().copied().chain(["127.0.0.1"]).map(str::to_owned).collect::<Vec<_>>();
        let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &issuer).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], PrivateKeyDer::try_from(key.serialize_der()).unwrap())
            .unwrap();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let log = Arc::new(Log::default());
        let shared = Arc::clone(&log);
        let tasks = TaskTracker::new();
        let accepting = tasks.clone().spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                let (acceptor, log) = (acceptor.clone(), Arc::clone(&shared));
                tasks.spawn(async move {
                    let Ok(tls) = acceptor.accept(tcp).await else { return };
                    let service = service_fn(move |request| answer(Arc::clone(&log), request));
                    // how it ends is for the other side to say
                    drop(auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(tls), service).await);
                });
            }
        });
        Self { port, dir, log, _accepting: AbortOnDropHandle::new(accepting) }
    }

    /// The URL of a path.
    pub(super) fn url(&self, path: &str) -> String {
        self.url_at("127.0.0.1", path)
    }

    /// The same by another name.
    pub(super) fn url_at(&self, host: &str, path: &str) -> String {
        format!("https://{host}:{}{path}", self.port)
    }

    /// Settings of a daemon that trusts it and may connect to it.
    pub(super) fn settings(&self) -> [(&'static str, String); 2] {
        let ca: PathBuf = self.dir.path().join("ca.pem");
        [("HERALD__WEBHOOKS__CA_FILE", ca.to_str().unwrap().to_owned()), ("HERALD__WEBHOOKS__ALLOW_PRIVATE_ADDRESSES", "true".to_owned())]
    }

    /// Says what is answered at a path first.
    pub(super) fn reply(&self, path: &str, replies: &[Reply]) {
        self.log.replies.lock().unwrap().insert(path.to_owned(), replies.iter().copied().collect());
    }

    /// Says what is answered at a path from now on.
    pub(super) fn always(&self, path: &str, reply: Reply) {
        self.log.always.lock().unwrap().insert(path.to_owned(), reply);
    }

    /// Forgets what arrived.
    pub(super) fn forget(&self) {
        self.log.got.lock().unwrap().clear();
    }

    /// What arrived at a path.
    pub(super) fn got(&self, path: &str) -> Vec<Got> {
        self.log.got.lock().unwrap().iter().filter(|got| got.path == path).cloned().collect()
    }

    /// Waits until so many requests have arrived at a path.
    pub(super) async fn wait(&self, path: &str, count: usize) -> Vec<Got> {
        until(&format!("{count} requests at {path}"), async || Some(self.got(path)).filter(|got| got.len() >= count)).await
    }

    /// Waits until an item of this type has arrived at a path for which this holds.
    pub(super) async fn item(&self, path: &str, kind: &str, is: impl Fn(&Value) -> bool) -> Value {
        until(&format!("{kind} at {path}"), async || {
            let got = self.got(path).into_iter().filter(|got| got.kind() == kind);
            got.flat_map(|got| got.items().to_vec()).find(|item| is(item))
        })
        .await
    }
}

async fn answer(log: Arc<Log>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let bytes = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let path = head.uri.path().to_owned();
    let body = serde_json::from_slice(&bytes).unwrap_or_default();
    log.got.lock().unwrap().push(Got { path: path.clone(), headers: head.headers, bytes, body });
    let first = log.replies.lock().unwrap().get_mut(&path).and_then(VecDeque::pop_front);
    let always = log.always.lock().unwrap().get(&path).copied();
    let response = match first.or(always).unwrap_or(Reply::Status(200)) {
        Reply::Status(status) => Response::builder().status(status),
        Reply::Redirect(to) => Response::builder().status(307).header("location", to),
        Reply::Never => std::future::pending().await,
    };
    Ok(response.body(Full::default()).unwrap())
}
