//! Work: a piece of a notification that a worker can take. It names the targets that still wait, and nothing else does.

use serde::{Deserialize, Serialize};

use super::Timestamp;
use super::device::ProviderKind;
use super::id::{AppId, DevicePk, NotificationId, PersonPk, WorkId};
use super::pace::Slot;
use super::reason::{WaitReason, words};

/// Targets of one work row, at most.
pub const MAX_TARGETS: usize = 500;

/// Where a work row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkKey {
    /// The notification's app.
    pub app: AppId,
    /// The notification.
    pub notification: NotificationId,
    /// The row within it.
    pub work: WorkId,
}

words! {
    /// The queue's streams, taken from by weight 8 : 4 : 1.
    Stream {
        /// High and critical notifications.
        High = "high",
        /// Normal ones to named users or devices.
        Normal = "normal",
        /// Normal ones to audiences.
        Bulk = "bulk",
    }
}

words! {
    /// What is to be done with a work row.
    WorkKind {
        /// Send to its targets.
        Send = "send",
        /// Turn the next page of the audience into work.
        Expand = "expand",
    }
}

/// One piece of ready work: a reference, never content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Entry {
    /// The row in the store.
    pub key: WorkKey,
    /// The stream it travels in.
    pub stream: Stream,
    /// How many targets the row names; 0 for work that sends nothing itself.
    pub targets: usize,
}

/// A device and whose it was when the work was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Pair {
    /// The device.
    pub device: DevicePk,
    /// Its person; `None` where nobody was signed in.
    pub person: Option<PersonPk>,
}

impl Pair {
    /// Stands for the one target of a broadcast's row, where targets are told by number.
    pub const BROADCAST: Self = Self { device: DevicePk(0), person: None };
}

/// Whom a work row is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Targets {
    /// All active devices of these users, by `user_id`, sorted, each once. Resolved when the work is taken.
    Users(Vec<String>),
    /// These devices, by `device_id`, sorted, each once. Resolved when the work is taken.
    Devices(Vec<String>),
    /// These devices while they belong to these persons, sorted, each once.
    Pairs(Vec<Pair>),
    /// Whoever subscribed with this provider: one target, without a device. Where to is the notification's to say.
    Broadcast(ProviderKind),
}

/// The stored bytes are not what [`Targets::encode`] writes.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("stored targets cannot be read")]
pub struct UnreadableTargets;

const USERS: u8 = 1;
const DEVICES: u8 = 2;
const PAIRS: u8 = 3;
const BROADCAST: u8 = 4;

impl Targets {
    /// How many it names.
    pub fn len(&self) -> usize {
        match self {
            Self::Users(names) | Self::Devices(names) => names.len(),
            Self::Pairs(pairs) => pairs.len(),
            Self::Broadcast(_) => 1,
        }
    }

    /// Whether it names nobody.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Each of them alone.
    pub fn singles(&self) -> Vec<Self> {
        match self {
            Self::Users(names) => names.iter().map(|name| Self::Users(vec![name.clone()])).collect(),
            Self::Devices(names) => names.iter().map(|name| Self::Devices(vec![name.clone()])).collect(),
            Self::Pairs(pairs) => pairs.iter().map(|pair| Self::Pairs(vec![*pair])).collect(),
            Self::Broadcast(_) => vec![self.clone()],
        }
    }

    /// As the store keeps it: a tag, then names with their lengths, pairs as differences, or a
    /// provider's name; numbers as LEB128.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(1 + self.len() * 4);
        match self {
            Self::Users(names) | Self::Devices(names) => {
                out.push(if matches!(self, Self::Users(_)) { USERS } else { DEVICES });
                for name in names {
                    put_number(&mut out, name.len() as u64);
                    out.extend_from_slice(name.as_bytes());
                }
            }
            Self::Pairs(pairs) => {
                out.push(PAIRS);
                let mut last = 0;
                for pair in pairs {
                    put_number(&mut out, pair.device.0.wrapping_sub(last).cast_unsigned());
                    put_number(&mut out, pair.person.map_or(0, |person| person.0).cast_unsigned());
                    last = pair.device.0;
                }
            }
            Self::Broadcast(provider) => {
                out.push(BROADCAST);
                out.extend_from_slice(provider.as_str().as_bytes());
            }
        }
        out
    }

    /// What [`Targets::encode`] wrote.
    pub fn decode(bytes: &[u8]) -> Result<Self, UnreadableTargets> {
        let (&tag, mut rest) = bytes.split_first().ok_or(UnreadableTargets)?;
        match tag {
            USERS => Ok(Self::Users(take_names(&mut rest)?)),
            DEVICES => Ok(Self::Devices(take_names(&mut rest)?)),
            PAIRS => {
                let mut pairs = Vec::new();
                let mut last = 0_i64;
                while !rest.is_empty() {
                    last = last.wrapping_add(take_number(&mut rest)?.cast_signed());
                    let person = take_number(&mut rest)?.cast_signed();
                    pairs.push(Pair { device: DevicePk(last), person: (person != 0).then_some(PersonPk(person)) });
                }
                Ok(Self::Pairs(pairs))
            }
            BROADCAST => {
                let provider = ProviderKind::ALL.into_iter().find(|provider| provider.as_str().as_bytes() == rest);
                provider.map(Self::Broadcast).ok_or(UnreadableTargets)
            }
            _ => Err(UnreadableTargets),
        }
    }
}

fn put_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push((number & 0x7f) as u8);
}

fn take_number(from: &mut &[u8]) -> Result<u64, UnreadableTargets> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = from.split_first().ok_or(UnreadableTargets)?;
        *from = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err(UnreadableTargets)
}

fn take_names(from: &mut &[u8]) -> Result<Vec<String>, UnreadableTargets> {
    let mut names = Vec::new();
    while !from.is_empty() {
        let len = usize::try_from(take_number(from)?).map_err(|_| UnreadableTargets)?;
        let (name, rest) = from.split_at_checked(len).ok_or(UnreadableTargets)?;
        *from = rest;
        names.push(String::from_utf8(name.to_vec()).map_err(|_| UnreadableTargets)?);
    }
    Ok(names)
}

/// A work row to be inserted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewWork {
    /// Its id.
    pub id: WorkId,
    /// What is to be done.
    pub kind: WorkKind,
    /// Through which stream.
    pub stream: Stream,
    /// Released through its run.
    pub fan_out: bool,
    /// Whom for; empty pairs for `Expand`.
    pub targets: Targets,
    /// Requests already handed to the provider for each of its targets.
    pub attempt: u32,
    /// Why it waits, where it does.
    pub reason: Option<WaitReason>,
    /// When it may be taken; never beyond `expires_at`.
    pub due_at: Timestamp,
    /// When its targets are over, at the latest.
    pub expires_at: Timestamp,
}

/// A work row in a worker's hands, until its lease lapses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TakenWork {
    /// Where it is.
    pub key: WorkKey,
    /// The fence: plans are written only while the row has this epoch.
    pub epoch: i64,
    /// How often it has been taken since a step made progress.
    pub takes: u32,
    /// What is to be done.
    pub kind: WorkKind,
    /// Through which stream it came.
    pub stream: Stream,
    /// Released through its run.
    pub fan_out: bool,
    /// Whom for.
    pub targets: Targets,
    /// Requests already handed to the provider for each of its targets.
    pub attempt: u32,
    /// Why it waited.
    pub reason: Option<WaitReason>,
    /// It was made by accept or expand and is taken for the first time: none of its targets can have a delivery yet.
    pub first: bool,
    /// When its targets are over, at the latest.
    pub expires_at: Timestamp,
    /// Over which span of time its pushes are spread, where its run has a pace.
    pub slot: Option<Slot>,
    /// Its takes are spent: it is only to be recorded, as expired or cancelled.
    pub spent: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn targets() -> impl Strategy<Value = Targets> {
        let names = || proptest::collection::vec(".{0,40}", 0..20);
        let pair = (any::<i64>(), proptest::option::of(1..i64::MAX))
            .prop_map(|(device, person)| Pair { device: DevicePk(device), person: person.map(PersonPk) });
        prop_oneof![
            names().prop_map(Targets::Users),
            names().prop_map(Targets::Devices),
            proptest::collection::vec(pair, 0..50).prop_map(Targets::Pairs),
            proptest::sample::select(ProviderKind::ALL.to_vec()).prop_map(Targets::Broadcast),
        ]
    }

    proptest! {
        #[test]
        fn what_was_encoded_is_decoded(targets in targets()) {
            prop_assert_eq!(Targets::decode(&targets.encode()), Ok(targets));
        }

        #[test]
        fn singles_are_all_of_them(targets in targets()) {
            let singles = targets.singles();
            prop_assert_eq!(singles.len(), targets.len());
            prop_assert!(singles.iter().all(|single| single.len() == 1));
            let joined: Vec<String> = singles.iter().map(|single| format!("{single:?}")).collect();
            let whole = format!("{targets:?}");
            prop_assert!(joined.iter().all(|single| whole.contains(single.split_once('[').map_or("", |(_, inner)| &inner[..inner.len() - 2]))));
        }

        #[test]
        fn foreign_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            drop(Targets::decode(&bytes));
        }
    }

    #[test]
    fn five_hundred_neighbours_take_little_room() {
        let pairs = (0..500).map(|n| Pair { device: DevicePk(1_000_000 + n), person: Some(PersonPk(2_000_000 + n)) });
        assert!(Targets::Pairs(pairs.collect()).encode().len() < 500 * 6);
    }
}
