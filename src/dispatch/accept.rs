//! Step 1: a draft becomes a notification and its work, written in one commit that many requests share, before anyone answers 202.

use std::sync::Arc;

use crate::domain::Timestamp;
use crate::domain::id::{AppId, NotificationId};
use crate::store::engine::NewNotification;

use super::draft::{Draft, Rejected};

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
