//! What the answers of push services mean: RFC 8030, and the words of Apple ("Sending web push notifications in web apps and
//! browsers") and Mozilla (autopush, "Error Codes"), which are read before the status.
#![warn(clippy::wildcard_enum_match_arm)]

use http::StatusCode;
use serde_json::Value;

use super::acceptance::Blame;
use crate::domain::outcome::{Fault, Outcome, Reason, RefusalScope, ThrottleScope};
use crate::providers::fault::Patience;

/// What a refusal comes to.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    /// If nothing more is tried.
    pub(super) outcome: Outcome,
    /// Whether another token may turn it into an acceptance at once.
    pub(super) resign: bool,
}

/// What a refusal is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum About {
    /// The message: it can never be sent as it is.
    Message,
    /// Its size.
    Size,
    /// The subscription is over.
    Gone,
    /// The subscription was made with another key.
    OtherKey,
    /// The credential: the same for every subscription there.
    Credential,
    /// The credential, or the subscription's key: it does not say.
    Authorization,
    /// Too much for one subscription.
    Pace,
    /// The push service, for now.
    Service,
}

/// The body of a refusal.
#[derive(Debug, Default)]
struct Refusal {
    /// Apple's word.
    word: Option<String>,
    /// Mozilla's number.
    errno: Option<u64>,
    /// What is said for people, in lower case: Mozilla's `message`; Google answers with text alone.
    text: String,
}

impl Refusal {
    /// Reads a body member by member: an odd one is as good as absent, and spoils no other.
    fn parse(body: &[u8]) -> Self {
        let Ok(json) = serde_json::from_slice::<Value>(body) else {
            return Self { text: String::from_utf8_lossy(body).to_ascii_lowercase(), ..Self::default() };
        };
        let text = |name: &str| json.get(name).and_then(Value::as_str);
        Self {
            word: text("reason").map(ToOwned::to_owned),
            errno: json.get("errno").and_then(Value::as_u64),
            text: text("message").unwrap_or_default().to_ascii_lowercase(),
        }
    }

    /// Google: "the VAPID credentials in the authorization header do not correspond to the credentials used to create the
    /// subscriptions", once "… does not correspond to the sender ID"; Mozilla: "VAPID public key mismatch".
    fn says_other_key(&self) -> bool {
        ["key mismatch", "do not correspond", "does not correspond"].iter().any(|words| self.text.contains(words))
    }
}

/// Reads a refusal: by Apple's word or Mozilla's number where they document it, else by its status. `blame`: whose fault it is where
/// it does not say, asked only then.
pub(super) fn classify(status: StatusCode, body: &[u8], patience: Patience, blame: impl FnOnce() -> Blame) -> Verdict {
    let refusal = Refusal::parse(body);
    let by_word = refusal.word.as_deref().and_then(by_word).zip(refusal.word.as_deref().map(Reason::new));
    let by_errno = || refusal.errno.and_then(by_errno).zip(refusal.errno.map(|errno| Reason::new(&format!("errno {errno}"))));
    let (about, reason) = by_word.or_else(by_errno).unwrap_or_else(|| {
        let said = refusal.word.as_deref().filter(|word| !word.is_empty());
        (by_status(status), said.map_or_else(|| Reason::new(&format!("status {}", status.as_u16())), Reason::new))
    });
    let is_other_key = refusal.says_other_key();
    Verdict {
        outcome: outcome(settled(about, is_other_key, blame), reason, patience),
        resign: matches!(about, About::Credential | About::Authorization) && !is_other_key,
    }
}

/// A subscription made with another key is refused like a wrong credential (RFC 8292, 4.2: both with 403 or 401). Only where the service says that
/// the keys differ is it the subscription that is wrong (rule 9).
fn settled(about: About, is_other_key: bool, blame: impl FnOnce() -> Blame) -> About {
    if about != About::Authorization {
        return about;
    }
    if is_other_key {
        return About::OtherKey;
    }
    match blame() {
        Blame::Push => About::Message,
        Blame::Open => About::Authorization,
        Blame::Key => About::Credential,
    }
}

fn outcome(about: About, reason: Reason, patience: Patience) -> Outcome {
    let retry_after = patience.retry_after;
    match about {
        About::Message => Outcome::MessageRejected { reason, too_large: false },
        About::Size => Outcome::MessageRejected { reason, too_large: true },
        About::Gone => Outcome::TokenDead { since: None, reason },
        About::OtherKey => Outcome::TokenMismatched { reason },
        About::Credential => Outcome::CredentialRefused { reason, scope: RefusalScope::Lane },
        About::Pace => Outcome::Throttled { retry_after, reason, scope: ThrottleScope::Token },
        // the push waits: it may be the key, which somebody repairs
        About::Service | About::Authorization => Outcome::Unavailable { retry_after, reason, fault: Fault::Answered },
    }
}

/// Apple's words.
fn by_word(word: &str) -> Option<About> {
    Some(match word {
        "BadTtl" | "BadUrgency" | "BadWebPushRequest" | "BadWebPushTopic" | "BadPath" | "MethodNotAllowed" => About::Message,
        "PayloadTooLarge" => About::Size,
        "VapidPkHashMismatch" => About::OtherKey,
        "BadAuthorizationHeader" | "BadJwtToken" | "BadVapidPublicKey" => About::Credential,
        "TooManyRequests" => About::Pace,
        "IdleTimeout" | "InternalServerError" | "ServiceUnavailable" | "Shutdown" => About::Service,
        _ => return None,
    })
}

/// Mozilla's numbers.
fn by_errno(errno: u64) -> Option<About> {
    Some(match errno {
        101 | 110..=113 => About::Message,
        102 | 103 | 105 | 106 => About::Gone,
        104 => About::Size,
        109 => About::Authorization,
        201 | 202 | 900..=903 => About::Service,
        _ => return None,
    })
}

/// RFC 8030, 7 and 8. Redirects are not followed, so one is as final as a refusal.
fn by_status(status: StatusCode) -> About {
    match status.as_u16() {
        401 | 403 => About::Authorization,
        404 | 410 => About::Gone,
        413 => About::Size,
        // Windows' service says 406 ("WNS HTTP response codes")
        406 | 429 => About::Pace,
        300..=399 | 400 | 402 | 405 | 407 | 409 | 411..=428 | 430..=499 => About::Message,
        _ => About::Service,
    }
}

#[cfg(test)]
mod tests;
