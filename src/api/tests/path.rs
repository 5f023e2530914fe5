//! A path that does nothing but write.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use chrono_tz::Tz;
use uuid::Uuid;

use super::kit::ManualClock;
use crate::api::way_in::WayIn;
use crate::dispatch::accept::Prepared;
use crate::dispatch::campaign::Plan;
use crate::dispatch::directory::CategoryMap;
use crate::dispatch::draft::{Draft, FieldError, Rejected, To};
use crate::dispatch::handle::{Asked, Explained, LaneView, Meant, Preview, Question, RenderedPreview, Validated, Who};
use crate::dispatch::lane::Standing;
use crate::domain::clock::Clock;
use crate::domain::device::{Platform, ProviderKind};
use crate::domain::endpoint::Endpoint;
use crate::domain::id::{AppId, CampaignId, NotificationId, RunId, WorkId, version_7};
use crate::domain::notification::When;
use crate::domain::phone_settings::PhoneSettings;
use crate::domain::segment::Segment;
use crate::domain::work::{NewWork, Stream, Targets, WorkKind};
use crate::store::campaign::{CampaignRun, NewRun, StoredCampaign};
use crate::store::engine::{Narrowed, NewNotification, Submission, Terms, Verdict};
use crate::store::notification::LeftOut;
use crate::store::{self, Store};

/// The apps' names, in the order of their numbers.
pub(super) const NAMES: [&str; 2] = ["demo", "other"];

/// A path that writes what it is given, and remembers the drafts.
pub(super) struct FakePath {
    store: Arc<dyn Store>,
    clock: Arc<ManualClock>,
    apps: Vec<AppId>,
    made: AtomicU64,
    pub(super) drafts: Mutex<Vec<Draft>>,
    /// What the phones of all apps are told.
    pub(super) phones: Mutex<Arc<PhoneSettings>>,
}

impl FakePath {
    /// One on this store, with these apps.
    pub(super) fn new(store: Arc<dyn Store>, clock: Arc<ManualClock>, apps: Vec<AppId>) -> Self {
        Self { store, clock, apps, made: AtomicU64::new(0), drafts: Mutex::default(), phones: Mutex::default() }
    }

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
        self.apps.iter().zip(NAMES).find(|(id, _)| **id == app).map(|(_, name)| name.to_owned())
    }

    fn app_named(&self, name: &str) -> Option<AppId> {
        self.apps.iter().zip(NAMES).find(|(_, own)| *own == name).map(|(id, _)| *id)
    }

    fn default_zone(&self, _: AppId) -> Tz {
        Tz::America__Lima
    }

    fn phone_settings(&self, _: AppId) -> Arc<PhoneSettings> {
        Arc::clone(&self.phones.lock().unwrap())
    }

    fn application_server_key(&self, app: AppId) -> Option<String> {
        self.app_name(app).map(|name| format!("key-of-{name}"))
    }

    async fn categories(&self, app: AppId) -> Result<CategoryMap, store::Error> {
        Ok(Arc::new(self.store.categories(app).await?.into_iter().collect()))
    }

    fn forget_categories(&self, _: AppId) {}

    fn allows(&self, _: AppId, endpoint: &Endpoint) -> bool {
        endpoint.is_ordinary()
    }

    async fn check(&self, app: AppId, draft: Draft) -> Result<(), Rejected> {
        self.prepare(app, draft).await.map(drop)
    }

    fn campaign_id(&self) -> CampaignId {
        let made = self.made.fetch_add(1, Ordering::SeqCst);
        CampaignId(Uuid::from_u64_pair(self.clock.now().timestamp_millis().unsigned_abs() << 16 | 0x7000, 1 << 63 | made))
    }

    async fn begin(&self, app: AppId, campaign: StoredCampaign) -> Result<bool, Rejected> {
        let at = campaign.next_fire.unwrap();
        let prepared = self.prepare(app, Plan::read(&campaign.definition.plan).unwrap().due()).await?;
        let run = CampaignRun { id: RunId(prepared.id.0), occurrence: at, notification: Some(prepared.id) };
        let new = NewRun { run, notification: Some(prepared.notification) };
        Ok(self.store.fire_campaign(app, campaign.id, campaign.version, vec![new], None).await?)
    }

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
        let id = NotificationId(version_7(now, &random));
        let start_at = match draft.when {
            Some(When::At(at)) => at.max(now),
            _ => now,
        };
        let targets = match draft.to {
            To::Users(names) => Targets::Users(names),
            To::Devices(names) => Targets::Devices(names),
            To::All | To::Segment(_) | To::Topic(_) => Targets::Pairs(Vec::new()),
            To::Broadcast(broadcast) => Targets::Broadcast(broadcast.provider()),
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
            campaign: draft.campaign.as_ref().map(|campaign| campaign.id),
            test: draft.test,
            labels: draft.labels,
            fan_out: false,
            terms: Terms::default(),
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

    async fn preview(&self, _: AppId, draft: Draft, asked: Asked) -> Result<Preview, Rejected> {
        self.drafts.lock().unwrap().push(draft);
        let payload = serde_json::json!({"aps": {}});
        let validated = asked.validate.then(|| Validated::Invalid { reason: "R".into(), field: Some("f".into()), message: "m".into() });
        let (provider, platform) = (ProviderKind::Apns, Some(Platform::Ios));
        let rendered = RenderedPreview { provider, platform, locale: None, variant: None, bytes: 10, payload, validated };
        Ok(Preview {
            targeted: 1,
            left_out: LeftOut::default(),
            decisions: BTreeMap::from([("send".to_owned(), 1)]),
            timeline: Vec::new(),
            rendered: vec![rendered],
        })
    }

    async fn count_segment(&self, _: AppId, _: Segment) -> Result<Meant, Rejected> {
        self.store.ping().await?;
        Ok(Meant { devices: 3, users: 2 })
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

    async fn erase_user(&self, app: AppId, user: &str) -> Result<bool, store::Error> {
        self.store.erase_user(app, user).await
    }

    fn lanes(&self, _: AppId) -> Vec<LaneView> {
        vec![LaneView {
            provider: ProviderKind::Apns,
            environment: None,
            platform: None,
            service: None,
            paused: true,
            reason: Some("credential".into()),
            breaker: Standing::HalfOpen,
            per_second: Some(500),
            held_until: Some(self.clock.now()),
            credential_expires_at: None,
        }]
    }

    async fn resume_lanes(&self, app: AppId, provider: ProviderKind) -> Result<Option<Vec<LaneView>>, store::Error> {
        let lanes = self.lanes(app).into_iter().filter(|lane| lane.provider == provider);
        let resumed: Vec<_> = lanes.map(|lane| LaneView { paused: false, reason: None, ..lane }).collect();
        Ok((!resumed.is_empty()).then_some(resumed))
    }
}
