//! The one writer. Every write is a job; jobs that wait at the same time share a transaction of at most a few milliseconds,
//! each behind a savepoint of its own, and are answered after the commit only. A caller that goes away loses its answer, not its job.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, SqliteConnection};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::Instant;

use super::super::seal::Seal;
use super::super::{Error, Result};
use super::fault::{Closed, CommitFailed, fault};
use super::lock::Lock;
use super::row::micros;
use crate::domain::clock::Clock;

/// How long a transaction takes up further jobs.
const SHARED_FOR: Duration = Duration::from_millis(5);
/// Jobs that may wait.
const WAITING: usize = 1024;

/// A write under way: the connection, inside its savepoint, and the store's clock.
pub(super) struct Tx<'c> {
    /// The connection.
    pub(super) conn: &'c mut SqliteConnection,
    /// Microseconds since 1970.
    pub(super) now: i64,
    /// The keys for what is sealed.
    pub(super) seal: &'c Seal,
}

impl Tx<'_> {
    /// Undoes what this job wrote so far; it may go on and write something else.
    pub(super) async fn start_over(&mut self) -> Result<()> {
        run(self.conn, "ROLLBACK TO job").await
    }
}

type Write<T> = Box<dyn for<'c> FnOnce(Tx<'c>) -> BoxFuture<'c, Result<T>> + Send>;

/// Where writes are handed in.
#[derive(Clone)]
pub(super) struct Writer {
    jobs: mpsc::Sender<Box<dyn Job>>,
}

/// What the writer's task owns.
pub(super) struct WriterTask {
    jobs: mpsc::Receiver<Box<dyn Job>>,
    conn: Option<SqliteConnection>,
    options: SqliteConnectOptions,
    clock: Arc<dyn Clock>,
    committed: Arc<Notify>,
    seal: Seal,
    _lock: Arc<Lock>,
}

/// What the writer's task needs from the store's opening.
pub(super) struct WriterParts {
    /// Its connection.
    pub(super) conn: SqliteConnection,
    /// How to open it anew after a fault.
    pub(super) options: SqliteConnectOptions,
    /// The store's clock.
    pub(super) clock: Arc<dyn Clock>,
    /// Woken after each commit.
    pub(super) committed: Arc<Notify>,
    /// The keys for what is sealed.
    pub(super) seal: Seal,
    /// Held for as long as the task lives.
    pub(super) lock: Arc<Lock>,
}

impl Writer {
    /// The writer and its task, which the caller runs.
    pub(super) fn new(parts: WriterParts) -> (Self, WriterTask) {
        let (sender, receiver) = mpsc::channel(WAITING);
        let WriterParts { conn, options, clock, committed, seal, lock } = parts;
        (Self { jobs: sender }, WriterTask { jobs: receiver, conn: Some(conn), options, clock, committed, seal, _lock: lock })
    }

    /// Hands a write in and waits for its commit.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        write: impl for<'c> FnOnce(Tx<'c>) -> BoxFuture<'c, Result<T>> + Send + 'static,
    ) -> Result<T> {
        let (answer, answered) = oneshot::channel();
        let job = Pending { write: Some(Box::new(write)), outcome: None, answer };
        let closed = || Error::Unavailable(Box::new(Closed));
        self.jobs.send(Box::new(job)).await.map_err(|_| closed())?;
        answered.await.map_err(|_| closed())?
    }
}

/// A write with its type forgotten.
trait Job: Send {
    fn run<'c>(&'c mut self, tx: Tx<'c>) -> BoxFuture<'c, bool>;
    fn settle(self: Box<Self>, commit: Option<&Arc<Error>>);
}

struct Pending<T> {
    write: Option<Write<T>>,
    outcome: Option<Result<T>>,
    answer: oneshot::Sender<Result<T>>,
}

impl<T: Send> Job for Pending<T> {
    fn run<'c>(&'c mut self, tx: Tx<'c>) -> BoxFuture<'c, bool> {
        Box::pin(async move {
            let Some(write) = self.write.take() else { return false };
            let outcome = write(tx).await;
            let well = outcome.is_ok();
            self.outcome = Some(outcome);
            well
        })
    }

    fn settle(self: Box<Self>, commit: Option<&Arc<Error>>) {
        let outcome = match (self.outcome, commit) {
            (Some(Err(error)), _) => Err(error),
            (_, Some(error)) => Err(Error::Unavailable(Box::new(CommitFailed(Arc::clone(error))))),
            (Some(Ok(value)), None) => Ok(value),
            (None, None) => Err(Error::Unavailable(Box::new(Closed))),
        };
        // a caller that went away wants no answer
        drop(self.answer.send(outcome));
    }
}

impl WriterTask {
    /// Runs until every [`Writer`] is gone and its jobs are done.
    pub(super) async fn run(mut self) {
        while let Some(first) = self.jobs.recv().await {
            let mut done = Vec::new();
            let commit = match self.transaction(first, &mut done).await {
                Ok(()) => None,
                Err(error) => {
                    tracing::error!(error = &error as &dyn std::error::Error, jobs = done.len(), "a commit of the store failed");
                    self.conn = None;
                    Some(Arc::new(error))
                }
            };
            for job in done {
                job.settle(commit.as_ref());
            }
            self.committed.notify_one();
        }
    }

    async fn transaction(&mut self, first: Box<dyn Job>, done: &mut Vec<Box<dyn Job>>) -> Result<()> {
        done.push(first);
        let conn = match begin(&mut self.conn, &self.options).await {
            Ok(conn) => conn,
            Err(error) => {
                // whoever waits would wait as long again for the same answer, one after the other
                done.extend(std::iter::from_fn(|| self.jobs.try_recv().ok()));
                return Err(error);
            }
        };
        let until = Instant::now() + SHARED_FOR;
        while let Some(job) = done.last_mut() {
            let tx = Tx { conn, now: micros(self.clock.now()), seal: &self.seal };
            if !job.run(tx).await {
                run(conn, "ROLLBACK TO job").await?;
            }
            let more = if Instant::now() < until { self.jobs.try_recv().ok() } else { None };
            let Some(next) = more else { break };
            run(conn, "RELEASE job; SAVEPOINT job").await?;
            done.push(next);
        }
        run(conn, "RELEASE job; COMMIT").await
    }
}

async fn begin<'c>(conn: &'c mut Option<SqliteConnection>, options: &SqliteConnectOptions) -> Result<&'c mut SqliteConnection> {
    let conn = match conn {
        Some(conn) => conn,
        none => none.insert(options.connect().await.map_err(fault)?),
    };
    run(conn, "BEGIN IMMEDIATE; SAVEPOINT job").await?;
    Ok(conn)
}

async fn run(conn: &mut SqliteConnection, text: &'static str) -> Result<()> {
    sqlx::query(text).execute(conn).await.map_err(fault)?;
    Ok(())
}
