//! Webhooks: their words as the store keeps them, and how items become a message.

use chrono::TimeDelta;
use rand::Rng as _;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::super::webhook::{Attempt, MessageStatus, WebhookChange};
use super::super::{Error, Result};
use crate::domain::Timestamp;
use crate::domain::id::version_7;
use crate::domain::webhook::{Disabled, LINGER, LINGER_BEHIND, MAX_ITEMS, Webhook};

pub(in crate::store) fn disabled_text(disabled: Disabled) -> &'static str {
    match disabled {
        Disabled::Switched => "switched",
        Disabled::Gone => "gone",
        Disabled::Failing => "failing",
    }
}

pub(in crate::store) fn disabled(text: &str) -> Option<Disabled> {
    [Disabled::Switched, Disabled::Gone, Disabled::Failing].into_iter().find(|word| disabled_text(*word) == text)
}

pub(in crate::store) fn status_text(status: MessageStatus) -> &'static str {
    match status {
        MessageStatus::Waiting => "waiting",
        MessageStatus::Delivered => "delivered",
        MessageStatus::Failed => "failed",
    }
}

pub(in crate::store) fn status(text: &str) -> Option<MessageStatus> {
    [MessageStatus::Waiting, MessageStatus::Delivered, MessageStatus::Failed].into_iter().find(|word| status_text(*word) == text)
}

/// How the message of an attempt stands that is forgotten already.
pub(in crate::store) fn status_of_gone(attempt: &Attempt) -> MessageStatus {
    let is_taken = attempt.error.is_none() && attempt.status.is_some_and(|status| (200..300).contains(&status));
    if is_taken { MessageStatus::Delivered } else { MessageStatus::Failed }
}

/// The id of a new message. It is not secret.
pub(in crate::store) fn message_id(now: Timestamp) -> Uuid {
    version_7(now, &rand::rng().random())
}

/// An instant so much later.
pub(in crate::store) fn later(now: Timestamp, time: std::time::Duration) -> Timestamp {
    now + TimeDelta::from_std(time).unwrap_or(TimeDelta::MAX)
}

/// Up to when items must have been written to wait no longer, of a webhook that is behind with its messages or not.
pub(in crate::store) fn lingered(now: Timestamp, is_behind: bool) -> Timestamp {
    let linger = if is_behind { LINGER_BEHIND } else { LINGER };
    now - TimeDelta::from_std(linger).unwrap_or_default()
}

/// Changes what is to be changed.
pub(in crate::store) fn change(webhook: &mut Webhook, change: &WebhookChange, now: Timestamp) {
    if *change == WebhookChange::default() {
        return;
    }
    if let Some(url) = change.url.as_ref().filter(|url| **url != webhook.url) {
        webhook.url.clone_from(url);
        webhook.failing_since = None;
    }
    if let Some(events) = &change.events {
        webhook.events.clone_from(events);
    }
    match change.enabled {
        Some(true) => (webhook.disabled, webhook.failing_since) = (None, None),
        Some(false) => webhook.disabled = webhook.disabled.or(Some(Disabled::Switched)),
        None => {}
    }
    webhook.updated_at = now;
}

/// Says that nothing can be signed with one of a webhook's secrets. A new one mends it.
pub(in crate::store) fn tell_secret_unreadable(error: &Error) {
    tracing::error!(error = error as &dyn std::error::Error, "a webhook's secret cannot be read");
}

/// What is noted of a message that was claimed and cannot be read.
pub(in crate::store) fn unreadable_attempt(webhook: Uuid, message: Uuid, now: Timestamp) -> Attempt {
    Attempt { message, webhook, at: now, took_ms: 0, status: None, error: Some("message unreadable".to_owned()) }
}

/// Items of one webhook and type that are to be gathered.
#[derive(Clone)]
pub(in crate::store) struct Group {
    /// The webhook.
    pub(in crate::store) webhook: Uuid,
    /// The type's word.
    pub(in crate::store) event: String,
    /// Up to when items must have been written to wait no longer.
    pub(in crate::store) waited: Timestamp,
}

impl Group {
    /// Says that it cannot be gathered now.
    pub(in crate::store) fn pass_over(&self, error: &Error) {
        let (webhook, event) = (self.webhook, self.event.as_str());
        if error.is_transient() {
            tracing::debug!(webhook.id = %webhook, event, error = error as &dyn std::error::Error, "webhook messages cannot be made now");
        } else {
            tracing::error!(webhook.id = %webhook, event, error = error as &dyn std::error::Error, "webhook messages cannot be made");
        }
    }
}

/// Items that were written together: their row's number, when, and the list.
pub(in crate::store) struct Waiting {
    pub(in crate::store) id: i64,
    pub(in crate::store) at: Timestamp,
    pub(in crate::store) data: String,
}

/// What becomes of rows of items.
pub(in crate::store) struct Packed {
    /// The message's list; `None`: none of the rows could be read.
    pub(in crate::store) data: Option<String>,
    /// Rows that are in it wholly, or cannot be read.
    pub(in crate::store) used: Vec<i64>,
    /// A row of which something is left, and that.
    pub(in crate::store) left: Option<(i64, Vec<Box<RawValue>>)>,
}

/// The next message of these rows, the oldest first; `None`: they can wait for more, since all were written after `waited`. A row that
/// cannot be read is left out.
pub(in crate::store) fn pack(rows: &[Waiting], waited: Timestamp) -> Result<Option<Packed>> {
    let (mut items, mut used, mut left): (Vec<Box<RawValue>>, Vec<i64>, _) = (Vec::new(), Vec::new(), None);
    let mut unreadable = Vec::new();
    for row in rows {
        let Ok(mut list) = serde_json::from_str::<Vec<Box<RawValue>>>(&row.data) else {
            unreadable.push(row.id);
            continue;
        };
        let room = MAX_ITEMS.saturating_sub(items.len());
        if list.len() > room {
            let rest = list.split_off(room);
            items.append(&mut list);
            left = Some((row.id, rest));
            break;
        }
        items.append(&mut list);
        used.push(row.id);
    }
    let is_due = items.len() >= MAX_ITEMS || rows.iter().any(|row| row.at <= waited);
    if rows.is_empty() || !is_due {
        return Ok(None);
    }
    for row in &unreadable {
        tracing::error!(row, "webhook_item.data cannot be read; a webhook is not told of it");
    }
    used.append(&mut unreadable);
    let data = if items.is_empty() { None } else { Some(to_list(&items)?) };
    Ok(Some(Packed { data, used, left }))
}

/// Items as one text.
pub(in crate::store) fn to_list(items: &[Box<RawValue>]) -> Result<String> {
    serde_json::to_string(items).map_err(|error| Error::Refused(Box::new(error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_timestamp(seconds, 0).unwrap()
    }

    fn row(id: i64, seconds: i64, items: std::ops::Range<usize>) -> Waiting {
        Waiting { id, at: at(seconds), data: serde_json::to_string(&items.collect::<Vec<_>>()).unwrap() }
    }

    fn items(text: Option<String>) -> Vec<usize> {
        serde_json::from_str(&text.unwrap()).unwrap()
    }

    #[test]
    fn every_word_is_read_as_it_was_written() {
        for word in [Disabled::Switched, Disabled::Gone, Disabled::Failing] {
            assert_eq!(disabled(disabled_text(word)), Some(word));
        }
        for word in [MessageStatus::Waiting, MessageStatus::Delivered, MessageStatus::Failed] {
            assert_eq!(status(status_text(word)), Some(word));
        }
    }

    #[test]
    fn a_message_is_made_when_it_is_full_or_the_oldest_item_has_waited() {
        assert!(pack(&[row(1, 10, 0..499)], at(9)).unwrap().is_none());
        let full = pack(&[row(1, 10, 0..499), row(2, 10, 499..500)], at(9)).unwrap().unwrap();
        assert_eq!((items(full.data).len(), full.used, full.left.is_none()), (500, vec![1, 2], true));
        let old = pack(&[row(1, 9, 0..2), row(2, 10, 2..3)], at(9)).unwrap().unwrap();
        assert_eq!((items(old.data), old.used), (vec![0, 1, 2], vec![1, 2]));
        assert!(pack(&[], at(10)).unwrap().is_none());
    }

    #[test]
    fn what_has_no_room_is_left() {
        let packed = pack(&[row(1, 10, 0..300), row(2, 10, 300..600)], at(9)).unwrap().unwrap();
        assert_eq!((items(packed.data), packed.used), ((0..500).collect(), vec![1]));
        let (id, rest) = packed.left.unwrap();
        assert_eq!((id, items(to_list(&rest).ok())), (2, (500..600).collect()));
        let exact = pack(&[row(1, 10, 0..500), row(2, 10, 500..501)], at(9)).unwrap().unwrap();
        assert_eq!((exact.used, exact.left.map(|(id, rest)| (id, rest.len()))), (vec![1], Some((2, 1))));
    }

    #[test]
    fn what_cannot_be_read_is_left_out() {
        let broken = |id| Waiting { data: "[".to_owned(), ..row(id, 9, 0..0) };
        assert!(pack(&[broken(1), row(2, 9, 0..1)], at(8)).unwrap().is_none(), "it waits like the others");
        let packed = pack(&[broken(1), row(2, 9, 0..1)], at(9)).unwrap().unwrap();
        assert_eq!((items(packed.data), packed.used), (vec![0], vec![2, 1]));
        let alone = pack(&[broken(1)], at(9)).unwrap().unwrap();
        assert_eq!((alone.data, alone.used), (None, vec![1]));
    }
}
