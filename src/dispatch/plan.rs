//! Step 8: what becomes of each target of a work row, before anything is sent. The gate decides; this asks it, and knows what is asked first.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use super::audience::Answered;
use super::caps::cap_of;
use super::directory::App;
use super::job::Job;
use super::message::Message;
use super::receiver::Receiver;
use super::span;
use crate::domain::Timestamp;
use crate::domain::broadcast::Broadcast;
use crate::domain::cap::FrequencyCap;
use crate::domain::category::Category;
use crate::domain::decision::{Decision, DeviceFacts, Push, Question};
use crate::domain::delivery::Ending;
use crate::domain::device::{Platform, ProviderKind};
use crate::domain::due;
use crate::domain::gate;
use crate::domain::id::{PersonPk, Target};
use crate::domain::notification::Audience;
use crate::domain::reason::{SuppressReason, WaitReason};
use crate::domain::work::{Pair, TakenWork};
use crate::store::engine::{Candidate, Recipient, RunStatus};

/// What becomes of one target.
#[derive(Debug)]
pub enum Step {
    /// Nothing: it has a delivery, or was named as an exception.
    Skip,
    /// It ends here.
    End(Ending),
    /// It is looked at again.
    Wait {
        /// The device and whose it is, or the broadcast: only what has a place in a row can wait.
        pair: Pair,
        /// When.
        due: Timestamp,
        /// Why.
        reason: WaitReason,
    },
    /// It is sent to.
    Send(Box<Sending>),
    /// Deciding about it panicked.
    Panicked,
}

/// A target that the gate lets through.
#[derive(Clone, Debug, PartialEq)]
pub struct Sending {
    /// Whom to.
    pub receiver: Receiver,
    /// From when on it is not started without another look: the beginning of the next quiet hours, where they hold this push, or the end of its
    /// place in the run's pace.
    pub until: Option<Timestamp>,
    /// From when on it is of no use; with a life of 0 the instant it was due.
    pub expires_at: Timestamp,
    /// From when on it is not started any more.
    pub ends_at: Timestamp,
    /// When it could have been sent at the earliest, where that is told: its latency counts from there.
    pub earliest: Option<Timestamp>,
    /// The monotonic instant at which all of this had been read.
    pub read_at: Duration,
    /// When it is to be started, where its run has a pace.
    pub starts_at: Option<Timestamp>,
}

/// What is the same for all targets of a work row.
pub struct Context<'a> {
    /// The present, by the store's clock.
    pub now: Timestamp,
    /// The monotonic instant at which its targets had been read.
    pub read_at: Duration,
    /// The notification.
    pub message: &'a Message,
    /// Its app.
    pub app: &'a App,
    /// The app's categories.
    pub categories: &'a BTreeMap<String, Category>,
    /// The row.
    pub work: &'a TakenWork,
    /// Its run, where it has one.
    pub run: Option<RunStatus>,
}

/// A work row whose targets have been judged.
pub struct Planned {
    /// The row in this node's hands.
    pub job: Arc<Job>,
    /// Its run was paused after the claim's snapshot: nothing of it was judged.
    pub is_paused: bool,
    /// What its pushes are subject to beyond the gate.
    pub cap: Option<FrequencyCap>,
    /// The instant by which they were judged.
    pub now: Timestamp,
    /// The monotonic instant at which they had been read.
    pub read_at: Duration,
    /// Its targets.
    pub targets: Vec<Judged>,
}

/// A target and what becomes of it.
pub struct Judged {
    /// Which one.
    pub whom: Whom,
    /// What becomes of it.
    pub step: Step,
}

/// A target as it is recorded.
pub struct Whom {
    /// Which one.
    pub target: Target,
    /// Whose it was when the work was made.
    pub person: Option<PersonPk>,
    /// It was named, and has changed hands since.
    pub moved: bool,
    /// What it is, where it is a device.
    pub platform: Option<Platform>,
    /// Who carries pushes to it, where that is known.
    pub provider: Option<ProviderKind>,
}

impl Whom {
    fn of(message: &Message, candidate: &Candidate) -> Self {
        let (platform, provider) = match (&message.notification.audience, &candidate.recipient) {
            (Audience::Broadcast(broadcast), _) => (None, Some(broadcast.provider())),
            (_, recipient) => (recipient.as_ref().map(|device| device.platform), recipient.as_ref().map(|device| device.provider)),
        };
        Self { target: candidate.target, person: candidate.person, moved: candidate.moved, platform, provider }
    }
}

impl Planned {
    /// Judges all targets of a row.
    pub fn of(answered: Answered) -> Self {
        let Answered { job, app, categories, answer, now, read_at } = answered;
        let is_paused = answer.run == Some(RunStatus::Paused);
        let cap = cap_of(&job.message, &categories);
        let context = Context { now, read_at, message: &job.message, app: &app, categories: &categories, work: &job.work, run: answer.run };
        let judge = |candidate: Candidate| Judged { whom: Whom::of(context.message, &candidate), step: plan(&context, candidate) };
        let mut targets: Vec<Judged> = answer.candidates.into_iter().filter(|_| !is_paused).map(judge).collect();
        if let Some(slot) = job.work.slot {
            span::place(&job, slot, now, &mut targets);
        }
        Self { job, is_paused, cap, now, read_at, targets }
    }

    /// What becomes of each.
    pub fn steps(&self) -> impl Iterator<Item = &Step> {
        self.targets.iter().map(|judged| &judged.step)
    }
}

/// What becomes of a target. A panic in it is this target's alone.
pub fn plan(context: &Context<'_>, candidate: Candidate) -> Step {
    catch_unwind(AssertUnwindSafe(|| judge(context, candidate))).unwrap_or(Step::Panicked)
}

fn judge(context: &Context<'_>, candidate: Candidate) -> Step {
    if candidate.delivered {
        return Step::Skip;
    }
    if context.run == Some(RunStatus::Cancelled) {
        return Step::End(Ending::Cancelled);
    }
    if context.work.spent {
        return Step::End(Ending::Expired(WaitReason::DeadLetter.as_str().to_owned()));
    }
    if let Audience::Broadcast(broadcast) = &context.message.notification.audience {
        return judge_broadcast(context, broadcast);
    }
    let Some(recipient) = candidate.recipient else {
        return suppress(SuppressReason::NoActiveDevice);
    };
    if candidate.moved || recipient.person != candidate.person {
        return suppress(SuppressReason::UserChanged);
    }
    if context.message.except.contains(&recipient.name) {
        return Step::Skip;
    }
    if candidate.shown.is_some_and(|shown| shown > context.message.id) {
        return suppress(SuppressReason::Superseded);
    }
    if candidate.lacks_token || !context.app.providers.contains_key(&recipient.provider) {
        return suppress(SuppressReason::Unsupported);
    }
    ask_the_gate(context, recipient)
}

/// Nobody's wishes are known: all that counts is its time.
fn judge_broadcast(context: &Context<'_>, broadcast: &Broadcast) -> Step {
    if !context.app.providers.contains_key(&broadcast.provider()) {
        return suppress(SuppressReason::Unsupported);
    }
    let push = Push::of(&context.message.notification, None, context.message.start_at);
    let zone = context.app.defaults.timezone;
    let due = due::due_at(&push, zone).unwrap_or(push.start_at);
    if due > context.now {
        return Step::Wait { pair: Pair::BROADCAST, due, reason: WaitReason::Scheduled };
    }
    let (expires_at, ends_at) = (due::expires_at(&push, zone), due::ends_at(&push, zone));
    if ends_at <= context.now {
        return Step::End(Ending::Expired(expired_because(context.work.reason).to_owned()));
    }
    let receiver = Receiver::Broadcast(broadcast.clone());
    Step::Send(Box::new(Sending { receiver, until: None, expires_at, ends_at, earliest: None, read_at: context.read_at, starts_at: None }))
}

fn ask_the_gate(context: &Context<'_>, recipient: Recipient) -> Step {
    let pair = Pair { device: recipient.device, person: recipient.person };
    let question = question(context.message, context.app, context.categories, &recipient);
    match gate::decide(context.now, &question) {
        Decision::Send { until } => {
            let zone = gate::zone_of(&question);
            let (expires_at, ends_at) = (due::expires_at(&question.push, zone), due::ends_at(&question.push, zone));
            let earliest = if context.message.is_timed() { gate::earliest(&question) } else { None };
            let receiver = Receiver::Device(recipient);
            Step::Send(Box::new(Sending { receiver, until, expires_at, ends_at, earliest, read_at: context.read_at, starts_at: None }))
        }
        Decision::Defer { until, reason } => Step::Wait { pair, due: until, reason },
        Decision::Suppress(reason) => suppress(reason),
        Decision::Expire => Step::End(Ending::Expired(expired_because(context.work.reason).to_owned())),
    }
}

/// The gate's question about a notification at a device.
pub fn question<'a>(
    message: &'a Message,
    app: &'a App,
    categories: &'a BTreeMap<String, Category>,
    recipient: &'a Recipient,
) -> Question<'a> {
    let declared = message.notification.category.as_ref().and_then(|name| categories.get(name));
    Question {
        push: Push::of(&message.notification, declared, message.start_at),
        preferences: recipient.preferences.as_deref(),
        device: device_facts(recipient),
        defaults: &app.defaults,
    }
}

/// What the gate needs to know of a device.
pub fn device_facts(recipient: &Recipient) -> DeviceFacts<'_> {
    DeviceFacts {
        platform: recipient.platform,
        provider: recipient.provider,
        permission: recipient.permission,
        timezone: recipient.timezone.as_deref(),
    }
}

/// A target that has to wait: until when, or its end where its life is over by then.
pub fn wait(now: Timestamp, due: Timestamp, ends_at: Timestamp, reason: WaitReason) -> Result<Timestamp, Ending> {
    if now < ends_at { Ok(due.min(ends_at)) } else { Err(Ending::Expired(expired_because(Some(reason)).to_owned())) }
}

/// The reason of what expires: what it last waited for. Behind a paused lane that is the credential; without a wait it was never reached.
fn expired_because(waited: Option<WaitReason>) -> &'static str {
    match waited {
        Some(WaitReason::LanePaused) => "credential_refused",
        Some(reason) => reason.as_str(),
        None => WaitReason::Unavailable.as_str(),
    }
}

fn suppress(reason: SuppressReason) -> Step {
    Step::End(Ending::Suppressed(reason))
}
