//! The gate: whether, when and why not a push may reach a person. It asks one plain question after the other; the first that
//! finds a reason decides.
//!
//! It knows no clock and remembers nothing: the same question at the same instant always gets the same answer. Frequency caps are
//! not its business, since they need to know what else was sent.

use chrono_tz::Tz;

use super::Timestamp;
use super::decision::{Decision, Question};
use super::device::{Permission, Platform, ProviderKind};
use super::due::{due_at, ends_at, expires_at};
use super::notification::{InQuietHours, Priority};
use super::preferences::CategoryChoice;
use super::quiet_hours::{Quiet, QuietInterval, next_quiet, quiet_at};
use super::reason::{SuppressReason, WaitReason};
use super::zone::effective_zone;

/// What becomes of a push at a device, judged at `now`.
///
/// What a person wants is asked only once the push is due: until then they may change their mind.
pub fn decide(now: Timestamp, question: &Question<'_>) -> Decision {
    let zone = zone_of(question);

    if !can_take_this_kind(question) {
        return Decision::Suppress(SuppressReason::Unsupported);
    }
    let Some(due) = due_at(&question.push, zone) else {
        return Decision::Suppress(SuppressReason::SkippedPastLocalTime);
    };
    if due > now && due >= ends_at(&question.push, zone) {
        return Decision::Suppress(SuppressReason::WouldExpire);
    }
    if due > now {
        return Decision::Defer { until: due, reason: WaitReason::Scheduled };
    }
    if !wants_pushes(question) {
        return Decision::Suppress(SuppressReason::PushOff);
    }
    if !wants_this_category(question) {
        return Decision::Suppress(SuppressReason::CategoryOff);
    }
    if !would_be_shown(question) {
        return Decision::Suppress(SuppressReason::PermissionDenied);
    }
    if ends_at(&question.push, zone) <= now {
        return Decision::Expire;
    }
    if !is_held_by_quiet_hours(question) {
        return Decision::Send { until: None };
    }
    match quiet_or_muted(now, zone, question) {
        Quiet::No => Decision::Send { until: next_quiet(now, zone, quiet_hours(question)) },
        Quiet::Until(_) | Quiet::Always if question.push.in_quiet_hours == InQuietHours::Drop => {
            Decision::Suppress(SuppressReason::QuietHours)
        }
        Quiet::Until(end) if end < expires_at(&question.push, zone) => Decision::Defer { until: end, reason: WaitReason::QuietHours },
        Quiet::Until(_) | Quiet::Always => Decision::Suppress(SuppressReason::WouldExpire),
    }
}

/// The instant at which a push could be sent to a device at the earliest: when it is due there, or the end of the quiet hours in which that
/// lies. What was sent later has waited for something else. `None`: its local time had passed, and it is left out.
pub fn earliest(question: &Question<'_>) -> Option<Timestamp> {
    let due = due_at(&question.push, zone_of(question))?;
    match decide(due, question) {
        Decision::Defer { until, .. } => Some(until),
        Decision::Send { .. } | Decision::Suppress(_) | Decision::Expire => Some(due),
    }
}

/// Which timezone counts? The device's, else its person's, else the app's; one that is not known is passed over.
pub fn zone_of(question: &Question<'_>) -> Tz {
    let person = question.preferences.and_then(|preferences| preferences.timezone.as_deref());
    effective_zone(question.device.timezone, person, question.defaults.timezone)
}

/// Can the device take this kind of push? Browsers revoke subscriptions that show nothing, so silent pushes never go to them.
fn can_take_this_kind(question: &Question<'_>) -> bool {
    let browser = question.device.platform == Platform::Web || question.device.provider == ProviderKind::Webpush;
    !(question.push.silent && browser)
}

/// Does the person want pushes at all? Silent ones show nothing and are not asked about.
fn wants_pushes(question: &Question<'_>) -> bool {
    question.push.silent || question.preferences.and_then(|preferences| preferences.channels.push) != Some(false)
}

/// Does the person want this category? Their own switch, else the app's default; a required category cannot be switched off.
/// It holds for silent and for critical pushes too.
fn wants_this_category(question: &Question<'_>) -> bool {
    if question.push.category.is_none() {
        return true;
    }
    let switch = choice(question).and_then(|choice| choice.push);
    question.push.declared.map_or(switch.unwrap_or(true), |category| category.is_wanted(switch))
}

/// Would the system show it? Silent pushes need no permission.
fn would_be_shown(question: &Question<'_>) -> bool {
    question.push.silent || question.device.permission != Permission::Denied
}

/// Do quiet hours and mutes hold this push? Not if it is critical or silent, not if its sender or its category ignores them, and not
/// if the person lets the category through.
fn is_held_by_quiet_hours(question: &Question<'_>) -> bool {
    let push = &question.push;
    let let_through = choice(question).and_then(|choice| choice.in_quiet_hours) == Some(true);
    let category_bypasses = push.declared.is_some_and(|category| category.bypass_quiet_hours);
    let sender_ignores = push.in_quiet_hours == InQuietHours::Ignore || push.priority == Priority::Critical;
    !(push.silent || sender_ignores || category_bypasses || let_through)
}

/// Is it quiet for this person now? A mute counts as quiet hours, and where one runs into the other they are one.
fn quiet_or_muted(now: Timestamp, zone: Tz, question: &Question<'_>) -> Quiet {
    let muted_until = question.preferences.and_then(|preferences| preferences.muted_until).filter(|until| *until > now);
    match (muted_until, quiet_at(muted_until.unwrap_or(now), zone, quiet_hours(question))) {
        (Some(until), Quiet::No) => Quiet::Until(until),
        (_, quiet) => quiet,
    }
}

/// Which quiet hours count? The person's, also if they chose to have none; else the app's.
fn quiet_hours<'a>(question: &Question<'a>) -> &'a [QuietInterval] {
    question.preferences.and_then(|preferences| preferences.quiet_hours.as_deref()).unwrap_or(&question.defaults.quiet_hours)
}

/// What did the person choose for this category?
fn choice<'a>(question: &Question<'a>) -> Option<&'a CategoryChoice> {
    question.preferences?.categories.get(question.push.category?)
}

#[cfg(test)]
mod tests;
