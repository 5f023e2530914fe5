//! How often callers may call: each API key, each phone, and each address for what needs no credential.
//!
//! A request counts as one, whatever it brings: a batch, an import. What it brings is bounded by its body and by [`super::load`].
//!
//! Addresses also bound guessing. A credential that was not found good from the same address lately costs the address a request before it is
//! looked at, whether it turns out good or not. A good one is remembered with its address until it is found not to be good, and goes on while
//! others at that address guess, so that nobody locks out a neighbour behind the same router.

mod buckets;
mod known;
mod limiter;
mod standing;

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use self::known::Known;
use self::limiter::Limiter;
use super::peer::network;
use super::problem::{Code, Problem};
use super::settings::{Rate, Rates};
use crate::domain::clock::Clock;
use crate::domain::id::AppId;

pub(super) use self::known::Attempt;
pub(super) use self::standing::{Standing, noting};

/// Acts of one key in a minute, refused for want of a scope, that each node writes into the audit log; and twice as many at once. Enough to see
/// that somebody tries, and what; and a key that leaked, and may only read, adds 14 400 rows a day at most.
const REFUSALS: Rate = Rate { count: NonZeroU32::MIN.saturating_add(9), per: Duration::from_mins(1) };

/// Who calls, once their credential was found good.
#[derive(Clone, Copy, Debug, Hash)]
pub(super) enum Caller<'a> {
    /// An API key, by its id.
    Key(Uuid),
    /// The key of an app that is not in the store.
    BuiltIn(AppId),
    /// A client token that is bound to a device, by its user, if it has one, and the device: signing in again gives no new burst, and who names
    /// somebody else's device has a burst of their own.
    Device(AppId, Option<&'a str>, &'a str),
    /// A receipt token, likewise, beside the client tokens: one that its device has left behind takes nothing from those that are good.
    Reporter(AppId, Option<&'a str>, &'a str),
    /// Another client token, by its family.
    Family(Uuid),
    /// A token of the app's own sign-in that is bound to no device, by its user.
    User(AppId, &'a str),
}

/// All limits of a node.
pub(super) struct Limits {
    keys: Limiter,
    clients: Limiter,
    addresses: Limiter,
    refusals: Limiter,
    known: Known,
    /// With keys of this process's own, so that nobody outside can look for two callers that count as one.
    hashers: [RandomState; 2],
}

impl Limits {
    pub(super) fn new(rates: &Rates, clock: &Arc<dyn Clock>) -> Self {
        Self {
            keys: Limiter::new(standing::PER_KEY, rates.per_key, clock),
            clients: Limiter::new("per_client_token", rates.per_client_token, clock),
            addresses: Limiter::new(standing::PER_ADDRESS, rates.per_address, clock),
            refusals: Limiter::new("refusals", REFUSALS, clock),
            known: Known::new(),
            hashers: [RandomState::new(), RandomState::new()],
        }
    }

    /// Counts one request of someone whose credential is good; 429 where it is one too many.
    pub(super) fn take(&self, caller: Caller<'_>) -> Result<(), Problem> {
        known::found_good();
        let standing = match caller {
            Caller::Key(id) => self.keys.take(id.as_u128()),
            Caller::BuiltIn(_) => self.keys.take(self.number(caller)),
            Caller::Family(id) => self.clients.take(id.as_u128()),
            Caller::Device(..) | Caller::Reporter(..) | Caller::User(..) => self.clients.take(self.number(caller)),
        };
        judge(standing)
    }

    /// Whether it is to be written down that this one was refused for want of a scope. What is left out is counted.
    pub(super) fn writes_refusal(&self, caller: Caller<'_>) -> bool {
        let is_left_out = self.refusals.take(self.number(caller)).is_refused;
        if is_left_out {
            metrics::counter!("herald_audit_left_out_total").increment(1);
        }
        !is_left_out
    }

    /// Counts one request without a credential.
    pub(super) fn take_address(&self, address: IpAddr) -> Result<(), Problem> {
        judge(self.addresses.take(self.number(network(address))))
    }

    /// Counts a credential that was not found good from there lately; to be asked before it is looked at. One that is looked at already is
    /// waited for, see [`known`].
    pub(super) async fn attempt(&self, address: IpAddr, credential: &[u8]) -> Result<Attempt, Problem> {
        let [hasher, _] = &self.hashers;
        self.known.attempt(hasher.hash_one((network(address), credential)), || self.take_address(address)).await
    }

    fn number(&self, caller: impl std::hash::Hash) -> u128 {
        let [high, low] = self.hashers.each_ref().map(|hasher| u128::from(hasher.hash_one(&caller)));
        high << 64 | low
    }
}

fn judge(standing: Standing) -> Result<(), Problem> {
    standing::note(standing);
    if !standing.is_refused {
        return Ok(());
    }
    metrics::counter!("herald_requests_limited_total", "limit" => standing.name).increment(1);
    Err(Problem::new(Code::RateLimited, "more requests than the limit allows; the header fields say when to try again"))
}

#[cfg(test)]
mod tests;
