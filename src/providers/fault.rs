//! What a request without an answer comes to, and how long a provider asks to wait: alike for all who use HTTP/2.

use std::time::Duration;

use super::http2::{Answer, ConnectError, Error, retry_after};
use super::{Context, Outcome};
use crate::domain::outcome::Reason;

/// The outcome of a request that got no answer.
pub(super) fn outcome(error: &Error) -> Outcome {
    let reason = Reason::new(error.word());
    match error {
        Error::Withheld => Outcome::Withheld,
        Error::Malformed => Outcome::MessageRejected { reason, too_large: false },
        // nobody is connected to there, now or later: that costs no retries, and no device for what a resolver said
        Error::Connect(cause) | Error::BackingOff { cause, .. } if matches!(**cause, ConnectError::Forbidden) => {
            Outcome::MessageRejected { reason, too_large: false }
        }
        Error::BackingOff { left, .. } => Outcome::Unavailable { retry_after: Some(*left), reason, answered: false },
        Error::Connect(_)
        | Error::NoStream
        | Error::Refused
        | Error::ShuttingDown
        | Error::TimedOut
        | Error::Reset(_)
        | Error::Lost
        | Error::AnswerTooLarge(_) => Outcome::Unavailable { retry_after: None, reason, answered: false },
    }
}

/// How long an answer asks to wait.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Patience {
    /// `Retry-After`: always kept.
    pub(super) retry_after: Option<Duration>,
    /// Whether the provider's own rules hold where there is none.
    pub(super) floors: bool,
}

impl Patience {
    /// What `answer` asks for.
    pub(super) fn of(answer: &Answer, context: &Context) -> Self {
        Self { retry_after: retry_after(&answer.headers, context.clock.now()), floors: context.provider_floors }
    }

    /// What was asked for, else `floor` if such rules hold.
    pub(super) fn or(self, floor: Duration) -> Option<Duration> {
        self.retry_after.or(self.floors.then_some(floor))
    }
}
