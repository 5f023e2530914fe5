//! The nodes, and the processes that run on them one after the other.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use herald::dispatch::directory::{App, Directory};
use herald::dispatch::handle::Dispatch;
use herald::dispatch::node::Parts;
use herald::dispatch::role::Roles;
use herald::dispatch::{RetrySettings, Settings};
use herald::domain::clock::{Clock, Rng};
use herald::domain::decision::AppDefaults;
use herald::domain::device::ProviderKind;
use herald::domain::staleness::Staleness;
use herald::providers::Provider;
use herald::store::Store;
use herald::store::analytics::Retention;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::book::Blame;
use crate::chance::SimIds;
use crate::clock::NodeClock;
use crate::life::Life;
use crate::network::Network;
use crate::provider::{SEND_TIMEOUT, SimProvider};
use crate::queue::SimQueue;
use crate::sim::{APP, Sim};
use crate::store::SimStore;

/// How long work is held, in seconds.
pub const LEASE: u64 = 6;
/// How long a stopping process waits for what is under way.
const GRACE: Duration = Duration::from_secs(2);

/// One process.
pub struct Process {
    pub number: u64,
    pub life: Arc<Life>,
    pub clock: Arc<NodeClock>,
    pub dispatch: Arc<Dispatch>,
    stopping: CancellationToken,
    stopped: CancellationToken,
}

/// All nodes, each with the latest process that ran on it.
pub struct Cluster {
    sim: Arc<Sim>,
    nodes: Vec<Process>,
    begun: u64,
}

impl Cluster {
    pub fn start(sim: Arc<Sim>) -> Self {
        let mut cluster = Self { nodes: Vec::new(), begun: 0, sim };
        for _ in 0..cluster.sim.weather.nodes {
            cluster.begun += 1;
            cluster.nodes.push(Process::start(&cluster.sim, cluster.begun));
        }
        cluster
    }

    /// Starts a process wherever none lives.
    pub fn revive(&mut self, with_chance: u64) {
        for node in &mut self.nodes {
            if node.life.is_dead() && (with_chance == 0 || self.sim.chance.one_in(with_chance)) {
                self.begun += 1;
                *node = Process::start(&self.sim, self.begun);
            }
        }
    }

    pub fn living(&self) -> Vec<&Process> {
        self.nodes.iter().filter(|process| !process.life.is_dead()).collect()
    }

    /// One of the living.
    pub fn any(&self) -> Option<&Process> {
        self.sim.chance.pick(&self.living()).copied()
    }
}

impl Process {
    fn start(sim: &Arc<Sim>, number: u64) -> Self {
        sim.note(format_args!("p{number} starts"));
        let on_fault = {
            let sim = Arc::clone(sim);
            Box::new(move |what| sim.book().fail(format!("p{number}: {what}")))
        };
        let life = Life::new(on_fault);
        let node_clock = Arc::new(NodeClock::of(Arc::clone(&sim.wall)));
        let clock: Arc<dyn Clock> = Arc::<NodeClock>::clone(&node_clock);
        let network = Network { sim: Arc::clone(sim), life: Arc::clone(&life), process: number };
        let store: Arc<dyn Store> = Arc::new(SimStore::of(network.clone()));
        let rng: Arc<dyn Rng> = Arc::<crate::chance::Chance>::clone(&sim.chance);
        let app = App {
            id: APP,
            name: "demo".to_owned(),
            defaults: AppDefaults::default(),
            staleness: Staleness::default(),
            phones: Arc::default(),
            providers: providers(&network),
            generation: 0,
        };
        let (stopping, stopped) = (CancellationToken::new(), CancellationToken::new());
        let parts = Parts {
            directory: Arc::new(Directory::new(vec![app], Arc::clone(&store), Arc::clone(&clock))),
            store,
            queue: Arc::new(SimQueue(network)),
            clock,
            ids: Arc::new(SimIds::new(Arc::clone(&sim.chance))),
            rng,
            tasks: life.tasks(),
            stopping: stopping.clone(),
            stopped: stopped.clone(),
            settings: Settings {
                lease_seconds: LEASE,
                permits: sim.weather.permits,
                send_timeout_seconds: SEND_TIMEOUT,
                grace_seconds: GRACE.as_secs(),
            },
            retry: RetrySettings { first_seconds: 1, max_seconds: 8, provider_floors: false },
            analytics: Retention::default(),
            audit_kept: Duration::from_hours(24),
        };
        let dispatch = Dispatch::start(parts, Roles::ALL);
        Self { number, life, clock: node_clock, dispatch, stopping, stopped }
    }

    /// Ends it as kill -9 does.
    pub fn kill(&self, sim: &Sim) {
        sim.note(format_args!("p{} is killed", self.number));
        sim.book().blame(sim.elapsed(), Blame::Process(self.number), "kill");
        self.life.kill();
    }

    /// Ends it in good order: what is under way is waited for, the rest is handed back.
    pub fn stop(&self, sim: &Arc<Sim>) {
        if self.stopping.is_cancelled() {
            return;
        }
        sim.note(format_args!("p{} is told to stop", self.number));
        self.stopping.cancel();
        let (sim, life, number) = (Arc::clone(sim), Arc::clone(&self.life), self.number);
        let (dispatch, stopped, began) = (Arc::clone(&self.dispatch), self.stopped.clone(), sim.elapsed());
        self.life.tasks().spawn(Box::pin(async move {
            while !dispatch.is_idle() && sim.elapsed() < began + GRACE {
                sleep(Duration::from_millis(20)).await;
            }
            // what is under way now may be repeated as soon as its rows are back
            sim.book().blame_all_through((began, sim.elapsed()), Blame::Process(number), "stop");
            let handed_back = dispatch.hand_back().await;
            stopped.cancel();
            drop(dispatch);
            sleep(Duration::from_millis(500)).await;
            sim.note(format_args!("p{number} handed back {handed_back:?}"));
            life.kill();
        }));
    }
}

fn providers(network: &Network) -> BTreeMap<ProviderKind, Arc<dyn Provider>> {
    let provider = |kind| -> Arc<dyn Provider> { Arc::new(SimProvider { kind, network: network.clone() }) };
    [ProviderKind::Apns, ProviderKind::Fcm].into_iter().map(|kind| (kind, provider(kind))).collect()
}
