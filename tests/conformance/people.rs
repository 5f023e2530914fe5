//! Preferences, contacts, categories, keys and apps.

use herald::domain::category::Category;
use herald::domain::preferences::{Contacts, Preferences};
use herald::store::key::{ApiKey, Scope};
use herald::store::person::Versioned;
use uuid::Uuid;

use crate::kit::SECOND;
use crate::world::World;

pub async fn preferences_have_versions(world: &mut World) {
    let store = world.store();
    let zone = |zone: &str| Preferences { timezone: Some(zone.to_owned()), ..Preferences::default() };
    let unwritten = Versioned { value: Preferences::default(), version: 0 };
    assert_eq!(store.preferences(world.app, "ann").await.unwrap(), unwritten);
    assert_eq!(store.put_preferences(world.app, "ann", &zone("UTC"), Some(1)).await.unwrap(), None);
    assert_eq!(store.preferences(world.app, "ann").await.unwrap(), unwritten);
    let first = store.put_preferences(world.app, "ann", &zone("UTC"), Some(0)).await.unwrap();
    assert_eq!(first, Some(Versioned { value: zone("UTC"), version: 1 }));
    let second = store.put_preferences(world.app, "ann", &zone("Asia/Tokyo"), None).await.unwrap();
    assert_eq!(second, Some(Versioned { value: zone("Asia/Tokyo"), version: 2 }));
    assert_eq!(store.put_preferences(world.app, "ann", &zone("UTC"), Some(1)).await.unwrap(), None);
    assert_eq!(store.preferences(world.app, "ann").await.unwrap(), second.unwrap());
    let other = store.ensure_apps(&["other".to_owned()]).await.unwrap()[0];
    assert_eq!(store.preferences(other, "ann").await.unwrap(), unwritten);
}

pub async fn contacts_are_apart_from_preferences(world: &mut World) {
    let store = world.store();
    let contacts = Contacts { email: Some("ann@example.com".to_owned()), phone: None };
    assert!(!store.delete_contacts(world.app, "ann").await.unwrap());
    let written = store.put_contacts(world.app, "ann", &contacts, None).await.unwrap().unwrap();
    assert_eq!((written.value.clone(), written.version), (contacts, 1));
    assert_eq!(store.contacts(world.app, "ann").await.unwrap(), written);
    assert_eq!(store.preferences(world.app, "ann").await.unwrap().version, 0);
    assert!(store.delete_contacts(world.app, "ann").await.unwrap());
    assert!(!store.delete_contacts(world.app, "ann").await.unwrap());
    let gone = store.contacts(world.app, "ann").await.unwrap();
    assert_eq!(gone.value, Contacts::default());
    // an old version never becomes valid again
    assert!(gone.version > written.version);
}

pub async fn categories_are_declared_by_app(world: &mut World) {
    let store = world.store();
    let off = Category { default_on: false, ..Category::default() };
    assert!(store.put_category(world.app, "news", &Category::default()).await.unwrap());
    assert!(store.put_category(world.app, "alerts", &Category::default()).await.unwrap());
    assert!(!store.put_category(world.app, "news", &off).await.unwrap());
    let all = vec![("alerts".to_owned(), Category::default()), ("news".to_owned(), off)];
    assert_eq!(store.categories(world.app).await.unwrap(), all);
    let other = store.ensure_apps(&["other".to_owned()]).await.unwrap()[0];
    assert!(store.categories(other).await.unwrap().is_empty());
    assert!(!store.delete_category(other, "news").await.unwrap());
    assert!(store.delete_category(world.app, "news").await.unwrap());
    assert_eq!(store.categories(world.app).await.unwrap(), all[..1]);
}

pub async fn keys_are_found_by_their_hash(world: &mut World) {
    let store = world.store();
    let key = |n: u8| ApiKey {
        id: Uuid::from_bytes([n; 16]),
        app: world.app,
        name: format!("key {n}"),
        scopes: vec![Scope::Send, Scope::Critical],
        expires_at: (n == 2).then(|| world.later(SECOND)),
        created_at: world.now(),
    };
    let first = key(1);
    store.create_key(&first, [1; 32]).await.unwrap();
    world.pass(SECOND);
    let second = key(2);
    store.create_key(&second, [2; 32]).await.unwrap();
    assert_eq!(store.key_by_hash([1; 32]).await.unwrap(), Some(first.clone()));
    assert_eq!(store.key_by_hash([3; 32]).await.unwrap(), None);
    assert_eq!(store.keys(world.app).await.unwrap(), [second.clone(), first.clone()]);
    let other = store.ensure_apps(&["other".to_owned()]).await.unwrap()[0];
    assert!(!store.delete_key(other, first.id).await.unwrap());
    assert!(store.delete_key(world.app, first.id).await.unwrap());
    assert!(!store.delete_key(world.app, first.id).await.unwrap());
    assert_eq!(store.key_by_hash([1; 32]).await.unwrap(), None);
    let again = ApiKey { id: Uuid::from_bytes([9; 16]), ..first };
    assert!(store.create_key(&again, [2; 32]).await.is_err_and(|error| !error.is_transient()));
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
