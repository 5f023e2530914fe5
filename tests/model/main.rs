//! The protocol of `docs/architecture.md` as a model small enough to be explored wholly: two nodes, one or two notifications, one to
//! three targets, and faults that may come anywhere, each so often.
//!
//! `state.rs` says what there is; `next.rs` and `disturbance.rs` what can happen next; `store.rs`, `node.rs` and `faults.rs` what it
//! does; `invariants.rs` what holds in every state. `explored.rs` holds the scenarios, `settle.rs` finds out whether everything can still
//! end, `mistakes.rs` plants mistakes and looks whether they are found.
//!
//! Time has no numbers: a guard ends, a lease lapses, a retry is due whenever it is allowed to. A lease lapses under its holder
//! only where the holder is dead, frozen or cut off. Rows are taken one by one, pages hold one target, and a store is one that commits
//! one transaction after the other, but for reads and cancels, which may be older than their commit where a scenario says so.
//! Not in here: pace, the window, hold-back, collapse keys, receipts, idempotency keys, chunks that are split.
//!
//! `cargo test --test model -- --nocapture` says how much was explored. With `HERALD_MODEL=long` more faults come together, and the
//! walks at random are longer; that takes long, and some GB of memory.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "a test may panic")]

mod action;
mod disturbance;
mod explored;
mod faults;
mod fold;
mod invariants;
mod mistakes;
mod next;
mod node;
mod protocol;
mod reached;
mod scenario;
mod set;
mod settle;
mod state;
mod store;
mod walks;
