//! The store or the queue is away: what goes on, what waits, and what is told.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::oneshot;

use super::store::Fault;
use super::world::{World, until};
use crate::dispatch::commit::Pending;
use crate::dispatch::node::Node;
use crate::dispatch::scheduler;
use crate::domain::work::Stream;
use crate::queue::Queue;
use crate::store;
use crate::store::engine::{ItemVerdict, Submission, Verdict};

type Answer = oneshot::Receiver<Result<Verdict, store::Error>>;

async fn hand_in(node: &Node, submission: Submission) -> Answer {
    let (reply, answer) = oneshot::channel();
    node.accepted.send(Pending { submission, reply }).await.unwrap();
    answer
}

fn accepted() -> Verdict {
    Verdict::New(vec![ItemVerdict::Accepted])
}

/// Three requests that go into one group.
async fn three(world: &World) -> (Arc<Node>, Vec<Answer>) {
    let hand = world.hand();
    let mut answers = Vec::new();
    for _ in 0..3 {
        answers.push(hand_in(&hand.node, world.submission(&["ann"]).await.1).await);
    }
    (hand.committing(), answers)
}

#[tokio::test]
async fn all_of_a_group_are_told_together_that_the_store_is_away() {
    let world = World::new().await;
    world.store.fail("accept", [Fault::Before, Fault::Before]);
    let (_node, answers) = three(&world).await;
    for answer in answers {
        assert!(matches!(answer.await.unwrap(), Err(error) if error.is_transient()));
    }
    assert_eq!(world.store.calls("accept"), 2, "the group, and once more with the same ids");
}

#[tokio::test]
async fn a_commit_whose_answer_was_lost_is_found_by_its_ids() {
    let world = World::new().await;
    world.store.fail("accept", [Fault::After]);
    let (id, submission) = world.submission(&["ann"]).await;
    let node = world.hand().committing();
    assert_eq!(hand_in(&node, submission).await.await.unwrap().unwrap(), accepted());
    assert_eq!(world.counts(id).await.waiting, 1);
}

#[tokio::test]
async fn a_group_that_is_refused_is_tried_one_by_one() {
    let world = World::new().await;
    world.store.fail("accept", [Fault::Refused, Fault::Refused]);
    let (_node, answers) = three(&world).await;
    let mut verdicts = Vec::new();
    for answer in answers {
        verdicts.push(answer.await.unwrap().ok());
    }
    assert_eq!(verdicts, [None, Some(accepted()), Some(accepted())]);
}

#[tokio::test]
async fn who_is_tried_alone_does_not_wait_for_each_before() {
    let world = World::new().await;
    world.store.fail("accept", [Fault::Refused, Fault::Before, Fault::Before]);
    let (_node, answers) = three(&world).await;
    for answer in answers {
        assert!(matches!(answer.await.unwrap(), Err(error) if error.is_transient()));
    }
    assert_eq!(world.store.calls("accept"), 3);
}

#[tokio::test]
async fn without_the_queue_all_is_accepted_and_published_later() {
    let world = World::new().await;
    world.queue.goes(true);
    let node = world.hand().committing();
    for _ in 0..3 {
        let submission = world.submission(&["ann"]).await.1;
        assert_eq!(hand_in(&node, submission).await.await.unwrap().unwrap(), accepted());
    }
    assert_eq!(world.queue.failed.load(Ordering::SeqCst), 1, "it is not asked again for each of them");
    assert!(scheduler::round(&node).await.is_err());
    assert_eq!(world.store.calls("schedule"), 0, "what is due stays due");
    world.queue.goes(false);
    assert_eq!(world.ready(&node).await.len(), 3);
}

/// A queue that is there and says nothing.
#[tokio::test]
async fn who_is_accepted_does_not_wait_for_the_queue() {
    let world = World::new().await;
    let node = world.hand().committing();
    let ready = async || (world.queue.len(Stream::High).await.unwrap() == 1).then_some(());
    let accept = async || {
        let mut answer = hand_in(&node, world.submission(&["ann"]).await.1).await;
        until("it is answered", async || answer.try_recv().ok()).await.unwrap()
    };
    assert_eq!(accept().await, accepted());
    until("it is ready", ready).await;
    assert_eq!(world.take().await.len(), 1);
    world.queue.answers(false);
    for _ in 0..3 {
        assert_eq!(accept().await, accepted());
    }
    world.queue.answers(true);
}

#[tokio::test]
async fn outcomes_are_kept_until_the_store_is_back() {
    let world = World::new().await;
    let node = world.hand().recording();
    world.iphones(&["ann"]).await;
    let id = world.accept(&["ann"]).await;
    let taken = world.ready(&node).await;
    world.store.fail("record", [Fault::Before, Fault::After]);
    world.work_on(&node, taken).await;
    until("it is recorded", async || world.is_done(id).await.then_some(())).await;
    until("its permit is returned", async || (node.permits.available_permits() == node.settings.permits).then_some(())).await;
    assert_eq!((world.counts(id).await.sent, world.provider.started().len()), (1, 1));
    assert_eq!(world.store.calls("record"), 3);
}

/// Its permit is wanted back, whatever the queue does.
#[tokio::test]
async fn who_is_recorded_does_not_wait_for_the_queue() {
    let world = World::new().await;
    let node = world.hand().recording();
    world.iphones(&["ann", "bob"]).await;
    let mut taken = Vec::new();
    for user in ["ann", "bob"] {
        world.accept(&[user]).await;
        taken.push(world.ready(&node).await);
    }
    world.queue.answers(false);
    for (number, taken) in taken.into_iter().enumerate() {
        world.work_on(&node, taken).await;
        until("it is recorded", async || (node.held.all().is_empty() && world.provider.started().len() == number + 1).then_some(())).await;
    }
    world.queue.answers(true);
    until("both are acked", async || (world.queue.acked.lock().unwrap().len() == 2).then_some(())).await;
}

#[tokio::test]
async fn what_was_taken_is_claimed_once_the_store_is_back() {
    let world = World::new().await;
    let node = world.hand().recording();
    world.iphones(&["ann"]).await;
    let id = world.accept(&["ann"]).await;
    let taken = world.ready(&node).await;
    world.store.fail("claim", [Fault::Before, Fault::Before]);
    world.store.fail("read_targets", [Fault::Before]);
    world.work_on(&node, taken).await;
    until("it is sent", async || world.is_done(id).await.then_some(())).await;
    assert_eq!((world.store.calls("claim"), world.counts(id).await.sent), (3, 1));
}

/// The list of categories is old, and the store does not answer at once.
#[tokio::test]
async fn the_categories_are_read_again_like_all_else() {
    let world = World::new().await;
    let node = world.hand().recording();
    world.iphones(&["ann"]).await;
    let id = world.accept(&["ann"]).await;
    let taken = world.ready(&node).await;
    world.store.fail("categories", [Fault::Before, Fault::Before]);
    world.work_on(&node, taken).await;
    until("it is sent", async || world.is_done(id).await.then_some(())).await;
    assert_eq!((world.store.calls("claim"), world.counts(id).await.sent), (1, 1));
}

#[tokio::test]
async fn a_row_that_cannot_be_claimed_harms_no_other() {
    let world = World::new().await;
    let node = world.hand().recording();
    world.iphones(&["ann", "bob"]).await;
    let ids = [world.accept(&["ann"]).await, world.accept(&["bob"]).await];
    let taken = world.ready(&node).await;
    world.store.fail("claim", [Fault::Refused, Fault::Refused]);
    world.work_on(&node, taken).await;
    until("one of them is sent", async || {
        let mut sent = 0;
        for id in ids {
            sent += world.counts(id).await.sent;
        }
        (sent == 1).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_stopping_node_claims_nothing_more() {
    let world = World::new().await;
    let node = world.hand().node;
    world.accept(&["nobody"]).await;
    let taken = world.ready(&node).await;
    world.store.goes(true);
    node.stopping.cancel();
    world.work_on(&node, taken).await;
    assert_eq!((world.store.calls("claim"), node.held.all().len()), (1, 0));
}
