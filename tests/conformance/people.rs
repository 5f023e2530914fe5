//! Preferences, contacts, categories and apps.

use herald::domain::category::Category;
use herald::domain::preferences::{Contacts, Preferences};
use herald::domain::principal::Principal;
use herald::domain::profile::Profile;
use herald::store::category::Declaration;
use herald::store::key::ApiKey;
use herald::store::person::{DevicePreferencesPut, Versioned};
use serde_json::json;

use crate::keys::key;
use crate::kit::{SECOND, iphone};
use crate::world::World;

pub async fn preferences_have_versions(world: &mut World) {
    let store = world.store();
    let zone = |zone: &str| Preferences { timezone: Some(zone.to_owned()), ..Preferences::default() };
    let unwritten = Versioned { value: Preferences::default(), version: 0 };
    assert_eq!(store.preferences(world.app, "ann").await.unwrap(), unwritten);
    assert_eq!(store.put_preferences(world.app, "ann", &zone("UTC"), Some(1)).await.unwrap(), None);
    assert_eq!(store.preferences(world.app, "ann").await.unwrap(), unwritten);
    let at = world.now().timestamp_micros();
    let first = store.put_preferences(world.app, "ann", &zone("UTC"), Some(0)).await.unwrap();
    assert_eq!(first, Some(Versioned { value: zone("UTC"), version: at }));
    let second = store.put_preferences(world.app, "ann", &zone("Asia/Tokyo"), None).await.unwrap();
    assert_eq!(second, Some(Versioned { value: zone("Asia/Tokyo"), version: at + 1 }));
    assert_eq!(store.put_preferences(world.app, "ann", &zone("UTC"), Some(at)).await.unwrap(), None);
    assert_eq!(store.preferences(world.app, "ann").await.unwrap(), second.unwrap());
    let other = store.ensure_apps(&["other".to_owned()]).await.unwrap()[0];
    assert_eq!(store.preferences(other, "ann").await.unwrap(), unwritten);
}

pub async fn a_device_has_preferences_until_somebody_signs_in(world: &mut World) {
    let (store, app) = (world.store(), world.app);
    let zone = |zone: &str| Preferences { timezone: Some(zone.to_owned()), ..Preferences::default() };
    let is = |value, version| Some(Versioned { value, version });
    assert_eq!(store.device_preferences(app, "phone").await.unwrap(), is(Preferences::default(), 0));
    assert_eq!(store.put_device_preferences(app, "phone", &zone("UTC"), Some(1)).await.unwrap(), DevicePreferencesPut::Stale);
    let at = world.now().timestamp_micros();
    for (device, if_match, version) in [("phone", 0, at), ("phone", at, at + 1), ("pad", 0, at)] {
        let written = store.put_device_preferences(app, device, &zone(device), Some(if_match)).await.unwrap();
        assert_eq!(written, DevicePreferencesPut::Written(Versioned { value: zone(device), version }));
        assert_eq!(store.device_preferences(app, device).await.unwrap(), is(zone(device), version));
    }
    assert!(store.device(app, "phone").await.unwrap().is_none(), "it is a mere name");
    for _ in 0..2 {
        world.device("phone", None).await;
        assert_eq!(store.device_preferences(app, "phone").await.unwrap(), is(zone("phone"), at + 1), "it registered");
    }
    let many = vec![("phone".to_owned(), iphone(None, "token-phone"))];
    store.put_devices(app, many).await.unwrap();
    assert_eq!(store.device_preferences(app, "phone").await.unwrap(), is(zone("phone"), at + 1), "beside others");
    world.device("phone", Some("ann")).await;
    assert_eq!(store.device_preferences(app, "phone").await.unwrap(), None);
    assert_eq!(store.put_device_preferences(app, "phone", &zone("UTC"), None).await.unwrap(), DevicePreferencesPut::SignedIn);
    world.device("phone", None).await;
    assert_eq!(
        store.device_preferences(app, "phone").await.unwrap(),
        is(Preferences::default(), at + 2),
        "an old version never becomes valid again"
    );
    store.put_devices(app, vec![("pad".to_owned(), iphone(Some("bob"), "token-pad"))]).await.unwrap();
    assert_eq!(store.device_preferences(app, "pad").await.unwrap(), None, "a mere name of a batch");
    world.device("pad", None).await;
    assert_eq!(store.device_preferences(app, "pad").await.unwrap(), is(Preferences::default(), at + 1));
    assert_eq!(store.preferences(app, "ann").await.unwrap().version, 0);
    let other = store.ensure_apps(&["other".to_owned()]).await.unwrap()[0];
    assert_eq!(store.device_preferences(other, "phone").await.unwrap(), is(Preferences::default(), 0));
    store.put_device_preferences(app, "phone", &zone("UTC"), None).await.unwrap();
    assert!(store.delete_device(app, "phone", &Principal::Backend).await.unwrap());
    assert_eq!(store.device_preferences(app, "phone").await.unwrap(), is(Preferences::default(), 0));
}

pub async fn contacts_are_apart_from_preferences(world: &mut World) {
    let store = world.store();
    let contacts = Contacts { email: Some("ann@example.com".to_owned()), phone: None };
    assert!(!store.delete_contacts(world.app, "ann").await.unwrap());
    let written = store.put_contacts(world.app, "ann", &contacts, None).await.unwrap().unwrap();
    assert_eq!((written.value.clone(), written.version), (contacts, world.now().timestamp_micros()));
    assert_eq!(store.contacts(world.app, "ann").await.unwrap(), written);
    assert_eq!(store.preferences(world.app, "ann").await.unwrap().version, 0);
    assert!(store.delete_contacts(world.app, "ann").await.unwrap());
    assert!(!store.delete_contacts(world.app, "ann").await.unwrap());
    let gone = store.contacts(world.app, "ann").await.unwrap();
    assert_eq!(gone.value, Contacts::default());
    // an old version never becomes valid again
    assert!(gone.version > written.version);
}

pub async fn a_profile_is_apart_from_preferences(world: &mut World) {
    let store = world.store();
    let tags =
        [("plan", json!("pro")), ("age", json!(31)), ("share", json!(0.1)), ("beta", json!(true)), ("it's \"$.x\" %_ é", json!("…"))];
    let profile = Profile { tags: tags.map(|(name, value)| (name.to_owned(), value)).into(), locale: Some("fr-CA".to_owned()) };
    let unwritten = Versioned { value: Profile::default(), version: 0 };
    assert_eq!(store.profile(world.app, "ann").await.unwrap(), unwritten);
    assert_eq!(store.put_profile(world.app, "ann", &profile, Some(1)).await.unwrap(), None);
    let at = world.now().timestamp_micros();
    let written = store.put_profile(world.app, "ann", &profile, Some(0)).await.unwrap();
    assert_eq!(written, Some(Versioned { value: profile, version: at }));
    assert_eq!(store.profile(world.app, "ann").await.unwrap(), written.unwrap());
    assert_eq!(store.preferences(world.app, "ann").await.unwrap().version, 0);
    let emptied = store.put_profile(world.app, "ann", &Profile::default(), None).await.unwrap();
    assert_eq!(emptied, Some(Versioned { value: Profile::default(), version: at + 1 }));
    assert_eq!(store.profile(world.app, "ann").await.unwrap(), emptied.unwrap());
    let other = store.ensure_apps(&["other".to_owned()]).await.unwrap()[0];
    assert_eq!(store.profile(other, "ann").await.unwrap(), unwritten);
}

pub async fn categories_are_declared_by_app(world: &mut World) {
    let store = world.store();
    let off = Category { default_on: false, ..Category::default() };
    for (name, category, is_new) in [("news", &Category::default(), true), ("alerts", &Category::default(), true), ("news", &off, false)] {
        let declaration = store.put_category(world.app, name, category, None).await.unwrap();
        assert_eq!(matches!(declaration, Declaration::Created(_)), is_new, "{declaration:?}");
    }
    let all = vec![("alerts".to_owned(), Category::default()), ("news".to_owned(), off)];
    assert_eq!(store.categories(world.app).await.unwrap(), all);
    let other = store.ensure_apps(&["other".to_owned()]).await.unwrap()[0];
    assert!(store.categories(other).await.unwrap().is_empty());
    assert!(!store.delete_category(other, "news").await.unwrap());
    assert!(store.delete_category(world.app, "news").await.unwrap());
    assert_eq!(store.categories(world.app).await.unwrap(), all[..1]);
}

/// The version that a declaration came to.
fn version(declaration: Declaration) -> i64 {
    match declaration {
        Declaration::Created(declared) | Declaration::Updated(declared) => declared.version,
        Declaration::Stale => panic!("it is stale"),
    }
}

pub async fn a_category_has_versions_that_never_come_again(world: &mut World) {
    let store = world.store();
    let (on, off) = (Category::default(), Category { default_on: false, ..Category::default() });
    let put = async |category: &Category, if_match| store.put_category(world.app, "news", category, if_match).await.unwrap();
    assert_eq!(put(&on, Some(1)).await, Declaration::Stale, "there is none yet");
    let first = version(put(&on, None).await);
    let second = version(put(&off, Some(first)).await);
    assert_eq!(put(&on, Some(first)).await, Declaration::Stale);
    let present = store.category(world.app, "news").await.unwrap().unwrap();
    assert_eq!((present.version, &present.definition, present.created_at), (second, &off, world.now()));
    let third = version(put(&on, None).await);
    assert!(first < second && second < third, "the same words again are another version");
    assert!(store.delete_category(world.app, "news").await.unwrap());
    assert_eq!(store.category(world.app, "news").await.unwrap(), None);
    world.pass(SECOND);
    assert!(version(world.store().put_category(world.app, "news", &on, None).await.unwrap()) > third);
}

pub async fn the_newest_category_is_listed_first(world: &mut World) {
    for name in ["b", "c", "a", "b"] {
        world.store().put_category(world.app, name, &Category::default(), None).await.unwrap();
        world.pass(SECOND);
    }
    let names: Vec<String> = world.store().declared(world.app).await.unwrap().into_iter().map(|one| one.name).collect();
    assert_eq!(names, ["a", "c", "b"], "declared anew is not new");
}

pub async fn a_refused_write_leaves_its_neighbours_alone(world: &mut World) {
    let store = world.store();
    let keys: Vec<ApiKey> = (0..40).map(|n| key(world, n)).collect();
    // all at once, so that they share commits; every other one repeats the hash of the one before
    let writes = keys.iter().zip(0_u8..).map(|(key, n)| store.create_key(key, [n / 2; 32]));
    let done = futures_util::future::join_all(writes).await;
    // which of two comes first is the store's affair
    assert!(done.chunks(2).all(|pair| pair[0].is_err() != pair[1].is_err()), "{done:?}");
    assert_eq!(store.keys(world.app).await.unwrap().len(), 20);
}

pub async fn apps_keep_their_numbers(world: &mut World) {
    let store = world.store();
    let names = ["b", "demo", "b", "a"].map(str::to_owned);
    let numbers = store.ensure_apps(&names).await.unwrap();
    assert_eq!((numbers[1], numbers[0]), (world.app, numbers[2]));
    assert_ne!(numbers[0], numbers[3]);
    assert_eq!(store.ensure_apps(&names).await.unwrap(), numbers);
    store.ping().await.unwrap();
}
