//! PostgreSQL as what a store keeps its rows in: each world has a database of its own, copied from one that was migrated once.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use herald::domain::clock::Clock;
use herald::store::Store;
use herald::store::postgres::{Options, PostgresStore};
use herald::store::seal::Seal;
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, Row};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use crate::backing::{Backing, told};

/// Whoever needs the template first makes it, also of several test binaries.
const LOCK: &str = "SELECT pg_advisory_lock(4711)";

/// The distributed store, in a database of its own.
pub struct Postgres {
    pub database: Database,
    retention: Mutex<Option<Duration>>,
    connections: Option<u32>,
    seal: Mutex<Seal>,
    tasks: TaskTracker,
}

/// A database, to look at beside the store.
#[derive(Clone)]
pub struct Database {
    name: String,
}

/// The server that the tests were given.
fn server() -> String {
    #[expect(clippy::disallowed_methods, reason = "the server of the tests is named by the environment")]
    let server = std::env::var("HERALD_TEST_POSTGRES");
    server.unwrap_or_else(|_| panic!("HERALD_TEST_POSTGRES names no PostgreSQL server: run the tests with scripts/with-services"))
}

impl Database {
    fn url(&self) -> String {
        let server = server();
        let (place, options) = server.split_once('?').unwrap_or((&server, ""));
        let (host, _) = place.rsplit_once('/').unwrap();
        format!("{host}/{}?{options}", self.name)
    }

    pub fn options(&self) -> Options {
        Options::parse(&self.url()).unwrap()
    }

    /// Runs statements beside the store.
    pub async fn run(&self, text: String) -> Vec<PgRow> {
        let mut conn = PgConnection::connect(&self.url()).await.unwrap();
        let rows = conn.fetch_all(sqlx::raw_sql(AssertSqlSafe(text))).await.unwrap();
        conn.close().await.unwrap();
        rows
    }

    /// Waits until something is so of the sessions in this database.
    pub async fn until(&self, what: &str) {
        let text = format!("SELECT {what} FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()");
        let deadline = Instant::now() + Duration::from_secs(20);
        while !self.run(text.clone()).await[0].get::<bool, _>(0) {
            assert!(Instant::now() < deadline, "{what}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Runs statements and keeps the connection as they left it.
    pub async fn hold(&self, text: &'static str) -> PgConnection {
        let mut conn = PgConnection::connect(&self.url()).await.unwrap();
        conn.fetch_all(sqlx::raw_sql(text)).await.unwrap();
        conn
    }
}

async fn on_server(text: String) -> PgConnection {
    let mut conn = PgConnection::connect(&server()).await.unwrap();
    conn.execute(sqlx::raw_sql(AssertSqlSafe(text))).await.unwrap();
    conn
}

/// The name of a database with the present schema; it is made where it is not there yet, and stays for the next run.
async fn template() -> String {
    let mut schema = DefaultHasher::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations/postgres");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    for file in &files {
        std::fs::read(file).unwrap().hash(&mut schema);
    }
    let name = format!("herald_template_{:016x}", schema.finish());
    let mut conn = on_server(LOCK.to_owned()).await;
    let there = format!("SELECT 1 FROM pg_database WHERE datname = '{name}'");
    if conn.fetch_optional(sqlx::raw_sql(AssertSqlSafe(there))).await.unwrap().is_none() {
        let half = Database { name: format!("{name}_half") };
        on_server(format!("DROP DATABASE IF EXISTS {}", half.name)).await.close().await.unwrap();
        on_server(format!("CREATE DATABASE {}", half.name)).await.close().await.unwrap();
        PostgresStore::migrate(&half.options()).await.unwrap();
        on_server(format!("ALTER DATABASE {} RENAME TO {name}", half.name)).await.close().await.unwrap();
    }
    conn.close().await.unwrap();
    name
}

impl Postgres {
    pub async fn new() -> Self {
        static MADE: AtomicU64 = AtomicU64::new(0);
        let template = template().await;
        let name = format!("herald_test_{}_{}", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
        on_server(format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await.close().await.unwrap();
        on_server(format!("CREATE DATABASE {name} TEMPLATE {template}")).await.close().await.unwrap();
        Self {
            database: Database { name },
            retention: Mutex::default(),
            connections: None,
            seal: Mutex::default(),
            tasks: TaskTracker::new(),
        }
    }

    /// Days are dropped so long after their end.
    pub fn keeping(self, retention: Duration) -> Self {
        self.keep(retention);
        self
    }

    /// The store has so many connections.
    pub fn with_connections(mut self, connections: u32) -> Self {
        self.connections = Some(connections);
        self
    }
}

impl Drop for Postgres {
    /// The database goes with its world, also where a test failed.
    fn drop(&mut self) {
        let text = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.database.name);
        let drop = std::thread::spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async { on_server(text).await.close().await.unwrap() });
        });
        assert!(drop.join().is_ok() || std::thread::panicking(), "the database of a test cannot be dropped");
    }
}

#[async_trait]
impl Backing for Postgres {
    async fn open(&self, clock: Arc<dyn Clock>) -> Result<Arc<dyn Store>, String> {
        let mut options = self.database.options();
        options.retention = *self.retention.lock().unwrap();
        options.connections = self.connections.unwrap_or(options.connections);
        options.seal = self.seal.lock().unwrap().clone();
        Ok(PostgresStore::open_with_clock(&options, clock, &self.tasks).await.map_err(|error| told(&error))?)
    }

    fn seal_with(&self, seal: Seal) {
        *self.seal.lock().unwrap() = seal;
    }

    fn keep(&self, retention: Duration) {
        *self.retention.lock().unwrap() = Some(retention);
    }

    async fn copy(&self) -> Vec<u8> {
        let tables = "SELECT format('SELECT coalesce(string_agg(t::text, E''\\n''), '''') FROM %I t', relname) FROM pg_class \
                      WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')";
        let mut copy = Vec::new();
        for table in self.database.run(tables.to_owned()).await {
            copy.extend(self.database.run(table.get(0)).await[0].get::<String, _>(0).into_bytes());
        }
        copy
    }

    async fn run(&self, text: &'static str) {
        self.database.run(text.to_owned()).await;
    }

    async fn close(&self) {
        self.tasks.close();
        self.tasks.wait().await;
        self.tasks.reopen();
    }

    fn is_embedded(&self) -> bool {
        false
    }
}
