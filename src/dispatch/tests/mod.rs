//! The path over an embedded store whose faults are chosen, a queue in the process, and a provider that does as it is told.

mod away;
mod begun;
mod broadcast;
mod caps;
pub(super) mod clock;
mod end;
mod erase;
mod fall;
mod foretold;
mod lapse;
mod paced;
mod pauses;
mod poison;
mod preview;
pub(super) mod provider;
mod queue;
mod reload;
mod stale;
mod stop;
pub(crate) mod store;
mod tidy;
mod timed;
mod variants;
pub(super) mod world;
