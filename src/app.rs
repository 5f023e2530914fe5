//! The composition root: settings become store, queue, providers, router and workers. The only file that names a concrete adapter.

mod apps;
mod check;
mod files;
mod reload;
mod sealing;
mod server;
mod share;
mod source;
mod webhooks;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::api::{self, BuiltInKey, Door, KeyRing, SignIns};
use crate::config::{DatabaseUrl, QueueUrl, Settings};
use crate::dispatch::directory::{self, Directory};
use crate::dispatch::handle::Dispatch;
use crate::dispatch::node::Parts;
use crate::dispatch::role::Roles;
use crate::dispatch::webhook::Sender;
use crate::domain::clock::{Clock, Rng};
use crate::lifecycle::Lifecycle;
use crate::providers;
use crate::providers::apns::Signers;
use crate::queue::in_process::InProcessQueue;
use crate::queue::redis::RedisQueue;
use crate::queue::{self, Queue};
use crate::store::Store;
use crate::store::key_hash::KeyHasher;
use crate::store::postgres::{self, PostgresStore};
use crate::store::seal::Seal;
use crate::store::sqlite::{self, SqliteStore};
use crate::system::{SystemClock, SystemIds, SystemRng};
use crate::telemetry::Metrics;

pub use check::{Finding, check};
pub use reload::Reload;

use apps::Loader;
use reload::Reloader;
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
    /// When the configuration is read again; `None`: never.
    pub reload: Option<Reload>,
}

/// A daemon that serves.
pub struct Daemon {
    address: SocketAddr,
    /// Whether callers speak TLS.
    is_secure: bool,
    life: Lifecycle,
    dispatch: Arc<Dispatch>,
    webhooks: Arc<Sender>,
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
        let tls = server::tls(&settings.server)?;
        let door = Door { listener: server::listen("server.listen", settings.server.listen).await?, tls };
        let (address, is_secure) = (door.listener.local_addr()?, door.tls.is_some());
        let admin = match settings.server.admin_listen {
            Some(address) => Some(server::listen("server.admin_listen", address).await?),
            None => None,
        };
        let metrics = Metrics::install()?;
        metrics.upkeep(life.tasks(), life.soft());
        let (keeping, callers) = (TaskTracker::new(), TaskTracker::new());
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let store = open(&settings, &clock, &keeping).await?;
        if !seal(&settings)?.is_empty() {
            drop(life.tasks().spawn(sealing::run(Arc::clone(&store), life.soft().clone())));
        }
        let (queue, signers) = open_queue(&settings).await?;
        let mut loader = Loader::new(Arc::clone(&store), signers, context(&settings, life));
        let loaded = loader.load(&settings.apps).await?;
        let apps = loaded.apps;
        let sign_ins = Arc::new(SignIns::default());
        sign_ins.replace(loaded.sign_ins);
        let origins = api::Origins::default();
        origins.replace(server::origins(&settings.apps));
        let hasher = KeyHasher::open(&*store).await.context("the hashes of API keys")?;
        let keys = Arc::new(KeyRing::new(hasher, built_in_keys(&extras, &apps)?));
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
            analytics: settings.analytics,
            audit_kept: settings.audit.kept(),
        };
        let webhooks = webhooks::sender(&settings, roles, &store, life)?;
        let dispatch = Dispatch::start(parts, roles);
        if let Some(reload) = extras.reload {
            let (tls, origins) = (door.tls.clone(), origins.clone());
            let (dispatch, sign_ins) = (Arc::clone(&dispatch), Arc::clone(&sign_ins));
            let reloader = Reloader { loader, settings: settings.clone(), dispatch, tls, origins, sign_ins };
            drop(life.tasks().spawn(reloader.run(reload, life.soft().clone())));
        }
        if roles.api {
            let writing = Arc::clone(&keys).write_uses(Arc::clone(&store), Arc::clone(&clock), life.soft().clone());
            drop(life.tasks().spawn(writing));
        }
        let server = server::settings(&settings);
        let state = api::State {
            dispatch: Arc::clone(&dispatch),
            store,
            queue,
            clock,
            settings: server.clone(),
            analytics: settings.analytics,
            metrics: metrics.render(),
            keys,
            client_tokens: settings.client_tokens.clone(),
            sign_ins,
            origins,
            stopping: life.soft().clone(),
        };
        let router = if roles.api { api::router(state) } else { api::probes(state) }.merge(extras.routes.unwrap_or_default());
        let closing = CancellationToken::new();
        if let Some(listener) = admin {
            let (door, router) = (Door { listener, tls: None }, api::admin(metrics.render()));
            drop(callers.spawn(api::serve(door, router, server.clone(), closing.clone(), callers.clone())));
        }
        drop(callers.spawn(api::serve(door, router, server, closing.clone(), callers.clone())));
        Ok(Self { address, is_secure, life: life.clone(), dispatch, webhooks, closing, callers, keeping })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The same as a URL.
    pub fn url(&self) -> String {
        format!("{}://{}", if self.is_secure { "https" } else { "http" }, self.address)
    }

    /// Waits until the life has ended and everything is handed back and closed: what is under way first, while `/ready` tells callers to
    /// go elsewhere, then the callers, then the store.
    pub async fn stopped(self) -> anyhow::Result<()> {
        let Self { life, dispatch, webhooks, closing, callers, keeping, .. } = self;
        life.soft().cancelled().await;
        let drained = async {
            while !(dispatch.is_idle() && webhooks.is_idle()) {
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
        drop((dispatch, webhooks));
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
            SqliteStore::open(&sqlite(settings, path)?, Arc::clone(clock), tasks).await.with_context(|| at(path))?
        }
        DatabaseUrl::Postgres(url) => PostgresStore::open(&postgres(settings, url)?, tasks).await.context("database.url")?,
    })
}

fn at(path: &Path) -> String {
    format!("database.url {}", path.display())
}

fn sqlite(settings: &Settings, path: &Path) -> anyhow::Result<sqlite::Options> {
    Ok(sqlite::Options { seal: seal(settings)?, retention: retention(settings), ..sqlite::Options::new(path) })
}

fn retention(settings: &Settings) -> Option<Duration> {
    settings.database.retention_days.map(|days| DAY * days)
}

fn seal(settings: &Settings) -> anyhow::Result<Seal> {
    settings.database.seal().context("database.encryption_key_file")
}

fn postgres(settings: &Settings, url: &str) -> anyhow::Result<postgres::Options> {
    let mut options = postgres::Options::parse(url).context("database.url")?;
    options.connections = settings.database.connections;
    options.retention = retention(settings);
    options.seal = seal(settings)?;
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

fn built_in_keys(extras: &Extras, apps: &[directory::App]) -> anyhow::Result<Vec<BuiltInKey>> {
    let Some((name, key)) = &extras.api_key else { return Ok(Vec::new()) };
    let app = apps.iter().find(|app| app.name == *name).with_context(|| format!("no [apps.{name}] for its key"))?;
    Ok(vec![BuiltInKey::new(key, app.id)])
}
