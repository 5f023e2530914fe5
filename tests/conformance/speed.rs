//! What the store costs per notification to one device, step by step. Run it optimised, alone on the machine:
//! `cargo test --release --test conformance speed -- --ignored --nocapture`.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::AddAssign;
use std::time::Duration;

use herald::domain::delivery::Ending;
use herald::domain::work::{TakenWork, WorkKey};
use herald::store::engine::{Ask, Finished, Record};
use tokio::time::Instant;

use crate::kit::{LEASE, iphone, submission, sweep, users};
use crate::world::World;

const USERS: usize = 20_000;
const ROUNDS: usize = 100;

#[derive(Clone, Copy, Default)]
pub struct Cost {
    wall: Duration,
    cpu: Duration,
}

impl Cost {
    /// The part of one among so many.
    pub fn of_one(self, among: usize) -> Self {
        let among = u32::try_from(among).unwrap();
        Self { wall: self.wall / among, cpu: self.cpu / among }
    }
}

impl AddAssign for Cost {
    fn add_assign(&mut self, other: Self) {
        self.wall += other.wall;
        self.cpu += other.cpu;
    }
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:6.1} us wall {:6.1} us CPU", self.wall.as_secs_f64() * 1e6, self.cpu.as_secs_f64() * 1e6)
    }
}

/// CPU that the threads of this process have used, as far as the system tells.
fn cpu() -> Duration {
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let used = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("schedstat")).ok());
    Duration::from_nanos(used.filter_map(|text| text.split_whitespace().next()?.parse::<u64>().ok()).sum())
}

pub async fn timed<T>(cost: &mut Cost, step: impl Future<Output = T>) -> T {
    let (began, used) = (Instant::now(), cpu());
    let done = step.await;
    *cost += Cost { wall: began.elapsed(), cpu: cpu().saturating_sub(used) };
    done
}

async fn round(world: &World, batch: usize, first: usize, costs: &mut BTreeMap<&'static str, Cost>) {
    let names: Vec<String> = (0..batch).map(|n| format!("user-{}", (first + n * 7) % USERS)).collect();
    let mut submissions = Vec::with_capacity(batch);
    let mut keys = Vec::with_capacity(batch);
    for name in &names {
        let new = world.direct(users(&[name]));
        keys.push(WorkKey { app: world.app, notification: new.id, work: new.work[0].id });
        submissions.push(submission(herald::store::engine::NewNotification { content: vec![b'x'; 400].into(), ..new }));
    }
    let store = world.store();
    timed(costs.entry("1 accept").or_default(), store.accept(submissions)).await.unwrap();
    let claim = timed(costs.entry("2 claim").or_default(), store.claim(&keys, LEASE)).await.unwrap();
    assert_eq!(claim.work.len(), batch);
    let asks: Vec<Ask> = claim.work.iter().map(|work| world.ask(work)).collect();
    let answers = timed(costs.entry("3 read").or_default(), store.read_targets(&asks)).await.unwrap();
    let ended = |(work, answer): (&TakenWork, &herald::store::engine::Answer)| {
        world.delivery(work.key.notification, answer.candidates[0].target, Ending::Sent)
    };
    let deliveries = claim.work.iter().zip(&answers).map(ended).collect();
    let finish = |work: &TakenWork| Finished { key: work.key, epoch: work.epoch, follow_ups: Vec::new() };
    let record = Record { deliveries, finished: claim.work.iter().map(finish).collect(), ..Record::default() };
    let recorded = timed(costs.entry("4 record").or_default(), store.record(&record)).await.unwrap();
    assert_eq!(recorded.inserted, batch);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement, not a test"]
#[expect(clippy::print_stdout, reason = "it prints what it measured")]
async fn speed() {
    let mut world = World::sqlite().await;
    for part in 0..USERS / 1_000 {
        let one = |n: usize| {
            let n = part * 1_000 + n;
            (format!("device-{n}"), iphone(Some(&format!("user-{n}")), &format!("{n:064x}")))
        };
        world.store().put_devices(world.app, (0..1_000).map(one).collect()).await.unwrap();
    }
    for batch in [100, 500] {
        let mut costs = BTreeMap::new();
        for n in 0..ROUNDS {
            round(&world, batch, n * batch, &mut costs).await;
        }
        let each = |cost: Cost| cost.of_one(ROUNDS * batch);
        let mut sum = Cost::default();
        for (step, cost) in costs {
            println!("batches of {batch:4}  {step:10} {}", each(cost));
            sum += cost;
        }
        println!("batches of {batch:4}  {:10} {}", "sum", each(sum));
    }
    world.store().schedule(&sweep()).await.unwrap();
    world.close().await;
}
