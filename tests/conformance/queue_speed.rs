//! What an entry costs in Redis, in batches. Run it optimised, alone on the machine:
//! `scripts/with-services cargo test --release --test conformance queue_speed -- --ignored --nocapture`.

use std::time::Duration;

use herald::domain::work::Stream;
use herald::queue::redis::{Options, RedisQueue};
use herald::queue::{Entry, Queue, RedisUrl};

use crate::queue::entry;
use crate::services::redis::Redis;
use crate::speed::{Cost, timed};

const ENTRIES: usize = 50_000;

/// CPU that the server has used.
fn server_cpu(redis: &Redis) -> Duration {
    let told = redis.run(&["INFO", "cpu"]);
    let used = ["used_cpu_user:", "used_cpu_sys:"].map(|name| told.lines().find_map(|line| line.strip_prefix(name)?.parse::<f64>().ok()));
    Duration::from_secs_f64(used.into_iter().flatten().sum())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement, not a test"]
#[expect(clippy::print_stdout, reason = "it prints what it measured")]
async fn queue_speed() {
    let redis = Redis::start();
    let queue = RedisQueue::open(&Options::new(RedisUrl::parse(&redis.url()).unwrap(), 100_000)).await.unwrap();
    for batch in [1_usize, 20, 200, 2_000] {
        let rounds = (ENTRIES / batch).min(5_000);
        let numbers = |round: usize| (round * batch..(round + 1) * batch).map(|n| u64::try_from(n).unwrap());
        let (mut publish, mut take, mut ack) = (Cost::default(), Cost::default(), Cost::default());
        let mut server = [server_cpu(&redis); 4];
        for round in 0..rounds {
            let entries: Vec<Entry> = numbers(round).map(|n| entry(Stream::ALL[usize::try_from(n % 3).unwrap()], n)).collect();
            timed(&mut publish, queue.publish(&entries)).await.unwrap();
        }
        server[1] = server_cpu(&redis);
        let mut taken = Vec::new();
        for _ in 0..rounds {
            taken.push(timed(&mut take, queue.take(batch, Duration::ZERO)).await.unwrap());
        }
        server[2] = server_cpu(&redis);
        for taken in &taken {
            timed(&mut ack, queue.ack(taken)).await.unwrap();
        }
        server[3] = server_cpu(&redis);
        assert_eq!(taken.concat().len(), rounds * batch);
        for (number, (step, cost)) in [("publish", publish), ("take", take), ("ack", ack)].into_iter().enumerate() {
            let served = server[number + 1].saturating_sub(server[number]).as_secs_f64() * 1e6;
            let served = served / f64::from(u32::try_from(rounds * batch).unwrap());
            println!("batches of {batch:4}  {step:8} {}  {served:6.1} us CPU of the server", cost.of_one(rounds * batch));
        }
    }
}
