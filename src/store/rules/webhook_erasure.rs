//! Items that name somebody who is erased: what is left of their lists, and how far was looked.
//!
//! What is kept may be a million lists, so it is looked through in rounds without a lock, first all of it and then what came meanwhile. Only
//! what has come since the last round is left to the transaction that forgets somebody, and that is enough:
//!
//! * a list that was looked at never comes to name anybody, since items are only ever taken out of one;
//! * a round looks at items before messages, so that what was made into a message meanwhile is found there;
//! * nobody makes a message or writes an item about them while that transaction looks at the rest, and after it there is nobody to name.

use std::collections::HashSet;

use chrono::TimeDelta;
use serde::Deserialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::domain::Timestamp;

/// Rounds after which what is left is left to the transaction, however much is written meanwhile.
pub(in crate::store) const ROUNDS: usize = 8;
/// Lists that came during a round, at most, for another not to be worth it.
pub(in crate::store) const FEW: usize = 100;
/// Lists of which one statement reads the text: each may be hundreds of kilobytes.
pub(in crate::store) const LISTS: usize = 32;
/// Lists of which one statement reads the id.
pub(in crate::store) const IDS: usize = 2_000;
/// How long before it is there a message may have been made: longer than a transaction can stand still until it has its webhook's row.
const LATE: TimeDelta = TimeDelta::minutes(1);

/// Who is to be named no more.
pub(in crate::store) struct Erased {
    user: String,
    devices: HashSet<String>,
}

/// Whom an item names.
#[derive(Deserialize)]
struct Named {
    #[serde(default)]
    user_id: Option<String>,
    #[serde(default)]
    device_id: Option<String>,
}

impl Erased {
    /// Somebody with these devices.
    pub(in crate::store) fn new(user: &str, devices: impl IntoIterator<Item = String>) -> Self {
        Self { user: user.to_owned(), devices: devices.into_iter().collect() }
    }

    /// Whether all of these are looked for.
    pub(in crate::store) fn has(&self, devices: &[String]) -> bool {
        devices.iter().all(|device| self.devices.contains(device))
    }

    /// The list without them; `None`: it names none of them. Of one that cannot be read nobody can say whom it names.
    pub(in crate::store) fn without(&self, list: &str) -> Result<Option<String>, serde_json::Error> {
        let named: Vec<Named> = serde_json::from_str(list)?;
        if !named.iter().any(|named| self.is_meant(named)) {
            return Ok(None);
        }
        let mut items: Vec<Map<String, Value>> = serde_json::from_str(list)?;
        for (item, _) in items.iter_mut().zip(&named).filter(|(_, named)| self.is_meant(named)) {
            for name in ["user_id", "device_id"] {
                if let Some(value) = item.get_mut(name) {
                    *value = Value::Null;
                }
            }
        }
        serde_json::to_string(&items).map(Some)
    }

    fn is_meant(&self, named: &Named) -> bool {
        named.user_id.as_ref() == Some(&self.user) || named.device_id.as_ref().is_some_and(|device| self.devices.contains(device))
    }
}

/// What was looked at.
#[derive(Default)]
pub(in crate::store) struct Looked {
    items: HashSet<i64>,
    /// Of those made since the last round but one began, or so.
    messages: HashSet<Uuid>,
    since: Option<Timestamp>,
    round: Option<Timestamp>,
}

impl Looked {
    /// A round begins.
    pub(in crate::store) fn begin(&mut self, now: Timestamp) {
        self.round = now.checked_sub_signed(LATE);
    }

    /// It has come to its end.
    pub(in crate::store) fn end(&mut self) {
        self.since = self.round;
    }

    /// Messages made before were all looked at; `None`: only some were.
    pub(in crate::store) fn since(&self) -> Option<Timestamp> {
        self.since
    }

    /// Of lists of items those that were not looked at.
    pub(in crate::store) fn other_items(&self, ids: impl IntoIterator<Item = i64>) -> Vec<i64> {
        ids.into_iter().filter(|id| !self.items.contains(id)).collect()
    }

    /// Of messages, with when they were made, those that were not looked at.
    pub(in crate::store) fn other_messages(&self, made: impl IntoIterator<Item = (Timestamp, Uuid)>) -> Vec<(Timestamp, Uuid)> {
        made.into_iter().filter(|(_, id)| !self.messages.contains(id)).collect()
    }

    /// These were looked at.
    pub(in crate::store) fn add_items(&mut self, ids: &[i64]) {
        self.items.extend(ids);
    }

    /// These were looked at. Only those are kept in mind that the next round comes to again.
    pub(in crate::store) fn add_messages(&mut self, made: &[(Timestamp, Uuid)]) {
        let again = made.iter().filter(|(at, _)| self.round.is_none_or(|round| *at >= round));
        self.messages.extend(again.map(|(_, id)| *id));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_erased_is_named_in_no_item() {
        let user = "a\"nn\\ü\u{7f}";
        let list = serde_json::json!([
            {"user_id": user, "device_id": "d1", "at": "now"},
            {"user_id": "bob", "device_id": "d2"},
            {"user_id": null, "device_id": "d3"},
            {"user_id": "bob"},
            {"campaign_id": user},
        ])
        .to_string();
        let left = Erased::new(user, ["d3".to_owned()]).without(&list).unwrap().unwrap();
        let expected = serde_json::json!([
            {"user_id": null, "device_id": null, "at": "now"},
            {"user_id": "bob", "device_id": "d2"},
            {"user_id": null, "device_id": null},
            {"user_id": "bob"},
            {"campaign_id": user},
        ]);
        assert_eq!(serde_json::from_str::<Value>(&left).unwrap(), expected);
    }

    #[test]
    fn nobody_else_is_meant() {
        let erased = Erased::new("ann", ["d1".to_owned()]);
        assert_eq!(erased.without(r#"[{"user_id":"anna"},{"device_id":"ann"},{"user_id":"d1"},{"at":"now"}]"#).unwrap(), None);
        assert_eq!(erased.without("[]").unwrap(), None);
        assert!(erased.without("[{").is_err());
    }

    #[test]
    fn whoever_got_another_device_is_looked_for_anew() {
        let erased = Erased::new("ann", ["d1".to_owned(), "d2".to_owned()]);
        assert!(erased.has(&["d2".to_owned()]) && erased.has(&[]));
        assert!(!erased.has(&["d1".to_owned(), "d3".to_owned()]));
    }

    #[test]
    fn a_round_leaves_what_comes_after_it() {
        let at = |seconds| Timestamp::from_timestamp(seconds, 0).unwrap();
        let message = |seconds: i64| (at(seconds), Uuid::from_u128(seconds.unsigned_abs().into()));
        let mut looked = Looked::default();
        looked.begin(at(1_000));
        assert_eq!(looked.since(), None);
        looked.add_items(&[1, 2]);
        looked.add_messages(&[message(939), message(940), message(1_000)]);
        looked.end();
        assert_eq!(looked.since(), Some(at(940)));
        assert_eq!(looked.other_items([1, 2, 3]), [3]);
        // the one before is not come to again
        let rest = [message(940), message(990), message(1_000), message(1_001)];
        assert_eq!(looked.other_messages(rest), [message(990), message(1_001)]);
        assert_eq!(looked.messages.len(), 2);
    }
}
