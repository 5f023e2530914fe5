//! What a lane says of a push that wants to go.

use std::time::Duration;

use super::Pass;
use crate::domain::reason::WaitReason;

/// Whether a push may go now.
#[derive(Debug)]
pub enum Admission {
    /// It may, with this.
    Go(Pass),
    /// Once something that is under way has ended: worth waiting for, for so long.
    Soon(Duration),
    /// Not now: it goes back to the store.
    Hold(Hold),
}

/// How long a push is held, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hold {
    /// At least so long.
    pub wait: Duration,
    /// What it says of it meanwhile.
    pub reason: WaitReason,
    /// The pace of the lane holds it: each target has its own place in the line.
    pub by_pace: bool,
}

impl Hold {
    pub(super) fn new(wait: Duration, reason: WaitReason) -> Self {
        Self { wait, reason, by_pace: false }
    }
}
