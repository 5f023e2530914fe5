//! Several nodes on PostgreSQL and Redis: real processes on loopback that are killed, stopped and cut off.
//!
//! The short form runs with the other tests; `scripts/chaos` runs the long one (`HERALD_CHAOS=long`).
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, clippy::expect_used, reason = "a test may panic")]

mod away;
#[path = "../e2e/client.rs"]
#[expect(dead_code, reason = "the callers of one process need more of it")]
mod client;
#[path = "../e2e/daemon.rs"]
#[expect(dead_code, reason = "the tests of one process need more of it")]
mod daemon;
mod kills;
mod nodes;
mod poison;
mod roles;
mod schedulers;
#[path = "../services/mod.rs"]
#[expect(dead_code, reason = "the tests of the queue need more of it")]
mod services;
mod stop;
