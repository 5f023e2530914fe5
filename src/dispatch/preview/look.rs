//! What becomes of a draft's targets as things stand, and when.

use std::collections::{BTreeMap, BTreeSet};

use chrono_tz::Tz;

use super::timeline::{Moment, Timeline};
use super::trial::Trial;
use crate::dispatch::caps::{cap_of, foretell, holder};
use crate::dispatch::directory::App;
use crate::dispatch::explain::Tally;
use crate::dispatch::message::Message;
use crate::dispatch::node::Node;
use crate::dispatch::plan::{self, Context, Step};
use crate::dispatch::validate::Addresses;
use crate::domain::Timestamp;
use crate::domain::category::Category;
use crate::domain::delivery::Ending;
use crate::domain::explain::outcome_of;
use crate::domain::gate;
use crate::domain::id::{Target, WorkId};
use crate::domain::reason::{SuppressReason, WaitReason};
use crate::domain::work::{Stream, TakenWork, Targets, WorkKey, WorkKind};
use crate::store;
use crate::store::engine::{Candidate, Recipient};

/// What was seen of a draft's targets so far.
pub(super) struct Look<'a> {
    node: &'a Node,
    app: &'a App,
    message: &'a Message,
    categories: &'a BTreeMap<String, Category>,
    work: TakenWork,
    when_due: bool,
    tally: Tally,
    timeline: Timeline,
    addresses: Addresses,
    trial: Trial<'a>,
}

/// What becomes of a target.
struct Foreseen {
    step: Step,
    /// Of a device that would be sent to.
    sent: Option<Sent>,
}

#[derive(Clone, Copy)]
struct Sent {
    at: Timestamp,
    timezone: Tz,
    /// Whose place under a cap it takes.
    holder: Target,
}

impl<'a> Look<'a> {
    /// At a message's targets; `when_due`: each is judged when it is due, not at the present.
    pub(super) fn new(
        (node, app): (&'a Node, &'a App),
        message: &'a Message,
        categories: &'a BTreeMap<String, Category>,
        when_due: bool,
    ) -> Self {
        Self {
            node,
            app,
            message,
            categories,
            work: imagined(app, message),
            when_due,
            tally: Tally::default(),
            timeline: Timeline::from(message.start_at),
            addresses: Addresses::default(),
            trial: Trial::of((node, app), message),
        }
    }

    /// Judges some targets, and adds what becomes of them.
    pub(super) async fn at(&mut self, candidates: Vec<Candidate>) -> Result<(), store::Error> {
        let now = self.node.now();
        let mut foreseen: Vec<Foreseen> = candidates.iter().map(|candidate| self.foresee(candidate, now)).collect();
        self.foretell_caps(&mut foreseen).await?;
        for (one, candidate) in foreseen.iter_mut().zip(&candidates) {
            let Some(recipient) = candidate.recipient.as_ref().filter(|_| one.sent.is_some()) else { continue };
            if let Some(step) = self.trial.step(recipient).await {
                *one = Foreseen { step, sent: None };
            }
        }
        // words are shown as they are filled for one who gets them, where there is one
        let (sent, others): (Vec<_>, Vec<_>) = foreseen.iter().zip(&candidates).partition(|(one, _)| one.sent.is_some());
        for recipient in sent.into_iter().chain(others).filter_map(|(_, candidate)| candidate.recipient.as_ref()) {
            self.addresses.note(recipient);
        }
        for Foreseen { step, sent } in foreseen {
            count(&mut self.tally, step);
            if let Some(Sent { at, timezone, .. }) = sent {
                self.timeline.add(at, timezone);
            }
        }
        Ok(())
    }

    /// How many of each decision, and when those are sent to that are sent to at all.
    pub(super) fn ended(self) -> (BTreeMap<String, u64>, Vec<Moment>, Addresses) {
        (self.tally.0, self.timeline.into_moments(), self.addresses)
    }

    fn foresee(&self, candidate: &Candidate, now: Timestamp) -> Foreseen {
        let mut step = plan::plan(&self.context(now), candidate.clone());
        let mut judged_at = self.message.start_at;
        if let (true, Step::Wait { due, reason: WaitReason::Scheduled, .. }) = (self.when_due, &step) {
            judged_at = *due;
            step = plan::plan(&self.context(*due), candidate.clone());
        }
        let Some(recipient) = &candidate.recipient else { return Foreseen { step, sent: None } };
        match self.sent_at(&step, judged_at, recipient) {
            Ok(None) => Foreseen { step, sent: None },
            Ok(Some((at, timezone))) => Foreseen { step, sent: Some(Sent { at, timezone, holder: holder(recipient) }) },
            Err(reason) => Foreseen { step: Step::End(Ending::Suppressed(reason)), sent: None },
        }
    }

    /// When a device would be sent to, and in which zone; or why not, where it waits only to be suppressed.
    fn sent_at(&self, step: &Step, judged_at: Timestamp, recipient: &Recipient) -> Result<Option<(Timestamp, Tz)>, SuppressReason> {
        let question = plan::question(self.message, self.app, self.categories, recipient);
        let at = match step {
            Step::Send(_) => judged_at,
            Step::Wait { due, .. } => outcome_of(*due, &question)?,
            Step::Skip | Step::End(_) | Step::Panicked => return Ok(None),
        };
        Ok(Some((at, gate::zone_of(&question))))
    }

    /// Ends those that would get no place under the category's cap when they are to be sent.
    async fn foretell_caps(&self, foreseen: &mut [Foreseen]) -> Result<(), store::Error> {
        let (Some(cap), Some(category)) = (cap_of(self.message, self.categories), &self.message.notification.category) else {
            return Ok(());
        };
        let wanted: BTreeSet<_> = foreseen.iter().filter_map(|one| one.sent.map(|sent| (sent.at, sent.holder))).collect();
        let refused = foretell(self.node, (category, cap), &wanted).await?;
        for one in foreseen {
            if one.sent.is_some_and(|sent| refused.contains(&(sent.at, sent.holder))) {
                *one = Foreseen { step: Step::End(Ending::Suppressed(SuppressReason::FrequencyCap)), sent: None };
            }
        }
        Ok(())
    }

    fn context(&self, now: Timestamp) -> Context<'_> {
        let Self { node, app, message, categories, work, .. } = self;
        Context { now, read_at: node.monotonic(), message, app, categories, work, run: None }
    }
}

fn imagined(app: &App, message: &Message) -> TakenWork {
    let key = WorkKey { app: app.id, notification: message.id, work: WorkId(0) };
    TakenWork {
        key,
        epoch: 1,
        takes: 1,
        kind: WorkKind::Send,
        stream: Stream::Normal,
        fan_out: false,
        targets: Targets::Pairs(Vec::new()),
        attempt: 0,
        reason: None,
        first: true,
        expires_at: message.expires_at,
        slot: None,
        spent: false,
    }
}

fn count(tally: &mut Tally, step: Step) {
    match step {
        Step::Skip => {}
        Step::Send(_) => tally.add("send"),
        Step::Wait { reason, .. } => tally.add(reason.as_str()),
        Step::End(ending) => tally.add(ending.reason().unwrap_or(ending.state().as_str())),
        Step::Panicked => tally.add(WaitReason::DeadLetter.as_str()),
    }
}
