//! What callers of the path hold: the API's and the command line's way in.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use chrono::TimeDelta;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::accept::{self, Prepared};
use super::commit::{self, Pending};
use super::directory::{App, Directory};
use super::draft::{Draft, Rejected};
use super::explain;
pub use super::explain::{Explained, Question, Who};
use super::lane::{Condition, Flow, LaneKey, Pause, Service, Standing, environments};
use super::node::{LAST_MOMENT, Node, Parts};
pub use super::preview::{Asked, Moment, Preview, RenderedPreview};
use super::role::Roles;
pub use super::segment::Meant;
pub use super::validate::Validated;
use super::{campaign, erase, hand_back, job, pauses, preview, reclaim, recorder, scheduler, segment, stale, stop, worker};
use crate::domain::Timestamp;
use crate::domain::device::{Environment, Platform, ProviderKind};
use crate::domain::endpoint::Endpoint;
use crate::domain::id::{AppId, CampaignId, NotificationId};
use crate::domain::segment::Segment;
use crate::store;
use crate::store::campaign::StoredCampaign;
use crate::store::engine::{RunStatus, Submission, Verdict};

/// The running path of this node.
pub struct Dispatch {
    node: Arc<Node>,
}

/// A lane as operators see it.
#[derive(Clone, Debug, PartialEq)]
pub struct LaneView {
    /// Who carries.
    pub provider: ProviderKind,
    /// Apple's service.
    pub environment: Option<Environment>,
    /// Which part of FCM's lane.
    pub platform: Option<Platform>,
    /// Which push service, by its origin, where one is held by itself.
    pub service: Option<String>,
    /// Whether someone or something holds it.
    pub paused: bool,
    /// Why.
    pub reason: Option<String>,
    /// Its breaker.
    pub breaker: Standing,
    /// Pushes a second that this node limits it to; `None` while it does not.
    pub per_second: Option<u32>,
    /// Until when nothing goes through it at this node: its provider asked to wait, or its breaker is open.
    pub held_until: Option<Timestamp>,
    /// From when on the provider refuses the credential, where that is known.
    pub credential_expires_at: Option<Timestamp>,
}

impl Dispatch {
    /// Starts what of the path these roles need. Its tasks live in the set that was handed in, and end after it is told to stop and this
    /// handle is dropped.
    pub fn start(parts: Parts, roles: Roles) -> Arc<Self> {
        let (events, recorded) = mpsc::channel(recorder::CAPACITY);
        let (accepted, pending) = mpsc::channel(commit::CAPACITY);
        let node = Arc::new(Node::new(parts, events, accepted));
        let spawn = |task: BoxFuture<'static, ()>| node.tasks.spawn(Box::pin(essential(Arc::clone(&node), task)));
        if roles.api {
            spawn(Box::pin(commit::run(Arc::clone(&node), pending)));
        }
        if roles.worker {
            spawn(Box::pin(recorder::run(Arc::clone(&node), recorded)));
            spawn(Box::pin(job::renew(Arc::clone(&node))));
            spawn(Box::pin(reclaim::run(Arc::clone(&node))));
            for _ in 0..worker::WORKERS {
                spawn(Box::pin(worker::run(Arc::clone(&node))));
            }
        }
        if roles.api || roles.worker {
            spawn(Box::pin(stop::watch(Arc::clone(&node))));
            spawn(Box::pin(pauses::watch(Arc::clone(&node))));
        }
        if roles.scheduler {
            spawn(Box::pin(scheduler::run(Arc::clone(&node))));
            spawn(Box::pin(scheduler::tidy(Arc::clone(&node))));
            spawn(Box::pin(stale::run(Arc::clone(&node))));
            spawn(Box::pin(campaign::run(Arc::clone(&node))));
        }
        Arc::new(Self { node })
    }

    /// Whether a task without which the path cannot be panicked; the node stops then.
    pub fn has_failed(&self) -> bool {
        self.node.failed.load(Ordering::Acquire)
    }

    /// The apps of this node.
    pub fn directory(&self) -> &Arc<Directory> {
        &self.node.directory
    }

    /// Whether a subscription of an app's may be there; where the app has no way to browsers, whether it is an ordinary place.
    pub fn allows(&self, app: AppId, endpoint: &Endpoint) -> bool {
        let app = self.node.directory.app(app);
        let provider = app.as_ref().and_then(|app| app.providers.get(&ProviderKind::Webpush));
        provider.map_or_else(|| endpoint.is_ordinary(), |provider| provider.allows(endpoint))
    }

    /// The public key with which pages of an app subscribe, where it has a way to browsers; base64url.
    pub fn application_server_key(&self, app: AppId) -> Option<String> {
        let app = self.node.directory.app(app)?;
        app.providers.get(&ProviderKind::Webpush)?.application_server_key().map(str::to_owned)
    }

    /// Takes these apps in the place of all there were. The lanes of `renewed` providers trust their credential again; what those before still
    /// say of theirs counts for nothing.
    pub fn replace_apps(&self, apps: Vec<App>, renewed: &[(AppId, ProviderKind)]) {
        for (app, provider) in renewed {
            let Some(generation) = apps.iter().find(|known| known.id == *app).map(|app| app.generation) else { continue };
            for environment in environments(*provider) {
                self.node.lanes.get(LaneKey { app: *app, provider: *provider, environment: *environment }).renew(generation);
            }
        }
        self.node.directory.replace(apps);
    }

    /// Checks a draft wholly and makes what is to be written of it.
    pub async fn prepare(&self, app: AppId, draft: Draft) -> Result<Prepared, Rejected> {
        accept::prepare(&self.node, &*self.app(app)?, draft).await
    }

    /// Writes a request's notifications, in one commit with others; answers when that is durable.
    pub async fn submit(&self, submission: Submission) -> Result<Verdict, store::Error> {
        let (reply, answer) = oneshot::channel();
        let gone = || store::Error::Unavailable("the node is stopping".into());
        self.node.accepted.send(Pending { submission, reply }).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }

    /// Cancels what has not been sent; whether there is such a notification.
    pub async fn cancel(&self, app: AppId, id: NotificationId) -> Result<bool, store::Error> {
        let asked_at = self.node.monotonic();
        let known = self.node.heard(self.node.store.cancel(app, id).await)?;
        if known {
            self.node.stopped.note(app, id, RunStatus::Cancelled, asked_at);
            self.node.wake.notify_one();
        }
        Ok(known)
    }

    /// What a draft would come to. Nothing is written.
    pub async fn preview(&self, app: AppId, draft: Draft, asked: Asked) -> Result<Preview, Rejected> {
        preview::preview(&self.node, &*self.app(app)?, draft, asked).await
    }

    /// Checks a draft as it is checked before it is accepted. Nothing is written.
    pub async fn check(&self, app: AppId, draft: Draft) -> Result<(), Rejected> {
        accept::compose(&self.node, &*self.app(app)?, draft).await.map(drop)
    }

    /// The id of a campaign that is to be made.
    pub fn campaign_id(&self) -> CampaignId {
        self.node.ids.campaign(self.node.now())
    }

    /// Begins the run of a campaign whose time has come, ahead of the schedulers; whether it was this call that did.
    pub async fn begin(&self, app: AppId, campaign: StoredCampaign) -> Result<bool, Rejected> {
        Ok(campaign::begin(&self.node, &*self.app(app)?, campaign).await?)
    }

    /// How many a segment means now.
    pub async fn count_segment(&self, app: AppId, segment: Segment) -> Result<Meant, Rejected> {
        Ok(segment::count(&self.node, &*self.app(app)?, segment).await?)
    }

    /// What the gate would decide, per device; `None` where a named device is unknown.
    pub async fn explain(&self, app: AppId, question: &Question) -> Result<Option<Vec<Explained>>, Rejected> {
        explain::explain(&self.node, &*self.app(app)?, question).await
    }

    /// Forgets a user, and ends what waits for them; whether anything was known of them. It goes on to its end though the caller leaves.
    pub async fn erase_user(&self, app: AppId, user: &str) -> Result<bool, store::Error> {
        let (node, user, (reply, answer)) = (Arc::clone(&self.node), user.to_owned(), oneshot::channel());
        self.node.tasks.spawn(Box::pin(async move {
            tokio::select! {
                biased;
                () = node.stopping.cancelled() => {}
                erased = erase::erase(&node, app, &user) => drop(reply.send(erased)),
            }
        }));
        answer.await.map_err(|_| store::Error::Unavailable("the node is stopping".into()))?
    }

    /// An app's lanes.
    pub fn lanes(&self, app: AppId) -> Vec<LaneView> {
        let Some(app) = self.node.directory.app(app) else { return Vec::new() };
        app.providers.keys().flat_map(|kind| self.views(app.id, *kind)).collect()
    }

    /// Lets a provider's lanes go on, at every node; `None` where the app has no such provider.
    pub async fn resume_lanes(&self, app: AppId, provider: ProviderKind) -> Result<Option<Vec<LaneView>>, store::Error> {
        if self.node.directory.app(app).is_none_or(|app| !app.providers.contains_key(&provider)) {
            return Ok(None);
        }
        self.node.heard(self.node.store.resume_lanes(app, provider).await)?;
        for environment in environments(provider) {
            self.node.lanes.get(LaneKey { app, provider, environment: *environment }).resume();
        }
        Ok(Some(self.views(app, provider)))
    }

    /// Lets go of what is still under way, for whoever comes next. How much it was. Called after the grace period; nothing but facts is
    /// written of that work afterwards.
    pub async fn hand_back(&self) -> Result<usize, store::Error> {
        let late = |_| store::Error::Unavailable("it gave no answer in the last moment".into());
        timeout(LAST_MOMENT, hand_back::hand_back(&self.node)).await.map_err(late)?
    }

    /// Whether no work is in this node's hands.
    pub fn is_idle(&self) -> bool {
        self.node.taking.is_empty() && self.node.held.all().is_empty()
    }

    fn app(&self, app: AppId) -> Result<Arc<App>, Rejected> {
        let gone = || Rejected::Store(store::Error::Refused("the app is not configured".into()));
        self.node.directory.app(app).ok_or_else(gone)
    }

    fn views(&self, app: AppId, provider: ProviderKind) -> Vec<LaneView> {
        environments(provider)
            .iter()
            .flat_map(|environment| self.lane_views(LaneKey { app, provider, environment: *environment }))
            .collect()
    }

    fn lane_views(&self, key: LaneKey) -> Vec<LaneView> {
        let now = self.node.now();
        let Condition { pauses, flow, services } = self.node.lanes.get(key).condition();
        let parts: &[Option<Platform>] = match key.provider {
            ProviderKind::Fcm => &[Some(Platform::Android), Some(Platform::Ios), Some(Platform::Web)],
            ProviderKind::Apns | ProviderKind::Webpush => &[None],
        };
        let app = self.node.directory.app(key.app);
        let provider = app.as_ref().and_then(|app| app.providers.get(&key.provider));
        let credential_expires_at = provider.and_then(|provider| provider.credential_expires_at());
        let view = |platform: Option<Platform>, service: &Service, flow: Flow| {
            let pause = pauses.iter().find(|(paused, _)| paused.is_none() || *paused == platform).map(|(_, pause)| pause);
            LaneView {
                provider: key.provider,
                environment: (key.provider == ProviderKind::Apns).then_some(key.environment),
                platform,
                service: service.origin().map(str::to_owned),
                paused: pause.is_some(),
                reason: pause.map(Pause::describe),
                breaker: flow.breaker,
                per_second: flow.per_second,
                held_until: flow.held_for.and_then(|left| now.checked_add_signed(TimeDelta::from_std(left).ok()?)),
                credential_expires_at,
            }
        };
        let whole = parts.iter().map(|part| view(*part, &Service::default(), flow));
        whole.chain(services.iter().map(|(service, flow)| view(None, service, *flow))).collect()
    }
}

/// Runs a task without which the path cannot be. A node that lost its recorder would go on sending and never write what it sent: where one
/// panics the node stops, its leases lapse, and others take over.
async fn essential(node: Arc<Node>, task: BoxFuture<'static, ()>) {
    if AssertUnwindSafe(task).catch_unwind().await.is_err() {
        tracing::error!("a task of the path panicked: this node stops, and what it holds is taken by others when its leases lapse");
        node.failed.store(true, Ordering::Release);
        node.stopping.cancel();
        node.hard_stop.cancel();
    }
}
