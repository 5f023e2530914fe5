//! What follows an attempt, as far as nothing changed since its message was claimed.

use super::super::webhook::{DueMessage, MessageStatus, Next};
use crate::domain::Timestamp;
use crate::domain::webhook::Disabled;
use crate::domain::webhook::attempt::is_failing;

/// What an attempt meets when it is noted, all of it locked.
pub(in crate::store) struct Met {
    /// The message waits, under the lease of that attempt.
    pub(in crate::store) is_held: bool,
    /// Until when the message is tried; `None`: it is gone.
    pub(in crate::store) until: Option<Timestamp>,
    /// Where the webhook is.
    pub(in crate::store) url: String,
    /// Since when it fails.
    pub(in crate::store) failing_since: Option<Timestamp>,
}

/// What an attempt says of its webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) enum Health {
    /// Nothing.
    Unknown,
    /// It is well.
    Well,
    /// It failed, and may have to be disabled.
    Failed(Option<Disabled>),
}

/// What follows an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) struct Follows {
    /// How the message stands.
    pub(in crate::store) status: MessageStatus,
    /// When it is due; `None`: as before.
    pub(in crate::store) due: Option<Timestamp>,
    /// What is said of the webhook.
    pub(in crate::store) health: Health,
}

/// What follows an attempt at a message that was claimed so; `None`: nothing.
pub(in crate::store) fn follows(next: Next, claimed: &Claimed, met: &Met, now: Timestamp) -> Option<Follows> {
    let is_replayed = met.until.is_some_and(|until| until != claimed.until);
    let is_there = met.url == claimed.url;
    let health = |health| if is_there { health } else { Health::Unknown };
    let (failed, disables) = (health(Health::Failed(None)), |why| health(Health::Failed(Some(why))));
    let over = |health| Some(Follows { status: MessageStatus::Failed, due: None, health });
    let again = |at, health| Some(Follows { status: MessageStatus::Waiting, due: Some(at), health });
    match next {
        Next::Delivered => {
            let delivered = Follows { status: MessageStatus::Delivered, due: None, health: health(Health::Well) };
            (met.is_held || !is_replayed).then_some(delivered)
        }
        _ if !met.is_held => None,
        Next::Missed => {
            if is_replayed {
                again(now, Health::Unknown)
            } else {
                over(Health::Unknown)
            }
        }
        _ if is_replayed => again(now, failed),
        Next::Again(at) => again(at, failed),
        Next::GivenUp => over(failed),
        Next::Disable(Disabled::Failing) if !is_failing(met.failing_since, claimed.until) => over(failed),
        Next::Disable(Disabled::Gone) if !is_there => again(now, failed),
        Next::Disable(why) => over(disables(why)),
    }
}

/// What is compared of a claimed message when what came of it is noted.
pub(in crate::store) struct Claimed {
    /// Where it was posted.
    pub(in crate::store) url: String,
    /// Until when it was to be tried.
    pub(in crate::store) until: Timestamp,
    /// When its lease was to be over.
    pub(in crate::store) lease_until: Timestamp,
}

impl From<&DueMessage> for Claimed {
    fn from(message: &DueMessage) -> Self {
        Self { url: message.url.clone(), until: message.until, lease_until: message.lease_until }
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    fn at(hours: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + TimeDelta::hours(hours)
    }

    fn claimed() -> Claimed {
        Claimed { url: "a".to_owned(), until: at(72), lease_until: at(9) }
    }

    fn unchanged() -> Met {
        Met { is_held: true, until: Some(at(72)), url: "a".to_owned(), failing_since: None }
    }

    fn after(next: Next, met: &Met) -> Option<(MessageStatus, Option<Timestamp>, Health)> {
        follows(next, &claimed(), met, at(5)).map(|follows| (follows.status, follows.due, follows.health))
    }

    const ALL: [Next; 6] = [
        Next::Delivered,
        Next::Again(Timestamp::UNIX_EPOCH),
        Next::GivenUp,
        Next::Missed,
        Next::Disable(Disabled::Gone),
        Next::Disable(Disabled::Failing),
    ];
    const FAILED: Health = Health::Failed(None);

    #[test]
    fn where_nothing_changed_it_counts() {
        for (next, expected) in [
            (Next::Delivered, (MessageStatus::Delivered, None, Health::Well)),
            (Next::Again(at(6)), (MessageStatus::Waiting, Some(at(6)), FAILED)),
            (Next::GivenUp, (MessageStatus::Failed, None, FAILED)),
            (Next::Missed, (MessageStatus::Failed, None, Health::Unknown)),
            (Next::Disable(Disabled::Gone), (MessageStatus::Failed, None, Health::Failed(Some(Disabled::Gone)))),
            (Next::Disable(Disabled::Failing), (MessageStatus::Failed, None, FAILED)),
        ] {
            assert_eq!(after(next, &unchanged()), Some(expected), "{next:?}");
        }
    }

    #[test]
    fn without_a_lease_only_what_was_delivered_counts() {
        for next in ALL {
            let met = Met { is_held: false, ..unchanged() };
            let delivered = (next == Next::Delivered).then_some((MessageStatus::Delivered, None, Health::Well));
            assert_eq!(after(next, &met), delivered, "{next:?}");
            assert_eq!(after(next, &Met { until: Some(at(80)), ..met }), None, "{next:?}, replayed");
        }
    }

    #[test]
    fn what_was_replayed_meanwhile_is_due_again_if_it_failed() {
        for next in ALL {
            let health = match next {
                Next::Delivered => Health::Well,
                Next::Missed => Health::Unknown,
                _ => FAILED,
            };
            let expected = if next == Next::Delivered {
                (MessageStatus::Delivered, None, health)
            } else {
                (MessageStatus::Waiting, Some(at(5)), health)
            };
            assert_eq!(after(next, &Met { until: Some(at(80)), ..unchanged() }), Some(expected), "{next:?}");
        }
    }

    #[test]
    fn the_old_place_says_nothing_of_the_webhook() {
        for next in ALL {
            let moved = after(next, &Met { url: "b".to_owned(), failing_since: Some(at(0)), ..unchanged() }).unwrap();
            assert_eq!(moved.2, Health::Unknown, "{next:?}");
            if next == Next::Disable(Disabled::Gone) {
                assert_eq!((moved.0, moved.1), (MessageStatus::Waiting, Some(at(5))), "the new one may want it");
            }
        }
    }

    #[test]
    fn a_webhook_is_disabled_that_failed_all_along() {
        for (since, disabled) in [(None, None), (Some(at(0)), Some(Disabled::Failing)), (Some(at(1)), None)] {
            let met = Met { failing_since: since, ..unchanged() };
            let expected = (MessageStatus::Failed, None, Health::Failed(disabled));
            assert_eq!(after(Next::Disable(Disabled::Failing), &met), Some(expected), "{since:?}");
        }
    }
}
