//! Somebody, by all that work knows them by.

use std::collections::HashSet;

use super::id::{DevicePk, PersonPk};
use super::work::{Pair, Targets};

/// A user and their devices, active or not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Somebody {
    /// The app's name for them.
    pub user: String,
    /// The store's number for them; another one after an erasure, none where they were never heard of.
    pub people: HashSet<PersonPk>,
    /// Their devices, by number.
    pub devices: HashSet<DevicePk>,
    /// Their devices, by `device_id`.
    pub device_names: HashSet<String>,
}

impl Somebody {
    /// Also by what the same user was known by before.
    pub fn also(&mut self, before: Self) {
        self.people.extend(before.people);
        self.devices.extend(before.devices);
        self.device_names.extend(before.device_names);
    }

    /// Of a row's targets those that are theirs, and all others. A broadcast is nobody's.
    pub fn part(&self, targets: &Targets) -> (Targets, Targets) {
        match targets {
            Targets::Users(names) => {
                let (theirs, rest) = names.iter().cloned().partition(|name| *name == self.user);
                (Targets::Users(theirs), Targets::Users(rest))
            }
            Targets::Devices(names) => {
                let (theirs, rest) = names.iter().cloned().partition(|name| self.device_names.contains(name));
                (Targets::Devices(theirs), Targets::Devices(rest))
            }
            Targets::Pairs(pairs) => {
                let (theirs, rest) = pairs.iter().partition(|pair| self.has(pair));
                (Targets::Pairs(theirs), Targets::Pairs(rest))
            }
            Targets::Broadcast(_) => (Targets::Pairs(Vec::new()), targets.clone()),
        }
    }

    /// Whether a row names them.
    pub fn is_named_by(&self, targets: &Targets) -> bool {
        match targets {
            Targets::Users(names) => names.contains(&self.user),
            Targets::Devices(names) => names.iter().any(|name| self.device_names.contains(name)),
            Targets::Pairs(pairs) => pairs.iter().any(|pair| self.has(pair)),
            Targets::Broadcast(_) => false,
        }
    }

    fn has(&self, pair: &Pair) -> bool {
        self.devices.contains(&pair.device) || pair.person.is_some_and(|person| self.people.contains(&person))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::device::ProviderKind;

    fn ann() -> Somebody {
        Somebody {
            user: "ann".to_owned(),
            people: HashSet::from([PersonPk(1)]),
            devices: HashSet::from([DevicePk(10)]),
            device_names: HashSet::from(["phone".to_owned()]),
        }
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn pair(device: i64, person: Option<i64>) -> Pair {
        Pair { device: DevicePk(device), person: person.map(PersonPk) }
    }

    #[test]
    fn theirs_are_parted_from_all_others() {
        let (old, new, others) = (pair(11, Some(1)), pair(10, Some(2)), pair(12, Some(2)));
        let nobody = || Targets::Pairs(Vec::new());
        for (targets, theirs, rest) in [
            (Targets::Users(names(&["al", "ann", "anna"])), Targets::Users(names(&["ann"])), Targets::Users(names(&["al", "anna"]))),
            (Targets::Devices(names(&["ann", "phone"])), Targets::Devices(names(&["phone"])), Targets::Devices(names(&["ann"]))),
            (Targets::Pairs(vec![new, old, others]), Targets::Pairs(vec![new, old]), Targets::Pairs(vec![others])),
            (Targets::Pairs(vec![pair(12, None)]), nobody(), Targets::Pairs(vec![pair(12, None)])),
            (Targets::Broadcast(ProviderKind::Fcm), nobody(), Targets::Broadcast(ProviderKind::Fcm)),
        ] {
            assert_eq!(ann().part(&targets), (theirs.clone(), rest), "{targets:?}");
            assert_eq!(ann().is_named_by(&targets), !theirs.is_empty(), "{targets:?}");
        }
    }

    #[test]
    fn who_was_known_by_other_numbers_before_still_is() {
        let mut now = Somebody { people: HashSet::from([PersonPk(2)]), ..Somebody { user: "ann".to_owned(), ..Somebody::default() } };
        now.also(ann());
        for pair in [pair(1, Some(1)), pair(1, Some(2)), pair(10, None)] {
            assert!(now.is_named_by(&Targets::Pairs(vec![pair])), "{pair:?}");
        }
        assert!(now.is_named_by(&Targets::Devices(names(&["phone"]))));
    }
}
