//! Secrets that every node knows by name.

use std::sync::Arc;

use herald::store::vault::Secret;

use crate::kit::SECOND;
use crate::world::World;

async fn kept(world: &World, name: &str, value: &[u8]) -> Secret {
    world.store().keep_secret(name, value).await.unwrap()
}

async fn names(world: &World, prefix: &str) -> Vec<String> {
    world.store().secrets(prefix).await.unwrap().into_iter().map(|secret| secret.name).collect()
}

pub async fn a_secret_is_kept_once_and_forgotten_once(world: &mut World) {
    let value: Vec<u8> = (0..=255).collect();
    let secret = kept(world, "jwt/1", &value).await;
    assert_eq!((secret.name.as_str(), secret.value.as_slice(), secret.created_at), ("jwt/1", value.as_slice(), world.now()));
    let made_at = world.now();
    world.pass(SECOND);
    let again = kept(world, "jwt/1", b"another").await;
    assert_eq!((again.value.as_slice(), again.created_at), (value.as_slice(), made_at));

    world.restart().await;
    let found = world.store().secrets("jwt/1").await.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].value.as_slice(), found[0].created_at), (value.as_slice(), made_at));
    assert!(world.store().forget_secret("jwt/1").await.unwrap());
    assert!(!world.store().forget_secret("jwt/1").await.unwrap());
    assert!(names(world, "").await.is_empty());
    assert_eq!(kept(world, "jwt/1", b"").await.value.as_slice(), b"");
}

pub async fn secrets_are_listed_by_how_their_names_begin(world: &mut World) {
    for name in ["jwt/b", "jwt/a", "JWT/c", "j%t/d", "refresh"] {
        kept(world, name, name.as_bytes()).await;
        world.pass(SECOND);
    }
    assert_eq!(names(world, "jwt/").await, ["jwt/b", "jwt/a"], "oldest first");
    assert_eq!(names(world, "j%t").await, ["j%t/d"]);
    assert_eq!(names(world, "").await.len(), 5);
    assert!(names(world, "nothing").await.is_empty());
}

pub async fn of_those_who_keep_a_name_at_the_same_time_all_are_answered_one_value(world: &mut World) {
    let keep = |n: u8| {
        let store = world.shared();
        async move { store.keep_secret("pepper", &[n; 32]).await.unwrap().value.to_vec() }
    };
    let kept = futures_util::future::join_all((0..16).map(keep)).await;
    let store = Arc::clone(&world.shared());
    let found = store.secrets("pepper").await.unwrap();
    assert_eq!(found.len(), 1);
    assert!(kept.iter().all(|value| value == found[0].value.as_slice()));
}
