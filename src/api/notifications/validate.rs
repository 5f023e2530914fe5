//! From a request to a draft: every limit of the contract that can be checked without the store.

use std::sync::Arc;

use chrono::TimeDelta;

use super::broadcast;
use super::content;
use super::critical;
use super::dto::{NotificationRequest, ToRequest, Which};
use super::overrides;
use super::push_type;
use super::template;
use crate::api::Api;
use crate::api::checks::Checks;
use crate::api::json::Reading;
use crate::api::problem::Problem;
use crate::api::segments;
use crate::dispatch::draft::{Draft, To};
use crate::domain::Timestamp;
use crate::domain::collapse::check_collapse_key;
use crate::domain::id::AppId;
use crate::domain::name::{check_category_id, check_device_id, check_user_id};
use crate::domain::notification::{InQuietHours, Lifetime, MAX_TTL_SECONDS, Priority, When};
use crate::domain::segment::Segment;
use crate::store::key::Scope;

/// Users or devices that are named, at most.
const MAX_NAMES: usize = 10_000;
/// Names of a test send, at most.
const MAX_TEST: usize = 20;
const MAX_LABELS: usize = 8;
const MAX_LABEL_NAME: usize = 64;
const MAX_LABEL_VALUE: usize = 256;
/// How far ahead a notification may be scheduled.
const AHEAD: TimeDelta = TimeDelta::days(90);

/// What the checks need to know beside the request.
#[derive(Clone, Copy, Debug)]
pub(in crate::api) struct Given {
    /// The present.
    pub(in crate::api) now: Timestamp,
    /// Whether the caller's key has the scope `critical`.
    pub(in crate::api) may_be_critical: bool,
    /// Whether there are words beside those of the request.
    pub(in crate::api) has_words: bool,
}

/// The draft that a request of this app asks for, as far as its key may ask for it.
pub(super) async fn draft_of(api: &Api, app: AppId, reading: Reading<NotificationRequest>, given: Given) -> Result<Draft, Problem> {
    let mut draft = draft(reading, given)?;
    template::read(api, app, &mut draft, given).await?;
    critical::check_category(api, app, &draft, given).await?;
    Ok(draft)
}

/// The same for what a campaign sends, whose audience is the campaign's to say.
pub(in crate::api) async fn draft_of_campaign(
    api: &Api,
    app: AppId,
    mut reading: Reading<NotificationRequest>,
    given: Given,
) -> Result<Draft, Problem> {
    reading.value.to = Some(ToRequest { all: Some(true), ..ToRequest::default() });
    draft_of(api, app, reading, given).await
}

/// The draft that a request asks for; 422 with all that is wrong with it.
pub(super) fn draft(reading: Reading<NotificationRequest>, given: Given) -> Result<Draft, Problem> {
    let mut checks = Checks::with(reading.errors);
    let mut request = reading.value;
    let broadcast = request.to.as_ref().and_then(|to| to.broadcast.as_ref());
    let (is_broadcast, to_channel) = (broadcast.is_some(), broadcast.is_some_and(|broadcast| broadcast.apns_channel.is_some()));
    let (to, named) = take_to(request.to.take(), &mut checks);
    let to_one_of_each = matches!(named.devices, Some(Which::Latest));
    check_small(&request, &to, &mut checks);
    if is_broadcast {
        broadcast::check_beside(&request, &mut checks);
    }
    let overrides = overrides::take(&mut request, &mut checks);
    let push_type = push_type::take(&mut request, to_channel, &mut checks);
    let when = take_when(&request, given.now, &mut checks);
    let lifetime = take_lifetime(&request, when, given.now, &mut checks);
    let template = template::take(&mut request, is_broadcast, &mut checks);
    let localized = request.localized.map(|map| map.0);
    let words = content::take(request.content, request.platforms, localized, &mut checks);
    let silent = request.silent.unwrap_or_default();
    if template.is_none() && !given.has_words {
        push_type::check_words(&words, &push_type, silent, &mut checks);
    }
    let in_quiet_hours = request.in_quiet_hours.unwrap_or_default();
    let is_critical = request.priority == Some(Priority::Critical) || in_quiet_hours == InQuietHours::Ignore;
    if (is_critical || words.is_critical() || critical::is_in(&overrides)) && !given.may_be_critical {
        return Err(Problem::scope_missing(Scope::Critical));
    }
    checks.done(Draft {
        pace: None,
        to,
        latest_device_only: to_one_of_each,
        except_devices: named.except,
        only: named.only,
        category: request.category,
        priority: request.priority,
        content: words.content,
        platforms: words.platforms,
        localized: words.localized,
        labels: request.labels.map(|labels| labels.0).unwrap_or_default(),
        silent,
        push_type,
        when,
        lifetime,
        collapse_key: request.collapse_key,
        in_quiet_hours,
        overrides,
        test: request.test.unwrap_or_default(),
        template,
        campaign: None,
    })
}

#[derive(Default)]
struct Narrowed {
    except: Vec<String>,
    devices: Option<Which>,
    only: Option<Arc<Segment>>,
}

fn take_to(to: Option<ToRequest>, checks: &mut Checks) -> (To, Narrowed) {
    const ONE: &str = "must have exactly one of user_id, user_ids, device_ids, topic, segment, all, broadcast";
    let Some(to) = to else {
        checks.required("to");
        return (To::All, Narrowed::default());
    };
    let named = [to.user_id.is_some(), to.user_ids.is_some(), to.device_ids.is_some()];
    let given = named.into_iter().chain([to.topic.is_some(), to.segment.is_some(), to.all.is_some(), to.broadcast.is_some()]);
    let count = given.filter(|given| *given).count();
    // what was unreadable is not held to be absent
    if count > 1 || (count == 0 && !checks.has_below("to")) {
        checks.invalid("to", ONE);
    }
    if to.all == Some(false) {
        checks.invalid("to.all", "can only be true");
    }
    let only = to.only.as_ref().and_then(|value| segments::take(value, "to.where", checks)).map(Arc::new);
    let narrowed = Narrowed { except: to.except_device_ids.unwrap_or_default(), devices: to.devices, only };
    check_names("to.except_device_ids", &narrowed.except, checks);
    if to.broadcast.is_some() {
        refuse_beside("to.except_device_ids", !narrowed.except.is_empty(), checks);
        refuse_beside("to.devices", narrowed.devices.is_some(), checks);
        refuse_beside("to.where", narrowed.only.is_some(), checks);
    }
    let to = match (to.user_id, to.user_ids, to.device_ids) {
        (Some(user), ..) => {
            checks.name("to.user_id", &user, check_user_id);
            To::Users(vec![user])
        }
        (None, Some(users), _) => {
            check_not_empty("to.user_ids", &users, checks);
            check_length("to.user_ids", &users, checks);
            checks.names("to.user_ids", &users, check_user_id);
            To::Users(users)
        }
        (None, None, Some(devices)) => {
            check_not_empty("to.device_ids", &devices, checks);
            check_names("to.device_ids", &devices, checks);
            To::Devices(devices)
        }
        (None, None, None) => match (to.topic, to.segment) {
            (Some(topic), _) => {
                checks.name("to.topic", &topic, check_category_id);
                To::Topic(topic)
            }
            (None, Some(value)) => {
                // whatever is wrong with it, it never means everyone
                segments::take(&value, "to.segment", checks).map_or(To::Devices(Vec::new()), |segment| To::Segment(Arc::new(segment)))
            }
            (None, None) => to.broadcast.and_then(|request| broadcast::take(request, checks)).map_or(To::All, To::Broadcast),
        },
    };
    if narrowed.devices == Some(Which::Latest) && !matches!(to, To::Users(_) | To::Broadcast(_)) {
        checks.invalid("to.devices", "can only be latest beside user_id or user_ids");
    }
    (to, narrowed)
}

/// A broadcast goes to no device that could be left out.
fn refuse_beside(field: &str, is_given: bool, checks: &mut Checks) {
    if is_given {
        checks.invalid(field, "cannot stand beside a broadcast");
    }
}

fn check_names(field: &str, devices: &[String], checks: &mut Checks) {
    check_length(field, devices, checks);
    checks.names(field, devices, check_device_id);
}

fn check_not_empty(field: &str, names: &[String], checks: &mut Checks) {
    if names.is_empty() {
        checks.invalid(field, "must not be empty");
    }
}

fn check_length(field: &str, names: &[String], checks: &mut Checks) {
    if names.len() > MAX_NAMES {
        checks.invalid(field, format_args!("must have at most {MAX_NAMES} items"));
    }
}

/// The fields that stand for themselves.
fn check_small(request: &NotificationRequest, to: &To, checks: &mut Checks) {
    if let Some(category) = &request.category {
        checks.name("category", category, check_category_id);
    }
    if let Some(key) = &request.collapse_key
        && let Err(error) = check_collapse_key(key)
    {
        checks.invalid("collapse_key", error);
    }
    if let Some(labels) = &request.labels {
        if labels.0.len() > MAX_LABELS {
            checks.invalid("labels", format_args!("must have at most {MAX_LABELS} members"));
        }
        for (name, value) in &labels.0 {
            checks.line(format_args!("labels.{name}"), Some(name), MAX_LABEL_NAME);
            checks.line(format_args!("labels.{name}"), Some(value), MAX_LABEL_VALUE);
        }
    }
    let too_many = match to {
        To::Users(names) | To::Devices(names) => names.len() > MAX_TEST,
        To::All | To::Segment(_) | To::Topic(_) => !checks.has_below("to"),
        // told with all that cannot stand beside it
        To::Broadcast(_) => false,
    };
    if request.test == Some(true) && too_many {
        checks.invalid("test", format_args!("is for at most {MAX_TEST} named users or devices"));
    }
}

fn take_when(request: &NotificationRequest, now: Timestamp, checks: &mut Checks) -> Option<When> {
    if request.if_past.is_some() && request.send_at_local.is_none() {
        checks.invalid("if_past", "is only for send_at_local");
    }
    match (request.send_at, request.send_at_local) {
        (Some(_), Some(_)) => {
            checks.invalid("send_at_local", "cannot stand beside send_at");
            None
        }
        (Some(at), None) => {
            if at.0 > now + AHEAD {
                checks.invalid("send_at", "must be at most 90 days ahead");
            }
            Some(When::At(at.0))
        }
        (None, Some(time)) => {
            // no zone is more than a day from UTC
            if time.0.and_utc() > now + AHEAD + TimeDelta::days(1) {
                checks.invalid("send_at_local", "must be at most 90 days ahead");
            }
            Some(When::Local { time: time.0, if_past: request.if_past.unwrap_or_default() })
        }
        (None, None) => None,
    }
}

fn take_lifetime(request: &NotificationRequest, when: Option<When>, now: Timestamp, checks: &mut Checks) -> Option<Lifetime> {
    match (request.ttl_seconds, request.expires_at) {
        (Some(_), Some(_)) => {
            checks.invalid("expires_at", "cannot stand beside ttl_seconds");
            None
        }
        (Some(seconds), None) => Some(Lifetime::Seconds(seconds)),
        (None, Some(at)) => {
            // a wall clock shows a time in the first zone a day before UTC, in the last one a day after
            let (first, last) = match when {
                Some(When::At(start)) => (start.max(now), start.max(now)),
                Some(When::Local { time, .. }) => {
                    (now.max(time.and_utc() - TimeDelta::days(1)), now.max(time.and_utc() + TimeDelta::days(1)))
                }
                None => (now, now),
            };
            if at.0 <= first {
                checks.invalid("expires_at", "must lie after the instant it is due");
            } else if at.0 > last + TimeDelta::seconds(MAX_TTL_SECONDS.into()) {
                checks.invalid("expires_at", "must lie at most 28 days after the instant it is due");
            }
            Some(Lifetime::Until(at.0))
        }
        (None, None) => None,
    }
}
