//! Families of client tokens that many use at the same time: it comes out as if they had come one after the other.

use futures_util::future::{join, join_all};
use herald::domain::principal::Principal;
use herald::store::client_token::{Family, MAX_DEVICE_FAMILIES, Refreshed, Standing};

use crate::client_tokens::{again, renewed};
use crate::world::World;

const MANY: usize = 20;

pub async fn of_many_who_exchange_a_token_one_renews(world: &mut World) {
    let family = world.begun(Some("ann"), Some("phone")).await;
    for generation in 1..4 {
        let done = join_all((0..MANY).map(|_| world.exchange(family.id, generation))).await;
        assert_eq!(done.iter().filter(|refreshed| **refreshed == renewed(&family, generation + 1)).count(), 1, "{done:?}");
        assert_eq!(done.iter().filter(|refreshed| **refreshed == again(&family, generation + 1)).count(), MANY - 1, "{done:?}");
    }
}

pub async fn a_use_beside_exchanges_ends_the_grace_for_those_after_it(world: &mut World) {
    for _ in 0..MANY {
        let family = world.begun(Some("ann"), Some("phone")).await;
        world.exchange(family.id, 1).await;
        let (before, after) = join(join_all((0..5).map(|_| world.exchange(family.id, 1))), async {
            assert!(matches!(world.see(&family, 2).await, Standing::Stands | Standing::Revoked));
            world.exchange(family.id, 1).await
        })
        .await;
        assert!(matches!(after, Refreshed::Reused(_) | Refreshed::Gone), "{after:?}");
        let reused = before.iter().chain([&after]).filter(|refreshed| matches!(refreshed, Refreshed::Reused(_))).count();
        assert_eq!(reused, 1, "{before:?} {after:?}");
        assert!(!before.iter().any(|refreshed| matches!(refreshed, Refreshed::Renewed { .. })), "{before:?}");
        assert_eq!(world.see(&family, 2).await, Standing::Revoked);
    }
}

pub async fn a_theft_beside_exchanges_revokes_once(world: &mut World) {
    for _ in 0..MANY {
        let family = world.begun(Some("ann"), Some("phone")).await;
        world.exchange(family.id, 1).await;
        world.exchange(family.id, 2).await;
        let tokens = [3, 1, 3, 1, 3, 2];
        let done = join_all(tokens.map(|generation| world.exchange(family.id, generation))).await;
        assert_eq!(done.iter().filter(|refreshed| matches!(refreshed, Refreshed::Reused(_))).count(), 1, "{done:?}");
        assert!(done.iter().filter(|refreshed| matches!(refreshed, Refreshed::Renewed { .. })).count() <= 1, "{done:?}");
        for generation in 1..5 {
            assert_eq!(world.exchange(family.id, generation).await, Refreshed::Gone);
        }
    }
}

pub async fn families_that_begin_at_once_are_counted_one_by_one(world: &mut World) {
    let families: Vec<Family> = (0..3 * MAX_DEVICE_FAMILIES).map(|_| world.family(Some("ann"), Some("phone"))).collect();
    join_all(families.iter().map(|family| world.begin(family))).await;
    let standings = join_all(families.iter().map(|family| world.see(family, 1))).await;
    assert_eq!(standings.iter().filter(|standing| **standing == Standing::Stands).count(), MAX_DEVICE_FAMILIES);
}

/// Whichever comes first, no family that is bound to a device outlives it.
pub async fn families_that_begin_beside_the_end_of_their_device_go_with_it(world: &mut World) {
    for _ in 0..MANY {
        world.device("phone", Some("ann")).await;
        let families: Vec<Family> = (0..3).map(|_| world.family(Some("ann"), Some("phone"))).collect();
        let begin = join_all(families.iter().map(|family| world.begin(family)));
        let (_, deleted) = join(begin, world.store().delete_device(world.app, "phone", &Principal::Backend)).await;
        assert!(deleted.unwrap());
        world.device("phone", Some("ann")).await;
        world.device("phone", Some("bob")).await;
        for family in &families {
            assert_ne!(world.see(family, 1).await, Standing::Stands, "of the device that was, or of its user");
        }
    }
}
