//! A store in memory that is plain enough to be believed: maps under one lock, each method computed on them at once.
//!
//! It shares no code with the stores that are shipped, and is held to the same conformance suite: what differs from it is wrong there,
//! or here. Any number of handles may share the same rows, as nodes share a database; opening one voids no lease.

mod accept;
pub mod analytics;
mod audit;
mod campaign_stats;
mod campaigns;
mod caps;
mod claim;
pub mod client_tokens;
mod dead_letters;
mod definitions;
mod deliveries;
mod devices;
mod engine;
mod expand;
mod keys;
mod naming;
mod page;
mod pauses;
pub mod queue;
mod ready;
pub mod receipts;
mod record;
mod registration;
mod registry;
mod retention;
mod runs;
pub mod state;
mod targets;
mod templates;
pub mod tokens;
pub mod topics;
mod vault;
mod views;
mod waiting;
mod webhook_items;
pub mod webhooks;

use std::sync::Arc;
use std::time::Duration;

use herald::domain::Timestamp;
use herald::domain::clock::Clock;
use herald::store::Error;
use parking_lot::Mutex;

use self::state::State;

/// Rows that any number of stores have in common.
pub type Rows = Arc<Mutex<State>>;

/// A store over rows in memory. All instants are its clock's.
pub struct MemoryStore {
    rows: Rows,
    clock: Arc<dyn Clock>,
    retention: Option<Duration>,
}

impl MemoryStore {
    pub fn new(rows: Rows, clock: Arc<dyn Clock>, retention: Option<Duration>) -> Self {
        Self { rows, clock, retention }
    }

    /// One transaction. What may be refused looks before it writes, since nothing is rolled back.
    fn commit<T>(&self, write: impl FnOnce(&mut State, Timestamp) -> T) -> T {
        write(&mut self.rows.lock(), self.clock.now())
    }

    fn read<T>(&self, read: impl FnOnce(&State, Timestamp) -> T) -> T {
        read(&self.rows.lock(), self.clock.now())
    }
}

/// A row of the same key is there.
#[derive(Debug, thiserror::Error)]
#[error("a row of {0} with the same key is there")]
struct Conflict(&'static str);

fn conflict(table: &'static str) -> Error {
    Error::Refused(Box::new(Conflict(table)))
}
