//! One campaign around the Earth: 100 000 devices of 50 000 people in 24 zones and six locales, three variants, each device at nine o'clock by its
//! own wall clock. Two nodes schedule, of which one is killed in the middle, and two others work.
//!
//! The clock of the day goes on as usual around each zone's nine o'clock, and is set forward over the time between.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{TimeDelta, TimeZone, Utc};
use herald::dispatch::campaign::Plan;
use herald::dispatch::directory::{App, Directory};
use herald::dispatch::draft::{Draft, OfCampaign, To};
use herald::dispatch::handle::Dispatch;
use herald::dispatch::node::Parts;
use herald::dispatch::role::Roles;
use herald::dispatch::{RetrySettings, Settings};
use herald::domain::Timestamp;
use herald::domain::campaign::{CampaignStatus, Schedule};
use herald::domain::category::Category;
use herald::domain::clock::Clock;
use herald::domain::content::Content;
use herald::domain::decision::AppDefaults;
use herald::domain::device::{Change, Device, DeviceChange, Platform, ProviderKind, PushToken};
use herald::domain::id::{CampaignId, DevicePk, PersonPk};
use herald::domain::notification::IfPast;
use herald::domain::outcome::Outcome;
use herald::domain::segment::Segment;
use herald::domain::staleness::Staleness;
use herald::domain::variant::Variant;
use herald::providers::{Body, Message, Provider, Push, RenderError, Rendered};
use herald::store::analytics::Retention;
use herald::store::campaign::{Definition, Made, Turned};
use herald::store::{Campaigns, Categories, Devices};
use parking_lot::Mutex;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::callers::plain;
use crate::chance::{Chance, SimIds};
use crate::clock::{NodeClock, WallClock};
use crate::life::Life;
use crate::memory::queue::MemoryQueue;
use crate::memory::state::{DeviceRow, Person};
use crate::memory::{MemoryStore, Rows};
use crate::sim::APP;

const DEVICES: usize = 100_000;
/// Devices of one person.
const EACH: usize = 2;
const LOCALES: [&str; 6] = ["en", "fr", "de", "es", "ja", "pt-BR"];
const WEIGHTS: [u32; 3] = [50, 30, 20];

/// When each token got a push, and what it said.
type Received = Arc<Mutex<BTreeMap<String, Vec<(Timestamp, String)>>>>;

/// A provider that takes everything and writes down when.
struct Taker {
    received: Received,
    wall: Arc<WallClock>,
    chance: Arc<Chance>,
}

#[async_trait]
impl Provider for Taker {
    fn kind(&self) -> ProviderKind {
        ProviderKind::Apns
    }

    fn render(&self, message: &Message<'_>) -> Result<Rendered, RenderError> {
        let words = [&message.content.title, &message.content.body].map(|text| text.as_deref().unwrap_or_default());
        Ok(Rendered { body: Body::Whole(Bytes::from(words.join("/"))), headers: http::HeaderMap::new(), size: 16 })
    }

    async fn send(&self, push: Push) -> Outcome {
        if !push.handover.start() {
            return Outcome::Withheld;
        }
        let (Body::Whole(words), PushToken::Apns(token)) = (&push.rendered.body, &push.token) else { return Outcome::Withheld };
        let received = (self.wall.now(), String::from_utf8_lossy(words).into_owned());
        self.received.lock().entry(token.clone()).or_default().push(received);
        sleep(self.chance.millis(50, 400)).await;
        Outcome::Accepted { message_id: None, environment: None }
    }
}

/// The Earth, and what runs on it.
struct World {
    wall: Arc<WallClock>,
    rows: Rows,
    queue: Arc<MemoryQueue>,
    chance: Arc<Chance>,
    received: Received,
}

/// One process.
struct Node {
    life: Arc<Life>,
    _dispatch: Arc<Dispatch>,
}

impl World {
    fn new() -> Self {
        let start = Utc.with_ymd_and_hms(2026, 11, 2, 12, 0, 0).unwrap();
        Self {
            wall: Arc::new(WallClock::starting_at(start)),
            rows: Rows::default(),
            queue: Arc::new(MemoryQueue::new(usize::MAX)),
            chance: Arc::new(Chance::of(1)),
            received: Received::default(),
        }
    }

    fn store(&self) -> MemoryStore {
        MemoryStore::new(Arc::clone(&self.rows), Arc::<WallClock>::clone(&self.wall), None)
    }

    /// Starts a node with these roles.
    fn node(&self, roles: Roles) -> Node {
        let life = Life::new(Box::new(|what| panic!("{what}")));
        let clock: Arc<dyn Clock> = Arc::new(NodeClock::of(Arc::clone(&self.wall)));
        let store = Arc::new(self.store());
        let taker = Taker { received: Arc::clone(&self.received), wall: Arc::clone(&self.wall), chance: Arc::clone(&self.chance) };
        let app = App {
            id: APP,
            name: "demo".to_owned(),
            defaults: AppDefaults::default(),
            staleness: Staleness::default(),
            phones: Arc::default(),
            providers: BTreeMap::from([(ProviderKind::Apns, Arc::new(taker) as Arc<dyn Provider>)]),
            generation: 0,
        };
        let parts = Parts {
            directory: Arc::new(Directory::new(vec![app], Arc::clone(&store) as _, Arc::clone(&clock))),
            store,
            queue: Arc::clone(&self.queue) as _,
            clock,
            ids: Arc::new(SimIds::new(Arc::clone(&self.chance))),
            rng: Arc::clone(&self.chance) as _,
            tasks: life.tasks(),
            stopping: CancellationToken::new(),
            stopped: CancellationToken::new(),
            settings: Settings { permits: 200, ..Settings::default() },
            retry: RetrySettings::default(),
            analytics: Retention::default(),
            audit_kept: Duration::from_hours(24),
        };
        Node { _dispatch: Dispatch::start(parts, roles), life }
    }

    /// Everybody, from one who registered.
    async fn populate(&self) {
        let change = DeviceChange {
            user: Change::Clear,
            platform: Some(Platform::Ios),
            token: Some(PushToken::Apns("0".to_owned())),
            ..DeviceChange::default()
        };
        self.store().put_device(APP, "0", change, None).await.unwrap();
        let mut rows = self.rows.lock();
        let first = rows.devices.values().next().unwrap().clone();
        for n in 0..DEVICES {
            let person = PersonPk(i64::try_from(n / EACH + 1).unwrap());
            rows.people.entry(person).or_insert_with(|| Person { name: format!("u{}", n / EACH), ..Person::default() });
            let pk = DevicePk(i64::try_from(n + 1).unwrap());
            let device = Device {
                pk,
                name: n.to_string(),
                person: Some(person),
                user: Some(format!("u{}", n / EACH)),
                token: PushToken::Apns(n.to_string()),
                timezone: Some(zone(n)),
                locale: Some(locale(n).to_owned()),
                ..first.device.clone().unwrap()
            };
            rows.devices.insert(pk, DeviceRow { device: Some(device), name: n.to_string(), ..first.clone() });
            rows.device_names.insert((APP, n.to_string()), pk);
        }
        rows.last_device = i64::try_from(DEVICES).unwrap();
        rows.last_person = i64::try_from(DEVICES / EACH).unwrap();
    }
}

impl World {
    /// Some of the devices so far ahead of UTC have it, and some have not.
    fn assert_amid(&self, ahead: i64) {
        let received = self.received.lock();
        let there = (0..DEVICES).filter(|n| hours(*n) == ahead && received.contains_key(&n.to_string())).count();
        assert!((100..DEVICES / 24 - 100).contains(&there), "{there}");
    }
}

/// The zone of a device: that of its person.
fn zone(device: usize) -> String {
    let hours = hours(device);
    // the signs of these names are turned round
    format!("Etc/GMT{}{}", if hours > 0 { '-' } else { '+' }, hours.abs())
}

fn locale(device: usize) -> &'static str {
    LOCALES.iter().cycle().nth(device % LOCALES.len()).unwrap()
}

/// How far its clock is ahead of UTC: -11 to +12.
fn hours(device: usize) -> i64 {
    i64::try_from(device / EACH % 24).unwrap() - 11
}

fn words(title: &str) -> Content {
    Content { title: Some(title.to_owned()), ..Content::default() }
}

/// What everybody gets at nine: in each variant a title of its own, over a text in each locale.
fn plan(id: CampaignId, nine: Timestamp) -> Plan {
    let variant = |(n, weight): (usize, &u32)| Variant {
        name: format!("v{n}"),
        weight: *weight,
        content: words(&format!("v{n}")),
        localized: BTreeMap::new(),
    };
    let text = |locale: &str| Content { body: Some(locale.to_owned()), ..Content::default() };
    let draft = Draft {
        to: To::Segment(Arc::new(Segment::Everyone)),
        category: Some("news".to_owned()),
        content: text("en"),
        localized: LOCALES.iter().skip(1).map(|locale| ((*locale).to_owned(), text(locale))).collect(),
        campaign: Some(OfCampaign { id, variants: WEIGHTS.iter().enumerate().map(variant).collect(), max_targets: Some(100_000) }),
        ..plain()
    };
    Plan { draft, schedule: Schedule::Local { time: nine.naive_utc(), if_past: IfPast::Skip } }
}

#[tokio::test(start_paused = true)]
#[expect(clippy::print_stdout, reason = "the figures are worth knowing")]
async fn each_gets_it_within_its_minute_and_none_twice() {
    let world = World::new();
    let store = world.store();
    store.put_category(APP, "news", &Category::default(), None).await.unwrap();
    world.populate().await;
    let schedules = Roles { api: false, worker: false, scheduler: true };
    let works = Roles { api: false, worker: true, scheduler: false };
    let nodes = [world.node(schedules), world.node(schedules), world.node(works), world.node(works)];

    let nine = Utc.with_ymd_and_hms(2026, 11, 3, 9, 0, 0).unwrap();
    let id = CampaignId(Uuid::from_u128(7));
    let plan = plan(id, nine);
    let definition = Definition { name: "nine".to_owned(), given: serde_json::Value::Null, plan: plan.write().unwrap() };
    assert!(matches!(store.create_campaign(APP, id, &definition, None).await.unwrap(), Made::New(_)));
    let first = plan.schedule.first(world.wall.now()).unwrap();
    assert!(matches!(store.start_campaign(APP, id, 1, first).await.unwrap(), Turned::Done(_)));

    // its audience is taken when the first clock on Earth shows nine, in +14
    for ahead in (-11..=14).rev() {
        let instant = nine - TimeDelta::hours(ahead);
        world.wall.step(instant - TimeDelta::seconds(20) - world.wall.now());
        sleep(Duration::from_secs(21)).await;
        match ahead {
            0 => {
                world.assert_amid(ahead);
                nodes[0].life.kill();
            }
            5 => {
                world.assert_amid(ahead);
                pause_for_a_moment(&store, id).await;
            }
            _ => {}
        }
        sleep(Duration::from_secs(70)).await;
    }
    let campaign = store.campaign(APP, id).await.unwrap().unwrap();
    assert_eq!(campaign.status, CampaignStatus::Done);
    let stats = store.campaign_stats(APP, id, None).await.unwrap().unwrap();
    assert_eq!((stats.counts.sent, stats.counts.waiting), (DEVICES as u64, 0), "{:?}", stats.counts);

    let received = world.received.lock();
    assert_eq!(received.len(), DEVICES);
    let mut latest = TimeDelta::zero();
    let mut people = BTreeMap::new();
    for n in 0..DEVICES {
        let [(at, words)] = &received[&n.to_string()][..] else { panic!("{n}: {:?}", received[&n.to_string()]) };
        let late = *at - (nine - TimeDelta::hours(hours(n)));
        assert!((TimeDelta::zero()..TimeDelta::minutes(1)).contains(&late), "{n} got it {late} late");
        latest = latest.max(late);
        let (variant, locale) = words.split_once('/').unwrap();
        assert_eq!(locale, self::locale(n));
        let told = people.entry(n / EACH).or_insert_with(|| variant.to_owned());
        assert_eq!(told, variant, "both of a person's devices");
    }
    let mut shares = BTreeMap::new();
    for variant in people.values() {
        *shares.entry(variant.as_str()).or_insert(0_u32) += 1;
    }
    println!("the latest {} ms after its nine o'clock; people by variant: {shares:?}", latest.num_milliseconds());
    for ((name, share), weight) in shares.into_iter().zip(WEIGHTS) {
        let part = f64::from(weight) / 100.0;
        let expected = part * 50_000.0;
        assert!((f64::from(share) - expected).abs() < 4.5 * (expected * (1.0 - part)).sqrt(), "{name}: {share}");
    }
}

/// Less than what would make anybody's push late.
async fn pause_for_a_moment(store: &MemoryStore, id: CampaignId) {
    assert!(matches!(store.pause_campaign(APP, id).await.unwrap(), Turned::Done(_)));
    sleep(Duration::from_secs(10)).await;
    assert!(matches!(store.resume_campaign(APP, id).await.unwrap(), Turned::Done(_)));
}
