//! Step 9: what the gate lets through of a capped category takes its place with the person, or ends here. Nothing is asked for other pushes.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::message::Message;
use super::node::Node;
use super::plan::{Planned, Step};
use super::receiver::Receiver;
use crate::domain::Timestamp;
use crate::domain::cap::FrequencyCap;
use crate::domain::category::Category;
use crate::domain::decision::Push;
use crate::domain::delivery::Ending;
use crate::domain::id::{NotificationId, Target};
use crate::domain::notification::Audience;
use crate::domain::reason::SuppressReason;
use crate::store;
use crate::store::cap::Reservation;
use crate::store::engine::Recipient;

/// The cap of a notification's pushes. A test counts nowhere, and of a broadcast nobody knows whom it reaches.
pub fn cap_of(message: &Message, categories: &BTreeMap<String, Category>) -> Option<FrequencyCap> {
    let notification = &message.notification;
    if notification.test || matches!(notification.audience, Audience::Broadcast(_)) {
        return None;
    }
    let declared = notification.category.as_ref().and_then(|name| categories.get(name));
    FrequencyCap::of(&Push::of(notification, declared, message.start_at))
}

/// Whose places a push to a device takes: its person's, so that a notification counts once and goes to all of a person's devices; its own
/// where nobody is signed in.
pub fn holder(recipient: &Recipient) -> Target {
    recipient.person.map_or(Target::device(recipient.device), Target::person)
}

/// Takes the places of all these targets in one commit, the more urgent first and then the earlier accepted, and ends those for which there
/// is none. A target that comes back later finds its place again. Retried while the store is away, for as long as the leases hold.
pub async fn reserve(node: &Node, plans: &mut [Planned]) -> Result<(), store::Error> {
    let mut capped: Vec<&Planned> = plans.iter().filter(|plan| plan.cap.is_some()).collect();
    capped.sort_by_key(|plan| (plan.job.work.stream, plan.job.message.id));
    let asked: Vec<Reservation> = capped.iter().flat_map(|plan| reservations(&plan.job.message, plan.cap, plan.steps())).collect();
    if asked.is_empty() {
        return Ok(());
    }
    let first_lapse = capped.iter().map(|plan| plan.job.deadline()).min().unwrap_or_default();
    let admitted = node.read(first_lapse, || node.store.reserve(&asked)).await?;
    let refused = refused(asked, &admitted);
    for plan in plans.iter_mut().filter(|plan| plan.cap.is_some()) {
        let id = plan.job.message.id;
        for judged in &mut plan.targets {
            end(&refused, id, &mut judged.step);
        }
    }
    Ok(())
}

/// Which of these would get no push of a notification that is not there yet, each at its instant. Nothing is taken.
///
/// Places only come free while nothing else is sent, so what would get one at the first of these instants gets one at any of them, and what would
/// get none at the last gets none: only for the others it matters which instant is theirs.
pub async fn foretell(
    node: &Node,
    capped: (&str, FrequencyCap),
    wanted: &BTreeSet<(Timestamp, Target)>,
) -> Result<HashSet<(Timestamp, Target)>, store::Error> {
    let (Some((first, _)), Some((last, _))) = (wanted.first(), wanted.last()) else { return Ok(HashSet::new()) };
    let mut refused = HashSet::new();
    let mut open: BTreeMap<Timestamp, Vec<Target>> = BTreeMap::new();
    let at_first = full(node, capped, wanted.iter().map(|(_, holder)| *holder).collect(), *first).await?;
    let at_last = if first == last { at_first.clone() } else { full(node, capped, at_first.iter().copied().collect(), *last).await? };
    for (at, holder) in wanted.iter().filter(|(_, holder)| at_first.contains(holder)) {
        if at_last.contains(holder) {
            refused.insert((*at, *holder));
        } else {
            open.entry(*at).or_default().push(*holder);
        }
    }
    for (at, holders) in open {
        refused.extend(full(node, capped, holders, at).await?.into_iter().map(|holder| (at, holder)));
    }
    Ok(refused)
}

/// Which of these devices would get no push of a notification that is not there yet, by the places that are taken at an instant.
pub async fn full(
    node: &Node,
    (category, cap): (&str, FrequencyCap),
    holders: Vec<Target>,
    at: Timestamp,
) -> Result<HashSet<Target>, store::Error> {
    let ask = |holder| Reservation { holder, category: category.to_owned(), notification: NotificationId(uuid::Uuid::nil()), cap };
    let asked: Vec<Reservation> = holders.into_iter().map(ask).collect();
    if asked.is_empty() {
        return Ok(HashSet::new());
    }
    let admitted = node.store.would_admit(&asked, at).await?;
    Ok(refused(asked, &admitted).into_iter().map(|(_, holder)| holder).collect())
}

/// One for each person or device that a notification is about to be sent to.
fn reservations<'a>(message: &Message, cap: Option<FrequencyCap>, steps: impl Iterator<Item = &'a Step>) -> Vec<Reservation> {
    let (Some(cap), Some(category)) = (cap, &message.notification.category) else { return Vec::new() };
    let mut holders: Vec<Target> = steps.filter_map(holder_of).collect();
    holders.sort_unstable();
    holders.dedup();
    let ask = |holder| Reservation { holder, category: category.clone(), notification: message.id, cap };
    holders.into_iter().map(ask).collect()
}

fn refused(asked: Vec<Reservation>, admitted: &[bool]) -> HashSet<(NotificationId, Target)> {
    let refused = asked.into_iter().zip(admitted).filter(|(_, is_admitted)| !**is_admitted);
    refused.map(|(one, _)| (one.notification, one.holder)).collect()
}

fn end(refused: &HashSet<(NotificationId, Target)>, id: NotificationId, step: &mut Step) {
    if holder_of(step).is_some_and(|holder| refused.contains(&(id, holder))) {
        *step = Step::End(Ending::Suppressed(SuppressReason::FrequencyCap));
    }
}

fn holder_of(step: &Step) -> Option<Target> {
    let Step::Send(sending) = step else { return None };
    match &sending.receiver {
        Receiver::Device(recipient) => Some(holder(recipient)),
        Receiver::Broadcast(_) => None,
    }
}
