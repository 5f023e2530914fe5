//! Devices: registrations and what they do to others.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::TimeDelta;
use herald::domain::Timestamp;
use herald::domain::device::{
    Change, Device, DeviceChange, DeviceStatus, Environment, Imported, InactiveReason, MAX_ACTIVE_DEVICES, Permission, Platform,
    ProviderKind, PushToken, TagChange,
};
use herald::store::PageRequest;
use herald::store::device::{DeviceFilter, Registered};
use serde_json::json;

use crate::kit::{SECOND, iphone};
use crate::world::World;

async fn put(world: &World, name: &str, change: DeviceChange) -> Registered {
    world.store().put_device(world.app, name, change, None).await.unwrap()
}

async fn patch(world: &World, name: &str, change: DeviceChange) -> Device {
    match world.store().patch_device(world.app, name, change, None).await.unwrap().unwrap() {
        Registered::Updated(device) => *device,
        other => panic!("{other:?}"),
    }
}

async fn get(world: &World, name: &str) -> Device {
    world.store().device(world.app, name).await.unwrap().unwrap()
}

fn state(device: &Device) -> (DeviceStatus, Option<InactiveReason>) {
    (device.status, device.inactive_reason)
}

const ACTIVE: (DeviceStatus, Option<InactiveReason>) = (DeviceStatus::Active, None);

fn tags(pairs: &[(&str, serde_json::Value)]) -> BTreeMap<String, serde_json::Value> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
}

pub async fn a_registration_creates_and_updates(world: &mut World) {
    let full = DeviceChange {
        environment: Change::Set(Environment::Sandbox),
        permission: Change::Set(Permission::Granted),
        timezone: Change::Set("Europe/Paris".to_owned()),
        locale: Change::Set("fr-FR".to_owned()),
        model: Change::Set("iPhone16,1".to_owned()),
        tags: TagChange::Replace(tags(&[("plan", json!("pro"))])),
        ..iphone(Some("ann"), "aa")
    };
    let Registered::Created(first) = put(world, "phone", full).await else { panic!() };
    assert_eq!((first.user.as_deref(), first.platform, first.provider), (Some("ann"), Platform::Ios, ProviderKind::Apns));
    assert_eq!((first.environment, first.permission, first.version), (Environment::Sandbox, Permission::Granted, 1));
    assert_eq!((first.created_at, first.last_seen_at, first.token_seen_at), (world.now(), world.now(), world.now()));
    assert_eq!((state(&first), first.tags["plan"].clone()), (ACTIVE, json!("pro")));
    assert_eq!(get(world, "phone").await, *first);

    world.pass(SECOND);
    let change = DeviceChange { model: Change::Clear, locale: Change::Set("de".to_owned()), ..DeviceChange::default() };
    let Registered::Updated(second) = put(world, "phone", change).await else { panic!() };
    let expected =
        Device { model: None, locale: Some("de".to_owned()), updated_at: world.now(), last_seen_at: world.now(), version: 2, ..*first };
    assert_eq!(*second, expected);
}

pub async fn a_new_device_needs_user_platform_and_token(world: &mut World) {
    let whole = iphone(Some("ann"), "aa");
    let cases = [
        (DeviceChange { user: Change::Keep, ..whole.clone() }, "user_id"),
        (DeviceChange { platform: None, ..whole.clone() }, "platform"),
        (DeviceChange { token: None, ..whole }, "token"),
    ];
    for (change, field) in cases {
        assert_eq!(put(world, "phone", change).await, Registered::Missing(field));
    }
    assert!(world.store().device(world.app, "phone").await.unwrap().is_none());
}

pub async fn a_token_fits_its_provider(world: &mut World) {
    let wrong = DeviceChange { platform: Some(Platform::Android), ..iphone(Some("ann"), "aa") };
    assert_eq!(put(world, "phone", wrong).await, Registered::TokenOfOtherProvider);
    let fcm = DeviceChange {
        provider: Some(ProviderKind::Fcm),
        token: Some(PushToken::Fcm("f".to_owned())),
        environment: Change::Set(Environment::Sandbox),
        ..iphone(Some("ann"), "")
    };
    let Registered::Created(device) = put(world, "phone", fcm).await else { panic!() };
    assert_eq!((device.provider, device.environment), (ProviderKind::Fcm, Environment::Production));
    let moved = DeviceChange { platform: Some(Platform::Web), ..DeviceChange::default() };
    assert_eq!(put(world, "phone", moved).await, Registered::TokenOfOtherProvider);
    assert_eq!(get(world, "phone").await, *device);
}

pub async fn a_token_moves_to_the_device_that_registers_it(world: &mut World) {
    world.device("old", Some("ann")).await;
    let Registered::Created(new) = put(world, "new", iphone(Some("bob"), "token-old")).await else { panic!() };
    assert_eq!(state(&new), ACTIVE);
    assert_eq!(state(&get(world, "old").await), (DeviceStatus::Inactive, Some(InactiveReason::TokenMoved)));
    // without the token the old one cannot have it back
    put(world, "old", DeviceChange::default()).await;
    assert_eq!(state(&get(world, "old").await), (DeviceStatus::Inactive, Some(InactiveReason::TokenMoved)));
    put(world, "old", iphone(Some("ann"), "token-old")).await;
    assert_eq!(state(&get(world, "old").await), ACTIVE);
    assert_eq!(state(&get(world, "new").await), (DeviceStatus::Inactive, Some(InactiveReason::TokenMoved)));
    // another app's devices are none of our business
    let other = world.store().ensure_apps(&["other".to_owned()]).await.unwrap()[0];
    world.store().put_device(other, "old", iphone(None, "token-old"), None).await.unwrap();
    assert_eq!(state(&get(world, "old").await), ACTIVE);
}

pub async fn a_registration_refreshes_the_token(world: &mut World) {
    let first = world.device("phone", Some("ann")).await;
    world.pass(SECOND);
    put(world, "phone", DeviceChange::default()).await;
    assert_eq!(get(world, "phone").await.token_seen_at, first.token_seen_at);
    world.device("phone", Some("ann")).await;
    assert_eq!(get(world, "phone").await.token_seen_at, world.now());
}

pub async fn a_device_whose_user_changes_starts_clean(world: &mut World) {
    let tagged = |user| DeviceChange { tags: TagChange::Merge(tags(&[("a", json!(1))])), ..iphone(user, "aa") };
    put(world, "phone", tagged(Some("ann"))).await;
    put(world, "phone", DeviceChange { tags: TagChange::Keep, ..tagged(Some("ann")) }).await;
    assert_eq!(get(world, "phone").await.tags, tags(&[("a", json!(1))]));
    let clear = DeviceChange { user: Change::Clear, ..DeviceChange::default() };
    assert!(patch(world, "phone", clear).await.tags.is_empty());
    put(world, "phone", tagged(None)).await;
    let change = DeviceChange { tags: TagChange::Merge(tags(&[("b", json!(2))])), ..iphone(Some("bob"), "aa") };
    put(world, "phone", change).await;
    let device = get(world, "phone").await;
    assert_eq!((device.tags, device.user.as_deref()), (tags(&[("b", json!(2))]), Some("bob")));
    let merge = TagChange::Merge(tags(&[("b", json!(null)), ("c", json!("x"))]));
    assert_eq!(patch(world, "phone", DeviceChange { tags: merge, ..DeviceChange::default() }).await.tags, tags(&[("c", json!("x"))]));
}

pub async fn a_patch_without_a_token_wakes_nothing(world: &mut World) {
    let first = world.device("old", Some("ann")).await;
    put(world, "new", iphone(Some("ann"), "token-old")).await;
    world.store().delete_device(world.app, "new").await.unwrap();
    world.pass(SECOND);
    let zone = DeviceChange { timezone: Change::Set("UTC".to_owned()), ..DeviceChange::default() };
    let patched = patch(world, "old", zone).await;
    assert_eq!(
        (patched.status, patched.token_seen_at, patched.last_seen_at),
        (DeviceStatus::Inactive, first.token_seen_at, first.last_seen_at)
    );
    let token = DeviceChange { token: Some(PushToken::Apns("bb".to_owned())), ..DeviceChange::default() };
    let patched = patch(world, "old", token).await;
    assert_eq!((state(&patched), patched.token_seen_at), (ACTIVE, world.now()));
    assert_eq!(world.store().patch_device(world.app, "none", DeviceChange::default(), None).await.unwrap(), None);
}

pub async fn a_user_keeps_fifty_devices(world: &mut World) {
    for n in 0..=MAX_ACTIVE_DEVICES {
        world.device(&format!("d{n}"), Some("ann")).await;
        world.pass(SECOND);
    }
    assert_eq!(state(&get(world, "d0").await), (DeviceStatus::Inactive, Some(InactiveReason::TooManyDevices)));
    assert_eq!(state(&get(world, "d1").await), ACTIVE);
    world.device("d0", Some("ann")).await;
    assert_eq!(state(&get(world, "d0").await), ACTIVE);
    assert_eq!(state(&get(world, "d1").await), (DeviceStatus::Inactive, Some(InactiveReason::TooManyDevices)));
    let filter = DeviceFilter { status: Some(DeviceStatus::Active), user: Some("ann".to_owned()), ..DeviceFilter::default() };
    let page = PageRequest { limit: 500, after: None };
    assert_eq!(world.store().devices(world.app, &filter, &page).await.unwrap().items.len(), MAX_ACTIVE_DEVICES);
}

pub async fn a_change_can_name_the_version_it_is_for(world: &mut World) {
    let store = world.store();
    assert_eq!(store.put_device(world.app, "phone", iphone(None, "aa"), Some(1)).await.unwrap(), Registered::Stale);
    let device = world.device("phone", None).await;
    let zone = || DeviceChange { timezone: Change::Set("UTC".to_owned()), ..DeviceChange::default() };
    let stale = store.patch_device(world.app, "phone", zone(), Some(device.version + 1)).await.unwrap();
    assert_eq!(stale, Some(Registered::Stale));
    assert_eq!(store.put_device(world.app, "phone", zone(), Some(0)).await.unwrap(), Registered::Stale);
    assert_eq!(get(world, "phone").await, device);
    let Registered::Updated(next) = store.put_device(world.app, "phone", zone(), Some(device.version)).await.unwrap() else { panic!() };
    assert_eq!(next.version, device.version + 1);
}

pub async fn a_phone_that_calls_is_seen_once_an_hour(world: &mut World) {
    let device = world.device("phone", Some("ann")).await;
    let saw = async |at| world.store().saw_device(world.app, "phone", at).await.unwrap();
    let hour = TimeDelta::hours(1);
    world.pass(Duration::from_secs(3_599));
    saw(world.now()).await;
    assert_eq!(get(world, "phone").await, device, "that was noted lately");
    world.pass(SECOND);
    saw(world.now()).await;
    let seen = Device { last_seen_at: world.now(), ..device };
    assert_eq!(get(world, "phone").await, seen, "and nothing else is changed");
    saw(world.now() - hour).await;
    assert_eq!(get(world, "phone").await, seen, "it does not go back");
    saw(world.now() + hour * 10).await;
    assert_eq!(get(world, "phone").await, seen, "that is not yet");
    world.pass(Duration::from_secs(7_200));
    saw(world.now() + hour * 10).await;
    assert_eq!(get(world, "phone").await, Device { last_seen_at: world.now(), ..seen });

    world.store().deactivate_stale(world.app, world.now(), 0, 10).await.unwrap();
    let asleep = get(world, "phone").await;
    world.pass(Duration::from_secs(3_600));
    saw(world.now()).await;
    assert_eq!(get(world, "phone").await, Device { last_seen_at: world.now(), ..asleep });
    world.store().saw_device(world.app, "none", world.now()).await.unwrap();
    assert!(world.store().device(world.app, "none").await.unwrap().is_none());
}

pub async fn a_number_is_never_used_again(world: &mut World) {
    let device = world.device("phone", Some("ann")).await;
    assert!(world.store().delete_device(world.app, "phone").await.unwrap());
    assert!(!world.store().delete_device(world.app, "phone").await.unwrap());
    assert!(world.device("phone", Some("ann")).await.pk > device.pk);
}

fn imported(imported: Imported) -> DeviceChange {
    DeviceChange { imported: Some(imported), ..iphone(Some("ann"), "aa") }
}

pub async fn an_import_takes_over_what_was_known_elsewhere(world: &mut World) {
    let past = |days| Some(world.now() - TimeDelta::days(days));
    let from = Imported { created_at: past(90), last_seen_at: past(40), inactive: false };
    let Registered::Created(device) = put(world, "phone", imported(from.clone())).await else { panic!() };
    assert_eq!((Some(device.created_at), Some(device.last_seen_at)), (from.created_at, from.last_seen_at));
    // a verdict since then counts
    assert_eq!((state(&device), Some(device.token_seen_at)), (ACTIVE, from.last_seen_at));
    let seen = world.device("phone", Some("ann")).await;
    put(world, "phone", imported(Imported { inactive: true, ..from })).await;
    let device = get(world, "phone").await;
    assert_eq!((state(&device), device.last_seen_at), (ACTIVE, seen.last_seen_at));
}

pub async fn an_import_wakes_only_what_an_import_put_to_sleep(world: &mut World) {
    let asleep = imported(Imported { inactive: true, ..Imported::default() });
    let awake = || imported(Imported::default());
    put(world, "phone", asleep).await;
    assert_eq!(state(&get(world, "phone").await), (DeviceStatus::Inactive, None));
    put(world, "phone", awake()).await;
    assert_eq!(state(&get(world, "phone").await), ACTIVE);
    put(world, "thief", iphone(None, "aa")).await;
    put(world, "phone", awake()).await;
    assert_eq!(state(&get(world, "phone").await), (DeviceStatus::Inactive, Some(InactiveReason::TokenMoved)));
}

/// One line of a list at a time, and together: as a batch they go another way.
async fn import(world: &World, lines: Vec<(&str, DeviceChange)>) {
    let lines = lines.into_iter().map(|(name, change)| (name.to_owned(), change)).collect();
    for answer in world.store().put_devices(world.app, lines).await.unwrap() {
        assert!(matches!(answer, Registered::Created(_) | Registered::Updated(_)), "{answer:?}");
    }
}

fn seen(at: Timestamp) -> Imported {
    Imported { created_at: None, last_seen_at: Some(at), inactive: false }
}

pub async fn an_older_list_does_not_overrule_the_phone(world: &mut World) {
    let last_week = world.now() - TimeDelta::days(7);
    let old = |imported| DeviceChange { imported: Some(imported), locale: Change::Set("de".to_owned()), ..iphone(Some("old"), "dead") };
    put(world, "phone", DeviceChange { locale: Change::Set("fr".to_owned()), ..iphone(Some("ann"), "alive") }).await;
    let before = get(world, "phone").await;
    put(world, "other", old(seen(last_week))).await;
    import(world, vec![("phone", old(Imported { created_at: Some(last_week), inactive: true, ..seen(last_week) }))]).await;
    let after = get(world, "phone").await;
    assert_eq!((after.user.as_deref(), after.token_hash, after.locale.as_deref()), (Some("ann"), before.token_hash, Some("fr")));
    assert_eq!((state(&after), after.created_at, after.token_seen_at), (ACTIVE, last_week, before.token_seen_at));

    // one that is newer does, and so does one that says nothing of the time
    world.pass(SECOND);
    import(world, vec![("phone", DeviceChange { token: None, ..old(seen(world.now())) })]).await;
    assert_eq!(get(world, "phone").await.user.as_deref(), Some("old"));
    import(world, vec![("phone", DeviceChange { token: None, user: Change::Set("new".to_owned()), ..old(Imported::default()) })]).await;
    assert_eq!(get(world, "phone").await.user.as_deref(), Some("new"));
}

pub async fn an_older_list_takes_no_token_from_the_phone_that_has_it(world: &mut World) {
    let last_week = world.now() - TimeDelta::days(7);
    put(world, "new-id", iphone(Some("new"), "token")).await;
    let old = |imported| DeviceChange { imported: Some(imported), ..iphone(Some("old"), "token") };
    import(world, vec![("old-id", old(seen(last_week))), ("no-time", old(Imported::default()))]).await;
    assert_eq!(state(&get(world, "new-id").await), ACTIVE);
    for name in ["old-id", "no-time"] {
        assert_eq!(state(&get(world, name).await), (DeviceStatus::Inactive, Some(InactiveReason::TokenMoved)), "{name}");
    }
    // a list that saw the phone later knows better
    world.pass(SECOND);
    import(world, vec![("later-id", old(seen(world.now())))]).await;
    assert_eq!(state(&get(world, "later-id").await), ACTIVE);
    assert_eq!(state(&get(world, "new-id").await), (DeviceStatus::Inactive, Some(InactiveReason::TokenMoved)));
}

pub async fn many_are_registered_in_one_go(world: &mut World) {
    let changes = vec![
        ("a".to_owned(), iphone(Some("ann"), "aa")),
        ("b".to_owned(), DeviceChange { token: None, ..iphone(Some("ann"), "") }),
        ("a".to_owned(), iphone(Some("ann"), "aa")),
    ];
    let answers = world.store().put_devices(world.app, changes).await.unwrap();
    assert!(matches!(answers[0], Registered::Created(_)));
    assert_eq!(answers[1], Registered::Missing("token"));
    assert!(matches!(answers[2], Registered::Updated(_)));
}

/// What comes together touches the others as if it had come one by one.
pub async fn many_at_once_are_as_one_after_the_other(world: &mut World) {
    let new = |n: usize| (format!("new-{n}"), iphone(Some(&format!("user-{}", n % 30)), &format!("{n:04x}")));
    let mut changes: Vec<(String, DeviceChange)> = (0..100).map(new).collect();
    changes.extend((0..60).map(|n| (format!("crowd-{n}"), iphone(Some("crowd"), &format!("c{n:03x}")))));
    changes.push(("taker".to_owned(), iphone(Some("ann"), "0001")));
    changes.push(("new-2".to_owned(), iphone(Some("ann"), "0002")));
    changes.push(("there".to_owned(), iphone(Some("ann"), "aaaa")));
    changes.push(("holder-of-bb".to_owned(), iphone(None, "bbbb")));
    let asleep = Some(Imported { inactive: true, ..Imported::default() });
    changes.push(("asleep".to_owned(), DeviceChange { imported: asleep, ..iphone(None, "dddd") }));
    let before = async |world: &mut World| {
        world.device("there", Some("bob")).await;
        put(world, "other", iphone(Some("bob"), "bbbb")).await;
    };
    let all = async |world: &World| {
        let page = PageRequest { limit: 500, after: None };
        let mut devices = world.store().devices(world.app, &DeviceFilter::default(), &page).await.unwrap().items;
        devices.sort_by(|a, b| a.name.cmp(&b.name));
        devices.into_iter().map(|device| (device.name.clone(), device.user.clone(), state(&device), device.version)).collect::<Vec<_>>()
    };
    before(world).await;
    let answers = world.store().put_devices(world.app, changes.clone()).await.unwrap();
    let together = all(world).await;
    for (answer, (name, _)) in answers.iter().zip(&changes) {
        let (Registered::Created(device) | Registered::Updated(device)) = answer else { panic!("{answer:?}") };
        assert_eq!(&device.name, name);
        assert_eq!(world.store().device(world.app, name).await.unwrap().map(|device| device.pk), Some(device.pk));
    }
    world.app = world.store().ensure_apps(&["one by one".to_owned()]).await.unwrap()[0];
    before(world).await;
    for (name, change) in changes {
        world.store().put_device(world.app, &name, change, None).await.unwrap();
    }
    assert_eq!(together, all(world).await);
}

pub async fn devices_are_listed_newest_first(world: &mut World) {
    for n in 0..7 {
        world.device(&format!("d{n}"), Some(if n % 2 == 0 { "ann" } else { "bob" })).await;
        if n % 3 == 0 {
            world.pass(SECOND);
        }
    }
    put(world, "thief", iphone(None, "token-d0")).await;
    let names = async |filter: DeviceFilter, limit| {
        let mut names = Vec::new();
        let mut after = None;
        loop {
            let page = world.store().devices(world.app, &filter, &PageRequest { limit, after }).await.unwrap();
            assert!(page.items.len() <= limit);
            names.extend(page.items.into_iter().map(|device| device.name));
            after = page.next;
            if after.is_none() {
                return names.join(" ");
            }
        }
    };
    for limit in [2, 8, 100] {
        assert_eq!(names(DeviceFilter::default(), limit).await, "thief d6 d5 d4 d3 d2 d1 d0");
        let of = DeviceFilter { user: Some("ann".to_owned()), status: Some(DeviceStatus::Active), ..DeviceFilter::default() };
        assert_eq!(names(of, limit).await, "d6 d4 d2");
    }
    let none = [
        DeviceFilter { user: Some("nobody".to_owned()), ..DeviceFilter::default() },
        DeviceFilter { platform: Some(Platform::Web), ..DeviceFilter::default() },
    ];
    for filter in none {
        assert_eq!(names(filter, 10).await, "");
    }
}
