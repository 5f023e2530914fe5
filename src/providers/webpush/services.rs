//! What is kept of each push service: a pool of connections and a token.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustls::ClientConfig;

use super::vapid::Current;
use crate::domain::endpoint::Endpoint;
use crate::providers::Context;
use crate::providers::http2::{Limits, Origin, OriginError, Pool, Reach};
use crate::providers::origins::{Origins, Proven};

/// Services at the same time. Edge's alone has dozens of hosts.
const KEPT: usize = 256;
/// What a push service says of a push, at most, in bytes.
const ANSWER_BYTES: usize = 16 * 1024;
/// A connection that nobody needs for this long is closed: there are many of them.
const IDLE: Duration = Duration::from_mins(5);

/// One push service.
pub(super) struct Service {
    /// Also the `aud` of its tokens.
    pub(super) origin: String,
    pub(super) pool: Pool,
    pub(super) current: Current,
    has_accepted: AtomicBool,
    is_doubted: AtomicBool,
}

impl Service {
    /// Remembers that it has taken a push, and so the app's credential.
    pub(super) fn note_accepted(&self) {
        self.has_accepted.store(true, Ordering::Relaxed);
    }

    /// Whether it has.
    pub(super) fn has_accepted(&self) -> bool {
        self.has_accepted.load(Ordering::Relaxed)
    }

    /// It refused a push, and whose fault that is nobody knows. Said once.
    pub(super) fn doubt(&self) {
        if !self.is_doubted.swap(true, Ordering::Relaxed) {
            let origin = &self.origin;
            tracing::warn!(
                origin,
                "a push service refuses: the VAPID key is wrong, or it is not that of the subscription; it is asked again"
            );
        }
    }
}

/// The services lately used.
pub(super) struct Services {
    kept: Origins<Service>,
    tls: Arc<ClientConfig>,
    limits: Limits,
    context: Context,
}

impl Proven for Service {
    fn is_proven(&self) -> bool {
        self.has_accepted()
    }
}

impl Services {
    pub(super) fn new(tls: Arc<ClientConfig>, reach: Reach, context: &Context) -> Self {
        let limits = Limits { answer_bytes: ANSWER_BYTES, idle: Some(IDLE), reach, ..Limits::default() };
        Self { kept: Origins::new(KEPT), tls, limits, context: context.clone() }
    }

    /// The service that an endpoint is at. One that has to go for it ends what is under way first.
    pub(super) fn at(&self, endpoint: &Endpoint) -> Result<Arc<Service>, OriginError> {
        let origin = endpoint.origin();
        self.kept.at(&origin, || {
            let pool = Pool::new(Origin::parse(&origin)?, Arc::clone(&self.tls), self.limits, &self.context);
            let (has_accepted, is_doubted) = (AtomicBool::new(false), AtomicBool::new(false));
            Ok(Service { origin: origin.clone(), pool, current: Current::default(), has_accepted, is_doubted })
        })
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::Request;
    use tokio::sync::Notify;
    use tokio::time::Instant;

    use super::*;
    use crate::providers::http2::{Want, client_config_with_http1};
    use crate::providers::testing::{Authority, Http1Server, TestClock, Turn, context};

    #[tokio::test]
    async fn what_is_under_way_at_a_service_that_goes_is_not_cut() {
        let (authority, told) = (Authority::new(), Arc::new(Notify::new()));
        let tell = Arc::clone(&told);
        let server = Http1Server::start(&authority, &["http/1.1"], move |_| Turn::Told(201, Arc::clone(&tell))).await;
        let context = context(&TestClock::new());
        let tls = client_config_with_http1(Some(authority.path())).unwrap();
        let services = Services { kept: Origins::new(1), ..Services::new(tls, Reach::Anywhere, &context) };
        let service = services.at(&Endpoint::parse(&server.url()).unwrap()).unwrap();
        let uri = service.pool.origin().uri("/push/x".parse().unwrap()).unwrap();
        let sending = context.tasks.spawn(async move {
            let head = || Some(Request::post(uri.clone()).body(()).unwrap());
            service.pool.send(head, Bytes::from_static(b"{}"), Want::any(), Instant::now() + Duration::from_secs(20)).await
        });
        while server.seen().is_empty() {
            tokio::task::yield_now().await;
        }
        services.at(&Endpoint::parse("https://other.example/").unwrap()).unwrap();
        assert!(!services.kept.has(&server.url()));
        told.notify_one();
        assert_eq!(sending.await.unwrap().unwrap().status, 201);
        while server.open() > 0 {
            tokio::task::yield_now().await;
        }
    }
}
