//! Step 11.

use std::collections::BTreeSet;

use herald::domain::Timestamp;
use herald::domain::delivery::Delivery;
use herald::domain::device::{Device, DeviceStatus};
use herald::domain::id::NotificationId;
use herald::store::Result;
use herald::store::engine::{Correction, Death, Finished, Record, Recorded, RunStatus, Shown};

use super::state::{DeliveryRow, State};

impl State {
    pub fn record(&mut self, record: &Record, now: Timestamp) -> Result<Recorded> {
        self.telling_devices(now, |state| state.write(record, now))
    }

    fn write(&mut self, record: &Record, now: Timestamp) -> Result<Recorded> {
        let ends = |finished: &&Finished| self.is_fenced(finished.key, finished.epoch);
        let follow =
            |finished: &'_ Finished| finished.follow_ups.iter().map(|next| (finished.key.notification, next.id)).collect::<Vec<_>>();
        self.check_new_work(record.finished.iter().filter(ends).flat_map(follow))?;
        let mut recorded = Recorded::default();
        for delivery in &record.deliveries {
            recorded.inserted += usize::from(self.insert(delivery, now));
        }
        let mut followed: BTreeSet<NotificationId> = BTreeSet::new();
        let (outlived, meant): (Vec<&Death>, Vec<&Death>) = record.deaths.iter().partition(|death| self.has_other_token(death));
        for death in meant {
            recorded.inserted += usize::from(self.insert(&death.delivery, now));
            recorded.deactivated += usize::from(self.deactivate(death, now));
        }
        recorded.outlived = outlived.iter().map(|death| (death.delivery.notification, death.delivery.target)).collect();
        for correction in &record.corrections {
            self.correct(correction, now);
        }
        for shown in &record.shown {
            self.show(shown, now);
        }
        for finished in &record.finished {
            let key = finished.key;
            if self.fenced(key, finished.epoch).is_none() {
                continue;
            }
            self.work.remove(&(key.notification, key.work));
            recorded.ended.push(key);
            for next in &finished.follow_ups {
                self.add_work((key.app, key.notification), next, (false, now))?;
                followed.insert(key.notification);
            }
        }
        for id in followed {
            self.hasten_unheld(id, now);
        }
        Ok(recorded)
    }

    /// Inserts a delivery unless its target has one, and counts it if it was.
    fn insert(&mut self, delivery: &Delivery, now: Timestamp) -> bool {
        let key = (delivery.day, delivery.notification, delivery.target);
        if self.deliveries.contains_key(&key) {
            return false;
        }
        self.deliveries.insert(key, DeliveryRow { delivery: delivery.clone(), receipts: [None; 3] });
        self.count(delivery.notification, delivery.ending.state().as_str(), delivery.ending.reason().unwrap_or_default());
        self.roll_up(key, delivery.ending.state().as_str());
        self.tell_delivery(delivery, now);
        true
    }

    pub fn count(&mut self, id: NotificationId, state: &'static str, reason: &str) {
        if self.runs.get(&id).is_some_and(|run| run.fan_out) {
            *self.counts.entry((id, state, reason.to_owned())).or_default() += 1;
        }
    }

    fn judged<'s>(&'s mut self, death: &Death) -> Option<&'s mut Device> {
        let pk = death.delivery.target.as_device()?;
        self.devices.get_mut(&pk)?.device.as_mut()
    }

    fn has_other_token(&self, death: &Death) -> bool {
        let Some(pk) = death.delivery.target.as_device() else { return false };
        let present = match &death.token_kind {
            None => self.device(pk).map(|device| device.token_hash),
            Some(kind) => self.tokens.get(&(pk, kind.clone())).map(super::tokens::TokenRow::hash),
        };
        present.is_some_and(|hash| hash != death.token_hash)
    }

    fn deactivate(&mut self, death: &Death, now: Timestamp) -> bool {
        if let (Some(kind), Some(pk)) = (&death.token_kind, death.delivery.target.as_device()) {
            if death.deactivate.is_some() {
                self.bury_token((pk, kind), (death.token_hash, death.since), now);
            }
            return false;
        }
        let meant = |device: &&mut Device| {
            let same = device.token_hash == death.token_hash && device.token_seen_at <= death.since;
            same && device.status == DeviceStatus::Active
        };
        let (Some(reason), Some(device)) = (death.deactivate, self.judged(death).filter(meant)) else { return false };
        (device.status, device.inactive_reason) = (DeviceStatus::Inactive, Some(reason));
        device.updated_at = now;
        device.version += 1;
        true
    }

    fn correct(&mut self, correction: &Correction, now: Timestamp) {
        if let Some(kind) = &correction.token_kind {
            return self.correct_token((correction.device, kind), (correction.token_hash, correction.environment), now);
        }
        let device = self.devices.get_mut(&correction.device).and_then(|row| row.device.as_mut());
        let wrong = |device: &&mut Device| device.token_hash == correction.token_hash && device.environment != correction.environment;
        if let Some(device) = device.filter(wrong) {
            device.environment = correction.environment;
            device.updated_at = now;
            device.version += 1;
        }
    }

    fn show(&mut self, shown: &Shown, now: Timestamp) {
        let kept = self.shown.entry((shown.device, shown.key_hash)).or_insert((shown.notification, now));
        *kept = (kept.0.max(shown.notification), now);
    }

    /// What follows the work of a cancelled run is due now, whatever its reason.
    fn hasten_unheld(&mut self, id: NotificationId, now: Timestamp) {
        if self.run_status(id) != Some(RunStatus::Cancelled) {
            return;
        }
        for row in self.works_on_mut(id).filter(|row| !row.is_held(now)) {
            row.work.due_at = row.work.due_at.min(now);
        }
    }
}
