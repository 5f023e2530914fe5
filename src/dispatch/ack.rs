//! Step 12: entries whose work is over are ended, beside the recorder: permits and outcomes do not wait for the queue.

use tokio::sync::mpsc;

use super::node::Node;
use crate::queue::Taken;

/// Batches of entries that wait to be ended, at most.
const CAPACITY: usize = 64;

/// The recorder's end.
pub struct Acks(mpsc::Sender<Vec<Taken>>);

/// The queue's end.
pub struct Over(mpsc::Receiver<Vec<Taken>>);

/// Both ends.
pub fn channel() -> (Acks, Over) {
    let (sender, receiver) = mpsc::channel(CAPACITY);
    (Acks(sender), Over(receiver))
}

impl Acks {
    /// Has entries ended. Where too many wait they are left alone: once they have been idle for a lease they are reclaimed, found to have no
    /// row, and ended; until then they take up room in the window.
    pub fn send(&self, over: Vec<Taken>) {
        if !over.is_empty()
            && let Err(error) = self.0.try_send(over)
        {
            tracing::debug!(%error, "entries cannot be acked; they come back and are forgotten then");
        }
    }
}

/// Ends what comes, all that waits at once, until nothing more can come.
pub async fn run(node: &Node, Over(mut over): Over) {
    let mut batches = Vec::with_capacity(CAPACITY);
    while over.recv_many(&mut batches, CAPACITY).await > 0 {
        let taken: Vec<Taken> = batches.drain(..).flatten().collect();
        node.ack(&taken).await;
    }
}
