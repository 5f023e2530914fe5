//! When keys were used, noted in memory and written now and then: no request waits for it.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::domain::Timestamp;
use crate::domain::clock::Clock;
use crate::store::Store;

/// How often it is looked whether something is to be written.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A key's use is written so often at most, by one node.
const WRITE_EVERY: Duration = Duration::from_mins(1);

/// When keys were used that are in use. Only keys that are in the store are noted, so there are no more than those.
#[derive(Debug, Default)]
pub(super) struct KeyUses(Mutex<HashMap<Uuid, Noted>>);

/// A key's latest use, and when one was written last, by the monotonic clock.
#[derive(Debug)]
struct Noted {
    at: Timestamp,
    is_written: bool,
    written_at: Option<Duration>,
}

impl KeyUses {
    fn noted(&self) -> MutexGuard<'_, HashMap<Uuid, Noted>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that a key was used.
    pub(super) fn note(&self, id: Uuid, at: Timestamp) {
        let mut noted = self.noted();
        let noted = noted.entry(id).or_insert(Noted { at, is_written: false, written_at: None });
        (noted.at, noted.is_written) = (at, false);
    }

    /// The uses that are to be written at this monotonic instant, which count as written from now on; `all`: also those written just before.
    fn due(&self, now: Duration, all: bool) -> Vec<(Uuid, Timestamp)> {
        let mut noted = self.noted();
        let rests = |noted: &Noted| noted.written_at.is_some_and(|at| now.saturating_sub(at) < WRITE_EVERY);
        // what was written and is not used any more is forgotten
        noted.retain(|_, noted| !noted.is_written || rests(noted));
        let due = noted.iter_mut().filter(|(_, noted)| !noted.is_written && (all || !rests(noted)));
        let written = due.map(|(id, noted)| {
            (noted.is_written, noted.written_at) = (true, Some(now));
            (*id, noted.at)
        });
        written.collect()
    }

    /// Takes back that these were written; another use since goes before them.
    fn undo(&self, uses: Vec<(Uuid, Timestamp)>) {
        let mut noted = self.noted();
        for (id, at) in uses {
            let noted = noted.entry(id).or_insert(Noted { at, is_written: false, written_at: None });
            (noted.is_written, noted.written_at) = (false, None);
        }
    }

    async fn flush(&self, store: &dyn Store, now: Duration, all: bool) {
        let uses = self.due(now, all);
        if uses.is_empty() {
            return;
        }
        if let Err(error) = store.keys_used(&uses).await {
            tracing::debug!(%error, "it cannot be written when keys were used; it is tried again");
            self.undo(uses);
        }
    }

    /// See [`KeyRing::write_uses`](super::key_ring::KeyRing::write_uses).
    pub(super) async fn write(&self, store: &dyn Store, clock: &dyn Clock, stopping: &CancellationToken) {
        loop {
            tokio::select! {
                biased;
                () = stopping.cancelled() => break,
                () = tokio::time::sleep(LOOK_EVERY) => self.flush(store, clock.monotonic(), false).await,
            }
        }
        self.flush(store, clock.monotonic(), true).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn at(second: i64) -> Timestamp {
        Timestamp::from_timestamp(second, 0).unwrap()
    }

    #[test]
    fn a_key_is_written_once_a_minute() {
        let (uses, key) = (KeyUses::default(), Uuid::from_u128(1));
        let mut now = Duration::from_hours(1);
        assert_eq!(uses.due(now, false), []);
        uses.note(key, at(1));
        uses.note(key, at(2));
        assert_eq!(uses.due(now, false), [(key, at(2))]);
        assert_eq!(uses.due(now, false), [], "it is written");
        now += 30 * SECOND;
        uses.note(key, at(3));
        assert_eq!(uses.due(now, false), [], "not so soon again");
        uses.note(Uuid::from_u128(2), at(4));
        assert_eq!(uses.due(now, false), [(Uuid::from_u128(2), at(4))], "another key has a minute of its own");
        now += 30 * SECOND;
        assert_eq!(uses.due(now, false), [(key, at(3))]);
        uses.note(key, at(5));
        assert_eq!(uses.due(now, true), [(key, at(5))], "at the end nothing waits");
    }

    #[test]
    fn what_could_not_be_written_is_written_later() {
        let (uses, key) = (KeyUses::default(), Uuid::from_u128(1));
        uses.note(key, at(1));
        let failed = uses.due(SECOND, false);
        uses.note(key, at(2));
        uses.undo(failed);
        assert_eq!(uses.due(SECOND, false), [(key, at(2))]);
    }

    #[test]
    fn keys_that_rest_are_forgotten() {
        let uses = KeyUses::default();
        for key in 0..100 {
            uses.note(Uuid::from_u128(key), at(1));
        }
        assert_eq!(uses.due(SECOND, false).len(), 100);
        assert_eq!(uses.due(SECOND + WRITE_EVERY, false), []);
        assert!(uses.noted().is_empty());
    }
}
