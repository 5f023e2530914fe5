//! How much is taken on at once: requests by their number, bodies and answers by their bytes. Beyond it callers are told to come again,
//! before memory grows.
//!
//! What a request holds at most is its body and what is read out of it, a few times as much; then its answer. Bodies and answers together
//! stay within [`Load::max_bytes`], apart from answers that were begun before it was reached.
//!
//! No caller takes all that there is: one [`network`] has a part of either. An attacker with one address then sheds himself, and nobody else.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::Extensions;
use parking_lot::Mutex;

use super::peer::network;
use super::problem::{Code, Problem};

/// One network has one in so many of the requests.
const REQUESTS_PART: usize = 4;
/// And of the bytes; more, so that the largest body has room where there is little.
const BYTES_PART: usize = 2;

/// What a node has taken on.
#[derive(Debug)]
pub(super) struct Load {
    taken: Mutex<Taken>,
    max_requests: usize,
    max_bytes: usize,
}

/// Requests that have a place, and the bytes of bodies and of answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Share {
    requests: usize,
    bodies: usize,
    answers: usize,
}

impl Share {
    fn bytes(self) -> usize {
        self.bodies.saturating_add(self.answers)
    }
}

/// What is taken of all, and by each network that has any.
#[derive(Debug, Default)]
struct Taken {
    all: Share,
    by_network: HashMap<IpAddr, Share>,
}

impl Taken {
    fn of(&self, network: IpAddr) -> Share {
        self.by_network.get(&network).copied().unwrap_or_default()
    }

    fn add(&mut self, network: IpAddr, more: Share) {
        for share in [&mut self.all, self.by_network.entry(network).or_default()] {
            share.requests += more.requests;
            share.bodies += more.bodies;
            share.answers += more.answers;
        }
    }

    fn remove(&mut self, network: IpAddr, less: Share) {
        let own = self.by_network.entry(network).or_default();
        for share in [&mut self.all, &mut *own] {
            share.requests -= less.requests;
            share.bodies -= less.bodies;
            share.answers -= less.answers;
        }
        if *own == Share::default() {
            self.by_network.remove(&network);
        }
    }
}

impl Load {
    pub(super) fn new(max_requests: usize, max_bytes: usize) -> Self {
        Self { taken: Mutex::default(), max_requests, max_bytes }
    }

    /// Takes a request of this caller on, until its permit and all clones are dropped.
    pub(super) fn begin(self: &Arc<Self>, caller: IpAddr) -> Result<Permit, Problem> {
        let network = network(caller);
        let mut taken = self.taken.lock();
        let own = taken.of(network);
        // a body is refused where there is no room for it; an answer cannot be, once it is there
        if own.requests >= part(self.max_requests, REQUESTS_PART) || own.answers >= part(self.max_bytes, BYTES_PART) {
            return Err(too_much_of_one());
        }
        if taken.all.requests >= self.max_requests {
            return Err(overloaded());
        }
        let place = Share { requests: 1, ..Share::default() };
        taken.add(network, place);
        let place = Held { load: Arc::clone(self), network, share: place };
        Ok(Permit { load: Arc::clone(self), network, _place: Some(Arc::new(place)) })
    }
}

fn part(most: usize, part: usize) -> usize {
    (most / part).max(1)
}

/// 503: too much is under way already.
pub(super) fn overloaded() -> Problem {
    shed("too much is under way; try again")
}

fn too_much_of_one() -> Problem {
    shed("too much is under way from this address; try again")
}

fn shed(why: &'static str) -> Problem {
    metrics::counter!("herald_requests_shed_total").increment(1);
    Problem::new(Code::Overloaded, why)
}

/// A request that was taken on. Clones are the same request.
#[derive(Clone, Debug)]
pub(super) struct Permit {
    load: Arc<Load>,
    network: IpAddr,
    _place: Option<Arc<Held>>,
}

impl Permit {
    /// That of a request that is handled. Each has one, or is for nothing that has a body.
    pub(super) fn of(extensions: &Extensions) -> Result<Self, Problem> {
        extensions.get::<Self>().cloned().ok_or_else(overloaded)
    }

    /// The same for its bytes alone: it keeps no place.
    #[must_use]
    pub(super) fn without_place(self) -> Self {
        Self { _place: None, ..self }
    }

    /// Makes room for so many bytes of its body, until what is answered is dropped.
    pub(super) fn hold(&self, bytes: usize) -> Result<Held, Problem> {
        let mut held = self.held(Share::default());
        held.grow(bytes)?;
        Ok(held)
    }

    /// Counts so many bytes of its answer, whether there is room or not: they are there already.
    pub(super) fn answers(&self, bytes: usize) -> Held {
        let answer = Share { answers: bytes, ..Share::default() };
        self.load.taken.lock().add(self.network, answer);
        self.held(answer)
    }

    fn held(&self, share: Share) -> Held {
        Held { load: Arc::clone(&self.load), network: self.network, share }
    }
}

/// What is taken, until it is dropped.
#[derive(Debug)]
pub(super) struct Held {
    load: Arc<Load>,
    network: IpAddr,
    share: Share,
}

impl Held {
    /// Takes room for so many more bytes of a body.
    pub(super) fn grow(&mut self, more: usize) -> Result<(), Problem> {
        let mut taken = self.load.taken.lock();
        if taken.all.bytes().saturating_add(more) > self.load.max_bytes {
            return Err(overloaded());
        }
        if taken.of(self.network).bytes().saturating_add(more) > part(self.load.max_bytes, BYTES_PART) {
            return Err(too_much_of_one());
        }
        taken.add(self.network, Share { bodies: more, ..Share::default() });
        self.share.bodies += more;
        Ok(())
    }

    /// Bytes that hold this room as long as there is a piece of them.
    pub(super) fn keep(self, bytes: Bytes) -> Bytes {
        if bytes.is_empty() { bytes } else { Bytes::from_owner(Kept { bytes, _held: self }) }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.load.taken.lock().remove(self.network, self.share);
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

    fn of(last: u8) -> IpAddr {
        [192, 0, 2, last].into()
    }

    /// What is held is given back, and nobody is kept who has nothing.
    fn is_empty(load: &Load) -> bool {
        let taken = load.taken.lock();
        taken.all == Share::default() && taken.by_network.is_empty()
    }

    #[test]
    fn requests_are_bounded_by_their_number() {
        let load = load();
        let (first, _second) = (load.begin(of(1)).unwrap(), load.begin(of(2)).unwrap());
        assert_eq!(load.begin(of(3)).unwrap_err().code(), Code::Overloaded);
        let clone = first.clone();
        drop(first);
        assert!(load.begin(of(3)).is_err(), "a clone is the same request");
        drop(clone);
        assert!(load.begin(of(3)).is_ok());
    }

    #[test]
    fn a_network_has_a_quarter_of_the_requests_and_one_at_least() {
        for (most, part) in [(100, 25), (11, 2), (3, 1)] {
            let load = Arc::new(Load::new(most, 100));
            let host = |host: u16| IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, host]);
            let mut held: Vec<Permit> = (0..u16::MAX).map_while(|number| load.begin(host(number)).ok()).collect();
            assert_eq!(held.len(), part, "of {most}");
            held.push(load.begin(of(1)).unwrap());
            drop(held.remove(0));
            held.push(load.begin(host(7)).unwrap());
            assert_eq!(load.begin(host(8)).unwrap_err().code(), Code::Overloaded);
            drop(held);
            assert!(is_empty(&load));
        }
    }

    #[test]
    fn an_answer_without_a_place_counts_by_its_bytes() {
        let load = Arc::new(Load::new(1, 100));
        let permit = load.begin(of(1)).unwrap().without_place();
        let next = load.begin(of(1)).unwrap();
        let answer = permit.answers(49);
        assert!(next.hold(2).is_err());
        drop((permit, next));
        assert_eq!(load.taken.lock().all, Share { answers: 49, ..Share::default() });
        drop(answer);
        assert!(is_empty(&load));
    }

    #[test]
    fn bodies_hold_room_while_a_piece_of_them_lives() {
        let load = load();
        let (permit, other) = (load.begin(of(1)).unwrap(), load.begin(of(2)).unwrap());
        let mut held = permit.hold(30).unwrap();
        assert_eq!(held.grow(21).unwrap_err().code(), Code::Overloaded, "half of it is others'");
        held.grow(20).unwrap();
        let piece = held.keep(Bytes::from(vec![7; 50])).slice(10..20);
        assert_eq!(permit.hold(1).unwrap_err().code(), Code::Overloaded);
        let theirs = other.hold(50).unwrap();
        assert_eq!(&piece[..], &[7; 10]);
        drop((piece, theirs));
        assert!(permit.hold(50).is_ok());
        drop(permit.hold(5).unwrap().keep(Bytes::new()));
        assert!(permit.hold(50).is_ok(), "nothing holds nothing");
        drop((permit, other));
        assert!(is_empty(&load));
    }

    #[test]
    fn answers_take_room_from_those_who_come() {
        let load = load();
        let (permit, other) = (load.begin(of(1)).unwrap(), load.begin(of(2)).unwrap());
        let answer = permit.answers(150).keep(Bytes::from_static(b"answer"));
        assert!(other.hold(1).is_err());
        drop((permit, other));
        assert_eq!(load.begin(of(1)).unwrap_err().code(), Code::Overloaded, "who takes nothing is told no more");
        assert!(load.begin(of(2)).is_ok());
        drop(answer);
        assert!(load.begin(of(1)).unwrap().hold(50).is_ok());
    }
}
