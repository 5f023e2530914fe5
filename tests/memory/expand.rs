//! Audiences page by page.

use herald::domain::Timestamp;
use herald::domain::device::{Device, DeviceStatus};
use herald::domain::id::{AppId, DevicePk};
use herald::domain::work::{NewWork, Pair, WorkKey, WorkKind};
use herald::store::Result;
use herald::store::engine::{AudiencePage, Cursor, Member, RunStatus, Scan, Selection};

use super::state::{DeviceRow, Run, State};

fn active(row: &DeviceRow) -> Option<&Device> {
    row.device.as_ref().filter(|device| device.status == DeviceStatus::Active)
}

impl State {
    /// Where an expansion stands: it begins with the devices that are there when its first page is read.
    fn stand(&self, key: WorkKey) -> Option<Cursor> {
        let row = self.work.get(&(key.notification, key.work)).filter(|row| row.work.kind == WorkKind::Expand)?;
        let run = self.runs.get(&key.notification)?;
        let greatest = self.devices.iter().filter(|(_, device)| device.app == row.app).map(|(pk, _)| pk.0).max();
        Some(run.cursor.unwrap_or(Cursor { after: 0, hi: greatest.unwrap_or_default() }))
    }

    pub fn read_page(&self, key: WorkKey, limit: usize, selection: &Selection) -> Option<AudiencePage> {
        let from = self.stand(key)?;
        let Scan { devices, to, last } = self.scan(key.app, (from.after, from.hi), limit, selection);
        Some(AudiencePage { from, devices, left_out: 0, to, last })
    }

    /// A part is of the followers of a topic where they are few, else of all devices.
    fn scan(&self, app: AppId, (after, hi): (i64, i64), limit: usize, selection: &Selection) -> Scan {
        let followers = Selection { segments: Vec::new(), ..selection.clone() };
        let has_few = selection.topic.as_ref().is_some_and(|topic| self.followers(app, topic) <= limit);
        let is_looked_at = |row: &DeviceRow| {
            let follows = || row.device.as_ref().is_some_and(|device| self.is_taken(app, device, &followers));
            !has_few || follows()
        };
        let beyond = self.devices.iter().filter(|(pk, row)| row.app == app && pk.0 > after && pk.0 <= hi && is_looked_at(row));
        let rows: Vec<(&DevicePk, &DeviceRow)> = beyond.take(limit).collect();
        let last = rows.len() < limit;
        let to = rows.last().filter(|_| !last).map_or(hi, |(pk, _)| pk.0);
        let taken = rows.into_iter().filter_map(|(_, row)| active(row)).filter(|device| self.is_taken(app, device, selection));
        Scan { devices: taken.map(|device| self.member(device)).collect(), to, last }
    }

    fn member(&self, device: &Device) -> Member {
        Member { pair: pair(device), zone: self.zone(device), last_seen_at: device.last_seen_at }
    }

    fn zone(&self, device: &Device) -> Option<String> {
        let of_person = || self.people.get(&device.person?)?.preferences.as_ref()?.timezone.clone();
        let of_device = || self.devices.get(&device.pk)?.preferences.as_ref()?.timezone.clone();
        device.timezone.clone().or_else(of_person).or_else(of_device)
    }

    pub fn commit_page(&mut self, key: WorkKey, epoch: i64, page: &AudiencePage, (chunks, now): (&[NewWork], Timestamp)) -> Result<bool> {
        let expands = self.fenced(key, epoch).is_some_and(|row| row.work.kind == WorkKind::Expand);
        let where_it_began = |run: &Run| run.cursor.map_or(page.from.after == 0, |cursor| cursor == page.from);
        let goes_on = |run: &Run| where_it_began(run) && run.status != RunStatus::Cancelled;
        if !expands || !self.runs.get(&key.notification).is_some_and(goes_on) {
            return Ok(false);
        }
        self.check_new_work(chunks.iter().map(|chunk| (key.notification, chunk.id)))?;
        let Some(run) = self.runs.get_mut(&key.notification) else { return Ok(false) };
        run.cursor = Some(Cursor { after: page.to, hi: page.from.hi });
        let taken: usize = chunks.iter().map(|chunk| chunk.targets.len()).sum();
        run.targeted = run.targeted.map(|targeted| targeted + taken as u64);
        run.stale += page.left_out;
        let is_too_large = run.max_targets.is_some_and(|most| run.targeted.is_some_and(|targeted| targeted > most));
        run.held &= is_too_large || !page.last;
        let (held, campaign) = (run.held, run.campaign);
        if is_too_large && held {
            self.exceed((key.app, key.notification), campaign, now);
        }
        for chunk in chunks {
            self.add_work((key.app, key.notification), chunk, (true, now))?;
        }
        if page.last {
            self.work.remove(&(key.notification, key.work));
        } else if let Some(row) = self.work.get_mut(&(key.notification, key.work)) {
            row.takes = 0;
        }
        Ok(true)
    }

    pub fn read_devices(&self, app: AppId, after: i64, limit: usize, selection: &Selection) -> Scan {
        self.scan(app, (after, i64::MAX), limit, selection)
    }
}

fn pair(device: &Device) -> Pair {
    Pair { device: device.pk, person: device.person }
}
