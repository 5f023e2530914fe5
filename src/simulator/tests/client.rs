//! A small HTTP/2 client that shows what its peer does.

use std::sync::Arc;

use bytes::Bytes;
use h2::client::SendRequest;
use http::Request;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::task::TaskTracker;

/// A connection to a look-alike.
pub(super) struct Client {
    sender: SendRequest<Bytes>,
    driver: JoinHandle<Result<(), h2::Error>>,
}

/// An answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: http::HeaderMap,
    pub(super) body: Bytes,
}

impl Answer {
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// How a request fails.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Failure {
    /// GOAWAY with a lower last stream.
    Unprocessed,
    /// `RST_STREAM` with a code.
    Reset(h2::Reason),
    /// The connection broke.
    Broken,
}

impl From<h2::Error> for Failure {
    fn from(error: h2::Error) -> Self {
        match error.reason() {
            Some(_) if error.is_go_away() => Self::Unprocessed,
            Some(reason) if error.is_reset() => Self::Reset(reason),
            _ => Self::Broken,
        }
    }
}

impl Client {
    pub(super) async fn connect(endpoint: &str, ca_pem: &str) -> Self {
        Self::connect_as(endpoint, ca_pem, None).await
    }

    /// The same with a certificate: PEM, with its private key.
    pub(super) async fn connect_as(endpoint: &str, ca_pem: &str, client_pem: Option<&str>) -> Self {
        let io = tls_as(endpoint, ca_pem, &[b"h2"], client_pem).await;
        let (sender, connection) = h2::client::handshake(io).await.unwrap();
        let driver = TaskTracker::new().spawn(connection);
        Self { sender, driver }
    }

    /// Sends a request and waits for its answer.
    pub(super) async fn send(&self, request: Request<()>, body: impl Into<Bytes>) -> Result<Answer, Failure> {
        self.begin(request, body).await?.await
    }

    /// Sends a request; what comes back waits for its answer.
    pub(super) async fn begin<B: Into<Bytes>>(
        &self,
        request: Request<()>,
        body: B,
    ) -> Result<impl Future<Output = Result<Answer, Failure>> + use<B>, Failure> {
        let mut sender = self.sender.clone().ready().await?;
        let body = body.into();
        let (answer, mut stream) = sender.send_request(request, body.is_empty())?;
        if !body.is_empty() {
            stream.send_data(body, true)?;
        }
        Ok(async move {
            let (head, mut stream) = answer.await?.into_parts();
            let mut body = Vec::new();
            while let Some(chunk) = stream.data().await {
                let chunk = chunk?;
                stream.flow_control().release_capacity(chunk.len())?;
                body.extend_from_slice(&chunk);
            }
            Ok(Answer { status: head.status.as_u16(), headers: head.headers, body: body.into() })
        })
    }

    /// The streams that the peer allows, as far as it has said so.
    pub(super) fn streams(&self) -> usize {
        self.sender.current_max_send_streams()
    }

    /// Waits for the connection's end.
    pub(super) async fn closed(self) -> Result<(), Failure> {
        drop(self.sender);
        self.driver.await.unwrap().map_err(Failure::from)
    }
}

/// A TLS connection that trusts the simulator's CA and offers these protocols.
pub(super) async fn tls(endpoint: &str, ca_pem: &str, alpn: &[&[u8]]) -> TlsStream<TcpStream> {
    tls_as(endpoint, ca_pem, alpn, None).await
}

/// The same, of a client with a certificate: PEM, with its private key.
pub(super) async fn tls_as(endpoint: &str, ca_pem: &str, alpn: &[&[u8]], client_pem: Option<&str>) -> TlsStream<TcpStream> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca_pem.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap().with_root_certificates(roots);
    let mut config = match client_pem.map(str::as_bytes) {
        None => builder.with_no_client_auth(),
        Some(pem) => {
            let certificate = CertificateDer::from_pem_slice(pem).unwrap();
            builder.with_client_auth_cert(vec![certificate], PrivateKeyDer::from_pem_slice(pem).unwrap()).unwrap()
        }
    };
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    let address = endpoint.strip_prefix("https://").unwrap();
    let tcp = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let connector = TlsConnector::from(Arc::new(config));
    connector.connect(name, tcp).await.unwrap()
}

/// A provider token.
pub(super) fn sign_es256(key_pem: &str, key_id: &str, claims: &Value) -> String {
    let mut header = Header::new(Algorithm::ES256);
    header.kid = Some(key_id.to_owned());
    let key = EncodingKey::from_ec_pem(key_pem.as_bytes()).unwrap();
    encode(&header, claims, &key).unwrap()
}

/// The form that asks for an access token.
pub(super) fn token_form(service_account: &str, now_s: i64) -> String {
    let account: Value = serde_json::from_str(service_account).unwrap();
    let text = |name: &str| account[name].as_str().unwrap().to_owned();
    let mut header = Header::new(Algorithm::RS256);
    header.kid = Some(text("private_key_id"));
    let claims = json!({
        "iss": text("client_email"),
        "scope": "https://www.googleapis.com/auth/firebase.messaging",
        "aud": text("token_uri"),
        "iat": now_s,
        "exp": now_s + 3600,
    });
    let key = EncodingKey::from_rsa_pem(text("private_key").as_bytes()).unwrap();
    let assertion = encode(&header, &claims, &key).unwrap();
    format!("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion={assertion}")
}
