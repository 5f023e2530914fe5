//! Hold-back: when leases may have lapsed though their holders live, nobody takes their work from them for the time of one lease.
//!
//! A lease lapses by the store's clock, and its holder stops by the monotonic clock of its own machine, counted from before it asked for the
//! lease. As long as both clocks go alike the holder has stopped before anyone can take over. Two things break that:
//!
//! * **The store was away.** Nobody could renew, so every lease lapsed at once, and those who hold them have outcomes to write. Each node that
//!   noticed leaves lapsed leases alone for as long as a lease lasts, and the holders write what they know first.
//! * **The store's clock stepped.** An hour ahead, every live lease has lapsed in the store though nobody let go. A node that sees the
//!   step renews what it holds at once, and leaves alone what seems lapsed until all others must have done so too; what it holds itself it never
//!   claims again before its own deadline. An hour back, leases last an hour too long until they are renewed; only those of holders that
//!   died meanwhile, and what was published and lost, come up as much later. Sends under way are bound to the monotonic deadline either way.
//!
//! So a step loses nothing, and doubles nothing unless a queue entry that was doubled before is claimed in the moment between the step and the
//! renewal, or a node stood still over two steps that undo each other and so saw neither. A node that starts does not know what was before, and holds back as well.

use std::time::Duration;

use chrono::TimeDelta;
use parking_lot::Mutex;

use super::node::Node;
use crate::domain::Timestamp;
use crate::{queue, store};

/// Until when lapsed leases are left alone, on the monotonic clock.
pub struct HoldBack {
    lease: Duration,
    until: Mutex<Duration>,
}

impl HoldBack {
    /// Begins with a hold-back of one lease.
    pub fn new(now: Duration, lease: Duration) -> Self {
        Self { lease, until: Mutex::new(now + lease) }
    }

    /// For one lease from now on.
    pub fn begin(&self, now: Duration) {
        let mut until = self.until.lock();
        *until = (*until).max(now + self.lease);
    }

    /// Whether lapsed leases are left alone now.
    pub fn is_on(&self, now: Duration) -> bool {
        now < *self.until.lock()
    }
}

impl Node {
    /// Takes note of how a write of the store ended: whether the store is there, and was away until now.
    pub fn heard<T>(&self, answer: store::Result<T>) -> store::Result<T> {
        let answer = self.heard_read(answer);
        let is_there = answer.as_ref().err().is_none_or(|error| !error.is_outage());
        let now = self.monotonic();
        if is_there && self.store_outage.answered(now) {
            self.hold_back.begin(now);
        }
        answer
    }

    /// Takes note of how a read of the store ended. That one can read does not prove that one can write.
    pub fn heard_read<T>(&self, answer: store::Result<T>) -> store::Result<T> {
        if let Err(error) = answer.as_ref()
            && error.is_outage()
        {
            self.store_outage.failed(self.monotonic(), error);
        }
        answer
    }

    /// Takes note of how a call of the queue ended.
    pub fn heard_queue<T>(&self, answer: Result<T, queue::Error>) -> Result<T, queue::Error> {
        let now = self.monotonic();
        match &answer {
            Ok(_) => drop(self.queue_outage.answered(now)),
            Err(error) => self.queue_outage.failed(now, error),
        }
        answer
    }

    /// Takes note of what the store's clock showed when it was asked at this monotonic instant.
    pub fn saw(&self, answer: Timestamp, asked_at: Duration) {
        let Some(step) = self.clock.read(answer, asked_at) else { return };
        tracing::warn!(
            seconds = seconds(step),
            "the store's clock stepped: what is held is renewed, what seems to have lapsed is left alone for a while"
        );
        self.hold_back.begin(self.monotonic());
        self.renew.notify_one();
    }

    /// Reads the store's clock.
    pub async fn look_at_clock(&self) -> store::Result<()> {
        let asked_at = self.monotonic();
        let answer = self.heard_read(self.store.now().await)?;
        self.saw(answer, asked_at);
        Ok(())
    }

    /// Whether work may be taken whose lease lapsed, by what the store's clock shows now.
    pub async fn may_take_lapsed(&self) -> store::Result<bool> {
        if self.store_outage.is_on() {
            self.heard(self.store.ping().await)?;
        }
        self.look_at_clock().await?;
        Ok(!self.hold_back.is_on(self.monotonic()))
    }
}

#[expect(clippy::cast_precision_loss, reason = "for the log")]
fn seconds(step: TimeDelta) -> f64 {
    step.num_milliseconds() as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::super::tests::world::{LEASE, World};
    use super::*;
    use crate::store::Error;

    async fn settled() -> (World, std::sync::Arc<Node>) {
        let world = World::new().await;
        let node = world.hand().node;
        assert!(!node.may_take_lapsed().await.unwrap(), "a node that starts does not know what was before");
        world.clock.pass(LEASE);
        assert!(node.may_take_lapsed().await.unwrap());
        (world, node)
    }

    #[tokio::test]
    async fn a_step_either_way_holds_back_for_a_lease() {
        for hours in [1, -1] {
            let (world, node) = settled().await;
            world.clock.step(TimeDelta::hours(hours));
            assert!(!node.may_take_lapsed().await.unwrap());
            world.clock.pass(LEASE.mul_f64(0.99));
            assert!(!node.may_take_lapsed().await.unwrap());
            world.clock.pass(LEASE.mul_f64(0.01));
            assert!(node.may_take_lapsed().await.unwrap());
        }
    }

    #[tokio::test]
    async fn an_absence_holds_back_for_a_lease_from_its_end() {
        let (world, node) = settled().await;
        world.store.goes(true);
        assert!(matches!(node.heard(node.store.claim(&[], LEASE).await), Err(Error::Unavailable(_))));
        world.clock.pass(10 * LEASE);
        assert!(matches!(node.may_take_lapsed().await, Err(Error::Unavailable(_))));
        world.store.goes(false);
        assert!(!node.may_take_lapsed().await.unwrap());
        world.clock.pass(LEASE);
        assert!(node.may_take_lapsed().await.unwrap());
    }

    #[tokio::test]
    async fn what_can_be_read_is_not_yet_back() {
        let (_world, node) = settled().await;
        assert!(node.heard::<()>(Err(Error::Unavailable("away".into()))).is_err());
        assert!(node.heard_read(Ok(())).is_ok());
        assert!(node.store_outage.is_on());
        assert!(node.heard::<()>(Err(Error::Refused("ours".into()))).is_err(), "it answers, if only to refuse");
        assert!(!node.store_outage.is_on());
        assert!(node.hold_back.is_on(node.monotonic()));
    }
}
