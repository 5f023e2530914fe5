//! What the recorder writes: facts, verdicts, and what follows.

use crate::domain::Timestamp;
use crate::domain::delivery::Delivery;
use crate::domain::device::{Environment, InactiveReason, TokenHash};
use crate::domain::id::{DevicePk, NotificationId, Target};
use crate::domain::token_kind::TokenKind;
use crate::domain::work::{NewWork, WorkKey};

/// Everything that one commit of the recorder writes, in this order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Record {
    /// Facts: written unless the target has a delivery.
    pub deliveries: Vec<Delivery>,
    /// Verdicts over tokens, each with the delivery that it means if the token is still the device's. Plans for their work are not to be
    /// in the same record: they depend on what becomes of the verdicts.
    pub deaths: Vec<Death>,
    /// Devices that Apple's other service knows.
    pub corrections: Vec<Correction>,
    /// Pushes that were accepted under a caller's collapse key.
    pub shown: Vec<Shown>,
    /// Work that is over, with what follows it: fenced.
    pub finished: Vec<Finished>,
}

/// A provider's verdict over a token.
///
/// If the device has another token by now it was no outcome: nothing is written of it, and [`Recorded::outlived`] says so. Else the
/// delivery is, and the device is deactivated if `deactivate` and its token was not registered after `since`. One of its other addresses is
/// forgotten then, and the device stays as it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Death {
    /// The fact.
    pub delivery: Delivery,
    /// The token that was used.
    pub token_hash: TokenHash,
    /// Which of the device's addresses that was; `None`: the ordinary one.
    pub token_kind: Option<TokenKind>,
    /// A registration after this keeps its token.
    pub since: Timestamp,
    /// Why the device becomes inactive, or loses the address; `None`: it does not.
    pub deactivate: Option<InactiveReason>,
}

/// An address is registered with the wrong one of Apple's services: that is set right if the device still has the token that was used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Correction {
    /// Which.
    pub device: DevicePk,
    /// The token that was used.
    pub token_hash: TokenHash,
    /// Which of the device's addresses that was; `None`: the ordinary one.
    pub token_kind: Option<TokenKind>,
    /// The service that took a push to it.
    pub environment: Environment,
}

/// A push accepted under a caller's collapse key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// On which device.
    pub device: DevicePk,
    /// SHA-256 of the key.
    pub key_hash: [u8; 32],
    /// By which notification: the greatest is kept.
    pub notification: NotificationId,
}

/// Work that is over.
#[derive(Clone, Debug, PartialEq)]
pub struct Finished {
    /// Which row.
    pub key: WorkKey,
    /// The fence.
    pub epoch: i64,
    /// What takes its place.
    pub follow_ups: Vec<NewWork>,
}

/// What a commit of the recorder really did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recorded {
    /// Deliveries that were new.
    pub inserted: usize,
    /// Work rows that were ended by it; the fence held the others back.
    pub ended: Vec<WorkKey>,
    /// Devices that were deactivated.
    pub deactivated: usize,
    /// Targets of verdicts whose device has another token by now: they are to be looked at again.
    pub outlived: Vec<(NotificationId, Target)>,
}
