//! An audience that the provider fans out to: what it may be, and what of a notification cannot stand beside it.

use super::dto::{BroadcastRequest, NotificationRequest};
use crate::api::checks::Checks;
use crate::domain::broadcast::{Broadcast, BroadcastError};
use crate::domain::device::Environment;
use crate::domain::notification::InQuietHours;

const AT: &str = "to.broadcast";

/// The broadcast that is asked for; `None` with what is wrong noted.
pub(super) fn take(request: BroadcastRequest, checks: &mut Checks) -> Option<Broadcast> {
    let BroadcastRequest { fcm_topic, fcm_condition, apns_channel, environment } = request;
    let given = [fcm_topic.is_some(), fcm_condition.is_some(), apns_channel.is_some()].into_iter().filter(|given| *given).count();
    if given > 1 || (given == 0 && !checks.has_below(AT)) {
        checks.invalid(AT, "must have exactly one of fcm_topic, fcm_condition, apns_channel");
    }
    if environment.is_some() && apns_channel.is_none() {
        checks.invalid("to.broadcast.environment", "is only for apns_channel");
    }
    let topic = fcm_topic.and_then(|name| checked("fcm_topic", name.try_into().map(Broadcast::FcmTopic), checks));
    let condition = fcm_condition.and_then(|text| checked("fcm_condition", text.try_into().map(Broadcast::FcmCondition), checks));
    let environment: Environment = environment.unwrap_or_default();
    let of_apple = |channel| Broadcast::ApnsChannel { channel, environment };
    let channel = apns_channel.and_then(|id| checked("apns_channel", id.try_into().map(of_apple), checks));
    topic.or(condition).or(channel)
}

fn checked(field: &str, broadcast: Result<Broadcast, BroadcastError>, checks: &mut Checks) -> Option<Broadcast> {
    broadcast.map_err(|error| checks.invalid(format_args!("{AT}.{field}"), error)).ok()
}

/// Notes what needs to know who the people are: nobody but the provider does.
pub(super) fn check_beside(request: &NotificationRequest, checks: &mut Checks) {
    if request.in_quiet_hours != Some(InQuietHours::Ignore) {
        checks.invalid("in_quiet_hours", "must be ignore beside a broadcast: nobody's quiet hours are known");
    }
    if request.send_at_local.is_some() {
        checks.invalid("send_at_local", "cannot stand beside a broadcast: nobody's timezone is known");
    }
    if request.localized.is_some() {
        checks.invalid("localized", "cannot stand beside a broadcast: nobody's locale is known");
    }
    if request.test == Some(true) {
        checks.invalid("test", "cannot stand beside a broadcast, which goes to everybody who subscribed");
    }
}
