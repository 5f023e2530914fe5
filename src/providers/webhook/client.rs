//! The client: a pool of connections to each receiver's origin.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, USER_AGENT};
use http::{HeaderName, HeaderValue, Method, Uri, Version};
use rustls::ClientConfig;
use tokio::time::Instant;

use super::{Answer, Request, Settings, Unanswered, WebhookClient};
use crate::domain::webhook::address::check_url;
use crate::domain::webhook::attempt::WITHIN;
use crate::providers::http2::{Limits, Origin, Pool, Proxy, TlsError, Want, client_config_with_http1, retry_after};
use crate::providers::origins::{Origins, Proven};
use crate::providers::{Context, InitError};

const ID: HeaderName = HeaderName::from_static("webhook-id");
const TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const AGENT: HeaderValue = HeaderValue::from_static(concat!("herald/", env!("CARGO_PKG_VERSION")));

/// Receivers' origins at the same time.
const KEPT: usize = 256;
/// Of an answer, what is read at most, in bytes; nothing of it is kept.
const ANSWER_BYTES: usize = 64 * 1024;
/// Connections to one origin that speaks HTTP/1.1: a slow webhook there leaves room for others.
const HTTP1_CONNECTIONS: usize = 64;
/// A connection that nobody needs for this long is closed: most servers of HTTP/1.1 do so themselves a little later, and what is sent at that
/// moment is lost.
const IDLE: Duration = Duration::from_secs(20);

/// Sends to receivers over HTTP/2, or HTTP/1.1 to those that speak nothing newer.
pub struct HttpWebhooks {
    origins: Origins<Receiver>,
    /// `None`: there is nothing to check a certificate by.
    tls: Option<Arc<ClientConfig>>,
    proxy: Option<Proxy>,
    limits: Limits,
    allows_private: bool,
    within: Duration,
    context: Context,
}

/// One origin.
struct Receiver {
    pool: Pool,
    has_answered: AtomicBool,
}

impl Proven for Receiver {
    fn is_proven(&self) -> bool {
        self.has_answered.load(Ordering::Relaxed)
    }
}

impl HttpWebhooks {
    /// Reads the files that are named. Nothing is sent: the first request connects.
    pub fn load(settings: &Settings, context: &Context) -> Result<Self, InitError> {
        settings.check()?;
        let limits = Limits {
            answer_bytes: ANSWER_BYTES,
            cuts_answers: true,
            http1_connections: HTTP1_CONNECTIONS,
            idle: Some(IDLE),
            reach: settings.reach(),
            ..Limits::default()
        };
        Ok(Self {
            origins: Origins::new(KEPT),
            tls: tls(settings)?,
            proxy: settings.proxy().load()?,
            limits,
            allows_private: settings.allow_private_addresses,
            within: WITHIN,
            context: context.clone(),
        })
    }

    fn addressed(&self, url: &str) -> Result<(Arc<Receiver>, Uri), Unanswered> {
        // it was allowed when it was stored, but settings change
        check_url(url, self.allows_private).map_err(|_| Unanswered("address forbidden"))?;
        let odd = Unanswered("address malformed");
        let (origin, path) = Origin::split(url).map_err(|_| odd)?;
        let uri = origin.uri(path).ok_or(odd)?;
        let tls = self.tls.as_ref().ok_or(Unanswered("no root certificates"))?;
        let name = origin.to_string().to_ascii_lowercase();
        let receiver = self.origins.at(&name, || {
            let pool = Pool::through(self.proxy.clone(), origin, Arc::clone(tls), self.limits, &self.context);
            Ok(Receiver { pool, has_answered: AtomicBool::new(false) })
        })?;
        Ok((receiver, uri))
    }
}

/// A machine without root certificates starts nevertheless: who has no webhook needs none.
fn tls(settings: &Settings) -> Result<Option<Arc<ClientConfig>>, TlsError> {
    match client_config_with_http1(settings.extra_roots()) {
        Ok(tls) => Ok(Some(tls)),
        Err(error @ TlsError::Roots(_)) if settings.extra_roots().is_none() => {
            tracing::warn!(error = &error as &dyn std::error::Error, "nothing can be sent to webhooks");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

#[async_trait]
impl WebhookClient for HttpWebhooks {
    async fn post(&self, request: Request) -> Result<Answer, Unanswered> {
        let deadline = Instant::now() + self.within;
        let (receiver, uri) = self.addressed(&request.url)?;
        let signatures = HeaderValue::try_from(&request.signatures).map_err(|_| Unanswered("malformed request"))?;
        let head = || {
            let mut head = http::Request::new(());
            *head.method_mut() = Method::POST;
            *head.version_mut() = Version::HTTP_2;
            *head.uri_mut() = uri.clone();
            let fields = head.headers_mut();
            fields.insert(CONTENT_TYPE, JSON);
            fields.insert(CONTENT_LENGTH, HeaderValue::from(request.body.len()));
            fields.insert(USER_AGENT, AGENT);
            fields.insert(ID, HeaderValue::try_from(request.id.to_string()).ok()?);
            fields.insert(TIMESTAMP, HeaderValue::from(request.timestamp));
            fields.insert(SIGNATURE, signatures.clone());
            Some(head)
        };
        let answer = receiver.pool.send(head, request.body.clone(), Want::any(), deadline).await;
        let answer = answer.map_err(|error| Unanswered(error.word()))?;
        receiver.has_answered.store(true, Ordering::Relaxed);
        Ok(Answer { status: answer.status.as_u16(), retry_after: retry_after(&answer.headers, self.context.clock.now()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::http2::Reach;
    use crate::providers::testing::{Authority, Http1Server, TestClock, Turn, context};

    async fn posted(change: impl FnOnce(&mut HttpWebhooks), turn: Turn) -> (Result<Answer, Unanswered>, usize) {
        let authority = Authority::new();
        let server = Http1Server::start(&authority, &["http/1.1"], move |_| turn.clone()).await;
        let settings = Settings { ca_file: Some(authority.path().to_owned()), allow_private_addresses: true, ..Settings::default() };
        let mut client = HttpWebhooks::load(&settings, &context(&TestClock::new())).unwrap();
        change(&mut client);
        let request = Request {
            url: server.url(),
            id: uuid::Uuid::nil(),
            timestamp: 0,
            signatures: String::new(),
            body: bytes::Bytes::from_static(b"{}"),
        };
        (client.post(request).await, server.opened())
    }

    #[tokio::test]
    async fn a_name_is_judged_by_its_addresses() {
        let (answer, opened) = posted(|client| client.limits.reach = Reach::Public, Turn::Answer(200, String::new())).await;
        assert_eq!((answer, opened), (Err(Unanswered("address forbidden")), 0));
        let (answer, opened) = posted(|_| {}, Turn::Answer(200, String::new())).await;
        assert_eq!((answer.unwrap().status, opened), (200, 1));
    }

    #[tokio::test]
    async fn a_receiver_has_its_time() {
        let (answer, opened) = posted(|client| client.within = Duration::from_millis(500), Turn::Never).await;
        assert!(answer == Err(Unanswered("timeout")) || opened == 0, "{answer:?}");
        assert!(answer.is_err());
    }
}
