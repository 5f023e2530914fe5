//! The specification as seen from outside: the real binary, real sockets, a real store, and the simulator's look-alikes.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says what went wrong by panicking"
)]

mod crash;
mod daemon;
mod main_job;
mod outcomes;
mod tokens;
