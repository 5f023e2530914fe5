//! What is said of the server itself: opening, standing by, and days that are dropped.

use std::sync::Arc;
use std::time::Duration;

use herald::domain::clock::Clock;
use herald::domain::delivery::{Delivery, Ending};
use herald::domain::id::Target;
use herald::domain::latency::Latency;
use herald::store::analytics::Retention;
use herald::store::key_hash::{KeyHasher, digest_of};
use herald::store::postgres::{Condition, PostgresStore};
use herald::store::receipt::{Receipt, ReceiptKind};
use herald::store::{Apps, Engine};
use sqlx::{Connection, Row};
use tokio_util::task::TaskTracker;

use crate::keys::key;
use crate::kit::{DAY, record, users};
use crate::postgres_database::{Database, Postgres};
use crate::world::World;

async fn partitions(database: &Database) -> Vec<String> {
    let text =
        "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent IN ('notification'::regclass, 'delivery'::regclass) ORDER BY 1";
    database.run(text.to_owned()).await.iter().map(|row| row.get(0)).collect()
}

#[tokio::test]
async fn a_store_that_cannot_be_written_to_is_not_well() {
    let postgres = Postgres::new().await;
    let database = postgres.database.clone();
    let mut world = World::of(Box::new(postgres)).await;
    world.store().ping().await.unwrap();
    let name: String = database.run("SELECT current_database()::text".to_owned()).await[0].get(0);
    // connections that are open go on as they began
    let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
    database.run(format!("ALTER DATABASE {name} SET default_transaction_read_only = on; {cut}")).await;
    assert!(world.store().ping().await.is_err_and(|error| error.is_transient()));
    database.run(format!("SET TRANSACTION READ WRITE; ALTER DATABASE {name} RESET default_transaction_read_only; {cut}")).await;
    world.store().ping().await.unwrap();
    world.close().await;
}

#[tokio::test]
async fn nodes_that_start_at_the_same_time_make_one_schema() {
    let postgres = Postgres::new().await;
    postgres.database.run("DROP SCHEMA public CASCADE; CREATE SCHEMA public".to_owned()).await;
    let options = postgres.database.options();
    let versions = futures_util::future::join_all((0..4).map(|_| PostgresStore::migrate(&options))).await;
    let versions: Vec<i64> = versions.into_iter().map(Result::unwrap).collect();
    assert!(versions.iter().all(|version| *version == versions[0]));
    assert_eq!(PostgresStore::inspect(&options).await.unwrap().condition, Condition::Current);
    let tasks = TaskTracker::new();
    let nodes = futures_util::future::join_all((0..4).map(|_| PostgresStore::open(&options, &tasks))).await;
    let names = ["a".to_owned(), "b".to_owned()];
    let apps = futures_util::future::join_all(nodes.iter().map(|node| node.as_ref().unwrap().ensure_apps(&names))).await;
    let apps: Vec<_> = apps.into_iter().map(Result::unwrap).collect();
    assert!(apps.iter().all(|numbers| *numbers == apps[0]));
    drop(nodes);
    tasks.close();
    tasks.wait().await;
}

#[tokio::test]
async fn nodes_that_start_at_the_same_time_key_every_hash_once() {
    let postgres = Postgres::new().await;
    let database = postgres.database.clone();
    let mut world = World::of(Box::new(postgres)).await;
    let keys: Vec<_> = (0..20).map(|n| key(&world, n)).collect();
    for key in &keys {
        world.store().create_key(key, digest_of(&key.name)).await.unwrap();
    }
    database.run("UPDATE api_key SET keyed = false".to_owned()).await;
    let (one, other) = (world.shared(), world.shared());
    let hashers = futures_util::future::join_all([&one, &other, &one, &other].map(|store| KeyHasher::open(&**store))).await;
    for hasher in hashers {
        let hasher = hasher.unwrap();
        for key in &keys {
            assert_eq!(one.key_by_hash(hasher.of(&key.name)).await.unwrap().as_ref(), Some(key));
        }
    }
    assert!(one.plain_keys().await.unwrap().is_empty());
    drop((one, other));
    world.close().await;
}

/// Accepts and sends one notification; and accepts another that begins later.
async fn one_sent_and_one_later(world: &World, later: Duration) -> [herald::domain::id::NotificationId; 2] {
    let phone = world.device("phone", Some("ann")).await;
    let sent = world.accept(world.direct(users(&["ann"]))).await;
    let work = world.only_taken().await;
    world.store().record(&record(&work, vec![world.delivery(sent, Target::device(phone.pk), Ending::Sent)], Vec::new())).await.unwrap();
    let mut new = world.direct(users(&["ann"]));
    new.start_at = world.later(later);
    new.expires_at = new.start_at + DAY;
    (new.work[0].due_at, new.work[0].expires_at) = (new.start_at, new.expires_at);
    [sent, world.accept(new).await]
}

#[tokio::test]
async fn a_day_goes_when_its_time_is_over_and_nothing_of_it_is_left() {
    let postgres = Postgres::new().await.keeping(2 * DAY);
    let database = postgres.database.clone();
    let mut world = World::of(Box::new(postgres)).await;
    let [sent, later] = one_sent_and_one_later(&world, 10 * DAY).await;
    let all = partitions(&database).await;
    assert_eq!(all.len(), 3, "{all:?}");
    world.store().prune().await.unwrap();
    assert_eq!(partitions(&database).await, all);

    // the day's deliveries go; its notifications stay, since one of them still waits
    world.pass(3 * DAY);
    world.store().prune().await.unwrap();
    let kept = partitions(&database).await;
    assert_eq!((kept.len(), kept.iter().all(|name| all.contains(name))), (2, true), "{kept:?}");
    assert!(world.store().notification(world.app, later).await.unwrap().is_some());

    // they also stay while their deliveries do
    world.pass(7 * DAY);
    let work = world.only_taken().await;
    let phone = world.store().device(world.app, "phone").await.unwrap().unwrap();
    let outcome = world.delivery(later, Target::device(phone.pk), Ending::Sent);
    world.store().record(&record(&work, vec![outcome], Vec::new())).await.unwrap();
    world.store().prune().await.unwrap();
    assert_eq!(partitions(&database).await, kept);
    assert_eq!(world.view(later).await.counts.sent, 1);

    world.pass(3 * DAY);
    world.store().prune().await.unwrap();
    assert!(partitions(&database).await.is_empty());
    for id in [sent, later] {
        assert!(world.store().notification(world.app, id).await.unwrap().is_none());
    }
    world.close().await;
}

#[tokio::test]
async fn runs_and_counts_go_with_their_notifications() {
    let postgres = Postgres::new().await.keeping(DAY);
    let database = postgres.database.clone();
    let mut world = World::of(Box::new(postgres)).await;
    for _ in 0..2 {
        let phone = world.device("phone", None).await;
        let id = world.accept(world.named_fan_out(vec![crate::kit::pairs(&[&phone])])).await;
        let work = world.only_taken().await;
        let sent = world.delivery(id, Target::device(phone.pk), Ending::Sent);
        let sent = Delivery { latency: Some(Latency::from_raw(5)), ..sent };
        world.store().record(&record(&work, vec![sent], Vec::new())).await.unwrap();
        world.released().await;
        world.pass(3 * DAY);
    }
    let rows = async || {
        let text = "SELECT (SELECT count(*) FROM run), (SELECT count(*) FROM notification_count), (SELECT count(*) FROM latency)";
        let rows = database.run(text.to_owned()).await;
        [0, 1, 2].map(|n| rows[0].get::<i64, _>(n))
    };
    assert_eq!(rows().await, [2, 2, 2]);
    // the present day stays, and what is older than the oldest day goes
    world.accept(world.direct(users(&["ann"]))).await;
    world.store().prune().await.unwrap();
    assert_eq!(rows().await, [0, 0, 0]);
    assert_eq!(partitions(&database).await.len(), 2);
    world.close().await;
}

/// What several nodes wrote of a bucket becomes one row when nothing more is to be expected, and what comes later is counted beside it.
#[tokio::test]
async fn rows_of_several_nodes_become_one() {
    let postgres = Postgres::new().await;
    let database = postgres.database.clone();
    let mut world = World::of(Box::new(postgres)).await;
    let [sent, _] = one_sent_and_one_later(&world, 10 * DAY).await;
    let columns = "app, resolution, bucket, category, platform, provider, campaign, variant";
    let counts = "sent, suppressed, failed, expired, cancelled, delivered, opened, dismissed";
    for node in 1..4 {
        database
            .run(format!("INSERT INTO rollup SELECT {columns}, {node} + 1000, {counts} FROM rollup WHERE shard BETWEEN 0 AND 999"))
            .await;
    }
    let shards = async || {
        let rows = database.run("SELECT resolution, shard FROM rollup ORDER BY 1, 2".to_owned()).await;
        rows.iter().map(|row| (row.get::<String, _>(0), row.get::<i32, _>(1))).collect::<Vec<_>>()
    };
    assert_eq!(shards().await.len(), 12);
    for (hours, left) in [(1, 12), (3, 9), (7, 6), (72, 3)] {
        world.pass((World::start() + Duration::from_hours(hours) - world.now()).to_std().unwrap());
        world.store().prune_analytics(&Retention::default()).await.unwrap();
        assert_eq!(shards().await.len(), left, "after {hours} hours");
        assert_eq!(crate::analytics::totals(&world).await.sent, 4, "after {hours} hours");
    }
    assert!(shards().await.iter().all(|(_, shard)| *shard == -1));
    let opened = Receipt { notification: sent, device: "phone".to_owned(), kind: ReceiptKind::Opened, at: None };
    world.store().receive(world.app, &[opened]).await.unwrap();
    assert_eq!(shards().await.len(), 6);
    let totals = crate::analytics::totals(&world).await;
    assert_eq!((totals.sent, totals.delivered, totals.opened), (4, 1, 1));
    world.close().await;
}

#[tokio::test]
async fn a_day_in_use_is_dropped_later_and_comes_again_where_it_is_needed() {
    let postgres = Postgres::new().await.keeping(DAY);
    let database = postgres.database.clone();
    let mut world = World::of(Box::new(postgres)).await;
    let tasks = TaskTracker::new();
    let clock: Arc<dyn Clock> = Arc::clone(&world.clock) as Arc<dyn Clock>;
    let node = PostgresStore::open_with_clock(&database.options(), clock, &tasks).await.unwrap();
    let old = world.direct(users(&["ann"]));
    let again = herald::store::engine::NewNotification { id: world.notification_id(), ..old.clone() };
    let phone = world.device("phone", Some("ann")).await;
    node.accept(vec![crate::kit::submission(old)]).await.unwrap();
    let work = world.only_taken().await;
    let outcome = world.delivery(work.key.notification, Target::device(phone.pk), Ending::Sent);
    node.record(&record(&work, vec![outcome], Vec::new())).await.unwrap();
    world.pass(3 * DAY);
    // a reader who takes its time
    let all = partitions(&database).await;
    let reader = database.hold("BEGIN; SELECT count(*) FROM notification; SELECT count(*) FROM delivery").await;
    world.store().prune().await.unwrap();
    assert_eq!(partitions(&database).await, all);
    reader.close().await.unwrap();
    world.store().prune().await.unwrap();
    assert!(partitions(&database).await.is_empty());
    // the other node believes that it is there
    node.accept(vec![crate::kit::submission(again)]).await.unwrap();
    assert_eq!(partitions(&database).await, all);
    drop(node);
    tasks.close();
    tasks.wait().await;
    world.close().await;
}
