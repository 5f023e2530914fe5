//! What nodes share, in memory: with a clock of its own, and away when told so.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;

use super::TestClock;
use crate::domain::clock::Clock;
use crate::providers::{Replacement, ShareError, Shared, TokenShare};

/// Answers after a turn of the others, as a network would.
pub(in crate::providers) struct Memory {
    pub(in crate::providers) clock: Arc<TestClock>,
    away: AtomicBool,
    values: Mutex<HashMap<String, Value>>,
}

struct Value {
    bytes: Vec<u8>,
    put_at: Duration,
    lives: Duration,
}

impl Memory {
    pub(in crate::providers) fn new() -> Arc<Self> {
        Arc::new(Self { clock: TestClock::new(), away: AtomicBool::new(false), values: Mutex::default() })
    }

    pub(in crate::providers) fn set_away(&self, away: bool) {
        self.away.store(away, Ordering::Relaxed);
    }

    pub(in crate::providers) fn only_value(&self) -> Vec<u8> {
        self.values.lock().unwrap().values().next().unwrap().bytes.clone()
    }

    pub(in crate::providers) fn only_name(&self) -> String {
        self.values.lock().unwrap().keys().next().unwrap().clone()
    }

    async fn answer(&self) -> Result<(), ShareError> {
        tokio::task::yield_now().await;
        if self.away.load(Ordering::Relaxed) { Err(ShareError(Box::new(io::Error::other("away")))) } else { Ok(()) }
    }

    fn present(&self, name: &str) -> Option<Shared> {
        let values = self.values.lock().unwrap();
        let Value { bytes, put_at, lives } = values.get(name)?;
        let age = self.clock.monotonic().saturating_sub(*put_at);
        (age < *lives).then(|| Shared { value: bytes.clone(), age })
    }
}

#[async_trait]
impl TokenShare for Memory {
    async fn look(&self, name: &str) -> Result<Option<Shared>, ShareError> {
        self.answer().await?;
        Ok(self.present(name))
    }

    async fn replace(&self, name: &str, Replacement { expected, value, rest, lives }: Replacement<'_>) -> Result<bool, ShareError> {
        self.answer().await?;
        if self.present(name).is_some_and(|present| Some(present.value.as_slice()) != expected || present.age < rest) {
            return Ok(false);
        }
        self.values.lock().unwrap().insert(name.to_owned(), Value { bytes: value.to_vec(), put_at: self.clock.monotonic(), lives });
        Ok(true)
    }
}
