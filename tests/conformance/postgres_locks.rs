//! What is held up by one who holds a lock, and what is not.

use chrono::TimeDelta;
use futures_util::future::{join, join_all};
use herald::domain::pace::{AHEAD, Pace};
use herald::store::engine::{NewNotification, Terms};
use sqlx::Connection;

use crate::kit::{LEASE, SECOND, iphone, users};
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

/// At 10 a second, a row for each of so many users.
fn paced(world: &World, rows: usize) -> NewNotification {
    let lists = (0..rows).map(|n| users(&[&format!("u{n}")])).collect();
    NewNotification { terms: Terms { pace: Pace::new(10), ..Terms::default() }, ..world.named_fan_out(lists) }
}

/// Nobody else's work waits for it.
#[tokio::test]
async fn work_of_a_run_that_is_locked_comes_again_soon() {
    let postgres = Postgres::new().await;
    let database = postgres.database.clone();
    let mut world = World::of(Box::new(postgres)).await;
    let id = world.accept(paced(&world, 1)).await;
    let other = world.accept(world.direct(users(&["ann"]))).await;
    let mut keys = world.released().await;
    keys.extend(world.scheduled().await);
    let locked = database.hold("BEGIN; SELECT 1 FROM run FOR UPDATE").await;
    let taken = world.claimed(&keys).await;
    assert_eq!(taken.iter().map(|work| work.key.notification).collect::<Vec<_>>(), [other]);
    locked.close().await.unwrap();
    database.until("count(*) FILTER (WHERE state LIKE 'idle in transaction%') = 0").await;
    world.pass(SECOND / 20);
    let again = world.only_taken().await;
    assert_eq!(again.key.notification, id);
    assert!(again.slot.is_some());
    world.close().await;
}

/// Those who change a run lock it before its work, and so does who claims: none of them is undone for another's sake.
#[tokio::test]
async fn claims_and_changes_of_a_run_do_not_deadlock() {
    let mut world = World::of(Box::new(Postgres::new().await.with_connections(8))).await;
    let id = world.accept(paced(&world, 40)).await;
    for round in 0..8 {
        let keys = world.released().await;
        let (app, store) = (world.app, world.store());
        let claims = join_all(keys.chunks(2).map(|keys| store.claim(keys, LEASE)));
        let changes = async {
            assert!(store.pause(app, id).await.unwrap());
            assert!(store.resume(app, id).await.unwrap());
            if round == 7 {
                assert!(store.cancel(app, id).await.unwrap());
            }
        };
        let (claims, ()) = join(claims, changes).await;
        assert!(claims.iter().all(Result::is_ok), "{claims:?}");
        world.pass(SECOND);
    }
    world.close().await;
}

/// Whoever had the run before may have allotted its time at a later instant than the one at which this claim began.
#[tokio::test]
async fn a_claim_that_waited_for_its_run_allots_no_time_twice() {
    let postgres = Postgres::new().await;
    let database = postgres.database.clone();
    let mut world = World::of(Box::new(postgres)).await;
    world.accept(paced(&world, 1)).await;
    let keys = world.released().await;
    // as far as one who has it a second from now may allot
    let next = world.now() + TimeDelta::seconds(1) + AHEAD;
    let allotted = format!("BEGIN; UPDATE run SET next_slot = '{}'", next.to_rfc3339());
    let mut locked = database.hold(allotted.leak()).await;
    let other = async {
        database.until("count(*) FILTER (WHERE wait_event_type = 'Lock') >= 1").await;
        world.pass(SECOND);
        sqlx::raw_sql("COMMIT").execute(&mut locked).await.unwrap();
    };
    let (taken, ()) = join(world.store().claim(&keys, LEASE), other).await;
    assert!(taken.unwrap().work.is_empty());
    world.pass(SECOND / 4);
    assert!(world.only_taken().await.slot.unwrap().at >= next);
    world.close().await;
}

/// Whose webhook is locked has their items gathered later, and all others have theirs now.
#[tokio::test]
async fn items_of_others_are_gathered_beside_a_locked_webhook() {
    let postgres = Postgres::new().await;
    let database = postgres.database.clone();
    let mut world = World::of(Box::new(postgres)).await;
    world.listener().await;
    world.prefer("ann").await;
    world
        .run(
            "INSERT INTO webhook_item (webhook, event, n, at, data) \
             SELECT webhook, event, n, at, data FROM webhook_item CROSS JOIN generate_series(1, 1100)",
        )
        .await;
    let locked = database.hold("BEGIN; SELECT 1 FROM webhook FOR UPDATE").await;
    world.pass(SECOND);
    let other = world.listener().await.id;
    // nothing is written for the one that is locked: it is looked at, and not changed
    world.prefer("ann").await;
    world.pass(SECOND);
    assert_eq!(world.gather().await, 1);
    assert_eq!(world.due_messages().await.iter().map(|message| message.webhook).collect::<Vec<_>>(), [other]);
    locked.close().await.unwrap();
    database.until("count(*) FILTER (WHERE state LIKE 'idle in transaction%') = 0").await;
    assert_eq!(world.gather().await, 3);
    world.close().await;
}
