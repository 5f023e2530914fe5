//! When a push is due at a device, and when its time is over.

use chrono::TimeDelta;
use chrono_tz::Tz;

use super::Timestamp;
use super::decision::Push;
use super::local_time::first_instant;
use super::notification::{IfPast, Lifetime, When};

/// How late a push of `ttl_seconds` 0 may still be sent for the first time, in seconds: "now" has to last as long as it takes to get there,
/// the lease of a node that died included.
pub const NOW_OR_NEVER_GRACE: i64 = 60;

/// The instant at which a push is due at a device in `zone`: its `send_at` or local time, and not before the notification began.
///
/// `None`: the local time had passed when the notification began, and such devices are left out.
pub fn due_at(push: &Push<'_>, zone: Tz) -> Option<Timestamp> {
    match push.when {
        When::At(at) => Some(at.max(push.start_at)),
        When::Local { time, if_past } => {
            let at = first_instant(zone, time);
            (at >= push.start_at || if_past == IfPast::Send).then(|| at.max(push.start_at))
        }
    }
}

/// The instant from which on a push is of no use to a device in `zone`: what providers are told, and what no wait and no retry may reach.
///
/// With `ttl_seconds` 0 that is the instant at which it is due, so that it can neither be deferred nor tried again.
pub fn expires_at(push: &Push<'_>, zone: Tz) -> Timestamp {
    match push.lifetime {
        Lifetime::Until(at) => at,
        Lifetime::Seconds(seconds) => {
            let due = due_at(push, zone).unwrap_or(push.start_at);
            due.checked_add_signed(TimeDelta::seconds(i64::from(seconds))).unwrap_or(Timestamp::MAX_UTC)
        }
    }
}

/// The instant from which on a push is not sent to a device in `zone` any more: its expiry, or with `ttl_seconds` 0 a minute after it was due.
/// Work rows end by this.
pub fn ends_at(push: &Push<'_>, zone: Tz) -> Timestamp {
    let expires_at = expires_at(push, zone);
    if push.lifetime == Lifetime::Seconds(0) {
        expires_at.checked_add_signed(TimeDelta::seconds(NOW_OR_NEVER_GRACE)).unwrap_or(Timestamp::MAX_UTC)
    } else {
        expires_at
    }
}
