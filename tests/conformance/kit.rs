//! What tests write: notifications, devices, answers and records, with everything of no interest filled in.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chrono::TimeDelta;
use herald::domain::Timestamp;
use herald::domain::delivery::{Cohort, Delivery, Ending};
use herald::domain::device::{Change, Device, DeviceChange, Platform, PushToken};
use herald::domain::id::{NotificationId, PersonPk, Target};
use herald::domain::work::{NewWork, Pair, Stream, TakenWork, Targets, WorkKey, WorkKind};
use herald::store::device::Registered;
use herald::store::engine::{
    Answer, Ask, Finished, Item, ItemVerdict, Narrowed, NewNotification, Record, Room, Selection, Submission, Sweep, Terms, Verdict, day_of,
};
use herald::store::notification::NotificationView;

use crate::world::World;

pub const GUARD: Duration = Duration::from_secs(30);
pub const LEASE: Duration = Duration::from_secs(30);
pub const SECOND: Duration = Duration::from_secs(1);
pub const DAY: Duration = Duration::from_hours(24);

pub fn wide() -> Room {
    Stream::ALL.iter().map(|stream| (*stream, 10_000)).collect()
}

/// Everything that is due, whatever its stream.
pub fn sweep() -> Sweep {
    within(wide())
}

pub fn within(room: Room) -> Sweep {
    Sweep { room, guard: GUARD, lapsed: true }
}

pub fn users(names: &[&str]) -> Targets {
    Targets::Users(names.iter().map(|name| (*name).to_owned()).collect())
}

pub fn devices(names: &[&str]) -> Targets {
    Targets::Devices(names.iter().map(|name| (*name).to_owned()).collect())
}

pub fn pairs(of: &[&Device]) -> Targets {
    let mut pairs: Vec<Pair> = of.iter().map(|device| Pair { device: device.pk, person: device.person }).collect();
    pairs.sort();
    Targets::Pairs(pairs)
}

/// A registration of an iPhone.
pub fn iphone(user: Option<&str>, token: &str) -> DeviceChange {
    DeviceChange {
        user: user.map_or(Change::Clear, |user| Change::Set(user.to_owned())),
        platform: Some(Platform::Ios),
        token: Some(PushToken::Apns(token.to_owned())),
        ..DeviceChange::default()
    }
}

/// A submission of one notification without a key.
pub fn submission(notification: NewNotification) -> Submission {
    let item = Item { key: None, answer: Bytes::from_static(b"item"), notification };
    Submission { key: None, items: vec![item], answer: Arc::new(|_| Bytes::from_static(b"answer")) }
}

/// A record that ends `work` with these deliveries and what follows.
pub fn record(work: &TakenWork, deliveries: Vec<Delivery>, follow_ups: Vec<NewWork>) -> Record {
    let finished = vec![Finished { key: work.key, epoch: work.epoch, follow_ups }];
    Record { deliveries, finished, ..Record::default() }
}

impl World {
    pub fn later(&self, time: Duration) -> Timestamp {
        self.now() + TimeDelta::from_std(time).unwrap()
    }

    pub fn work(&self, targets: Targets) -> NewWork {
        NewWork {
            id: self.work_id(),
            kind: WorkKind::Send,
            stream: Stream::High,
            fan_out: false,
            targets,
            attempt: 0,
            reason: None,
            due_at: self.now(),
            expires_at: self.later(DAY),
        }
    }

    /// A direct notification with one work row, due now.
    pub fn direct(&self, targets: Targets) -> NewNotification {
        NewNotification {
            app: self.app,
            id: self.notification_id(),
            content: Bytes::from_static(b"{}"),
            category: None,
            campaign: None,
            test: false,
            labels: BTreeMap::new(),
            fan_out: false,
            terms: Terms::default(),
            accepted_at: self.now(),
            start_at: self.now(),
            expires_at: self.later(DAY),
            narrowed: Narrowed::default(),
            work: vec![self.work(targets)],
        }
    }

    /// A fan-out whose audience is still to be taken.
    pub fn fan_out(&self) -> NewNotification {
        let mut new = self.direct(Targets::Pairs(Vec::new()));
        new.fan_out = true;
        new.work[0].fan_out = true;
        new.work[0].kind = WorkKind::Expand;
        new.work[0].stream = Stream::Bulk;
        new
    }

    /// A fan-out whose audience was named, a row for each list.
    pub fn named_fan_out(&self, lists: Vec<Targets>) -> NewNotification {
        let mut new = self.fan_out();
        let row = |targets| NewWork { fan_out: true, stream: Stream::Bulk, ..self.work(targets) };
        new.work = lists.into_iter().map(row).collect();
        new
    }

    pub async fn accept(&self, new: NewNotification) -> NotificationId {
        let id = new.id;
        let verdicts = self.store().accept(vec![submission(new)]).await.unwrap();
        assert_eq!(verdicts, [Verdict::New(vec![ItemVerdict::Accepted])]);
        id
    }

    pub async fn device(&self, name: &str, user: Option<&str>) -> Device {
        match self.store().put_device(self.app, name, iphone(user, &format!("token-{name}")), None).await.unwrap() {
            Registered::Created(device) | Registered::Updated(device) => *device,
            other => panic!("{other:?}"),
        }
    }

    pub async fn scheduled(&self) -> Vec<WorkKey> {
        let ready = self.store().schedule(&sweep()).await.unwrap();
        ready.entries.into_iter().map(|entry| entry.key).collect()
    }

    pub async fn released(&self) -> Vec<WorkKey> {
        let ready = self.store().release(&sweep()).await.unwrap();
        ready.entries.into_iter().map(|entry| entry.key).collect()
    }

    pub async fn claimed(&self, keys: &[WorkKey]) -> Vec<TakenWork> {
        let claim = self.store().claim(keys, LEASE).await.unwrap();
        assert_eq!(claim.now, self.now());
        let mut work = claim.work;
        work.sort_by_key(|work| work.key);
        work
    }

    /// Schedules and claims what is due.
    pub async fn taken(&self) -> Vec<TakenWork> {
        let mut keys = self.scheduled().await;
        keys.extend(self.released().await);
        self.claimed(&keys).await
    }

    pub async fn only_taken(&self) -> TakenWork {
        let mut taken = self.taken().await;
        assert_eq!(taken.len(), 1);
        taken.pop().unwrap()
    }

    /// Who an audience of all devices takes.
    pub fn everyone(&self) -> Selection {
        Selection::everyone(self.now())
    }

    pub fn ask(&self, work: &TakenWork) -> Ask {
        Ask {
            key: work.key,
            targets: work.targets.clone(),
            latest_only: false,
            accepted_at: self.now(),
            day: day_of(self.now()),
            check_deliveries: !work.first,
            collapse_hash: None,
            token_kind: None,
            facts: false,
            peek: false,
            only: None,
        }
    }

    pub async fn answer(&self, ask: Ask) -> Answer {
        self.store().read_targets(&[ask]).await.unwrap().pop().unwrap()
    }

    /// With which a notification of neither category nor campaign is counted.
    pub fn cohort(&self) -> Arc<Cohort> {
        Arc::new(Cohort { app: self.app, category: None, campaign: None, test: false })
    }

    pub fn delivery(&self, notification: NotificationId, target: Target, ending: Ending) -> Delivery {
        Delivery {
            notification,
            cohort: self.cohort(),
            day: day_of(self.now()),
            target,
            person: target.as_person().or(Some(PersonPk(1))),
            ending,
            attempts: 1,
            platform: None,
            provider: None,
            variant: None,
            latency: None,
            message_id: None,
            detail: None,
            at: self.now(),
        }
    }

    /// A record that ends `work` with these deliveries and what follows.
    pub async fn view(&self, id: NotificationId) -> NotificationView {
        self.store().notification(self.app, id).await.unwrap().unwrap()
    }
}
