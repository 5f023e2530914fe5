//! What a worker reads of its targets.

use std::time::Duration;

use herald::domain::delivery::{Delivery, Ending};
use herald::domain::device::Change;
use herald::domain::device::DeviceChange;
use herald::domain::id::{DevicePk, NotificationId, Target};
use herald::domain::preferences::Preferences;
use herald::domain::principal::Principal;
use herald::domain::profile::Profile;
use herald::domain::reason::SuppressReason;
use herald::domain::work::{Pair, Targets};
use herald::store::PageRequest;
use herald::store::device::{DeviceFilter, Registered};
use herald::store::engine::{Answer, Ask, Narrowed, Record, RunStatus, Shown};

use crate::kit::{SECOND, devices, iphone, pairs, users};
use crate::world::World;

/// Accepts work for these targets, takes it and reads.
async fn read(world: &World, targets: Targets) -> Answer {
    let id = world.accept(world.direct(targets)).await;
    let work = world.taken().await.into_iter().find(|work| work.key.notification == id).unwrap();
    world.answer(world.ask(&work)).await
}

pub async fn a_user_is_all_their_active_devices(world: &mut World) {
    let first = world.device("first", Some("ann")).await;
    let second = world.device("second", Some("ann")).await;
    world.device("other", Some("bob")).await;
    let answer = read(world, users(&["ann"])).await;
    assert_eq!(answer.run, None);
    let found: Vec<_> = answer.candidates.iter().map(|one| (one.target, one.person)).collect();
    assert_eq!(found, [(Target::device(first.pk), first.person), (Target::device(second.pk), first.person)]);
    let recipient = answer.candidates[0].recipient.clone().unwrap();
    assert_eq!((recipient.device, recipient.name, recipient.person), (first.pk, first.name, first.person));
    assert_eq!((recipient.token, recipient.token_hash, recipient.preferences), (first.token, first.token_hash, None));
}

/// A device's own locale, else its person's, however the device is found.
pub async fn a_locale_is_the_device_s_else_the_person_s(world: &mut World) {
    let own = DeviceChange { locale: Change::Set("de".to_owned()), ..iphone(Some("ann"), "own-token") };
    world.store().put_device(world.app, "own", own, None).await.unwrap();
    let bare = world.device("bare", Some("ann")).await;
    world.device("nobody", None).await;
    let profile = Profile { locale: Some("fr-CA".to_owned()), ..Profile::default() };
    world.store().put_profile(world.app, "ann", &profile, None).await.unwrap();
    let pair = Targets::Pairs(vec![Pair { device: bare.pk, person: bare.person }]);
    for (targets, expected) in [
        (users(&["ann"]), vec![("own", Some("de")), ("bare", Some("fr-CA"))]),
        (devices(&["bare", "nobody"]), vec![("bare", Some("fr-CA")), ("nobody", None)]),
        (pair, vec![("bare", Some("fr-CA"))]),
    ] {
        let answer = read(world, targets).await;
        let found = answer.candidates.iter().filter_map(|one| one.recipient.as_ref());
        assert_eq!(found.map(|one| (one.name.as_str(), one.locale.as_deref())).collect::<Vec<_>>(), expected);
    }
}

pub async fn the_latest_seen_device_stands_for_a_user_where_that_is_asked(world: &mut World) {
    let first = world.device("first", Some("ann")).await;
    world.pass(SECOND);
    world.device("second", Some("ann")).await;
    world.pass(SECOND);
    world.device("first", Some("ann")).await;
    world.accept(world.direct(users(&["ann"]))).await;
    let work = world.only_taken().await;
    let answer = world.answer(Ask { latest_only: true, ..world.ask(&work) }).await;
    let found: Vec<_> = answer.candidates.iter().map(|one| one.target).collect();
    assert_eq!(found, [Target::device(first.pk)]);
}

pub async fn a_user_without_a_device_is_a_target_too(world: &mut World) {
    world.store().put_preferences(world.app, "known", &Preferences::default(), None).await.unwrap();
    let answer = read(world, users(&["known", "unknown"])).await;
    assert_eq!(answer.candidates.len(), 2);
    for one in &answer.candidates {
        assert_eq!((one.target.as_person(), one.recipient.is_none()), (one.person, true));
    }
    assert!(answer.candidates[0].target < answer.candidates[1].target);
    // the same number for the same name, ever after
    let again = read(world, users(&["unknown"])).await;
    assert!(answer.candidates.contains(&again.candidates[0]));
}

pub async fn an_unknown_device_gets_a_row_that_readers_do_not_see(world: &mut World) {
    let answer = read(world, devices(&["later"])).await;
    let one = &answer.candidates[0];
    let pk = one.target.as_device().unwrap();
    assert_eq!((one.person, one.recipient.is_none()), (None, true));
    let store = world.store();
    assert!(store.device(world.app, "later").await.unwrap().is_none());
    assert!(store.patch_device(world.app, "later", iphone(Some("ann"), "t"), None).await.unwrap().is_none());
    assert!(!store.delete_device(world.app, "later", &Principal::Backend).await.unwrap());
    let page = PageRequest { limit: 10, after: None };
    assert!(store.devices(world.app, &DeviceFilter::default(), &page).await.unwrap().items.is_empty());
    let registered = store.put_device(world.app, "later", iphone(Some("ann"), "t"), None).await.unwrap();
    let Registered::Created(device) = registered else { panic!("{registered:?}") };
    assert_eq!((device.pk, device.version), (pk, 1));
}

pub async fn a_named_device_is_read_as_it_is_now(world: &mut World) {
    let mine = world.device("mine", Some("ann")).await;
    let gone = world.device("gone", Some("ann")).await;
    // another device registers its token
    world.store().put_device(world.app, "thief", iphone(Some("eve"), "token-gone"), None).await.unwrap();
    let answer = read(world, devices(&["gone", "mine"])).await;
    let found: Vec<_> = answer.candidates.iter().map(|one| (one.target, one.person, one.recipient.is_some())).collect();
    assert_eq!(found, [(Target::device(mine.pk), mine.person, true), (Target::device(gone.pk), gone.person, false)]);
}

pub async fn a_pair_keeps_its_person_and_shows_the_present_owner(world: &mut World) {
    let device = world.device("phone", Some("ann")).await;
    let inactive = world.device("old", Some("ann")).await;
    world.store().put_device(world.app, "new", iphone(None, "token-old"), None).await.unwrap();
    let deleted = world.device("deleted", Some("ann")).await;
    world.store().delete_device(world.app, "deleted", &Principal::Backend).await.unwrap();
    let next = world.device("phone", Some("bob")).await;
    let answer = read(world, pairs(&[&device, &inactive, &deleted])).await;
    let found: Vec<_> = answer.candidates.iter().map(|one| (one.target.as_device().unwrap(), one.person)).collect();
    assert_eq!(found, [(device.pk, device.person), (inactive.pk, device.person), (deleted.pk, device.person)]);
    assert_eq!(answer.candidates[0].recipient.as_ref().unwrap().person, next.person);
    assert_ne!(device.person, next.person);
    assert!(answer.candidates[1].recipient.is_none() && answer.candidates[2].recipient.is_none());
}

pub async fn preferences_come_with_the_device(world: &mut World) {
    world.device("phone", Some("ann")).await;
    world.device("tablet", Some("ann")).await;
    let change = DeviceChange { timezone: Change::Set("Asia/Tokyo".to_owned()), ..DeviceChange::default() };
    world.store().patch_device(world.app, "phone", change, None).await.unwrap();
    let wanted = Preferences { timezone: Some("Europe/Paris".to_owned()), ..Preferences::default() };
    world.store().put_preferences(world.app, "ann", &wanted, None).await.unwrap();
    let answer = read(world, users(&["ann"])).await;
    let zones: Vec<_> = answer.candidates.iter().map(|one| one.recipient.as_ref().unwrap().timezone.clone()).collect();
    assert_eq!(zones, [Some("Asia/Tokyo".to_owned()), None]);
    for one in &answer.candidates {
        assert_eq!(one.recipient.as_ref().unwrap().preferences.as_deref(), Some(&wanted));
    }
}

pub async fn a_device_on_which_nobody_is_signed_in_comes_with_its_own_preferences(world: &mut World) {
    let wanted = Preferences { timezone: Some("Europe/Paris".to_owned()), ..Preferences::default() };
    world.store().put_device_preferences(world.app, "phone", &wanted, None).await.unwrap();
    let device = world.device("phone", None).await;
    world.device("other", None).await;
    for targets in [devices(&["phone"]), pairs(&[&device])] {
        let answer = read(world, targets).await;
        assert_eq!(answer.candidates[0].recipient.as_ref().unwrap().preferences.as_deref(), Some(&wanted));
    }
    assert_eq!(read(world, devices(&["other"])).await.candidates[0].recipient.as_ref().unwrap().preferences, None);
    let device = world.device("phone", Some("ann")).await;
    for targets in [devices(&["phone"]), pairs(&[&device]), users(&["ann"])] {
        assert_eq!(read(world, targets).await.candidates[0].recipient.as_ref().unwrap().preferences, None);
    }
}

pub async fn deliveries_are_marked_where_that_is_asked(world: &mut World) {
    let (one, two) = (world.device("one", Some("ann")).await, world.device("two", Some("ann")).await);
    let id = world.accept(world.direct(users(&["ann"]))).await;
    let work = world.only_taken().await;
    let sent = world.delivery(id, Target::device(one.pk), Ending::Sent);
    let record = Record { deliveries: vec![sent], ..Record::default() };
    world.store().record(&record).await.unwrap();
    let marks = |answer: Answer| answer.candidates.iter().map(|one| one.delivered).collect::<Vec<_>>();
    assert_eq!(marks(world.answer(world.ask(&work)).await), [false, false]);
    assert_eq!(marks(world.answer(Ask { check_deliveries: true, ..world.ask(&work) }).await), [true, false]);
    let both = Ask { check_deliveries: true, targets: pairs(&[&one, &two]), ..world.ask(&work) };
    assert_eq!(marks(world.answer(both).await), [true, false]);
}

/// Who is addressed by a device's name is whoever had it when that was accepted.
pub async fn a_named_device_that_changed_hands_has_moved(world: &mut World) {
    world.device("phone", Some("ann")).await;
    world.device("same", Some("ann")).await;
    let accepted_at = world.now();
    world.pass(SECOND);
    world.device("same", Some("ann")).await;
    let work = {
        world.accept(world.direct(devices(&["phone", "same", "new"]))).await;
        world.only_taken().await
    };
    let moved = async |world: &World| {
        let answer = world.answer(Ask { accepted_at, ..world.ask(&work) }).await;
        answer.candidates.iter().map(|one| (one.moved, one.person.is_some(), one.recipient.is_some())).collect::<Vec<_>>()
    };
    let (kept, nobody, gone) = ((false, true, true), (false, false, false), (true, false, true));
    assert_eq!(moved(world).await, [kept, kept, nobody]);
    world.device("phone", Some("bob")).await;
    world.device("new", Some("bob")).await;
    assert_eq!(moved(world).await, [gone, kept, gone]);
    world.device("phone", None).await;
    assert_eq!(moved(world).await, [gone, kept, gone]);
}

async fn targeted(world: &World, id: NotificationId) -> u64 {
    let counts = world.view(id).await.counts;
    counts.waiting + counts.sent + counts.suppressed
}

/// A row that is taken again finds other devices under a user's name, or none: who got it keeps to what it was then.
pub async fn a_user_is_not_reached_again_under_another_device(world: &mut World) {
    let first = world.device("first", Some("ann")).await;
    world.device("bobs", Some("bob")).await;
    let mut new = world.direct(users(&["ann", "bob", "cat"]));
    new.narrowed = Narrowed { latest_only: true, ..Narrowed::default() };
    let id = world.accept(new).await;
    let work = world.only_taken().await;
    let cat = world.answer(world.ask(&work)).await.candidates[0].clone();
    assert!(cat.target.as_person().is_some());
    let nobody = world.delivery(id, cat.target, Ending::Suppressed(SuppressReason::NoActiveDevice));
    let dead = world.delivery(id, Target::device(first.pk), Ending::Sent);
    let deliveries = vec![Delivery { person: cat.person, ..nobody }, Delivery { person: first.person, ..dead }];
    world.store().record(&Record { deliveries, ..Record::default() }).await.unwrap();
    world.pass(SECOND);
    let second = world.device("second", Some("ann")).await;
    world.device("cats", Some("cat")).await;
    let again = Ask { latest_only: true, check_deliveries: true, ..world.ask(&work) };
    let open = |answer: Answer| {
        answer.candidates.into_iter().filter(|one| !one.delivered).map(|one| one.recipient.unwrap().name).collect::<Vec<_>>()
    };
    assert_eq!(open(world.answer(again.clone()).await), ["bobs"]);
    assert_eq!(targeted(world, id).await, 3);
    // without any device the name stands for the user, who got it
    for name in ["first", "second"] {
        world.store().delete_device(world.app, name, &Principal::Backend).await.unwrap();
    }
    assert_eq!(open(world.answer(again.clone()).await), ["bobs"]);
    assert_eq!(targeted(world, id).await, 3);
    let every = Ask { latest_only: false, ..again };
    world.store().put_device(world.app, "third", iphone(Some("ann"), "third"), None).await.unwrap();
    assert_eq!(open(world.answer(every).await), ["bobs", "third"]);
    assert_ne!(first.pk, second.pk);
}

pub async fn the_newest_under_a_collapse_key_is_read(world: &mut World) {
    let device = world.device("phone", Some("ann")).await;
    let (older, newer) = (world.notification_id(), world.notification_id());
    let shown = |notification| Shown { device: device.pk, key_hash: [7; 32], notification };
    for order in [vec![shown(newer), shown(older)], vec![shown(older)]] {
        world.store().record(&Record { shown: order, ..Record::default() }).await.unwrap();
    }
    world.accept(world.direct(users(&["ann"]))).await;
    let work = world.only_taken().await;
    let asked = |hash| Ask { collapse_hash: hash, ..world.ask(&work) };
    assert_eq!(world.answer(asked(Some([7; 32]))).await.candidates[0].shown, Some(newer));
    assert_eq!(world.answer(asked(Some([8; 32]))).await.candidates[0].shown, None);
    assert_eq!(world.answer(asked(None)).await.candidates[0].shown, None);
    world.pass(Duration::from_hours(28 * 24));
    world.store().prune().await.unwrap();
    assert_eq!(world.answer(asked(Some([7; 32]))).await.candidates[0].shown, None);
}

pub async fn a_batch_is_answered_in_order(world: &mut World) {
    for n in 0..300 {
        world.device(&format!("d{n:03}"), Some(&format!("u{n:03}"))).await;
        world.accept(world.direct(users(&[&format!("u{:03}", n % 250)]))).await;
    }
    let id = world.accept(world.fan_out()).await;
    let mut work = world.taken().await;
    work.reverse();
    let asks: Vec<Ask> = work.iter().map(|work| world.ask(work)).collect();
    let answers = world.store().read_targets(&asks).await.unwrap();
    for (work, answer) in work.iter().zip(&answers) {
        if work.key.notification == id {
            assert_eq!((answer.run, answer.candidates.len()), (Some(RunStatus::Running), 0));
            continue;
        }
        let Targets::Users(names) = &work.targets else { panic!() };
        assert_eq!(answer.candidates[0].recipient.as_ref().unwrap().name, names[0].replace('u', "d"));
    }
}

pub async fn many_pairs_are_read_at_once(world: &mut World) {
    let change = |n| (format!("d{n}"), iphone(Some("ann"), &format!("t{n}")));
    let registered = world.store().put_devices(world.app, (0..40).map(change).collect()).await.unwrap();
    assert_eq!(registered.len(), 40);
    let many: Vec<Pair> = (1..=5_000).map(|pk| Pair { device: DevicePk(pk), person: None }).collect();
    let answer = read(world, Targets::Pairs(many)).await;
    assert_eq!(answer.candidates.len(), 5_000);
    assert_eq!(answer.candidates.iter().filter(|one| one.recipient.is_some()).count(), 40);
}
