//! A preview and what then really happens agree exactly, where nothing else changes: how many are sent to, when, in which words and variants, and
//! for which reasons the others are not.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::variants::{campaign, deliveries, drain, variants};
use super::world::{LEASE, World};
use crate::dispatch::directory::{App, Directory};
use crate::dispatch::draft::{Draft, To};
use crate::dispatch::node::Node;
use crate::dispatch::preview::{Asked, Preview, preview};
use crate::domain::cap::FrequencyCap;
use crate::domain::category::Category;
use crate::domain::clock::Clock;
use crate::domain::collapse::apns_id;
use crate::domain::delivery::State;
use crate::domain::device::{Change, DeviceChange, Imported, Permission, Platform, PushToken};
use crate::domain::id::{NotificationId, Target};
use crate::domain::notification::{IfPast, InQuietHours, Lifetime, When};
use crate::domain::staleness::Staleness;
use crate::store::cap::Reservation;
use crate::store::{Caps, Categories, Devices, People};

/// Everything happens at a quarter of an hour: the clock moves from one to the next, so that nothing is late.
const QUARTER: Duration = Duration::from_mins(15);
/// Local times are spread over 26 hours; then a day of quiet hours and lives.
const QUARTERS: usize = 4 * 24 * 3;
const CAP: FrequencyCap = FrequencyCap { count: 2, per_seconds: 86_400 };
/// Hours ago at which places were taken, the oldest first: some come free on the way.
const TAKEN: [u64; 3] = [23, 16, 1];

#[derive(Clone, Debug)]
struct Phone {
    zone: Option<&'static str>,
    locale: Option<&'static str>,
    permission: Permission,
    is_android: bool,
    is_stale: bool,
}

#[derive(Clone, Debug)]
struct Someone {
    phones: Vec<Phone>,
    is_signed_in: bool,
    preferences: Value,
    /// Hours of the mute's end from the present on.
    muted: Option<i64>,
    taken: Vec<u64>,
}

#[derive(Clone, Debug)]
struct Scene {
    people: Vec<Someone>,
    when: Schedule,
    in_quiet_hours: InQuietHours,
    lifetime: u32,
    has_variants: bool,
}

#[derive(Clone, Copy, Debug)]
enum Schedule {
    Now,
    In(i64),
    Local(i64, IfPast),
}

fn phone() -> impl Strategy<Value = Phone> {
    let zones = vec![
        None,
        Some("Europe/Paris"),
        Some("Asia/Kathmandu"),
        Some("America/Los_Angeles"),
        Some("Pacific/Kiritimati"),
        Some("Mars/Olympus"),
    ];
    let locales = vec![None, Some("fr"), Some("fr-CA"), Some("de"), Some("en_US")];
    let permissions = vec![Permission::Granted, Permission::Granted, Permission::Unknown, Permission::Denied];
    let pick = (prop::sample::select(zones), prop::sample::select(locales), prop::sample::select(permissions));
    (pick, prop::bool::weighted(0.1), prop::bool::weighted(0.1)).prop_map(|((zone, locale, permission), is_android, is_stale)| Phone {
        zone,
        locale,
        permission,
        is_android,
        is_stale,
    })
}

fn preferences() -> impl Strategy<Value = Value> {
    let quiet = prop::sample::select(vec![
        json!(null),
        json!([{"start": "22:00", "end": "07:30"}]),
        json!([{"start": "08:15", "end": "10:00"}, {"start": "10:00", "end": "12:45"}]),
        json!([{"start": "06:00", "end": "05:45"}]),
    ]);
    let zone = prop::sample::select(vec![json!(null), json!("Asia/Tokyo"), json!("America/New_York")]);
    let switch = || prop::sample::select(vec![json!(null), json!(null), json!(null), json!(true), json!(false)]);
    (quiet, zone, switch(), switch(), switch()).prop_map(|(quiet, zone, push, news, through)| {
        json!({"quiet_hours": quiet, "timezone": zone, "channels": {"push": push}, "categories": {"news": {"push": news, "in_quiet_hours": through}}})
    })
}

fn someone() -> impl Strategy<Value = Someone> {
    let taken = prop::sample::subsequence(TAKEN.to_vec(), 0..=3);
    let muted = prop::option::weighted(0.2, prop::sample::select(vec![-1, 1, 5, 60]));
    (prop::collection::vec(phone(), 1..=3), prop::bool::weighted(0.8), preferences(), muted, taken)
        .prop_map(|(phones, is_signed_in, preferences, muted, taken)| Someone { phones, is_signed_in, preferences, muted, taken })
}

fn scene() -> impl Strategy<Value = Scene> {
    let when = prop_oneof![
        Just(Schedule::Now),
        (1..30_i64).prop_map(Schedule::In),
        (-16..30_i64, prop::sample::select(vec![IfPast::Send, IfPast::Skip])).prop_map(|(hours, if_past)| Schedule::Local(hours, if_past)),
    ];
    let policies = prop::sample::select(vec![InQuietHours::Defer, InQuietHours::Defer, InQuietHours::Drop]);
    let lives = prop::sample::select(vec![3_600, 6 * 3_600, 86_400]);
    (prop::collection::vec(someone(), 1..=8), when, policies, lives, prop::bool::weighted(0.8))
        .prop_map(|(people, when, in_quiet_hours, lifetime, has_variants)| Scene { people, when, in_quiet_hours, lifetime, has_variants })
}

/// A device, whose it is, and which titles it may get.
struct Registered {
    holder: Target,
    is_french: bool,
}

impl Scene {
    /// Everybody signs up, then places are taken one after the other until the present.
    async fn settle(&self, world: &World) -> BTreeMap<String, Registered> {
        let news = Category { frequency_cap: Some(CAP), ..Category::default() };
        world.store.put_category(world.app, "news", &news, None).await.unwrap();
        let mut registered = BTreeMap::new();
        let present = world.clock.now() + TimeDelta::hours(24);
        for (n, someone) in self.people.iter().enumerate() {
            for (m, phone) in someone.phones.iter().enumerate() {
                let name = format!("d-{n}-{m}");
                let user = if someone.is_signed_in { Change::Set(format!("u-{n}")) } else { Change::Clear };
                drop(world.store.put_device(world.app, &name, phone.change(user, n * 10 + m, present), None).await.unwrap());
                let device = world.store.device(world.app, &name).await.unwrap().unwrap();
                let holder = device.person.map_or(Target::device(device.pk), Target::person);
                let is_french = phone.locale.is_some_and(|locale| locale.starts_with("fr"));
                registered.insert(name, Registered { holder, is_french });
            }
            if someone.is_signed_in {
                let mut preferences: crate::domain::preferences::Preferences = serde_json::from_value(someone.preferences.clone()).unwrap();
                preferences.muted_until = someone.muted.map(|hours| present + TimeDelta::hours(hours));
                world.store.put_preferences(world.app, &format!("u-{n}"), &preferences, None).await.unwrap();
            }
        }
        let mut ago = 24;
        for hours in TAKEN {
            world.clock.pass(Duration::from_hours(ago - hours));
            ago = hours;
            let holders = registered.iter().filter(|(name, _)| self.of(name).taken.contains(&hours)).map(|(_, device)| device.holder);
            let notification = NotificationId(uuid::Uuid::from_u128(hours.into()));
            let take = |holder| Reservation { holder, category: "news".to_owned(), notification, cap: CAP };
            let places: Vec<_> = holders.collect::<BTreeSet<_>>().into_iter().map(take).collect();
            world.store.reserve(&places).await.unwrap();
        }
        world.clock.pass(Duration::from_hours(ago));
        assert_eq!(world.clock.now(), present);
        registered
    }

    fn of(&self, device: &str) -> &Someone {
        &self.people[device.split('-').nth(1).unwrap().parse::<usize>().unwrap()]
    }

    fn draft(&self, world: &World) -> Draft {
        let now = world.clock.now();
        let when = match self.when {
            Schedule::Now => None,
            Schedule::In(hours) => Some(When::At(now + TimeDelta::hours(hours))),
            Schedule::Local(hours, if_past) => Some(When::Local { time: (now + TimeDelta::hours(hours)).naive_utc(), if_past }),
        };
        Draft {
            when,
            category: Some("news".to_owned()),
            in_quiet_hours: self.in_quiet_hours,
            lifetime: Some(Lifetime::Seconds(self.lifetime)),
            ..campaign(To::All, if self.has_variants { variants(&["a", "b", "c"]) } else { Vec::new() })
        }
    }

    async fn comes_true(&self) {
        let world = World::new().await;
        let registered = self.settle(&world).await;
        let node = strict(&world).await;
        let app = node.directory.app(world.app).unwrap();
        let draft = self.draft(&world);
        let foretold = preview(&node, &app, draft.clone(), Asked { validate: false, when_due: true }).await.unwrap();
        assert_eq!(foretold.targeted, foretold.decisions.values().sum::<u64>());
        let id = world.accept_draft(draft).await;
        for _ in 0..QUARTERS {
            drain(&world, &node).await;
            let now = world.clock.now();
            let due: u64 = foretold.timeline.iter().filter(|moment| moment.at <= now).map(|moment| moment.devices).sum();
            assert_eq!(world.counts(id).await.sent, due, "sent at {now} of {foretold:?}");
            world.clock.pass(QUARTER);
        }
        self.came_true(&world, id, &foretold).await;
        self.said(&world, id, (&foretold, &registered)).await;
    }

    /// Those that were deferred are sent in the end, all others as it was said.
    async fn came_true(&self, world: &World, id: NotificationId, foretold: &Preview) {
        let view = world.view(id).await;
        let mut decisions = foretold.decisions.clone();
        let is_dropped = self.in_quiet_hours == InQuietHours::Drop;
        let deferred = if is_dropped { None } else { decisions.remove("quiet_hours") };
        let sent = decisions.remove("send").unwrap_or_default() + deferred.unwrap_or_default();
        assert_eq!((view.counts.waiting, view.counts.sent), (0, sent), "{view:?}");
        assert_eq!(view.reasons.get(&State::Suppressed).cloned().unwrap_or_default(), decisions);
        assert_eq!(view.counts.failed + view.counts.expired + view.counts.cancelled, 0);
        assert_eq!(view.left_out, foretold.left_out);
    }

    /// Each got what the preview showed for its variant, all of a person's devices the same one.
    async fn said(&self, world: &World, id: NotificationId, (foretold, registered): (&Preview, &BTreeMap<String, Registered>)) {
        let handed: BTreeMap<_, Value> = world.provider.handed().into_iter().collect();
        let mut of_holder = BTreeMap::new();
        for delivery in deliveries(world, id).await {
            let name = delivery.device.unwrap();
            let Registered { holder, is_french } = &registered[&name];
            assert_eq!(delivery.variant.is_some(), self.has_variants, "{name}");
            assert_eq!(of_holder.entry(*holder).or_insert_with(|| delivery.variant.clone()), &delivery.variant, "{name}");
            if delivery.state == State::Sent {
                let pk = world.store.device(world.app, &name).await.unwrap().unwrap().pk;
                let locale = (self.has_variants && *is_french).then_some("fr");
                let mut shown = foretold.rendered.iter();
                let shown = shown.find(|one| one.variant == delivery.variant && one.locale.as_deref() == locale);
                assert_eq!(handed[&apns_id(id, pk)], shown.unwrap().payload, "{name}");
            }
        }
    }
}

impl Phone {
    fn change(&self, user: Change<String>, n: usize, present: crate::domain::Timestamp) -> DeviceChange {
        let set = |text: Option<&str>| text.map_or(Change::Keep, |text| Change::Set(text.to_owned()));
        let (platform, token) = if self.is_android {
            (Platform::Android, PushToken::Fcm(format!("t-{n}")))
        } else {
            (Platform::Ios, PushToken::Apns(format!("{n:064x}")))
        };
        let seen = present - TimeDelta::days(if self.is_stale { 31 } else { 1 });
        DeviceChange {
            user,
            platform: Some(platform),
            token: Some(token),
            permission: Change::Set(self.permission),
            timezone: set(self.zone),
            locale: set(self.locale),
            imported: Some(Imported { last_seen_at: Some(seen), ..Imported::default() }),
            ..DeviceChange::default()
        }
    }
}

/// A node whose app leaves out who was not seen for a month.
async fn strict(world: &World) -> Arc<Node> {
    let mut parts = world.parts();
    let providers = parts.directory.app(world.app).unwrap().providers.clone();
    let staleness = Staleness { leave_out_after: Some(30), deactivate_after: None };
    let app = App { staleness, ..world.app_with(providers) };
    parts.directory = Arc::new(Directory::new(vec![app], Arc::clone(&parts.store), Arc::clone(&parts.clock)));
    let hand = World::hand_of(parts);
    // what lapsed may be taken once a lease has passed
    world.clock.pass(LEASE);
    assert!(hand.node.may_take_lapsed().await.unwrap());
    world.clock.pass(QUARTER.saturating_sub(LEASE));
    hand.recording()
}

/// The audience is cut by what phones say of their zones, and the gate knows better.
#[tokio::test]
async fn a_zone_that_nobody_knows_is_its_persons() {
    let (zone, locale, permission) = (Some("Mars/Olympus"), None, Permission::Granted);
    let phone = Phone { zone, locale, permission, is_android: false, is_stale: false };
    for (timezone, hours) in [("Asia/Tokyo", 1), ("America/New_York", 1), ("Asia/Tokyo", 20)] {
        let preferences = json!({"timezone": timezone});
        let someone = Someone { phones: vec![phone.clone()], is_signed_in: true, preferences, muted: None, taken: Vec::new() };
        let when = Schedule::Local(hours, IfPast::Send);
        let scene = Scene { people: vec![someone], when, in_quiet_hours: InQuietHours::Defer, lifetime: 3_600, has_variants: false };
        scene.comes_true().await;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn what_is_foretold_comes_true(scene in scene()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(scene.comes_true());
    }
}
