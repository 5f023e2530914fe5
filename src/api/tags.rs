//! Tags of devices and people in requests.

use std::collections::BTreeMap;

use serde_json::Value;

use super::checks::Checks;
use super::json::{AnyValue, Given, UniqueMap};
use crate::domain::device::TagChange;

/// Tags of one device or person, at most.
pub(super) const MAX_TAGS: usize = 100;
const MAX_TAG_NAME: usize = 64;
const MAX_TAG_TEXT: usize = 512;

/// What a request does to the tags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tags {
    /// These instead of all others.
    Replace,
    /// RFC 7396.
    Merge,
}

/// The change that the member `tags` asks for.
pub(super) fn take(tags: Given<UniqueMap<AnyValue>>, how: Tags, checks: &mut Checks) -> TagChange {
    let tags = match tags {
        Given::Absent => return TagChange::Keep,
        Given::Null => return TagChange::Replace(BTreeMap::new()),
        Given::Value(UniqueMap(tags)) => tags,
    };
    if tags.len() > MAX_TAGS {
        checks.invalid("tags", format_args!("must have at most {MAX_TAGS} members"));
    }
    let mut taken = BTreeMap::new();
    for (name, AnyValue(value)) in tags {
        let at = format!("tags.{name}");
        checks.line(&at, Some(&name), MAX_TAG_NAME);
        match &value {
            Value::Array(_) | Value::Object(_) => checks.invalid(&at, "must be a string, a number, or true or false"),
            Value::String(text) if text.chars().nth(MAX_TAG_TEXT).is_some() => {
                checks.invalid(&at, format_args!("must have at most {MAX_TAG_TEXT} characters"));
            }
            // in a whole set of tags, null says what absence says
            Value::Null if how == Tags::Replace => continue,
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
        taken.insert(name, value);
    }
    match how {
        Tags::Replace => TagChange::Replace(taken),
        Tags::Merge => TagChange::Merge(taken),
    }
}
