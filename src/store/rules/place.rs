//! Who still waits: the targets that work rows name, as they would resolve now, without those that have a delivery.

use std::collections::{HashMap, HashSet};

use super::super::engine::{Narrowed, Only};
use super::resolve::Look;
use super::tally::Head;
use crate::domain::Timestamp;
use crate::domain::device::ProviderKind;
use crate::domain::id::{AppId, DevicePk, NotificationId, PersonPk, Target};
use crate::domain::reason::WaitReason;
use crate::domain::work::Targets;

/// A work row, as far as readers of its notification care.
pub(in crate::store) struct WorkRow {
    pub(in crate::store) notification: NotificationId,
    pub(in crate::store) id: i64,
    pub(in crate::store) app: AppId,
    pub(in crate::store) targets: Targets,
    pub(in crate::store) reason: Option<WaitReason>,
    pub(in crate::store) due_at: Timestamp,
    /// A worker has it.
    pub(in crate::store) held: bool,
    pub(in crate::store) attempt: u32,
    pub(in crate::store) made_at: Timestamp,
}

/// A target that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::store) struct Place {
    /// The user or device that was named; empty where the row has numbers.
    pub(in crate::store) name: String,
    /// The target; `None` while nothing is known of the name.
    pub(in crate::store) target: Option<Target>,
    /// Whose it is.
    pub(in crate::store) person: Option<PersonPk>,
    /// It stands for a device that can be named to callers.
    pub(in crate::store) is_device: bool,
    /// The name is a user's.
    pub(in crate::store) is_user: bool,
    /// Who fans it out, where it is a broadcast.
    pub(in crate::store) provider: Option<ProviderKind>,
}

/// A user's device, as far as it matters whether it is a target.
pub(in crate::store) struct Owned {
    pub(in crate::store) pk: i64,
    pub(in crate::store) name: String,
    pub(in crate::store) last_seen_at: Timestamp,
}

/// What names stand for now.
#[derive(Default)]
pub(in crate::store) struct Names {
    users: HashMap<(AppId, String), (PersonPk, Vec<Owned>)>,
    devices: HashMap<(AppId, String), (i64, Option<PersonPk>, bool)>,
    meant: HashMap<NotificationId, HashSet<DevicePk>>,
}

/// The names that work rows of one app use: users, then devices.
pub(in crate::store) fn names_of(rows: &[WorkRow]) -> HashMap<AppId, [Vec<&str>; 2]> {
    let mut names: HashMap<AppId, [Vec<&str>; 2]> = HashMap::new();
    for row in rows {
        let [users, devices] = names.entry(row.app).or_default();
        match &row.targets {
            Targets::Users(list) => users.extend(list.iter().map(String::as_str)),
            Targets::Devices(list) => devices.extend(list.iter().map(String::as_str)),
            Targets::Pairs(_) | Targets::Broadcast(_) => {}
        }
    }
    names
}

impl Names {
    /// A user is known; with one of their active devices, if they have any.
    pub(in crate::store) fn add_user(&mut self, app: AppId, name: String, person: PersonPk, device: Option<Owned>) {
        self.users.entry((app, name)).or_insert_with(|| (person, Vec::new())).1.extend(device);
    }

    /// A device is known.
    pub(in crate::store) fn add_device(&mut self, app: AppId, name: String, pk: i64, person: Option<PersonPk>, active: bool) {
        self.devices.insert((app, name), (pk, person, active));
    }

    /// The active devices that rows of a notification name, if it is to be asked which of them are meant.
    pub(in crate::store) fn to_ask_of(&self, rows: &[WorkRow], head: &Head) -> Option<(Vec<i64>, Only)> {
        let segment = head.narrowed.only.clone()?;
        let mut devices = Vec::new();
        for row in rows.iter().filter(|row| row.notification == head.id) {
            match &row.targets {
                Targets::Users(names) => {
                    let people = names.iter().filter_map(|name| self.users.get(&(row.app, name.clone())));
                    devices.extend(people.flat_map(|(_, devices)| devices).map(|device| device.pk));
                }
                Targets::Devices(names) => {
                    let known = names.iter().filter_map(|name| self.devices.get(&(row.app, name.clone())));
                    devices.extend(known.filter(|(_, _, active)| *active).map(|(pk, _, _)| *pk));
                }
                // they were asked when they were taken
                Targets::Pairs(_) | Targets::Broadcast(_) => {}
            }
        }
        Some((devices, Only { segment, as_of: head.start_at }))
    }

    /// These devices of a notification are meant, and no others that are named.
    pub(in crate::store) fn mean(&mut self, notification: NotificationId, devices: HashSet<DevicePk>) {
        self.meant.insert(notification, devices);
    }

    /// The targets of a row, by name and number.
    fn resolve(&self, row: &WorkRow, narrowed: &Narrowed) -> Vec<Place> {
        let mut places: Vec<Place> = match &row.targets {
            Targets::Users(names) => {
                let meant = self.meant.get(&row.notification);
                names.iter().flat_map(|name| self.of_user(row.app, name, (narrowed, meant))).collect()
            }
            Targets::Devices(names) => names.iter().map(|name| self.of_device(row.app, name)).collect(),
            Targets::Pairs(pairs) => pairs
                .iter()
                .map(|pair| {
                    let target = Target::device(pair.device);
                    let is_device = target.as_device().is_some();
                    Place { person: pair.person, is_device, ..unnamed(target) }
                })
                .collect(),
            Targets::Broadcast(provider) => vec![Place { provider: Some(*provider), ..unnamed(Target::BROADCAST) }],
        };
        if let (Some(meant), Targets::Devices(_)) = (self.meant.get(&row.notification), &row.targets) {
            places.retain(|place| place.target.and_then(Target::as_device).is_some_and(|device| meant.contains(&device)));
        }
        places.sort_by(|a, b| (&a.name, a.target).cmp(&(&b.name, b.target)));
        places
    }

    fn of_user(&self, app: AppId, name: &str, (narrowed, meant): (&Narrowed, Option<&HashSet<DevicePk>>)) -> Vec<Place> {
        let place = |target, person, is_device| Place { name: name.to_owned(), target, person, is_device, is_user: true, provider: None };
        match self.users.get(&(app, name.to_owned())) {
            // who has no device has none that is meant
            None if meant.is_some() => Vec::new(),
            Some((_, devices)) if devices.is_empty() && meant.is_some() => Vec::new(),
            None => vec![place(None, None, false)],
            Some((person, devices)) if devices.is_empty() => vec![place(Some(Target::person(*person)), Some(*person), false)],
            Some((person, devices)) => {
                let devices = || devices.iter().filter(|device| meant.is_none_or(|meant| meant.contains(&DevicePk(device.pk))));
                let latest = devices().max_by_key(|device| (device.last_seen_at, device.pk)).map(|device| device.pk);
                let is_meant = |device: &&Owned| !narrowed.latest_only || latest == Some(device.pk);
                let left = devices().filter(is_meant).filter(|device| !narrowed.except.contains(&device.name));
                left.map(|device| place(Some(Target::from_raw(device.pk)), Some(*person), true)).collect()
            }
        }
    }

    fn of_device(&self, app: AppId, name: &str) -> Place {
        let known = self.devices.get(&(app, name.to_owned()));
        Place {
            name: name.to_owned(),
            target: known.map(|(pk, _, _)| Target::from_raw(*pk)),
            person: known.and_then(|(_, person, _)| *person),
            is_device: known.is_some_and(|(_, _, active)| *active),
            is_user: false,
            provider: None,
        }
    }
}

fn unnamed(target: Target) -> Place {
    Place { name: String::new(), target: Some(target), person: None, is_device: false, is_user: false, provider: None }
}

/// The places of some work rows, before it is known which of them have a delivery.
pub(in crate::store) struct Places<'a> {
    rows: &'a [WorkRow],
    heads: &'a HashMap<NotificationId, &'a Head>,
    found: Vec<Vec<Place>>,
}

impl<'a> Places<'a> {
    /// Of each row, by its names.
    pub(in crate::store) fn of(rows: &'a [WorkRow], heads: &'a HashMap<NotificationId, &'a Head>, names: &Names) -> Self {
        let nothing = Narrowed::default();
        let narrowed = |row: &WorkRow| heads.get(&row.notification).map_or(&nothing, |head| &head.narrowed);
        let places = rows.iter().map(|row| names.resolve(row, narrowed(row))).collect();
        Self { rows, heads, found: places }
    }

    fn day(&self, row: &WorkRow) -> i32 {
        self.heads.get(&row.notification).map(|head| head.day()).unwrap_or_default()
    }

    /// What is to be looked up among the deliveries, row by row.
    pub(in crate::store) fn looks(&self) -> Vec<(usize, Look)> {
        let look = |(n, (row, places)): (usize, (&WorkRow, &Vec<Place>))| {
            let targets = places.iter().filter_map(|place| place.target).collect();
            (n, Look { notification: row.notification, day: self.day(row), targets })
        };
        self.rows.iter().zip(&self.found).enumerate().map(look).collect()
    }

    /// The rows whose people are to be looked up among the deliveries.
    pub(in crate::store) fn people(&self) -> Vec<(usize, NotificationId, i32)> {
        let of_users = self.rows.iter().enumerate().filter(|(_, row)| matches!(row.targets, Targets::Users(_)));
        of_users.map(|(n, row)| (n, row.notification, self.day(row))).collect()
    }

    /// Those that have no delivery, each target once among the rows of a notification.
    pub(in crate::store) fn waiting(
        mut self,
        over: &HashSet<(usize, Target)>,
        reached: &HashMap<(usize, PersonPk), bool>,
    ) -> Vec<Vec<Place>> {
        let mut seen = HashSet::new();
        for (n, (row, places)) in self.rows.iter().zip(&mut self.found).enumerate() {
            let latest_only = self.heads.get(&row.notification).is_some_and(|head| head.narrowed.latest_only);
            places.retain(|place| {
                let under_other_name = place
                    .person
                    .and_then(|person| reached.get(&(n, person)))
                    .is_some_and(|as_nobody| *as_nobody || latest_only || !place.is_device);
                let is_over = place.target.is_some_and(|target| over.contains(&(n, target)));
                let again = place.target.is_some_and(|target| !seen.insert((row.notification, target)));
                !(under_other_name || is_over || again)
            });
        }
        self.found
    }
}
