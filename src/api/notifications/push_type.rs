//! What kind of push a notification is: from `push_type` and `live_activity` to the domain's, checked.

use serde_json::{Map, Value};

use super::content::Words;
use super::dto::{EventWord, LiveActivityRequest, NotificationRequest, PushTypeWord};
use crate::api::checks::Checks;
use crate::api::json::AnyValue;
use crate::domain::content::Content;
use crate::domain::name::check_activity_name;
use crate::domain::push_type::{ActivityEvent, LiveActivity, PushType};

/// Takes the kind of push out of a request. `to_channel`: it goes to a channel of Apple's.
pub(super) fn take(request: &mut NotificationRequest, to_channel: bool, checks: &mut Checks) -> PushType {
    let activity = request.live_activity.take();
    if to_channel && activity.is_none() && !checks.has_below("live_activity") {
        checks.refuse("live_activity", "required", "must be given beside apns_channel: Apple's channels carry nothing else");
    }
    if activity.is_some() && request.push_type.is_some() {
        checks.invalid("push_type", "cannot stand beside live_activity");
    }
    match (request.push_type, activity) {
        (_, Some(activity)) => take_activity(activity, to_channel, checks).map_or(PushType::Usual, PushType::LiveActivity),
        (Some(PushTypeWord::Voip), None) => PushType::Voip,
        (Some(PushTypeWord::Location), None) => PushType::Location,
        (None, None) => PushType::Usual,
    }
}

/// `None` after noting what is wrong with it.
fn take_activity(request: LiveActivityRequest, to_channel: bool, checks: &mut Checks) -> Option<LiveActivity> {
    for (at, name) in [("live_activity.activity_id", &request.activity_id), ("live_activity.attributes_type", &request.attributes_type)] {
        if let Some(name) = name {
            checks.name(at, name, check_activity_name);
        }
    }
    let content_state = object("live_activity.content_state", request.content_state, checks);
    let attributes = object("live_activity.attributes", request.attributes, checks);
    let Some(event) = request.event else {
        checks.required("live_activity.event");
        return None;
    };
    if event != EventWord::End && request.dismiss_at.is_some() {
        checks.invalid("live_activity.dismiss_at", "is only for the event end");
    }
    if to_channel && event == EventWord::Start {
        checks.invalid("live_activity.event", "must be update or end: a channel has the activities that listen to it already");
    }
    let event = if event == EventWord::Start {
        if request.activity_id.is_some() {
            checks.invalid("live_activity.activity_id", "is only for the events update and end: what is started has no id yet");
        }
        if request.attributes_type.is_none() {
            checks.required("live_activity.attributes_type");
        }
        if attributes.is_none() {
            checks.required("live_activity.attributes");
        }
        ActivityEvent::Start { attributes_type: request.attributes_type?, attributes: attributes? }
    } else {
        for (at, given) in
            [("live_activity.attributes_type", request.attributes_type.is_some()), ("live_activity.attributes", attributes.is_some())]
        {
            if given {
                checks.invalid(at, "is only for the event start");
            }
        }
        match &request.activity_id {
            Some(_) if to_channel => checks.invalid("live_activity.activity_id", "cannot stand beside apns_channel, which names them"),
            None if !to_channel => checks.required("live_activity.activity_id"),
            Some(_) | None => {}
        }
        let (activity_id, dismiss_at) = (request.activity_id, request.dismiss_at.map(|at| at.0));
        if event == EventWord::End { ActivityEvent::End { activity_id, dismiss_at } } else { ActivityEvent::Update { activity_id } }
    };
    Some(LiveActivity { event, content_state, stale_at: request.stale_at.map(|at| at.0) })
}

fn object(at: &str, value: Option<AnyValue>, checks: &mut Checks) -> Option<Map<String, Value>> {
    match value?.0 {
        Value::Object(members) => Some(members),
        Value::Null => None,
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            checks.invalid(at, "must be an object");
            None
        }
    }
}

/// What words there may and must be, by the kind of push.
pub(super) fn check_words(words: &Words, push_type: &PushType, silent: bool, checks: &mut Checks) {
    match push_type {
        PushType::Voip | PushType::Location => refuse_visible(words, "push_type: its data says what it is about", checks),
        PushType::Usual | PushType::LiveActivity(_) if silent => refuse_visible(words, "silent", checks),
        PushType::LiveActivity(_) => refuse_without_place(words, checks),
        PushType::Usual => require_visible(words, checks),
    }
    let starts = matches!(push_type, PushType::LiveActivity(LiveActivity { event: ActivityEvent::Start { .. }, .. }));
    let has_line = |content: &Content| content.title.is_some() || content.body.is_some();
    if starts && !has_line(&words.content) && !checks.has_below("content") {
        checks.refuse("content", "required", "must have a title or a body: Apple asks for an alert where a Live Activity starts");
    }
}

fn require_visible(words: &Words, checks: &mut Checks) {
    if !words.each().any(|(_, content)| content.is_visible()) && !checks.has_below("content") {
        checks.refuse("content", "required", "must have a title or a body, unless the notification is silent");
    }
}

fn refuse_visible(words: &Words, beside: &str, checks: &mut Checks) {
    for (at, _) in words.each().filter(|(_, content)| content.is_visible()) {
        checks.invalid(at, format_args!("must have no title, subtitle, body, image_url, sound or badge beside {beside}"));
    }
}

/// The alert of a Live Activity has a title, a body and a sound, and nothing else.
fn refuse_without_place(words: &Words, checks: &mut Checks) {
    for (at, content) in words.each() {
        for (name, given) in
            [("subtitle", content.subtitle.is_some()), ("image_url", content.image_url.is_some()), ("badge", content.badge.is_some())]
        {
            if given {
                checks.invalid(format_args!("{at}.{name}"), "has no place in the alert of a Live Activity: title, body and sound have");
            }
        }
    }
}
