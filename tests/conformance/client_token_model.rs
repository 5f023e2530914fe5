//! Random steps of phones, thieves and operators, each answer held against a model that knows tokens instead of numbers.

use std::collections::BTreeMap;
use std::time::Duration;

use herald::domain::Timestamp;
use herald::domain::principal::Principal;
use herald::store::client_token::{Family, MAX_DEVICE_FAMILIES, Refreshed, Standing};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::kit::{DAY, iphone};
use crate::world::World;

/// A step; numbers choose among what there is.
#[derive(Clone, Debug)]
enum Step {
    Begin { user: Option<u8>, device: Option<u8> },
    Exchange { which: usize, back: usize },
    See { which: usize, back: usize },
    Revoke { which: usize },
    RevokeUser { user: u8 },
    Register { device: u8, user: Option<u8> },
    Delete { device: u8 },
    Prune,
    Pass { seconds: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    let number = || 0..1_000_usize;
    let back = || prop_oneof![5 => Just(0_usize), 3 => Just(1), 1 => Just(2)];
    let user = || proptest::option::weighted(0.8, 0..2_u8);
    prop_oneof![
        6 => (user(), 0..2_u8).prop_map(|(user, device)| Step::Begin { user, device: Some(device) }),
        1 => (0..2_u8).prop_map(|user| Step::Begin { user: Some(user), device: None }),
        9 => (number(), back()).prop_map(|(which, back)| Step::Exchange { which, back }),
        5 => (number(), back()).prop_map(|(which, back)| Step::See { which, back }),
        1 => number().prop_map(|which| Step::Revoke { which }),
        1 => (0..3_u8).prop_map(|user| Step::RevokeUser { user }),
        2 => (0..2_u8, user()).prop_map(|(device, user)| Step::Register { device, user }),
        1 => (0..2_u8).prop_map(|device| Step::Delete { device }),
        1 => Just(Step::Prune),
        4 => prop_oneof![4 => 1..59_u64, 2 => Just(60), 1 => Just(86_400 * 20)].prop_map(|seconds| Step::Pass { seconds }),
    ]
}

/// A family: when each of its tokens was given out, and whether the last was used.
struct Known {
    family: Family,
    /// Which of the devices of its name, one after the other, it is bound to.
    life: usize,
    given_at: Vec<Timestamp>,
    is_used: bool,
    is_revoked: bool,
}

/// The test's own account.
#[derive(Default)]
struct Model {
    families: Vec<Known>,
    /// Devices that registered, with their users.
    devices: BTreeMap<String, Option<String>>,
    /// How many devices of a name are gone.
    lives: BTreeMap<String, usize>,
}

fn user_name(n: u8) -> String {
    format!("u{n}")
}

fn device_name(n: u8) -> String {
    format!("d{n}")
}

impl Known {
    fn stands(&self, now: Timestamp) -> bool {
        !self.is_revoked && self.family.expires_at > now
    }

    fn exchanged(&mut self, back: usize, now: Timestamp, end: Timestamp) -> Refreshed {
        if !self.stands(now) {
            return Refreshed::Gone;
        }
        let newest = *self.given_at.last().unwrap();
        match back {
            0 => {
                self.given_at.push(now);
                (self.is_used, self.family.expires_at) = (false, end);
                Refreshed::Renewed { family: self.family.clone(), generation: self.generation() }
            }
            1 if !self.is_used && (now - newest).num_seconds() < 60 => {
                Refreshed::Again { family: self.family.clone(), generation: self.generation() }
            }
            _ => {
                self.is_revoked = true;
                Refreshed::Reused(self.family.clone())
            }
        }
    }

    fn generation(&self) -> i64 {
        i64::try_from(self.given_at.len()).unwrap()
    }
}

impl Model {
    fn life(&self, device: Option<&String>) -> usize {
        device.and_then(|device| self.lives.get(device)).copied().unwrap_or_default()
    }

    fn begun(&mut self, family: Family, now: Timestamp) {
        let life = self.life(family.device.as_ref());
        let device = family.device.clone();
        let new = Known { family, life, given_at: vec![now], is_used: true, is_revoked: false };
        if device.is_some() {
            let is_rival = |known: &Known| known.family.device == device && known.family.user == new.family.user && known.life == life;
            let mut rivals: Vec<usize> = (0..self.families.len()).filter(|n| is_rival(&self.families[*n])).collect();
            // the last to go is the newest of those that stand
            rivals.sort_by_key(|n| (self.families[*n].stands(now), *n));
            let mut gone: Vec<usize> = rivals.into_iter().rev().skip(MAX_DEVICE_FAMILIES - 1).collect();
            gone.sort_unstable();
            for n in gone.into_iter().rev() {
                self.families.remove(n);
            }
        }
        self.families.push(new);
    }

    fn revoke(&mut self, now: Timestamp, which: impl Fn(&Known) -> bool) -> u64 {
        let meant = self.families.iter_mut().filter(|known| known.stands(now) && which(known));
        meant.map(|known| known.is_revoked = true).count() as u64
    }

    fn registered(&mut self, device: String, user: Option<String>, now: Timestamp) {
        let (last, life) = (self.devices.get(&device).cloned().flatten(), self.life(Some(&device)));
        if let Some(last) = last.filter(|last| Some(last) != user.as_ref()) {
            let bound = |known: &Known| known.family.device.as_ref() == Some(&device) && known.life == life;
            self.revoke(now, |known| bound(known) && known.family.user.as_ref() == Some(&last));
        }
        self.devices.insert(device, user);
    }

    fn deleted(&mut self, device: &str, now: Timestamp) -> bool {
        if self.devices.remove(device).is_none() {
            return false;
        }
        self.revoke(now, |known| known.family.device.as_deref() == Some(device));
        *self.lives.entry(device.to_owned()).or_default() += 1;
        true
    }
}

async fn run(world: &World, model: &mut Model, step: Step) {
    let (store, app, now) = (world.store(), world.app, world.now());
    let pick = |model: &Model, which: usize| which.checked_rem(model.families.len());
    match step {
        Step::Begin { user, device } => {
            let family = world.family(user.map(user_name).as_deref(), device.map(device_name).as_deref());
            world.begin(&family).await;
            model.begun(family, now);
        }
        Step::Exchange { which, back } => {
            let Some(known) = pick(model, which).map(|n| &mut model.families[n]) else { return };
            let back = back.min(known.given_at.len() - 1);
            let generation = known.generation() - i64::try_from(back).unwrap();
            let answer = world.exchange(known.family.id, generation).await;
            assert_eq!(answer, known.exchanged(back, now, world.later(30 * DAY)));
        }
        Step::See { which, back } => {
            let Some(known) = pick(model, which).map(|n| &mut model.families[n]) else { return };
            let back = back.min(known.given_at.len() - 1);
            let seen = store.seen(app, known.family.id, known.generation() - i64::try_from(back).unwrap()).await.unwrap();
            known.is_used |= back == 0 && known.stands(now);
            assert_eq!(seen == Standing::Stands, known.stands(now));
        }
        Step::Revoke { which } => {
            let Some(id) = pick(model, which).map(|n| model.families[n].family.id) else { return };
            let revoked = store.revoke_family(id).await.unwrap();
            assert_eq!(u64::from(revoked), model.revoke(now, |known| known.family.id == id));
        }
        Step::RevokeUser { user } => {
            let user = user_name(user);
            let revoked = store.revoke_user(app, &user).await.unwrap();
            assert_eq!(revoked, model.revoke(now, |known| known.family.user.as_ref() == Some(&user)));
        }
        Step::Register { device, user } => {
            let (device, user) = (device_name(device), user.map(user_name));
            store.put_device(app, &device, iphone(user.as_deref(), &device), None).await.unwrap();
            model.registered(device, user, now);
        }
        Step::Delete { device } => {
            let deleted = store.delete_device(app, &device_name(device), &Principal::Backend).await.unwrap();
            assert_eq!(deleted, model.deleted(&device_name(device), now));
        }
        Step::Prune => {
            store.prune().await.unwrap();
            model.families.retain(|known| known.family.expires_at > now);
        }
        Step::Pass { seconds } => world.pass(Duration::from_secs(seconds)),
    }
}

fn play(open: impl AsyncFnOnce() -> World, steps: Vec<Step>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut world = open().await;
        let mut model = Model::default();
        for step in steps {
            run(&world, &mut model, step).await;
        }
        for known in &model.families {
            let seen = world.store().seen(world.app, known.family.id, 0).await.unwrap();
            assert_eq!(seen == Standing::Stands, known.stands(world.now()));
        }
        world.close().await;
    });
}

/// Every exchange is answered as the model says, whatever the steps; shorter lists are tried until the shortest that fails is found.
pub fn tokens_are_exchanged_as_the_model_says(open: impl AsyncFnOnce() -> World + Copy) {
    let config = Config { cases: 32, failure_persistence: None, max_shrink_iters: 400, ..Config::default() };
    let held = TestRunner::new(config).run(&proptest::collection::vec(step(), 20..120), |steps| {
        play(open, steps);
        Ok(())
    });
    held.unwrap();
}
