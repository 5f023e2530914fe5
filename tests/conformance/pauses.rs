//! Lanes that are paused, for every node to see.

use herald::domain::device::{Environment, Platform, ProviderKind};
use herald::store::pause::LanePause;

use crate::world::World;

fn pause(world: &World, provider: ProviderKind, part: Option<Platform>, credential: u8) -> LanePause {
    let (environment, reason) = (Environment::Production, format!("credential_refused: {credential}"));
    LanePause { app: world.app, provider, environment, part, credential: [credential; 32], reason }
}

async fn all(world: &World) -> Vec<LanePause> {
    let mut pauses = world.store().lane_pauses().await.unwrap();
    pauses.sort();
    pauses
}

pub async fn what_is_paused_is_known_until_it_is_resumed(world: &mut World) {
    assert!(all(world).await.is_empty());
    let apns = pause(world, ProviderKind::Apns, None, 1);
    let sandbox = LanePause { environment: Environment::Sandbox, ..apns.clone() };
    let [ios, web] = [Platform::Ios, Platform::Web].map(|part| pause(world, ProviderKind::Fcm, Some(part), 2));
    let mut pauses = vec![apns, sandbox, ios.clone(), web.clone()];
    world.store().pause_lanes(&pauses).await.unwrap();
    pauses.sort();
    assert_eq!(all(world).await, pauses);

    world.store().resume_lanes(world.app, ProviderKind::Apns).await.unwrap();
    assert_eq!(all(world).await, [ios, web]);
    world.store().resume_lanes(world.app, ProviderKind::Apns).await.unwrap();
    world.store().resume_lanes(world.app, ProviderKind::Fcm).await.unwrap();
    assert!(all(world).await.is_empty());
}

pub async fn a_pause_keeps_its_first_reason_and_each_credential_its_own(world: &mut World) {
    let first = pause(world, ProviderKind::Apns, None, 1);
    let again = LanePause { reason: "token_mismatched: BadDeviceToken".to_owned(), ..first.clone() };
    let other = pause(world, ProviderKind::Apns, None, 2);
    world.store().pause_lanes(std::slice::from_ref(&first)).await.unwrap();
    world.store().pause_lanes(&[again, other.clone()]).await.unwrap();
    assert_eq!(all(world).await, [first, other]);
    world.store().resume_lanes(world.app, ProviderKind::Apns).await.unwrap();
    assert!(all(world).await.is_empty(), "of every credential");
}
