//! Campaigns beside the path: what their runs are made of, and when these begin. A run is a notification like any other from there on.

mod begin;
mod plan;

pub use begin::{begin, run};
pub use plan::Plan;
