//! Credentials by where they come from. One that was found good there lately goes on; any other costs its address a request before it is
//! looked at.
//!
//! One that comes many times at once, as a backend's connections bring it to a node that starts, is looked at for the first of them while the
//! others wait: if it is good, they go on; if not, each costs its address a request, like any guess.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use moka::sync::Cache;
use tokio::sync::watch;

use crate::api::problem::Problem;

/// Pairs of address and credential that are remembered, at most, and for how long without being used.
const KNOWN: u64 = 100_000;
const KNOWN_FOR: Duration = Duration::from_hours(1);

tokio::task_local! {
    static LOOKED_AT: Attempt;
}

/// Tells those who wait whether a credential is good, once that is known.
type Verdict = Arc<watch::Sender<Option<bool>>>;

/// What is known of a credential.
#[derive(Clone, Debug)]
enum Entry {
    /// It was found good.
    Good,
    /// It is looked at.
    Open(Verdict),
}

/// The credentials that are known, each with its address, as one number.
#[derive(Clone, Debug)]
pub(super) struct Known(Cache<u64, Entry>);

/// A credential as it came from an address, while its request is handled. It is forgotten after that, unless it was found good.
#[derive(Clone, Debug)]
pub(in crate::api) struct Attempt(Arc<Judging>);

#[derive(Debug)]
struct Judging {
    known: Known,
    number: u64,
    is_good: AtomicBool,
    /// Of the first of many.
    verdict: Option<Verdict>,
}

impl Known {
    pub(super) fn new() -> Self {
        Self(Cache::builder().max_capacity(KNOWN).time_to_idle(KNOWN_FOR).build())
    }

    /// One that is to be looked at; `pay` counts it for its address, unless it is good.
    pub(super) async fn attempt(&self, number: u64, pay: impl Fn() -> Result<(), Problem>) -> Result<Attempt, Problem> {
        let found = self.0.entry(number).or_insert_with(|| Entry::Open(Arc::new(watch::Sender::new(None))));
        let is_first = found.is_fresh();
        let verdict = match found.into_value() {
            Entry::Good => return Ok(self.judging(number, true, None)),
            Entry::Open(verdict) => verdict,
        };
        if is_first {
            // where it cannot pay, its end is told, too
            let attempt = self.judging(number, false, Some(verdict));
            return pay().map(|()| attempt);
        }
        let mut told = verdict.subscribe();
        let is_good = told.wait_for(Option::is_some).await.is_ok_and(|is_good| *is_good == Some(true));
        if !is_good {
            pay()?;
        }
        Ok(self.judging(number, is_good, None))
    }

    fn judging(&self, number: u64, is_good: bool, verdict: Option<Verdict>) -> Attempt {
        Attempt(Arc::new(Judging { known: self.clone(), number, is_good: AtomicBool::new(is_good), verdict }))
    }
}

impl Attempt {
    /// Handles its request.
    pub(in crate::api) async fn during<T>(&self, handled: impl Future<Output = T>) -> T {
        LOOKED_AT.scope(self.clone(), handled).await
    }

    /// It is not good: it counts again when it comes again.
    pub(in crate::api) fn found_bad(&self) {
        self.0.is_good.store(false, Ordering::Relaxed);
    }
}

/// The credential of the request that is being handled is good.
pub(super) fn found_good() {
    // a request that needs none has none
    _ = LOOKED_AT.try_with(|Attempt(judging)| judging.found_good());
}

impl Judging {
    fn found_good(&self) {
        if !self.is_good.swap(true, Ordering::Relaxed) {
            self.known.0.insert(self.number, Entry::Good);
            self.tell(true);
        }
    }

    fn tell(&self, is_good: bool) {
        if let Some(verdict) = &self.verdict {
            verdict.send_replace(Some(is_good));
        }
    }
}

impl Drop for Judging {
    fn drop(&mut self) {
        if !*self.is_good.get_mut() {
            self.known.0.invalidate(&self.number);
            self.tell(false);
        }
    }
}
