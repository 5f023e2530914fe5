//! A line of a table, and what is to be seen of it.

use super::answer::{Answer, To};
use super::carrier::Carrier;

/// What a provider answers, and what becomes of the delivery, in how many requests, of the device and of the lane.
pub(super) type Row = (Answer, Delivery, u64, Device, Lane);

/// A delivery's status and reason.
pub(super) type Delivery = (&'static str, &'static str);

pub(super) const SENT: Delivery = ("sent", "");
pub(super) const REJECTED: Delivery = ("failed", "message_rejected");
pub(super) const TOO_LARGE: Delivery = ("failed", "payload_too_large");
pub(super) const DEAD: Delivery = ("failed", "token_dead");
pub(super) const MISMATCHED: Delivery = ("failed", "token_mismatched");
pub(super) const HELD_UP: Delivery = ("waiting", "lane_paused");
pub(super) const THROTTLED: Delivery = ("waiting", "throttled");
pub(super) const AWAY: Delivery = ("waiting", "unavailable");

/// What becomes of the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Device {
    /// Nothing.
    Active,
    /// It is deactivated as `token_dead`…
    Dead,
    /// …or as `token_mismatched`.
    Mismatched,
    /// It is one of Apple's other environment from now on.
    Moved,
    /// There is none: it is a broadcast.
    Nobody,
}

/// What becomes of the lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lane {
    /// Others are sent to.
    Runs,
    /// It is not paused, but others wait as long as the provider asked for.
    Rests,
    /// Others wait until someone resumes it.
    Paused,
    /// The same, Android's part excepted.
    PausedButAndroid,
}

/// What a caller sees of a row.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Seen {
    /// Status, reason, requests.
    pub(super) delivery: (String, String, u64),
    /// The provider's word, where the delivery failed.
    pub(super) detail: Option<String>,
    /// Whether it waits as long as the provider asked for.
    pub(super) is_patient: bool,
    /// Status and reason; the environment where it is not the one it was registered with.
    pub(super) device: Option<String>,
    /// Platform, state, reason and breaker of each part.
    pub(super) lane: Vec<String>,
}

impl Seen {
    /// What a row says is to be seen.
    pub(super) fn of(carrier: Carrier, (answer, (status, reason), requests, device, lane): &Row) -> Self {
        assert_eq!(*device == Device::Nobody, answer.to == To::Channel, "a channel has no device: {answer:?}");
        let device = match device {
            Device::Active => Some("active"),
            Device::Dead => Some("inactive token_dead"),
            Device::Mismatched => Some("inactive token_mismatched"),
            Device::Moved => Some("active sandbox"),
            Device::Nobody => None,
        };
        let part = |platform: &&str| {
            let is_paused = *lane == Lane::Paused || *lane == Lane::PausedButAndroid && *platform != "android";
            let state = if is_paused { format!("paused credential_refused: {}", answer.word) } else { "running".to_owned() };
            [*platform, &*state, "closed"].into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
        };
        Self {
            delivery: ((*status).to_owned(), (*reason).to_owned(), *requests),
            detail: (*status == "failed").then(|| answer.word.clone()),
            is_patient: true,
            device: device.map(ToOwned::to_owned),
            lane: carrier.parts().iter().map(part).collect(),
        }
    }
}

/// Whether it is given on a lane of its own.
pub(super) fn has_own_lane((answer, (status, _), _, _, lane): &Row) -> bool {
    answer.is_first || *lane != Lane::Runs || *status != "failed"
}

/// What another device of the lane sees of a push afterwards: status, reason, requests.
pub(super) fn of_another(lane: Lane) -> (&'static str, &'static str, u64) {
    match lane {
        Lane::Runs | Lane::PausedButAndroid => ("sent", "", 1),
        Lane::Rests => ("waiting", "throttled", 0),
        Lane::Paused => ("waiting", "lane_paused", 0),
    }
}
