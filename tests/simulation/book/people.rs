//! Whose devices are, what people want, and what was cancelled: each with the instants of its changes.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use herald::domain::id::{DevicePk, NotificationId, PersonPk};
use herald::domain::notification::{Audience, Notification};
use herald::domain::preferences::Preferences;
use herald::domain::work::Targets;
use herald::store::engine::{NewNotification, RunStatus};

use crate::memory::state::State;

/// A device's owner since an instant; `None`: nobody is signed in.
type Owners = Vec<(Duration, Option<PersonPk>)>;

/// What is known of a notification.
pub struct Accepted {
    pub content: Notification,
    /// The users that it names.
    users: Vec<String>,
    /// When it was written.
    at: Duration,
}

/// See the module.
#[derive(Default)]
pub struct People {
    owners: BTreeMap<DevicePk, Owners>,
    wishes: BTreeMap<PersonPk, (Duration, Option<Preferences>)>,
    devices: BTreeMap<DevicePk, (Duration, i64)>,
    accepted: BTreeMap<NotificationId, Accepted>,
    /// Since when a run is stopped.
    stopped: BTreeMap<NotificationId, Duration>,
}

impl People {
    pub fn observe(&mut self, at: Duration, state: &State) {
        for (pk, device) in state.devices.iter().filter_map(|(pk, row)| Some((pk, row.device.as_ref()?))) {
            let owners = self.owners.entry(*pk).or_default();
            if owners.last().is_none_or(|(_, owner)| *owner != device.person) {
                owners.push((at, device.person));
            }
            if self.devices.get(pk).is_none_or(|(_, version)| *version != device.version) {
                self.devices.insert(*pk, (at, device.version));
            }
        }
        for (pk, person) in &state.people {
            if self.wishes.get(pk).is_none_or(|(_, wishes)| *wishes != person.preferences) {
                self.wishes.insert(*pk, (at, person.preferences.clone()));
            }
        }
    }

    pub fn fell_back(&mut self, at: Duration, state: &State) {
        *self = Self { accepted: std::mem::take(&mut self.accepted), ..Self::default() };
        self.observe(at, state);
    }

    pub fn accepted(&mut self, at: Duration, new: &NewNotification, state: &State) {
        self.observe(at, state);
        let users = |targets: &Targets| if let Targets::Users(names) = targets { names.clone() } else { Vec::new() };
        let users = new.work.iter().flat_map(|work| users(&work.targets)).collect();
        let content = serde_json::from_slice(&new.content).unwrap();
        self.accepted.entry(new.id).or_insert(Accepted { content, users, at });
    }

    pub fn turned(&mut self, at: Duration, id: NotificationId, state: &State) {
        match state.run_status(id) {
            Some(RunStatus::Cancelled | RunStatus::Paused) => drop(self.stopped.entry(id).or_insert(at)),
            _ => drop(self.stopped.remove(&id)),
        }
    }

    pub fn accepted_at(&self, id: NotificationId) -> Duration {
        self.accepted.get(&id).map(|accepted| accepted.at).unwrap_or_default()
    }

    pub fn names_devices(&self, id: NotificationId) -> bool {
        self.accepted.get(&id).is_some_and(|accepted| accepted.content.audience == Audience::Named && accepted.users.is_empty())
    }

    pub fn content(&self, id: NotificationId) -> Option<&Accepted> {
        self.accepted.get(&id)
    }

    /// Whether a run was stopped before an instant, and still is.
    pub fn was_stopped(&self, id: NotificationId, before: Duration) -> bool {
        self.stopped.get(&id).is_some_and(|at| *at < before)
    }

    /// Whether a device or its owner's wishes changed after an instant.
    pub fn changed_since(&self, device: DevicePk, owner: Option<PersonPk>, instant: Duration) -> bool {
        let of_device = self.devices.get(&device).is_none_or(|(at, _)| *at >= instant);
        let of_owner = owner.and_then(|owner| self.wishes.get(&owner)).is_some_and(|(at, _)| *at >= instant);
        of_device || of_owner
    }

    /// Every device that was ever a person's.
    pub fn devices_ever(&self, person: PersonPk) -> impl Iterator<Item = DevicePk> {
        let theirs = move |owners: &Owners| owners.iter().any(|(_, owner)| *owner == Some(person));
        self.owners.iter().filter(move |(_, owners)| theirs(owners)).map(|(device, _)| *device)
    }

    /// Everyone whose the device was at some time after an instant.
    fn owners_since(&self, device: DevicePk, instant: Duration) -> BTreeSet<Option<PersonPk>> {
        let owners = self.owners.get(&device).map(Vec::as_slice).unwrap_or_default();
        let first = owners.partition_point(|(at, _)| *at <= instant).saturating_sub(1);
        owners.iter().skip(first).map(|(_, owner)| *owner).collect()
    }

    /// A push is for someone whose the device was a moment before.
    pub fn is_meant(
        &self,
        (id, device): (NotificationId, DevicePk),
        since: Duration,
        (worked_for, state): (&BTreeSet<Option<PersonPk>>, &State),
    ) -> bool {
        let Some(accepted) = self.accepted.get(&id) else { return false };
        let owners = self.owners_since(device, since);
        match accepted.content.audience {
            Audience::Named if accepted.users.is_empty() => !owners.is_disjoint(&self.owners_at(device, accepted.at)),
            Audience::Named => {
                let name = |owner: &Option<PersonPk>| owner.and_then(|owner| state.people.get(&owner)).map(|person| &person.name);
                owners.iter().filter_map(name).any(|name| accepted.users.contains(name))
            }
            Audience::All | Audience::Segment(_) | Audience::Topic(_) => !owners.is_disjoint(worked_for),
            Audience::Broadcast(_) => false,
        }
    }

    /// Whose the device was when a notification was written.
    fn owners_at(&self, device: DevicePk, at: Duration) -> BTreeSet<Option<PersonPk>> {
        let owners = self.owners.get(&device).map(Vec::as_slice).unwrap_or_default();
        let last = owners.iter().rfind(|(since, _)| *since <= at);
        // one that was not known yet belongs to whom it came to belong to
        last.or(owners.first()).map(|(_, owner)| *owner).into_iter().collect()
    }
}
