//! Segments: what the store's statements take is what the plain evaluation means, whatever devices and conditions are made of.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use herald::domain::device::{Change, Device, DeviceChange, DeviceStatus, Imported, Platform, PushToken, TagChange};
use herald::domain::id::DevicePk;
use herald::domain::profile::{Profile, Tags};
use herald::domain::segment::{Facts, Segment};
use herald::store::engine::{Narrowed, NewNotification, Only, Selection};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use crate::kit::{devices, iphone, users};
use crate::world::World;

/// Segments that each store is asked for.
const CASES: usize = 400;

fn texts() -> Vec<String> {
    let short = [
        "",
        "a",
        "ab",
        "abc",
        "A",
        "a%",
        "a_",
        "%",
        "_",
        "é",
        "e\u{301}",
        "日本",
        "🙂",
        "it's",
        "\"q\"",
        "\\",
        "$.x",
        "1",
        "1.0",
        "true",
        "null",
        "'; DROP TABLE device; --",
    ];
    short.into_iter().map(ToOwned::to_owned).chain(["x".repeat(512), "x".repeat(511)]).collect()
}

fn names() -> Vec<String> {
    let short = ["plan", "a.b", "a\"b", "it's", "%", "é", "$", "[0]", "x y", "0", "\\", "'; DROP TABLE device; --", "?1", "$1", "*"];
    short.into_iter().map(ToOwned::to_owned).chain(["n".repeat(64)]).collect()
}

fn versions() -> Vec<&'static str> {
    vec!["3.9", "3.10", "3.10.0", "v3.10", "3.10-rc.1", "3.10-rc.10", "3.10 (45)", "10", "0", "", "nightly", "18446744073709551616", "3.01"]
}

fn number() -> impl Strategy<Value = Value> {
    let special = [
        json!(0),
        json!(-0.0),
        json!(1),
        json!(1.0),
        json!(1.5),
        json!(-3),
        json!(0.1),
        json!(0.3),
        json!(0.300_000_000_000_000_04),
        json!(1e308),
        json!(5e-324),
        json!(9_007_199_254_740_993_i64),
        json!(9_007_199_254_740_992.0),
        json!(u64::MAX),
        json!(i64::MIN),
        json!(1e21),
    ];
    prop_oneof![4 => proptest::sample::select(special.to_vec()), 1 => proptest::num::f64::NORMAL.prop_map(Value::from)]
}

fn text() -> impl Strategy<Value = Value> {
    prop_oneof![6 => proptest::sample::select(texts()).prop_map(Value::from), 1 => "[^\0]{0,6}".prop_map(Value::from)]
}

fn tag() -> impl Strategy<Value = Value> {
    prop_oneof![3 => text(), 3 => number(), 1 => any::<bool>().prop_map(Value::from)]
}

fn tags() -> impl Strategy<Value = Tags> {
    proptest::collection::btree_map(proptest::sample::select(names()), tag(), 0..8)
}

fn instant() -> impl Strategy<Value = Value> {
    let at = [
        "2026-11-02T09:00:00Z",
        "2026-10-03T09:00:00Z",
        "2026-10-03T09:00:00.000001Z",
        "2026-10-03T10:59:59.999999+02:00",
        "0001-01-01T00:00:00Z",
        "9999-12-31T23:59:59Z",
    ];
    prop_oneof![proptest::sample::select(at.to_vec()).prop_map(Value::from), (0..60_u32).prop_map(|days| json!({"days_ago": days}))]
}

fn leaf() -> BoxedStrategy<Value> {
    const ORDERED: [&str; 6] = ["eq", "ne", "lt", "lte", "gt", "gte"];
    fn tests<S: Strategy<Value = Value> + Clone + 'static>(
        field: &'static str,
        ops: &'static [&'static str],
        value: S,
    ) -> BoxedStrategy<Value> {
        let compare = (proptest::sample::select(ops.to_vec()), value.clone())
            .prop_map(move |(op, value)| json!({"field": field, "op": op, "value": value}));
        let list = proptest::collection::vec(value, 1..5).prop_map(move |values| json!({"field": field, "op": "in", "value": values}));
        let exists = any::<bool>().prop_map(move |is| json!({"field": field, "op": "exists", "value": is}));
        prop_oneof![4 => compare, 1 => list, 1 => exists].boxed()
    }
    let platform = proptest::sample::select(vec![json!("ios"), json!("android"), json!("web")]);
    let columns = ["locale", "timezone", "model"].map(|field| tests(field, &ORDERED, text().boxed()));
    let version = || proptest::sample::select(versions()).prop_map(Value::from).boxed();
    let prefix = (proptest::sample::select(vec!["platform", "locale", "timezone", "model", "app_version", "os_version"]), text())
        .prop_map(|(field, start)| json!({"field": field, "op": "prefix", "value": start}));
    let tag_field = || {
        (any::<bool>(), proptest::sample::select(names()))
            .prop_map(|(of_user, name)| if of_user { format!("user.tags.{name}") } else { format!("tags.{name}") })
    };
    let ordered = prop_oneof![text(), number()];
    let of_tag = prop_oneof![
        4 => (tag_field(), proptest::sample::select(ORDERED.to_vec()), ordered).prop_map(|(field, op, value)| json!({"field": field, "op": op, "value": value})),
        1 => (tag_field(), proptest::sample::select(vec!["eq", "ne"]), any::<bool>()).prop_map(|(field, op, value)| json!({"field": field, "op": op, "value": value})),
        1 => (tag_field(), proptest::collection::vec(tag(), 1..6)).prop_map(|(field, values)| json!({"field": field, "op": "in", "value": values})),
        1 => (tag_field(), any::<bool>()).prop_map(|(field, is)| json!({"field": field, "op": "exists", "value": is})),
        1 => (tag_field(), text()).prop_map(|(field, start)| json!({"field": field, "op": "prefix", "value": start})),
    ];
    let [locale, timezone, model] = columns;
    prop_oneof![
        1 => tests("platform", &ORDERED, platform.boxed()),
        1 => locale,
        1 => timezone,
        1 => model,
        2 => tests("app_version", &ORDERED, version()),
        1 => tests("os_version", &ORDERED, version()),
        1 => tests("last_seen_at", &ORDERED, instant().boxed()),
        1 => tests("created_at", &ORDERED, instant().boxed()),
        1 => prefix,
        8 => of_tag,
    ]
    .boxed()
}

fn segment() -> impl Strategy<Value = Segment> {
    let node = prop_oneof![20 => leaf(), 1 => Just(json!({"everyone": true}))].prop_recursive(5, 24, 4, |inner| {
        let list = || proptest::collection::vec(inner.clone(), 1..4);
        prop_oneof![
            list().prop_map(|parts| json!({"all": parts})),
            list().prop_map(|parts| json!({"any": parts})),
            inner.clone().prop_map(|part| json!({"not": part})),
        ]
    });
    node.prop_map(|value| Segment::parse(&value, "segment").unwrap_or_else(|errors| panic!("{value} {errors:?}")))
}

fn change() -> impl Strategy<Value = DeviceChange> {
    let column = || prop_oneof![1 => Just(Change::Clear), 3 => proptest::sample::select(texts()).prop_map(Change::Set)];
    let version =
        || prop_oneof![1 => Just(Change::Clear), 4 => proptest::sample::select(versions()).prop_map(|text| Change::Set(text.to_owned()))];
    let user = proptest::option::of(0..6_u8).prop_map(|user| user.map_or(Change::Clear, |n| Change::Set(format!("u{n}"))));
    ((any::<bool>(), user), (column(), column(), column()), (version(), version()), tags(), (0..60_i64, 0..2_i64)).prop_map(
        |((is_apple, user), (locale, timezone, model), (app_version, os_version), tags, (days, micros))| DeviceChange {
            platform: Some(if is_apple { Platform::Ios } else { Platform::Android }),
            user,
            locale,
            timezone,
            model,
            app_version,
            os_version,
            tags: TagChange::Replace(tags),
            imported: Some(Imported {
                created_at: Some(
                    "2026-11-02T09:00:00Z".parse::<herald::domain::Timestamp>().unwrap() - chrono::TimeDelta::days(days)
                        + chrono::TimeDelta::microseconds(micros),
                ),
                ..Imported::default()
            }),
            ..DeviceChange::default()
        },
    )
}

fn drawn<T: std::fmt::Debug>(runner: &mut TestRunner, strategy: &impl Strategy<Value = T>) -> T {
    strategy.new_tree(runner).unwrap().current()
}

/// Devices of all kinds, some of them inactive, and people with tags.
async fn population(world: &World, runner: &mut TestRunner) -> Vec<String> {
    let store = world.store();
    for n in 0..6 {
        let profile = Profile { tags: drawn(runner, &tags()), locale: None };
        store.put_profile(world.app, &format!("u{n}"), &profile, None).await.unwrap();
    }
    let mut devices = Vec::new();
    for n in 0..60 {
        let change = drawn(runner, &change());
        let token = format!("token-{n}");
        let token = if change.platform == Some(Platform::Ios) { PushToken::Apns(token) } else { PushToken::Fcm(token) };
        let imported = change.imported.map(|imported| Imported { inactive: n % 10 == 9, ..imported });
        devices.push((format!("d{n}"), DeviceChange { token: Some(token), imported, ..change }));
    }
    // one by one and together: both ways of writing a device are asked
    let together = devices.split_off(30);
    for (name, change) in &devices {
        store.put_device(world.app, name, change.clone(), None).await.unwrap();
    }
    store.put_devices(world.app, together.clone()).await.unwrap();
    devices.into_iter().chain(together).map(|(name, _)| name).collect()
}

/// Each device as the store tells it, with its user's tags.
async fn known(world: &World, names: &[String]) -> Vec<(Device, Option<Tags>)> {
    let mut known = Vec::new();
    for name in names {
        let device = world.store().device(world.app, name).await.unwrap().unwrap();
        let tags = match &device.user {
            Some(user) => Some(world.store().profile(world.app, user).await.unwrap().value.tags),
            None => None,
        };
        known.push((device, tags));
    }
    known
}

fn meant<'a>(world: &World, known: &'a [(Device, Option<Tags>)], segment: &Segment) -> impl Iterator<Item = &'a Device> {
    let active = known.iter().filter(|(device, _)| device.status == DeviceStatus::Active);
    let (segment, now) = (segment.clone(), world.now());
    active.filter(move |(device, tags)| segment.matches(&Facts::of(device, tags.as_ref()), now)).map(|(device, _)| device)
}

async fn taken(world: &World, selection: &Selection, limit: usize) -> Vec<DevicePk> {
    let (mut taken, mut after) = (Vec::new(), 0);
    loop {
        let scan = world.store().read_devices(world.app, after, limit, selection).await.unwrap();
        taken.extend(scan.devices.iter().map(|member| member.pair.device));
        if scan.last {
            return taken;
        }
        after = scan.to;
    }
}

pub async fn a_segment_takes_those_that_it_means(world: &mut World) {
    let mut runner = TestRunner::default();
    let names = population(world, &mut runner).await;
    let known = known(world, &names).await;
    let (strategy, mut some) = (segment(), 0);
    for _ in 0..CASES {
        let segment = drawn(&mut runner, &strategy);
        assert_eq!(Segment::parse(&segment.to_json(), "again").as_ref(), Ok(&segment), "{}", segment.to_json());
        let expected: Vec<DevicePk> = meant(world, &known, &segment).map(|device| device.pk).collect();
        let selection = Selection { segments: vec![Arc::new(segment)], ..world.everyone() };
        let found = taken(world, &selection, 1_000).await;
        let wrong: Vec<&(Device, Option<Tags>)> =
            known.iter().filter(|(device, _)| found.contains(&device.pk) != expected.contains(&device.pk)).collect();
        assert!(wrong.is_empty(), "{} is wrong about {wrong:?}", selection.segments[0].to_json());
        assert_eq!(found, expected);
        some += usize::from(!expected.is_empty() && expected.len() < known.len());
    }
    assert!(some > CASES / 4, "only {some} segments told devices apart");
}

pub async fn a_segment_is_the_same_in_parts(world: &mut World) {
    let mut runner = TestRunner::default();
    let names = population(world, &mut runner).await;
    let known = known(world, &names).await;
    for field in ["locale", "tags.plan", "user.tags.plan"] {
        let parse = |value| Segment::parse(&value, "segment").unwrap();
        let segments =
            [json!({"field": field, "op": "exists", "value": true}), json!({"not": {"field": "platform", "op": "eq", "value": "ios"}})]
                .map(parse);
        let [first, second] = &segments;
        let expected: Vec<DevicePk> = meant(world, &known, first)
            .filter(|device| meant(world, &known, second).any(|other| other.pk == device.pk))
            .map(|device| device.pk)
            .collect();
        let selection = Selection { segments: segments.clone().map(Arc::new).to_vec(), ..world.everyone() };
        for limit in [1, 7, 59, 60, 61] {
            assert_eq!(taken(world, &selection, limit).await, expected, "{field} {limit}");
        }
    }
}

pub async fn large_segments_are_taken(world: &mut World) {
    world.device("phone", Some("ann")).await;
    let leaf = |n: usize| json!({"field": "tags.x", "op": "ne", "value": format!("{n}")});
    let wide = json!({"all": (0..1000).map(leaf).collect::<Vec<_>>()});
    let deep = (1..32).fold(json!({"everyone": true}), |inner, n| if n % 2 == 0 { json!({"all": [inner]}) } else { json!({"not": inner}) });
    let long = json!({"field": "model", "op": "in", "value": (0..10_000).map(|n| format!("m{n}")).collect::<Vec<_>>()});
    for (value, count) in [(wide, 1), (deep, 1), (json!({"not": long.clone()}), 1), (long, 0)] {
        let segment = Segment::parse(&value, "segment").unwrap();
        let selection = Selection { segments: vec![Arc::new(segment)], ..world.everyone() };
        assert_eq!(taken(world, &selection, 10).await.len(), count, "{value:.80}");
    }
}

pub async fn an_expansion_takes_a_segment(world: &mut World) {
    for n in 0..5 {
        let tags = TagChange::Replace([("n".to_owned(), json!(n))].into());
        let change = DeviceChange { tags, ..iphone(Some("ann"), &format!("token {n}")) };
        world.store().put_device(world.app, &format!("d{n}"), change, None).await.unwrap();
    }
    let odd = Segment::parse(&json!({"field": "tags.n", "op": "in", "value": [1, 3]}), "segment").unwrap();
    let selection = Selection { segments: vec![Arc::new(odd)], ..world.everyone() };
    world.accept(world.fan_out()).await;
    let work = world.only_taken().await;
    let mut taken = Vec::new();
    loop {
        let page = world.store().read_page(work.key, 2, &selection).await.unwrap().unwrap();
        taken.extend(page.devices.iter().map(|member| member.pair.device.0));
        assert!(world.store().commit_page(work.key, work.epoch, &page, &[]).await.unwrap());
        if page.last {
            break;
        }
    }
    let mut expected = Vec::new();
    for name in ["d1", "d3"] {
        expected.push(world.store().device(world.app, name).await.unwrap().unwrap().pk.0);
    }
    assert_eq!(taken, expected);
}

pub async fn of_those_named_only_the_meant_are_targets(world: &mut World) {
    let store = world.shared();
    let tagged = |user: Option<&str>, token: &str, plan: &str| DeviceChange {
        tags: TagChange::Replace([("plan".to_owned(), json!(plan))].into()),
        ..iphone(user, token)
    };
    for (name, user, plan) in [("phone", "ann", "pro"), ("tablet", "ann", "free"), ("old", "bob", "free"), ("off", "cid", "pro")] {
        store.put_device(world.app, name, tagged(Some(user), name, plan), None).await.unwrap();
        world.pass(Duration::from_secs(1));
    }
    // it is there and inactive
    let imported = Some(Imported { inactive: true, last_seen_at: Some(world.now()), ..Imported::default() });
    store.put_device(world.app, "off", DeviceChange { imported, ..tagged(Some("cid"), "off", "pro") }, None).await.unwrap();
    let pro = Arc::new(Segment::parse(&json!({"field": "tags.plan", "op": "eq", "value": "pro"}), "where").unwrap());
    let everyone = ["ann", "bob", "cid", "nobody"];
    for (targets, latest_only) in
        [(users(&everyone), false), (users(&everyone), true), (devices(&["nothing", "off", "old", "phone", "tablet"]), false)]
    {
        let narrowed = Narrowed { only: Some(Arc::clone(&pro)), latest_only, ..Narrowed::default() };
        let id = world.accept(NewNotification { narrowed, ..world.direct(targets.clone()) }).await;
        let view = world.view(id).await;
        assert_eq!(view.counts.waiting, 1, "{targets:?}");
        let page = herald::store::PageRequest { limit: 10, after: None };
        let listed =
            store.deliveries(world.app, id, &herald::store::notification::DeliveryFilter::default(), &page).await.unwrap().unwrap();
        let named: Vec<_> = listed.items.into_iter().map(|delivery| delivery.device).collect();
        assert_eq!(named, [Some("phone".to_owned())], "{targets:?}");
        let work = world.only_taken().await;
        for peek in [true, false] {
            let only = Some(Only { segment: Arc::clone(&pro), as_of: world.now() });
            let answer = world.answer(herald::store::engine::Ask { only, latest_only, peek, ..world.ask(&work) }).await;
            let found: BTreeSet<_> =
                answer.candidates.iter().map(|candidate| candidate.recipient.as_ref().map(|device| device.name.as_str())).collect();
            assert_eq!(found, BTreeSet::from([Some("phone")]), "{targets:?} {peek}");
        }
    }
}
