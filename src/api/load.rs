//! How much is taken on at once: requests by their number, bodies and answers by their bytes. Beyond it callers are told to come again,
//! before memory grows.
//!
//! What a request holds at most is its body and what is read out of it, a few times as much; then its answer. Bodies and answers together
//! stay within [`Load::max_bytes`], apart from answers that were begun before it was reached.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;

use super::problem::{Code, Problem};

/// What a node has taken on.
#[derive(Debug)]
pub(super) struct Load {
    requests: AtomicUsize,
    bytes: AtomicUsize,
    max_requests: usize,
    max_bytes: usize,
}

impl Load {
    pub(super) fn new(max_requests: usize, max_bytes: usize) -> Self {
        Self { requests: AtomicUsize::new(0), bytes: AtomicUsize::new(0), max_requests, max_bytes }
    }

    /// Takes a request on, until its permit and all clones are dropped.
    pub(super) fn begin(self: &Arc<Self>) -> Result<Permit, Problem> {
        take(&self.requests, 1, self.max_requests)?;
        Ok(Permit(Arc::new(UnderWay { load: Arc::clone(self) })))
    }

    /// Makes room for so many bytes, until what is answered is dropped.
    pub(super) fn hold(self: &Arc<Self>, bytes: usize) -> Result<Held, Problem> {
        let mut held = Held { load: Arc::clone(self), bytes: 0 };
        held.grow(bytes)?;
        Ok(held)
    }
}

fn take(of: &AtomicUsize, more: usize, most: usize) -> Result<(), Problem> {
    let room = |taken: usize| taken.checked_add(more).filter(|taken| *taken <= most);
    let taken = of.fetch_update(Ordering::Relaxed, Ordering::Relaxed, room);
    taken.map(drop).map_err(|_| overloaded())
}

/// 503: too much is under way already.
pub(super) fn overloaded() -> Problem {
    metrics::counter!("herald_requests_shed_total").increment(1);
    Problem::new(Code::Overloaded, "too much is under way; try again")
}

/// A request that was taken on. Clones are the same request.
#[derive(Clone, Debug)]
pub(super) struct Permit(Arc<UnderWay>);

impl Permit {
    /// Counts so many bytes of its answer, whether there is room or not: they are there already.
    pub(super) fn answers(&self, bytes: usize) -> Held {
        let load = Arc::clone(&self.0.load);
        load.bytes.fetch_add(bytes, Ordering::Relaxed);
        Held { load, bytes }
    }
}

#[derive(Debug)]
struct UnderWay {
    load: Arc<Load>,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.load.requests.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Room that is taken.
#[derive(Debug)]
pub(super) struct Held {
    load: Arc<Load>,
    bytes: usize,
}

impl Held {
    /// Takes room for so many more.
    pub(super) fn grow(&mut self, more: usize) -> Result<(), Problem> {
        take(&self.load.bytes, more, self.load.max_bytes)?;
        self.bytes += more;
        Ok(())
    }

    /// Bytes that hold this room as long as there is a piece of them.
    pub(super) fn keep(self, bytes: Bytes) -> Bytes {
        if bytes.is_empty() { bytes } else { Bytes::from_owner(Kept { bytes, _held: self }) }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.load.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

struct Kept {
    bytes: Bytes,
    _held: Held,
}

impl AsRef<[u8]> for Kept {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load() -> Arc<Load> {
        Arc::new(Load::new(2, 100))
    }

    #[test]
    fn requests_are_bounded_by_their_number() {
        let load = load();
        let (first, _second) = (load.begin().unwrap(), load.begin().unwrap());
        assert_eq!(load.begin().unwrap_err().code(), Code::Overloaded);
        let clone = first.clone();
        drop(first);
        assert!(load.begin().is_err(), "a clone is the same request");
        drop(clone);
        assert!(load.begin().is_ok());
    }

    #[test]
    fn bodies_hold_room_while_a_piece_of_them_lives() {
        let load = load();
        let mut held = load.hold(60).unwrap();
        assert_eq!(held.grow(41).unwrap_err().code(), Code::Overloaded);
        held.grow(40).unwrap();
        let piece = held.keep(Bytes::from(vec![7; 100])).slice(10..20);
        assert_eq!(load.hold(1).unwrap_err().code(), Code::Overloaded);
        assert_eq!(&piece[..], &[7; 10]);
        drop(piece);
        assert!(load.hold(100).is_ok());
        drop(load.hold(5).unwrap().keep(Bytes::new()));
        assert!(load.hold(100).is_ok(), "nothing holds nothing");
    }

    #[test]
    fn answers_take_room_from_those_who_come() {
        let load = load();
        let permit = load.begin().unwrap();
        let answer = permit.answers(150).keep(Bytes::from_static(b"answer"));
        assert!(load.hold(1).is_err());
        drop(answer);
        assert!(load.hold(100).is_ok());
    }
}
