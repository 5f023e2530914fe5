//! The steps that both stores are led through; numbers choose among what there is.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use herald::domain::cap::FrequencyCap;
use herald::domain::delivery::Cohort;
use herald::domain::device::{Change, DeviceChange, Imported, Platform, PushToken};
use herald::domain::id::{CampaignId, NotificationId, Target};
use herald::domain::pace::Pace;
use herald::domain::preferences::{Contacts, Preferences};
use herald::domain::principal::Principal;
use herald::domain::token_kind::TokenKind;
use herald::domain::work::{Pair, TakenWork, Targets, WorkKind};
use herald::store::PageRequest;
use herald::store::cap::Reservation;
use herald::store::device_token::TokenChange;
use herald::store::engine::{RunStatus, Sweep, Terms};
use herald::store::receipt::{Receipt, ReceiptKind};
use proptest::collection::vec;
use proptest::prelude::*;
use uuid::Uuid;

use crate::kit::{GUARD, LEASE, devices, iphone, submission, users, wide};
use crate::twin_campaigns::{Act, act};
use crate::twin_record::record;
use crate::twins::Twin;

/// A step.
#[derive(Clone, Debug)]
pub enum Step {
    Put { device: u8, user: Option<u8>, token: u8 },
    Phone { device: u8, user: Option<u8>, bound: bool, token: Option<u8>, patches: bool },
    Patch { device: u8, zone: u8, signs_out: bool },
    Import { device: u8, user: u8, inactive: bool },
    Delete { device: u8 },
    Address { device: u8, kind: u8, token: u8 },
    Unaddress { device: u8, kind: u8 },
    Prefer { user: u8, zone: u8 },
    Contact { user: u8, forget: bool },
    Direct { named: BTreeSet<u8>, as_users: bool, latest_only: bool, ahead: u16, published: bool },
    FanOut { lists: u8, ahead: u16, paced: bool },
    Schedule { room: usize, lapsed: bool },
    Release { room: usize, lapsed: bool },
    Claim { from: usize, max: usize },
    Record { which: usize, choices: u64, finish: bool, twice: bool },
    Expand { which: usize, limit: usize },
    Renew,
    HandBack { which: usize },
    Forget { which: usize },
    Turn { which: usize, to: RunStatus },
    Hasten { which: usize },
    Retry,
    Report { which: usize, device: u8, kind: ReceiptKind },
    Campaign { which: usize, act: Act },
    Settle,
    Reserve { asked: Vec<(u8, u8)>, count: u32, window: u32, only_looks: bool },
    Tidy,
    Pass { seconds: u32 },
    Moment { millis: u64 },
}

pub fn step() -> impl Strategy<Value = Step> {
    let number = || 0..1_000_usize;
    let ahead = || prop_oneof![3 => Just(0), 1 => 1..100_u16];
    let room = || prop_oneof![0..3_usize, Just(1_000)];
    let turn = prop_oneof![Just(RunStatus::Cancelled), Just(RunStatus::Paused), Just(RunStatus::Running)];
    let kind = prop_oneof![Just(ReceiptKind::Delivered), Just(ReceiptKind::Opened), Just(ReceiptKind::Dismissed)];
    let seconds = prop_oneof![4 => 0..5_u32, 3 => Just(31), 2 => Just(100), 1 => Just(90_000)];
    prop_oneof![
        4 => (0..5_u8, proptest::option::of(0..4_u8), 0..5_u8).prop_map(|(device, user, token)| Step::Put { device, user, token }),
        3 => (0..5_u8, proptest::option::of(0..4_u8), any::<bool>(), proptest::option::of(0..5_u8), any::<bool>())
            .prop_map(|(device, user, bound, token, patches)| Step::Phone { device, user, bound, token, patches }),
        1 => (0..5_u8, 0..3_u8, any::<bool>()).prop_map(|(device, zone, signs_out)| Step::Patch { device, zone, signs_out }),
        1 => (0..5_u8, 0..4_u8, any::<bool>()).prop_map(|(device, user, inactive)| Step::Import { device, user, inactive }),
        1 => (0..5_u8).prop_map(|device| Step::Delete { device }),
        3 => (0..5_u8, 0..3_u8, 0..4_u8).prop_map(|(device, kind, token)| Step::Address { device, kind, token }),
        1 => (0..5_u8, 0..3_u8).prop_map(|(device, kind)| Step::Unaddress { device, kind }),
        1 => (0..4_u8, 0..3_u8).prop_map(|(user, zone)| Step::Prefer { user, zone }),
        1 => (0..4_u8, any::<bool>()).prop_map(|(user, forget)| Step::Contact { user, forget }),
        4 => (proptest::collection::btree_set(0..5_u8, 1..4), any::<bool>(), any::<bool>(), ahead(), any::<bool>()).prop_map(
            |(named, as_users, latest_only, ahead, published)| Step::Direct { named, as_users, latest_only, ahead, published }
        ),
        3 => (0..3_u8, ahead(), any::<bool>()).prop_map(|(lists, ahead, paced)| Step::FanOut { lists, ahead, paced }),
        5 => (room(), any::<bool>()).prop_map(|(room, lapsed)| Step::Schedule { room, lapsed }),
        5 => (room(), any::<bool>()).prop_map(|(room, lapsed)| Step::Release { room, lapsed }),
        9 => (number(), 1..5_usize).prop_map(|(from, max)| Step::Claim { from, max }),
        9 => (number(), any::<u64>(), any::<bool>(), any::<bool>())
            .prop_map(|(which, choices, finish, twice)| Step::Record { which, choices, finish, twice }),
        3 => (number(), 1..4_usize).prop_map(|(which, limit)| Step::Expand { which, limit }),
        1 => Just(Step::Renew),
        1 => number().prop_map(|which| Step::HandBack { which }),
        1 => number().prop_map(|which| Step::Forget { which }),
        3 => (number(), turn).prop_map(|(which, to)| Step::Turn { which, to }),
        1 => number().prop_map(|which| Step::Hasten { which }),
        1 => Just(Step::Retry),
        2 => (number(), 0..5_u8, kind).prop_map(|(which, device, kind)| Step::Report { which, device, kind }),
        3 => (vec((0..3_u8, 0..6_u8), 1..5), 1..4_u32, proptest::sample::select(vec![3, 60, 100]), any::<bool>())
            .prop_map(|(asked, count, window, only_looks)| Step::Reserve { asked, count, window, only_looks }),
        6 => (number(), act()).prop_map(|(which, act)| Step::Campaign { which, act }),
        1 => Just(Step::Settle),
        1 => Just(Step::Tidy),
        5 => seconds.prop_map(|seconds| Step::Pass { seconds }),
        3 => (1..500_u64).prop_map(|millis| Step::Moment { millis }),
    ]
}

pub fn pick<T: Clone>(list: &[T], n: usize) -> Option<T> {
    list.get(n.checked_rem(list.len())?).cloned()
}

fn zone(n: u8) -> Option<String> {
    ["Europe/Paris", "Asia/Tokyo"].get(usize::from(n)).map(|zone| (*zone).to_owned())
}

fn token_kind(n: u8) -> TokenKind {
    if n == 0 { TokenKind::Voip } else { TokenKind::LiveActivity(format!("a{n}")) }
}

fn names(letter: char, of: &BTreeSet<u8>) -> Vec<String> {
    of.iter().map(|n| format!("{letter}{n}")).collect()
}

fn within(room: usize, lapsed: bool) -> Sweep {
    Sweep { room: wide().into_keys().map(|stream| (stream, room)).collect(), guard: GUARD, lapsed }
}

impl Step {
    /// Leads one store through the step; what it answered.
    pub async fn take(&self, twin: &mut Twin) -> String {
        let (app, store) = (twin.world.app, twin.world.shared());
        match self {
            Self::Put { device, user, token } => {
                let user = user.map(|user| format!("u{user}"));
                let change = iphone(user.as_deref(), &format!("token {token}"));
                twin.told(&store.put_device(app, &format!("d{device}"), change, None).await.unwrap())
            }
            Self::Patch { device, zone: n, signs_out } => {
                let timezone = zone(*n).map_or(Change::Clear, Change::Set);
                let user = if *signs_out { Change::Clear } else { Change::Keep };
                let change = DeviceChange { timezone, user, ..DeviceChange::default() };
                twin.told(&store.patch_device(app, &format!("d{device}"), change, None).await.unwrap())
            }
            Self::Import { device, user, inactive } => {
                let imported = Some(Imported { created_at: None, last_seen_at: Some(twin.world.now()), inactive: *inactive });
                let change = DeviceChange { imported, ..iphone(Some(&format!("u{user}")), &format!("token {device}")) };
                twin.told(&store.put_devices(app, vec![(format!("d{device}"), change)]).await.unwrap())
            }
            Self::Delete { device } => twin.told(&store.delete_device(app, &format!("d{device}"), &Principal::Backend).await.unwrap()),
            Self::Address { device, kind, token } => {
                let change = TokenChange { by: Principal::Backend, token: PushToken::Apns(format!("other {token}")), environment: None };
                twin.told(&store.put_token(app, &format!("d{device}"), &token_kind(*kind), change, None).await.unwrap())
            }
            Self::Unaddress { device, kind } => {
                twin.told(&store.delete_token(app, &format!("d{device}"), &token_kind(*kind), &Principal::Backend).await.unwrap())
            }
            Self::Prefer { user, zone: n } => {
                let preferences = Preferences { timezone: zone(*n), ..Preferences::default() };
                twin.told(&store.put_preferences(app, &format!("u{user}"), &preferences, None).await.unwrap())
            }
            Self::Contact { user, forget: true } => twin.told(&store.delete_contacts(app, &format!("u{user}")).await.unwrap()),
            Self::Contact { user, forget: false } => {
                let contacts = Contacts { email: Some("a@b".to_owned()), phone: None };
                let put = store.put_contacts(app, &format!("u{user}"), &contacts, Some(1)).await.unwrap();
                twin.told(&(put, store.contacts(app, &format!("u{user}")).await.unwrap()))
            }
            Self::Direct { .. } | Self::FanOut { .. } => self.accept(twin).await,
            Self::Reserve { asked, count, window, only_looks } => {
                let cap = FrequencyCap { count: *count, per_seconds: *window };
                let one = |(holder, n): &(u8, u8)| Reservation {
                    holder: Target::from_raw(i64::from(*holder) - 5),
                    category: "news".to_owned(),
                    notification: NotificationId(Uuid::from_u64_pair(1, u64::from(*n))),
                    cap,
                };
                let asked: Vec<Reservation> = asked.iter().map(one).collect();
                let admitted = if *only_looks { store.would_admit(&asked, twin.world.now()).await } else { store.reserve(&asked).await };
                twin.told(&admitted.unwrap())
            }
            Self::Schedule { room, lapsed } => {
                let ready = store.schedule(&within(*room, *lapsed)).await.unwrap();
                twin.published.extend(ready.entries.iter().map(|entry| entry.key));
                twin.told(&(ready.entries.len(), ready.more, sorted(ready.entries.iter().map(|entry| (entry.key, entry.targets)))))
            }
            Self::Release { room, lapsed } => {
                let ready = store.release(&within(*room, *lapsed)).await.unwrap();
                twin.published.extend(ready.entries.iter().map(|entry| entry.key));
                twin.told(&(ready.more, sorted(ready.entries.iter().map(|entry| (entry.key, entry.targets)))))
            }
            Self::Claim { from, max } => {
                twin.published.sort_unstable();
                let at = from.checked_rem(twin.published.len()).unwrap_or_default();
                let keys: Vec<_> = twin.published.iter().skip(at).take(*max).copied().collect();
                let mut claim = store.claim(&keys, LEASE).await.unwrap();
                claim.work.sort_by_key(|work| work.key);
                twin.held.extend(claim.work.iter().cloned());
                twin.told(&claim)
            }
            Self::Record { which, choices, finish, twice } => match pick(&twin.held, *which) {
                Some(work) if work.kind == WorkKind::Send => record(twin, &work, (*choices, *finish, *twice)).await,
                _ => String::new(),
            },
            Self::Expand { which, limit } => match pick(&twin.held, *which) {
                Some(work) if work.kind == WorkKind::Expand => expand(twin, &work, *limit).await,
                _ => String::new(),
            },
            _ => self.operate(twin).await,
        }
    }

    /// What a phone asks for, with a client token.
    async fn phone(&self, twin: &mut Twin) -> String {
        let Self::Phone { device, user, bound, token, patches } = self else { return String::new() };
        let (app, store, name) = (twin.world.app, twin.world.shared(), format!("d{device}"));
        let by = match user {
            Some(user) => Principal::User { user: format!("u{user}"), device: bound.then(|| name.clone()) },
            None => Principal::Installation { device: name.clone() },
        };
        let token = token.map(|token| PushToken::Apns(format!("token {token}")));
        let change = DeviceChange { by, token, platform: Some(Platform::Ios), ..DeviceChange::default() };
        if *patches {
            return twin.told(&store.patch_device(app, &name, change, None).await.unwrap());
        }
        twin.told(&store.put_device(app, &name, change, None).await.unwrap())
    }

    async fn accept(&self, twin: &mut Twin) -> String {
        let world = &twin.world;
        let (mut new, ahead) = match self {
            Self::Direct { named, as_users, latest_only, ahead, .. } => {
                let listed = names(if *as_users { 'u' } else { 'd' }, named);
                let listed: Vec<&str> = listed.iter().map(String::as_str).collect();
                let mut new = world.direct(if *as_users { users(&listed) } else { devices(&listed) });
                new.narrowed.latest_only = *latest_only;
                (new, *ahead)
            }
            Self::FanOut { lists: 0, ahead, .. } => (world.fan_out(), *ahead),
            Self::FanOut { lists, ahead, .. } => {
                let list = |n| users(&[&format!("u{n}"), &format!("u{}", n + 2)]);
                (world.named_fan_out((0..*lists).map(list).collect()), *ahead)
            }
            _ => return String::new(),
        };
        new.start_at = world.later(Duration::from_secs(ahead.into()));
        for work in &mut new.work {
            work.due_at = new.start_at;
        }
        if matches!(self, Self::FanOut { paced: true, .. }) {
            new.terms = Terms { pace: Pace::new(10), ..Terms::default() };
        }
        if matches!(self, Self::Direct { published: true, ahead: 0, .. }) {
            new.work[0].due_at = world.later(GUARD);
        }
        // every fourth is of nothing, a test, of a category, of a campaign too
        let kind = twin.notifications.len() % 4;
        new.test = kind == 1;
        new.category = (kind > 1).then(|| format!("category {kind}"));
        new.campaign = (kind == 3).then_some(CampaignId(Uuid::from_u128(3)));
        let cohort = Cohort { app: new.app, category: new.category.clone(), campaign: new.campaign, test: new.test };
        twin.cohorts.insert(new.id, Arc::new(cohort));
        twin.notifications.push(new.id);
        let verdicts = twin.world.store().accept(vec![submission(new)]).await.unwrap();
        twin.told(&verdicts)
    }

    /// What operators and callers do to what is there.
    async fn operate(&self, twin: &mut Twin) -> String {
        let (app, store) = (twin.world.app, twin.world.shared());
        let id = |which: usize| pick(&twin.notifications, which);
        match self {
            Self::Phone { .. } => self.phone(twin).await,
            Self::Renew => {
                let asked: Vec<_> = twin.held.iter().map(|work| (work.key, work.epoch)).collect();
                twin.told(&sorted(store.renew(&asked, LEASE).await.unwrap().into_iter()))
            }
            Self::HandBack { which } => {
                if let Some(work) = pick(&twin.held, *which) {
                    store.hand_back(&[(work.key, work.epoch)]).await.unwrap();
                }
                String::new()
            }
            Self::Forget { which } => {
                if let Some(at) = which.checked_rem(twin.held.len()) {
                    twin.held.remove(at);
                }
                String::new()
            }
            Self::Turn { which, to } => {
                let Some(id) = id(*which) else { return String::new() };
                let turned = match to {
                    RunStatus::Cancelled => store.cancel(app, id).await,
                    RunStatus::Paused => store.pause(app, id).await,
                    _ => store.resume(app, id).await,
                };
                twin.told(&turned.unwrap())
            }
            Self::Hasten { which } => {
                if let Some(id) = id(*which) {
                    store.hasten(app, id).await.unwrap();
                }
                String::new()
            }
            Self::Retry => {
                let first = store.dead_letters(app, &PageRequest { limit: 1, after: None }).await.unwrap().items.pop();
                let Some(letter) = first else { return String::new() };
                let retried = store.retry_dead_letter(app, letter.notification, letter.work).await.unwrap();
                twin.told(&(letter, retried))
            }
            Self::Report { which, device, kind } => {
                let Some(notification) = id(*which) else { return String::new() };
                let receipt = Receipt { notification, device: format!("d{device}"), kind: *kind, at: None };
                twin.told(&store.receive(app, &[receipt]).await.unwrap())
            }
            Self::Campaign { which, act } => act.take(twin, *which).await,
            Self::Settle => twin.told(&store.settle_campaigns().await.unwrap()),
            Self::Tidy => {
                store.prune().await.unwrap();
                twin.told(&store.settle_early_receipts().await.unwrap())
            }
            Self::Pass { seconds } => {
                twin.world.pass(Duration::from_secs((*seconds).into()));
                String::new()
            }
            Self::Moment { millis } => {
                twin.world.pass(Duration::from_millis(*millis));
                String::new()
            }
            _ => String::new(),
        }
    }
}

pub fn sorted<T: Ord>(items: impl Iterator<Item = T>) -> Vec<T> {
    items.collect::<BTreeSet<T>>().into_iter().collect()
}

async fn expand(twin: &mut Twin, work: &TakenWork, limit: usize) -> String {
    let store = twin.world.shared();
    let page = store.read_page(work.key, limit, &twin.world.everyone()).await.unwrap();
    let Some(page) = page else { return "nothing expands".to_owned() };
    let pairs: Vec<Pair> = page.devices.iter().map(|member| member.pair).collect();
    let chunk = |pairs: &[Pair]| herald::domain::work::NewWork {
        fan_out: true,
        stream: work.stream,
        ..twin.world.work(Targets::Pairs(pairs.to_vec()))
    };
    let chunks: Vec<_> = pairs.chunks(2).map(chunk).collect();
    let committed = store.commit_page(work.key, work.epoch, &page, &chunks).await.unwrap();
    twin.told(&(page.devices, page.last, committed))
}
