//! Herald, a unified push-notification dispatch daemon.
//!
//! The floors, lowest first; a module uses only what lies below it (`tests/architecture.rs` holds that):
//!
//! 1. [`domain`]: the words as types and the pure rules. No I/O, no clock.
//! 2. [`providers`], [`store`], [`queue`]: the three outside worlds, each behind a trait.
//! 3. `dispatch`: the path of a notification, from accept to ack.
//! 4. `api`, [`config`]: how callers and operators speak to it.
//! 5. [`app`], [`cli`], [`lifecycle`], [`system`], [`telemetry`], [`simulator`]: what puts it together.

pub mod api;
pub mod app;
pub mod bench;
pub mod cli;
pub mod config;
pub mod dispatch;
pub mod domain;
pub mod lifecycle;
pub mod providers;
pub mod queue;
pub mod simulator;
pub mod store;
pub mod system;
pub mod telemetry;
