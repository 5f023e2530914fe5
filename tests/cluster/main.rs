//! Several nodes on PostgreSQL and Redis: real processes on loopback that are killed, stopped and cut off.
//!
//! The short form runs with the other tests; `scripts/chaos` runs the long one (`HERALD_CHAOS=long`).
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, clippy::expect_used, reason = "a test may panic")]
#![expect(clippy::disallowed_methods, reason = "a test has the machine's clock and tasks of its own")]
#![expect(clippy::print_stdout, reason = "what was counted is of interest")]
#![expect(clippy::format_collect, reason = "a test may be slow")]

mod arrivals;
mod away;
mod backlog;
mod campaigns;
mod caps;
#[path = "../e2e/cast.rs"]
mod cast;
#[path = "../e2e/client.rs"]
#[expect(dead_code, reason = "the callers of one process need more of it")]
mod client;
#[path = "../e2e/clock.rs"]
#[expect(dead_code, reason = "the tests of one process need more of it")]
mod clock;
mod clocks;
#[path = "../e2e/daemon.rs"]
#[expect(dead_code, reason = "the tests of one process need more of it")]
mod daemon;
mod handovers;
mod kills;
mod leaks;
mod load;
mod nodes;
mod poison;
mod pressure;
#[path = "../e2e/webhooks/receiver.rs"]
#[expect(dead_code, reason = "the tests of one process need more of it")]
mod receiver;
mod roles;
mod rollups;
mod schedulers;
#[path = "../e2e/secrets.rs"]
mod secrets;
#[path = "../services/mod.rs"]
#[expect(dead_code, reason = "the tests of the queue need more of it")]
mod services;
mod stop;
mod webhooks;
mod zombies;
