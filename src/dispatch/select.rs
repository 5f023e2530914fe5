//! Whom a notification's audience takes, as the store is asked for it.

use std::sync::Arc;

use crate::domain::Timestamp;
use crate::domain::notification::{Audience, Notification};
use crate::store::engine::{Only, Selection};

/// Devices of one page of an audience, at most.
pub const PAGE: usize = 20_000;

/// Who is taken of an app's devices by an audience that is not named, when the notification begins at `start_at`.
pub fn selection(notification: &Notification, start_at: Timestamp) -> Selection {
    let (topic, segment) = match &notification.audience {
        Audience::Topic(topic) => (Some(topic.clone()), None),
        Audience::Segment(segment) => (None, Some(Arc::clone(segment))),
        Audience::All | Audience::Named | Audience::Broadcast(_) => (None, None),
    };
    let segments = segment.into_iter().chain(notification.only.clone()).collect();
    Selection { topic, segments, as_of: start_at }
}

/// Which of the devices that are named are meant, where that is asked.
pub fn only(notification: &Notification, start_at: Timestamp) -> Option<Only> {
    notification.only.clone().map(|segment| Only { segment, as_of: start_at })
}

/// How many of the next devices are looked at in one statement: the fewer, the more is asked of each.
pub fn part(most: usize, selection: &Selection) -> usize {
    (most / (1 + selection.conditions() / 10)).max(100)
}
