//! A store under a clock that the test moves, and how it is opened again.

use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{DateTime, TimeZone, Utc};
use herald::domain::Timestamp;
use herald::domain::clock::Clock;
use herald::domain::id::{AppId, NotificationId, WorkId};
use herald::store::Store;
use herald::store::seal::Seal;
use uuid::Uuid;

use crate::backing::{Backing, Memory, Sqlite};
use crate::postgres_database::Postgres;

/// With which worlds are sealed.
pub const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// A clock that stands still until it is moved.
pub struct ManualClock(AtomicI64);

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        DateTime::from_timestamp_micros(self.0.load(Ordering::SeqCst)).unwrap()
    }

    fn monotonic(&self) -> Duration {
        Duration::from_micros(self.0.load(Ordering::SeqCst).unsigned_abs())
    }
}

/// One store, one app and a clock.
pub struct World {
    backing: Box<dyn Backing>,
    store: Option<Arc<dyn Store>>,
    pub clock: Arc<ManualClock>,
    pub app: AppId,
    made: Mutex<u64>,
}

impl World {
    pub async fn sqlite() -> Self {
        Self::of(Box::new(Sqlite::new())).await
    }

    pub async fn memory() -> Self {
        Self::of(Box::new(Memory::default())).await
    }

    pub async fn postgres() -> Self {
        Self::of(Box::new(Postgres::new().await)).await
    }

    pub async fn sealed_sqlite() -> Self {
        Self::sealed(Box::new(Sqlite::new())).await
    }

    pub async fn sealed_postgres() -> Self {
        Self::sealed(Box::new(Postgres::new().await)).await
    }

    async fn sealed(backing: Box<dyn Backing>) -> Self {
        backing.seal_with(Seal::parse(KEY).unwrap());
        Self::of(backing).await
    }

    /// A world whose store has these rows.
    pub async fn of(backing: Box<dyn Backing>) -> Self {
        let clock = Arc::new(ManualClock(AtomicI64::new(Self::start().timestamp_micros())));
        let mut world = Self { backing, store: None, clock, app: AppId(0), made: Mutex::new(0) };
        world.open().await;
        world.app = world.store().ensure_apps(&["demo".to_owned()]).await.unwrap()[0];
        world
    }

    /// The instant at which every world begins.
    pub fn start() -> Timestamp {
        Utc.with_ymd_and_hms(2026, 11, 2, 9, 0, 0).unwrap()
    }

    async fn open(&mut self) {
        let clock: Arc<dyn Clock> = Arc::clone(&self.clock) as Arc<dyn Clock>;
        self.store = Some(self.backing.open(clock).await.unwrap());
    }

    /// A restart voids every lease, since only one process can have the store.
    pub fn is_embedded(&self) -> bool {
        self.backing.is_embedded()
    }

    /// The folder of the embedded store.
    pub fn folder(&self) -> &Path {
        self.backing.folder().unwrap()
    }

    pub fn store(&self) -> &dyn Store {
        self.store.as_deref().unwrap()
    }

    pub fn shared(&self) -> Arc<dyn Store> {
        Arc::clone(self.store.as_ref().unwrap())
    }

    /// Ends the process that has the store, in good order.
    pub async fn close(&mut self) {
        self.store = None;
        self.backing.close().await;
    }

    /// The same data in a new process.
    pub async fn restart(&mut self) {
        self.close().await;
        self.open().await;
    }

    /// Days are kept for so long from now on.
    pub async fn keep(&mut self, retention: Duration) {
        self.backing.keep(retention);
        self.restart().await;
    }

    /// The keys that a process has which opens the store from now on.
    pub fn give_keys(&self, keys: &str) {
        self.backing.seal_with(if keys.is_empty() { Seal::default() } else { Seal::parse(keys).unwrap() });
    }

    /// Another process that has the store, or why not.
    pub async fn beside(&self) -> Result<Arc<dyn Store>, String> {
        self.backing.open(Arc::clone(&self.clock) as Arc<dyn Clock>).await
    }

    /// Everything as it is stored.
    pub async fn copy(&self) -> Vec<u8> {
        self.backing.copy().await
    }

    /// Runs a statement beside the store.
    pub async fn run(&self, text: &'static str) {
        self.backing.run(text).await;
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub fn pass(&self, time: Duration) {
        self.clock.0.fetch_add(i64::try_from(time.as_micros()).unwrap(), Ordering::SeqCst);
    }

    pub fn set_back(&self, time: Duration) {
        self.clock.0.fetch_sub(i64::try_from(time.as_micros()).unwrap(), Ordering::SeqCst);
    }

    fn next(&self) -> u64 {
        let mut made = self.made.lock().unwrap();
        *made += 1;
        *made
    }

    /// An id of the present, greater than those before it.
    pub fn notification_id(&self) -> NotificationId {
        let millis = u64::try_from(self.now().timestamp_millis()).unwrap();
        let mut bytes = [0; 16];
        bytes[..6].copy_from_slice(&millis.to_be_bytes()[2..]);
        bytes[6] = 0x70;
        bytes[8..].copy_from_slice(&(self.next() | 0x8000_0000_0000_0000).to_be_bytes());
        NotificationId(Uuid::from_bytes(bytes))
    }

    pub fn work_id(&self) -> WorkId {
        WorkId(i64::try_from(self.next()).unwrap())
    }
}
