//! The body of a notification, in fuzzing.

use chrono::{DateTime, TimeDelta};

use super::validate::{Given, draft};
use crate::api::json;
use crate::dispatch::draft::Draft;

/// A body is refused with what is wrong with it, or becomes a draft that is the same when a campaign keeps and reads it.
pub fn notification(body: &[u8]) {
    let given = Given { now: DateTime::UNIX_EPOCH + TimeDelta::days(365 * 57), may_be_critical: true, has_words: false };
    match json::read(body).and_then(|reading| draft(reading, given)) {
        Ok(taken) => {
            let kept = serde_json::to_vec(&taken).unwrap();
            assert_eq!(serde_json::from_slice::<Draft>(&kept).unwrap(), taken);
        }
        Err(problem) => assert!(problem.code().status().is_client_error(), "{problem:?}"),
    }
}
