//! Random steps of workers that live, die and come back late, checked against the model after each.

use std::collections::BTreeSet;
use std::time::Duration;

use herald::domain::delivery::{Delivery, Ending};
use herald::domain::reason::{FailReason, SuppressReason, WaitReason};
use herald::domain::work::{NewWork, Pair, Stream, TakenWork, Targets, WorkKey, WorkKind};
use herald::store::engine::{Candidate, Finished, Record};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::kit::{LEASE, iphone, users};
use crate::model::{Known, Model};
use crate::world::World;

/// A step; numbers choose among what there is.
#[derive(Clone, Debug)]
enum Step {
    Accept { users: BTreeSet<u8>, ahead: u16 },
    FanOut,
    Publish,
    Claim { from: usize, max: usize },
    Work { which: usize, choices: u64, finish: bool },
    Expand { which: usize, limit: usize },
    Renew,
    HandBack { which: usize },
    Forget { which: usize },
    Cancel { which: usize },
    Register { device: u8, user: Option<u8> },
    Pass { seconds: u16 },
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let number = 0..1_000_usize;
    prop_oneof![
        4 => (proptest::collection::btree_set(0..5_u8, 1..4), prop_oneof![Just(0), 1..100_u16])
            .prop_map(|(users, ahead)| Step::Accept { users, ahead }),
        2 => Just(Step::FanOut),
        6 => Just(Step::Publish),
        6 => (number.clone(), 1..4_usize).prop_map(|(from, max)| Step::Claim { from, max }),
        10 => (number.clone(), any::<u64>(), any::<bool>()).prop_map(|(which, choices, finish)| Step::Work { which, choices, finish }),
        4 => (number.clone(), 1..4_usize).prop_map(|(which, limit)| Step::Expand { which, limit }),
        1 => Just(Step::Renew),
        1 => number.clone().prop_map(|which| Step::HandBack { which }),
        1 => number.clone().prop_map(|which| Step::Forget { which }),
        1 => number.prop_map(|which| Step::Cancel { which }),
        2 => (0..6_u8, proptest::option::of(0..5_u8)).prop_map(|(device, user)| Step::Register { device, user }),
        4 => prop_oneof![1..5_u16, Just(31), Just(100)].prop_map(|seconds| Step::Pass { seconds }),
        1 => Just(Step::Restart),
    ]
}

fn pick<T>(list: &[T], n: usize) -> Option<&T> {
    list.get(n.checked_rem(list.len())?)
}

async fn run(world: &mut World, model: &mut Model, step: Step) {
    match step {
        Step::Accept { users, ahead } => accept(world, model, &users, ahead).await,
        Step::FanOut => {
            let new = world.fan_out();
            model.added(world, new.id, &new.work);
            model.notifications.insert(new.id, Known { taken: Some(0), ..Known::default() });
            world.accept(new).await;
        }
        Step::Publish => {
            model.published(world.scheduled().await);
            model.published(world.released().await);
        }
        Step::Claim { from, max } => {
            let at = from.checked_rem(model.published.len()).unwrap_or_default();
            let keys: Vec<WorkKey> = model.published.iter().skip(at).take(max).copied().collect();
            model.claimed(world, world.claimed(&keys).await);
        }
        Step::Work { which, choices, finish } => {
            if let Some(work) = pick(&model.held, which).filter(|work| work.kind == WorkKind::Send).cloned() {
                work_on(world, model, &work, (choices, finish)).await;
            }
        }
        Step::Expand { which, limit } => {
            if let Some(work) = pick(&model.held, which).filter(|work| work.kind == WorkKind::Expand).cloned() {
                expand(world, model, &work, limit).await;
            }
        }
        Step::Renew => {
            let asked: Vec<_> = model.held.iter().map(|work| (work.key, work.epoch)).collect();
            let renewed = world.store().renew(&asked, LEASE).await.unwrap();
            // one row may be held twice, by a worker that was late
            model.renewed(
                world,
                &asked.iter().copied().filter(|(key, epoch)| model.is_current(*key, *epoch)).collect::<Vec<_>>(),
                &renewed,
            );
        }
        Step::HandBack { which } => {
            if let Some(held) = pick(&model.held, which).map(|work| [(work.key, work.epoch)]) {
                world.store().hand_back(&held).await.unwrap();
                model.handed_back(&held);
            }
        }
        Step::Forget { which } => {
            if let Some(at) = which.checked_rem(model.held.len()) {
                model.held.remove(at);
            }
        }
        Step::Cancel { which } => {
            let ids: Vec<_> = model.notifications.keys().copied().collect();
            if let Some(id) = pick(&ids, which) {
                assert!(world.store().cancel(world.app, *id).await.unwrap());
                model.cancelled(*id);
            }
        }
        Step::Register { device, user } => register(world, device, user).await,
        Step::Pass { seconds } => world.pass(Duration::from_secs(seconds.into())),
        Step::Restart => {
            world.restart().await;
            if world.is_embedded() {
                model.restarted();
            }
        }
    }
}

async fn register(world: &World, device: u8, user: Option<u8>) {
    let user = user.map(|user| format!("u{user}"));
    // two devices share each token, so that tokens move
    let change = iphone(user.as_deref(), &format!("token {}", device / 2));
    world.store().put_device(world.app, &format!("d{device}"), change, None).await.unwrap();
}

async fn accept(world: &World, model: &mut Model, named: &BTreeSet<u8>, ahead: u16) {
    let names: Vec<String> = named.iter().map(|user| format!("u{user}")).collect();
    let mut new = world.direct(users(&names.iter().map(String::as_str).collect::<Vec<_>>()));
    new.start_at = world.later(Duration::from_secs(ahead.into()));
    new.work[0].due_at = new.start_at;
    model.added(world, new.id, &new.work);
    model.notifications.insert(new.id, Known { users: names.into_iter().collect(), ..Known::default() });
    world.accept(new).await;
}

async fn expand(world: &World, model: &mut Model, work: &TakenWork, limit: usize) {
    let Some(page) = world.store().read_page(work.key, limit, &world.everyone()).await.unwrap() else { return };
    let pairs: Vec<Pair> = page.devices.iter().map(|member| member.pair).collect();
    let chunk = |pairs: &[Pair]| NewWork { fan_out: true, stream: Stream::Bulk, ..world.work(Targets::Pairs(pairs.to_vec())) };
    let chunks: Vec<NewWork> = pairs.chunks(2).map(chunk).collect();
    let committed = world.store().commit_page(work.key, work.epoch, &page, &chunks).await.unwrap();
    assert_eq!(committed, model.is_current(work.key, work.epoch));
    if committed {
        model.page_committed(world, work.key, page.last, &chunks);
    }
}

/// Ends some targets, defers others, or ends nothing yet and only leaves facts.
async fn work_on(world: &World, model: &mut Model, work: &TakenWork, (choices, finish): (u64, bool)) {
    let mut ask = world.ask(work);
    ask.day = herald::store::engine::day_of(start_of(world, work).await);
    let answer = world.answer(ask.clone()).await;
    let mut deliveries = Vec::new();
    let mut rest = Vec::new();
    for (n, one) in answer.candidates.iter().enumerate().filter(|(_, one)| !one.delivered) {
        match ending(one, choices >> (n * 3) & 7) {
            Some(ending) => {
                let delivery = world.delivery(work.key.notification, one.target, ending);
                deliveries.push(Delivery { day: ask.day, person: one.person, ..delivery });
            }
            None => rest.extend(one.target.as_device().map(|device| Pair { device, person: one.person })),
        }
    }
    let follow_ups: Vec<NewWork> = if rest.is_empty() {
        Vec::new()
    } else {
        let due_at = world.later(Duration::from_secs(choices % 50));
        let reason = Some(WaitReason::Unavailable);
        vec![NewWork {
            fan_out: work.fan_out,
            stream: work.stream,
            reason,
            due_at,
            attempt: work.attempt + 1,
            ..world.work(Targets::Pairs(rest))
        }]
    };
    let finished = if finish { vec![Finished { key: work.key, epoch: work.epoch, follow_ups: follow_ups.clone() }] } else { Vec::new() };
    let recorded = world.store().record(&Record { deliveries, finished, ..Record::default() }).await.unwrap();
    if finish {
        model.recorded(world, work, &recorded, &follow_ups);
    }
}

async fn start_of(world: &World, work: &TakenWork) -> herald::domain::Timestamp {
    world.store().read_notifications(&[(work.key.app, work.key.notification)]).await.unwrap()[0].start_at
}

/// What a choice means for a target; `None`: it waits.
fn ending(one: &Candidate, choice: u64) -> Option<Ending> {
    if one.recipient.is_none() && one.target.as_person().is_some() {
        return Some(Ending::Suppressed(SuppressReason::NoActiveDevice));
    }
    match choice {
        0..=2 => Some(Ending::Sent),
        3 => Some(Ending::Failed(FailReason::GaveUp)),
        4 => Some(Ending::Expired("unavailable".to_owned())),
        5 => Some(Ending::Cancelled),
        _ => None,
    }
}

/// Everything ends once nobody dies any more.
async fn drain(world: &mut World, model: &mut Model) {
    for _ in 0..200 {
        if world.store().backlog().await.unwrap() == 0 {
            break;
        }
        world.pass(Duration::from_secs(31));
        model.held.clear();
        model.published.clear();
        run(world, model, Step::Publish).await;
        run(world, model, Step::Claim { from: 0, max: 1_000 }).await;
        for work in model.held.clone() {
            match work.kind {
                WorkKind::Send => work_on(world, model, &work, (0, true)).await,
                WorkKind::Expand => expand(world, model, &work, 100).await,
            }
        }
    }
    assert_eq!(world.store().backlog().await.unwrap(), 0, "something never ends");
    model.check(world).await;
}

fn play(open: impl AsyncFnOnce() -> World, steps: Vec<Step>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut world = open().await;
        let mut model = Model::default();
        for device in 0..6 {
            register(&world, device, Some(device % 4)).await;
        }
        for step in steps {
            run(&mut world, &mut model, step).await;
            model.check(&world).await;
        }
        drain(&mut world, &mut model).await;
        world.close().await;
    });
}

/// The invariants hold after every step, whatever the steps; shorter lists of steps are tried until the shortest that fails is found.
pub fn the_invariants_hold_after_every_step(open: impl AsyncFnOnce() -> World + Copy) {
    let config = Config { cases: 32, failure_persistence: None, max_shrink_iters: 400, ..Config::default() };
    let steps = proptest::collection::vec(step(), 20..70);
    let held = TestRunner::new(config).run(&steps, |steps| {
        play(open, steps);
        Ok(())
    });
    held.unwrap();
}
