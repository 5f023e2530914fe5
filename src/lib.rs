//! Herald, a unified push-notification dispatch daemon.

pub mod simulator;
