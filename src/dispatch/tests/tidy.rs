//! What has had its time is cleared away.

use std::time::Duration;

use uuid::Uuid;

use super::world::World;
use crate::dispatch::scheduler;
use crate::store::audit::{Actor, AuditFilter, NewAct};
use crate::store::{AuditLog, PageRequest};

#[tokio::test]
async fn acts_go_when_their_retention_is_over() {
    let world = World::new().await;
    let mut parts = world.parts();
    parts.audit_kept = Duration::from_hours(24 * 7);
    let node = World::hand_of(parts).node;
    let act = NewAct { id: Uuid::from_u128(1), actor: Actor::Local, request_id: None, act: "create_key".to_owned(), object: None };
    world.store.begin_act(world.app, &act).await.unwrap();
    let page = PageRequest { limit: 9, after: None };
    for (day, left) in [(0, 1), (7, 1), (8, 0)] {
        scheduler::prune(&node).await;
        let acts = world.store.acts(world.app, &AuditFilter::default(), &page).await.unwrap().items;
        assert_eq!(acts.len(), left, "day {day}");
        world.clock.pass(Duration::from_hours(if day == 0 { 24 * 7 } else { 24 }));
    }
}
