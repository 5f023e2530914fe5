//! One connection: what is under way on it, since when it is idle, and what its peer has not taken.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::STREAM_WINDOW;

/// A peer must take a piece of an answer at this pace, in bytes a millisecond, once [`Timeouts::write`] is over.
const TAKEN_PER_MS: u64 = 16;
/// HTTP/2: what a connection may read beside bodies, and for each request, in bytes. More are frames that only keep us busy (CVE-2019-9512, -9515).
const IDLE_TALK: u64 = 1024 * 1024;
const TALK: u64 = STREAM_WINDOW as u64 + 32 * 1024;
/// Small frames: a body may have so many times its length around it.
const FRAMING: u64 = 4;
/// HTTP/2: requests that the peer took back before they were answered, at most, where they are most of its requests (CVE-2023-44487).
const TAKEN_BACK: u64 = 200;

/// How long a peer may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timeouts {
    /// For the head of a request.
    pub(super) head: Duration,
    /// Without a request.
    pub(super) idle: Duration,
    /// To take a piece of an answer, beside what its length needs.
    pub(super) write: Duration,
}

/// What is known of a connection. Instants are milliseconds since its node's connections began, from 1; 0 stands for none.
#[derive(Debug)]
pub(super) struct Link {
    /// What it counts for.
    pub(super) network: IpAddr,
    epoch: Instant,
    cut: CancellationToken,
    is_http2: AtomicBool,
    under_way: AtomicUsize,
    idle_since: AtomicU64,
    head_since: AtomicU64,
    begun: AtomicU64,
    taken_back: AtomicU64,
    read: AtomicU64,
    delivered: AtomicU64,
    owed: Mutex<Owed>,
}

/// By when each piece of an answer must have been taken.
#[derive(Debug, Default)]
struct Owed {
    last: u64,
    pieces: BTreeMap<u64, u64>,
}

impl Link {
    /// One that begins now, counted from `epoch`.
    pub(super) fn new(network: IpAddr, epoch: Instant) -> Self {
        let now = since(epoch);
        Self {
            network,
            epoch,
            cut: CancellationToken::new(),
            is_http2: AtomicBool::new(false),
            under_way: AtomicUsize::new(0),
            idle_since: AtomicU64::new(now),
            head_since: AtomicU64::new(now),
            begun: AtomicU64::new(0),
            taken_back: AtomicU64::new(0),
            read: AtomicU64::new(0),
            delivered: AtomicU64::new(0),
            owed: Mutex::default(),
        }
    }

    /// It speaks HTTP/2.
    pub(super) fn is_of_http2(&self) {
        self.is_http2.store(true, Ordering::Relaxed);
    }

    /// Bytes came. Those of HTTP/1 that come while nothing is under way begin a head.
    pub(super) fn reads(&self, bytes: usize) {
        self.read.fetch_add(bytes as u64, Ordering::Relaxed);
        if !self.is_http2.load(Ordering::Relaxed) && self.idle_since().is_some() {
            let now = since(self.epoch);
            // the first of them counts
            _ = self.head_since.compare_exchange(0, now, Ordering::Relaxed, Ordering::Relaxed);
        }
    }

    /// Bytes of a body were handed over.
    pub(super) fn delivers(&self, bytes: usize) {
        self.delivered.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// A request begins.
    pub(super) fn begin(self: &Arc<Self>) -> Running {
        self.under_way.fetch_add(1, Ordering::Relaxed);
        self.begun.fetch_add(1, Ordering::Relaxed);
        self.idle_since.store(0, Ordering::Relaxed);
        self.head_since.store(0, Ordering::Relaxed);
        Running { link: Arc::clone(self), is_answered: AtomicBool::new(false) }
    }

    /// A piece of an answer is handed over to be sent, until the result is dropped.
    pub(super) fn owe(self: &Arc<Self>, bytes: usize, timeouts: Timeouts) -> Piece {
        let due = since(self.epoch) + millis(timeouts.write) + bytes as u64 / TAKEN_PER_MS;
        let mut owed = self.owed.lock();
        owed.last += 1;
        let number = owed.last;
        owed.pieces.insert(number, due);
        Piece { link: Arc::clone(self), number }
    }

    /// Since when no request is under way.
    pub(super) fn idle_since(&self) -> Option<u64> {
        Some(self.idle_since.load(Ordering::Relaxed)).filter(|since| *since != 0)
    }

    /// Why the connection must end, if it must.
    pub(super) fn fault(&self, timeouts: Timeouts) -> Option<&'static str> {
        let now = since(self.epoch);
        let is_over = |since: u64, time: Duration| since != 0 && now > since + millis(time);
        if is_over(self.head_since.load(Ordering::Relaxed), timeouts.head) {
            Some("the head of a request did not come in time")
        } else if self.idle_since().is_some_and(|since| is_over(since, timeouts.idle)) {
            Some("it was idle for too long")
        } else if self.owed.lock().pieces.values().any(|due| now > *due) {
            Some("the answer was not taken in time")
        } else {
            self.misuse()
        }
    }

    fn misuse(&self) -> Option<&'static str> {
        let get = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let begun = get(&self.begun);
        let allowed = IDLE_TALK.saturating_add(TALK.saturating_mul(begun)).saturating_add(FRAMING.saturating_mul(get(&self.delivered)));
        if !self.is_http2.load(Ordering::Relaxed) {
            None
        } else if get(&self.read) > allowed {
            Some("it sent frames without need")
        } else if get(&self.taken_back) > TAKEN_BACK && get(&self.taken_back) * 2 > begun {
            Some("it took back most of its requests")
        } else {
            None
        }
    }

    /// Ends it at once.
    pub(super) fn cut(&self) {
        self.cut.cancel();
    }

    /// Waits until it is to end at once.
    pub(super) async fn is_cut(&self) {
        self.cut.cancelled().await;
    }
}

/// Milliseconds since then, from 1.
pub(super) fn since(epoch: Instant) -> u64 {
    millis(epoch.elapsed()) + 1
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX / 2)
}

/// A request that is under way on a connection, until its answer is taken.
#[derive(Debug)]
pub(super) struct Running {
    link: Arc<Link>,
    is_answered: AtomicBool,
}

impl Running {
    /// Its answer has begun.
    pub(super) fn answers(&self) {
        self.is_answered.store(true, Ordering::Relaxed);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.is_answered.load(Ordering::Relaxed) {
            let taken_back = self.link.taken_back.fetch_add(1, Ordering::Relaxed);
            if taken_back >= TAKEN_BACK && self.link.misuse().is_some() {
                self.link.cut();
            }
        }
        if self.link.under_way.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.link.idle_since.store(since(self.link.epoch), Ordering::Relaxed);
        }
    }
}

/// A piece of an answer that was handed over.
#[derive(Debug)]
pub(super) struct Piece {
    link: Arc<Link>,
    number: u64,
}

impl Drop for Piece {
    fn drop(&mut self) {
        self.link.owed.lock().pieces.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const TIMEOUTS: Timeouts = Timeouts { head: Duration::from_secs(15), idle: Duration::from_secs(75), write: Duration::from_secs(30) };

    fn link() -> Arc<Link> {
        Arc::new(Link::new([192, 0, 2, 1].into(), Instant::now()))
    }

    async fn seconds(seconds: u64) {
        advance(Duration::from_secs(seconds)).await;
    }

    fn fault(link: &Link) -> &'static str {
        link.fault(TIMEOUTS).unwrap_or_default()
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_and_a_request_come_in_time_or_the_connection_ends() {
        let link = link();
        seconds(14).await;
        assert_eq!(fault(&link), "");
        drop(link.begin());
        seconds(60).await;
        assert_eq!(fault(&link), "", "it is idle");
        link.reads(1);
        seconds(10).await;
        link.reads(1);
        assert_eq!(fault(&link), "");
        seconds(6).await;
        assert_eq!(fault(&link), "the head of a request did not come in time", "a second byte gives no more time");
        let running = link.begin();
        link.reads(1);
        seconds(600).await;
        assert_eq!(fault(&link), "", "what is under way has other limits");
        running.answers();
        drop(running);
        seconds(76).await;
        assert_eq!(fault(&link), "it was idle for too long");
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_must_be_taken() {
        let link = link();
        let running = link.begin();
        let (small, large) = (link.owe(1000, TIMEOUTS), link.owe(1_600_000, TIMEOUTS));
        seconds(30).await;
        assert_eq!(fault(&link), "");
        drop(small);
        seconds(99).await;
        assert_eq!(fault(&link), "", "much takes longer");
        seconds(2).await;
        assert_eq!(fault(&link), "the answer was not taken in time");
        drop(large);
        assert_eq!(fault(&link), "");
        drop(running);
    }

    #[tokio::test(start_paused = true)]
    async fn frames_without_need_end_http2() {
        let link = link();
        let running = link.begin();
        link.reads(50_000_000);
        assert_eq!(fault(&link), "", "HTTP/1 has nothing like it");
        link.is_of_http2();
        assert_eq!(fault(&link), "it sent frames without need");
        link.delivers(49_000_000);
        assert_eq!(fault(&link), "", "it was a body");
        drop(running);
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_most_requests_back_is_cut() {
        let link = link();
        link.is_of_http2();
        for _ in 0..300 {
            link.begin().answers();
        }
        for _ in 0..300 {
            drop(link.begin());
        }
        assert_eq!(fault(&link), "", "half of them");
        drop(link.begin());
        assert_eq!(fault(&link), "it took back most of its requests");
        link.is_cut().await;
    }
}
