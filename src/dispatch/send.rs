//! Step 10: one push, from the last look before the wire to what its outcome means.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;

use super::audience::{MAX_AGE, UNCONFIGURED};
use super::job::{FollowUp, Job};
use super::lane::{Lane, Mismatch, Observed, PAUSED, Pass};
use super::node::{Node, Permit};
use super::plan::{self, Sending};
use super::receiver::Receiver;
use super::recorder::{Event, What};
use super::render::{self, Form, Unrendered};
use super::template::{Addressee, Fault};
use crate::domain::Timestamp;
use crate::domain::delivery::{Delivery, Ending};
use crate::domain::device::InactiveReason;
use crate::domain::id::Target;
use crate::domain::latency::Latency;
use crate::domain::notification::Lifetime;
use crate::domain::outcome::{Outcome, Reason};
use crate::domain::reason::{FailReason, SuppressReason, WaitReason};
use crate::domain::retry::{Next, next_attempt};
use crate::domain::token_kind::TokenKind;
use crate::domain::work::Pair;
use crate::providers::{BroadcastPush, Handover, Provider, Push, RenderError, Rendered};
use crate::store::engine::{Correction, Death, Recipient, Shown};

/// What a send needs to start.
pub struct Passed {
    /// Its lane's.
    pub pass: Pass,
    /// The node's.
    pub permit: Permit,
}

/// One target on its way.
struct Attempt {
    node: Arc<Node>,
    job: Arc<Job>,
    sending: Sending,
    lane: Arc<Lane>,
    provider: Arc<dyn Provider>,
    /// Of the app whose provider it is.
    generation: u64,
}

/// What was handed to the provider for one target.
#[derive(Clone, Copy)]
struct Handed {
    /// The instant before the first request.
    at: Timestamp,
    /// How many there were.
    requests: u32,
}

/// A provider's verdict over a token, and what it may cost the device.
#[derive(Clone, Copy)]
struct Verdict {
    /// A registration after this keeps its token.
    since: Timestamp,
    /// Requests so far.
    attempts: u32,
    /// Why the device becomes inactive or loses the address, if it does.
    deactivate: Option<InactiveReason>,
}

/// Sends to one target and tells the recorder what became of it. A panic on the way is this target's alone.
pub async fn send(node: Arc<Node>, job: Arc<Job>, sending: Sending, Passed { mut pass, permit }: Passed) {
    let Some(app) = node.directory.app(job.work.key.app) else {
        // the configuration lost it after this was read, and may get it back
        let again = FollowUp::of(sending.receiver.pair(), node.now() + UNCONFIGURED, job.work.attempt, job.work.reason);
        return tell(&node, Some(job), What::Again(again), None).await;
    };
    let Some(provider) = app.providers.get(&sending.receiver.provider()).map(Arc::clone) else {
        let delivery = delivery(&node, &job, &sending, (Ending::Suppressed(SuppressReason::Unsupported), job.work.attempt));
        return tell(&node, Some(job), What::Ended(delivery, None), Some(permit)).await;
    };
    let lane = Arc::clone(pass.lane());
    let attempt = Attempt { node, job, sending, lane, provider, generation: app.generation };
    let run = tokio::select! {
        biased;
        run = AssertUnwindSafe(attempt.run(&mut pass)).catch_unwind() => run,
        // its work has been handed back: whoever takes it next repeats it with the same ids
        () = attempt.node.hard_stop.cancelled() => return,
    };
    // by then it may have been handed over: it is not tried again
    let what = run.unwrap_or_else(|_| attempt.ended(Ending::Failed(FailReason::RenderFailed), attempt.job.work.attempt));
    drop(pass);
    // what was not handed over, or is repeated anyway, does not count against the bound on repeats
    let permit = if matches!(what, What::Again(_) | What::Panicked(_)) { None } else { Some(permit) };
    tell(&attempt.node, Some(Arc::clone(&attempt.job)), what, permit).await;
}

/// Tells the recorder. It only fails when the node has stopped for good; the lease brings the target back.
pub async fn tell(node: &Node, job: Option<Arc<Job>>, what: What, permit: Option<Permit>) {
    if node.events.send(Event { job, what, permit }).await.is_err() {
        tracing::debug!("an outcome came after the recorder had stopped");
    }
}

impl Attempt {
    async fn run(&self, pass: &mut Pass) -> What {
        let handover = self.handover();
        // the last look before it goes on its way; what can change meanwhile is asked again right before the wire
        if !handover.is_open() {
            return self.again(self.node.now(), self.job.work.attempt, self.job.waits());
        }
        let rendered = match std::panic::catch_unwind(AssertUnwindSafe(|| self.rendered())) {
            Ok(Ok(rendered)) => rendered,
            Ok(Err(error)) => return self.unrendered(&error),
            Err(_) => return What::Panicked(Some(self.pair())),
        };
        let started_at = self.node.now();
        let outcome = self.hand_over(rendered, started_at, handover.clone()).await;
        self.settle(outcome, Handed { at: started_at, requests: handover.requests() }, pass).await
    }

    fn rendered(&self) -> Result<Arc<Rendered>, Unrendered> {
        let message = &self.job.message;
        match &self.sending.receiver {
            Receiver::Device(recipient) => {
                let variant = message.variant_for(recipient.person, Target::device(recipient.device));
                let form = Form::of(&message.notification, (recipient.provider, recipient.platform), variant, recipient.locale.as_deref());
                message.rendered((&*self.provider, self.generation), form, (addressee(recipient), &*self.node.clock))
            }
            Receiver::Broadcast(broadcast) => render::broadcast(message, &*self.provider, broadcast).map(Arc::new),
        }
    }

    fn unrendered(&self, error: &Unrendered) -> What {
        let error = match error {
            Unrendered::Words(fault) => return self.failed(FailReason::RenderFailed, self.told(fault), self.job.work.attempt),
            Unrendered::Form(error) => error,
        };
        let ending = match error {
            RenderError::TooLarge { .. } => Ending::Failed(FailReason::PayloadTooLarge),
            RenderError::Invalid { .. } | RenderError::Forbidden { .. } => Ending::Failed(FailReason::RenderFailed),
            RenderError::Unsupported => Ending::Suppressed(SuppressReason::Unsupported),
        };
        self.ended(ending, self.job.work.attempt)
    }

    /// Which text of which template it was, and why: names, and never a value.
    fn told(&self, fault: &Fault) -> Reason {
        let template = self.job.message.notification.template.as_ref().map_or("", |template| &template.id);
        Reason::new(&format!("{} {fault}", template.chars().take(24).collect::<String>()))
    }

    /// What is asked again right before each request: is it not yet quiet, not over, is the lease long enough, does the device still belong
    /// to whom it was read to belong, is nothing stopped?
    fn handover(&self) -> Handover {
        let Sending { until, ends_at, read_at, .. } = &self.sending;
        let not_from = until.map_or(*ends_at, |until| until.min(*ends_at));
        let lease_ends = self.job.deadline().saturating_sub(self.node.settings.send_timeout());
        let good_until = lease_ends.min(*read_at + MAX_AGE);
        let (node, id) = (Arc::clone(&self.node), self.job.message.id);
        let stopped = move || node.stopped.get(id).is_some();
        Handover::until_stopped(not_from, good_until, Arc::clone(&self.node.clock) as _, stopped)
    }

    async fn hand_over(&self, rendered: Arc<Rendered>, now: Timestamp, handover: Handover) -> Outcome {
        let Sending { receiver, expires_at, .. } = &self.sending;
        let id = receiver.push_id(self.job.message.id);
        let expires_at = (!self.now_or_never()).then_some(*expires_at);
        match receiver {
            Receiver::Device(Recipient { token, environment, .. }) => {
                let push = Push { rendered, token: token.clone(), environment: *environment, id, expires_at, now, handover };
                self.provider.send(push).await
            }
            Receiver::Broadcast(to) => {
                let push = BroadcastPush { rendered, to: to.clone(), id, expires_at, now, handover };
                self.provider.send_broadcast(push).await.without_token()
            }
        }
    }

    /// What an outcome means for the target, its device and its lane.
    async fn settle(&self, outcome: Outcome, handed: Handed, pass: &mut Pass) -> What {
        let attempts = self.job.work.attempt + handed.requests;
        metrics::counter!("herald_pushes_total", "provider" => self.sending.receiver.provider().as_str(), "outcome" => outcome.word())
            .increment(1);
        // what nobody was asked says nothing of the provider, unless it could not be asked
        let observed = if handed.requests > 0 || !matches!(outcome, Outcome::MessageRejected { .. }) {
            self.lane.observe(&outcome, self.generation, pass, self.job.fraction)
        } else {
            Observed::default()
        };
        for death in observed.due {
            tell(&self.node, None, What::Dead(Box::new(death)), None).await;
        }
        match outcome {
            Outcome::Accepted { message_id, environment } => {
                if let (Some(environment), Receiver::Device(recipient)) = (environment, &self.sending.receiver) {
                    let Recipient { device, token_hash, .. } = *recipient;
                    let correction = Correction { device, token_hash, token_kind: self.token_kind(), environment };
                    tell(&self.node, None, What::Elsewhere(correction), None).await;
                }
                let mut delivery = self.delivery(Ending::Sent, attempts);
                delivery.message_id = message_id;
                delivery.latency = self.sending.earliest.map(|earliest| Latency::of(delivery.at - earliest));
                What::Ended(delivery, self.shown())
            }
            Outcome::TokenDead { since, reason } => {
                // a registration that came while the request was under way is newer than the verdict, whatever its instant says
                let since = since.map_or(handed.at, |since| since.min(handed.at));
                self.dead(FailReason::TokenDead, reason, Verdict { since, attempts, deactivate: Some(InactiveReason::TokenDead) })
            }
            Outcome::TokenMismatched { reason } => self.mismatched(reason, handed.at, attempts),
            Outcome::MessageRejected { reason, too_large } => {
                let why = if too_large { FailReason::PayloadTooLarge } else { FailReason::MessageRejected };
                self.failed(why, reason, attempts)
            }
            Outcome::CredentialRefused { .. } if observed.is_outdated => self.again(self.node.now(), attempts, self.job.waits()),
            Outcome::CredentialRefused { .. } => self.lane_paused(attempts),
            Outcome::Withheld => self.again(self.node.now(), attempts, self.job.waits()),
            Outcome::Throttled { retry_after, reason, .. } => self.retry(WaitReason::Throttled, retry_after, reason, attempts),
            Outcome::Unavailable { retry_after, reason, .. } => self.retry(WaitReason::Unavailable, retry_after, reason, attempts),
        }
    }

    fn mismatched(&self, reason: Reason, since: Timestamp, attempts: u32) -> What {
        let Some(verdict) = self.lane.observe_mismatch(&reason, self.generation) else {
            return self.again(self.node.now(), attempts, self.job.waits());
        };
        let deactivating = Verdict { since, attempts, deactivate: Some(InactiveReason::TokenMismatched) };
        match verdict {
            Mismatch::Deactivate => self.dead(FailReason::TokenMismatched, reason, deactivating),
            Mismatch::HoldBack => {
                if let What::Dead(death) = self.dead(FailReason::TokenMismatched, reason.clone(), deactivating) {
                    self.lane.hold_back(*death);
                }
                self.dead(FailReason::TokenMismatched, reason, Verdict { deactivate: None, ..deactivating })
            }
            Mismatch::PauseLane => self.lane_paused(attempts),
        }
    }

    fn retry(&self, waits: WaitReason, retry_after: Option<Duration>, reason: Reason, attempts: u32) -> What {
        let now = self.node.now();
        // where no connection could be made, the waits grow with the pool's own
        match next_attempt(now, attempts.max(1), self.node.retry, retry_after, self.sending.expires_at, self.job.fraction) {
            Next::At(due) => self.again(due, attempts, Some(waits)),
            Next::GiveUp => {
                let mut delivery = self.delivery(Ending::Expired(waits.as_str().to_owned()), attempts);
                delivery.detail = Some(reason);
                What::Ended(delivery, None)
            }
        }
    }

    fn dead(&self, why: FailReason, reason: Reason, Verdict { since, attempts, deactivate }: Verdict) -> What {
        // a broadcast has no token to judge
        let Receiver::Device(Recipient { token_hash, .. }) = self.sending.receiver else { return self.failed(why, reason, attempts) };
        let mut delivery = self.delivery(Ending::Failed(why), attempts);
        delivery.detail = Some(reason);
        What::Dead(Box::new(Death { delivery, token_hash, token_kind: self.token_kind(), since, deactivate }))
    }

    fn failed(&self, why: FailReason, reason: Reason, attempts: u32) -> What {
        let mut delivery = self.delivery(Ending::Failed(why), attempts);
        delivery.detail = Some(reason);
        What::Ended(delivery, None)
    }

    /// Waits for its lane, unless its life is over.
    fn lane_paused(&self, attempts: u32) -> What {
        let (now, reason) = (self.node.now(), WaitReason::LanePaused);
        match plan::wait(now, now + PAUSED, self.sending.expires_at, reason) {
            Ok(due) => self.again(due, attempts, Some(reason)),
            Err(ending) => self.ended(ending, attempts),
        }
    }

    fn again(&self, due: Timestamp, attempt: u32, reason: Option<WaitReason>) -> What {
        What::Again(FollowUp::of(self.pair(), due, attempt, reason))
    }

    fn ended(&self, ending: Ending, attempts: u32) -> What {
        What::Ended(self.delivery(ending, attempts), None)
    }

    fn delivery(&self, ending: Ending, attempts: u32) -> Delivery {
        delivery(&self.node, &self.job, &self.sending, (ending, attempts))
    }

    fn shown(&self) -> Option<Shown> {
        let key_hash = self.job.message.collapse.hash?;
        let device = self.sending.receiver.target().as_device()?;
        Some(Shown { device, key_hash, notification: self.job.message.id })
    }

    /// Which of the device's addresses it goes to.
    fn token_kind(&self) -> Option<TokenKind> {
        self.job.message.notification.push_type.token_kind()
    }

    fn pair(&self) -> Pair {
        self.sending.receiver.pair()
    }

    fn now_or_never(&self) -> bool {
        self.job.message.notification.lifetime == Lifetime::Seconds(0)
    }
}

/// Whom words for a device are for, as far as was read for its template.
pub fn addressee(recipient: &Recipient) -> Addressee<'_> {
    let facts = recipient.facts.as_deref();
    Addressee {
        user: facts.and_then(|facts| facts.user.as_deref()),
        user_tags: facts.map(|facts| &facts.user_tags),
        device_tags: facts.map(|facts| &facts.device_tags),
        locale: recipient.locale.as_deref(),
    }
}

/// What is recorded of a target that goes no further.
pub fn delivery(node: &Node, job: &Job, Sending { receiver, .. }: &Sending, (ending, attempts): (Ending, u32)) -> Delivery {
    Delivery {
        notification: job.message.id,
        cohort: Arc::clone(&job.message.cohort),
        day: job.message.day,
        target: receiver.target(),
        person: receiver.person(),
        ending,
        attempts,
        platform: receiver.platform(),
        provider: Some(receiver.provider()),
        variant: job.message.variant_name_for(receiver.person(), receiver.target()),
        latency: None,
        message_id: None,
        detail: None,
        at: node.now(),
    }
}
