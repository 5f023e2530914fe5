//! What an outcome says of the peer itself, whatever it says of the push.

use crate::domain::outcome::{Outcome, ThrottleScope};

/// Of a peer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    /// It works.
    Fine,
    /// It works, and asks for patience.
    Patience,
    /// It fails, and says so itself or does not.
    Failed { answered: bool },
}

impl Word {
    pub(super) fn of(outcome: &Outcome) -> Option<Self> {
        match outcome {
            Outcome::Unavailable { answered, .. } => Some(Self::Failed { answered: *answered }),
            Outcome::Throttled { scope: ThrottleScope::Lane, .. } => Some(Self::Patience),
            Outcome::Throttled { scope: ThrottleScope::Token, .. }
            | Outcome::Accepted { .. }
            | Outcome::TokenDead { .. }
            | Outcome::TokenMismatched { .. }
            | Outcome::MessageRejected { .. }
            | Outcome::CredentialRefused { .. } => Some(Self::Fine),
            Outcome::Withheld => None,
        }
    }
}
