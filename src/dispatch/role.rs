//! What a node does. Nodes that share a store and a queue may each do a part.

/// The parts of the path that a node runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Roles {
    /// Serves the API: accepts requests and commits them.
    pub api: bool,
    /// Takes ready work, sends, and records what became of it.
    pub worker: bool,
    /// Makes due work ready, and clears away what is old.
    pub scheduler: bool,
}

impl Roles {
    /// One node does everything.
    pub const ALL: Self = Self { api: true, worker: true, scheduler: true };
}
