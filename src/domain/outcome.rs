//! What a provider said of one send, in the one classification that decides everything downstream.

use std::time::Duration;

use super::Timestamp;
use super::device::Environment;

/// The end of one request to a provider. Only the provider modules know raw codes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The provider took it. That is not yet delivery.
    Accepted {
        /// The provider's own id of the message, where it gives one worth keeping (FCM).
        message_id: Option<String>,
        /// Apple's other service, if it was that which took it: the device is registered with the wrong one.
        environment: Option<Environment>,
    },
    /// The address is dead. `since`: the provider's own instant, where it gives one (APNs 410).
    TokenDead {
        /// From when on; a registration after it keeps its token.
        since: Option<Timestamp>,
        /// The provider's word.
        reason: Reason,
    },
    /// The address belongs to another environment, topic or sender.
    TokenMismatched {
        /// The provider's word.
        reason: Reason,
    },
    /// This message can never be sent as it is; the address is innocent.
    MessageRejected {
        /// The provider's word.
        reason: Reason,
        /// Whether its size is what is wrong.
        too_large: bool,
    },
    /// Key, project or topic is wrong: every send would fail alike.
    CredentialRefused {
        /// The provider's word.
        reason: Reason,
        /// What of the lane is affected.
        scope: RefusalScope,
    },
    /// The provider asks for patience.
    Throttled {
        /// `Retry-After`, or the wait that the provider's rules ask for.
        retry_after: Option<Duration>,
        /// The provider's word.
        reason: Reason,
        /// Whether it is this address or all of the lane.
        scope: ThrottleScope,
    },
    /// Nothing was handed over: while it waited for a stream its lease, its life or the time before quiet hours ran out. No verdict on anything.
    Withheld,
    /// It could not be reached, or failed. The push may or may not have arrived.
    Unavailable {
        /// `Retry-After`, or the wait that the provider's rules ask for.
        retry_after: Option<Duration>,
        /// The provider's word, or what the connection suffered.
        reason: Reason,
        /// Whose fault it is.
        fault: Fault,
    },
}

impl Outcome {
    /// The same of a push that names no token: what a provider says of one is about the message then, and costs nobody a device.
    #[must_use]
    pub fn without_token(self) -> Self {
        match self {
            Self::TokenDead { reason, .. } | Self::TokenMismatched { reason } => Self::MessageRejected { reason, too_large: false },
            other => other,
        }
    }

    /// Which one, in a word of the design.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Accepted { .. } => "accepted",
            Self::TokenDead { .. } => "token_dead",
            Self::TokenMismatched { .. } => "token_mismatched",
            Self::MessageRejected { .. } => "message_rejected",
            Self::CredentialRefused { .. } => "credential_refused",
            Self::Throttled { .. } => "throttled",
            Self::Withheld => "withheld",
            Self::Unavailable { .. } => "unavailable",
        }
    }
}

/// The provider's own word for an outcome, at most 64 characters of `A-Za-z0-9_ .-`, safe to store and to log.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Reason(String);

impl Reason {
    /// Keeps what is harmless of `text`.
    pub fn new(text: &str) -> Self {
        Self(text.chars().filter(|c| c.is_ascii_alphanumeric() || "_ .-".contains(*c)).take(64).collect())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which sends a refused credential stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RefusalScope {
    /// Everything of the lane.
    Lane,
    /// What the provider forwards to Apple and browsers; Android goes on (FCM's `THIRD_PARTY_AUTH_ERROR`).
    IosAndWeb,
}

/// Whose fault it is that a push came to nothing for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The provider's: it said so itself (a 5xx).
    Answered,
    /// The provider's or the network's: nothing was heard.
    Silent,
    /// Not that of the peer whose push it is: this node had too much under way for it, or somebody else was asked as well. It says nothing of
    /// the peer.
    Elsewhere,
}

/// Whom the provider wants spared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ThrottleScope {
    /// This address only (APNs `TooManyRequests`).
    Token,
    /// The lane (FCM's project quota).
    Lane,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_token_nobody_s_is_judged() {
        let reason = Reason::new("INVALID_ARGUMENT");
        let rejected = Outcome::MessageRejected { reason: reason.clone(), too_large: false };
        let dead = Outcome::TokenDead { since: None, reason: reason.clone() };
        let mismatched = Outcome::TokenMismatched { reason: reason.clone() };
        let refused = Outcome::CredentialRefused { reason, scope: RefusalScope::Lane };
        for (outcome, expected) in [(dead, &rejected), (mismatched, &rejected), (rejected.clone(), &rejected), (refused.clone(), &refused)]
        {
            assert_eq!(outcome.without_token(), *expected);
        }
    }
}
