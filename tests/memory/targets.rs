//! Step 7.

use std::sync::Arc;

use herald::domain::device::{Device, DeviceStatus};
use herald::domain::id::{AppId, DevicePk, PersonPk, Target};
use herald::domain::work::{Pair, Targets};
use herald::store::engine::{Answer, Ask, Candidate, Facts, Recipient};

use super::state::{DeviceRow, State};

fn candidate(target: Target, person: Option<PersonPk>, recipient: Option<Recipient>) -> Candidate {
    Candidate { target, person, recipient, moved: false, delivered: false, shown: None, lacks_token: false }
}

/// A name without a row, looked at without making one.
fn nobody() -> Candidate {
    candidate(Target::from_raw(0), None, None)
}

impl State {
    pub fn read_targets(&mut self, asks: &[Ask]) -> Vec<Answer> {
        for ask in asks.iter().filter(|ask| !ask.peek) {
            self.know(ask.key.app, &ask.targets);
        }
        asks.iter().map(|ask| self.answer(ask)).collect()
    }

    /// Unknown names get a row.
    fn know(&mut self, app: AppId, targets: &Targets) {
        match targets {
            Targets::Users(names) => {
                for name in names {
                    self.ensure_person(app, name);
                }
            }
            Targets::Devices(names) => {
                for name in names {
                    self.ensure_device(app, name);
                }
            }
            Targets::Pairs(_) | Targets::Broadcast(_) => {}
        }
    }

    fn answer(&self, ask: &Ask) -> Answer {
        let mut candidates: Vec<Candidate> = match &ask.targets {
            Targets::Users(names) => names.iter().flat_map(|name| self.of_user(ask, name)).collect(),
            Targets::Devices(names) => {
                names.iter().filter(|name| self.may_be_named(ask, name)).map(|name| self.of_name(ask, name)).collect()
            }
            Targets::Pairs(pairs) => pairs.iter().map(|pair| self.of_pair(*pair)).collect(),
            Targets::Broadcast(_) => vec![candidate(Target::BROADCAST, None, None)],
        };
        candidates.sort_by_key(|candidate| candidate.target);
        candidates.dedup_by(|one, other| one.target == other.target && one.target.raw() != 0);
        for candidate in &mut candidates {
            candidate.delivered = ask.check_deliveries && self.has_it(ask, candidate);
            candidate.shown = ask.collapse_hash.and_then(|hash| self.last_shown(candidate.target, hash));
            self.readdress(ask, candidate);
            if let Some(recipient) = candidate.recipient.as_mut().filter(|_| ask.facts) {
                recipient.facts = Some(Arc::new(self.facts(recipient.device, recipient.person)));
            }
        }
        Answer { run: self.run_status(ask.key.notification), candidates }
    }

    fn of_user(&self, ask: &Ask, name: &str) -> Vec<Candidate> {
        let Some(person) = self.person_names.get(&(ask.key.app, name.to_owned())).copied() else {
            return if ask.only.is_some() { Vec::new() } else { vec![nobody()] };
        };
        let mut devices = self.active_devices_of(person);
        if let Some(only) = &ask.only {
            devices.retain(|device| self.is_meant(device, &only.segment, only.as_of));
        } else if devices.is_empty() {
            return vec![candidate(Target::person(person), Some(person), None)];
        }
        if ask.latest_only {
            devices.sort_by_key(|device| (device.last_seen_at, device.pk));
            devices.drain(..devices.len().saturating_sub(1));
        }
        devices.into_iter().map(|device| candidate(Target::device(device.pk), Some(person), Some(self.recipient(device)))).collect()
    }

    /// Where only some are meant, a name must be that of an active one of them.
    fn may_be_named(&self, ask: &Ask, name: &str) -> bool {
        let Some(only) = &ask.only else { return true };
        let pk = self.device_names.get(&(ask.key.app, name.to_owned()));
        let device = pk.and_then(|pk| self.device(*pk)).filter(|device| device.status == DeviceStatus::Active);
        device.is_some_and(|device| self.is_meant(device, &only.segment, only.as_of))
    }

    pub fn active_devices_of(&self, person: PersonPk) -> Vec<&Device> {
        let devices = self.devices.values().filter_map(|row| row.device.as_ref());
        devices.filter(|device| device.person == Some(person) && device.status == DeviceStatus::Active).collect()
    }

    fn of_name(&self, ask: &Ask, name: &str) -> Candidate {
        let pk = self.device_names.get(&(ask.key.app, name.to_owned()));
        let Some((pk, row)) = pk.and_then(|pk| Some((*pk, self.devices.get(pk)?))) else { return nobody() };
        let moved = row.person_since > ask.accepted_at;
        let person = row.device.as_ref().and_then(|device| device.person).filter(|_| !moved);
        Candidate { moved, ..candidate(Target::device(pk), person, self.active(row)) }
    }

    fn of_pair(&self, pair: Pair) -> Candidate {
        let recipient = self.devices.get(&pair.device).and_then(|row| self.active(row));
        candidate(Target::device(pair.device), pair.person, recipient)
    }

    fn active(&self, row: &DeviceRow) -> Option<Recipient> {
        let device = row.device.as_ref().filter(|device| device.status == DeviceStatus::Active);
        device.map(|device| self.recipient(device))
    }

    fn recipient(&self, device: &Device) -> Recipient {
        let person = device.person.and_then(|person| self.people.get(&person));
        let own = || self.devices.get(&device.pk).and_then(|row| row.preferences.clone());
        let preferences = person.map_or_else(own, |person| person.preferences.clone());
        Recipient {
            device: device.pk,
            name: device.name.clone(),
            person: device.person,
            platform: device.platform,
            provider: device.provider,
            environment: device.environment,
            token: device.token.clone(),
            token_hash: device.token_hash,
            permission: device.permission,
            timezone: device.timezone.clone(),
            locale: device.locale.clone().or_else(|| person.and_then(|person| person.profile.locale.clone())),
            preferences: preferences.map(Arc::new),
            facts: None,
        }
    }

    fn facts(&self, device: DevicePk, person: Option<PersonPk>) -> Facts {
        let person = person.and_then(|person| self.people.get(&person));
        Facts {
            user: person.map(|person| person.name.clone()),
            user_tags: person.map(|person| person.profile.tags.clone()).unwrap_or_default(),
            device_tags: self.device(device).map(|device| device.tags.clone()).unwrap_or_default(),
        }
    }

    /// It has a delivery, or its user got the notification under what the name stood for then.
    fn has_it(&self, ask: &Ask, candidate: &Candidate) -> bool {
        let (day, id) = (ask.day, ask.key.notification);
        if self.deliveries.contains_key(&(day, id, candidate.target)) {
            return true;
        }
        let Some(person) = candidate.person.filter(|_| matches!(ask.targets, Targets::Users(_))) else { return false };
        let (people, as_nobody) = self.reached(day, id);
        let stands_for_one = ask.latest_only || candidate.target.as_device().is_none();
        as_nobody.contains(&person) || (stands_for_one && people.contains(&person))
    }

    fn last_shown(&self, target: Target, hash: [u8; 32]) -> Option<herald::domain::id::NotificationId> {
        self.shown.get(&(target.as_device()?, hash)).map(|(id, _)| *id)
    }
}
