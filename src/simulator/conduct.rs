//! What all look-alikes share: the book, the scripts, the tokens' failures and the clock; and
//! from them, how a push is met.

use std::time::Duration;

use super::behaviour::{Behaviours, Conduct, Provider};
use super::book::Book;
use super::options::Now;
use super::prefix::Failures;
use super::record::Source;

/// State shared by the look-alikes and the control view.
pub(super) struct Shared {
    pub(super) book: Book,
    pub(super) behaviours: Behaviours,
    pub(super) failures: Failures,
    pub(super) now: Now,
}

impl Shared {
    /// The delay and conduct for a push: a script's, else its token's own.
    pub(super) fn conduct(&self, provider: Provider, source: Source, token: &str) -> (Duration, Conduct) {
        let (delay, scripted) = self.behaviours.find(provider, token);
        let conduct = scripted.unwrap_or_else(|| self.failures.next(&self.book, source, token));
        (delay, conduct)
    }

    /// Forgets all pushes, and how often tokens have failed.
    pub(super) fn forget(&self) {
        self.book.forget();
        self.failures.forget();
    }

    /// The time in milliseconds since the epoch.
    pub(super) fn now_ms(&self) -> i64 {
        (self.now)().timestamp_millis()
    }
}
