//! What is held up by one who holds a lock, and what is not.

use futures_util::future::join_all;
use sqlx::Connection;

use crate::kit::{LEASE, iphone, users};
use crate::postgres_database::Postgres;
use crate::world::World;

#[tokio::test]
async fn callers_who_wait_for_each_other_do_not_hold_up_the_engine() {
    let postgres = Postgres::new().await.with_connections(4);
    let database = postgres.database.clone();
    let mut world = World::of(Box::new(postgres)).await;
    world.device("phone", Some("ann")).await;
    world.accept(world.direct(users(&["ann"]))).await;
    let locked = database.hold("BEGIN; SELECT 1 FROM device FOR UPDATE").await;
    let callers = join_all((0..12).map(|n| {
        let change = iphone(Some("ben"), &format!("another-{n}"));
        world.store().put_device(world.app, "phone", change, None)
    }));
    let engine = async {
        database.until("count(*) FILTER (WHERE wait_event_type = 'Lock') >= 2").await;
        // each begins while all others wait
        for _ in 0..20 {
            world.store().now().await.unwrap();
            world.store().schedule(&crate::kit::sweep()).await.unwrap();
        }
        world.claimed(&[]).await;
        locked.close().await.unwrap();
    };
    let (answers, ()) = tokio::join!(callers, engine);
    // one who was told that the store is busy asks again
    assert!(answers.iter().all(|answer| answer.as_ref().err().is_none_or(herald::store::Error::is_transient)));
    world.close().await;
}

#[tokio::test]
async fn a_lease_is_renewed_although_another_cannot_be() {
    let postgres = Postgres::new().await;
    let database = postgres.database.clone();
    let mut world = World::of(Box::new(postgres)).await;
    for _ in 0..3 {
        world.accept(world.direct(users(&["ann"]))).await;
    }
    let held: Vec<_> = world.taken().await.iter().map(|work| (work.key, work.epoch)).collect();
    let locked = database.hold("BEGIN; SELECT 1 FROM work ORDER BY notification_id LIMIT 1 FOR UPDATE").await;
    assert_eq!(world.store().renew(&held, LEASE).await.unwrap().len(), 2);
    locked.close().await.unwrap();
    database.until("count(*) FILTER (WHERE state LIKE 'idle in transaction%') = 0").await;
    assert_eq!(world.store().renew(&held, LEASE).await.unwrap().len(), 3);
    world.close().await;
}
