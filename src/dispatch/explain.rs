//! What the gate would decide of an imagined push, per device: for `POST /v1/explain`.

use std::collections::{BTreeMap, HashSet};

use chrono::NaiveDateTime;

use super::accept::unknown_category;
use super::caps;
use super::directory::App;
use super::draft::Rejected;
use super::node::Node;
use super::plan::device_facts;
use crate::domain::Timestamp;
use crate::domain::cap::FrequencyCap;
use crate::domain::category::Category;
use crate::domain::decision::{self, Push};
use crate::domain::device::Device;
use crate::domain::explain as words;
use crate::domain::id::{NotificationId, Target, WorkId};
use crate::domain::local_time::{earliest_on_earth, wall_clock};
use crate::domain::notification::{DEFAULT_TTL_SECONDS, IfPast, InQuietHours, Lifetime, Priority, When};
use crate::domain::reason::SuppressReason;
use crate::domain::token_kind::TokenKind;
use crate::domain::work::{Targets, WorkKey};
use crate::domain::zone::effective_zone;
use crate::store::engine::{Ask, Candidate, Only, Recipient};

/// Whom an explanation is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// A user's devices.
    User(String),
    /// One device.
    Device(String),
}

/// A push that is imagined.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    /// About whom.
    pub who: Who,
    /// Its category; must be declared.
    pub category: Option<String>,
    /// How urgent; the category's where absent.
    pub priority: Option<Priority>,
    /// A data-only push.
    pub silent: bool,
    /// Its life; the category's where absent.
    pub ttl_seconds: Option<u32>,
    /// What in quiet hours.
    pub in_quiet_hours: InQuietHours,
    /// A wall clock.
    pub send_at_local: Option<NaiveDateTime>,
    /// If that has passed.
    pub if_past: IfPast,
    /// The instant to judge at; the present where absent.
    pub at: Option<Timestamp>,
}

/// What the gate says of one device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explained {
    /// Which; `None` where the user has no active device.
    pub device: Option<String>,
    /// `send`, `defer` or `suppress`.
    pub decision: &'static str,
    /// When it would be sent.
    pub until: Option<Timestamp>,
    /// Why.
    pub reason: Option<String>,
    /// The zone that counts.
    pub timezone: String,
    /// The wall clock there at the instant judged.
    pub local_time: NaiveDateTime,
}

/// Answers per device; `None` where a named device is unknown. Nothing is written.
pub async fn explain(node: &Node, app: &App, question: &Question) -> Result<Option<Vec<Explained>>, Rejected> {
    let categories = node.directory.categories(app.id).await?;
    let declared = match &question.category {
        None => None,
        Some(name) => Some(categories.get(name).ok_or_else(|| unknown_category(name))?),
    };
    let now = question.at.unwrap_or_else(|| node.now());
    let targets = match &question.who {
        Who::User(name) => Targets::Users(vec![name.clone()]),
        Who::Device(name) => Targets::Devices(vec![name.clone()]),
    };
    let candidates = peek(node, app, targets, How::default()).await?;
    if let Who::Device(name) = &question.who
        && candidates.iter().all(|candidate| candidate.recipient.is_none())
    {
        let Some(device) = node.store.device(app.id, name).await? else { return Ok(None) };
        let person = match &device.user {
            Some(user) => node.store.preferences(app.id, user).await?.value.timezone,
            None => None,
        };
        return Ok(Some(vec![inactive(app, device, person.as_deref(), now)]));
    }
    let push = imagined(question, declared, now);
    let mut explained = Vec::with_capacity(candidates.len());
    let mut sent_to = Vec::new();
    for candidate in candidates {
        let Some(recipient) = candidate.recipient else {
            explained.push((None, nobody(app, now)));
            continue;
        };
        let told = one(app, &push, &recipient, now);
        sent_to.extend((told.decision == words::Verdict::Send.as_str()).then(|| caps::holder(&recipient)));
        explained.push((Some(caps::holder(&recipient)), told));
    }
    let full = full(node, &push, sent_to, now).await?;
    Ok(Some(
        explained
            .into_iter()
            .map(|(holder, told)| if holder.is_some_and(|holder| full.contains(&holder)) { capped(told) } else { told })
            .collect(),
    ))
}

/// Those of these who have had as many pushes of the category as its cap allows.
async fn full(node: &Node, push: &Push<'_>, holders: Vec<Target>, at: Timestamp) -> Result<HashSet<Target>, crate::store::Error> {
    match (push.category, FrequencyCap::of(push)) {
        (Some(category), Some(cap)) => caps::full(node, (category, cap), holders, at).await,
        _ => Ok(HashSet::new()),
    }
}

/// What would be sent but for the cap.
fn capped(told: Explained) -> Explained {
    if told.decision != words::Verdict::Send.as_str() {
        return told;
    }
    let reason = Some(SuppressReason::FrequencyCap.as_str().to_owned());
    Explained { decision: words::Verdict::Suppress.as_str(), reason, ..told }
}

/// How targets are looked at.
#[derive(Clone, Debug, Default)]
pub(super) struct How {
    /// Each user's latest seen device only.
    pub(super) latest_only: bool,
    /// Of which of a device's addresses; `None`: the ordinary one.
    pub(super) token_kind: Option<TokenKind>,
    /// Which of the devices that are named are meant.
    pub(super) only: Option<Only>,
    /// With what templates show of people.
    pub(super) facts: bool,
}

/// Targets as they are now, without making rows for names that are unknown.
pub(super) async fn peek(
    node: &Node,
    app: &App,
    targets: Targets,
    How { latest_only, token_kind, only, facts }: How,
) -> Result<Vec<Candidate>, crate::store::Error> {
    let key = WorkKey { app: app.id, notification: NotificationId(uuid::Uuid::nil()), work: WorkId(0) };
    let (accepted_at, day, check_deliveries, collapse_hash) = (node.now(), 0, false, None);
    let ask = Ask { key, targets, latest_only, accepted_at, day, check_deliveries, collapse_hash, token_kind, facts, peek: true, only };
    Ok(node.store.read_targets(&[ask]).await?.into_iter().flat_map(|answer| answer.candidates).collect())
}

fn imagined<'a>(question: &'a Question, declared: Option<&'a Category>, now: Timestamp) -> Push<'a> {
    let ttl = question.ttl_seconds.or(declared.and_then(|category| category.ttl_seconds)).unwrap_or(DEFAULT_TTL_SECONDS);
    let (when, start_at) = match question.send_at_local {
        Some(time) => (When::Local { time, if_past: question.if_past }, earliest_on_earth(time).max(now)),
        None => (When::At(now), now),
    };
    Push {
        category: question.category.as_deref(),
        declared,
        priority: question.priority.or(declared.and_then(|category| category.priority)).unwrap_or(Priority::High),
        silent: question.silent,
        in_quiet_hours: question.in_quiet_hours,
        when,
        lifetime: Lifetime::Seconds(ttl),
        start_at,
    }
}

fn one(app: &App, push: &Push<'_>, recipient: &Recipient, now: Timestamp) -> Explained {
    let question = decision::Question {
        push: *push,
        preferences: recipient.preferences.as_deref(),
        device: device_facts(recipient),
        defaults: &app.defaults,
    };
    let explanation = words::explain(now, &question);
    let carried = app.providers.contains_key(&recipient.provider);
    let decision = if carried { explanation.decision } else { words::Verdict::Suppress };
    let reason = if carried { explanation.reason } else { Some(SuppressReason::Unsupported.as_str()) };
    Explained {
        device: Some(recipient.name.clone()),
        decision: decision.as_str(),
        until: if carried { explanation.until } else { None },
        reason: reason.map(ToOwned::to_owned),
        timezone: explanation.timezone.name().to_owned(),
        local_time: explanation.local_time,
    }
}

fn nobody(app: &App, now: Timestamp) -> Explained {
    let zone = app.defaults.timezone;
    Explained {
        device: None,
        decision: words::Verdict::Suppress.as_str(),
        until: None,
        reason: Some(SuppressReason::NoActiveDevice.as_str().to_owned()),
        timezone: zone.name().to_owned(),
        local_time: wall_clock(zone, now),
    }
}

/// A device that is known and not sent to.
fn inactive(app: &App, device: Device, persons_zone: Option<&str>, now: Timestamp) -> Explained {
    let zone = effective_zone(device.timezone.as_deref(), persons_zone, app.defaults.timezone);
    Explained { device: Some(device.name), timezone: zone.name().to_owned(), local_time: wall_clock(zone, now), ..nobody(app, now) }
}

/// How many of each decision: `send`, or the reason.
#[derive(Debug, Default)]
pub(super) struct Tally(pub(super) BTreeMap<String, u64>);

impl Tally {
    pub(super) fn add(&mut self, word: &str) {
        *self.0.entry(word.to_owned()).or_default() += 1;
    }
}
