//! Runs with a pace, over three nodes: whatever happens to nodes, providers and rows, no second has more pushes than the pace, and while nothing
//! happens none has less than 95 % of it.

use std::collections::BTreeMap;
use std::time::Duration;

use herald::domain::device::{Change, DeviceChange, Platform, ProviderKind, PushToken};
use tokio::time::sleep;

use crate::scenarios::Scene;
use crate::sim::Down;
use crate::weather::Weather;

const PACE: u32 = 100;
const DEVICES: usize = 1_200;

/// A run of this pace to many devices, that began a moment ago.
async fn begun(busy_streams: u64) -> Scene {
    let scene = crowded(Weather { window: 200, busy_streams, ..Weather::fair(3, 4000) }, DEVICES).await;
    scene.callers.send_to_all(scene.cluster.any().unwrap(), Some(PACE));
    scene
}

/// So many devices and nothing to be sent to them.
async fn crowded(weather: Weather, devices: usize) -> Scene {
    let scene = Scene::set(weather).await;
    for device in 0..devices {
        let token = PushToken::Apns(format!("crowd-{device}"));
        let change = DeviceChange { user: Change::Clear, platform: Some(Platform::Ios), token: Some(token), ..DeviceChange::default() };
        scene.callers.put_device(&format!("crowd-{device}"), change).await;
    }
    scene
}

/// Pushes of runs with a pace that began in each second, whole seconds of the simulation.
fn by_second(scene: &Scene) -> BTreeMap<u64, usize> {
    let mut seconds = BTreeMap::new();
    let rows = scene.sim.rows.lock().clone();
    for at in scene.sim.book().began_of(|id| rows.pace(id).is_some()) {
        *seconds.entry(at.as_secs()).or_default() += 1;
    }
    seconds
}

fn assert_never_exceeded(seconds: &BTreeMap<u64, usize>) {
    assert!(seconds.values().all(|pushes| *pushes <= PACE as usize), "{seconds:?}");
}

#[tokio::test(start_paused = true)]
#[expect(clippy::print_stdout, reason = "the figures are worth knowing")]
async fn a_pace_holds_in_every_second() {
    let scene = begun(0).await;
    sleep(Duration::from_secs(20)).await;
    let seconds = by_second(&scene);
    let pushes: Vec<usize> = seconds.values().copied().collect();
    println!("pushes by second: {pushes:?}");
    assert_never_exceeded(&seconds);
    let full = &pushes[1..pushes.len() - 1];
    assert!(full.len() >= 10 && full.iter().all(|pushes| pushes * 100 >= PACE as usize * 95), "{pushes:?}");
    assert!(pushes.iter().sum::<usize>() >= DEVICES);
    scene.end().await;
}

/// Failed sends, and those that wait for a stream, come again in the run's own time.
#[tokio::test(start_paused = true)]
async fn retries_are_within_the_pace() {
    let scene = begun(10).await;
    sleep(Duration::from_secs(3)).await;
    *scene.sim.down.lock() = Some((ProviderKind::Apns, Down::Fails));
    sleep(Duration::from_secs(20)).await;
    *scene.sim.down.lock() = None;
    sleep(Duration::from_mins(1)).await;
    let seconds = by_second(&scene);
    assert_never_exceeded(&seconds);
    scene.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_node_that_is_killed_takes_nobody_elses_time() {
    let scene = begun(10).await;
    for _ in 0..2 {
        sleep(Duration::from_secs(3)).await;
        scene.cluster.any().unwrap().kill(&scene.sim);
    }
    sleep(Duration::from_mins(1)).await;
    assert_never_exceeded(&by_second(&scene));
    scene.end().await;
}

/// The rows of others fill the window and all permits, so that the run's own come out of it many seconds after they were released.
///
/// A worker that hands out a row of others looks for the next one only then. So a second may be short of some rows now and then, which are not
/// caught up with; over all it is the pace.
#[tokio::test(start_paused = true)]
#[expect(clippy::print_stdout, reason = "the figures are worth knowing")]
async fn a_pace_holds_beside_a_full_window_of_others() {
    let scene = crowded(Weather { window: 20, busy_streams: 0, ..Weather::fair(3, 6) }, 500).await;
    for _ in 0..9 {
        scene.callers.send_to_all(scene.cluster.any().unwrap(), None);
    }
    sleep(Duration::from_secs(1)).await;
    scene.callers.send_to_all(scene.cluster.any().unwrap(), Some(PACE / 2));
    sleep(Duration::from_secs(12)).await;
    let pushes: Vec<usize> = by_second(&scene).into_values().collect();
    println!("pushes by second: {pushes:?}");
    assert!(pushes.iter().all(|pushes| *pushes <= PACE as usize / 2), "{pushes:?}");
    let mut full = pushes[1..9].to_vec();
    full.sort_unstable();
    assert!(full[full.len() / 2] * 100 >= PACE as usize / 2 * 95, "{pushes:?}");
    assert!(full.iter().sum::<usize>() * 100 >= full.len() * PACE as usize / 2 * 90, "{pushes:?}");
    scene.end().await;
}
