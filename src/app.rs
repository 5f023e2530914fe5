//! The composition root: settings become store, queue, providers, router and workers. The only file that names a concrete adapter.

mod share;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::api::{self, BuiltInKey};
use crate::config::{self, DatabaseUrl, QueueUrl, Settings};
use crate::dispatch::directory::{self, Directory};
use crate::dispatch::handle::Dispatch;
use crate::dispatch::node::Parts;
use crate::dispatch::role::Roles;
use crate::domain::clock::{Clock, Rng};
use crate::domain::decision::AppDefaults;
use crate::domain::device::ProviderKind;
use crate::domain::staleness::Staleness;
use crate::lifecycle::Lifecycle;
use crate::providers::apns::{ApnsProvider, Signers};
use crate::providers::fcm::FcmProvider;
use crate::providers::webpush::WebpushProvider;
use crate::providers::{self, Provider};
use crate::queue::in_process::InProcessQueue;
use crate::queue::redis::{Looked, RedisQueue};
use crate::queue::{self, Queue};
use crate::store::Store;
use crate::store::postgres::{self, PostgresStore};
use crate::store::sqlite::{self, SqliteStore};
use crate::system::{SystemClock, SystemIds, SystemRng};
use crate::telemetry::Metrics;

use share::ThroughRedis;

/// How often a stopping node looks whether what was under way has ended.
const LOOK_EVERY: Duration = Duration::from_millis(20);

const DAY: Duration = Duration::from_hours(24);

/// What `herald dev` adds to a daemon.
#[derive(Default)]
pub struct Extras {
    /// An app and an API key to it with every scope, held in memory only: it is never in the store.
    pub api_key: Option<(String, String)>,
    /// Routes beside the daemon's own, with full paths: the simulator's control view.
    pub routes: Option<axum::Router>,
}

/// A daemon that serves.
pub struct Daemon {
    address: SocketAddr,
    life: Lifecycle,
    dispatch: Arc<Dispatch>,
    /// Ends the serving of callers.
    closing: CancellationToken,
    /// Connections of callers, apart from the path.
    callers: TaskTracker,
    /// The store's own tasks: they end last.
    keeping: TaskTracker,
}

impl Daemon {
    /// Opens the store, binds the listener and starts every task in the life's set; answers once it serves.
    pub async fn start(settings: Settings, roles: Roles, life: &Lifecycle, extras: Extras) -> anyhow::Result<Self> {
        let listener =
            TcpListener::bind(settings.server.listen).await.with_context(|| format!("server.listen {}", settings.server.listen))?;
        let address = listener.local_addr()?;
        let metrics = Metrics::install()?;
        metrics.upkeep(life.tasks(), life.soft());
        let (keeping, callers) = (TaskTracker::new(), TaskTracker::new());
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let store = open(&settings, &clock, &keeping).await?;
        let (queue, signers) = open_queue(&settings).await?;
        let apps = apps(&settings, &*store, &signers, &context(&settings, life)).await?;
        let built_in_keys = built_in_keys(&extras, &apps)?;
        let directory = Arc::new(Directory::new(apps, Arc::clone(&store), Arc::clone(&clock)));
        let parts = Parts {
            store: Arc::clone(&store),
            queue: Arc::clone(&queue),
            directory,
            clock: Arc::clone(&clock),
            ids: Arc::new(SystemIds::new()),
            rng: Arc::new(SystemRng),
            tasks: Arc::new(life.tasks().clone()),
            stopping: life.soft().clone(),
            stopped: life.hard().clone(),
            settings: settings.dispatch.clone(),
            retry: settings.retry.clone(),
        };
        let dispatch = Dispatch::start(parts, roles);
        let server = api::Settings {
            listen: settings.server.listen.to_string(),
            header_timeout_seconds: settings.server.header_timeout_seconds,
            body_timeout_seconds: settings.server.body_timeout_seconds,
        };
        let state = api::State {
            dispatch: Arc::clone(&dispatch),
            store,
            queue,
            clock,
            settings: server.clone(),
            metrics: metrics.render(),
            built_in_keys,
            stopping: life.soft().clone(),
        };
        let router = if roles.api { api::router(state) } else { api::probes(state) }.merge(extras.routes.unwrap_or_default());
        let closing = CancellationToken::new();
        drop(callers.spawn(api::serve(listener, router, server, closing.clone(), callers.clone())));
        Ok(Self { address, life: life.clone(), dispatch, closing, callers, keeping })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until the life has ended and everything is handed back and closed: what is under way first, while `/ready` tells callers to
    /// go elsewhere, then the callers, then the store.
    pub async fn stopped(self) -> anyhow::Result<()> {
        let Self { life, dispatch, closing, callers, keeping, .. } = self;
        life.soft().cancelled().await;
        let drained = async {
            while !dispatch.is_idle() {
                tokio::time::sleep(LOOK_EVERY).await;
            }
            closing.cancel();
            callers.close();
            callers.wait().await;
        };
        tokio::select! {
            () = drained => {}
            () = life.hard().cancelled() => closing.cancel(),
        }
        let handed_back = dispatch.hand_back().await;
        life.hard().cancel();
        let has_failed = dispatch.has_failed();
        drop(dispatch);
        anyhow::ensure!(life.finished().await, "some tasks did not end in time");
        keeping.close();
        keeping.wait().await;
        anyhow::ensure!(!has_failed, "a task of the path panicked, the log says where");
        let handed_back = handed_back.context("what is under way cannot be handed back; its leases lapse")?;
        if handed_back > 0 {
            tracing::warn!(work = handed_back, "work was handed back unfinished");
        }
        Ok(())
    }
}

/// Opens the store of a configuration without a daemon, migrated to this version; its tasks run in this set.
pub async fn open_store(settings: &Settings, tasks: &TaskTracker) -> anyhow::Result<Arc<dyn Store>> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    open(settings, &clock, tasks).await
}

/// Migrates the store of a configuration to this version; answers which it is.
pub async fn migrate(settings: &Settings) -> anyhow::Result<i64> {
    match &settings.database.url {
        DatabaseUrl::Sqlite(path) => SqliteStore::migrate(path).await.with_context(|| at(path)),
        DatabaseUrl::Postgres(url) => PostgresStore::migrate(&postgres(settings, url)?).await.context("database.url"),
    }
}

async fn open(settings: &Settings, clock: &Arc<dyn Clock>, tasks: &TaskTracker) -> anyhow::Result<Arc<dyn Store>> {
    Ok(match &settings.database.url {
        DatabaseUrl::Sqlite(path) => {
            SqliteStore::open(&sqlite::Options::new(path), Arc::clone(clock), tasks).await.with_context(|| at(path))?
        }
        DatabaseUrl::Postgres(url) => PostgresStore::open(&postgres(settings, url)?, tasks).await.context("database.url")?,
    })
}

fn at(path: &Path) -> String {
    format!("database.url {}", path.display())
}

fn postgres(settings: &Settings, url: &str) -> anyhow::Result<postgres::Options> {
    let mut options = postgres::Options::parse(url).context("database.url")?;
    options.connections = settings.database.connections;
    options.retention = settings.database.retention_days.map(|days| DAY * days);
    Ok(options)
}

/// The queue, and who signs for APNs: nodes that share the one share the other's tokens.
async fn open_queue(settings: &Settings) -> anyhow::Result<(Arc<dyn Queue>, Signers)> {
    let Some(options) = redis_options(settings) else {
        return Ok((Arc::new(InProcessQueue::new(settings.queue.window)), Signers::default()));
    };
    let queue = RedisQueue::open(&options).await.context("queue.url")?;
    let signers = Signers::sharing(Arc::new(ThroughRedis(queue.shared_values())));
    Ok((Arc::new(queue), signers))
}

/// How Redis is opened, where it is the queue.
fn redis_options(settings: &Settings) -> Option<queue::redis::Options> {
    let queue = &settings.queue;
    let QueueUrl::Redis(url) = &queue.url else { return None };
    let (password_file, ca_file) = (queue.password_file.clone(), queue.ca_file.clone());
    Some(queue::redis::Options { password_file, ca_file, ..queue::redis::Options::new(url.clone(), queue.window) })
}

fn context(settings: &Settings, life: &Lifecycle) -> providers::Context {
    let (clock, rng): (Arc<dyn Clock>, Arc<dyn Rng>) = (Arc::new(SystemClock), Arc::new(SystemRng));
    providers::Context {
        clock,
        rng,
        tasks: life.tasks().clone(),
        cancel: life.hard().clone(),
        send_timeout: settings.dispatch.send_timeout(),
        provider_floors: settings.retry.provider_floors,
    }
}

async fn apps(
    settings: &Settings,
    store: &dyn Store,
    signers: &Signers,
    context: &providers::Context,
) -> anyhow::Result<Vec<directory::App>> {
    let names: Vec<String> = settings.apps.keys().cloned().collect();
    let ids = store.ensure_apps(&names).await?;
    let mut apps = Vec::with_capacity(names.len());
    for ((name, app), id) in settings.apps.iter().zip(ids) {
        let providers = providers_of(name, app, signers, context)?;
        let defaults = AppDefaults { timezone: app.default_timezone, quiet_hours: app.default_quiet_hours.clone() };
        let staleness = Staleness { leave_out_after: app.stale_after_days, deactivate_after: app.deactivate_after_days };
        apps.push(directory::App { id, name: name.clone(), defaults, staleness, providers });
    }
    Ok(apps)
}

fn providers_of(
    name: &str,
    app: &config::App,
    signers: &Signers,
    context: &providers::Context,
) -> anyhow::Result<BTreeMap<ProviderKind, Arc<dyn Provider>>> {
    let mut providers: BTreeMap<ProviderKind, Arc<dyn Provider>> = BTreeMap::new();
    if let Some(settings) = &app.apns {
        let provider = ApnsProvider::load(settings, signers, context).with_context(|| format!("apps.{name}.apns"))?;
        providers.insert(ProviderKind::Apns, Arc::new(provider));
    }
    if let Some(settings) = &app.fcm {
        let provider = FcmProvider::load(settings, context).with_context(|| format!("apps.{name}.fcm"))?;
        let service_extension = app.apns.as_ref().is_some_and(|apns| apns.service_extension);
        providers.insert(ProviderKind::Fcm, Arc::new(provider.with_service_extension(service_extension)));
    }
    if let Some(settings) = &app.webpush {
        let provider = WebpushProvider::load(settings, context).with_context(|| format!("apps.{name}.webpush"))?;
        providers.insert(ProviderKind::Webpush, Arc::new(provider));
    }
    Ok(providers)
}

fn built_in_keys(extras: &Extras, apps: &[directory::App]) -> anyhow::Result<Vec<BuiltInKey>> {
    let Some((name, key)) = &extras.api_key else { return Ok(Vec::new()) };
    let app = apps.iter().find(|app| app.name == *name).with_context(|| format!("no [apps.{name}] for its key"))?;
    Ok(vec![BuiltInKey::new(key, app.id)])
}

/// Something that `herald check` looked at.
#[derive(Debug)]
pub struct Finding {
    /// What: `store`, `queue`, `apps.demo.apns`.
    pub what: String,
    /// What is wrong with it; `None`: nothing.
    pub fault: Option<String>,
    /// What is to be known of it though nothing is wrong.
    pub note: Option<String>,
}

impl Finding {
    fn of<T>(what: impl Into<String>, result: anyhow::Result<T>) -> Self {
        Self { what: what.into(), fault: result.err().map(|error| format!("{error:#}")), note: None }
    }

    /// Nothing is wrong.
    pub fn good(what: impl Into<String>, note: Option<String>) -> Self {
        Self { what: what.into(), fault: None, note }
    }
}

/// Looks at the store, the queue and each credential of a configuration, without serving or sending.
pub async fn check(settings: &Settings) -> Vec<Finding> {
    let life = Lifecycle::new();
    let context = context(settings, &life);
    let mut findings = vec![check_store(settings).await, check_queue(settings).await];
    for (name, app) in &settings.apps {
        if let Some(settings) = &app.apns {
            findings.push(check_apns(format!("apps.{name}.apns"), settings, &context));
        }
        if let Some(settings) = &app.fcm {
            findings.push(Finding::of(format!("apps.{name}.fcm"), check_fcm(settings, &context).await));
        }
        if let Some(settings) = &app.webpush {
            findings.push(check_webpush(format!("apps.{name}.webpush"), settings, &context));
        }
    }
    life.abort();
    findings
}

/// Only looks: the daemon may be running on it, and what it will do to it when it starts is its own affair.
async fn check_store(settings: &Settings) -> Finding {
    let note = match &settings.database.url {
        DatabaseUrl::Sqlite(path) => SqliteStore::inspect(path).await.with_context(|| at(path)).map(note_of_file),
        DatabaseUrl::Postgres(url) => check_server(settings, url).await,
    };
    match note {
        Ok(note) => Finding::good("store", note),
        Err(error) => Finding::of::<()>("store", Err(error)),
    }
}

fn note_of_file(condition: sqlite::Condition) -> Option<String> {
    match condition {
        sqlite::Condition::Current => None,
        sqlite::Condition::Absent => Some("there is none yet, the daemon will make it".to_owned()),
        sqlite::Condition::Older { version, known } => Some(older(version, known)),
    }
}

async fn check_server(settings: &Settings, url: &str) -> anyhow::Result<Option<String>> {
    let condition = PostgresStore::inspect(&postgres(settings, url)?).await.context("database.url")?;
    Ok(match condition {
        postgres::Condition::Current => None,
        postgres::Condition::Older { version: 0, .. } => Some("it is empty, the daemon will make its tables".to_owned()),
        postgres::Condition::Older { version, known } => Some(older(version, known)),
        postgres::Condition::Newer { version, known } => {
            Some(format!("it has schema version {version}, newer than this herald's {known}, which can still work with it"))
        }
    })
}

fn older(version: i64, known: i64) -> String {
    format!("it has schema version {version}, the daemon will bring it to {known} when it starts")
}

/// Only looks, as at the store.
async fn check_queue(settings: &Settings) -> Finding {
    let Some(options) = redis_options(settings) else { return Finding::good("queue", None) };
    match RedisQueue::inspect(&options).await.context("queue.url") {
        Ok(Looked::Fit) => Finding::good("queue", None),
        Ok(Looked::Hidden) => Finding::good("queue", Some("it does not tell its maxmemory-policy, which must be noeviction".to_owned())),
        Err(error) => Finding::of::<()>("queue", Err(error)),
    }
}

fn check_apns(what: String, settings: &providers::apns::Settings, context: &providers::Context) -> Finding {
    let proven = ApnsProvider::load(settings, &Signers::default(), context).and_then(|provider| provider.prove().map(|()| provider));
    match proven {
        Ok(provider) => Finding::good(what, provider.credential_expires_at().map(|at| format!("its certificate expires at {at}"))),
        Err(error) => Finding::of::<()>(what, Err(error.into())),
    }
}

/// The public key is said, since pages must subscribe with it.
fn check_webpush(what: String, settings: &providers::webpush::Settings, context: &providers::Context) -> Finding {
    match WebpushProvider::load(settings, context).and_then(|provider| provider.prove()) {
        Ok(proof) => Finding::good(what, Some(proof)),
        Err(error) => Finding::of::<()>(what, Err(error.into())),
    }
}

async fn check_fcm(settings: &providers::fcm::Settings, context: &providers::Context) -> anyhow::Result<String> {
    Ok(FcmProvider::load(settings, context)?.prove().await?)
}
