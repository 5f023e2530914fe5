//! What a pool knows: its connections, how busy each is, and who waits for a stream. No I/O.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::backoff::Backoff;
use super::connection::{Connection, Way};
use super::error::Error;
use super::pool::Limits;
use super::shared::{Shared, Slot};

/// While a connection is being made, this many waiting requests are hoped to fit it; more open another.
const HOPED_FOR: usize = 100;
/// With this many streams on each connection another is opened, peer's limit or not.
const BUSY: usize = 250;

/// What a request wants of its connection.
#[derive(Clone, Copy, Debug, Default)]
pub struct Want {
    /// Another than this one, which just refused it.
    pub(super) not: Option<u64>,
    /// One that was opened after this.
    pub(super) opened_after: Option<Instant>,
}

impl Want {
    /// Any connection.
    pub fn any() -> Self {
        Self::default()
    }

    /// A connection opened after `instant`; one is made if there is none.
    pub fn opened_after(instant: Instant) -> Self {
        Self { not: None, opened_after: Some(instant) }
    }

    fn is_any(&self) -> bool {
        self.not.is_none() && self.opened_after.is_none()
    }

    fn fits(&self, entry: &Entry) -> bool {
        self.not != Some(entry.connection.mark.id) && self.opened_after.is_none_or(|instant| entry.connection.mark.opened_at > instant)
    }
}

pub(super) struct State {
    limits: Limits,
    entries: Vec<Entry>,
    /// Who takes any connection, in their order.
    waiting: VecDeque<Waiter>,
    /// Who wants a certain kind: repeats, few, served first.
    choosy: VecDeque<Waiter>,
    connecting: usize,
    next_id: u64,
    closed: bool,
    pub(super) backoff: Backoff,
}

struct Entry {
    connection: Arc<Connection>,
    under_way: usize,
    allowed: usize,
}

impl Entry {
    fn has_room(&self) -> bool {
        self.under_way < self.allowed
    }
}

struct Waiter {
    want: Want,
    give: oneshot::Sender<Result<Slot, Error>>,
}

impl State {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            entries: Vec::with_capacity(limits.connections + 1),
            waiting: VecDeque::new(),
            choosy: VecDeque::new(),
            connecting: 0,
            next_id: 0,
            closed: false,
            backoff: Backoff::default(),
        }
    }

    /// A stream at once, unless others wait already.
    pub(super) fn take(&mut self, want: Want) -> Option<Arc<Connection>> {
        if self.is_wanted() { None } else { self.pick(want) }
    }

    fn is_wanted(&self) -> bool {
        !self.waiting.is_empty() || !self.choosy.is_empty()
    }

    fn pick(&mut self, want: Want) -> Option<Arc<Connection>> {
        let freest = self.entries.iter_mut().filter(|entry| entry.has_room() && want.fits(entry)).min_by_key(|entry| entry.under_way)?;
        freest.under_way += 1;
        Some(Arc::clone(&freest.connection))
    }

    /// Why a request cannot even wait.
    pub(super) fn refusal(&self, now: Instant) -> Option<Error> {
        if self.closed {
            return Some(Error::ShuttingDown);
        }
        if !self.entries.is_empty() || self.connecting > 0 {
            return None;
        }
        self.backoff.left(now).map(|(left, cause)| Error::BackingOff { left, cause })
    }

    /// What a request lacked that could not be started in time.
    pub(super) fn lack(&self) -> Error {
        if self.entries.is_empty() {
            return Error::NoConnection;
        }
        // a peer may allow no stream at all (RFC 9113, 6.5.2)
        if self.entries.iter().any(|entry| entry.allowed > 0) { Error::NoStream } else { Error::Refused }
    }

    pub(super) fn wait(&mut self, want: Want) -> oneshot::Receiver<Result<Slot, Error>> {
        let (give, receive) = oneshot::channel();
        let queue = if want.is_any() { &mut self.waiting } else { &mut self.choosy };
        if queue.len() == queue.capacity() {
            // before the queue grows, those who have given up leave it
            queue.retain(|waiter| !waiter.give.is_closed());
        }
        queue.push_back(Waiter { want, give });
        receive
    }

    /// A stream ended. True if somebody waits for it.
    pub(super) fn release(&mut self, id: u64) -> bool {
        if let Some(entry) = self.entry(id) {
            entry.under_way = entry.under_way.saturating_sub(1);
        }
        self.is_wanted()
    }

    pub(super) fn under_way(&mut self, id: u64) -> usize {
        self.entry(id).map_or(0, |entry| entry.under_way)
    }

    #[cfg(test)]
    pub(super) fn all_under_way(&self) -> usize {
        self.entries.iter().map(|entry| entry.under_way).sum()
    }

    /// The peer's SETTINGS changed.
    pub(super) fn allow(&mut self, id: u64, streams: usize) {
        let allowed = streams.min(self.limits.streams);
        if let Some(entry) = self.entry(id) {
            entry.allowed = allowed;
        }
    }

    pub(super) fn next_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    /// A connection came about.
    pub(super) fn opened(&mut self, connection: Arc<Connection>, streams: usize) {
        self.connecting = self.connecting.saturating_sub(1);
        if !self.closed {
            self.entries.push(Entry { connection, under_way: 0, allowed: streams.min(self.limits.streams) });
        }
    }

    /// A connection did not come about.
    pub(super) fn not_opened(&mut self) {
        self.connecting = self.connecting.saturating_sub(1);
    }

    /// Takes a connection out: what is under way on it goes on, nothing new comes.
    pub(super) fn remove(&mut self, id: u64) -> Option<Arc<Connection>> {
        let place = self.entries.iter().position(|entry| entry.connection.mark.id == id)?;
        Some(self.entries.swap_remove(place).connection)
    }

    /// Nothing new is taken any more. Returns the handles, to be dropped outside the lock.
    pub(super) fn close(&mut self) -> Vec<Arc<Connection>> {
        self.closed = true;
        self.entries.drain(..).map(|entry| entry.connection).collect()
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    /// Whether the connections there are could do with another one beside them.
    pub(super) fn is_busy(&self) -> bool {
        self.entries.len() < self.most_connections()
            && self.connecting == 0
            && self.entries.iter().all(|entry| entry.under_way >= BUSY.min(self.limits.streams))
    }

    /// Gives free streams to those who wait, in their order; says how many connections to open; tells those for whom
    /// nothing can come.
    pub(super) fn settle(&mut self, shared: &Arc<Shared>, now: Instant) -> usize {
        self.grant_choosy(shared);
        self.grant(shared);
        let open = self.openings(now);
        self.connecting += open;
        if self.connecting == 0 {
            self.turn_away(now);
        }
        open
    }

    fn grant_choosy(&mut self, shared: &Arc<Shared>) {
        for _ in 0..self.choosy.len() {
            let Some(waiter) = self.choosy.pop_front() else { return };
            match self.pick(waiter.want) {
                Some(connection) => self.give(waiter, connection, shared),
                None => self.choosy.push_back(waiter),
            }
        }
    }

    fn grant(&mut self, shared: &Arc<Shared>) {
        while !self.waiting.is_empty()
            && let Some(connection) = self.pick(Want::any())
        {
            match self.waiting.pop_front() {
                Some(waiter) => self.give(waiter, connection, shared),
                None => return,
            }
        }
    }

    fn give(&mut self, waiter: Waiter, connection: Arc<Connection>, shared: &Arc<Shared>) {
        let slot = Slot::new(Arc::clone(shared), connection);
        if let Err(Ok(mut unwanted)) = waiter.give.send(Ok(slot)) {
            // the lock is held: the slot must not give itself back
            let id = unwanted.disarm();
            self.release(id);
        }
    }

    fn openings(&self, now: Instant) -> usize {
        if self.closed || !self.is_wanted() && !self.is_busy() || self.backoff.left(now).is_some() {
            return 0;
        }
        if !self.is_wanted() {
            return 1;
        }
        let unserved = self.connecting == 0 && (self.entries.is_empty() || self.choosy.iter().any(|waiter| !self.serves(waiter.want)));
        let most = self.most_connections() + usize::from(unserved);
        let room = most.saturating_sub(self.entries.len() + self.connecting);
        let each = if self.takes_turns() { 1 } else { HOPED_FOR };
        let hoped_for = (self.waiting.len() + self.choosy.len()).div_ceil(each).saturating_sub(self.connecting);
        room.min(hoped_for)
    }

    fn most_connections(&self) -> usize {
        if self.takes_turns() { self.limits.http1_connections } else { self.limits.connections }
    }

    /// Whether the peer speaks HTTP/1.1, as far as it is known.
    fn takes_turns(&self) -> bool {
        self.entries.iter().any(|entry| matches!(entry.connection.way, Way::Turns(_)))
    }

    fn serves(&self, want: Want) -> bool {
        self.entries.iter().any(|entry| want.fits(entry))
    }

    /// Nothing is being made: who fits no connection there is waits in vain.
    fn turn_away(&mut self, now: Instant) {
        let error = match (self.closed, self.backoff.left(now)) {
            (true, _) => Error::ShuttingDown,
            (false, Some((_, cause))) => Error::Connect(cause),
            (false, None) => Error::Refused,
        };
        let in_vain = self.closed || self.entries.is_empty();
        let all = if in_vain { std::mem::take(&mut self.waiting) } else { VecDeque::new() };
        let (stay, some) = std::mem::take(&mut self.choosy).into_iter().partition(|waiter| !in_vain && self.serves(waiter.want));
        self.choosy = stay;
        let some: VecDeque<Waiter> = some;
        for waiter in all.into_iter().chain(some) {
            // who has gone meanwhile needs no answer
            drop(waiter.give.send(Err(error.clone())));
        }
    }

    fn entry(&mut self, id: u64) -> Option<&mut Entry> {
        self.entries.iter_mut().find(|entry| entry.connection.mark.id == id)
    }
}
