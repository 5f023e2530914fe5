//! Registrations that come together, against the same ones one by one: whatever is in them, the end is the same.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use herald::domain::device::{Change, Device, DeviceChange, Imported, Platform, PushToken, TagChange};
use herald::domain::id::AppId;
use herald::store::PageRequest;
use herald::store::device::{DeviceFilter, Registered};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::json;

use crate::world::World;

/// Enough that each way through a batch is taken many times.
const ROUNDS: u64 = 40;
/// So few names, users and tokens that batches are full of clashes, and so many that some are not.
const NAMES: usize = 12;

fn one_of<T: Clone>(random: &mut StdRng, of: &[T]) -> T {
    of[random.random_range(0..of.len())].clone()
}

fn change(random: &mut StdRng, world: &World) -> (String, DeviceChange) {
    let device = random.random_range(0..NAMES);
    // mostly what an import says of a device again and again, else anything
    let own = random.random_bool(0.7);
    let token = if own { device } else { random.random_range(0..NAMES + 3) };
    let fcm = random.random_bool(0.1);
    let text = format!("{token:064x}");
    let token = random.random_bool(0.85).then(|| if fcm { PushToken::Fcm(text.clone()) } else { PushToken::Apns(text) });
    let user = match random.random_range(0..10) {
        0 => Change::Keep,
        1 => Change::Clear,
        2 => Change::Set(format!("user-{}", random.random_range(0..4))),
        _ => Change::Set(format!("user-{}", device % 4)),
    };
    let seen = world.now() - TimeDelta::days(random.random_range(1..30));
    let imported = Imported { created_at: Some(seen), last_seen_at: Some(seen), inactive: random.random_bool(0.2) };
    let change = DeviceChange {
        user,
        platform: random.random_bool(0.9).then_some(if fcm { Platform::Android } else { Platform::Ios }),
        token,
        locale: one_of(random, &[Change::Keep, Change::Clear, Change::Set("fr".to_owned()), Change::Set("de".to_owned())]),
        tags: one_of(random, &[TagChange::Keep, TagChange::Replace(BTreeMap::from([("n".to_owned(), json!(device))]))]),
        imported: Some(imported),
        ..DeviceChange::default()
    };
    (format!("d{device}"), change)
}

/// What an answer says, without what depends on the clock and on numbers.
fn said(registered: &Registered) -> String {
    match registered {
        Registered::Created(device) => format!("created {}", device.name),
        Registered::Updated(device) => format!("updated {}", device.name),
        other => format!("{other:?}"),
    }
}

async fn devices(world: &World, app: AppId) -> Vec<String> {
    let page = PageRequest { limit: 500, after: None };
    let mut devices = world.store().devices(app, &DeviceFilter::default(), &page).await.unwrap().items;
    devices.sort_by(|a, b| a.name.cmp(&b.name));
    let told = |device: Device| {
        let owner = (device.user, device.person.is_some());
        let address = (device.platform, device.provider, device.token, device.token_hash, device.token_seen_at);
        let state = (device.status, device.inactive_reason, device.version, device.created_at, device.last_seen_at);
        format!("{} {owner:?} {} {state:?} {:?} {:?}", device.name, format_args!("{address:?}"), device.locale, device.tags)
    };
    devices.into_iter().map(told).collect()
}

pub async fn a_batch_is_as_one_after_the_other_whatever_it_holds(world: &mut World) {
    for seed in 0..ROUNDS {
        let mut random = StdRng::seed_from_u64(seed);
        let names = [format!("together {seed}"), format!("alone {seed}")];
        let apps = world.store().ensure_apps(&names).await.unwrap();
        for batch in 0..4 {
            let length = random.random_range(1..2 * NAMES);
            let changes: Vec<_> = (0..length).map(|_| change(&mut random, world)).collect();
            let together = world.store().put_devices(apps[0], changes.clone()).await.unwrap();
            let mut alone = Vec::new();
            for (name, change) in &changes {
                alone.push(world.store().put_device(apps[1], name, change.clone(), None).await.unwrap());
            }
            let context = format!("seed {seed}, batch {batch}: {changes:#?}");
            assert_eq!(together.iter().map(said).collect::<Vec<_>>(), alone.iter().map(said).collect::<Vec<_>>(), "{context}");
            assert_eq!(devices(world, apps[0]).await, devices(world, apps[1]).await, "{context}");
        }
    }
}
