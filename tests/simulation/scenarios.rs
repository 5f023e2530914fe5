//! What seeds found, as plain stories: each was wrong once.

use std::sync::Arc;
use std::time::Duration;

use herald::dispatch::draft::To;
use tokio::time::sleep;

use crate::callers::Callers;
use crate::chance::Chance;
use crate::cluster::Cluster;
use crate::run::{Outcome, end, outcome};
use crate::sim::Sim;
use crate::weather::Weather;

/// What a story is told with.
pub struct Scene {
    pub sim: Arc<Sim>,
    pub cluster: Cluster,
    pub callers: Callers,
}

impl Scene {
    pub async fn set(weather: Weather) -> Self {
        let sim = Sim::under(weather, Arc::new(Chance::of(1)), None);
        let mut callers = Callers::new(Arc::clone(&sim));
        callers.settle_in().await;
        let cluster = Cluster::start(Arc::clone(&sim));
        Self { sim, cluster, callers }
    }

    fn send_to(&self, to: To) {
        self.callers.send_to(self.cluster.any().unwrap(), to, 60);
    }

    /// Everything ends well.
    pub async fn end(mut self) -> Outcome {
        self.sim.calm();
        end(&self.sim, &mut self.cluster).await;
        outcome(&self.sim).unwrap_or_else(|wrong| panic!("{}\n{}", wrong.trace, wrong.what))
    }
}

#[tokio::test(start_paused = true)]
async fn workers_share_the_last_permit() {
    let scene = Scene::set(Weather::fair(1, 1)).await;
    for user in 0..5 {
        scene.send_to(To::Users(vec![format!("u{user}")]));
    }
    sleep(Duration::from_secs(1)).await;
    scene.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_user_without_a_device_is_not_lost_by_a_process_that_stops() {
    let scene = Scene::set(Weather::fair(2, 5)).await;
    scene.sim.hold_up_next("record", Duration::from_secs(5));
    scene.send_to(To::Users(vec!["u0".to_owned(), "nobody".to_owned()]));
    sleep(Duration::from_millis(100)).await;
    // its first outcomes are still to be written
    for process in scene.cluster.living() {
        process.stop(&scene.sim);
    }
    scene.end().await;
}
