//! The record of all pushes: the newest kept whole, all of them counted.
//!
//! A push takes one short lock here and up to two in the [`Memory`]; everything that costs time
//! (copying, hashing, freeing what was pushed out) happens outside of them.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;

use super::arrivals::{Arrivals, View as ArrivalsView};
use super::memory::{Key, Memory};
use super::record::{Push, Record, Source};

/// Bytes that a kept push may have on average; most have less than half.
const KEPT_BYTES_EACH: usize = 2048;
/// Bytes that may always be kept, however few pushes are.
const MIN_KEPT_BYTES: usize = 1024 * 1024;

/// A push to write down.
pub(super) struct Booking {
    pub(super) record: Record,
    /// Set for an accepted push.
    pub(super) accepted: Option<Key>,
}

/// All pushes so far.
#[derive(Debug)]
pub(super) struct Book {
    memory: Memory,
    pages: Mutex<Pages>,
    kept: usize,
    kept_bytes: usize,
    received: AtomicU64,
    oauth_tokens: AtomicU64,
    connections: AtomicU64,
}

#[derive(Debug, Default)]
struct Pages {
    newest: VecDeque<Arc<Record>>,
    /// Bytes of `newest`.
    bytes: usize,
    accepted: u64,
    by_status: BTreeMap<u16, u64>,
    arrivals: Arrivals,
}

/// The counters of `GET /simulator/stats`.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Stats {
    /// Pushes that arrived whole, refused ones too and those that wait for their answer; not those cut off by a `goaway` or a reset.
    pub received: u64,
    /// Pushes that were answered with success, or booked and never answered.
    pub accepted: u64,
    /// Distinct (provider, token) with an accepted push.
    pub devices: u64,
    /// Accepted pushes whose (provider, token, `herald_id`) had been accepted before.
    pub repeats: u64,
    /// Answers by their status.
    pub by_status: BTreeMap<u16, u64>,
    /// Access tokens handed out since the start.
    pub oauth_tokens: u64,
    /// TLS connections made since the start, to all listeners.
    pub connections: u64,
}

impl Book {
    /// Keeps the newest `kept` pushes whole, and remembers `remembered` accepted ones.
    pub(super) fn new(kept: usize, remembered: usize) -> Self {
        Self {
            memory: Memory::new(remembered),
            pages: Mutex::default(),
            kept,
            kept_bytes: kept.saturating_mul(KEPT_BYTES_EACH).max(MIN_KEPT_BYTES),
            received: AtomicU64::new(0),
            oauth_tokens: AtomicU64::new(0),
            connections: AtomicU64::new(0),
        }
    }

    /// The booking of an accepted push; `is_device` is false for topics and conditions.
    pub(super) fn accepted(&self, record: Record, (source, token): (Source, &str), herald_id: &str, is_device: bool) -> Booking {
        Booking { record, accepted: Some(self.memory.key(source, token, herald_id, is_device)) }
    }

    /// A number for a (provider, token) that is the same while this book lives.
    pub(super) fn number(&self, source: Source, token: &str) -> u64 {
        self.memory.number(source, token)
    }

    /// Counts a push when it has been read, before the wait that a behaviour may ask for.
    pub(super) fn count_received(&self) {
        self.received.fetch_add(1, Ordering::Relaxed);
    }

    /// Writes a push down.
    pub(super) fn enter(&self, booking: Booking) {
        if let Some(key) = booking.accepted {
            self.memory.accept(key);
        }
        let (status, source, received_ms) = (booking.record.status(), booking.record.source(), booking.record.received_ms());
        let record = Arc::new(booking.record);
        let mut pushed_out = Vec::new();
        {
            let mut pages = self.pages();
            pages.accepted += u64::from(booking.accepted.is_some());
            pages.arrivals.count(source, received_ms);
            if let Some(status) = status {
                *pages.by_status.entry(status).or_default() += 1;
            }
            pages.bytes += record.size();
            pages.newest.push_back(record);
            while pages.newest.len() > self.kept || pages.bytes > self.kept_bytes {
                let Some(oldest) = pages.newest.pop_front() else {
                    break;
                };
                pages.bytes -= oldest.size();
                pushed_out.push(oldest);
            }
        }
        drop(pushed_out);
    }

    /// Counts an access token.
    pub(super) fn count_oauth_token(&self) {
        self.oauth_tokens.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a connection.
    pub(super) fn count_connection(&self) {
        self.connections.fetch_add(1, Ordering::Relaxed);
    }

    /// The pushes still held whole, oldest first: those for one token, or all.
    pub(super) fn pushes(&self, token: Option<&str>) -> Vec<Push> {
        let mut records: Vec<Arc<Record>> = {
            let pages = self.pages();
            pages.newest.iter().filter(|record| token.is_none_or(|token| record.token() == token.as_bytes())).map(Arc::clone).collect()
        };
        // a delayed push is booked when it is answered, maybe after a younger one
        records.sort_by_key(|record| record.received_ms());
        records.iter().map(|record| record.view()).collect()
    }

    /// When pushes had been read; one that is delayed is told once it is answered.
    pub(super) fn arrivals(&self) -> ArrivalsView {
        self.pages().arrivals.view()
    }

    /// The counters.
    pub(super) fn stats(&self) -> Stats {
        let (devices, repeats) = self.memory.counts();
        let pages = self.pages();
        Stats {
            received: self.received.load(Ordering::Relaxed),
            accepted: pages.accepted,
            devices,
            repeats,
            by_status: pages.by_status.clone(),
            oauth_tokens: self.oauth_tokens.load(Ordering::Relaxed),
            connections: self.connections.load(Ordering::Relaxed),
        }
    }

    /// Forgets all pushes; what is no push (tokens handed out, connections) stays counted.
    pub(super) fn forget(&self) {
        let forgotten = std::mem::take(&mut *self.pages());
        drop(forgotten);
        self.received.store(0, Ordering::Relaxed);
        self.memory.forget();
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::HeaderMap;

    use super::*;

    fn record(token: &str, at_ms: i64, status: u16) -> Record {
        Record::new(Source::Fcm, token, &HeaderMap::new(), &Bytes::new()).received(at_ms).answered(status)
    }

    fn accept(book: &Book, token: &str, at_ms: i64, id: &str) {
        book.count_received();
        let booking = book.accepted(record(token, at_ms, 200), (Source::Fcm, token), id, true);
        book.enter(booking);
    }

    fn refuse(book: &Book, token: &str, at_ms: i64, status: u16) {
        book.count_received();
        book.enter(Booking { record: record(token, at_ms, status), accepted: None });
    }

    #[test]
    fn pushes_are_shown_oldest_first_and_counted() {
        let book = Book::new(10, 100);
        accept(&book, "a", 2, "1");
        accept(&book, "a", 1, "2");
        refuse(&book, "a", 3, 410);
        accept(&book, "b", 4, "1");
        accept(&book, "b", 5, "1");
        let statuses: Vec<_> = book.pushes(Some("a")).iter().map(|p| p.status).collect();
        assert_eq!(statuses, [Some(200), Some(200), Some(410)]);
        assert!(book.pushes(Some("a"))[0].received_at.contains(".001Z"));
        assert_eq!(book.pushes(None).len(), 5);
        assert_eq!(
            book.stats(),
            Stats { received: 5, accepted: 4, devices: 2, repeats: 1, by_status: BTreeMap::from([(200, 4), (410, 1)]), ..Stats::default() }
        );
    }

    #[test]
    fn only_the_newest_are_kept_but_all_are_counted() {
        let book = Book::new(3, 100);
        for at in 0..10 {
            accept(&book, "a", at, &at.to_string());
        }
        assert_eq!(book.pushes(Some("a")).len(), 3);
        assert_eq!(book.stats().accepted, 10);
    }

    #[test]
    fn large_pushes_are_kept_in_bounds() {
        let book = Book::new(20, 100);
        let body = Bytes::from(vec![b' '; 100_000]);
        for at in 0..15 {
            let record = Record::new(Source::Fcm, "a", &HeaderMap::new(), &body).received(at);
            book.enter(Booking { record, accepted: None });
        }
        assert_eq!(book.pushes(Some("a")).len(), 10);
    }

    #[test]
    fn forgetting_leaves_what_is_no_push() {
        let book = Book::new(3, 100);
        accept(&book, "a", 1, "1");
        book.count_oauth_token();
        book.count_connection();
        book.forget();
        assert!(book.pushes(None).is_empty());
        let stats = book.stats();
        assert_eq!((stats.received, stats.devices), (0, 0));
        assert_eq!((stats.oauth_tokens, stats.connections), (1, 1));
    }
}
