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

/// The rows of others fill the window at every moment, and its own stand behind them.
///
/// This is promised while their lane has room. Behind a provider that is slower than what is sent to it the lane holds the pushes of all runs alike
/// (see `dispatch/lane`), and a run has less than its pace.
#[tokio::test(start_paused = true)]
#[expect(clippy::print_stdout, reason = "the figures are worth knowing")]
async fn a_pace_holds_beside_a_full_window_of_others() {
    let pace = PACE as usize / 2;
    let scene = crowded(Weather { window: 6, busy_streams: 0, ..Weather::fair(2, 4000) }, pace * 5).await;
    for _ in 0..8 {
        scene.callers.send_to_all(scene.cluster.any().unwrap(), None);
    }
    scene.callers.send_to_all(scene.cluster.any().unwrap(), Some(PACE / 2));
    sleep(Duration::from_secs(5)).await;
    let pushes: Vec<usize> = by_second(&scene).into_values().collect();
    let rows = scene.sim.rows.lock().clone();
    let waits = rows.runs.values().filter(|run| run.open && run.pace.is_none()).count();
    println!("pushes by second: {pushes:?}, of {waits} runs of others something waits still");
    assert!(pushes.iter().all(|pushes| *pushes <= pace) && waits > 0, "{pushes:?}");
    assert!(pushes[1..4].iter().all(|pushes| *pushes * 100 >= pace * 95), "{pushes:?}");
    scene.end().await;
}
