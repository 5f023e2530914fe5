//! One store, one queue, one app, and nodes that come and go.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::clock::TestClock;
use super::provider::TestProvider;
use super::queue::TestQueue;
use super::store::TestStore;
use crate::dispatch::commit::{self, Pending};
use crate::dispatch::directory::{App, Directory};
use crate::dispatch::draft::{Draft, To};
use crate::dispatch::node::{Node, Parts};
use crate::dispatch::recorder::{self, Event};
use crate::dispatch::{RetrySettings, Settings, accept, claim, job, scheduler, worker};
use crate::domain::clock::{Ids, Rng};
use crate::domain::content::Content;
use crate::domain::decision::AppDefaults;
use crate::domain::device::{Change, DeviceChange, Platform, ProviderKind, PushToken};
use crate::domain::id::{AppId, NotificationId, WorkId};
use crate::domain::notification::{InQuietHours, Overrides};
use crate::domain::push_type::PushType;
use crate::domain::staleness::Staleness;
use crate::providers::Provider;
use crate::queue::{Queue, Taken};
use crate::store::analytics::Retention;
use crate::store::engine::{Item, Submission};
use crate::store::notification::{Counts, NotificationStatus, NotificationView};
use crate::store::sqlite::{Options, SqliteStore};
use crate::store::{Apps, DeadLetters, Devices, Engine, Notifications, PageRequest, Store};
use crate::system::SystemIds;

pub(in crate::dispatch) const LEASE: Duration = Duration::from_secs(30);
/// Longer than anything here should take, on a slow machine with others at work.
const PATIENCE: Duration = Duration::from_mins(1);

/// No chance at all.
struct Even;

impl Rng for Even {
    fn fraction(&self) -> f64 {
        0.5
    }
}

pub(in crate::dispatch) struct World {
    pub(in crate::dispatch) clock: Arc<TestClock>,
    pub(in crate::dispatch) store: Arc<TestStore>,
    pub(in crate::dispatch) queue: Arc<TestQueue>,
    pub(in crate::dispatch) provider: Arc<TestProvider>,
    pub(in crate::dispatch) app: AppId,
    ids: Arc<dyn Ids>,
    _folder: TempDir,
}

/// A node whose steps are called one by one.
pub(in crate::dispatch) struct Hand {
    pub(in crate::dispatch) node: Arc<Node>,
    pub(in crate::dispatch) events: mpsc::Receiver<Event>,
    pub(in crate::dispatch) accepted: mpsc::Receiver<Pending>,
}

impl World {
    pub(in crate::dispatch) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(TestClock::default());
        let options = Options::new(folder.path().join("herald.db"));
        let inner = SqliteStore::open(&options, Arc::clone(&clock) as _, &TaskTracker::new()).await.unwrap();
        let store = Arc::new(TestStore::new(inner));
        let app = store.ensure_apps(&["demo".to_owned()]).await.unwrap()[0];
        let (queue, provider) = (Arc::new(TestQueue::new()), Arc::new(TestProvider::new()));
        Self { clock, store, queue, provider, app, ids: Arc::new(SystemIds::new()), _folder: folder }
    }

    /// Its app, with these providers.
    pub(in crate::dispatch) fn app_with(&self, providers: BTreeMap<ProviderKind, Arc<dyn Provider>>) -> App {
        let (defaults, staleness) = (AppDefaults::default(), Staleness::default());
        App { id: self.app, name: "demo".to_owned(), defaults, staleness, phones: Arc::default(), providers, generation: 0 }
    }

    /// What a node of this world is made of.
    pub(in crate::dispatch) fn parts(&self) -> Parts {
        let store: Arc<dyn Store> = Arc::clone(&self.store) as _;
        let provider: Arc<dyn Provider> = Arc::clone(&self.provider) as _;
        let app = self.app_with(BTreeMap::from([(ProviderKind::Apns, provider)]));
        Parts {
            store: Arc::clone(&store),
            queue: Arc::clone(&self.queue) as _,
            directory: Arc::new(Directory::new(vec![app], store, Arc::clone(&self.clock) as _)),
            clock: Arc::clone(&self.clock) as _,
            ids: Arc::clone(&self.ids),
            rng: Arc::new(Even),
            tasks: Arc::new(TaskTracker::new()),
            stopping: CancellationToken::new(),
            stopped: CancellationToken::new(),
            settings: Settings { lease_seconds: LEASE.as_secs(), ..Settings::default() },
            retry: RetrySettings::default(),
            analytics: Retention::default(),
            audit_kept: Duration::from_hours(24),
        }
    }

    /// A node of which nothing runs by itself.
    pub(in crate::dispatch) fn hand(&self) -> Hand {
        self.hand_with_permits(Settings::default().permits)
    }

    /// One that has so many sends under way at most.
    pub(in crate::dispatch) fn hand_with_permits(&self, permits: usize) -> Hand {
        let mut parts = self.parts();
        parts.settings.permits = permits;
        Self::hand_of(parts)
    }

    /// One of these parts.
    pub(in crate::dispatch) fn hand_of(parts: Parts) -> Hand {
        let (events, recorded) = mpsc::channel(recorder::CAPACITY);
        let (accepted, pending) = mpsc::channel(commit::CAPACITY);
        Hand { node: Arc::new(Node::new(parts, events, accepted)), events: recorded, accepted: pending }
    }

    /// Registers an iPhone for each of these users, by their names.
    pub(in crate::dispatch) async fn iphones(&self, users: &[&str]) {
        for (n, user) in users.iter().enumerate() {
            let change = DeviceChange {
                user: Change::Set((*user).to_owned()),
                platform: Some(Platform::Ios),
                token: Some(PushToken::Apns(format!("{n:064x}"))),
                ..DeviceChange::default()
            };
            drop(self.store.put_device(self.app, &format!("phone-of-{user}"), change, None).await.unwrap());
        }
    }

    /// A notification to these users, ready to be submitted.
    pub(in crate::dispatch) async fn submission(&self, users: &[&str]) -> (NotificationId, Submission) {
        self.submission_to(To::Users(users.iter().map(|user| (*user).to_owned()).collect())).await
    }

    pub(in crate::dispatch) async fn submission_to(&self, to: To) -> (NotificationId, Submission) {
        self.submission_at(&self.hand().node, to).await
    }

    /// The same as this node prepares it.
    pub(in crate::dispatch) async fn submission_at(&self, node: &Node, to: To) -> (NotificationId, Submission) {
        self.submission_of(node, draft(to)).await
    }

    async fn submission_of(&self, node: &Node, draft: Draft) -> (NotificationId, Submission) {
        let app = node.directory.app(self.app).unwrap();
        let prepared = accept::prepare(node, &app, draft).await.unwrap();
        let item = Item { key: None, answer: Bytes::new(), notification: prepared.notification };
        (prepared.id, Submission { key: None, items: vec![item], answer: Arc::new(|_| Bytes::new()) })
    }

    /// Writes a notification to these users; its work is due, and not published.
    pub(in crate::dispatch) async fn accept(&self, users: &[&str]) -> NotificationId {
        let (id, submission) = self.submission(users).await;
        self.store.accept(vec![submission]).await.unwrap();
        id
    }

    /// The same in this category.
    pub(in crate::dispatch) async fn accept_in(&self, category: &str, users: &[&str]) -> NotificationId {
        let to = To::Users(users.iter().map(|user| (*user).to_owned()).collect());
        self.accept_draft(Draft { category: Some(category.to_owned()), ..draft(to) }).await
    }

    /// The same of this draft.
    pub(in crate::dispatch) async fn accept_draft(&self, draft: Draft) -> NotificationId {
        let (id, submission) = self.submission_of(&self.hand().node, draft).await;
        self.store.accept(vec![submission]).await.unwrap();
        id
    }

    /// Writes a notification to everybody.
    pub(in crate::dispatch) async fn accept_for_all(&self) -> NotificationId {
        let (id, submission) = self.submission_to(To::All).await;
        self.store.accept(vec![submission]).await.unwrap();
        id
    }

    /// A node that may take what lapsed, as any that runs for a while.
    pub(in crate::dispatch) async fn settled(&self) -> Hand {
        let hand = self.hand();
        self.clock.pass(LEASE);
        assert!(hand.node.may_take_lapsed().await.unwrap());
        hand
    }

    /// Has a node make due work ready, and takes it.
    pub(in crate::dispatch) async fn ready(&self, node: &Node) -> Vec<Taken> {
        scheduler::round(node).await.unwrap();
        self.take().await
    }

    /// Takes what is in the queue.
    pub(in crate::dispatch) async fn take(&self) -> Vec<Taken> {
        self.queue.take(10_000, Duration::ZERO).await.unwrap()
    }

    /// Has a node work on what was taken, until all of its sends are started.
    pub(in crate::dispatch) async fn work_on(&self, node: &Arc<Node>, taken: Vec<Taken>) {
        let jobs = claim::claim(node, taken).await;
        worker::work_on_jobs(node, jobs).await;
    }

    pub(in crate::dispatch) async fn view(&self, id: NotificationId) -> NotificationView {
        self.store.notification(self.app, id).await.unwrap().unwrap()
    }

    pub(in crate::dispatch) async fn counts(&self, id: NotificationId) -> Counts {
        self.view(id).await.counts
    }

    pub(in crate::dispatch) async fn is_done(&self, id: NotificationId) -> bool {
        matches!(self.view(id).await.status, NotificationStatus::Done | NotificationStatus::Cancelled)
    }

    /// The rows that are dead.
    pub(in crate::dispatch) async fn dead(&self) -> Vec<(NotificationId, WorkId)> {
        let page = self.store.dead_letters(self.app, &PageRequest { limit: 500, after: None }).await.unwrap();
        page.items.into_iter().map(|letter| (letter.notification, letter.work)).collect()
    }
}

impl Hand {
    /// The node, with outcomes written and leases renewed by themselves.
    pub(in crate::dispatch) fn recording(self) -> Arc<Node> {
        self.node.tasks.spawn(Box::pin(recorder::run(Arc::clone(&self.node), self.events)));
        self.node.tasks.spawn(Box::pin(job::renew(Arc::clone(&self.node))));
        self.node
    }

    /// The node, with requests written by themselves.
    pub(in crate::dispatch) fn committing(self) -> Arc<Node> {
        self.node.tasks.spawn(Box::pin(commit::run(Arc::clone(&self.node), self.accepted)));
        self.node
    }
}

pub(in crate::dispatch) fn draft(to: To) -> Draft {
    Draft {
        pace: None,
        to,
        latest_device_only: false,
        except_devices: Vec::new(),
        only: None,
        category: None,
        priority: None,
        content: Content { title: Some("t".to_owned()), ..Content::default() },
        platforms: BTreeMap::new(),
        localized: BTreeMap::new(),
        labels: BTreeMap::new(),
        silent: false,
        push_type: PushType::Usual,
        when: None,
        lifetime: None,
        collapse_key: None,
        in_quiet_hours: InQuietHours::Defer,
        overrides: Overrides::default(),
        test: false,
        template: None,
        campaign: None,
    }
}

/// Waits until there is such a thing, or fails.
pub(in crate::dispatch) async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "waited {PATIENCE:?} in vain until {what}");
        sleep(Duration::from_millis(5)).await;
    }
}
