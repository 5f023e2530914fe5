//! What only the embedded store has: its file, its lock, its schema; and the states that no method of the traits makes yet.

use std::path::PathBuf;
use std::sync::Arc;

use herald::domain::clock::Clock;
use herald::domain::device::{Change, DeviceChange};
use herald::domain::segment::Segment;
use herald::store::Error;
use herald::store::engine::Selection;
use herald::store::key_hash::{KeyHasher, digest_of};
use herald::store::sqlite::{OpenError, Options, SqliteStore};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, SqliteConnection};
use tokio_util::task::TaskTracker;

use crate::keys::key;
use crate::kit::{iphone, users};
use crate::world::World;

fn path(world: &World) -> PathBuf {
    world.folder().join("herald.db")
}

async fn raw(world: &World) -> SqliteConnection {
    SqliteConnectOptions::new().filename(path(world)).connect().await.unwrap()
}

async fn open_again(world: &World) -> Result<Arc<SqliteStore>, OpenError> {
    let clock = Arc::clone(&world.clock) as Arc<dyn Clock>;
    SqliteStore::open(&Options::new(path(world)), clock, &TaskTracker::new()).await
}

pub async fn one_process_at_a_time(world: &mut World) {
    let Err(OpenError::InUse { path }) = open_again(world).await else { panic!("it was opened twice") };
    assert!(path.ends_with("herald.db.lock"));
    assert!(matches!(SqliteStore::migrate(&world.folder().join("herald.db")).await, Err(OpenError::InUse { .. })));
    world.restart().await;
    world.store().ping().await.unwrap();
}

pub async fn a_newer_schema_is_refused(world: &mut World) {
    let mut conn = raw(world).await;
    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (999, 'x', 1, x'00', 0)";
    sqlx::query(newer).execute(&mut conn).await.unwrap();
    world.close().await;
    let Err(error) = open_again(world).await else { panic!("it was opened") };
    assert!(matches!(error, OpenError::Newer { version: 999, known } if known < 999));
}

pub async fn the_schema_can_be_made_without_a_daemon(world: &mut World) {
    let path = world.folder().join("fresh.db");
    let version = SqliteStore::migrate(&path).await.unwrap();
    assert!(version >= 1);
    assert_eq!(SqliteStore::migrate(&path).await.unwrap(), version);
}

pub async fn what_is_no_database_is_refused(world: &mut World) {
    let path = world.folder().join("text.db");
    std::fs::write(&path, "this is a text, long enough to be no header of a database at all, and then some more of it").unwrap();
    let clock = Arc::clone(&world.clock) as Arc<dyn Clock>;
    let opened = SqliteStore::open(&Options::new(&path), clock, &TaskTracker::new()).await;
    assert!(matches!(opened, Err(OpenError::Database { .. } | OpenError::Migration(_))));
}

pub async fn an_unreadable_row_is_named(world: &mut World) {
    let device = world.device("phone", Some("ann")).await;
    let mut conn = raw(world).await;
    sqlx::query("UPDATE device SET platform = 'toaster'").execute(&mut conn).await.unwrap();
    let Err(error) = world.store().device(world.app, "phone").await else { panic!("it was read") };
    let Error::Unreadable { table, column, row } = &error else { panic!("{error:?}") };
    assert_eq!((*table, *column, row.as_str()), ("device", "platform", device.pk.0.to_string().as_str()));
    assert!(!error.is_transient());
}

pub async fn the_log_stays_short(world: &mut World) {
    for _ in 0..300 {
        world.accept(world.direct(users(&["ann"]))).await;
    }
    world.close().await;
    let log = world.folder().join("herald.db-wal");
    assert_eq!(std::fs::metadata(log).map_or(0, |log| log.len()), 0);
}

pub async fn versions_that_were_there_before_get_their_keys(world: &mut World) {
    for (name, version) in [("old", "3.9"), ("new", "3.10")] {
        let change = DeviceChange { app_version: Change::Set(version.to_owned()), ..iphone(None, name) };
        world.store().put_device(world.app, name, change, None).await.unwrap();
    }
    let mut conn = raw(world).await;
    sqlx::query("UPDATE device SET app_version_key = NULL, os_version_key = NULL").execute(&mut conn).await.unwrap();
    conn.close().await.unwrap();
    let newer = Segment::parse(&serde_json::json!({"field": "app_version", "op": "gt", "value": "3.9"}), "segment").unwrap();
    let selection = Selection { segments: vec![Arc::new(newer)], ..world.everyone() };
    assert!(world.store().read_devices(world.app, 0, 10, &selection).await.unwrap().devices.is_empty());
    world.restart().await;
    let found = world.store().read_devices(world.app, 0, 10, &selection).await.unwrap().devices;
    let expected = world.store().device(world.app, "new").await.unwrap().unwrap().pk;
    assert_eq!(found.into_iter().map(|member| member.pair.device).collect::<Vec<_>>(), [expected]);
}

pub async fn hashes_that_were_there_before_are_keyed(world: &mut World) {
    let old = key(world, 1);
    world.store().create_key(&old, digest_of("herald_old")).await.unwrap();
    let mut conn = raw(world).await;
    // as a version before this one had written it
    sqlx::query("UPDATE api_key SET keyed = 0").execute(&mut conn).await.unwrap();
    conn.close().await.unwrap();
    let store = world.store();
    assert_eq!(store.plain_keys().await.unwrap(), [(old.id, digest_of("herald_old"))]);
    assert_eq!(store.key_by_hash(digest_of("herald_old")).await.unwrap(), None, "a hash that anybody can make opens nothing");
    assert_eq!(store.key_by_id(old.id).await.unwrap(), None);
    for _ in 0..2 {
        let hasher = KeyHasher::open(store).await.unwrap();
        assert_eq!(store.key_by_hash(hasher.of("herald_old")).await.unwrap(), Some(old.clone()));
        assert_eq!(store.key_by_hash(digest_of("herald_old")).await.unwrap(), None);
        assert!(store.plain_keys().await.unwrap().is_empty());
    }
}
