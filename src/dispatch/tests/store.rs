//! An embedded store whose steps fail when they are told to.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use uuid::Uuid;

use crate::domain::Timestamp;
use crate::domain::campaign::CampaignStatus;
use crate::domain::category::Category;
use crate::domain::device::{Device, DeviceChange, ProviderKind};
use crate::domain::id::{AppId, CampaignId, NotificationId, RunId, WorkId};
use crate::domain::preferences::{Contacts, Preferences};
use crate::domain::principal::Principal;
use crate::domain::profile::Profile;
use crate::domain::somebody::Somebody;
use crate::domain::template::Template;
use crate::domain::token_kind::{DeviceToken, TokenKind};
use crate::domain::webhook::Webhook;
use crate::domain::work::{NewWork, WorkKey};
use crate::store::analytics::{AnalyticsQuestion, AnalyticsRow, Retention};
use crate::store::audit::{Act, AuditFilter, NewAct};
use crate::store::campaign::{CampaignRun, CampaignStats, Definition, Made, NewRun, Remember, StoredCampaign, Turned};
use crate::store::cap::Reservation;
use crate::store::category::{Declaration, Declared};
use crate::store::client_token::{Family, Refreshed, Standing};
use crate::store::dead_letter::DeadLetter;
use crate::store::device::{DeviceFilter, Registered, Swept};
use crate::store::device_token::{Addressed, TokenChange};
use crate::store::engine::{
    Answer, Ask, AudiencePage, Claim, IdempotencyKey, Ready, Record, Recorded, RunChange, Scan, Selection, StoredNotification, Submission,
    Sweep, Verdict,
};
use crate::store::idempotency::Before;
use crate::store::key::{ApiKey, Rotated, Rotation};
use crate::store::notification::{DeliveryFilter, DeliveryView, NotificationFilter, NotificationView};
use crate::store::pause::LanePause;
use crate::store::person::{DevicePreferencesPut, Versioned};
use crate::store::receipt::{Receipt, ReceiptVerdict};
use crate::store::sealing::SealedAnew;
use crate::store::template::{StoredTemplate, TemplatePut};
use crate::store::topic::{Followed, Follower, Topic};
use crate::store::vault::Secret;
use crate::store::waiting::WaitingPart;
use crate::store::webhook::{Attempt, ClaimBounds, DueMessage, ListedAttempt, Next, WebhookChange, WebhookChanged, WebhookSecret};
use crate::store::{
    Analytics, Apps, AuditLog, Campaigns, Caps, Categories, ClientTokens, DeadLetters, DeviceTokens, Devices, Engine, Error, Keys,
    Notifications, Page, PageRequest, Pauses, People, Receipts, Replays, Result, Sealing, Store, Templates, Topics, Vault, Waiting,
    Webhooks,
};

/// How a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The store is away; nothing was done.
    Before,
    /// The connection broke after the call took effect.
    After,
    /// The store refuses it.
    Refused,
    /// It does not.
    None,
}

type Hooks = BTreeMap<&'static str, Box<dyn FnOnce() + Send>>;

/// The store, the faults that its next calls suffer, and the calls it had, each by the name of the method.
pub(crate) struct TestStore {
    inner: Arc<dyn Store>,
    faults: Mutex<BTreeMap<&'static str, VecDeque<Fault>>>,
    away: Mutex<bool>,
    calls: Mutex<BTreeMap<&'static str, usize>>,
    hooks: Mutex<Hooks>,
}

impl TestStore {
    pub(crate) fn new(inner: Arc<dyn Store>) -> Self {
        Self { inner, faults: Mutex::default(), away: Mutex::new(false), calls: Mutex::default(), hooks: Mutex::default() }
    }

    /// The next calls of a method fail, one fault each.
    pub(crate) fn fail(&self, method: &'static str, faults: impl IntoIterator<Item = Fault>) {
        self.faults.lock().unwrap().entry(method).or_default().extend(faults);
    }

    /// Every call fails while it is away.
    pub(crate) fn goes(&self, away: bool) {
        *self.away.lock().unwrap() = away;
    }

    /// Something happens right before the next call of a method.
    pub(crate) fn before(&self, method: &'static str, happens: impl FnOnce() + Send + 'static) {
        self.hooks.lock().unwrap().insert(method, Box::new(happens));
    }

    /// How often a method was called.
    pub(crate) fn calls(&self, method: &'static str) -> usize {
        self.calls.lock().unwrap().get(method).copied().unwrap_or_default()
    }

    fn next_fault(&self, method: &'static str) -> Option<Fault> {
        *self.calls.lock().unwrap().entry(method).or_default() += 1;
        let hook = self.hooks.lock().unwrap().remove(method);
        if let Some(happens) = hook {
            happens();
        }
        if *self.away.lock().unwrap() {
            return Some(Fault::Before);
        }
        self.faults.lock().unwrap().get_mut(method).and_then(VecDeque::pop_front)
    }

    async fn around<T>(&self, method: &'static str, call: impl Future<Output = Result<T>>) -> Result<T> {
        let away = || Error::Unavailable("away".into());
        match self.next_fault(method) {
            None | Some(Fault::None) => call.await,
            Some(Fault::Before) => Err(away()),
            Some(Fault::After) => call.await.and(Err(away())),
            Some(Fault::Refused) => Err(Error::Refused("refused".into())),
        }
    }
}

/// Hands every method on, with the fault that is its turn.
macro_rules! around {
    ($($of:ident { $($method:ident($($argument:ident: $type:ty),*) -> $answer:ty;)* })*) => {
        $(
            #[async_trait]
            impl $of for TestStore {
                $(
                    async fn $method(&self, $($argument: $type),*) -> Result<$answer> {
                        self.around(stringify!($method), self.inner.$method($($argument),*)).await
                    }
                )*
            }
        )*
    };
}

around! {
    Analytics {
        analytics(app: AppId, question: &AnalyticsQuestion, page: &PageRequest) -> Page<AnalyticsRow>;
        prune_analytics(retention: &Retention) -> ();
    }
    Apps {
        ensure_apps(names: &[String]) -> Vec<AppId>;
        ping() -> ();
        prune() -> ();
    }
    AuditLog {
        begin_act(app: AppId, act: &NewAct) -> ();
        end_act(app: AppId, id: Uuid, status: u16, object: Option<&str>) -> ();
        acts(app: AppId, filter: &AuditFilter, page: &PageRequest) -> Page<Act>;
        prune_acts(kept: Duration) -> ();
    }
    Campaigns {
        create_campaign(app: AppId, id: CampaignId, definition: &Definition, remember: Option<Remember>) -> Made;
        campaign(app: AppId, id: CampaignId) -> Option<StoredCampaign>;
        campaigns(app: AppId, status: Option<CampaignStatus>, page: &PageRequest) -> Page<StoredCampaign>;
        put_campaign(
            app: AppId, id: CampaignId, definition: &Definition, next_fire: Option<Timestamp>, if_match: Option<i64>
        ) -> Turned;
        delete_campaign(app: AppId, id: CampaignId) -> Turned;
        start_campaign(app: AppId, id: CampaignId, version: i64, next_fire: Timestamp) -> Turned;
        pause_campaign(app: AppId, id: CampaignId) -> Turned;
        resume_campaign(app: AppId, id: CampaignId) -> Turned;
        cancel_campaign(app: AppId, id: CampaignId) -> Turned;
        due_campaigns(apps: &[AppId], limit: usize) -> Vec<(AppId, StoredCampaign)>;
        fire_campaign(app: AppId, id: CampaignId, version: i64, runs: Vec<NewRun>, next: Option<Timestamp>) -> bool;
        stop_campaign(app: AppId, id: CampaignId, version: i64, reason: &str) -> bool;
        settle_campaigns() -> usize;
        campaign_runs(app: AppId, id: CampaignId, page: &PageRequest) -> Option<Page<CampaignRun>>;
        campaign_stats(app: AppId, id: CampaignId, run: Option<RunId>) -> Option<CampaignStats>;
    }
    Caps {
        reserve(reservations: &[Reservation]) -> Vec<bool>;
        would_admit(reservations: &[Reservation], at: Timestamp) -> Vec<bool>;
    }
    Categories {
        categories(app: AppId) -> Vec<(String, Category)>;
        declared(app: AppId) -> Vec<Declared>;
        category(app: AppId, name: &str) -> Option<Declared>;
        put_category(app: AppId, name: &str, category: &Category, if_match: Option<i64>) -> Declaration;
        delete_category(app: AppId, name: &str) -> bool;
    }
    ClientTokens {
        begin_family(family: &Family, refresh: [u8; 32]) -> ();
        refresh(family: Uuid, generation: i64, presented: [u8; 32], next: [u8; 32], expires_at: Timestamp) -> Refreshed;
        seen(app: AppId, family: Uuid, generation: i64) -> Standing;
        revoke_family(family: Uuid) -> bool;
        revoke_user(app: AppId, user: &str) -> u64;
    }
    DeadLetters {
        dead_letters(app: AppId, page: &PageRequest) -> Page<DeadLetter>;
        dead_letter(app: AppId, notification: NotificationId, work: WorkId) -> Option<DeadLetter>;
        retry_dead_letter(app: AppId, notification: NotificationId, work: WorkId) -> bool;
    }
    Devices {
        put_device(app: AppId, name: &str, change: DeviceChange, if_match: Option<i64>) -> Registered;
        put_devices(app: AppId, changes: Vec<(String, DeviceChange)>) -> Vec<Registered>;
        patch_device(app: AppId, name: &str, change: DeviceChange, if_match: Option<i64>) -> Option<Registered>;
        device(app: AppId, name: &str) -> Option<Device>;
        devices(app: AppId, filter: &DeviceFilter, page: &PageRequest) -> Page<Device>;
        deactivate_stale(app: AppId, until: Timestamp, after: i64, limit: usize) -> Swept;
        saw_device(app: AppId, name: &str, at: Timestamp) -> ();
        delete_device(app: AppId, name: &str, by: &Principal) -> bool;
    }
    DeviceTokens {
        put_token(app: AppId, device: &str, kind: &TokenKind, change: TokenChange, if_match: Option<i64>) -> Addressed;
        delete_token(app: AppId, device: &str, kind: &TokenKind, by: &Principal) -> bool;
        tokens(app: AppId, device: &str) -> Vec<DeviceToken>;
    }
    Engine {
        now() -> Timestamp;
        accept(submissions: Vec<Submission>) -> Vec<Verdict>;
        schedule(sweep: &Sweep) -> Ready;
        release(sweep: &Sweep) -> Ready;
        claim(keys: &[WorkKey], lease: Duration) -> Claim;
        renew(held: &[(WorkKey, i64)], lease: Duration) -> Vec<WorkKey>;
        read_notifications(ids: &[(AppId, NotificationId)]) -> Vec<StoredNotification>;
        read_targets(asks: &[Ask]) -> Vec<Answer>;
        record(record: &Record) -> Recorded;
        read_page(key: WorkKey, limit: usize, selection: &Selection) -> Option<AudiencePage>;
        commit_page(key: WorkKey, epoch: i64, page: &AudiencePage, chunks: &[NewWork]) -> bool;
        cancel(app: AppId, id: NotificationId) -> bool;
        pause(app: AppId, id: NotificationId) -> bool;
        resume(app: AppId, id: NotificationId) -> bool;
        run_changes(since: Timestamp) -> Vec<RunChange>;
        hasten(app: AppId, id: NotificationId) -> ();
        hand_back(held: &[(WorkKey, i64)]) -> ();
        read_devices(app: AppId, after: i64, limit: usize, selection: &Selection) -> Scan;
        backlog() -> u64;
    }
    Keys {
        create_key(key: &ApiKey, hash: [u8; 32]) -> ();
        key_by_id(id: Uuid) -> Option<(ApiKey, [u8; 32])>;
        key_by_hash(hash: [u8; 32]) -> Option<ApiKey>;
        keys(app: AppId) -> Vec<ApiKey>;
        rotate_key(app: AppId, id: Uuid, rotation: &Rotation) -> Rotated;
        keys_used(uses: &[(Uuid, Timestamp)]) -> ();
        delete_key(app: AppId, id: Uuid) -> bool;
        plain_keys() -> Vec<(Uuid, [u8; 32])>;
        key_hash(id: Uuid, plain: [u8; 32], keyed: [u8; 32]) -> ();
    }
    Notifications {
        notification(app: AppId, id: NotificationId) -> Option<NotificationView>;
        notifications(app: AppId, filter: &NotificationFilter, page: &PageRequest) -> Page<NotificationView>;
        deliveries(app: AppId, id: NotificationId, filter: &DeliveryFilter, page: &PageRequest) -> Option<Page<DeliveryView>>;
        user_deliveries(app: AppId, user: &str, page: &PageRequest) -> Page<DeliveryView>;
    }
    Pauses {
        lane_pauses() -> Vec<LanePause>;
        pause_lanes(pauses: &[LanePause]) -> ();
        resume_lanes(app: AppId, provider: ProviderKind) -> ();
    }
    People {
        preferences(app: AppId, user: &str) -> Versioned<Preferences>;
        put_preferences(app: AppId, user: &str, preferences: &Preferences, if_match: Option<i64>) -> Option<Versioned<Preferences>>;
        device_preferences(app: AppId, device: &str) -> Option<Versioned<Preferences>>;
        put_device_preferences(app: AppId, device: &str, preferences: &Preferences, if_match: Option<i64>) -> DevicePreferencesPut;
        contacts(app: AppId, user: &str) -> Versioned<Contacts>;
        put_contacts(app: AppId, user: &str, contacts: &Contacts, if_match: Option<i64>) -> Option<Versioned<Contacts>>;
        delete_contacts(app: AppId, user: &str) -> bool;
        profile(app: AppId, user: &str) -> Versioned<Profile>;
        erase_user(app: AppId, user: &str) -> bool;
        put_profile(app: AppId, user: &str, profile: &Profile, if_match: Option<i64>) -> Option<Versioned<Profile>>;
    }
    Receipts {
        receive(app: AppId, receipts: &[Receipt]) -> Vec<ReceiptVerdict>;
        settle_early_receipts() -> usize;
    }
    Topics {
        topics(app: AppId, page: &PageRequest) -> Page<Topic>;
        topic(app: AppId, name: &str) -> Option<Followed>;
        follow(app: AppId, topic: &str, follower: &Follower) -> bool;
        unfollow(app: AppId, topic: &str, follower: &Follower) -> bool;
        followed_by(app: AppId, follower: &Follower) -> Vec<String>;
        delete_topic(app: AppId, name: &str) -> bool;
    }
    Replays {
        before(keys: &[IdempotencyKey]) -> Vec<Before>;
    }
    Sealing {
        seal_anew(limit: usize) -> SealedAnew;
    }
    Vault {
        keep_secret(name: &str, value: &[u8]) -> Secret;
        secrets(prefix: &str) -> Vec<Secret>;
        forget_secret(name: &str) -> bool;
    }
    Templates {
        templates(app: AppId) -> Vec<StoredTemplate>;
        template(app: AppId, name: &str) -> Option<StoredTemplate>;
        put_template(app: AppId, name: &str, template: &Template, if_match: Option<i64>) -> TemplatePut;
        delete_template(app: AppId, name: &str) -> bool;
    }
    Waiting {
        somebody(app: AppId, user: &str) -> Somebody;
        waiting_for(app: AppId, whom: &Somebody, from: Option<(NotificationId, WorkId)>) -> WaitingPart;
        seize(rows: &[(WorkKey, i64)], lease: Duration) -> Vec<(WorkKey, i64)>;
    }
    Webhooks {
        create_webhook(webhook: &Webhook, secret: &WebhookSecret) -> bool;
        webhook(app: AppId, id: Uuid) -> Option<Webhook>;
        webhooks(app: AppId) -> Vec<Webhook>;
        change_webhook(app: AppId, id: Uuid, change: &WebhookChange, if_is: Option<&Webhook>) -> WebhookChanged;
        delete_webhook(app: AppId, id: Uuid) -> bool;
        rotate_webhook_secret(app: AppId, id: Uuid, secret: &WebhookSecret) -> bool;
        test_webhook(app: AppId, id: Uuid) -> Option<Uuid>;
        gather_webhook_items(limit: usize, each: usize) -> usize;
        claim_webhook_messages(bounds: ClaimBounds, lease: Duration) -> Vec<DueMessage>;
        attempted(message: &DueMessage, attempt: &Attempt, next: Next) -> ();
        webhook_attempts(app: AppId, id: Uuid, page: &PageRequest) -> Option<Page<ListedAttempt>>;
        replay_webhook(app: AppId, id: Uuid, from: Timestamp, to: Timestamp) -> Option<u64>;
        prune_webhooks(before: Timestamp) -> bool;
    }
}
