//! What the path costs without HTTP: drafts are submitted in this process, pushes go to the simulator in this process, the store is a file.
//!
//! Prints rates, and the ratio that group commit and batching buy: the same notifications one after the other, and together.
#![expect(clippy::unwrap_used, clippy::print_stdout, clippy::cast_precision_loss, reason = "a bench prints, and fails loudly")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use herald::dispatch::directory::{App, Directory};
use herald::dispatch::draft::{Draft, To};
use herald::dispatch::handle::Dispatch;
use herald::dispatch::node::Parts;
use herald::dispatch::role::Roles;
use herald::dispatch::{RetrySettings, Settings};
use herald::domain::clock::{Clock, Rng};
use herald::domain::content::Content;
use herald::domain::decision::AppDefaults;
use herald::domain::device::{Change, DeviceChange, Platform, ProviderKind, PushToken};
use herald::domain::id::AppId;
use herald::domain::notification::{InQuietHours, Overrides, Priority};
use herald::domain::push_type::PushType;
use herald::domain::staleness::Staleness;
use herald::providers::apns::{self, ApnsProvider, Signers};
use herald::providers::{Context, Provider, Secret};
use herald::queue::in_process::InProcessQueue;
use herald::simulator::{Options as SimulatorOptions, Simulator};
use herald::store::Store;
use herald::store::engine::{Item, Submission};
use herald::store::sqlite::{Options, SqliteStore};
use herald::system::{SystemClock, SystemIds, SystemRng};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

const DEVICES: usize = 20_000;
const ONE_BY_ONE: usize = 500;

struct Bench {
    dispatch: Arc<Dispatch>,
    simulator: Simulator,
    app: AppId,
    stop: CancellationToken,
    _folder: tempfile::TempDir,
}

impl Bench {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let options = SimulatorOptions::new(Arc::new(|| SystemClock.now()), tasks.clone(), CancellationToken::new());
        let simulator = Simulator::start(options).await.unwrap();
        simulator.write_files(folder.path()).await.unwrap();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let rng: Arc<dyn Rng> = Arc::new(SystemRng);
        let context = Context {
            clock: Arc::clone(&clock),
            rng: Arc::clone(&rng),
            tasks: tasks.clone(),
            cancel: stop.clone(),
            send_timeout: Duration::from_secs(10),
            provider_floors: false,
        };
        let store: Arc<dyn Store> =
            SqliteStore::open(&Options::new(folder.path().join("herald.db")), Arc::clone(&clock), &tasks).await.unwrap();
        let app = store.ensure_apps(&["demo".to_owned()]).await.unwrap().first().copied().unwrap();
        register(&*store, app).await;
        let apps = vec![App {
            id: app,
            name: "demo".to_owned(),
            defaults: AppDefaults::default(),
            staleness: Staleness::default(),
            phones: Arc::default(),
            providers: providers(&simulator, &folder, &context),
            generation: 0,
        }];
        let parts = Parts {
            store: Arc::clone(&store),
            queue: Arc::new(InProcessQueue::new(10_000)),
            directory: Arc::new(Directory::new(apps, store, Arc::clone(&clock))),
            clock,
            ids: Arc::new(SystemIds::new()),
            rng,
            tasks: Arc::new(tasks),
            stopping: stop.clone(),
            stopped: stop.clone(),
            settings: Settings::default(),
            retry: RetrySettings { provider_floors: false, ..RetrySettings::default() },
            analytics: herald::store::analytics::Retention::default(),
            audit_kept: Duration::from_hours(24),
        };
        Self { dispatch: Dispatch::start(parts, Roles::ALL), simulator, app, stop, _folder: folder }
    }

    async fn submit(&self, to: To) {
        let prepared = self.dispatch.prepare(self.app, draft(to)).await.unwrap();
        let item = Item { key: None, answer: bytes::Bytes::new(), notification: prepared.notification };
        let submission = Submission { key: None, items: vec![item], answer: Arc::new(|_| bytes::Bytes::new()) };
        self.dispatch.submit(submission).await.unwrap();
    }

    async fn reached(&self, accepted: u64) {
        while self.simulator.stats().accepted < accepted {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    fn accepted(&self) -> u64 {
        self.simulator.stats().accepted
    }
}

async fn register(store: &dyn Store, app: AppId) {
    let devices: Vec<_> = (0..DEVICES)
        .map(|n| {
            let change = DeviceChange {
                user: Change::Set(format!("user-{n}")),
                platform: Some(Platform::Ios),
                token: Some(PushToken::apns(&format!("c0{n:062x}")).unwrap()),
                ..DeviceChange::default()
            };
            (format!("phone-{n}"), change)
        })
        .collect();
    for chunk in devices.chunks(500) {
        store.put_devices(app, chunk.to_vec()).await.unwrap();
    }
}

fn providers(simulator: &Simulator, folder: &tempfile::TempDir, context: &Context) -> BTreeMap<ProviderKind, Arc<dyn Provider>> {
    let config: toml::Table = toml::from_str(&simulator.config_toml("demo", folder.path()).unwrap()).unwrap();
    let settings = ["apps", "demo", "apns"].iter().try_fold(&toml::Value::from(config), |value, name| value.get(name)).cloned().unwrap();
    let settings: apns::Settings = settings.try_into().unwrap();
    let provider = ApnsProvider::new(&settings, &Secret::new(simulator.apns_key_pem().to_owned()), &Signers::default(), context).unwrap();
    let provider: Arc<dyn Provider> = Arc::new(provider);
    BTreeMap::from([(ProviderKind::Apns, provider)])
}

fn draft(to: To) -> Draft {
    Draft {
        pace: None,
        to,
        latest_device_only: false,
        except_devices: Vec::new(),
        only: None,
        category: None,
        priority: Some(Priority::High),
        content: Content {
            title: Some("Ann".to_owned()),
            body: Some("Lunch at twelve, the usual place?".to_owned()),
            ..Content::default()
        },
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

fn say(what: &str, items: usize, started: Instant) -> f64 {
    let rate = items as f64 / started.elapsed().as_secs_f64();
    println!("{what:<42} {items:>7} {rate:>9.0} /s");
    rate
}

#[tokio::main]
async fn main() {
    rustls::crypto::aws_lc_rs::default_provider().install_default().unwrap();
    jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER.install_default().unwrap();
    let bench = Arc::new(Bench::start().await);

    let started = Instant::now();
    for n in 0..ONE_BY_ONE {
        bench.submit(To::Users(vec![format!("user-{n}")])).await;
    }
    bench.reached(ONE_BY_ONE as u64).await;
    let alone = say("one push each, one after the other", ONE_BY_ONE, started);

    let (before, started) = (bench.accepted(), Instant::now());
    let tasks = TaskTracker::new();
    for lane in 0..256 {
        let bench = Arc::clone(&bench);
        tasks.spawn(async move {
            for n in (lane..DEVICES).step_by(256) {
                bench.submit(To::Users(vec![format!("user-{n}")])).await;
            }
        });
    }
    tasks.close();
    tasks.wait().await;
    say("  of which accepted", DEVICES, started);
    bench.reached(before + DEVICES as u64).await;
    let together = say("one push each, 256 at a time", DEVICES, started);

    let (before, started) = (bench.accepted(), Instant::now());
    bench.submit(To::All).await;
    bench.reached(before + DEVICES as u64).await;
    let audience = say("one notification to everyone", DEVICES, started);

    println!("together / alone {:.1}, audience / together {:.1}", together / alone, audience / together);
    bench.stop.cancel();
}
