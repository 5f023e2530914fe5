//! A user is forgotten. What waits for them ends first, so that no work keeps their name, or their devices', for whoever has it next.
//!
//! Rows that name them are taken as a worker takes them, but whatever their run and whether due or not: what is theirs ends, and the others get
//! a row of their own, due as before. What was in a worker's hands when this began is waited for before anything is forgotten, and what is
//! written meanwhile is found by looking again until there is nothing more.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use super::message::Message;
use super::node::Node;
use super::outage::tell;
use super::select::only;
use crate::domain::Timestamp;
use crate::domain::delivery::{Delivery, Ending};
use crate::domain::id::{AppId, NotificationId};
use crate::domain::reason::SuppressReason;
use crate::domain::somebody::Somebody;
use crate::domain::work::{NewWork, Targets, WorkKey};
use crate::store;
use crate::store::engine::{Answer, Ask, Candidate, Finished, Record, RunStatus};
use crate::store::waiting::WaitingWork;

/// Rows that end in one commit.
const AT_ONCE: usize = 100;
/// Rounds that find something, at most: of a user who is written anew all the time there is no end.
const ROUNDS: u32 = 25;
/// The wait before work in a worker's hands is looked at again, at first and at most.
const WAIT: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(5)];
/// Rounds in which it comes to the longest wait.
const UNTIL_LONGEST: u32 = 6;

/// What of theirs one round found.
#[derive(Default)]
struct Round {
    /// Some of it ended.
    ended: bool,
    /// Rows in a worker's hands.
    held: HashSet<WorkKey>,
}

/// Forgets a user; whether anything was known of them. Fails as busy where workers do not let go of work that names them for twice as long as
/// a lease, or where they are written anew as fast as they are forgotten.
pub async fn erase(node: &Node, app: AppId, user: &str) -> Result<bool, store::Error> {
    let waits = (2 * node.settings.lease()).as_secs() / WAIT[1].as_secs();
    let rounds = ROUNDS + UNTIL_LONGEST + u32::try_from(waits).unwrap_or(u32::MAX - ROUNDS - UNTIL_LONGEST);
    in_rounds(rounds, node, (app, user)).await
}

/// The same in so many rounds at most.
pub(super) async fn in_rounds(rounds: u32, node: &Node, (app, user): (AppId, &str)) -> Result<bool, store::Error> {
    let (mut before, mut known) = (Somebody::default(), false);
    // what is in workers' hands when it begins, and once more when all seems to be over
    let (mut awaited, mut is_last): (Option<HashSet<WorkKey>>, _) = (None, false);
    for round in 0..rounds {
        before = known_as(node, (app, user), &before).await?;
        let Round { ended, held } = end_all(node, app, &before).await?;
        known |= ended;
        let left: HashSet<WorkKey> = awaited.as_ref().map_or_else(|| held.clone(), |awaited| awaited & &held);
        let is_free = left.is_empty();
        awaited = Some(left);
        if !is_free {
            tokio::time::sleep((WAIT[0] * 2_u32.saturating_pow(round)).min(WAIT[1])).await;
            continue;
        }
        let found = node.heard(node.store.erase_user(app, user).await)?;
        known |= found;
        if !found && !ended {
            if is_last || held.is_empty() {
                return Ok(known);
            }
            (awaited, is_last) = (Some(held), true);
        }
    }
    Err(store::Error::Busy("work that names the user is in a worker's hands, or there is always more".into()))
}

/// A user as they are known now, and by what they were known before, as far as nobody else is by now.
async fn known_as(node: &Node, (app, user): (AppId, &str), before: &Somebody) -> Result<Somebody, store::Error> {
    let mut whom = node.store.somebody(app, user).await?;
    whom.people.extend(&before.people);
    let gone: Vec<&String> = before.devices.difference(&whom.devices).collect();
    let mut still = Vec::new();
    for name in gone {
        if node.store.device(app, name).await?.is_none() {
            still.push(name.clone());
        }
    }
    whom.devices.extend(still);
    Ok(whom)
}

/// Ends all that waits for them and that nobody holds.
async fn end_all(node: &Node, app: AppId, whom: &Somebody) -> Result<Round, store::Error> {
    // who held what lapsed may be about to record what it did
    let may_take_lapsed = node.may_take_lapsed().await?;
    let (mut round, mut from) = (Round::default(), None);
    loop {
        let part = node.store.waiting_for(app, whom, from).await?;
        let is_held = |work: &WaitingWork| work.held || (work.lapsed && !may_take_lapsed) || node.held.is_live(work.key, node.monotonic());
        let (held, free): (Vec<_>, Vec<_>) = part.work.into_iter().partition(is_held);
        round.held.extend(held.into_iter().map(|work| work.key));
        for work in free.chunks(AT_ONCE) {
            end(node, app, (whom, work), &mut round).await?;
        }
        if part.next.is_none() {
            return Ok(round);
        }
        from = part.next;
    }
}

/// Ends what is theirs of these rows. A row that somebody has taken meanwhile stays as it is, and is told as held.
async fn end(node: &Node, app: AppId, (whom, work): (&Somebody, &[WaitingWork]), round: &mut Round) -> Result<(), store::Error> {
    let messages = messages(node, app, work).await?;
    let rows: Vec<(WorkKey, i64)> =
        work.iter().filter(|work| messages.contains_key(&work.key.notification)).map(|work| (work.key, work.epoch)).collect();
    let seized: HashMap<WorkKey, i64> = node.store.seize(&rows, node.settings.lease()).await?.into_iter().collect();
    round.held.extend(rows.iter().map(|(key, _)| *key).filter(|key| !seized.contains_key(key)));
    let (mut record, mut asks, mut asked) = (Record::default(), Vec::new(), Vec::new());
    for WaitingWork { key, work, .. } in work {
        let (Some(epoch), Some(message)) = (seized.get(key), messages.get(&key.notification)) else { continue };
        let (theirs, targets) = whom.part(&work.targets);
        let follow_ups = if targets.is_empty() { Vec::new() } else { vec![NewWork { id: node.ids.work(), targets, ..work.clone() }] };
        record.finished.push(Finished { key: *key, epoch: *epoch, follow_ups });
        asks.push(ask(*key, message, theirs));
        asked.push((message, work.attempt));
    }
    if asks.is_empty() {
        return Ok(());
    }
    let answers = node.store.read_targets(&asks).await?;
    let now = node.now();
    for ((message, attempts), answer) in asked.into_iter().zip(answers) {
        record.deliveries.extend(endings(message, attempts, answer, now));
    }
    let recorded = node.heard(node.store.record(&record).await)?;
    metrics::counter!("herald_deliveries_total").increment(recorded.inserted as u64);
    node.wake.notify_one();
    round.ended = true;
    Ok(())
}

/// The notifications of these rows. What cannot be read stays for a worker to fail at: it must not keep a user from being forgotten.
async fn messages(node: &Node, app: AppId, work: &[WaitingWork]) -> Result<HashMap<NotificationId, Message>, store::Error> {
    let mut ids: Vec<_> = work.iter().map(|work| (app, work.key.notification)).collect();
    ids.sort_unstable();
    ids.dedup();
    let stored = node.store.read_notifications(&ids).await?;
    let read = stored.iter().filter_map(|stored| match Message::of_stored(stored) {
        Ok(message) => Some((stored.id, message)),
        Err(error) => {
            tell(&error, "what waits of a notification is left to name a user who is erased");
            None
        }
    });
    Ok(read.collect())
}

fn ask(key: WorkKey, message: &Message, theirs: Targets) -> Ask {
    // a user of whom nothing is known gets a number to be counted under, and loses it when they are forgotten; a device would keep its
    let peek = matches!(theirs, Targets::Devices(_));
    Ask {
        key,
        targets: theirs,
        latest_only: message.notification.latest_device_only,
        accepted_at: message.accepted_at,
        day: message.day,
        check_deliveries: true,
        collapse_hash: None,
        token_kind: None,
        facts: false,
        peek,
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
        let is_known = candidate.target.raw() != 0;
        is_known && !candidate.delivered && !is_left_out
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
