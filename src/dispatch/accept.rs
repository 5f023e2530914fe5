//! Step 1: a draft becomes a notification and its work. Everything that can be known to be wrong is known here, before the 202.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;

use super::directory::App;
use super::draft::{Draft, FieldError, OfCampaign, Rejected, To};
use super::explain::{How, peek};
use super::message::Message;
use super::node::Node;
use super::proof;
use super::select::only;
use super::trial::{self, sample};
use crate::domain::Timestamp;
use crate::domain::broadcast::Broadcast;
use crate::domain::category::Category;
use crate::domain::decision::Push;
use crate::domain::due;
use crate::domain::id::{AppId, CampaignId, NotificationId};
use crate::domain::local_time::{earliest_on_earth, latest_on_earth};
use crate::domain::notification::{Audience, Lifetime, MAX_TTL_SECONDS, Notification, Priority, When};
use crate::domain::reason::WaitReason;
use crate::domain::work::{MAX_TARGETS, NewWork, Stream, Targets, WorkKind};
use crate::store::engine::{Narrowed, NewNotification, Terms};

/// Devices that a test send may reach, and names that it may have.
const MAX_TEST: usize = 20;

/// A draft that passed every check, ready to be submitted.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// Its id.
    pub id: NotificationId,
    /// When it was accepted.
    pub accepted_at: Timestamp,
    /// Its time has not come.
    pub scheduled: bool,
    /// What is to be written.
    pub notification: NewNotification,
}

/// Checks a draft wholly and makes what is to be written of it.
pub async fn prepare(node: &Node, app: &App, draft: Draft) -> Result<Prepared, Rejected> {
    let (new, message) = compose(node, app, draft).await?;
    let prepared = Prepared { id: new.id, accepted_at: new.accepted_at, scheduled: new.start_at > new.accepted_at, notification: new };
    // where nothing is recorded nothing is sent: it would be kept in vain
    if !prepared.scheduled && !node.events.is_closed() {
        node.messages.keep(Arc::new(message));
    }
    Ok(prepared)
}

/// A draft as what is to be written, and as what workers will hold.
pub(super) async fn compose(node: &Node, app: &App, draft: Draft) -> Result<(NewNotification, Message), Rejected> {
    let now = node.now();
    compose_from(node, app, draft, (now, now)).await
}

/// The same of one that is accepted now and was to begin earlier: what has passed and how long it lives is told from there.
pub(super) async fn compose_from(
    node: &Node,
    app: &App,
    draft: Draft,
    (now, begins): (Timestamp, Timestamp),
) -> Result<(NewNotification, Message), Rejected> {
    let categories = node.directory.categories(app.id).await?;
    let category = match &draft.category {
        None => None,
        Some(name) => Some(categories.get(name).ok_or_else(|| unknown_category(name))?),
    };
    let (notification, beside) = complete(draft, category, (now, begins));
    check(&notification, &beside.to, begins)?;
    if let To::Broadcast(broadcast) = &beside.to {
        check_broadcast(app, broadcast)?;
    }
    if notification.test {
        check_few(node, app, &notification, &beside.to).await?;
    }
    let sample = sample(&beside.to);
    let new = write(node, app.id, &notification, (begins, beside))?;
    let message = Message::of_new(&new, notification);
    trial::fill(&message, &sample, &*node.clock)?;
    proof::render_all(node, app, &message, new.content.len())?;
    Ok((new, message))
}

pub(super) fn unknown_category(name: &str) -> Rejected {
    let message = format!("no category {name:?} is declared");
    Rejected::Invalid(vec![FieldError { field: "category".to_owned(), code: "unknown_category", message }])
}

/// What of a draft is stored beside the notification.
struct Beside {
    to: To,
    labels: BTreeMap<String, String>,
    campaign: Option<CampaignId>,
    max_targets: Option<u64>,
}

/// Fills in what the category and the contract say where the caller said nothing.
fn complete(draft: Draft, category: Option<&Category>, (now, begins): (Timestamp, Timestamp)) -> (Notification, Beside) {
    let usual_priority = if draft.campaign.is_some() { Priority::Normal } else { Priority::High };
    let ttl = category.and_then(|category| category.ttl_seconds).unwrap_or_else(|| draft.push_type.usual_ttl_seconds());
    let expands = matches!(draft.to, To::All | To::Segment(_) | To::Topic(_));
    let (campaign, max_targets, variants) = match draft.campaign {
        Some(OfCampaign { id, variants, max_targets }) => (Some(id), max_targets, variants),
        None => (None, None, Vec::new()),
    };
    let notification = Notification {
        audience: match &draft.to {
            To::Users(_) | To::Devices(_) => Audience::Named,
            To::All => Audience::All,
            To::Segment(segment) => Audience::Segment(Arc::clone(segment)),
            To::Topic(topic) => Audience::Topic(topic.clone()),
            To::Broadcast(broadcast) => Audience::Broadcast(broadcast.clone()),
        },
        latest_device_only: draft.latest_device_only,
        except_devices: draft.except_devices,
        only: draft.only,
        category: draft.category,
        priority: draft.priority.or(category.and_then(|category| category.priority)).unwrap_or(usual_priority),
        content: draft.content,
        platforms: draft.platforms,
        localized: draft.localized,
        silent: draft.silent,
        push_type: draft.push_type,
        when: draft.when.unwrap_or(When::At(begins)),
        lifetime: draft.lifetime.unwrap_or(Lifetime::Seconds(ttl)),
        collapse_key: draft.collapse_key,
        in_quiet_hours: draft.in_quiet_hours,
        overrides: draft.overrides,
        test: draft.test,
        accepted_at: now,
        android_channel: category.and_then(|category| category.android_channel.clone()),
        // a user's name may stand for many devices
        pace: draft.pace.filter(|_| expands),
        template: draft.template,
        variants,
    };
    (notification, Beside { to: draft.to, labels: draft.labels, campaign, max_targets })
}

fn check(notification: &Notification, to: &To, begins: Timestamp) -> Result<(), Rejected> {
    let mut errors = Vec::new();
    if let Lifetime::Until(at) = notification.lifetime {
        let (start, _) = span(notification, begins);
        if at <= start {
            errors.push(FieldError::invalid("expires_at", "must be after the instant at which the notification is due"));
        } else if at - start > chrono::TimeDelta::seconds(i64::from(MAX_TTL_SECONDS)) {
            errors.push(FieldError::invalid("expires_at", "must be at most 28 days after the instant at which the notification is due"));
        }
    }
    if notification.test {
        let named = match to {
            To::Users(names) | To::Devices(names) => names.len(),
            To::All | To::Segment(_) | To::Topic(_) | To::Broadcast(_) => usize::MAX,
        };
        if named > MAX_TEST {
            errors.push(FieldError::invalid("test", "a test goes to at most 20 named users or devices"));
        }
    }
    errors.extend(proof::too_many_wordings(notification));
    if errors.is_empty() { Ok(()) } else { Err(Rejected::Invalid(errors)) }
}

/// Who fans it out must be there.
fn check_broadcast(app: &App, broadcast: &Broadcast) -> Result<(), Rejected> {
    if app.providers.contains_key(&broadcast.provider()) {
        return Ok(());
    }
    let message = format!("the app has no {} credential", broadcast.provider().as_str());
    Err(Rejected::Invalid(vec![FieldError::invalid(format!("to.broadcast.{}", broadcast.word()), message)]))
}

/// A few names may lead to many devices.
async fn check_few(node: &Node, app: &App, notification: &Notification, to: &To) -> Result<(), Rejected> {
    let targets = match to {
        To::Users(names) => Targets::Users(names.clone()),
        To::Devices(names) => Targets::Devices(names.clone()),
        // refused whatever its size
        To::All | To::Segment(_) | To::Topic(_) | To::Broadcast(_) => return Ok(()),
    };
    let how = How {
        latest_only: notification.latest_device_only,
        token_kind: None,
        only: only(notification, notification.accepted_at),
        facts: false,
    };
    let mut devices = peek(node, app, targets, how).await?;
    devices.retain(|candidate| candidate.recipient.as_ref().is_some_and(|device| !notification.except_devices.contains(&device.name)));
    if devices.len() <= MAX_TEST {
        return Ok(());
    }
    let message = format!("a test goes to at most {MAX_TEST} devices, and these are {}", devices.len());
    Err(Rejected::Invalid(vec![FieldError::invalid("test", message)]))
}

/// From when on a notification that begins then at the earliest may be sent, and when its last target is over.
fn span(notification: &Notification, begins: Timestamp) -> (Timestamp, Timestamp) {
    match notification.when {
        When::At(at) => {
            let start = at.max(begins);
            let push = Push::of(notification, None, start);
            (start, due::ends_at(&push, chrono_tz::UTC))
        }
        When::Local { time, .. } => {
            let start = earliest_on_earth(time).max(begins);
            let last = latest_on_earth(time).max(start);
            let push = Push { when: When::At(last), ..Push::of(notification, None, last) };
            (start, due::ends_at(&push, chrono_tz::UTC))
        }
    }
}

fn write(node: &Node, app: AppId, notification: &Notification, (begins, beside): (Timestamp, Beside)) -> Result<NewNotification, Rejected> {
    let now = notification.accepted_at;
    let Beside { to, labels, campaign, max_targets } = beside;
    let (start_at, expires_at) = span(notification, begins);
    let narrowed = Narrowed {
        latest_only: notification.latest_device_only,
        except: notification.except_devices.iter().cloned().collect(),
        only: notification.only.clone(),
    };
    let chunks = chunks(to, &narrowed.except);
    let fan_out = chunks.len() > 1 || notification.audience.is_taken();
    let stream = match (notification.priority, fan_out) {
        (Priority::High | Priority::Critical, _) => Stream::High,
        (Priority::Normal, true) => Stream::Bulk,
        (Priority::Normal, false) => Stream::Normal,
    };
    let work = chunks.into_iter().map(|targets| NewWork {
        id: node.ids.work(),
        kind: if notification.audience.is_taken() { WorkKind::Expand } else { WorkKind::Send },
        stream,
        fan_out,
        targets,
        attempt: 0,
        reason: (start_at > now).then_some(WaitReason::Scheduled),
        due_at: start_at.min(expires_at),
        expires_at,
    });
    let content = serde_json::to_vec(notification)
        .map_err(|error| Rejected::Invalid(vec![FieldError::invalid("", format!("cannot be stored: {error}"))]))?;
    Ok(NewNotification {
        app,
        id: node.ids.notification(now),
        content: Bytes::from(content),
        category: notification.category.clone(),
        campaign,
        test: notification.test,
        labels,
        fan_out,
        terms: Terms { pace: notification.pace, max_targets },
        accepted_at: now,
        start_at,
        expires_at,
        narrowed,
        work: work.collect(),
    })
}

/// The first work's targets: names in order, each once, at most 500 a row, without devices that were named as exceptions; one empty row for an audience that is yet to be read.
fn chunks(to: To, except: &BTreeSet<String>) -> Vec<Targets> {
    let cut = |mut names: Vec<String>, of: fn(Vec<String>) -> Targets| {
        names.sort_unstable();
        names.dedup();
        names.chunks(MAX_TARGETS).map(|chunk| of(chunk.to_vec())).collect()
    };
    match to {
        To::Users(names) => cut(names, Targets::Users),
        To::Devices(names) => cut(names.into_iter().filter(|name| !except.contains(name)).collect(), Targets::Devices),
        To::All | To::Segment(_) | To::Topic(_) => vec![Targets::Pairs(Vec::new())],
        To::Broadcast(broadcast) => vec![Targets::Broadcast(broadcast.provider())],
    }
}
