//! Step 10, its beginning: sends are started as their lanes and the node's permits let them.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use tokio::time::{sleep, timeout};

use super::job::{FollowUp, Job};
use super::lane::{Admission, Destination, Hold, Lane, LaneKey};
use super::node::Node;
use super::plan::{self, Sending};
use super::recorder::What;
use super::send::{self, Passed, tell};
use crate::domain::Timestamp;
use crate::domain::pace;
use crate::domain::reason::WaitReason;

/// The targets of one work row on their way to their lanes.
struct HandOut<'a> {
    node: &'a Arc<Node>,
    job: &'a Arc<Job>,
    /// On the monotonic clock: what was read of the targets is too old then.
    until: Duration,
    /// Lanes that hold what goes to these destinations, and until when what they hold waits: the same for all, so that it is one row again.
    held: Vec<(LaneKey, Destination, Hold, Timestamp)>,
}

/// What becomes of a target.
enum Way {
    Go(Passed),
    Held(Hold, Timestamp),
    /// What was read of it is too old by now.
    TooOld,
    /// The node stops for good.
    Stopped,
}

/// Starts sends as permits come free. Those for which none came before `until`, on the monotonic clock, are taken and read anew; those that
/// their lane holds wait in the store.
pub async fn hand_out(node: &Arc<Node>, job: &Arc<Job>, sendings: Vec<Sending>, until: Duration) {
    let mut out = HandOut { node, job, until, held: Vec::new() };
    let mut rest = sendings.len();
    for sending in sendings {
        if out.start(sending, rest).await.is_break() {
            return;
        }
        rest -= 1;
    }
}

/// Starts the sends of a row of a paced run, each at its instant. One that is late, whatever the cause, waits for another span: nobody else's time
/// is used.
pub async fn spread(node: &Arc<Node>, job: &Arc<Job>, sendings: Vec<Sending>, until: Duration) {
    let mut out = HandOut { node, job, until, held: Vec::new() };
    let mut rest = sendings.len();
    for mut sending in sendings {
        let at = sending.starts_at.unwrap_or_else(|| node.now());
        tokio::select! {
            biased;
            () = node.hard_stop.cancelled() => return,
            () = sleep((at - node.now()).to_std().unwrap_or_default()) => {}
        }
        let late = at + pace::LATE;
        sending.until = Some(sending.until.map_or(late, |until| until.min(late)));
        let left = (late - node.now()).to_std();
        out.until = left.map_or(Duration::ZERO, |left| (node.monotonic() + left).min(until));
        if out.start(sending, rest).await.is_break() {
            return;
        }
        rest -= 1;
    }
}

impl HandOut<'_> {
    /// Starts a send, or sees to it that it is looked at again. `rest`: how many of its row are left with it. It breaks off where the node stops
    /// for good.
    async fn start(&mut self, sending: Sending, rest: usize) -> ControlFlow<()> {
        match self.way(&sending, rest).await {
            Way::Go(passed) => self.node.tasks.spawn(Box::pin(send::send(Arc::clone(self.node), Arc::clone(self.job), sending, passed))),
            Way::Held(hold, due) => self.hold(&sending, hold.reason, due).await,
            Way::TooOld => self.again(&sending, self.node.now(), self.job.waits()).await,
            Way::Stopped => return ControlFlow::Break(()),
        }
        ControlFlow::Continue(())
    }

    /// The way of a target; `rest`: how many of its row are left with it.
    async fn way(&mut self, sending: &Sending, rest: usize) -> Way {
        let receiver = &sending.receiver;
        let key = LaneKey { app: self.job.work.key.app, provider: receiver.provider(), environment: receiver.environment() };
        let to = receiver.destination();
        if let Some((.., hold, due)) = self.held.iter().find(|(lane, held, ..)| *lane == key && *held == to) {
            return Way::Held(*hold, *due);
        }
        let lane = self.node.lanes.get(key);
        match self.admission(&lane, &to).await {
            Ok(passed) => Way::Go(passed),
            Err(Some(hold)) => {
                let targets = if hold.by_pace { 1 } else { rest };
                let wait = lane.held(&to, hold, targets, self.job.fraction);
                let due = self.node.now() + TimeDelta::from_std(wait).unwrap_or(TimeDelta::MAX);
                if !hold.by_pace {
                    self.held.push((key, to, hold, due));
                }
                Way::Held(hold, due)
            }
            Err(None) if self.node.hard_stop.is_cancelled() => Way::Stopped,
            Err(None) => Way::TooOld,
        }
    }

    /// A pass of the lane and a permit of the node, or what holds it; neither where it came too late.
    async fn admission(&self, lane: &Arc<Lane>, to: &Destination) -> Result<Passed, Option<Hold>> {
        loop {
            let ended = self.node.lanes.wire().ended();
            let asked_at = self.node.monotonic();
            let left = self.until.saturating_sub(asked_at);
            if left.is_zero() {
                return Err(None);
            }
            let wait = match lane.admit(to) {
                Admission::Go(pass) => {
                    let permit = tokio::select! {
                        biased;
                        () = self.node.hard_stop.cancelled() => return Err(None),
                        permit = timeout(left, Arc::clone(&self.node.permits).acquire_owned()) => permit.map_err(|_| None)?.map_err(|_| None)?,
                    };
                    return Ok(Passed { pass, permit });
                }
                Admission::Hold(hold) => return Err(Some(hold)),
                Admission::Soon(wait) => wait.min(left),
            };
            tokio::select! {
                biased;
                () = self.node.hard_stop.cancelled() => return Err(None),
                _ = timeout(wait, ended) => {}
            }
            lane.waited(self.node.monotonic().saturating_sub(asked_at));
        }
    }

    /// It waits, unless its life is over. What is now or never has until its end where it is Herald that has it wait, and none where the provider does.
    async fn hold(&self, sending: &Sending, reason: WaitReason, due: Timestamp) {
        metrics::counter!("herald_pushes_held_total", "provider" => sending.receiver.provider().as_str(), "reason" => reason.as_str())
            .increment(1);
        let now = self.node.now();
        let ends_at = if reason == WaitReason::Throttled { sending.ends_at } else { sending.expires_at };
        match plan::wait(now, due, ends_at, reason) {
            Ok(due) => self.again(sending, due, Some(reason)).await,
            Err(ending) => {
                let delivery = send::delivery(self.node, self.job, sending, (ending, self.job.work.attempt));
                tell(self.node, Some(Arc::clone(self.job)), What::Ended(delivery, None), None).await;
            }
        }
    }

    async fn again(&self, sending: &Sending, due: Timestamp, reason: Option<WaitReason>) {
        let again = FollowUp::of(sending.receiver.pair(), due, self.job.work.attempt, reason);
        tell(self.node, Some(Arc::clone(self.job)), What::Again(again), None).await;
    }
}
