//! A router to ask, and what is around it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
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
use uuid::Builder;

use crate::api::auth::{BuiltInKey, KeyRing};
use crate::api::idempotency::UnderWay;
use crate::api::way_in::WayIn;
use crate::api::{Settings, Shared, assemble};
use crate::dispatch::accept::Prepared;
use crate::dispatch::directory::CategoryMap;
use crate::dispatch::draft::{Draft, FieldError, Rejected, To};
use crate::dispatch::handle::{Explained, LaneView, Preview, Question, RenderedPreview, Who};
use crate::dispatch::tests::store::TestStore;
use crate::domain::Timestamp;
use crate::domain::clock::Clock;
use crate::domain::device::{Platform, ProviderKind};
use crate::domain::id::{AppId, NotificationId, WorkId};
use crate::domain::notification::When;
use crate::domain::work::{NewWork, Stream, Targets, WorkKind};
use crate::queue::in_process::InProcessQueue;
use crate::store::engine::{Narrowed, NewNotification, Submission, Verdict};
use crate::store::sqlite::{Options, SqliteStore};
use crate::store::{self, Store};

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

/// A path that writes what it is given, and remembers the drafts.
pub(super) struct FakePath {
    store: Arc<dyn Store>,
    clock: Arc<ManualClock>,
    apps: Vec<AppId>,
    made: AtomicU64,
    pub(super) drafts: Mutex<Vec<Draft>>,
}

impl FakePath {
    /// The last draft that came.
    pub(super) fn last(&self) -> Draft {
        self.drafts.lock().unwrap_or_else(PoisonError::into_inner).last().cloned().unwrap()
    }
}

#[async_trait]
impl WayIn for FakePath {
    fn has_app(&self, app: AppId) -> bool {
        self.apps.contains(&app)
    }

    fn app_name(&self, app: AppId) -> Option<String> {
        self.has_app(app).then(|| "demo".to_owned())
    }

    async fn categories(&self, app: AppId) -> Result<CategoryMap, store::Error> {
        Ok(Arc::new(self.store.categories(app).await?.into_iter().collect()))
    }

    fn forget_categories(&self, _: AppId) {}

    async fn prepare(&self, app: AppId, draft: Draft) -> Result<Prepared, Rejected> {
        self.drafts.lock().unwrap().push(draft.clone());
        if let Some(category) = &draft.category
            && !self.categories(app).await?.contains_key(category)
        {
            return Err(Rejected::Invalid(vec![FieldError {
                field: "category".into(),
                code: "unknown_category",
                message: "is not declared".into(),
            }]));
        }
        if draft.content.body.as_ref().is_some_and(|body| body.len() > 4096) {
            return Err(Rejected::TooLarge { provider: ProviderKind::Apns, size: 5000, limit: 4096 });
        }
        let now = self.clock.now();
        let made = self.made.fetch_add(1, Ordering::SeqCst);
        let mut random = [0; 10];
        random[2..].copy_from_slice(&made.to_be_bytes());
        let id = NotificationId(Builder::from_unix_timestamp_millis(now.timestamp_millis().unsigned_abs(), &random).into_uuid());
        let start_at = match draft.when {
            Some(When::At(at)) => at.max(now),
            _ => now,
        };
        let targets = match draft.to {
            To::Users(names) => Targets::Users(names),
            To::Devices(names) => Targets::Devices(names),
            To::All => Targets::Pairs(Vec::new()),
        };
        let work = NewWork {
            id: WorkId(i64::try_from(made).unwrap() + 1),
            kind: WorkKind::Send,
            stream: Stream::High,
            fan_out: false,
            targets,
            attempt: 0,
            reason: None,
            due_at: start_at,
            expires_at: start_at + Duration::from_hours(24),
        };
        let notification = NewNotification {
            app,
            id,
            content: Bytes::from_static(b"{}"),
            category: draft.category,
            labels: draft.labels,
            fan_out: false,
            accepted_at: now,
            start_at,
            expires_at: work.expires_at,
            narrowed: Narrowed::default(),
            work: vec![work],
        };
        Ok(Prepared { id, accepted_at: now, scheduled: start_at > now, notification })
    }

    async fn submit(&self, submission: Submission) -> Result<Verdict, store::Error> {
        Ok(self.store.accept(vec![submission]).await?.remove(0))
    }

    async fn cancel(&self, app: AppId, id: NotificationId) -> Result<bool, store::Error> {
        self.store.cancel(app, id).await
    }

    async fn preview(&self, _: AppId, draft: Draft) -> Result<Preview, Rejected> {
        self.drafts.lock().unwrap().push(draft);
        let payload = serde_json::json!({"aps": {}});
        let rendered = RenderedPreview { provider: ProviderKind::Apns, platform: Platform::Ios, locale: None, bytes: 10, payload };
        Ok(Preview { targeted: 1, decisions: BTreeMap::from([("send".to_owned(), 1)]), rendered: vec![rendered] })
    }

    async fn explain(&self, _: AppId, question: &Question) -> Result<Option<Vec<Explained>>, Rejected> {
        if question.who == Who::Device("unknown".into()) {
            return Ok(None);
        }
        Ok(Some(vec![Explained {
            device: Some("d1".into()),
            decision: "defer",
            until: Some(self.clock.now()),
            reason: Some("quiet_hours".into()),
            timezone: "Europe/Paris".into(),
            local_time: self.clock.now().naive_utc(),
        }]))
    }

    fn lanes(&self, _: AppId) -> Vec<LaneView> {
        vec![LaneView { provider: ProviderKind::Apns, environment: None, platform: None, paused: true, reason: Some("credential".into()) }]
    }

    fn resume_lanes(&self, app: AppId, provider: ProviderKind) -> Option<Vec<LaneView>> {
        let lanes = self.lanes(app).into_iter().filter(|lane| lane.provider == provider);
        let resumed: Vec<_> = lanes.map(|lane| LaneView { paused: false, reason: None, ..lane }).collect();
        (!resumed.is_empty()).then_some(resumed)
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
        let folder = tempfile::tempdir().unwrap();
        let start = Utc.with_ymd_and_hms(2026, 11, 2, 9, 0, 0).unwrap();
        let clock = Arc::new(ManualClock(AtomicI64::new(start.timestamp_micros())));
        let shared_clock: Arc<dyn Clock> = Arc::clone(&clock) as _;
        let options = Options::new(folder.path().join("herald.db"));
        let faulty = Arc::new(TestStore::new(SqliteStore::open(&options, Arc::clone(&shared_clock), &TaskTracker::new()).await.unwrap()));
        let store: Arc<dyn Store> = Arc::clone(&faulty) as _;
        let apps = store.ensure_apps(&["demo".to_owned(), "other".to_owned()]).await.unwrap();
        let path = Arc::new(FakePath {
            store: Arc::clone(&store),
            clock: Arc::clone(&clock),
            apps: apps.clone(),
            made: AtomicU64::new(0),
            drafts: Mutex::default(),
        });
        let stopping = CancellationToken::new();
        let shared = Shared {
            path: Arc::clone(&path) as _,
            store: Arc::clone(&store),
            queue: Arc::new(InProcessQueue::new(100)),
            clock: shared_clock,
            settings: Settings { listen: address.to_owned(), ..Settings::default() },
            metrics: Arc::new(|| "herald_up 1\n".to_owned()),
            under_way: UnderWay::default(),
            stopping: stopping.clone(),
            keys: KeyRing::new(vec![BuiltInKey::new(KEY, apps[0]), BuiltInKey::new("other-key", apps[1])]),
        };
        let shared = Arc::new(shared);
        Self {
            router: assemble(Arc::clone(&shared)),
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
