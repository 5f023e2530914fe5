//! API keys: found, used, rotated, taken back, and the secret of their hashes.

use chrono::TimeDelta;
use futures_util::future::join_all;
use herald::store::key::{ApiKey, Rotated, Rotation, Scope};
use herald::store::key_hash::KeyHasher;
use uuid::Uuid;

use crate::kit::SECOND;
use crate::world::World;

/// The nth key.
pub fn key(world: &World, n: u8) -> ApiKey {
    ApiKey {
        id: Uuid::from_bytes([n; 16]),
        app: world.app,
        name: format!("key {n}"),
        scopes: vec![Scope::Send, Scope::Critical],
        expires_at: None,
        created_at: world.now(),
        last_used_at: None,
        rotated_to: None,
    }
}

fn rotation(world: &World, n: u8, overlap: i64) -> Rotation {
    Rotation { id: Uuid::from_bytes([n; 16]), hash: [n; 32], at: world.now(), until: world.now() + TimeDelta::seconds(overlap) }
}

async fn of(world: &World, id: Uuid) -> ApiKey {
    world.store().key_by_id(id).await.unwrap().unwrap().0
}

pub async fn keys_are_found_by_their_id_and_their_hash(world: &mut World) {
    let store = world.store();
    let first = key(world, 1);
    store.create_key(&first, [1; 32]).await.unwrap();
    world.pass(SECOND);
    let second = ApiKey { expires_at: Some(world.later(SECOND)), ..key(world, 2) };
    store.create_key(&second, [2; 32]).await.unwrap();
    assert_eq!(store.key_by_hash([1; 32]).await.unwrap(), Some(first.clone()));
    assert_eq!(store.key_by_hash([3; 32]).await.unwrap(), None);
    assert_eq!(store.key_by_id(second.id).await.unwrap(), Some((second.clone(), [2; 32])));
    assert_eq!(store.key_by_id(Uuid::nil()).await.unwrap(), None);
    assert_eq!(store.keys(world.app).await.unwrap(), [second, first.clone()]);
    // a hash is one key's
    let again = ApiKey { id: Uuid::from_bytes([9; 16]), ..first };
    assert!(store.create_key(&again, [2; 32]).await.is_err_and(|error| !error.is_transient()));
}

pub async fn a_key_belongs_to_its_app(world: &mut World) {
    let store = world.store();
    let own = key(world, 1);
    store.create_key(&own, [1; 32]).await.unwrap();
    let other = store.ensure_apps(&["other".to_owned()]).await.unwrap()[0];
    assert!(store.keys(other).await.unwrap().is_empty());
    assert_eq!(store.rotate_key(other, own.id, &rotation(world, 2, 60)).await.unwrap(), Rotated::Unknown);
    assert!(!store.delete_key(other, own.id).await.unwrap());
    assert_eq!(of(world, own.id).await, own);
    assert!(store.delete_key(world.app, own.id).await.unwrap());
    assert!(!store.delete_key(world.app, own.id).await.unwrap());
    assert_eq!(store.key_by_hash([1; 32]).await.unwrap(), None);
    assert_eq!(store.key_by_id(own.id).await.unwrap(), None);
}

pub async fn a_use_is_noted_unless_a_later_one_is_known(world: &mut World) {
    let store = world.store();
    for n in 1..=3 {
        store.create_key(&key(world, n), [n; 32]).await.unwrap();
    }
    let id = |n: u8| Uuid::from_bytes([n; 16]);
    let (early, late) = (world.now(), world.later(SECOND));
    store.keys_used(&[]).await.unwrap();
    store.keys_used(&[(id(2), late), (id(1), early), (id(9), late)]).await.unwrap();
    store.keys_used(&[(id(1), late), (id(2), early)]).await.unwrap();
    let used: Vec<_> = store.keys(world.app).await.unwrap().into_iter().map(|key| (key.id, key.last_used_at)).collect();
    assert_eq!(used, [(id(3), None), (id(2), Some(late)), (id(1), Some(late))]);
}

pub async fn a_key_that_is_rotated_goes_on_for_a_while(world: &mut World) {
    let store = world.store();
    let end = world.later(SECOND * 3600);
    let (lasting, ending) = (key(world, 1), ApiKey { expires_at: Some(end), ..key(world, 2) });
    store.create_key(&lasting, [1; 32]).await.unwrap();
    store.create_key(&ending, [2; 32]).await.unwrap();
    store.keys_used(&[(lasting.id, world.now())]).await.unwrap();
    world.pass(SECOND);

    let first = rotation(world, 11, 60);
    let expected = ApiKey { id: first.id, created_at: first.at, ..lasting.clone() };
    assert_eq!(store.rotate_key(world.app, lasting.id, &first).await.unwrap(), Rotated::To(Box::new(expected.clone())));
    assert_eq!(store.key_by_id(first.id).await.unwrap(), Some((expected, [11; 32])));
    let old = of(world, lasting.id).await;
    assert_eq!((old.expires_at, old.rotated_to), (Some(first.until), Some(first.id)));
    assert_eq!(store.key_by_hash([1; 32]).await.unwrap(), Some(old), "it is found until it ends");

    // an overlap makes no key live longer, and the new one has the end that the old one had
    let second = rotation(world, 12, 7200);
    let Rotated::To(new) = store.rotate_key(world.app, ending.id, &second).await.unwrap() else { panic!() };
    assert_eq!((new.expires_at, new.name.as_str(), new.rotated_to), (Some(end), "key 2", None));
    assert_eq!(of(world, ending.id).await.expires_at, Some(end));
}

pub async fn a_key_is_rotated_once(world: &mut World) {
    let store = world.store();
    let (rotated, over) = (key(world, 1), ApiKey { expires_at: Some(world.later(SECOND)), ..key(world, 2) });
    store.create_key(&rotated, [1; 32]).await.unwrap();
    store.create_key(&over, [2; 32]).await.unwrap();
    world.pass(SECOND);
    assert!(matches!(store.rotate_key(world.app, rotated.id, &rotation(world, 11, 60)).await.unwrap(), Rotated::To(_)));
    let before = store.keys(world.app).await.unwrap();
    assert_eq!(store.rotate_key(world.app, rotated.id, &rotation(world, 12, 60)).await.unwrap(), Rotated::Already);
    assert_eq!(store.rotate_key(world.app, over.id, &rotation(world, 13, 60)).await.unwrap(), Rotated::Expired);
    assert_eq!(store.rotate_key(world.app, Uuid::nil(), &rotation(world, 14, 60)).await.unwrap(), Rotated::Unknown);
    assert_eq!(store.keys(world.app).await.unwrap(), before, "nothing was written");
    // the new one can be
    assert!(matches!(store.rotate_key(world.app, Uuid::from_bytes([11; 16]), &rotation(world, 15, 60)).await.unwrap(), Rotated::To(_)));
}

pub async fn a_key_that_many_rotate_has_one_successor(world: &mut World) {
    let store = world.store();
    let old = key(world, 1);
    store.create_key(&old, [1; 32]).await.unwrap();
    let rotations: Vec<_> = (11..19).map(|n| rotation(world, n, 60)).collect();
    let rotated = join_all(rotations.iter().map(|rotation| store.rotate_key(world.app, old.id, rotation))).await;
    let successors: Vec<_> = rotated
        .into_iter()
        .filter_map(|rotated| match rotated.unwrap() {
            Rotated::To(new) => Some(new.id),
            Rotated::Already => None,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(successors.len(), 1);
    assert_eq!(of(world, old.id).await.rotated_to, Some(successors[0]));
    assert_eq!(store.keys(world.app).await.unwrap().len(), 2);
}

pub async fn hashes_are_made_with_the_secret_of_the_store(world: &mut World) {
    let id = Uuid::from_u128(1);
    let hasher = KeyHasher::open(world.store()).await.unwrap();
    let (text, hash) = hasher.new_key(id);
    assert_eq!(hasher.of(&text), hash);
    assert_ne!(hasher.new_key(id).0, text);
    // whoever opens the store next has the same secret, and another store has another one
    world.restart().await;
    assert_eq!(KeyHasher::open(world.store()).await.unwrap().of(&text), hash);
    let mut other = World::memory().await;
    assert_ne!(KeyHasher::open(other.store()).await.unwrap().of(&text), hash);
    other.close().await;
}
