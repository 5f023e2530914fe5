//! Somebody, by all that work knows them by.

use std::collections::HashSet;

use super::id::PersonPk;
use super::work::{Pair, Targets};

/// A user and their devices, active or not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Somebody {
    /// The app's name for them.
    pub user: String,
    /// The store's number for them; another one after an erasure, none where they were never heard of.
    pub people: HashSet<PersonPk>,
    /// Their devices, by `device_id`.
    pub devices: HashSet<String>,
}

impl Somebody {
    /// Of a row's targets those that are theirs, and all others. A device by its number is theirs if it was when the work was made, whoever has
    /// it now; a broadcast is nobody's.
    pub fn part(&self, targets: &Targets) -> (Targets, Targets) {
        match targets {
            Targets::Users(names) => {
                let (theirs, rest) = names.iter().cloned().partition(|name| *name == self.user);
                (Targets::Users(theirs), Targets::Users(rest))
            }
            Targets::Devices(names) => {
                let (theirs, rest) = names.iter().cloned().partition(|name| self.devices.contains(name));
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
            Targets::Devices(names) => names.iter().any(|name| self.devices.contains(name)),
            Targets::Pairs(pairs) => pairs.iter().any(|pair| self.has(pair)),
            Targets::Broadcast(_) => false,
        }
    }

    fn has(&self, pair: &Pair) -> bool {
        pair.person.is_some_and(|person| self.people.contains(&person))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::device::ProviderKind;
    use crate::domain::id::DevicePk;

    fn ann() -> Somebody {
        Somebody { user: "ann".to_owned(), people: HashSet::from([PersonPk(1), PersonPk(3)]), devices: HashSet::from(["phone".to_owned()]) }
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn pair(device: i64, person: Option<i64>) -> Pair {
        Pair { device: DevicePk(device), person: person.map(PersonPk) }
    }

    #[test]
    fn theirs_are_parted_from_all_others() {
        let (hers, also_hers, others, nobodys) = (pair(11, Some(1)), pair(12, Some(3)), pair(12, Some(2)), pair(12, None));
        let nobody = || Targets::Pairs(Vec::new());
        for (targets, theirs, rest) in [
            (Targets::Users(names(&["al", "ann", "anna"])), Targets::Users(names(&["ann"])), Targets::Users(names(&["al", "anna"]))),
            (Targets::Devices(names(&["ann", "phone"])), Targets::Devices(names(&["phone"])), Targets::Devices(names(&["ann"]))),
            (Targets::Pairs(vec![hers, others, also_hers]), Targets::Pairs(vec![hers, also_hers]), Targets::Pairs(vec![others])),
            (Targets::Pairs(vec![nobodys]), nobody(), Targets::Pairs(vec![nobodys])),
            (Targets::Broadcast(ProviderKind::Fcm), nobody(), Targets::Broadcast(ProviderKind::Fcm)),
        ] {
            assert_eq!(ann().part(&targets), (theirs.clone(), rest), "{targets:?}");
            assert_eq!(ann().is_named_by(&targets), !theirs.is_empty(), "{targets:?}");
        }
    }
}
