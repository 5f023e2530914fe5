//! The store as one process reaches it, over its network; what each commit did is entered in the book at once.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use herald::domain::Timestamp;
use herald::domain::campaign::CampaignStatus;
use herald::domain::category::Category;
use herald::domain::clock::Clock;
use herald::domain::device::{Device, DeviceChange, ProviderKind};
use herald::domain::id::{AppId, CampaignId, NotificationId, RunId, WorkId};
use herald::domain::preferences::{Contacts, Preferences};
use herald::domain::principal::Principal;
use herald::domain::profile::Profile;
use herald::domain::somebody::Somebody;
use herald::domain::template::Template;
use herald::domain::token_kind::{DeviceToken, TokenKind};
use herald::domain::webhook::Webhook;
use herald::domain::work::{NewWork, WorkKey};
use herald::store::analytics::{AnalyticsQuestion, AnalyticsRow, Retention};
use herald::store::audit::{Act, AuditFilter, NewAct};
use herald::store::campaign::{CampaignRun, CampaignStats, Definition, Made, NewRun, Remember, StoredCampaign, Turned};
use herald::store::cap::Reservation;
use herald::store::category::{Declaration, Declared};
use herald::store::client_token::{Family, Refreshed, Standing};
use herald::store::dead_letter::DeadLetter;
use herald::store::device::{DeviceFilter, Registered, Swept};
use herald::store::device_token::{Addressed, TokenChange};
use herald::store::engine::{
    Answer, Ask, AudiencePage, Claim, IdempotencyKey, Ready, Record, Recorded, RunChange, Scan, Selection, StoredNotification, Submission,
    Sweep, Verdict,
};
use herald::store::idempotency::Before;
use herald::store::key::{ApiKey, Rotated, Rotation};
use herald::store::notification::{DeliveryFilter, DeliveryView, NotificationFilter, NotificationView};
use herald::store::pause::LanePause;
use herald::store::person::{DevicePreferencesPut, Versioned};
use herald::store::receipt::{Receipt, ReceiptVerdict};
use herald::store::sealing::SealedAnew;
use herald::store::template::{StoredTemplate, TemplatePut};
use herald::store::topic::{Followed, Follower, Topic};
use herald::store::vault::Secret;
use herald::store::waiting::WaitingPart;
use herald::store::webhook::{Attempt, ClaimBounds, DueMessage, ListedAttempt, Next, WebhookChange, WebhookChanged, WebhookSecret};
use herald::store::{
    Analytics, Apps, AuditLog, Campaigns, Caps, Categories, ClientTokens, DeadLetters, DeviceTokens, Devices, Engine, Error, Keys,
    Notifications, Page, PageRequest, Pauses, People, Receipts, Replays, Result, Sealing, Templates, Topics, Vault, Waiting, Webhooks,
};
use tokio::time::sleep;
use uuid::Uuid;

use crate::book::Commit;
use crate::clock::WallClock;
use crate::cluster::LEASE;
use crate::memory::MemoryStore;
use crate::network::{Network, NoAnswer};
use crate::planted;

/// Devices of one page of an audience: few, so that small audiences have several.
const PAGE: usize = 3;

/// The store of one process.
pub struct SimStore {
    pub network: Network,
    pub inner: MemoryStore,
}

pub fn away(_: NoAnswer) -> Error {
    Error::Unavailable(Box::new(NoAnswer))
}

impl SimStore {
    pub fn of(network: Network) -> Self {
        let clock: Arc<dyn Clock> = Arc::<WallClock>::clone(&network.sim.wall);
        let inner = MemoryStore::new(Arc::clone(&network.sim.rows), clock, None);
        Self { network, inner }
    }

    /// A call that may fail on the way there or back.
    pub async fn call<T>(&self, name: &'static str, call: impl Future<Output = Result<T>>) -> Result<T> {
        let sim = &self.network.sim;
        self.network.reach(sim.outage()).await.map_err(away)?;
        self.network.there(name).await.map_err(away)?;
        let answer = call.await?;
        self.network.back(name).await.map_err(away)?;
        Ok(answer)
    }

    /// It takes effect some time after its caller gave it up, as what still waits for a lock when the connection is gone.
    #[expect(clippy::disallowed_methods, reason = "what the store does is no task of the process")]
    async fn record_late(&self, record: &Record) -> Result<Recorded> {
        let sim = &self.network.sim;
        let wait = sim.chance.millis(100, LEASE * 2_000);
        sim.note(format_args!("p{} record has no answer, happens after {wait:?}", self.network.process));
        self.network.blame_for(wait, "record");
        let (store, late) = (Self::of(self.network.clone()), record.clone());
        tokio::spawn(async move {
            sleep(wait).await;
            let recorded = planted::record(&store, &late).await;
            store.network.sim.note(format_args!("p{} record happened: {}", store.network.process, recorded.is_ok()));
        });
        sleep(sim.chance.millis(0, 300)).await;
        Err(away(NoAnswer))
    }

    /// Rows under a live lease.
    fn held(&self) -> Vec<WorkKey> {
        let (rows, now) = (self.network.sim.rows.lock(), self.network.sim.wall.now());
        let held = rows.work.iter().filter(|(_, row)| row.is_held(now));
        held.map(|((notification, work), row)| WorkKey { app: row.app, notification: *notification, work: *work }).collect()
    }

    /// Enters a commit in the book.
    pub fn enter(&self, commit: &Commit<'_>) {
        let sim = &self.network.sim;
        sim.book().committed((sim.elapsed(), self.network.process), commit, &sim.rows.lock());
    }
}

#[async_trait]
impl Engine for SimStore {
    async fn accept(&self, submissions: Vec<Submission>) -> Result<Vec<Verdict>> {
        let accept = async {
            let verdicts = self.inner.accept(submissions.clone()).await?;
            self.enter(&Commit::Accept(&submissions));
            Ok(verdicts)
        };
        self.call("accept", accept).await
    }

    async fn now(&self) -> Result<Timestamp> {
        let sim = &self.network.sim;
        let asked_at = sim.elapsed();
        let answer = self.call("now", self.inner.now()).await?;
        sim.book().told_time((asked_at, self.network.process), sim.elapsed());
        Ok(answer)
    }

    async fn schedule(&self, sweep: &Sweep) -> Result<Ready> {
        self.call("schedule", self.inner.schedule(sweep)).await
    }

    async fn release(&self, sweep: &Sweep) -> Result<Ready> {
        self.call("release", self.inner.release(sweep)).await
    }

    async fn claim(&self, keys: &[WorkKey], lease: Duration) -> Result<Claim> {
        let claim = async {
            let held = self.held();
            let claim = self.inner.claim(keys, lease).await?;
            self.enter(&Commit::Claim(&claim, &held));
            Ok(claim)
        };
        self.call("claim", claim).await
    }

    async fn renew(&self, held: &[(WorkKey, i64)], lease: Duration) -> Result<Vec<WorkKey>> {
        self.call("renew", self.inner.renew(held, lease)).await
    }

    async fn read_notifications(&self, ids: &[(AppId, NotificationId)]) -> Result<Vec<StoredNotification>> {
        self.call("read_notifications", self.inner.read_notifications(ids)).await
    }

    async fn read_targets(&self, asks: &[Ask]) -> Result<Vec<Answer>> {
        let sim = &self.network.sim;
        let mut read_at = Duration::ZERO;
        let read = async {
            read_at = sim.elapsed();
            self.inner.read_targets(asks).await
        };
        let answers = self.call("read_targets", read).await?;
        sim.book().read((sim.elapsed(), self.network.process), sim.elapsed().saturating_sub(read_at));
        Ok(answers)
    }

    async fn record(&self, record: &Record) -> Result<Recorded> {
        let sim = &self.network.sim;
        if sim.strikes(sim.weather.late_records) {
            return self.record_late(record).await;
        }
        self.call("record", planted::record(self, record)).await
    }

    async fn read_page(&self, key: WorkKey, limit: usize, selection: &Selection) -> Result<Option<AudiencePage>> {
        self.call("read_page", self.inner.read_page(key, limit.min(PAGE), selection)).await
    }

    async fn commit_page(&self, key: WorkKey, epoch: i64, page: &AudiencePage, chunks: &[NewWork]) -> Result<bool> {
        self.call("commit_page", planted::commit_page(self, (key, epoch), page, chunks)).await
    }

    async fn cancel(&self, app: AppId, id: NotificationId) -> Result<bool> {
        let cancel = async {
            let known = self.inner.cancel(app, id).await?;
            self.enter(&Commit::Turn(id));
            Ok(known)
        };
        self.call("cancel", cancel).await
    }

    async fn pause(&self, app: AppId, id: NotificationId) -> Result<bool> {
        let paused = self.inner.pause(app, id).await?;
        self.enter(&Commit::Turn(id));
        Ok(paused)
    }

    async fn resume(&self, app: AppId, id: NotificationId) -> Result<bool> {
        let resumed = self.inner.resume(app, id).await?;
        self.enter(&Commit::Turn(id));
        Ok(resumed)
    }

    async fn run_changes(&self, since: Timestamp) -> Result<Vec<RunChange>> {
        self.call("run_changes", self.inner.run_changes(since)).await
    }

    async fn hasten(&self, app: AppId, id: NotificationId) -> Result<()> {
        self.call("hasten", self.inner.hasten(app, id)).await
    }

    async fn hand_back(&self, held: &[(WorkKey, i64)]) -> Result<()> {
        self.call("hand_back", self.inner.hand_back(held)).await
    }

    async fn read_devices(&self, app: AppId, after: i64, limit: usize, selection: &Selection) -> Result<Scan> {
        self.call("read_devices", self.inner.read_devices(app, after, limit, selection)).await
    }

    async fn backlog(&self) -> Result<u64> {
        self.call("backlog", self.inner.backlog()).await
    }
}

#[async_trait]
impl Caps for SimStore {
    async fn reserve(&self, reservations: &[Reservation]) -> Result<Vec<bool>> {
        self.call("reserve", planted::reserve(self, reservations)).await
    }

    async fn would_admit(&self, reservations: &[Reservation], at: Timestamp) -> Result<Vec<bool>> {
        self.call("would_admit", self.inner.would_admit(reservations, at)).await
    }
}

/// What the dispatch path asks rarely, or callers ask beside it: no more than the network stands between.
macro_rules! plainly {
    ($trait:ident { $(fn $name:ident($($arg:ident: $type:ty),*) -> $answer:ty;)+ }) => {
        #[async_trait]
        impl $trait for SimStore {
            $(async fn $name(&self, $($arg: $type),*) -> Result<$answer> {
                self.call(stringify!($name), self.inner.$name($($arg),*)).await
            })+
        }
    };
}

plainly!(Apps {
    fn ensure_apps(names: &[String]) -> Vec<AppId>;
    fn ping() -> ();
    fn prune() -> ();
});
plainly!(Categories {
    fn categories(app: AppId) -> Vec<(String, Category)>;
    fn declared(app: AppId) -> Vec<Declared>;
    fn category(app: AppId, name: &str) -> Option<Declared>;
    fn put_category(app: AppId, name: &str, category: &Category, if_match: Option<i64>) -> Declaration;
    fn delete_category(app: AppId, name: &str) -> bool;
});
plainly!(Campaigns {
    fn create_campaign(app: AppId, id: CampaignId, definition: &Definition, remember: Option<Remember>) -> Made;
    fn campaign(app: AppId, id: CampaignId) -> Option<StoredCampaign>;
    fn campaigns(app: AppId, status: Option<CampaignStatus>, page: &PageRequest) -> Page<StoredCampaign>;
    fn put_campaign(app: AppId, id: CampaignId, definition: &Definition, next_fire: Option<Timestamp>, if_match: Option<i64>) -> Turned;
    fn delete_campaign(app: AppId, id: CampaignId) -> Turned;
    fn start_campaign(app: AppId, id: CampaignId, version: i64, next_fire: Timestamp) -> Turned;
    fn pause_campaign(app: AppId, id: CampaignId) -> Turned;
    fn resume_campaign(app: AppId, id: CampaignId) -> Turned;
    fn cancel_campaign(app: AppId, id: CampaignId) -> Turned;
    fn due_campaigns(apps: &[AppId], limit: usize) -> Vec<(AppId, StoredCampaign)>;
    fn fire_campaign(app: AppId, id: CampaignId, version: i64, runs: Vec<NewRun>, next: Option<Timestamp>) -> bool;
    fn stop_campaign(app: AppId, id: CampaignId, version: i64, reason: &str) -> bool;
    fn settle_campaigns() -> usize;
    fn campaign_runs(app: AppId, id: CampaignId, page: &PageRequest) -> Option<Page<CampaignRun>>;
    fn campaign_stats(app: AppId, id: CampaignId, run: Option<RunId>) -> Option<CampaignStats>;
});
plainly!(ClientTokens {
    fn begin_family(family: &Family, refresh: [u8; 32]) -> ();
    fn refresh(family: Uuid, generation: i64, presented: [u8; 32], next: [u8; 32], expires_at: Timestamp) -> Refreshed;
    fn seen(app: AppId, family: Uuid, generation: i64) -> Standing;
    fn revoke_family(family: Uuid) -> bool;
    fn revoke_user(app: AppId, user: &str) -> u64;
});
plainly!(DeadLetters {
    fn dead_letters(app: AppId, page: &PageRequest) -> Page<DeadLetter>;
    fn dead_letter(app: AppId, notification: NotificationId, work: WorkId) -> Option<DeadLetter>;
    fn retry_dead_letter(app: AppId, notification: NotificationId, work: WorkId) -> bool;
});
plainly!(Devices {
    fn put_device(app: AppId, name: &str, change: DeviceChange, if_match: Option<i64>) -> Registered;
    fn put_devices(app: AppId, changes: Vec<(String, DeviceChange)>) -> Vec<Registered>;
    fn patch_device(app: AppId, name: &str, change: DeviceChange, if_match: Option<i64>) -> Option<Registered>;
    fn device(app: AppId, name: &str) -> Option<Device>;
    fn devices(app: AppId, filter: &DeviceFilter, page: &PageRequest) -> Page<Device>;
    fn deactivate_stale(app: AppId, until: Timestamp, after: i64, limit: usize) -> Swept;
    fn saw_device(app: AppId, name: &str, at: Timestamp) -> ();
    fn delete_device(app: AppId, name: &str, by: &Principal) -> bool;
});
plainly!(DeviceTokens {
    fn put_token(app: AppId, device: &str, kind: &TokenKind, change: TokenChange, if_match: Option<i64>) -> Addressed;
    fn delete_token(app: AppId, device: &str, kind: &TokenKind, by: &Principal) -> bool;
    fn tokens(app: AppId, device: &str) -> Vec<DeviceToken>;
});
plainly!(Analytics {
    fn analytics(app: AppId, question: &AnalyticsQuestion, page: &PageRequest) -> Page<AnalyticsRow>;
    fn prune_analytics(retention: &Retention) -> ();
});
plainly!(AuditLog {
    fn begin_act(app: AppId, act: &NewAct) -> ();
    fn end_act(app: AppId, id: Uuid, status: u16, object: Option<&str>) -> ();
    fn acts(app: AppId, filter: &AuditFilter, page: &PageRequest) -> Page<Act>;
    fn prune_acts(kept: Duration) -> ();
});
plainly!(Keys {
    fn create_key(key: &ApiKey, hash: [u8; 32]) -> ();
    fn key_by_id(id: Uuid) -> Option<(ApiKey, [u8; 32])>;
    fn key_by_hash(hash: [u8; 32]) -> Option<ApiKey>;
    fn keys(app: AppId) -> Vec<ApiKey>;
    fn rotate_key(app: AppId, id: Uuid, rotation: &Rotation) -> Rotated;
    fn keys_used(uses: &[(Uuid, Timestamp)]) -> ();
    fn delete_key(app: AppId, id: Uuid) -> bool;
    fn plain_keys() -> Vec<(Uuid, [u8; 32])>;
    fn key_hash(id: Uuid, plain: [u8; 32], keyed: [u8; 32]) -> ();
});
plainly!(Notifications {
    fn notification(app: AppId, id: NotificationId) -> Option<NotificationView>;
    fn notifications(app: AppId, filter: &NotificationFilter, page: &PageRequest) -> Page<NotificationView>;
    fn deliveries(app: AppId, id: NotificationId, filter: &DeliveryFilter, page: &PageRequest) -> Option<Page<DeliveryView>>;
    fn user_deliveries(app: AppId, user: &str, page: &PageRequest) -> Page<DeliveryView>;
});
plainly!(Pauses {
    fn lane_pauses() -> Vec<LanePause>;
    fn pause_lanes(pauses: &[LanePause]) -> ();
    fn resume_lanes(app: AppId, provider: ProviderKind) -> ();
});
plainly!(People {
    fn preferences(app: AppId, user: &str) -> Versioned<Preferences>;
    fn put_preferences(app: AppId, user: &str, preferences: &Preferences, if_match: Option<i64>) -> Option<Versioned<Preferences>>;
    fn device_preferences(app: AppId, device: &str) -> Option<Versioned<Preferences>>;
    fn put_device_preferences(app: AppId, device: &str, preferences: &Preferences, if_match: Option<i64>) -> DevicePreferencesPut;
    fn contacts(app: AppId, user: &str) -> Versioned<Contacts>;
    fn put_contacts(app: AppId, user: &str, contacts: &Contacts, if_match: Option<i64>) -> Option<Versioned<Contacts>>;
    fn delete_contacts(app: AppId, user: &str) -> bool;
    fn profile(app: AppId, user: &str) -> Versioned<Profile>;
    fn erase_user(app: AppId, user: &str) -> bool;
    fn put_profile(app: AppId, user: &str, profile: &Profile, if_match: Option<i64>) -> Option<Versioned<Profile>>;
});
plainly!(Receipts {
    fn receive(app: AppId, receipts: &[Receipt]) -> Vec<ReceiptVerdict>;
    fn settle_early_receipts() -> usize;
});
plainly!(Topics {
    fn topics(app: AppId, page: &PageRequest) -> Page<Topic>;
    fn topic(app: AppId, name: &str) -> Option<Followed>;
    fn follow(app: AppId, topic: &str, follower: &Follower) -> bool;
    fn unfollow(app: AppId, topic: &str, follower: &Follower) -> bool;
    fn followed_by(app: AppId, follower: &Follower) -> Vec<String>;
    fn delete_topic(app: AppId, name: &str) -> bool;
});
plainly!(Replays {
    fn before(keys: &[IdempotencyKey]) -> Vec<Before>;
});
plainly!(Templates {
    fn templates(app: AppId) -> Vec<StoredTemplate>;
    fn template(app: AppId, name: &str) -> Option<StoredTemplate>;
    fn put_template(app: AppId, name: &str, template: &Template, if_match: Option<i64>) -> TemplatePut;
    fn delete_template(app: AppId, name: &str) -> bool;
});
plainly!(Sealing {
    fn seal_anew(limit: usize) -> SealedAnew;
});
plainly!(Vault {
    fn keep_secret(name: &str, value: &[u8]) -> Secret;
    fn secrets(prefix: &str) -> Vec<Secret>;
    fn forget_secret(name: &str) -> bool;
});
plainly!(Waiting {
    fn somebody(app: AppId, user: &str) -> Somebody;
    fn waiting_for(app: AppId, whom: &Somebody, from: Option<(NotificationId, WorkId)>) -> WaitingPart;
    fn seize(rows: &[(WorkKey, i64)], lease: Duration) -> Vec<(WorkKey, i64)>;
});
plainly!(Webhooks {
    fn create_webhook(webhook: &Webhook, secret: &WebhookSecret) -> bool;
    fn webhook(app: AppId, id: Uuid) -> Option<Webhook>;
    fn webhooks(app: AppId) -> Vec<Webhook>;
    fn change_webhook(app: AppId, id: Uuid, change: &WebhookChange, if_is: Option<&Webhook>) -> WebhookChanged;
    fn delete_webhook(app: AppId, id: Uuid) -> bool;
    fn rotate_webhook_secret(app: AppId, id: Uuid, secret: &WebhookSecret) -> bool;
    fn test_webhook(app: AppId, id: Uuid) -> Option<Uuid>;
    fn gather_webhook_items(limit: usize, each: usize) -> usize;
    fn claim_webhook_messages(bounds: ClaimBounds, lease: Duration) -> Vec<DueMessage>;
    fn attempted(message: &DueMessage, attempt: &Attempt, next: Next) -> ();
    fn webhook_attempts(app: AppId, id: Uuid, page: &PageRequest) -> Option<Page<ListedAttempt>>;
    fn replay_webhook(app: AppId, id: Uuid, from: Timestamp, to: Timestamp) -> Option<u64>;
    fn prune_webhooks(before: Timestamp) -> bool;
});
