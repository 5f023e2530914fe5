//! Pauses of lanes that several nodes know of.

use std::sync::Arc;

use super::store::Fault;
use super::world::{World, until};
use crate::dispatch::handle::Dispatch;
use crate::dispatch::lane::{Admission, Destination, LaneKey, Service};
use crate::dispatch::pauses;
use crate::dispatch::role::Roles;
use crate::domain::device::{Environment, ProviderKind};
use crate::domain::outcome::{Outcome, Reason, RefusalScope};
use crate::store::Pauses;

const API: Roles = Roles { api: true, worker: false, scheduler: false };

fn refused() -> Outcome {
    Outcome::CredentialRefused { reason: Reason::new("InvalidProviderToken"), scope: RefusalScope::Lane }
}

fn paused(dispatch: &Dispatch, world: &World) -> Vec<Option<String>> {
    dispatch.lanes(world.app).into_iter().filter(|lane| lane.paused).map(|lane| lane.reason).collect()
}

#[tokio::test]
async fn what_a_worker_pauses_is_seen_and_resumed_at_a_node_with_the_api() {
    let world = World::new().await;
    let (worker, api) = (Dispatch::start(world.parts(), Roles::ALL), Dispatch::start(world.parts(), API));
    world.iphones(&["ann"]).await;
    world.provider.answer_with(refused());
    // that it could not be told at once does not matter
    world.store.fail("pause_lanes", [Fault::Before, Fault::Before]);
    world.accept(&["ann"]).await;
    until("the other node knows", async || (!paused(&api, &world).is_empty()).then_some(())).await;
    assert_eq!(paused(&api, &world), [Some("credential_refused: InvalidProviderToken".to_owned())]);
    assert_eq!(paused(&worker, &world), paused(&api, &world));

    assert!(api.resume_lanes(world.app, ProviderKind::Apns).await.unwrap().is_some());
    assert!(paused(&api, &world).is_empty());
    until("the worker goes on", async || paused(&worker, &world).is_empty().then_some(())).await;
    assert!(world.store.lane_pauses().await.unwrap().is_empty());
    assert!(api.resume_lanes(world.app, ProviderKind::Fcm).await.unwrap().is_none(), "the app has no such provider");
}

#[tokio::test]
async fn a_pause_that_was_resumed_while_it_was_told_is_over() {
    let world = World::new().await;
    let node = world.hand().node;
    let key = LaneKey { app: world.app, provider: ProviderKind::Apns, environment: Environment::Production };
    let lane = node.lanes.get(key);
    let Admission::Go(mut pass) = lane.admit(&Destination { platform: None, service: Service::default() }) else {
        panic!("the lane is held")
    };
    lane.observe(&refused(), 0, &mut pass, 0.5);
    let resumed = Arc::clone(&lane);
    world.store.before("pause_lanes", move || resumed.resume());
    pauses::agree(&node).await.unwrap();
    assert!(world.store.lane_pauses().await.unwrap().is_empty());
    pauses::agree(&node).await.unwrap();
    assert!(lane.condition().pauses.is_empty());
}

#[tokio::test]
async fn a_node_that_starts_knows_what_is_paused() {
    let world = World::new().await;
    let first = Dispatch::start(world.parts(), Roles::ALL);
    world.iphones(&["ann"]).await;
    world.provider.answer_with(refused());
    world.accept(&["ann"]).await;
    until("the store knows", async || (!world.store.lane_pauses().await.unwrap().is_empty()).then_some(())).await;
    let second = Dispatch::start(world.parts(), API);
    until("the next one knows", async || (paused(&second, &world) == paused(&first, &world)).then_some(())).await;
    assert_eq!(paused(&second, &world).len(), 1);
}
