//! Families of client tokens: exchanges of refresh tokens, their grace, and what ends a family.

use std::time::Duration;

use chrono::TimeDelta;
use herald::domain::id::AppId;
use herald::domain::principal::Principal;
use herald::store::client_token::{Family, MAX_DEVICE_FAMILIES, MAX_USER_FAMILIES, Refreshed, Standing};
use uuid::Uuid;

use crate::kit::{DAY, SECOND, iphone};
use crate::world::World;

/// What stands for the SHA-256 of a family's token of a generation.
pub fn hash(family: Uuid, generation: i64) -> [u8; 32] {
    let mut hash = [0; 32];
    hash[..16].copy_from_slice(family.as_bytes());
    hash[24..].copy_from_slice(&generation.to_be_bytes());
    hash
}

impl World {
    /// A family that ends in thirty days.
    pub fn family(&self, user: Option<&str>, device: Option<&str>) -> Family {
        Family {
            id: self.notification_id().0,
            app: self.app,
            user: user.map(str::to_owned),
            device: device.map(str::to_owned),
            created_at: self.now(),
            expires_at: self.later(30 * DAY),
        }
    }

    pub async fn begin(&self, family: &Family) {
        self.store().begin_family(family, hash(family.id, 1)).await.unwrap();
    }

    pub async fn begun(&self, user: Option<&str>, device: Option<&str>) -> Family {
        let family = self.family(user, device);
        self.begin(&family).await;
        family
    }

    /// Presents the token of a generation.
    pub async fn exchange(&self, family: Uuid, generation: i64) -> Refreshed {
        let (presented, next) = (hash(family, generation), hash(family, generation + 1));
        self.store().refresh(family, generation, presented, next, self.later(30 * DAY)).await.unwrap()
    }

    pub async fn see(&self, family: &Family, generation: i64) -> Standing {
        self.store().seen(self.app, family.id, generation).await.unwrap()
    }

    /// How families stand, as old access tokens find out.
    async fn standings<const N: usize>(&self, families: [&Family; N]) -> [Standing; N] {
        let mut standings = [Standing::Gone; N];
        for (standing, family) in standings.iter_mut().zip(families) {
            *standing = self.see(family, 0).await;
        }
        standings
    }
}

pub fn renewed(family: &Family, generation: i64) -> Refreshed {
    Refreshed::Renewed { family: family.clone(), generation }
}

pub fn again(family: &Family, generation: i64) -> Refreshed {
    Refreshed::Again { family: family.clone(), generation }
}

pub async fn a_refresh_token_is_exchanged_for_its_successor(world: &mut World) {
    let mut family = world.begun(Some("ann"), Some("phone")).await;
    for generation in 1..4 {
        world.pass(DAY);
        family.expires_at = world.later(30 * DAY);
        assert_eq!(world.exchange(family.id, generation).await, renewed(&family, generation + 1));
    }
    assert_eq!(world.see(&family, 4).await, Standing::Stands);
    let alone = world.begun(None, Some("phone")).await;
    assert_eq!(world.exchange(alone.id, 1).await, renewed(&alone, 2));
    let anywhere = world.begun(Some("ann"), None).await;
    assert_eq!(world.exchange(anywhere.id, 1).await, renewed(&anywhere, 2));
}

pub async fn a_lost_answer_is_given_again_for_a_minute(world: &mut World) {
    let mut family = world.begun(Some("ann"), Some("phone")).await;
    world.pass(DAY);
    family.expires_at = world.later(30 * DAY);
    assert_eq!(world.exchange(family.id, 1).await, renewed(&family, 2));
    world.pass(Duration::from_micros(59_999_999));
    for _ in 0..2 {
        assert_eq!(world.exchange(family.id, 1).await, again(&family, 2), "its end stays as it is");
    }
    world.pass(Duration::from_micros(1));
    assert_eq!(world.exchange(family.id, 1).await, Refreshed::Reused(family.clone()));
    assert_eq!(world.see(&family, 2).await, Standing::Revoked);
    assert_eq!(world.exchange(family.id, 2).await, Refreshed::Gone, "its successor, too");
    assert_eq!(world.exchange(family.id, 1).await, Refreshed::Gone);
}

pub async fn a_successor_that_was_seen_ends_the_grace(world: &mut World) {
    let family = world.begun(Some("ann"), Some("phone")).await;
    world.exchange(family.id, 1).await;
    assert_eq!(world.see(&family, 1).await, Standing::Stands, "an access token of before is no sign of it");
    assert_eq!(world.exchange(family.id, 1).await, again(&family, 2));
    assert_eq!(world.see(&family, 2).await, Standing::Stands);
    assert_eq!(world.see(&family, 2).await, Standing::Stands);
    assert_eq!(world.exchange(family.id, 1).await, Refreshed::Reused(family.clone()));
    assert_eq!(world.see(&family, 2).await, Standing::Revoked);
}

pub async fn an_older_token_is_no_lost_answer(world: &mut World) {
    for spent in 1..3 {
        let family = world.begun(Some("ann"), Some("phone")).await;
        for generation in 1..4 {
            world.exchange(family.id, generation).await;
        }
        assert_eq!(world.exchange(family.id, 3).await, again(&family, 4));
        assert_eq!(world.exchange(family.id, spent).await, Refreshed::Reused(family.clone()));
        assert_eq!(world.exchange(family.id, 4).await, Refreshed::Gone);
    }
}

pub async fn a_token_of_another_chain_revokes(world: &mut World) {
    for generation in 1..3 {
        let family = world.begun(Some("ann"), None).await;
        world.exchange(family.id, 1).await;
        let end = family.expires_at;
        let presented = world.store().refresh(family.id, generation, [7; 32], [8; 32], end).await.unwrap();
        assert_eq!(presented, Refreshed::Reused(family));
    }
}

pub async fn a_token_that_the_store_lost_is_exchanged(world: &mut World) {
    let family = world.begun(Some("ann"), Some("phone")).await;
    assert_eq!(world.see(&family, 3).await, Standing::Stands);
    assert_eq!(world.exchange(family.id, 3).await, renewed(&family, 4));
    assert_eq!(world.exchange(family.id, 3).await, again(&family, 4));
    assert_eq!(world.exchange(family.id, 1).await, Refreshed::Reused(family));
}

pub async fn a_family_ends_and_is_forgotten(world: &mut World) {
    let family = world.begun(Some("ann"), Some("phone")).await;
    let moment = Duration::from_micros(1);
    world.pass(30 * DAY);
    world.set_back(moment);
    world.store().prune().await.unwrap();
    assert_eq!(world.see(&family, 1).await, Standing::Stands);
    assert!(world.store().begin_family(&family, [0; 32]).await.is_err(), "it is there");
    world.pass(moment);
    assert_eq!(world.see(&family, 1).await, Standing::Gone);
    assert_eq!(world.exchange(family.id, 1).await, Refreshed::Gone);
    assert!(!world.store().revoke_family(family.id).await.unwrap());
    assert_eq!(world.store().revoke_user(world.app, "ann").await.unwrap(), 0);
    world.store().prune().await.unwrap();
    let anew = Family { expires_at: world.later(DAY), ..family };
    world.begin(&anew).await;
    assert_eq!(world.see(&anew, 1).await, Standing::Stands);
}

pub async fn a_family_can_be_revoked(world: &mut World) {
    let [family, other] = [world.begun(Some("ann"), Some("phone")).await, world.begun(Some("ann"), Some("phone")).await];
    assert!(world.store().revoke_family(family.id).await.unwrap());
    assert!(!world.store().revoke_family(family.id).await.unwrap());
    assert_eq!(world.standings([&family, &other]).await, [Standing::Revoked, Standing::Stands]);
    assert_eq!(world.exchange(family.id, 1).await, Refreshed::Gone);
    assert!(!world.store().revoke_family(Uuid::from_u128(1)).await.unwrap());
    assert_eq!(world.exchange(Uuid::from_u128(1), 1).await, Refreshed::Gone);
}

pub async fn all_families_of_a_user_are_revoked(world: &mut World) {
    let bound = world.begun(Some("ann"), Some("phone")).await;
    let free = world.begun(Some("ann"), None).await;
    let revoked = world.begun(Some("ann"), None).await;
    let bobs = world.begun(Some("bob"), Some("phone")).await;
    let nobodys = world.begun(None, Some("phone")).await;
    world.store().revoke_family(revoked.id).await.unwrap();
    assert_eq!(world.store().revoke_user(world.app, "ann").await.unwrap(), 2);
    assert_eq!(world.store().revoke_user(world.app, "ann").await.unwrap(), 0);
    assert_eq!(world.store().revoke_user(world.app, "carl").await.unwrap(), 0);
    assert_eq!(world.standings([&bound, &free]).await, [Standing::Revoked; 2]);
    assert_eq!(world.standings([&bobs, &nobodys]).await, [Standing::Stands; 2]);
    let later = world.begun(Some("ann"), Some("phone")).await;
    assert_eq!(world.see(&later, 1).await, Standing::Stands, "she may sign in again");
}

pub async fn a_family_is_its_apps(world: &mut World) {
    let other: AppId = world.store().ensure_apps(&["other".to_owned()]).await.unwrap()[0];
    let ours = world.begun(Some("ann"), Some("phone")).await;
    let theirs = Family { app: other, ..world.family(Some("ann"), Some("phone")) };
    world.begin(&theirs).await;
    assert_eq!(world.see(&theirs, 1).await, Standing::Gone);
    assert_eq!(world.exchange(theirs.id, 1).await, renewed(&theirs, 2), "the app is told by the family");
    assert_eq!(world.store().revoke_user(world.app, "ann").await.unwrap(), 1);
    world.device("phone", Some("ann")).await;
    world.store().delete_device(world.app, "phone", &Principal::Backend).await.unwrap();
    assert_eq!(world.store().seen(other, theirs.id, 2).await.unwrap(), Standing::Stands);
    assert_eq!(world.see(&ours, 1).await, Standing::Revoked);
}

pub async fn families_go_with_their_device(world: &mut World) {
    let before = world.begun(Some("ann"), Some("phone")).await;
    assert!(world.store().device(world.app, "phone").await.unwrap().is_none(), "a mere name");
    world.device("phone", Some("ann")).await;
    world.device("pad", Some("ann")).await;
    let alone = world.begun(None, Some("phone")).await;
    let bobs = world.begun(Some("bob"), Some("phone")).await;
    let [elsewhere, anywhere] = [world.begun(Some("ann"), Some("pad")).await, world.begun(Some("ann"), None).await];
    assert!(world.store().delete_device(world.app, "phone", &Principal::Backend).await.unwrap());
    assert_eq!(world.standings([&before, &alone, &bobs]).await, [Standing::Revoked; 3]);
    assert_eq!(world.exchange(before.id, 1).await, Refreshed::Gone);
    assert_eq!(world.standings([&elsewhere, &anywhere]).await, [Standing::Stands; 2]);
    world.device("phone", Some("ann")).await;
    assert_eq!(world.see(&before, 1).await, Standing::Revoked, "another device of the same name");
}

pub async fn families_go_with_their_user(world: &mut World) {
    world.device("phone", Some("ann")).await;
    let bound = world.begun(Some("ann"), Some("phone")).await;
    let elsewhere = world.begun(Some("ann"), Some("pad")).await;
    let anywhere = world.begun(Some("ann"), None).await;
    let alone = world.begun(None, Some("phone")).await;
    let bobs = world.begun(Some("bob"), Some("pad")).await;
    assert!(world.store().erase_user(world.app, "ann").await.unwrap());
    assert_eq!(world.standings([&bound, &elsewhere, &anywhere, &alone]).await, [Standing::Revoked; 4]);
    assert_eq!(world.exchange(anywhere.id, 1).await, Refreshed::Gone);
    assert_eq!(world.see(&bobs, 1).await, Standing::Stands);
    let anew = world.begun(Some("ann"), None).await;
    assert_eq!(world.standings([&anew, &anywhere]).await, [Standing::Stands, Standing::Revoked], "another of the same name");
}

pub async fn families_go_with_the_user_of_their_device(world: &mut World) {
    let anns = world.begun(Some("ann"), Some("phone")).await;
    let bobs = world.begun(Some("bob"), Some("phone")).await;
    let nobodys = world.begun(None, Some("phone")).await;
    let elsewhere = world.begun(Some("ann"), Some("pad")).await;
    let anywhere = world.begun(Some("ann"), None).await;
    world.device("phone", None).await;
    world.device("phone", Some("ann")).await;
    world.device("phone", Some("ann")).await;
    world.device("pad", Some("ann")).await;
    assert_eq!(world.standings([&anns, &bobs, &nobodys]).await, [Standing::Stands; 3], "she only signed in");
    world.device("phone", Some("bob")).await;
    assert_eq!(world.see(&anns, 1).await, Standing::Revoked);
    assert_eq!(world.standings([&bobs, &nobodys, &elsewhere, &anywhere]).await, [Standing::Stands; 4]);
    world.store().put_devices(world.app, vec![("phone".to_owned(), iphone(None, "token-phone"))]).await.unwrap();
    assert_eq!(world.standings([&bobs, &nobodys]).await, [Standing::Revoked, Standing::Stands]);
    assert_eq!(world.standings([&elsewhere, &anywhere]).await, [Standing::Stands; 2]);
}

pub async fn a_device_keeps_a_few_families_of_a_user(world: &mut World) {
    for user in [Some("ann"), None] {
        let mut families = Vec::new();
        for _ in 0..=MAX_DEVICE_FAMILIES {
            families.push(world.begun(user, Some("phone")).await);
            world.pass(SECOND);
        }
        let elsewhere = world.begun(user, Some("pad")).await;
        assert_eq!(world.see(&families[0], 1).await, Standing::Gone);
        for family in families[1..].iter().chain([&elsewhere]) {
            assert_eq!(world.see(family, 1).await, Standing::Stands);
        }
        world.store().revoke_family(families[5].id).await.unwrap();
        families.push(world.begun(user, Some("phone")).await);
        assert_eq!(world.see(&families[5], 1).await, Standing::Gone, "what does not stand goes first");
        assert_eq!(world.see(&families[1], 1).await, Standing::Stands);
        // a clock that is behind makes no family go before it began
        world.set_back(DAY);
        let newest = world.begun(user, Some("phone")).await;
        assert_eq!(world.standings([&newest, &families[1], &families[2]]).await, [Standing::Stands, Standing::Gone, Standing::Stands]);
    }
}

/// A backend may bind tokens to whatever device an app names: to name another's often signs nobody out.
pub async fn nobody_crowds_another_off_their_device(world: &mut World) {
    world.device("phone", Some("ann")).await;
    let families = [world.begun(Some("ann"), Some("phone")).await, world.begun(None, Some("phone")).await];
    world.pass(SECOND);
    for user in ["bob", "carl"] {
        for _ in 0..=MAX_DEVICE_FAMILIES {
            world.begun(Some(user), Some("phone")).await;
            world.pass(SECOND);
        }
    }
    assert_eq!(world.standings([&families[0], &families[1]]).await, [Standing::Stands; 2]);
}

pub async fn a_user_keeps_some_families(world: &mut World) {
    let mut families = Vec::new();
    for n in 0..=MAX_USER_FAMILIES {
        families.push(world.begun(Some("ann"), (n % 2 == 0).then(|| format!("d{n}")).as_deref()).await);
        world.pass(SECOND);
    }
    let bobs = world.begun(Some("bob"), None).await;
    assert_eq!(world.standings([&families[0], &families[1], &bobs]).await, [Standing::Gone, Standing::Stands, Standing::Stands]);
    assert_eq!(world.store().revoke_user(world.app, "ann").await.unwrap(), MAX_USER_FAMILIES as u64);
}

pub async fn a_family_has_the_end_that_it_was_given(world: &mut World) {
    let family = Family { expires_at: world.later(SECOND), ..world.family(Some("ann"), None) };
    world.begin(&family).await;
    let end = world.now() + TimeDelta::hours(1);
    let refreshed = world.store().refresh(family.id, 1, hash(family.id, 1), hash(family.id, 2), end).await.unwrap();
    assert_eq!(refreshed, renewed(&Family { expires_at: end, ..family.clone() }, 2));
    world.pass(Duration::from_secs(3_599));
    assert_eq!(world.see(&family, 2).await, Standing::Stands);
    world.pass(SECOND);
    assert_eq!(world.see(&family, 2).await, Standing::Gone);
}
