//! A user is forgotten. What waits for them ends first, so that no work keeps their name, or their devices', for whoever has it next.
//!
//! A row that names others too goes on without them; what is due when stays as it was. What is written meanwhile is found by looking again
//! until there is nothing more: of work in a worker's hands what becomes of it is waited for.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::message::Message;
use super::node::Node;
use super::select::only;
use crate::domain::Timestamp;
use crate::domain::delivery::{Delivery, Ending};
use crate::domain::id::{AppId, NotificationId};
use crate::domain::reason::SuppressReason;
use crate::domain::somebody::Somebody;
use crate::domain::work::{NewWork, Targets, WorkKind};
use crate::store;
use crate::store::engine::{Answer, Ask, Candidate, Finished, Record, RunStatus};
use crate::store::waiting::WaitingWork;

/// Rows that end in one commit.
const AT_ONCE: usize = 100;
/// The wait before work in a worker's hands is looked at again.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// What of theirs was found waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Seen {
    Nothing,
    /// It ended.
    Ended,
    /// A worker has some of it.
    Held,
}

/// Forgets a user; whether anything was known of them. Fails as busy where a worker has held work that names them for twice as long as a lease.
pub async fn erase(node: &Node, app: AppId, user: &str) -> Result<bool, store::Error> {
    let give_up = node.monotonic() + 2 * node.settings.lease();
    let (mut before, mut known) = (Somebody::default(), false);
    loop {
        let mut whom = node.store.somebody(app, user).await?;
        whom.also(before);
        let seen = end_all(node, app, &whom).await?;
        let found = node.store.erase_user(app, user).await?;
        known |= found || seen != Seen::Nothing;
        match seen {
            Seen::Nothing if !found => return Ok(known),
            Seen::Nothing | Seen::Ended => {}
            Seen::Held if node.monotonic() > give_up => return Err(store::Error::Busy("a worker has work that names the user".into())),
            Seen::Held => tokio::time::sleep(LOOK_AGAIN).await,
        }
        before = whom;
    }
}

/// Ends all that waits for them and that nobody holds.
async fn end_all(node: &Node, app: AppId, whom: &Somebody) -> Result<Seen, store::Error> {
    let (mut seen, mut from) = (Seen::Nothing, None);
    loop {
        let part = node.store.waiting_for(app, whom, from).await?;
        let (held, free): (Vec<_>, Vec<_>) = part.work.into_iter().partition(|work| work.held);
        if !held.is_empty() {
            seen = Seen::Held;
        }
        for work in free.chunks(AT_ONCE) {
            end(node, app, (whom, work)).await?;
            seen = seen.max(Seen::Ended);
        }
        if part.next.is_none() {
            return Ok(seen);
        }
        from = part.next;
    }
}

/// Ends what is theirs of these rows.
async fn end(node: &Node, app: AppId, (whom, work): (&Somebody, &[WaitingWork])) -> Result<(), store::Error> {
    let messages = messages(node, app, work).await?;
    let (mut record, mut asked, mut asks) = (Record::default(), Vec::new(), Vec::new());
    for work in work {
        let (theirs, rest) = whom.part(&work.targets);
        let follow_ups = if rest.is_empty() { Vec::new() } else { vec![remaining(node, work, rest)] };
        record.finished.push(Finished { key: work.key, epoch: work.epoch, follow_ups });
        // where the notification is gone there is nothing to count them with
        if let Some(message) = messages.get(&work.key.notification) {
            asks.push(ask(work, message, theirs));
            asked.push((message, work.attempt));
        }
    }
    let answers = node.store.read_targets(&asks).await?;
    let now = node.now();
    for ((message, attempts), answer) in asked.into_iter().zip(answers) {
        record.deliveries.extend(endings(message, attempts, answer, now));
    }
    node.heard(node.store.record(&record).await)?;
    node.wake.notify_one();
    Ok(())
}

async fn messages(node: &Node, app: AppId, work: &[WaitingWork]) -> Result<HashMap<NotificationId, Message>, store::Error> {
    let mut ids: Vec<_> = work.iter().map(|work| (app, work.key.notification)).collect();
    ids.sort_unstable();
    ids.dedup();
    let stored = node.store.read_notifications(&ids).await?;
    stored.iter().map(|stored| Ok((stored.id, Message::of_stored(stored)?))).collect()
}

fn ask(work: &WaitingWork, message: &Message, theirs: Targets) -> Ask {
    Ask {
        key: work.key,
        targets: theirs,
        latest_only: message.notification.latest_device_only,
        accepted_at: message.accepted_at,
        day: message.day,
        check_deliveries: true,
        collapse_hash: None,
        token_kind: None,
        facts: false,
        peek: false,
        only: only(&message.notification, message.start_at),
    }
}

/// How those end that have not ended yet: as if none of the devices were there any more.
fn endings(message: &Message, attempts: u32, answer: Answer, at: Timestamp) -> impl Iterator<Item = Delivery> {
    let ending = match answer.run {
        Some(RunStatus::Cancelled) => Ending::Cancelled,
        _ => Ending::Suppressed(SuppressReason::NoActiveDevice),
    };
    let is_target = |candidate: &Candidate| {
        let is_left_out = candidate.recipient.as_ref().is_some_and(|device| message.except.contains(&device.name));
        !candidate.delivered && !is_left_out
    };
    answer.candidates.into_iter().filter(is_target).map(move |candidate| Delivery {
        notification: message.id,
        cohort: Arc::clone(&message.cohort),
        day: message.day,
        target: candidate.target,
        person: candidate.person,
        ending: ending.clone(),
        attempts,
        platform: None,
        provider: None,
        variant: message.variant_name_for(candidate.person, candidate.target),
        latency: None,
        message_id: None,
        detail: None,
        at,
    })
}

/// The row for the others whom it named.
fn remaining(node: &Node, work: &WaitingWork, rest: Targets) -> NewWork {
    NewWork {
        id: node.ids.work(),
        kind: WorkKind::Send,
        stream: work.stream,
        fan_out: work.fan_out,
        targets: rest,
        attempt: work.attempt,
        reason: work.reason,
        due_at: work.due_at,
        expires_at: work.expires_at,
    }
}
