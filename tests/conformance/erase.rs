//! A person is forgotten: what was theirs is gone, what was sent to them stays counted, and nobody else loses anything.

use std::collections::BTreeMap;
use std::time::Duration;

use herald::domain::cap::FrequencyCap;
use herald::domain::delivery::Ending;
use herald::domain::device::PushToken;
use herald::domain::id::Target;
use herald::domain::preferences::{Contacts, Preferences};
use herald::domain::principal::Principal;
use herald::domain::profile::Profile;
use herald::domain::token_kind::TokenKind;
use herald::store::PageRequest;
use herald::store::cap::Reservation;
use herald::store::device::DeviceFilter;
use herald::store::device_token::TokenChange;
use herald::store::notification::DeliveryFilter;
use herald::store::person::DevicePreferencesPut;
use herald::store::topic::Follower;

use crate::kit::{SECOND, pairs, record};
use crate::world::World;

fn user(name: &str) -> Follower {
    Follower::User(name.to_owned())
}

fn device(name: &str) -> Follower {
    Follower::Device(name.to_owned())
}

/// A person with a document of each kind, two devices, another address and subscriptions.
async fn settle(world: &World, name: &str) {
    let (app, store) = (world.app, world.store());
    for kind in ["phone", "tablet"] {
        world.device(&format!("{name}-{kind}"), Some(name)).await;
    }
    let phone = format!("{name}-phone");
    let change = TokenChange { by: Principal::Backend, token: PushToken::Apns(format!("voip-{name}")), environment: None };
    store.put_token(app, &phone, &TokenKind::Voip, change, None).await.unwrap();
    let preferences = Preferences { timezone: Some("Europe/Paris".to_owned()), ..Preferences::default() };
    store.put_preferences(app, name, &preferences, None).await.unwrap().unwrap();
    store.put_contacts(app, name, &Contacts { email: Some(format!("{name}@example.com")), phone: None }, None).await.unwrap().unwrap();
    let profile = Profile { tags: BTreeMap::from([("plan".to_owned(), "pro".into())]), locale: Some("fr".to_owned()) };
    store.put_profile(app, name, &profile, None).await.unwrap().unwrap();
    assert!(store.follow(app, "news", &user(name)).await.unwrap());
    assert!(store.follow(app, "beta", &device(&phone)).await.unwrap());
}

async fn devices(world: &World, name: &str) -> Vec<String> {
    let filter = DeviceFilter { user: Some(name.to_owned()), ..DeviceFilter::default() };
    let page = world.store().devices(world.app, &filter, &PageRequest { limit: 500, after: None }).await.unwrap();
    page.items.into_iter().map(|device| device.name).collect()
}

pub async fn nothing_is_left_of_a_person(world: &mut World) {
    settle(world, "ann").await;
    settle(world, "bob").await;
    let (app, store) = (world.app, world.shared());
    assert_eq!(store.followed_by(app, &user("ann")).await.unwrap(), ["news"]);
    assert_eq!(store.followed_by(app, &device("ann-phone")).await.unwrap(), ["beta"]);

    assert!(store.erase_user(app, "ann").await.unwrap());
    assert!(!store.erase_user(app, "ann").await.unwrap(), "there is nobody any more");
    assert!(!store.erase_user(app, "nobody").await.unwrap());
    assert_eq!(devices(world, "ann").await, [""; 0]);
    assert_eq!(store.device(app, "ann-phone").await.unwrap(), None);
    assert_eq!(store.tokens(app, "ann-phone").await.unwrap(), []);
    assert_eq!(store.preferences(app, "ann").await.unwrap().version, 0);
    assert_eq!(store.contacts(app, "ann").await.unwrap().value, Contacts::default());
    assert_eq!(store.profile(app, "ann").await.unwrap().value, Profile::default());
    assert_eq!(store.followed_by(app, &user("ann")).await.unwrap(), [""; 0]);

    assert_eq!(devices(world, "bob").await.len(), 2);
    assert_eq!(store.contacts(app, "bob").await.unwrap().value.email.unwrap(), "bob@example.com");
    let news = store.topic(app, "news").await.unwrap().unwrap();
    assert_eq!((news.users, store.topic(app, "beta").await.unwrap().unwrap().devices), (1, 1));

    // whoever comes under that name begins anew, with the same token too
    let phone = world.device("ann-phone", Some("ann")).await;
    assert_eq!((phone.version, devices(world, "ann").await.len()), (1, 1));
    assert_eq!(store.followed_by(app, &device("ann-phone")).await.unwrap(), [""; 0]);
}

/// Else what a phone or a backend kept of one who was erased would be the present version of whoever has the name next.
pub async fn no_version_comes_again(world: &mut World) {
    let (app, zone) = (world.app, |zone: &str| Preferences { timezone: Some(zone.to_owned()), ..Preferences::default() });
    let write = async |world: &World, zone: Preferences| {
        let store = world.store();
        let preferences = store.put_preferences(app, "ann", &zone, Some(0)).await.unwrap().unwrap();
        let contacts =
            store.put_contacts(app, "ann", &Contacts { phone: zone.timezone.clone(), email: None }, Some(0)).await.unwrap().unwrap();
        let profile = store
            .put_profile(app, "ann", &Profile { locale: zone.timezone.clone(), ..Profile::default() }, Some(0))
            .await
            .unwrap()
            .unwrap();
        let DevicePreferencesPut::Written(own) = store.put_device_preferences(app, "pad", &zone, Some(0)).await.unwrap() else { panic!() };
        [preferences.version, contacts.version, profile.version, own.version]
    };
    let old = write(world, zone("UTC")).await;
    world.pass(SECOND);
    assert!(world.store().erase_user(app, "ann").await.unwrap());
    world.device("pad", None).await;
    assert!(world.store().delete_device(app, "pad", &Principal::Backend).await.unwrap());
    let new = write(world, zone("Asia/Tokyo")).await;
    assert!(old.iter().zip(&new).all(|(old, new)| old < new), "{old:?} {new:?}");
}

pub async fn an_erasure_is_the_apps_own(world: &mut World) {
    settle(world, "ann").await;
    let other = world.store().ensure_apps(&["other".to_owned()]).await.unwrap()[0];
    assert!(!world.store().erase_user(other, "ann").await.unwrap());
    assert_eq!(devices(world, "ann").await.len(), 2);
}

pub async fn many_devices_and_topics_are_forgotten(world: &mut World) {
    let (app, store) = (world.app, world.shared());
    for n in 0..450 {
        world.device(&format!("d{n}"), Some("ann")).await;
        if n % 2 == 0 {
            assert!(store.follow(app, &format!("t{n}"), &user("ann")).await.unwrap());
        }
    }
    assert_eq!(store.followed_by(app, &user("ann")).await.unwrap().len(), 225);
    assert!(store.erase_user(app, "ann").await.unwrap());
    assert_eq!(devices(world, "ann").await, [""; 0]);
    for name in ["d0", "d449"] {
        assert_eq!(store.device(app, name).await.unwrap(), None, "the inactive ones too");
    }
    assert_eq!(store.topic(app, "t0").await.unwrap().unwrap().users, 0);
}

pub async fn deliveries_stay_counted_and_name_nobody(world: &mut World) {
    let phone = world.device("phone", Some("ann")).await;
    let sent = world.accept(world.direct(pairs(&[&phone]))).await;
    let work = world.only_taken().await;
    let delivery = world.delivery(sent, Target::device(phone.pk), Ending::Sent);
    let delivery = herald::domain::delivery::Delivery { person: phone.person, ..delivery };
    world.store().record(&record(&work, vec![delivery], Vec::new())).await.unwrap();
    let waiting = world.accept(world.direct(pairs(&[&phone]))).await;

    assert!(world.store().erase_user(world.app, "ann").await.unwrap());
    let request = PageRequest { limit: 10, after: None };
    let page = world.store().deliveries(world.app, sent, &DeliveryFilter::default(), &request).await.unwrap().unwrap();
    assert_eq!(page.items.len(), 1);
    assert_eq!((&page.items[0].device, &page.items[0].user), (&None, &None));
    assert_eq!(world.view(sent).await.counts.sent, 1);
    assert_eq!(world.store().user_deliveries(world.app, "ann", &request).await.unwrap().items, []);

    // what still waits finds no device
    let work = world.only_taken().await;
    assert_eq!(work.key.notification, waiting);
    let answer = world.answer(world.ask(&work)).await;
    assert!(answer.candidates.iter().all(|candidate| candidate.recipient.is_none()));
}

pub async fn places_under_caps_go_with_their_holder(world: &mut World) {
    let phone = world.device("phone", Some("ann")).await;
    let cap = FrequencyCap { count: 1, per_seconds: 3600 };
    let holder = Target::person(phone.person.unwrap());
    let ask = |notification| Reservation { holder, category: "news".to_owned(), notification, cap };
    let (first, second) = (world.notification_id(), world.notification_id());
    assert_eq!(world.store().reserve(&[ask(first)]).await.unwrap(), [true]);
    assert_eq!(world.store().reserve(&[ask(second)]).await.unwrap(), [false]);
    world.pass(Duration::from_secs(1));
    assert!(world.store().erase_user(world.app, "ann").await.unwrap());
    assert_eq!(world.store().reserve(&[ask(second)]).await.unwrap(), [true]);
}
