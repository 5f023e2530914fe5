//! Notifications and their targets as callers read them.

use std::collections::BTreeMap;
use std::time::Duration;

use herald::domain::delivery::{Ending, State};
use herald::domain::id::{NotificationId, Target};
use herald::domain::principal::Principal;
use herald::domain::reason::{SuppressReason, WaitReason};
use herald::domain::work::NewWork;
use herald::store::PageRequest;

use herald::store::engine::{Narrowed, NewNotification, Record};
use herald::store::notification::{DeliveryFilter, DeliveryView, NotificationFilter, NotificationStatus, NotificationView};

use crate::kit::{SECOND, devices, pairs, record, users};
use crate::world::World;

async fn list(world: &World, id: NotificationId, filter: &DeliveryFilter, limit: usize) -> Vec<DeliveryView> {
    let mut all = Vec::new();
    let mut after = None;
    loop {
        let request = PageRequest { limit, after };
        let page = world.store().deliveries(world.app, id, filter, &request).await.unwrap().unwrap();
        assert!(page.items.len() <= limit);
        all.extend(page.items);
        after = page.next;
        if after.is_none() {
            return all;
        }
    }
}

fn names(views: &[DeliveryView]) -> Vec<(Option<&str>, Option<&str>, State)> {
    views.iter().map(|view| (view.device.as_deref(), view.user.as_deref(), view.state)).collect()
}

pub async fn only_targets_are_counted_and_listed_while_they_wait(world: &mut World) {
    for name in ["old", "left-out"] {
        world.device(name, Some("ann")).await;
    }
    world.pass(SECOND);
    world.device("latest", Some("ann")).await;
    let counted = async |world: &mut World, narrowed| {
        let new = NewNotification { narrowed, ..world.direct(users(&["ann"])) };
        let id = world.accept(new).await;
        let page = PageRequest { limit: 10, after: None };
        let listed = world.store().deliveries(world.app, id, &DeliveryFilter::default(), &page).await.unwrap().unwrap();
        let mut names: Vec<_> = listed.items.into_iter().map(|delivery| delivery.device.unwrap()).collect();
        names.sort_unstable();
        assert_eq!(world.view(id).await.counts.waiting, names.len() as u64);
        names.join(" ")
    };
    let except = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(counted(world, Narrowed { latest_only: true, ..Narrowed::default() }).await, "latest");
    assert_eq!(counted(world, Narrowed { latest_only: false, except: except(&["left-out"]), only: None }).await, "latest old");
    assert_eq!(counted(world, Narrowed { latest_only: true, except: except(&["latest"]), only: None }).await, "");
}

pub async fn unresolved_names_count_as_they_would_resolve(world: &mut World) {
    let phone = world.device("phone", Some("ann")).await;
    world.device("tablet", Some("ann")).await;
    let id = world.accept(world.direct(users(&["ann", "bob", "nobody"]))).await;
    assert_eq!(world.view(id).await.counts.waiting, 4);
    world.device("bobs", Some("bob")).await;
    world.device("bobs second", Some("bob")).await;
    assert_eq!(world.view(id).await.counts.waiting, 5);
    let sent = world.delivery(id, Target::device(phone.pk), Ending::Sent);
    world.store().record(&Record { deliveries: vec![sent], ..Default::default() }).await.unwrap();
    let view = world.view(id).await;
    assert_eq!((view.counts.waiting, view.counts.sent, view.status), (4, 1, NotificationStatus::Sending));
    assert!(!view.reasons.contains_key(&State::Waiting));
    let other = world.accept(world.direct(devices(&["nothing", "phone"]))).await;
    assert_eq!(world.view(other).await.counts.waiting, 2);
}

pub async fn a_scheduled_one_says_so(world: &mut World) {
    let mut new = world.direct(users(&["ann"]));
    new.start_at = world.later(Duration::from_mins(1));
    new.work[0].due_at = new.start_at;
    let id = world.accept(new).await;
    let view = world.view(id).await;
    assert_eq!((view.status, view.reasons[&State::Waiting]["scheduled"]), (NotificationStatus::Scheduled, 1));
    let item = &list(world, id, &DeliveryFilter::default(), 10).await[0];
    assert_eq!((item.reason.as_deref(), item.next_attempt_at), (Some("scheduled"), Some(world.later(Duration::from_mins(1)))));
    world.pass(Duration::from_mins(1));
    assert_eq!(world.view(id).await.status, NotificationStatus::Accepted);
    world.only_taken().await;
    let view = world.view(id).await;
    assert_eq!((view.status, view.reasons), (NotificationStatus::Sending, BTreeMap::new()));
}

pub async fn targets_are_listed_waiting_first(world: &mut World) {
    let mut phones = Vec::new();
    for n in 0..6 {
        phones.push(world.device(&format!("d{n}"), Some(&format!("u{n}"))).await);
    }
    let id = world.accept(world.direct(users(&["u0", "u1", "u2", "u3", "u4", "u5", "ghost"]))).await;
    let work = world.only_taken().await;
    let answer = world.answer(world.ask(&work)).await;
    let ghost = answer.candidates[0].target;
    let mut ended = vec![world.delivery(id, ghost, Ending::Suppressed(SuppressReason::NoActiveDevice))];
    for phone in &phones[..2] {
        let mut sent = world.delivery(id, Target::device(phone.pk), Ending::Sent);
        (sent.person, sent.provider, sent.message_id) = (phone.person, Some(phone.provider), Some("m".to_owned()));
        ended.push(sent);
    }
    let rows = [&phones[2..4], &phones[4..]].map(|phones| {
        let mut next = world.work(pairs(&phones.iter().collect::<Vec<_>>()));
        (next.reason, next.attempt, next.due_at) = (Some(WaitReason::Throttled), 3, world.later(SECOND));
        next
    });
    world.store().record(&record(&work, ended, rows.to_vec())).await.unwrap();

    let expected = [
        (Some("d2"), Some("u2"), State::Waiting),
        (Some("d3"), Some("u3"), State::Waiting),
        (Some("d4"), Some("u4"), State::Waiting),
        (Some("d5"), Some("u5"), State::Waiting),
        (None, Some("ghost"), State::Suppressed),
        (Some("d0"), Some("u0"), State::Sent),
        (Some("d1"), Some("u1"), State::Sent),
    ];
    for limit in [1, 2, 3, 4, 7, 100] {
        assert_eq!(names(&list(world, id, &DeliveryFilter::default(), limit).await), expected);
    }
    let by = async |filter: DeliveryFilter| list(world, id, &filter, 2).await;
    let sent = by(DeliveryFilter { state: Some(State::Sent), ..DeliveryFilter::default() }).await;
    assert_eq!(names(&sent), expected[5..]);
    let apns_id = herald::domain::collapse::apns_id(id, phones[0].pk).to_string();
    assert_eq!((sent[0].message_id.as_ref(), sent[0].sent_at, sent[0].attempts), (Some(&apns_id), Some(world.now()), 1));
    let waiting = by(DeliveryFilter { state: Some(State::Waiting), ..DeliveryFilter::default() }).await;
    assert_eq!(names(&waiting), expected[..4]);
    assert_eq!((waiting[0].attempts, waiting[0].next_attempt_at), (3, Some(world.later(SECOND))));
    assert_eq!(waiting[0].platform, Some(herald::domain::device::Platform::Ios));
    let reason = by(DeliveryFilter { reason: Some("throttled".to_owned()), ..DeliveryFilter::default() }).await;
    assert_eq!(names(&reason), expected[..4]);
    let reason = by(DeliveryFilter { reason: Some("no_active_device".to_owned()), ..DeliveryFilter::default() }).await;
    assert_eq!(names(&reason), expected[4..5]);
    for (user, at) in [("u4", 2), ("u1", 6)] {
        let of = by(DeliveryFilter { user: Some(user.to_owned()), ..DeliveryFilter::default() }).await;
        assert_eq!(names(&of), expected[at..=at]);
    }
    assert!(by(DeliveryFilter { user: Some("stranger".to_owned()), ..DeliveryFilter::default() }).await.is_empty());
}

pub async fn a_reason_that_nobody_waits_for_is_not_told(world: &mut World) {
    let phone = world.device("phone", Some("ann")).await;
    let id = world.accept(world.direct(users(&["ann"]))).await;
    let work = world.only_taken().await;
    let again = NewWork { reason: Some(WaitReason::Throttled), ..world.work(pairs(&[&phone])) };
    world.store().record(&record(&work, Vec::new(), vec![again])).await.unwrap();
    assert_eq!(world.view(id).await.reasons[&State::Waiting]["throttled"], 1);
    // a fact that came late: the row is still there
    let sent = Record { deliveries: vec![world.delivery(id, Target::device(phone.pk), Ending::Sent)], ..Record::default() };
    world.store().record(&sent).await.unwrap();
    assert_eq!(world.view(id).await.reasons.get(&State::Waiting), None);
}

pub async fn unresolved_targets_are_listed_by_name(world: &mut World) {
    world.device("a", Some("ann")).await;
    world.device("b", Some("ann")).await;
    world.device("sleeping", Some("bob")).await;
    world.store().put_device(world.app, "thief", crate::kit::iphone(None, "token-sleeping"), None).await.unwrap();
    let by_user = world.accept(world.direct(users(&["ann", "bob", "ghost"]))).await;
    let by_device = world.accept(world.direct(devices(&["a", "sleeping", "unknown"]))).await;
    for limit in [1, 2, 10] {
        let found = list(world, by_user, &DeliveryFilter::default(), limit).await;
        let expected = [(Some("a"), Some("ann")), (Some("b"), Some("ann")), (None, Some("bob")), (None, Some("ghost"))];
        assert_eq!(names(&found), expected.map(|(device, user)| (device, user, State::Waiting)));
        let found = list(world, by_device, &DeliveryFilter::default(), limit).await;
        let expected = [(Some("a"), Some("ann")), (None, Some("bob")), (None, None)];
        assert_eq!(names(&found), expected.map(|(device, user)| (device, user, State::Waiting)));
    }
    let filter = DeliveryFilter { user: Some("ghost".to_owned()), ..DeliveryFilter::default() };
    assert_eq!(list(world, by_user, &filter, 10).await.len(), 1);
    // reading wrote nothing
    assert_eq!(world.view(by_device).await.counts.waiting, 3);
}

pub async fn a_deleted_device_is_listed_without_its_name(world: &mut World) {
    let phone = world.device("phone", Some("ann")).await;
    let id = world.accept(world.direct(users(&["ann"]))).await;
    let work = world.only_taken().await;
    let mut sent = world.delivery(id, Target::device(phone.pk), Ending::Sent);
    sent.person = phone.person;
    world.store().record(&record(&work, vec![sent], Vec::new())).await.unwrap();
    world.store().delete_device(world.app, "phone", &Principal::Backend).await.unwrap();
    assert_eq!(names(&list(world, id, &DeliveryFilter::default(), 10).await), [(None, Some("ann"), State::Sent)]);
}

pub async fn notifications_are_listed_newest_first(world: &mut World) {
    let mut ids = Vec::new();
    for n in 0..9 {
        let mut new = world.direct(users(&[&format!("u{n}")]));
        new.category = Some(if n % 2 == 0 { "even" } else { "odd" }.to_owned());
        new.labels.insert("n".to_owned(), (n % 3).to_string());
        ids.push(world.accept(new).await);
        world.pass(SECOND);
    }
    world.store().cancel(world.app, ids[4]).await.unwrap();
    let find = async |filter: NotificationFilter, limit: usize| {
        let mut found: Vec<NotificationView> = Vec::new();
        let mut after = None;
        loop {
            let page = world.store().notifications(world.app, &filter, &PageRequest { limit, after }).await.unwrap();
            assert!(page.items.len() <= limit);
            found.extend(page.items);
            after = page.next;
            if after.is_none() {
                let at = |view: &NotificationView| ids.iter().position(|id| *id == view.id).unwrap();
                return found.iter().map(at).collect::<Vec<_>>();
            }
        }
    };
    let filter = NotificationFilter::default;
    let label = BTreeMap::from([("n".to_owned(), "1".to_owned())]);
    let began = world.view(ids[0]).await.accepted_at;
    let at = |n| Some(began + chrono::TimeDelta::seconds(n));
    for limit in [1, 2, 4, 9, 50] {
        assert_eq!(find(filter(), limit).await, [8, 7, 6, 5, 4, 3, 2, 1, 0]);
        assert_eq!(find(NotificationFilter { category: Some("odd".to_owned()), ..filter() }, limit).await, [7, 5, 3, 1]);
        assert_eq!(find(NotificationFilter { labels: label.clone(), ..filter() }, limit).await, [7, 4, 1]);
        assert_eq!(find(NotificationFilter { from: at(2), to: at(5), ..filter() }, limit).await, [4, 3, 2]);
        assert_eq!(find(NotificationFilter { status: Some(NotificationStatus::Cancelled), ..filter() }, limit).await, [4]);
    }
    let other = world.store().ensure_apps(&["other".to_owned()]).await.unwrap()[0];
    let page = world.store().notifications(other, &filter(), &PageRequest { limit: 5, after: None }).await.unwrap();
    assert!(page.items.is_empty() && page.next.is_none());
    let request = PageRequest { limit: 5, after: None };
    assert!(world.store().deliveries(other, ids[0], &DeliveryFilter::default(), &request).await.unwrap().is_none());
}
