//! A provider is away for ten minutes, under load on it and on another.

use std::time::Duration;

use herald::dispatch::draft::To;
use herald::domain::device::{ProviderKind, PushToken};
use tokio::time::sleep;

use crate::scenarios::Scene;
use crate::sim::Down;
use crate::weather::Weather;

const NODES: u64 = 2;
const PERMITS: usize = 16;
/// Notifications a second to each provider.
const RATE: u32 = 2;
const OUTAGE: Duration = Duration::from_mins(10);
/// Within this the provider that returns has its full rate again.
const BACK_WITHIN: Duration = Duration::from_secs(30);
/// Longer than everything together.
const LIFE: u32 = 3600;

fn is_apns(token: &PushToken) -> bool {
    matches!(token, PushToken::Apns(_))
}

fn is_fcm(token: &PushToken) -> bool {
    matches!(token, PushToken::Fcm(_))
}

impl Scene {
    /// The same load on both providers for so long.
    async fn load(&self, time: Duration) {
        for n in 0..RATE * u32::try_from(time.as_secs()).unwrap() {
            for device in [n % 4 * 2, n % 4 * 2 + 1] {
                self.callers.send_to(self.cluster.any().unwrap(), To::Devices(vec![format!("d{device}")]), LIFE);
            }
            sleep(Duration::from_secs(1) / RATE).await;
        }
    }

    /// How long after their acceptance pushes began that were accepted in a span: the median, and what four in five were within.
    fn waits(&self, to: impl Fn(&PushToken) -> bool, (from, until): (Duration, Duration)) -> [Duration; 2] {
        let began = self.sim.book().began(to);
        let of_span = began.into_iter().filter(|(at, wait)| (from..until).contains(&at.saturating_sub(*wait)));
        let mut waits: Vec<Duration> = of_span.map(|(_, wait)| wait).collect();
        waits.sort_unstable();
        [waits.len() / 2, waits.len() * 4 / 5].map(|place| *waits.get(place).unwrap())
    }

    fn begun(&self, to: impl Fn(&PushToken) -> bool, (from, until): (Duration, Duration)) -> usize {
        self.sim.book().began(to).iter().filter(|(at, _)| (from..until).contains(at)).count()
    }
}

#[expect(clippy::print_stdout, reason = "the figures are worth knowing")]
async fn ten_minutes(down: Down) {
    // a push that waits for a stream waits for nothing that is looked at here, and some seeds have many at the end
    let scene = Scene::set(Weather { window: 200, busy_streams: 0, ..Weather::fair(NODES, PERMITS) }).await;
    let began = scene.sim.elapsed();
    scene.load(Duration::from_secs(30)).await;
    let away = scene.sim.elapsed();
    *scene.sim.down.lock() = Some((ProviderKind::Apns, down));
    scene.load(OUTAGE).await;
    let back = scene.sim.elapsed();
    *scene.sim.down.lock() = None;
    scene.load(BACK_WITHIN * 2).await;
    let end = scene.sim.elapsed();

    let requests = scene.begun(is_apns, (away, back));
    let others = [scene.waits(is_fcm, (began, away)), scene.waits(is_fcm, (away, back))];
    let backlog = scene.begun(is_apns, (back, back + BACK_WITHIN));
    let [_, after] = scene.waits(is_apns, (back + BACK_WITHIN, end));
    println!(
        "{down:?}: {requests} requests to APNs in {OUTAGE:?}, {backlog} within {BACK_WITHIN:?} of its return; FCM waits {:?} before and {:?} meanwhile; APNs {after:?} afterwards",
        others[0], others[1]
    );
    // what was under way when it began, what each breaker needs to see it, and five probes each six seconds and more
    let probes = NODES * 5 * (OUTAGE.as_secs() / 6);
    let most = NODES * (u64::try_from(PERMITS).unwrap() + 20) + probes;
    assert!(requests as u64 <= most, "{requests} requests, of {most} at most");
    assert!(others[1].iter().zip(others[0]).all(|(meanwhile, before)| *meanwhile <= before + Duration::from_millis(50)), "FCM: {others:?}");
    let waited = usize::try_from(OUTAGE.as_secs()).unwrap() * RATE as usize;
    assert!(backlog >= waited, "{backlog} of {waited} that waited");
    assert!(after < Duration::from_millis(100), "APNs is slow {BACK_WITHIN:?} after its return: {after:?}");
    scene.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_fails_for_ten_minutes_is_probed_and_harms_no_other() {
    ten_minutes(Down::Fails).await;
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_stalls_for_ten_minutes_is_probed_and_harms_no_other() {
    ten_minutes(Down::Stalls).await;
}
