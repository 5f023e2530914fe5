//! What happened, in order: kept in memory, and shown only when something is wrong.

use std::fmt::Arguments;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use parking_lot::Mutex;

/// The lines of one run.
#[derive(Default)]
pub struct Trace(Mutex<Vec<(Duration, String)>>);

impl Trace {
    pub fn add(&self, at: Duration, what: Arguments<'_>) {
        self.0.lock().push((at, what.to_string()));
    }

    /// A number that two runs have in common only if the same happened at the same instants.
    pub fn hash(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.0.lock().hash(&mut hasher);
        hasher.finish()
    }

    /// Everything, a line each.
    pub fn text(&self) -> String {
        let line = |(at, what): &(Duration, String)| format!("{:>10.3} {what}\n", at.as_secs_f64());
        self.0.lock().iter().map(line).collect()
    }
}
