//! Whose device it is: what a phone may do to it, and what becomes of what was on it.

use futures_util::future::{join, join_all};
use herald::domain::device::{Change, DeviceChange, DeviceStatus, Environment, PushToken, TagChange};
use herald::domain::principal::Principal;
use herald::domain::token_kind::TokenKind;
use herald::store::client_token::Standing;
use herald::store::device::Registered;
use herald::store::device_token::{Addressed, TokenChange};
use herald::store::topic::Follower;
use serde_json::json;

use crate::kit::pairs;
use crate::takeover::{ALL_WHO, Before, Brings, Scene, Who};
use crate::world::World;

pub async fn a_backend_may_do_all_with_a_device(world: &mut World) {
    let scene = Scene::set(world, 0, Before::Anns).await;
    let change = DeviceChange { user: Change::Set(scene.named("bob")), ..DeviceChange::default() };
    let Some(Registered::Updated(device)) = scene.ask(world, change, false).await else { panic!() };
    assert_eq!(device.user, Some(scene.named("bob")));
}

pub async fn what_a_phone_says_of_the_user_is_of_no_account(world: &mut World) {
    for (n, said) in [Change::Keep, Change::Clear, Change::Set("bob-0".to_owned())].into_iter().enumerate() {
        let scene = Scene::set(world, n, Before::Anns).await;
        for is_patch in [false, true] {
            let change = DeviceChange { user: said.clone(), ..scene.change(Who::Ann, Brings::Nothing) };
            let Some(Registered::Updated(device)) = scene.ask(world, change, is_patch).await else { panic!("{said:?}") };
            assert_eq!(device.user, Some(scene.named("ann")), "{said:?}");
        }
    }
}

pub async fn a_version_is_no_way_to_find_out_of_anothers_device(world: &mut World) {
    let scene = Scene::set(world, 0, Before::Anns).await;
    for version in 0..3 {
        let change = scene.change(Who::Bob, Brings::Fresh);
        let answer = world.store().put_device(world.app, &scene.named("phone"), change, Some(version)).await.unwrap();
        assert_eq!(answer, Registered::OfAnotherUser);
    }
    let change = scene.change(Who::Bob, Brings::Stored);
    let answer = world.store().put_device(world.app, &scene.named("phone"), change, Some(2)).await.unwrap();
    assert_eq!(answer, Registered::Stale, "who has its token may know");
}

pub async fn many_at_once_are_asked_for_as_each_alone(world: &mut World) {
    let scene = Scene::set(world, 0, Before::Anns).await;
    let changes = [Brings::Fresh, Brings::Stored].map(|brings| (scene.named("phone"), scene.change(Who::Bob, brings))).to_vec();
    let mut new = scene.change(Who::Bob, Brings::Fresh);
    new.token = Some(PushToken::Apns(scene.named("new")));
    let changes = changes.into_iter().chain([("new".to_owned(), new)]).collect();
    let answers = world.store().put_devices(world.app, changes).await.unwrap();
    assert_eq!(answers[0], Registered::OfAnotherUser);
    for answer in &answers[1..] {
        let (Registered::Updated(device) | Registered::Created(device)) = answer else { panic!("{answer:?}") };
        assert_eq!(device.user, Some(scene.named("bob")));
    }
}

/// Signs out with a registration by the installation alone.
pub async fn who_signs_out_leaves_nothing_behind(world: &mut World) {
    let scene = Scene::set(world, 0, Before::Anns).await;
    let (store, app, name) = (world.store(), world.app, scene.named("phone"));
    let tagged = TagChange::Replace([("plan".to_owned(), json!("pro"))].into());
    store.put_device(app, &name, DeviceChange { tags: tagged, ..scene.change(Who::Ann, Brings::Nothing) }, None).await.unwrap();
    store.put_token(app, &name, &TokenKind::Voip, address(Principal::Backend, "voip"), None).await.unwrap();
    store.follow(app, "news", &Follower::Device(name.clone())).await.unwrap();
    let families = [world.family(Some(&scene.named("ann")), Some(&name)), world.family(None, Some(&name))];
    for family in &families {
        world.begin(family).await;
    }
    let anns = scene.get(world, "phone").await.unwrap();
    world.accept(world.direct(pairs(&[&anns]))).await;

    let Some(Registered::Updated(device)) = scene.ask(world, scene.change(Who::Here, Brings::Nothing), false).await else { panic!() };
    assert_eq!((device.user.as_ref(), device.person, device.tags.len()), (None, None, 0));
    assert_eq!((device.status, &device.token), (DeviceStatus::Active, &anns.token));
    assert!(store.tokens(app, &name).await.unwrap().is_empty());
    assert_eq!(store.topic(app, "news").await.unwrap().unwrap().devices, 0);
    let standing = async |n: usize| store.seen(app, families[n].id, 1).await.unwrap();
    assert_eq!([standing(0).await, standing(1).await], [Standing::Revoked, Standing::Stands]);
    let work = world.only_taken().await;
    let candidate = world.answer(world.ask(&work)).await.candidates.pop().unwrap();
    assert_eq!((candidate.person, candidate.recipient.unwrap().person), (anns.person, None), "it was for her");
}

/// Who takes a device ends the last one's tokens on it, and nobody else's.
pub async fn who_takes_a_device_ends_the_tokens_of_the_last_on_it(world: &mut World) {
    let scene = Scene::set(world, 0, Before::Anns).await;
    let (ann, bob, phone, pad) = (scene.named("ann"), scene.named("bob"), scene.named("phone"), scene.named("pad"));
    let families = [
        world.family(Some(&ann), Some(&phone)),
        world.family(Some(&bob), Some(&phone)),
        world.family(Some(&ann), Some(&pad)),
        world.family(Some(&ann), None),
    ];
    for family in &families {
        world.begin(family).await;
    }
    let standings = async || join_all(families.iter().map(async |one| world.store().seen(world.app, one.id, 1).await.unwrap())).await;
    assert_eq!(scene.ask(world, scene.change(Who::BobHere, Brings::Fresh), false).await, Some(Registered::OfAnotherUser));
    assert_eq!(standings().await, [Standing::Stands; 4]);
    scene.ask(world, scene.change(Who::BobHere, Brings::Stored), false).await;
    assert_eq!(standings().await, [Standing::Revoked, Standing::Stands, Standing::Stands, Standing::Stands]);
}

pub async fn a_device_is_deleted_by_its_own(world: &mut World) {
    let mut n = 0;
    for (before, by) in [
        (Before::Anns, vec![Who::Ann, Who::AnnHere, Who::Here]),
        (Before::Asleep, vec![Who::Ann, Who::AnnHere, Who::Here]),
        (Before::Nobodys, vec![Who::Here]),
        (Before::Name, vec![]),
        (Before::None, vec![]),
    ] {
        for who in ALL_WHO {
            n += 1;
            let scene = Scene::set(world, n, before).await;
            let was = scene.all(world).await;
            let deleted = world.store().delete_device(world.app, &scene.named("phone"), &scene.principal(who)).await.unwrap();
            assert_eq!(deleted, by.contains(&who), "{before:?} {who:?}");
            let expected = if deleted { [None, was[1].clone(), was[2].clone()] } else { was };
            assert_eq!(scene.all(world).await, expected, "{before:?} {who:?}");
        }
    }
}

fn address(by: Principal, token: &str) -> TokenChange {
    TokenChange { by, token: PushToken::Apns(token.to_owned()), environment: Some(Environment::Production) }
}

pub async fn addresses_are_given_to_a_device_by_its_own(world: &mut World) {
    let mut n = 0;
    for (before, by) in [
        (Before::Anns, vec![Who::Ann, Who::AnnHere]),
        (Before::Asleep, vec![Who::Ann, Who::AnnHere]),
        (Before::Nobodys, vec![Who::Here]),
        (Before::Name, vec![]),
        (Before::None, vec![]),
    ] {
        for who in ALL_WHO {
            n += 1;
            let scene = Scene::set(world, n, before).await;
            let (store, app, phone, by_who) = (world.store(), world.app, scene.named("phone"), scene.principal(who));
            let theirs = by.contains(&who);
            let carls = scene.named("carls");
            let voip = scene.named("voip");
            store.put_token(app, &carls, &TokenKind::Voip, address(Principal::Backend, &voip), None).await.unwrap();
            let answer = store.put_token(app, &phone, &TokenKind::Voip, address(by_who.clone(), &voip), None).await.unwrap();
            assert_eq!(matches!(answer, Addressed::Created(..)), theirs, "{before:?} {who:?}: {answer:?}");
            assert!(theirs || answer == Addressed::NoDevice, "{answer:?}");
            assert_eq!(store.tokens(app, &carls).await.unwrap().is_empty(), theirs, "who knows an address has it");
            if before.is_there() {
                store.put_token(app, &phone, &TokenKind::Location, address(Principal::Backend, &scene.named("place")), None).await.unwrap();
            }
            let deleted = store.delete_token(app, &phone, &TokenKind::Location, &by_who).await.unwrap();
            assert_eq!(deleted, theirs, "{before:?} {who:?}");
            let left = store.tokens(app, &phone).await.unwrap().len();
            assert_eq!(left, usize::from(before.is_there()), "{before:?} {who:?}");
        }
    }
}

pub async fn of_two_who_register_a_name_one_has_it(world: &mut World) {
    for n in 0..20 {
        let scene = Scene::set(world, n, Before::None).await;
        let (ann, bob) = (scene.change(Who::Ann, Brings::Stored), scene.change(Who::Bob, Brings::Fresh));
        let answers = join(scene.ask(world, ann, false), scene.ask(world, bob, false)).await;
        let winner = match answers {
            (Some(Registered::Created(device)), Some(Registered::OfAnotherUser))
            | (Some(Registered::OfAnotherUser), Some(Registered::Created(device))) => device,
            other => panic!("{other:?}"),
        };
        assert_eq!(scene.get(world, "phone").await, Some(*winner));
    }
}

/// The phone gets another token just when somebody brings the old one: either it is too late, or it is theirs.
pub async fn a_token_that_was_renewed_is_no_proof(world: &mut World) {
    for n in 0..20 {
        let scene = Scene::set(world, n, Before::Anns).await;
        let (renewal, taking) = (scene.change(Who::Ann, Brings::Fresh), scene.change(Who::Bob, Brings::Stored));
        let answers = join(scene.ask(world, renewal, false), scene.ask(world, taking, false)).await;
        let winner = match answers {
            (Some(Registered::Updated(device)), Some(Registered::OfAnotherUser))
            | (Some(Registered::OfAnotherUser), Some(Registered::Updated(device))) => device,
            other => panic!("{other:?}"),
        };
        assert_eq!(scene.get(world, "phone").await, Some(*winner));
    }
}
