//! Step 7: what the targets of work stand for, once people, devices and runs have been read.

use std::collections::{HashMap, HashSet};

use super::super::engine::{Answer, Ask, Candidate, Only, Recipient, RunStatus};
use crate::domain::Timestamp;
use crate::domain::id::{AppId, DevicePk, NotificationId, PersonPk, Target};
use crate::domain::work::{Pair, Targets};

/// A user's active devices, each with the instant it was last seen.
pub(in crate::store) struct Person {
    /// The store's number.
    pub(in crate::store) pk: PersonPk,
    /// The devices.
    pub(in crate::store) devices: Vec<(Recipient, Timestamp)>,
}

/// A named device.
pub(in crate::store) struct Named {
    /// The store's number.
    pub(in crate::store) pk: DevicePk,
    /// Whose it is.
    pub(in crate::store) person: Option<PersonPk>,
    /// Since when.
    pub(in crate::store) person_since: Timestamp,
    /// What a push needs, if it is active.
    pub(in crate::store) recipient: Option<Recipient>,
}

/// What is to be read for a batch: names by app, and numbers.
#[derive(Default)]
pub(in crate::store) struct Wanted<'a> {
    /// Users by app.
    pub(in crate::store) users: HashMap<AppId, HashSet<&'a str>>,
    /// Devices by app.
    pub(in crate::store) devices: HashMap<AppId, HashSet<&'a str>>,
    /// Devices by number, in ascending order.
    pub(in crate::store) numbers: Vec<i64>,
}

impl<'a> Wanted<'a> {
    /// All that `asks` name.
    pub(in crate::store) fn of(asks: &'a [Ask]) -> Self {
        let mut wanted = Self::default();
        for ask in asks {
            match &ask.targets {
                Targets::Users(list) => wanted.users.entry(ask.key.app).or_default().extend(list.iter().map(String::as_str)),
                Targets::Devices(list) => wanted.devices.entry(ask.key.app).or_default().extend(list.iter().map(String::as_str)),
                Targets::Pairs(pairs) => wanted.numbers.extend(pairs.iter().map(|pair| pair.device.0)),
                Targets::Broadcast(_) => {}
            }
        }
        wanted.numbers.sort_unstable();
        wanted.numbers.dedup();
        wanted
    }
}

/// Names that have no row yet.
#[derive(Default)]
pub(in crate::store) struct Missing {
    /// Users.
    pub(in crate::store) users: Vec<(AppId, String)>,
    /// Devices.
    pub(in crate::store) devices: Vec<(AppId, String)>,
}

impl Missing {
    /// Whether every name has one.
    pub(in crate::store) fn is_empty(&self) -> bool {
        self.users.is_empty() && self.devices.is_empty()
    }
}

/// What was read of a batch.
#[derive(Default)]
pub(in crate::store) struct Found {
    /// Users by app and name.
    pub(in crate::store) users: HashMap<AppId, HashMap<String, Person>>,
    /// Devices by app and name.
    pub(in crate::store) named: HashMap<AppId, HashMap<String, Named>>,
    /// Active devices by number.
    pub(in crate::store) numbered: HashMap<DevicePk, Recipient>,
    /// The runs of the notifications.
    pub(in crate::store) runs: HashMap<NotificationId, RunStatus>,
    /// Of the asks that say so, by place, those of their devices that are targets.
    pub(in crate::store) meant: HashMap<usize, HashSet<DevicePk>>,
}

impl Found {
    /// Names that need a row, each once, in order.
    pub(in crate::store) fn missing(&self, asks: &[Ask]) -> Missing {
        let mut missing = Missing::default();
        for ask in asks.iter().filter(|ask| !ask.peek) {
            let app = ask.key.app;
            match &ask.targets {
                Targets::Users(names) => {
                    let unknown = names.iter().filter(|name| self.users.get(&app).is_none_or(|users| !users.contains_key(*name)));
                    missing.users.extend(unknown.map(|name| (app, name.clone())));
                }
                Targets::Devices(names) => {
                    let unknown = names.iter().filter(|name| self.named.get(&app).is_none_or(|named| !named.contains_key(*name)));
                    missing.devices.extend(unknown.map(|name| (app, name.clone())));
                }
                Targets::Pairs(_) | Targets::Broadcast(_) => {}
            }
        }
        for names in [&mut missing.users, &mut missing.devices] {
            names.sort_unstable();
            names.dedup();
        }
        missing
    }

    /// The active devices that an ask names, if it is to be asked which of them are meant.
    pub(in crate::store) fn to_ask_of<'a>(&self, ask: &'a Ask) -> Option<(Vec<i64>, &'a Only)> {
        let only = ask.only.as_ref()?;
        let devices: Vec<i64> = match &ask.targets {
            Targets::Users(names) => {
                let people = names.iter().filter_map(|name| self.users.get(&ask.key.app)?.get(name));
                people.flat_map(|person| &person.devices).map(|(recipient, _)| recipient.device.0).collect()
            }
            Targets::Devices(names) => {
                let named = names.iter().filter_map(|name| self.named.get(&ask.key.app)?.get(name));
                named.filter_map(|named| named.recipient.as_ref()).map(|recipient| recipient.device.0).collect()
            }
            // they were asked when they were taken
            Targets::Pairs(_) | Targets::Broadcast(_) => return None,
        };
        Some((devices, only))
    }

    /// The targets of each work row.
    pub(in crate::store) fn answers(&self, asks: &[Ask]) -> Vec<Answer> {
        asks.iter().enumerate().map(|(place, ask)| self.answer(ask, self.meant.get(&place))).collect()
    }

    fn answer(&self, ask: &Ask, meant: Option<&HashSet<DevicePk>>) -> Answer {
        let mut candidates = Vec::with_capacity(ask.targets.len());
        match &ask.targets {
            Targets::Users(names) => {
                let users = self.users.get(&ask.key.app);
                for name in names {
                    match users.and_then(|users| users.get(name)) {
                        Some(person) => of_person(person, (ask.latest_only, meant), &mut candidates),
                        None => candidates.push(without_device(UNKNOWN)),
                    }
                }
                if meant.is_some() {
                    candidates.retain(|candidate| candidate.target.as_device().is_some());
                }
            }
            Targets::Devices(names) => {
                let named = self.named.get(&ask.key.app);
                let device = |name: &String| named.and_then(|named| named.get(name));
                candidates.extend(
                    names
                        .iter()
                        .map(|name| device(name).map_or_else(|| without_device(UNKNOWN), |named| of_device(named, ask.accepted_at))),
                );
                if let Some(meant) = meant {
                    candidates.retain(|candidate| candidate.target.as_device().is_some_and(|device| meant.contains(&device)));
                }
            }
            Targets::Pairs(pairs) => candidates.extend(pairs.iter().map(|pair| self.of_pair(pair))),
            Targets::Broadcast(_) => candidates.push(without_device(Target::BROADCAST)),
        }
        candidates.sort_by_key(|candidate| candidate.target);
        // a name that is only looked at has no number to tell it by
        candidates.dedup_by(|one, other| one.target == other.target && one.target.raw() != 0);
        Answer { run: self.runs.get(&ask.key.notification).copied(), candidates }
    }

    fn of_pair(&self, pair: &Pair) -> Candidate {
        let recipient = self.numbered.get(&pair.device).cloned();
        Candidate {
            target: Target::device(pair.device),
            person: pair.person,
            recipient,
            moved: false,
            delivered: false,
            shown: None,
            lacks_token: false,
        }
    }
}

/// The target of a name without a row, looked at without making one.
const UNKNOWN: Target = Target::from_raw(0);

fn without_device(target: Target) -> Candidate {
    Candidate { target, person: None, recipient: None, moved: false, delivered: false, shown: None, lacks_token: false }
}

fn of_person(person: &Person, (latest_only, meant): (bool, Option<&HashSet<DevicePk>>), candidates: &mut Vec<Candidate>) {
    let devices = person.devices.iter().filter(|(recipient, _)| meant.is_none_or(|meant| meant.contains(&recipient.device)));
    let found = |recipient: &Recipient| Candidate {
        target: Target::device(recipient.device),
        person: Some(person.pk),
        recipient: Some(recipient.clone()),
        moved: false,
        delivered: false,
        shown: None,
        lacks_token: false,
    };
    if person.devices.is_empty() {
        let target = Target::person(person.pk);
        candidates.push(Candidate {
            target,
            person: Some(person.pk),
            recipient: None,
            moved: false,
            delivered: false,
            shown: None,
            lacks_token: false,
        });
    } else if latest_only {
        let latest = devices.max_by_key(|(recipient, seen)| (*seen, recipient.device));
        candidates.extend(latest.map(|(recipient, _)| found(recipient)));
    } else {
        candidates.extend(devices.map(|(recipient, _)| found(recipient)));
    }
}

fn of_device(named: &Named, accepted_at: Timestamp) -> Candidate {
    let recipient = named.recipient.clone();
    let moved = named.person_since > accepted_at;
    let person = named.person.filter(|_| !moved);
    Candidate { target: Target::device(named.pk), person, recipient, moved, delivered: false, shown: None, lacks_token: false }
}

/// Targets of one notification.
pub(in crate::store) struct Look {
    /// The notification.
    pub(in crate::store) notification: NotificationId,
    /// Its day.
    pub(in crate::store) day: i32,
    /// The targets.
    pub(in crate::store) targets: Vec<Target>,
}

/// The targets of which it matters whether they have a delivery, each with the place of its work row.
pub(in crate::store) fn to_look_at(asks: &[Ask], answers: &[Answer]) -> Vec<(usize, Look)> {
    let asked = asks.iter().zip(answers).enumerate().filter(|(_, (ask, _))| ask.check_deliveries);
    let look = |(n, (ask, answer)): (usize, (&Ask, &Answer))| {
        let targets = answer.candidates.iter().map(|candidate| candidate.target).collect();
        (n, Look { notification: ask.key.notification, day: ask.day, targets })
    };
    asked.map(look).collect()
}

/// The work rows that name users, whose people may have been reached under another device.
pub(in crate::store) fn to_look_for(asks: &[Ask]) -> Vec<(usize, NotificationId, i32)> {
    let named = asks.iter().enumerate().filter(|(_, ask)| ask.check_deliveries && matches!(ask.targets, Targets::Users(_)));
    named.map(|(n, ask)| (n, ask.key.notification, ask.day)).collect()
}

/// Marks the candidates that have a delivery, and those that stand for a user who got it already under what the name stood for then:
/// another device, or none. `reached` says of a person whether it was in place of a device, since they had none.
pub(in crate::store) fn mark(
    asks: &[Ask],
    answers: &mut [Answer],
    delivered: &HashSet<(usize, Target)>,
    reached: &HashMap<(usize, PersonPk), bool>,
) {
    if delivered.is_empty() && reached.is_empty() {
        return;
    }
    for (n, (ask, answer)) in asks.iter().zip(answers).enumerate() {
        for candidate in &mut answer.candidates {
            let stands_for_one = ask.latest_only || candidate.target.as_device().is_none();
            let before = candidate.person.and_then(|person| reached.get(&(n, person)));
            let under_other_name = before.is_some_and(|as_nobody| *as_nobody || stands_for_one);
            candidate.delivered = under_other_name || delivered.contains(&(n, candidate.target));
        }
    }
}

/// Fills in what was shown under the collapse keys.
pub(in crate::store) fn mark_shown(answers: &mut [Answer], shown: &HashMap<(usize, Target), NotificationId>) {
    for (n, answer) in answers.iter_mut().enumerate().filter(|_| !shown.is_empty()) {
        for candidate in &mut answer.candidates {
            candidate.shown = shown.get(&(n, candidate.target)).copied();
        }
    }
}
