//! Who still waits: what work rows name, as it would resolve now, without the targets that have a delivery.

use std::collections::BTreeSet;

use herald::domain::device::{Device, DeviceStatus, ProviderKind};
use herald::domain::id::{AppId, PersonPk, Target, WorkId};
use herald::domain::work::{Pair, Targets};
use herald::store::engine::NewNotification;

use super::state::{Row, State};

/// A target that waits.
#[derive(Clone, Debug)]
pub struct Place {
    /// The user or device that was named; empty where the row has numbers.
    pub name: String,
    /// `None` while nothing is known of the name.
    pub target: Option<Target>,
    pub person: Option<PersonPk>,
    /// It stands for a device that can be named to callers.
    pub is_device: bool,
    /// The name is a user's.
    pub is_user: bool,
    /// Who fans it out, where it is a broadcast.
    pub provider: Option<ProviderKind>,
}

impl State {
    /// The rows of a notification with the targets that wait in each; each target once among all of them.
    pub fn waiting(&self, new: &NewNotification) -> Vec<(WorkId, &Row, Vec<Place>)> {
        let (people, as_nobody) = self.reached(new.day(), new.id);
        let mut seen = BTreeSet::new();
        let mut waiting = Vec::new();
        for (id, row) in self.works_on(new.id) {
            let of_users = matches!(row.work.targets, Targets::Users(_));
            let had_it = |place: &Place, person: &PersonPk| {
                as_nobody.contains(person) || (people.contains(person) && (new.narrowed.latest_only || !place.is_device))
            };
            let mut places = self.resolve(new, row);
            places.sort_by(|a, b| (&a.name, a.target).cmp(&(&b.name, b.target)));
            places.retain(|place| {
                let under_other_name = of_users && place.person.as_ref().is_some_and(|person| had_it(place, person));
                let is_over = place.target.is_some_and(|target| self.deliveries.contains_key(&(new.day(), new.id, target)));
                let again = place.target.is_some_and(|target| !seen.insert(target));
                !under_other_name && !is_over && !again
            });
            waiting.push((id, row, places));
        }
        waiting
    }

    fn resolve(&self, new: &NewNotification, row: &Row) -> Vec<Place> {
        match &row.work.targets {
            Targets::Users(names) => names.iter().flat_map(|name| self.user_places(new, row.app, name)).collect(),
            Targets::Devices(names) => {
                let places = names.iter().map(|name| self.device_place(row.app, name));
                places.filter(|place| new.narrowed.only.is_none() || self.is_place_meant(new, place)).collect()
            }
            Targets::Pairs(pairs) => pairs.iter().map(pair_place).collect(),
            Targets::Broadcast(provider) => vec![broadcast_place(*provider)],
        }
    }

    fn user_places(&self, new: &NewNotification, app: AppId, name: &str) -> Vec<Place> {
        let place = |target, person, is_device| Place { name: name.to_owned(), target, person, is_device, is_user: true, provider: None };
        let only = new.narrowed.only.as_ref();
        let nobody = |target, person| if only.is_some() { Vec::new() } else { vec![place(target, person, false)] };
        let Some(person) = self.person_names.get(&(app, name.to_owned())).copied() else { return nobody(None, None) };
        let mut devices = self.active_devices_of(person);
        if devices.is_empty() {
            return nobody(Some(Target::person(person)), Some(person));
        }
        devices.retain(|device| only.is_none_or(|segment| self.is_meant(device, segment, new.start_at)));
        let latest = devices.iter().max_by_key(|device| (device.last_seen_at, device.pk)).map(|device| device.pk);
        let is_meant = |device: &&Device| {
            let latest = !new.narrowed.latest_only || latest == Some(device.pk);
            latest && !new.narrowed.except.contains(&device.name)
        };
        devices.into_iter().filter(is_meant).map(|device| place(Some(Target::device(device.pk)), Some(person), true)).collect()
    }

    fn is_place_meant(&self, new: &NewNotification, place: &Place) -> bool {
        let device = place.target.and_then(Target::as_device).and_then(|pk| self.device(pk)).filter(|_| place.is_device);
        device.is_some_and(|device| new.narrowed.only.as_ref().is_some_and(|segment| self.is_meant(device, segment, new.start_at)))
    }

    fn device_place(&self, app: AppId, name: &str) -> Place {
        let pk = self.device_names.get(&(app, name.to_owned())).copied();
        let device = pk.and_then(|pk| self.device(pk));
        Place {
            name: name.to_owned(),
            target: pk.map(Target::device),
            person: device.and_then(|device| device.person),
            is_device: device.is_some_and(|device| device.status == DeviceStatus::Active),
            is_user: false,
            provider: None,
        }
    }
}

fn pair_place(pair: &Pair) -> Place {
    let target = Some(Target::device(pair.device));
    Place { name: String::new(), target, person: pair.person, is_device: true, is_user: false, provider: None }
}

fn broadcast_place(provider: ProviderKind) -> Place {
    let target = Some(Target::BROADCAST);
    Place { name: String::new(), target, person: None, is_device: false, is_user: false, provider: Some(provider) }
}
