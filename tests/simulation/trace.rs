//! What happened, in order: kept in memory, and shown only when something is wrong.

use std::fmt::Arguments;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

/// The lines of one run.
#[derive(Default)]
pub struct Trace {
    lines: Mutex<Vec<(Duration, String)>>,
    is_silent: AtomicBool,
}

impl Trace {
    /// Keeps nothing: to write it all down takes longer than all else.
    pub fn silence(&self) {
        self.is_silent.store(true, Ordering::Relaxed);
    }

    pub fn add(&self, at: Duration, what: Arguments<'_>) {
        if !self.is_silent.load(Ordering::Relaxed) {
            self.lines.lock().push((at, what.to_string()));
        }
    }

    /// A number that two runs have in common only if the same happened at the same instants.
    pub fn hash(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.lines.lock().hash(&mut hasher);
        hasher.finish()
    }

    /// Everything, a line each.
    pub fn text(&self) -> String {
        let line = |(at, what): &(Duration, String)| format!("{:>10.3} {what}\n", at.as_secs_f64());
        self.lines.lock().iter().map(line).collect()
    }
}
