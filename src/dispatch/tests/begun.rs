//! What a run of a campaign is that begins later than it was due: schedulers look now and then, and a daemon may have been away.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::variants::{CAMPAIGN, campaign, deliveries, drain};
use super::world::{World, until};
use crate::dispatch::campaign::{Plan, begin};
use crate::dispatch::draft::To;
use crate::domain::campaign::Schedule;
use crate::domain::clock::Clock;
use crate::domain::delivery::State;
use crate::domain::device::{Change, DeviceChange, Platform, PushToken};
use crate::domain::notification::IfPast;
use crate::domain::recurrence::MISSED_BY;
use crate::store::campaign::{Definition, Made, StoredCampaign, Turned};
use crate::store::{Campaigns, Devices, PageRequest};

/// From the first zone to the last that has a phone here.
const ZONES: [&str; 4] = ["Pacific/Kiritimati", "Pacific/Auckland", "Asia/Tokyo", "Europe/Paris"];

async fn phones(world: &World) {
    for (n, zone) in ZONES.into_iter().enumerate() {
        let change = DeviceChange {
            user: Change::Set(format!("u{n}")),
            platform: Some(Platform::Ios),
            token: Some(PushToken::Apns(format!("{n:064x}"))),
            timezone: Change::Set(zone.to_owned()),
            ..DeviceChange::default()
        };
        drop(world.store.put_device(world.app, zone, change, None).await.unwrap());
    }
}

/// One at tomorrow's noon by each device's clock, started.
async fn started(world: &World) -> StoredCampaign {
    let time = (world.clock.now() + Duration::from_hours(27)).naive_utc();
    let schedule = Schedule::Local { time, if_past: IfPast::Skip };
    let plan = Plan { draft: campaign(To::All, Vec::new()), schedule };
    let definition = Definition { name: "noon".to_owned(), given: Value::Null, plan: plan.write().unwrap() };
    let Made::New(made) = world.store.create_campaign(world.app, CAMPAIGN, &definition, None).await.unwrap() else {
        panic!("it was made before")
    };
    let first = plan.schedule.first(world.clock.now()).unwrap();
    match world.store.start_campaign(world.app, made.id, made.version, first).await.unwrap() {
        Turned::Done(started) => *started,
        other => panic!("{other:?}"),
    }
}

/// How the target in each zone ended, where the run began so late.
async fn ended(late: Duration) -> BTreeMap<String, State> {
    let world = World::new().await;
    phones(&world).await;
    let started = started(&world).await;
    let node = world.settled().await.recording();
    let app = node.directory.app(world.app).unwrap();
    world.clock.pass((started.next_fire.unwrap() - world.clock.now()).to_std().unwrap() + late);
    assert!(begin(&node, &app, started).await.unwrap());
    let page = PageRequest { limit: 1, after: None };
    let run = world.store.campaign_runs(world.app, CAMPAIGN, &page).await.unwrap().unwrap().items.remove(0);
    let id = run.notification.unwrap();
    for _ in 0..27 {
        drain(&world, &node).await;
        world.clock.pass(Duration::from_hours(1));
    }
    until("all is over", async || world.is_done(id).await.then_some(())).await;
    deliveries(&world, id).await.into_iter().map(|delivery| (delivery.device.unwrap(), delivery.state)).collect()
}

/// The first zone's time has always passed by some milliseconds when a scheduler sees it.
#[tokio::test]
async fn our_own_lateness_leaves_nobody_out() {
    for late in [Duration::from_millis(250), MISSED_BY.to_std().unwrap()] {
        let ended = ended(late).await;
        assert_eq!(ended, ZONES.into_iter().map(|zone| (zone.to_owned(), State::Sent)).collect(), "{late:?}");
    }
}

/// As an occurrence that is missed by so much is skipped.
#[tokio::test]
async fn whose_time_passed_long_before_it_began_is_left_out() {
    let ended = ended(Duration::from_hours(4)).await;
    let states = ZONES.map(|zone| ended[zone]);
    assert_eq!(states, [State::Suppressed, State::Suppressed, State::Sent, State::Sent]);
}
