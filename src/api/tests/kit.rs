//! A router to ask, and what is around it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use chrono::{DateTime, TimeZone, Utc};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::Value;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use super::path::FakePath;
use crate::api::auth::SeenPhones;
use crate::api::client_tokens::Issuer;
use crate::api::deprecation::DEPARTURES;
use crate::api::idempotency::UnderWay;
use crate::api::key_ring::{BuiltInKey, KeyRing};
use crate::api::limits::Limits;
use crate::api::load::Load;
use crate::api::{Origins, Settings, Shared, SignIns, assemble};
use crate::dispatch::tests::store::TestStore;
use crate::domain::Timestamp;
use crate::domain::client_token::ClientTokenSettings;
use crate::domain::clock::Clock;
use crate::domain::id::AppId;
use crate::queue::in_process::InProcessQueue;
use crate::store::Store;
use crate::store::analytics::Retention;
use crate::store::key_hash::KeyHasher;
use crate::store::sqlite::{Options, SqliteStore};

pub(super) const KEY: &str = "key-of-the-tests";

/// A clock that stands still until it is moved.
pub(super) struct ManualClock(AtomicI64);

impl ManualClock {
    pub(super) fn pass(&self, time: Duration) {
        self.0.fetch_add(i64::try_from(time.as_micros()).unwrap(), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        DateTime::from_timestamp_micros(self.0.load(Ordering::SeqCst)).unwrap()
    }

    fn monotonic(&self) -> Duration {
        Duration::from_micros(self.0.load(Ordering::SeqCst).unsigned_abs())
    }
}

/// An answer.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) bytes: Bytes,
}

impl Reply {
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or(Value::Null)
    }

    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The status and the code of a problem.
    pub(super) fn problem(&self) -> (u16, String) {
        assert_eq!(self.header("content-type"), "application/problem+json", "{self:?}");
        let body = self.json();
        assert_eq!(body["status"], self.status.as_u16());
        assert_eq!(body["request_id"], self.header("x-request-id"));
        (self.status.as_u16(), body["code"].as_str().unwrap().to_owned())
    }

    /// The first field error: field and code.
    pub(super) fn field(&self) -> (String, String) {
        let body = self.json();
        let error = &body["errors"][0];
        (error["field"].as_str().unwrap_or("?").to_owned(), error["code"].as_str().unwrap_or("?").to_owned())
    }
}

pub(super) struct World {
    pub(super) router: Router,
    pub(super) shared: Arc<Shared>,
    pub(super) clock: Arc<ManualClock>,
    pub(super) path: Arc<FakePath>,
    pub(super) app: AppId,
    pub(super) other_app: AppId,
    pub(super) stopping: CancellationToken,
    pub(super) store: Arc<TestStore>,
    _folder: TempDir,
}

impl World {
    pub(super) async fn new() -> Self {
        Self::listening("127.0.0.1:8080").await
    }

    /// One whose daemon listens here.
    pub(super) async fn listening(address: &str) -> Self {
        Self::serving(Settings { listen: address.to_owned(), ..Settings::default() }).await
    }

    /// One whose daemon serves so.
    pub(super) async fn serving(settings: Settings) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let start = Utc.with_ymd_and_hms(2026, 11, 2, 9, 0, 0).unwrap();
        let clock = Arc::new(ManualClock(AtomicI64::new(start.timestamp_micros())));
        let shared_clock: Arc<dyn Clock> = Arc::clone(&clock) as _;
        let options = Options::new(folder.path().join("herald.db"));
        let faulty = Arc::new(TestStore::new(SqliteStore::open(&options, Arc::clone(&shared_clock), &TaskTracker::new()).await.unwrap()));
        let store: Arc<dyn Store> = Arc::clone(&faulty) as _;
        let apps = store.ensure_apps(&["demo".to_owned(), "other".to_owned()]).await.unwrap();
        let path = Arc::new(FakePath::new(Arc::clone(&store), Arc::clone(&clock), apps.clone()));
        let stopping = CancellationToken::new();
        let hasher = KeyHasher::open(&*store).await.unwrap();
        let built_in = vec![BuiltInKey::new(KEY, apps[0]), BuiltInKey::new("other-key", apps[1])];
        let shared = Shared {
            limits: Limits::new(&settings.rates, &shared_clock),
            load: Arc::new(Load::new(settings.max_requests, settings.max_bytes())),
            issuer: Issuer::new(Arc::clone(&store), Arc::clone(&shared_clock), ClientTokenSettings::default()),
            sign_ins: Arc::new(SignIns::default()),
            seen: SeenPhones::default(),
            path: Arc::clone(&path) as _,
            store: Arc::clone(&store),
            queue: Arc::new(InProcessQueue::new(100)),
            clock: shared_clock,
            settings,
            analytics: Retention::default(),
            metrics: Arc::new(|| "herald_up 1\n".to_owned()),
            under_way: UnderWay::default(),
            stopping: stopping.clone(),
            origins: Origins::default(),
            keys: Arc::new(KeyRing::new(hasher, built_in)),
        };
        let shared = Arc::new(shared);
        Self {
            router: assemble(Arc::clone(&shared), DEPARTURES),
            shared,
            clock,
            path,
            app: apps[0],
            other_app: apps[1],
            stopping,
            store: faulty,
            _folder: folder,
        }
    }

    /// Sends a request as it is.
    pub(super) async fn send(&self, request: Request<Body>) -> Reply {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        Reply { status: parts.status, headers: parts.headers, bytes: body.collect().await.unwrap().to_bytes() }
    }

    /// Asks with the test's key.
    pub(super) async fn ask(&self, method: Method, path: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Reply {
        let mut request = Request::builder().method(method).uri(path).header("authorization", format!("Bearer {KEY}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(Body::from(body.into())).unwrap()).await
    }

    pub(super) async fn get(&self, path: &str) -> Reply {
        self.ask(Method::GET, path, &[], "").await
    }

    pub(super) async fn delete(&self, path: &str) -> Reply {
        self.ask(Method::DELETE, path, &[], "").await
    }

    pub(super) async fn post(&self, path: &str, body: impl ToString) -> Reply {
        self.ask(Method::POST, path, &[("content-type", "application/json")], body.to_string()).await
    }

    pub(super) async fn put(&self, path: &str, body: impl ToString) -> Reply {
        self.ask(Method::PUT, path, &[("content-type", "application/json")], body.to_string()).await
    }

    pub(super) async fn patch(&self, path: &str, body: impl ToString) -> Reply {
        self.ask(Method::PATCH, path, &[("content-type", "application/json")], body.to_string()).await
    }
}
