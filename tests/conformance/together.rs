//! What many callers do at the same time comes out as if they had come one after the other.

use std::collections::HashSet;

use futures_util::future::join_all;
use herald::domain::category::Category;
use herald::domain::delivery::Ending;
use herald::domain::device::{Change, Device, DeviceChange, DeviceStatus, MAX_ACTIVE_DEVICES};
use herald::domain::id::{NotificationId, Target};
use herald::domain::preferences::Preferences;
use herald::domain::work::TakenWork;
use herald::store::PageRequest;
use herald::store::category::Declaration;
use herald::store::device::{DeviceFilter, Registered};
use herald::store::receipt::{Receipt, ReceiptKind, ReceiptVerdict};

use crate::kit::{iphone, record, users};
use crate::world::World;

const MANY: usize = 50;

async fn put(world: &World, name: &str, change: DeviceChange) -> Registered {
    world.store().put_device(world.app, name, change, None).await.unwrap()
}

async fn active(world: &World) -> Vec<Device> {
    let filter = DeviceFilter { status: Some(DeviceStatus::Active), ..DeviceFilter::default() };
    world.store().devices(world.app, &filter, &PageRequest { limit: 500, after: None }).await.unwrap().items
}

fn is_created(registered: &Registered) -> bool {
    match registered {
        Registered::Created(_) => true,
        Registered::Updated(_) => false,
        other => panic!("{other:?}"),
    }
}

pub async fn a_token_has_one_holder_whoever_brings_it(world: &mut World) {
    for round in 0..2 {
        let names: Vec<String> = (0..MANY).map(|n| format!("d{n}")).collect();
        let done = join_all(names.iter().map(|name| put(world, name, iphone(Some(name), "aa")))).await;
        assert!(done.iter().all(|registered| is_created(registered) == (round == 0)));
        let holders = active(world).await;
        assert_eq!(holders.len(), 1, "{holders:?}");
    }
}

pub async fn a_device_that_many_register_is_one(world: &mut World) {
    let change = |n: usize| iphone(Some(&format!("user-{}", n % 7)), &format!("{n:04x}"));
    let done = join_all((0..MANY).map(|n| put(world, "phone", change(n)))).await;
    assert_eq!(done.iter().filter(|registered| is_created(registered)).count(), 1);
    let devices = active(world).await;
    assert_eq!(devices.len(), 1);
    assert_eq!(usize::try_from(devices[0].version).unwrap(), MANY, "no change is lost");
}

pub async fn a_user_has_no_more_devices_than_allowed(world: &mut World) {
    let names: Vec<String> = (0..MAX_ACTIVE_DEVICES + 10).map(|n| format!("d{n}")).collect();
    join_all(names.iter().map(|name| put(world, name, iphone(Some("ann"), name)))).await;
    assert_eq!(active(world).await.len(), MAX_ACTIVE_DEVICES);
}

pub async fn two_devices_can_swap_their_tokens(world: &mut World) {
    world.device("a", Some("ann")).await;
    world.device("b", Some("bob")).await;
    for round in 0..20 {
        let (a, b) = if round % 2 == 0 { ("token-b", "token-a") } else { ("token-a", "token-b") };
        let swap = [put(world, "a", iphone(Some("ann"), a)), put(world, "b", iphone(Some("bob"), b))];
        join_all(swap).await;
        let holders = active(world).await;
        let tokens: HashSet<_> = holders.iter().map(|device| device.token_hash).collect();
        assert!(!holders.is_empty() && tokens.len() == holders.len(), "{holders:?}");
    }
}

pub async fn the_same_list_can_be_imported_from_several_places(world: &mut World) {
    let one = |n: usize| (format!("d{n}"), iphone(Some(&format!("user-{}", n % 30)), &format!("{n:04x}")));
    let list: Vec<(String, DeviceChange)> = (0..100).map(one).collect();
    let places = (0..8).map(|place| {
        let mut list = list.clone();
        list.rotate_left(place * 12);
        world.store().put_devices(world.app, list)
    });
    let done: Vec<Vec<Registered>> = join_all(places).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(done.iter().flatten().filter(|registered| is_created(registered)).count(), list.len());
    assert_eq!(active(world).await.len(), list.len());
}

pub async fn phones_can_register_while_they_are_imported(world: &mut World) {
    let one = |n: usize| (format!("d{n}"), iphone(Some(&format!("user-{}", n % 5)), &format!("{n:04x}")));
    let list: Vec<(String, DeviceChange)> = (0..60).map(one).collect();
    let import = async { world.store().put_devices(world.app, list.clone()).await.unwrap() };
    let phones = join_all(list.iter().rev().map(|(name, change)| put(world, name, change.clone())));
    let (imported, registered) = futures_util::future::join(import, phones).await;
    let created = imported.iter().chain(&registered).filter(|registered| is_created(registered)).count();
    assert_eq!((created, active(world).await.len()), (list.len(), list.len()));
}

pub async fn apps_are_made_once(world: &mut World) {
    let names = ["a", "b", "c", "d", "demo"].map(str::to_owned);
    let store = world.store();
    let nodes = (0..10).map(|node| {
        let mut names = names.to_vec();
        names.rotate_left(node % 5);
        async move {
            let numbers = store.ensure_apps(&names).await.unwrap();
            let mut apps: Vec<_> = names.into_iter().zip(numbers).collect();
            apps.sort();
            apps
        }
    });
    let made = join_all(nodes).await;
    assert!(made.iter().all(|apps| *apps == made[0]), "{made:?}");
    assert_eq!(made[0].iter().map(|(_, number)| number).collect::<HashSet<_>>().len(), names.len());
    assert_eq!(made[0].iter().find(|(name, _)| name == "demo").map(|(_, number)| *number), Some(world.app));
}

pub async fn of_those_who_name_a_version_one_writes(world: &mut World) {
    let preferences = Preferences { timezone: Some("UTC".to_owned()), ..Preferences::default() };
    let mut version = 0;
    for _ in 0..3 {
        let puts = (0..20).map(|_| world.store().put_preferences(world.app, "ann", &preferences, Some(version)));
        let written: Vec<_> = join_all(puts).await.into_iter().filter_map(Result::unwrap).collect();
        assert_eq!(written.len(), 1);
        version = written[0].version;
    }
    let phone = world.device("phone", None).await;
    let change = DeviceChange { locale: Change::Set("de".to_owned()), ..DeviceChange::default() };
    let patches = (0..20).map(|_| world.store().patch_device(world.app, "phone", change.clone(), Some(phone.version)));
    let written = join_all(patches).await.into_iter().filter(|done| matches!(done, Ok(Some(Registered::Updated(_))))).count();
    assert_eq!(written, 1);
}

pub async fn those_who_name_no_version_write_one_after_the_other(world: &mut World) {
    let preferences = Preferences::default();
    let puts = (0..20).map(|_| world.store().put_preferences(world.app, "ann", &preferences, None));
    let versions: HashSet<i64> = join_all(puts).await.into_iter().map(|put| put.unwrap().unwrap().version).collect();
    let at = world.now().timestamp_micros();
    assert_eq!(versions, (at..at + 20).collect());
    let news = Category::default();
    let puts = (0..20).map(|_| world.store().put_category(world.app, "news", &news, None));
    let declarations: Vec<Declaration> = join_all(puts).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(declarations.iter().filter(|declaration| matches!(declaration, Declaration::Created(_))).count(), 1);
    let version = |declaration: &Declaration| match declaration {
        Declaration::Created(declared) | Declaration::Updated(declared) => declared.version,
        Declaration::Stale => panic!("it is stale"),
    };
    assert_eq!(declarations.iter().map(version).collect::<HashSet<_>>().len(), 20);
}

async fn under_way(world: &World) -> (NotificationId, TakenWork, Target) {
    let phone = world.device("phone", Some("ann")).await;
    let id = world.accept(world.direct(users(&["ann"]))).await;
    (id, world.only_taken().await, Target::device(phone.pk))
}

pub async fn a_receipt_that_many_bring_counts_once(world: &mut World) {
    let (id, work, target) = under_way(world).await;
    let opened = [Receipt { notification: id, device: "phone".to_owned(), kind: ReceiptKind::Opened, at: None }];
    let early = join_all((0..20).map(|_| world.store().receive(world.app, &opened))).await;
    assert!(early.into_iter().all(|verdicts| verdicts.unwrap() == [ReceiptVerdict::Early]));
    world.store().record(&record(&work, vec![world.delivery(id, target, Ending::Sent)], Vec::new())).await.unwrap();
    let settled = join_all((0..5).map(|_| world.store().settle_early_receipts())).await;
    assert_eq!(settled.into_iter().map(Result::unwrap).sum::<usize>(), 1);
    let counted = join_all((0..20).map(|_| world.store().receive(world.app, &opened))).await;
    assert!(counted.into_iter().all(|verdicts| verdicts.unwrap() == [ReceiptVerdict::Accepted]));
    let counts = world.view(id).await.counts;
    assert_eq!((counts.delivered, counts.opened, counts.dismissed), (1, 1, 0));
}

/// Of a fan-out counts are kept apart from the deliveries.
pub async fn receipts_of_a_fan_out_count_once_whoever_brings_them(world: &mut World) {
    let phones = [world.device("phone", None).await, world.device("tablet", None).await];
    let id = world.accept(world.named_fan_out(vec![crate::kit::pairs(&[&phones[0], &phones[1]])])).await;
    let work = world.only_taken().await;
    let sent = phones.iter().map(|phone| world.delivery(id, Target::device(phone.pk), Ending::Sent)).collect();
    world.store().record(&record(&work, sent, Vec::new())).await.unwrap();
    let receipt = |device: &str| Receipt { notification: id, device: device.to_owned(), kind: ReceiptKind::Delivered, at: None };
    // in either order, so that whoever locks one waits for whoever locked the other
    let lists = [[receipt("phone"), receipt("tablet")], [receipt("tablet"), receipt("phone")]];
    join_all((0..20).map(|n| world.store().receive(world.app, &lists[n % 2]))).await.into_iter().for_each(|done| {
        assert_eq!(done.unwrap(), [ReceiptVerdict::Accepted; 2]);
    });
    assert_eq!(world.view(id).await.counts.delivered, 2);
}
