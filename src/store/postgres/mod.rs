//! The distributed store: PostgreSQL, shared by any number of nodes.
//!
//! Every write is one transaction, and every instant in it is that transaction's `now()`. Statements take whole batches as arrays,
//! and find rows key by key: the connections plan without sequential scans, so that a plan made while a table was empty
//! stays good. For the same reason a status is compared as `coalesce(status, '') = 'active'` where rows are found by another key: the planner
//! would take the index of active devices for a short way to all of them.

mod accept;
mod allot;
mod analytics;
mod app;
mod audit;
mod batch;
mod campaign;
mod campaign_run;
mod campaign_stats;
mod cancel;
mod cap;
mod category;
mod claim;
mod client_token;
mod corrections;
mod counts;
mod dead_letter;
mod deaths;
mod definition;
mod delivery_list;
mod device;
mod device_preferences;
mod device_row;
mod device_token;
mod door;
mod engine;
mod enroll;
mod erase;
mod expand;
mod fact_reading;
mod facts;
mod fault;
mod history;
mod idempotency;
mod key;
mod lane_pause;
mod migrations;
mod naming;
mod notification;
mod open;
mod paced;
mod partitions;
mod person;
#[cfg(test)]
mod plans;
mod predicate;
mod prune;
mod receipt;
mod recipients;
mod record;
mod register;
mod release;
mod retention;
mod row;
mod schedule;
mod sealing;
mod select;
mod sighting;
mod stale;
mod tally;
mod targets;
mod template;
mod topic;
mod tx;
mod upkeep;
mod user_deliveries;
mod vault;
mod version_keys;
mod waiting;
mod webhook;
mod webhook_erase;
mod webhook_items;
mod webhook_message;
mod webhook_replay;
mod work;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::DropGuard;
use tokio_util::task::TaskTracker;

use self::door::Door;
use self::open::SHARDS;
use self::partitions::{Partition, Partitions};
use self::tx::transaction;
use super::Result;
use super::seal::Seal;
use super::sealing::Inspected;
use crate::domain::clock::Clock;

pub use self::migrations::Condition;
pub use self::open::{OpenError, Options};

/// The distributed store.
pub struct PostgresStore {
    engine: Door,
    callers: Door,
    partitions: Partitions,
    /// Counts are written to a shard of each node's own, so that nodes do not wait for each other.
    shard: i32,
    /// For how long days are kept after their end.
    retention: Option<Duration>,
    seal: Seal,
    _ended: DropGuard,
}

impl PostgresStore {
    /// Connects, brings the schema up to date and starts what keeps the tables in order, in `tasks`.
    ///
    /// Other nodes may have it open. The tasks end by themselves once the last handle is dropped.
    pub async fn open(options: &Options, tasks: &TaskTracker) -> Result<Arc<Self>, OpenError> {
        open::open(options, None, tasks).await
    }

    /// As [`PostgresStore::open`], with a clock that stands for the server's.
    pub async fn open_with_clock(options: &Options, clock: Arc<dyn Clock>, tasks: &TaskTracker) -> Result<Arc<Self>, OpenError> {
        open::open(options, Some(clock), tasks).await
    }

    /// Brings the schema up to date and answers its version, without starting anything.
    pub async fn migrate(options: &Options) -> Result<i64, OpenError> {
        open::migrate(options).await
    }

    /// Looks whether the store could be opened, without changing anything.
    pub async fn inspect(options: &Options) -> Result<Inspected<Condition>, OpenError> {
        open::inspect(options).await
    }

    /// Receipts are counted apart from outcomes, so that the recorder does not wait for callers who report.
    fn receipts_shard(&self) -> i32 {
        self.shard + SHARDS
    }

    /// Makes the partitions that rows are about to need.
    async fn ensure(&self, wanted: BTreeSet<Partition>) -> Result<()> {
        let missing = self.partitions.missing(wanted);
        if missing.is_empty() {
            return Ok(());
        }
        transaction!(self.engine, tx => partitions::make(&mut tx, &missing))?;
        self.partitions.note(missing);
        Ok(())
    }
}
