//! Places under frequency caps.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;
use herald::domain::cap::FrequencyCap;
use herald::domain::id::{DevicePk, NotificationId, PersonPk, Target};
use herald::store::cap::Reservation;

use crate::kit::SECOND;
use crate::world::World;

const MINUTE: FrequencyCap = FrequencyCap { count: 2, per_seconds: 60 };

fn ann() -> Target {
    Target::person(PersonPk(1))
}

fn ask(holder: Target, notification: NotificationId, cap: FrequencyCap) -> Reservation {
    Reservation { holder, category: "news".to_owned(), notification, cap }
}

async fn admits(world: &World, notification: NotificationId, cap: FrequencyCap) -> bool {
    world.store().reserve(&[ask(ann(), notification, cap)]).await.unwrap() == [true]
}

pub async fn so_many_are_admitted_in_a_window_that_slides(world: &mut World) {
    let ids: Vec<NotificationId> = (0..4).map(|_| world.notification_id()).collect();
    assert!(admits(world, ids[0], MINUTE).await);
    world.pass(30 * SECOND);
    assert!(admits(world, ids[1], MINUTE).await);
    assert!(!admits(world, ids[2], MINUTE).await);
    world.pass(Duration::from_micros(29_999_999));
    assert!(!admits(world, ids[2], MINUTE).await, "the first is a microsecond too young");
    world.pass(Duration::from_micros(1));
    assert!(admits(world, ids[2], MINUTE).await);
    assert!(!admits(world, ids[3], MINUTE).await);
}

pub async fn what_comes_back_has_its_place(world: &mut World) {
    let ids: Vec<NotificationId> = (0..4).map(|_| world.notification_id()).collect();
    assert!(admits(world, ids[0], MINUTE).await && admits(world, ids[1], MINUTE).await);
    world.pass(50 * SECOND);
    assert!(admits(world, ids[0], MINUTE).await);
    world.pass(20 * SECOND);
    assert!(admits(world, ids[2], MINUTE).await, "in the place of the second");
    assert!(!admits(world, ids[3], MINUTE).await, "the first was seen anew");
    assert!(!admits(world, ids[1], MINUTE).await, "its time is over, and another has its place");
}

pub async fn places_are_apart_by_holder_and_category(world: &mut World) {
    let one = FrequencyCap { count: 1, per_seconds: 60 };
    let id = world.notification_id();
    let other = Reservation { category: "offers".to_owned(), ..ask(ann(), world.notification_id(), one) };
    let holders = [ann(), Target::person(PersonPk(2)), Target::device(DevicePk(1)), Target::device(DevicePk(2))];
    let mut asked: Vec<Reservation> = holders.iter().map(|holder| ask(*holder, id, one)).collect();
    asked.push(other);
    assert_eq!(world.store().reserve(&asked).await.unwrap(), [true; 5]);
    let next = world.notification_id();
    for one in &mut asked {
        one.notification = next;
    }
    assert_eq!(world.store().reserve(&asked).await.unwrap(), [false; 5]);
}

pub async fn of_several_that_ask_at_once_the_first_goes_first(world: &mut World) {
    let ids: Vec<NotificationId> = (0..4).map(|_| world.notification_id()).collect();
    let asked: Vec<Reservation> = [3, 1, 3, 0, 2, 1].iter().map(|n| ask(ann(), ids[*n], MINUTE)).collect();
    assert_eq!(world.store().reserve(&asked).await.unwrap(), [true, true, true, false, false, true]);
    assert_eq!(world.store().reserve(&[]).await.unwrap(), [false; 0]);
}

pub async fn to_look_takes_no_place(world: &mut World) {
    let ids: Vec<NotificationId> = (0..5).map(|_| world.notification_id()).collect();
    let asked: Vec<Reservation> = ids[1..4].iter().map(|id| ask(ann(), *id, MINUTE)).collect();
    assert!(admits(world, ids[0], MINUTE).await);
    for _ in 0..2 {
        assert_eq!(world.store().would_admit(&asked, world.now()).await.unwrap(), [true, false, false]);
    }
    assert_eq!(world.store().would_admit(&asked, world.later(60 * SECOND)).await.unwrap(), [true, true, false], "by then");
    assert!(admits(world, ids[4], MINUTE).await);
    assert_eq!(world.store().would_admit(&asked, world.now()).await.unwrap(), [false; 3]);
    assert_eq!(world.store().would_admit(&[ask(ann(), ids[0], MINUTE)], world.now()).await.unwrap(), [true], "it has its place");
}

pub async fn another_cap_judges_what_is_there(world: &mut World) {
    let ids: Vec<NotificationId> = (0..6).map(|_| world.notification_id()).collect();
    for id in &ids[..4] {
        assert!(admits(world, *id, FrequencyCap { count: 4, per_seconds: 60 }).await);
    }
    world.pass(10 * SECOND);
    assert!(!admits(world, ids[4], MINUTE).await);
    assert!(admits(world, ids[0], MINUTE).await);
    assert!(admits(world, ids[4], FrequencyCap { count: 5, per_seconds: 60 }).await);
    world.pass(10 * SECOND);
    assert!(admits(world, ids[5], FrequencyCap { count: 1, per_seconds: 10 }).await, "the window is shorter");
}

pub async fn places_that_are_over_are_forgotten(world: &mut World) {
    let ids: Vec<NotificationId> = (0..3).map(|_| world.notification_id()).collect();
    let hour = FrequencyCap { count: 1, per_seconds: 3_600 };
    assert!(admits(world, ids[0], MINUTE).await);
    world.pass(59 * SECOND);
    world.store().prune().await.unwrap();
    assert!(!admits(world, ids[1], hour).await, "it counts still");
    world.pass(SECOND);
    world.store().prune().await.unwrap();
    assert!(admits(world, ids[1], hour).await, "nothing is left that a longer window could count");
    assert!(!admits(world, ids[2], hour).await);
}

pub async fn many_are_asked_for_in_one_go(world: &mut World) {
    let one = FrequencyCap { count: 1, per_seconds: 60 };
    let ids = [world.notification_id(), world.notification_id()];
    let ask_all = |id| (1..=2_000).map(|n| ask(Target::person(PersonPk(n)), id, one)).collect::<Vec<_>>();
    assert_eq!(world.store().reserve(&ask_all(ids[0])[500..700]).await.unwrap(), [true; 200]);
    let admitted = world.store().reserve(&ask_all(ids[1])).await.unwrap();
    let refused: Vec<usize> = (0..admitted.len()).filter(|n| !admitted[*n]).collect();
    assert_eq!((admitted.len(), refused), (2_000, (500..700).collect()));
}

/// Whoever asks for several asks in an order of their own, so that one waits for another who waits for a third.
pub async fn many_callers_get_no_more_places_than_there_are(world: &mut World) {
    let cap = FrequencyCap { count: 3, per_seconds: 86_400 };
    let store = world.store();
    let callers = (0..50).map(|caller| {
        let id = world.notification_id();
        let mut people: Vec<i64> = (1..=6).collect();
        people.rotate_left(caller % 6);
        let asked: Vec<Reservation> = people.iter().map(|n| ask(Target::person(PersonPk(*n)), id, cap)).collect();
        async move {
            let admitted = store.reserve(&asked).await.unwrap();
            asked.into_iter().zip(admitted).filter(|(_, is_admitted)| *is_admitted).map(|(one, _)| one.holder).collect::<Vec<_>>()
        }
    });
    let mut places: BTreeMap<Target, usize> = BTreeMap::new();
    for holder in join_all(callers).await.into_iter().flatten() {
        *places.entry(holder).or_default() += 1;
    }
    assert_eq!((places.len(), places.values().all(|n| *n == 3)), (6, true), "{places:?}");
}
