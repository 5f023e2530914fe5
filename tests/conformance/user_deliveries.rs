//! A user's targets.

use std::collections::BTreeSet;
use std::time::Duration;

use herald::domain::delivery::{Ending, State};
use herald::domain::id::{NotificationId, Target};
use herald::store::device::DeviceFilter;
use herald::store::engine::Record;
use herald::store::notification::{DeliveryFilter, DeliveryView, NotificationFilter};
use herald::store::{Error, PageRequest};

use crate::kit::{devices, pairs, record, users};
use crate::world::World;

async fn list(world: &World, user: &str, limit: usize) -> Vec<DeliveryView> {
    let mut all = Vec::new();
    let mut after = None;
    loop {
        let page = world.store().user_deliveries(world.app, user, &PageRequest { limit, after }).await.unwrap();
        assert!(page.items.len() <= limit);
        all.extend(page.items);
        after = page.next;
        if after.is_none() {
            return all;
        }
    }
}

/// Sends to all that are named, and to nobody else.
async fn send(world: &World, names: &[&str]) -> NotificationId {
    let id = world.accept(world.direct(users(names))).await;
    let work = world.only_taken().await;
    let candidates = world.answer(world.ask(&work)).await.candidates;
    let sent = candidates.iter().map(|candidate| {
        let mut delivery = world.delivery(id, candidate.target, Ending::Sent);
        delivery.person = candidate.person;
        delivery
    });
    world.store().record(&record(&work, sent.collect(), Vec::new())).await.unwrap();
    id
}

pub async fn a_users_deliveries_are_listed_newest_first(world: &mut World) {
    world.device("phone", Some("ann")).await;
    world.device("tablet", Some("ann")).await;
    world.device("bens", Some("ben")).await;
    let mut ids = Vec::new();
    for names in [&["ann", "ben"][..], &["ben"], &["ann"]] {
        ids.push(send(world, names).await);
        world.pass(Duration::from_hours(20));
    }
    for limit in [1, 2, 3, 4, 100] {
        let of = |found: Vec<DeliveryView>| found.iter().map(|view| view.notification).collect::<Vec<_>>();
        assert_eq!(of(list(world, "ann", limit).await), [ids[2], ids[2], ids[0], ids[0]], "{limit}");
        assert_eq!(of(list(world, "ben", limit).await), [ids[1], ids[0]], "{limit}");
    }
    let first = &list(world, "ben", 1).await[0];
    assert_eq!((first.device.as_deref(), first.user.as_deref()), (Some("bens"), Some("ben")));
    let mut names: Vec<_> = list(world, "ann", 10).await.into_iter().take(2).map(|view| view.device).collect();
    names.sort();
    assert_eq!(names, [Some("phone".to_owned()), Some("tablet".to_owned())]);
}

pub async fn a_users_deliveries_are_those_of_their_app(world: &mut World) {
    world.device("phone", Some("ann")).await;
    send(world, &["ann"]).await;
    assert_eq!(list(world, "ann", 10).await.len(), 1);
    assert!(list(world, "stranger", 10).await.is_empty());
    let other = world.store().ensure_apps(&["other".to_owned()]).await.unwrap()[0];
    let request = PageRequest { limit: 10, after: None };
    assert!(world.store().user_deliveries(other, "ann", &request).await.unwrap().items.is_empty());
}

pub async fn what_waits_for_a_user_is_listed_first(world: &mut World) {
    let phone = world.device("phone", Some("ann")).await;
    let tablet = world.device("tablet", Some("ann")).await;
    let bens = world.device("bens", Some("ben")).await;
    let over = send(world, &["ann", "ben"]).await;
    let mut ids = Vec::new();
    for targets in [users(&["ann", "ben"]), devices(&["bens", "tablet"]), pairs(&[&phone, &tablet, &bens]), pairs(&[&bens])] {
        world.pass(Duration::from_secs(1));
        ids.push(world.accept(world.direct(targets)).await);
    }
    for limit in [1, 2, 3, 4, 5, 6, 100] {
        let told = |views: Vec<DeliveryView>| {
            views.into_iter().map(|view| (view.notification, view.state, view.device.unwrap())).collect::<Vec<_>>()
        };
        let waiting = |id, device: &str| (id, State::Waiting, device.to_owned());
        let sent = |device: &str| (over, State::Sent, device.to_owned());
        let hers = told(list(world, "ann", limit).await);
        let (waits, ended) = hers.split_at(5);
        assert_eq!(
            waits,
            [
                waiting(ids[2], "phone"),
                waiting(ids[2], "tablet"),
                waiting(ids[1], "tablet"),
                waiting(ids[0], "phone"),
                waiting(ids[0], "tablet"),
            ],
            "{limit}"
        );
        assert_eq!(ended.iter().collect::<BTreeSet<_>>(), BTreeSet::from([&sent("phone"), &sent("tablet")]), "{limit}");
        let bens = told(list(world, "ben", limit).await);
        let expected: Vec<_> = [3, 2, 1, 0].map(|n: usize| waiting(ids[n], "bens")).into_iter().chain([sent("bens")]).collect();
        assert_eq!(bens, expected, "{limit}");
    }
    // a name without a device, and without anything else known of it, is a target as well
    let id = world.accept(world.direct(users(&["carl"]))).await;
    let carls = list(world, "carl", 1).await;
    assert_eq!(carls.len(), 1);
    assert_eq!((carls[0].notification, carls[0].user.as_deref(), &carls[0].device), (id, Some("carl"), &None));
}

pub async fn a_cursor_of_nobody_is_foreign(world: &mut World) {
    let id = world.accept(world.direct(devices(&["phone"]))).await;
    world.device("phone", Some("ann")).await;
    let sent = world.delivery(id, Target::from_raw(1), Ending::Sent);
    world.store().record(&Record { deliveries: vec![sent], ..Record::default() }).await.unwrap();
    for after in ["", "nonsense", "e30"] {
        let request = PageRequest { limit: 10, after: Some(after.to_owned()) };
        let store = world.store();
        let answers = [
            store.user_deliveries(world.app, "ann", &request).await.err(),
            store.deliveries(world.app, id, &DeliveryFilter::default(), &request).await.err(),
            store.devices(world.app, &DeviceFilter::default(), &request).await.err(),
            store.notifications(world.app, &NotificationFilter::default(), &request).await.err(),
        ];
        assert!(answers.iter().all(|error| matches!(error, Some(Error::ForeignCursor))), "{after}: {answers:?}");
    }
}
