//! What only a queue in Redis has to do: to share, to survive its server, and to leave no litter.

use herald::queue::RedisUrl;
use herald::queue::redis::{Options, RedisQueue};
use uuid::Uuid;

use crate::services::shared;

/// A queue of its own in the shared server.
pub async fn open(window: usize) -> RedisQueue {
    let url = RedisUrl::parse(&shared("HERALD_TEST_REDIS")).unwrap();
    let prefix = format!("test-{}", Uuid::new_v4().simple());
    RedisQueue::open(&Options { prefix, ..Options::new(url, window) }).await.unwrap()
}
