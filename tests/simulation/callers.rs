//! What callers ask meanwhile: sends of every kind, cancels, pauses, registrations and preferences.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use chrono::TimeDelta;
use herald::dispatch::draft::{Draft, To};
use herald::dispatch::handle::Dispatch;
use herald::domain::cap::FrequencyCap;
use herald::domain::category::Category;
use herald::domain::clock::Clock;
use herald::domain::content::Content;
use herald::domain::device::{Change, DeviceChange, Platform, PushToken};
use herald::domain::id::NotificationId;
use herald::domain::notification::{InQuietHours, Lifetime, Overrides, Priority, When};
use herald::domain::pace::Pace;
use herald::domain::preferences::Preferences;
use herald::domain::principal::Principal;
use herald::domain::push_type::PushType;
use herald::domain::quiet_hours::QuietInterval;
use herald::domain::token_kind::TokenKind;
use herald::store::device_token::TokenChange;
use herald::store::engine::{Engine, Item, ItemVerdict, Submission, Verdict};
use herald::store::{Categories, DeviceTokens, Devices, People};

use crate::cluster::Process;
use crate::memory::MemoryStore;
use crate::network::Network;
use crate::sim::{APP, Sim};
use crate::store::SimStore;

/// The category that has a cap.
pub const CAPPED: &str = "capped";
/// Its cap: few in a time that a run has several of.
pub const CAP: FrequencyCap = FrequencyCap { count: 2, per_seconds: 8 };
/// How addresses for calls begin.
pub const CALLS: &str = "calls-";
const DEVICES: u64 = 8;
const USERS: u64 = 5;

/// The callers of one run.
pub struct Callers {
    sim: Arc<Sim>,
    /// The store without a network, for what is not dispatched.
    store: MemoryStore,
    tokens: u64,
}

impl Callers {
    pub fn new(sim: Arc<Sim>) -> Self {
        let clock: Arc<dyn Clock> = Arc::<crate::clock::WallClock>::clone(&sim.wall);
        let store = MemoryStore::new(Arc::clone(&sim.rows), clock, None);
        Self { sim, store, tokens: 0 }
    }

    /// The devices and people that are there before the first request.
    pub async fn settle_in(&mut self) {
        let capped = Category { frequency_cap: Some(CAP), ..Category::default() };
        self.store.put_category(APP, CAPPED, &capped, None).await.unwrap();
        for device in 0..DEVICES {
            self.register(device).await;
        }
    }

    /// One request.
    pub async fn ask(&mut self, process: &Process) {
        let chance = Arc::clone(&self.sim.chance);
        match chance.below(20) {
            0..=9 => self.send(process),
            10..=11 => self.cancel(process),
            12..=13 => self.turn(process).await,
            14..=16 => self.register(chance.below(DEVICES)).await,
            _ => self.prefer().await,
        }
    }

    fn any_notification(&self) -> Option<NotificationId> {
        let rows = self.sim.rows.lock();
        // the latest are the ones of which something still waits
        let latest: Vec<_> = rows.notifications.keys().rev().take(6).copied().collect();
        self.sim.chance.pick(&latest).copied()
    }

    fn send(&self, process: &Process) {
        self.submit(process, self.draft());
    }

    /// A send of something plain that lives so many seconds.
    pub fn send_to(&self, process: &Process, to: To, seconds: u32) {
        let lifetime = Some(Lifetime::Seconds(seconds));
        self.submit(process, Draft { to, lifetime, ..plain() });
    }

    /// A send to everybody: at so many pushes a second, or as fast as it can.
    pub fn send_to_all(&self, process: &Process, per_second: Option<u32>) {
        self.submit(process, Draft { pace: per_second.and_then(Pace::new), ..plain() });
    }

    /// A registration as told.
    pub async fn put_device(&self, name: &str, change: DeviceChange) {
        self.store.put_device(APP, name, change, None).await.unwrap();
    }

    fn submit(&self, process: &Process, draft: Draft) {
        let (sim, dispatch, number) = (Arc::clone(&self.sim), Arc::clone(&process.dispatch), process.number);
        process.life.tasks().spawn(Box::pin(async move {
            match submit(&sim, &dispatch, draft).await {
                Ok(id) => sim.note(format_args!("p{number} answers 202 for {id}")),
                Err(why) => sim.note(format_args!("p{number} answers {why}")),
            }
        }));
    }

    fn cancel(&self, process: &Process) {
        let Some(id) = self.any_notification() else { return };
        let (sim, dispatch, number) = (Arc::clone(&self.sim), Arc::clone(&process.dispatch), process.number);
        process.life.tasks().spawn(Box::pin(async move {
            sim.note(format_args!("p{number} cancels {id}"));
            let cancelled = dispatch.cancel(APP, id).await;
            sim.note(format_args!("p{number} cancelled {id}: {:?}", cancelled.is_ok()));
        }));
    }

    async fn turn(&self, process: &Process) {
        let Some(id) = self.any_notification() else { return };
        let network = Network { sim: Arc::clone(&self.sim), life: Arc::clone(&process.life), process: process.number };
        let store = SimStore::of(network);
        let paused = self.sim.chance.one_in(2);
        let turned = if paused { store.pause(APP, id).await } else { store.resume(APP, id).await };
        self.sim.note(format_args!("{id} is {}: {turned:?}", if paused { "paused" } else { "resumed" }));
    }

    /// Lets go on whatever was paused.
    pub async fn resume_all(&self, process: &Process) {
        let runs: Vec<NotificationId> = self.sim.rows.lock().runs.keys().copied().collect();
        let network = Network { sim: Arc::clone(&self.sim), life: Arc::clone(&process.life), process: process.number };
        let store = SimStore::of(network);
        for id in runs {
            store.resume(APP, id).await.unwrap();
        }
    }

    async fn register(&mut self, device: u64) {
        let chance = Arc::clone(&self.sim.chance);
        let user = if chance.one_in(6) { Change::Clear } else { Change::Set(format!("u{}", chance.below(USERS))) };
        let platform = if device.is_multiple_of(2) { Platform::Ios } else { Platform::Android };
        // now and then the same token, or that of another device
        self.tokens += u64::from(!chance.one_in(4));
        let text = format!("{}-{}", if chance.one_in(12) { (device + 2) % DEVICES } else { device }, self.tokens);
        let token = Some(if platform == Platform::Ios { PushToken::Apns(text) } else { PushToken::Fcm(text) });
        let timezone = if chance.one_in(3) { Change::Set("Asia/Tokyo".to_owned()) } else { Change::Clear };
        self.sim.note(format_args!("d{device} registers for {user:?}"));
        let change = DeviceChange { user, platform: Some(platform), token, timezone, ..DeviceChange::default() };
        self.store.put_device(APP, &format!("d{device}"), change, None).await.unwrap();
        if platform == Platform::Ios && chance.one_in(2) {
            let text = format!("{CALLS}{device}-{}", if chance.one_in(3) { 0 } else { self.tokens });
            let change = TokenChange { by: Principal::Backend, token: PushToken::Apns(text), environment: None };
            self.store.put_token(APP, &format!("d{device}"), &TokenKind::Voip, change, None).await.unwrap();
        }
        self.sim.book().observe(self.sim.elapsed(), &self.sim.rows.lock());
    }

    async fn prefer(&self) {
        let (chance, now) = (&self.sim.chance, self.sim.wall.now());
        let at = |seconds: i64| (now + TimeDelta::seconds(seconds)).time();
        let soon = i64::try_from(chance.below(12)).unwrap();
        let user = format!("u{}", chance.below(USERS));
        let mut preferences = Preferences::default();
        match chance.below(4) {
            0 => preferences.quiet_hours = Some(vec![QuietInterval { start: at(soon), end: at(soon + 1 + soon * 2), days: None }]),
            1 => preferences.muted_until = Some(now + TimeDelta::seconds(soon)),
            2 => preferences.channels.push = Some(chance.one_in(2)),
            _ => {}
        }
        self.sim.note(format_args!("{user} prefers {preferences:?}"));
        self.store.put_preferences(APP, &user, &preferences, None).await.unwrap();
        self.sim.book().observe(self.sim.elapsed(), &self.sim.rows.lock());
    }

    fn draft(&self) -> Draft {
        let chance = &self.sim.chance;
        let names = |letter: char, of: u64| {
            let n = 1 + chance.below(3);
            (0..n).map(|_| format!("{letter}{}", chance.below(of))).collect::<Vec<_>>()
        };
        let to = match chance.below(60) {
            0..=29 => To::Users(names('u', USERS + 1)),
            30..=41 => To::Devices(names('d', DEVICES + 1)),
            42..=58 => To::All,
            // more than one row holds: most of them are unknown
            _ => To::Users((0..505).map(|n| format!("u{n}")).collect()),
        };
        let priorities = [None, Some(Priority::Normal), Some(Priority::High), Some(Priority::Critical)];
        let lifetime = match chance.below(8) {
            0 => Lifetime::Seconds(0),
            _ => Lifetime::Seconds(u32::try_from(5 + chance.below(40)).unwrap()),
        };
        let later = || When::At(self.sim.wall.now() + TimeDelta::milliseconds(i64::try_from(chance.below(9_000)).unwrap()));
        Draft {
            to,
            latest_device_only: chance.one_in(6),
            category: chance.one_in(3).then(|| CAPPED.to_owned()),
            priority: chance.pick(&priorities).copied().flatten(),
            silent: chance.one_in(8),
            push_type: if chance.one_in(10) { PushType::Voip } else { PushType::Usual },
            when: chance.one_in(5).then(later),
            lifetime: Some(lifetime),
            collapse_key: chance.one_in(4).then(|| format!("key {}", chance.below(3))),
            in_quiet_hours: if chance.one_in(4) { InQuietHours::Drop } else { InQuietHours::Defer },
            pace: if chance.one_in(3) { Pace::new(u32::try_from(1 + chance.below(9)).unwrap()) } else { None },
            ..plain()
        }
    }
}

/// A draft to everybody that says nothing it need not say.
pub fn plain() -> Draft {
    Draft {
        to: To::All,
        latest_device_only: false,
        except_devices: Vec::new(),
        only: None,
        category: None,
        priority: None,
        content: Content { title: Some("title".to_owned()), ..Content::default() },
        platforms: BTreeMap::new(),
        localized: BTreeMap::new(),
        labels: BTreeMap::new(),
        silent: false,
        push_type: PushType::Usual,
        when: None,
        lifetime: None,
        collapse_key: None,
        in_quiet_hours: InQuietHours::Defer,
        overrides: Overrides::default(),
        test: false,
        pace: None,
        template: None,
        campaign: None,
    }
}

async fn submit(sim: &Sim, dispatch: &Dispatch, draft: Draft) -> Result<NotificationId, String> {
    sim.note(format_args!("a request for {}", words(&draft.to)));
    let prepared = dispatch.prepare(APP, draft).await.map_err(|error| error.to_string())?;
    let id = prepared.id;
    let item = Item { key: None, answer: Bytes::new(), notification: prepared.notification };
    let submission = Submission { key: None, items: vec![item], answer: Arc::new(|_| Bytes::new()) };
    match dispatch.submit(submission).await {
        Ok(Verdict::New(items)) if items == [ItemVerdict::Accepted] => {
            sim.book().promised(id);
            Ok(id)
        }
        Ok(other) => Err(format!("{other:?}")),
        Err(error) => Err(error.to_string()),
    }
}

fn words(to: &To) -> String {
    match to {
        To::Users(names) if names.len() > 500 => format!("{} users", names.len()),
        other => format!("{other:?}"),
    }
}
