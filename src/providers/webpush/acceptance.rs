//! Whether push services take the app's key, as far as they have shown since it was loaded.

use std::collections::HashSet;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use super::services::Service;

/// Subscriptions that must have been refused, and none accepted anywhere, before it is the key that is wrong. Subscriptions are strangers':
/// few of them prove nothing.
const REFUSED: usize = 10;

/// Whose fault a refusal is that does not say so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Blame {
    /// The subscription's, or the push's: its service has taken the key.
    Push,
    /// Not known yet.
    Open,
    /// The key's.
    Key,
}

/// What is known of one key.
#[derive(Debug, Default)]
pub(super) struct Acceptance {
    /// By any push service: the key and the signatures are right then.
    is_taken: AtomicBool,
    /// Hashes of the subscriptions that were refused while none was accepted, up to [`REFUSED`].
    refused: Mutex<HashSet<u64>>,
    hasher: RandomState,
}

impl Acceptance {
    /// A service took a push with it.
    pub(super) fn note(&self, service: &Service) {
        service.note_accepted();
        self.is_taken.store(true, Ordering::Relaxed);
    }

    /// Whose fault it is that a service refuses this subscription with 401 or 403 and says no more. The key is one for all services: taken by
    /// one, it is not wrong at another.
    pub(super) fn blame(&self, service: &Service, subscription: &str) -> Blame {
        if service.has_accepted() {
            return Blame::Push;
        }
        if self.is_taken.load(Ordering::Relaxed) {
            return Blame::Open;
        }
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        if refused.len() < REFUSED {
            refused.insert(self.hasher.hash_one(subscription));
        }
        if refused.len() < REFUSED { Blame::Open } else { Blame::Key }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::domain::endpoint::Endpoint;
    use crate::providers::http2::{Reach, client_config_with_http1};
    use crate::providers::testing::{Authority, TestClock, context};
    use crate::providers::webpush::services::Services;

    fn services() -> [Arc<Service>; 2] {
        let tls = client_config_with_http1(Some(Authority::new().path())).unwrap();
        let services = Services::new(tls, Reach::Public, &context(&TestClock::new()));
        ["a", "b"].map(|host| services.at(&Endpoint::parse(&format!("https://{host}.example")).unwrap()).unwrap())
    }

    /// What happened, and whose fault the next refusal at service `a` is then.
    #[tokio::test]
    async fn refusals_are_blamed_on_what_is_known() {
        let [a, b] = services();
        let refuse = |acceptance: &Acceptance, service: &Service, subscriptions: usize| {
            for n in 0..subscriptions {
                acceptance.blame(service, &format!("{}/{n}", service.origin));
            }
        };
        let [first, second] = services();
        for (what, blame, act) in [
            ("nothing is known", Blame::Open, (&|_: &Acceptance| {}) as &dyn Fn(&Acceptance)),
            ("few are refused", Blame::Open, &|known: &Acceptance| refuse(known, &a, REFUSED - 2)),
            ("one is refused again and again", Blame::Open, &|known: &Acceptance| (0..100).for_each(|_| refuse(known, &a, 1))),
            ("many are", Blame::Key, &|known: &Acceptance| refuse(known, &a, REFUSED - 1)),
            ("many are, at another service", Blame::Key, &|known: &Acceptance| refuse(known, &b, REFUSED)),
            ("another service took one", Blame::Open, &|known: &Acceptance| {
                known.note(&b);
                refuse(known, &a, 100);
            }),
        ] {
            let known = Acceptance::default();
            act(&known);
            assert_eq!(known.blame(&first, "next"), blame, "{what}");
        }
        let known = Acceptance::default();
        refuse(&known, &second, REFUSED);
        known.note(&first);
        assert_eq!(known.blame(&first, "next"), Blame::Push, "it took one");
        assert_eq!(known.blame(&second, "next"), Blame::Open, "another took one since");
    }
}
