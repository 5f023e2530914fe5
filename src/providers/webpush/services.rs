//! What is kept of each push service: a pool of connections and a token. There are as many services as strangers' URLs name hosts,
//! so the number is bounded: of those that never took a push, else of all, the one longest unused goes.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::ClientConfig;

use super::vapid::Current;
use crate::domain::endpoint::Endpoint;
use crate::providers::Context;
use crate::providers::http2::{Limits, Origin, OriginError, Pool, Reach};

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
    kept: Mutex<Kept>,
    tls: Arc<ClientConfig>,
    limits: Limits,
    context: Context,
    most: usize,
}

#[derive(Default)]
struct Kept {
    by_origin: HashMap<String, (u64, Arc<Service>)>,
    /// Grows with each use.
    uses: u64,
}

impl Services {
    pub(super) fn new(tls: Arc<ClientConfig>, reach: Reach, context: &Context) -> Self {
        let limits = Limits { answer_bytes: ANSWER_BYTES, idle: Some(IDLE), reach, ..Limits::default() };
        Self { kept: Mutex::default(), tls, limits, context: context.clone(), most: KEPT }
    }

    /// The service that an endpoint is at. One that has to go for it ends what is under way first.
    pub(super) fn at(&self, endpoint: &Endpoint) -> Result<Arc<Service>, OriginError> {
        let origin = endpoint.origin();
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.uses += 1;
        let now = kept.uses;
        if let Some((used, service)) = kept.by_origin.get_mut(&origin) {
            *used = now;
            return Ok(Arc::clone(service));
        }
        let pool = Pool::new(Origin::parse(&origin)?, Arc::clone(&self.tls), self.limits, &self.context);
        let service = Arc::new(Service {
            origin: origin.clone(),
            pool,
            current: Current::default(),
            has_accepted: AtomicBool::new(false),
            is_doubted: AtomicBool::new(false),
        });
        let gone = if kept.by_origin.len() >= self.most { kept.remove_oldest() } else { None };
        kept.by_origin.insert(origin, (now, Arc::clone(&service)));
        drop(kept);
        // outside the lock: the last one who has it closes its connections
        drop(gone);
        Ok(service)
    }
}

impl Kept {
    fn remove_oldest(&mut self) -> Option<Arc<Service>> {
        let oldest =
            self.by_origin.iter().min_by_key(|(_, (used, service))| (service.has_accepted(), *used)).map(|(origin, _)| origin.clone())?;
        self.by_origin.remove(&oldest).map(|(_, service)| service)
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

    #[test]
    fn the_service_longest_unused_goes() {
        let tls = client_config_with_http1(Some(Authority::new().path())).unwrap();
        let services = Services { most: 3, ..Services::new(tls, Reach::Public, &context(&TestClock::new())) };
        let at = |host: &str| services.at(&Endpoint::parse(&format!("https://{host}.example/secret")).unwrap()).unwrap();
        let [a, b, c] = ["a", "b", "c"].map(at);
        assert!(Arc::ptr_eq(&at("a"), &a));
        let d = at("d");
        for (host, service) in [("a", &a), ("c", &c), ("d", &d)] {
            assert!(Arc::ptr_eq(&at(host), service), "{host} is kept");
        }
        assert!(!Arc::ptr_eq(&at("b"), &b), "b was forgotten");
        assert_eq!(services.kept.lock().unwrap().by_origin.len(), 3);
        d.note_accepted();
        for n in 0..10 {
            at(&format!("made-up-{n}"));
        }
        assert!(Arc::ptr_eq(&at("d"), &d), "what took a push makes no room for what did not");
    }

    #[tokio::test]
    async fn what_is_under_way_at_a_service_that_goes_is_not_cut() {
        let (authority, told) = (Authority::new(), Arc::new(Notify::new()));
        let tell = Arc::clone(&told);
        let server = Http1Server::start(&authority, &["http/1.1"], move |_| Turn::Told(201, Arc::clone(&tell))).await;
        let context = context(&TestClock::new());
        let tls = client_config_with_http1(Some(authority.path())).unwrap();
        let services = Services { most: 1, ..Services::new(tls, Reach::Anywhere, &context) };
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
        assert!(!services.kept.lock().unwrap().by_origin.contains_key(&server.url()));
        told.notify_one();
        assert_eq!(sending.await.unwrap().unwrap().status, 201);
        while server.open() > 0 {
            tokio::task::yield_now().await;
        }
    }
}
