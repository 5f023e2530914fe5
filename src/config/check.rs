//! What types cannot say: ranges, and settings that must fit each other.

use std::collections::BTreeMap;

use super::Settings;
use super::queue::QueueUrl;
use super::sections::{App, Database, DatabaseUrl};
use crate::domain::phone_settings::Poll;
use crate::domain::quiet_hours::QuietInterval;
use crate::domain::version::Version;
use crate::providers::InitError;
use crate::store::analytics::Retention;

/// A person's or an app's intervals, at most.
const MAX_INTERVALS: usize = 14;
/// The names in tokens, at most, in characters.
const MAX_NAME: usize = 256;
/// The longest time in days that a setting may name.
const MAX_DAYS: u32 = 3650;

/// Hands every problem to `report`, with its key.
pub(super) fn check(settings: &Settings, report: &mut dyn FnMut(&str, String)) {
    check_numbers(settings, report);
    if tracing_subscriber::EnvFilter::try_new(&settings.log.level).is_err() {
        report("log.level", "must be error, warn, info, debug or trace, or directives as info,herald::dispatch=debug".to_owned());
    }
    let most = settings.server.max_connections;
    if settings.server.max_connections_per_address.is_some_and(|part| !(1..=most).contains(&part)) {
        report("server.max_connections_per_address", format!("must be 1 to server.max_connections ({most})"));
    }
    if settings.server.admin_listen.is_some_and(|address| address == settings.server.listen && address.port() != 0) {
        report("server.admin_listen", "must be another address than server.listen".to_owned());
    }
    check_queue(settings, report);
    check_provider("webhooks", settings.webhooks.check(), report);
    let (dispatch, retry) = (&settings.dispatch, &settings.retry);
    if dispatch.send_timeout_seconds > dispatch.lease_seconds / 2 {
        report("dispatch.send_timeout_seconds", format!("must be at most half of dispatch.lease_seconds ({})", dispatch.lease_seconds));
    }
    if retry.max_seconds < retry.first_seconds {
        report("retry.max_seconds", format!("must be at least retry.first_seconds ({})", retry.first_seconds));
    }
    check_retention(&settings.database, report);
    check_sign_ins(settings, report);
    check_encryption(&settings.database, report);
    check_analytics(settings.analytics, report);
    for (name, app) in &settings.apps {
        check_app(name, app, report);
    }
}

/// Whose a token is must be told by its issuer and audience.
fn check_sign_ins(settings: &Settings, report: &mut dyn FnMut(&str, String)) {
    let own = &settings.client_tokens.issuer;
    check_name("client_tokens.issuer", own, report);
    let mut taken = BTreeMap::new();
    for (name, app) in &settings.apps {
        let Some(sign_in) = &app.sign_in else { continue };
        let key = |last: &str| format!("apps.{name}.sign_in.{last}");
        let names = [("issuer", &sign_in.issuer), ("audience", &sign_in.audience), ("user_claim", &sign_in.user_claim)];
        for (last, text) in names.into_iter().chain(sign_in.device_claim.as_ref().map(|claim| ("device_claim", claim))) {
            check_name(&key(last), text, report);
        }
        if sign_in.issuer == *own {
            report(&key("issuer"), "is that of client tokens, see client_tokens.issuer".to_owned());
        }
        if let Some(other) = taken.insert((&sign_in.issuer, &sign_in.audience), name) {
            report(&key("audience"), format!("is that of apps.{other}.sign_in with the same issuer: a token would be for both"));
        }
    }
}

fn check_name(key: &str, text: &str, report: &mut dyn FnMut(&str, String)) {
    if text.is_empty() || text.chars().count() > MAX_NAME || text.chars().any(char::is_control) {
        report(key, format!("must have 1 to {MAX_NAME} characters, none of them a control character"));
    }
}

/// The longest life of a notification is 28 days: what may still be sent is not forgotten.
fn check_retention(database: &Database, report: &mut dyn FnMut(&str, String)) {
    if database.retention_days.is_some_and(|days| !(29..=MAX_DAYS).contains(&days)) {
        report("database.retention_days", format!("must be 29 to {MAX_DAYS}"));
    }
}

fn check_encryption(database: &Database, report: &mut dyn FnMut(&str, String)) {
    let (key, file) = ("database.encryption_key", database.encryption_key_file.as_ref());
    if database.encryption_key.is_some() && file.is_some() {
        report(key, "goes without database.encryption_key_file".to_owned());
    }
    match (database.seal(), file) {
        (Ok(_), _) => {}
        (Err(error), Some(path)) => report("database.encryption_key_file", format!("names {}, which {error}", path.display())),
        (Err(error), None) => report(key, error.to_string()),
    }
}

/// What is coarser is kept as long at least: a longer range is then known in less detail, and never less than a shorter one.
fn check_analytics(kept: Retention, report: &mut dyn FnMut(&str, String)) {
    let Retention { minute_days, hour_days, day_days } = kept;
    for (key, days, most) in [
        ("analytics.minute_days", minute_days, 366),
        ("analytics.hour_days", hour_days, MAX_DAYS),
        ("analytics.day_days", day_days, MAX_DAYS),
    ] {
        if !(1..=most).contains(&days) {
            report(key, format!("must be 1 to {most}"));
        }
    }
    if hour_days < minute_days {
        report("analytics.hour_days", format!("must be at least analytics.minute_days ({minute_days})"));
    }
    if day_days < hour_days {
        report("analytics.day_days", format!("must be at least analytics.hour_days ({hour_days})"));
    }
}

/// A setting without effect is refused, since whoever wrote it counts on it.
fn check_queue(settings: &Settings, report: &mut dyn FnMut(&str, String)) {
    let queue = &settings.queue;
    let (has_password, is_tls) = match &queue.url {
        QueueUrl::Embedded => (false, false),
        QueueUrl::Redis(url) => (url.has_password(), url.is_tls()),
    };
    if let (QueueUrl::Redis(_), DatabaseUrl::Sqlite(_)) = (&queue.url, &settings.database.url) {
        report("queue.url", "names Redis, which does not go with SQLite: nodes share PostgreSQL, see database.url".to_owned());
    }
    if queue.password_file.is_some() && (has_password || queue.url == QueueUrl::Embedded) {
        report("queue.password_file", "goes with a queue.url that names Redis without a password".to_owned());
    }
    if queue.ca_file.is_some() && !is_tls {
        report("queue.ca_file", "goes with a queue.url of rediss:// only".to_owned());
    }
}

fn check_numbers(settings: &Settings, report: &mut dyn FnMut(&str, String)) {
    let as_u64 = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    let ranges = [
        ("server.header_timeout_seconds", settings.server.header_timeout_seconds, 1, 300),
        ("server.body_timeout_seconds", settings.server.body_timeout_seconds, 1, 3600),
        ("server.idle_timeout_seconds", settings.server.idle_timeout_seconds, 1, 3600),
        ("server.write_timeout_seconds", settings.server.write_timeout_seconds, 1, 600),
        ("server.max_connections", as_u64(settings.server.max_connections), 10, 1_000_000),
        ("server.max_requests", as_u64(settings.server.max_requests), 10, 100_000),
        ("server.max_in_flight_mib", as_u64(settings.server.max_in_flight_mib), 16, 65_536),
        ("database.connections", u64::from(settings.database.connections), 4, 500),
        ("audit.retention_days", u64::from(settings.audit.retention_days), 1, u64::from(MAX_DAYS)),
        ("queue.window", as_u64(settings.queue.window), 100, 1_000_000),
        ("dispatch.lease_seconds", settings.dispatch.lease_seconds, 5, 300),
        ("dispatch.permits", as_u64(settings.dispatch.permits), 1, 100_000),
        ("dispatch.send_timeout_seconds", settings.dispatch.send_timeout_seconds, 1, 60),
        ("dispatch.grace_seconds", settings.dispatch.grace_seconds, 0, 300),
        ("client_tokens.access_seconds", settings.client_tokens.access_seconds.into(), 1, 86_400),
        ("client_tokens.refresh_days", settings.client_tokens.refresh_days.into(), 1, 365),
        ("client_tokens.key_days", settings.client_tokens.key_days.into(), 1, 365),
        ("retry.first_seconds", settings.retry.first_seconds, 1, 3600),
        ("retry.max_seconds", settings.retry.max_seconds, 1, 86_400),
    ];
    for (key, number, least, most) in ranges {
        if !(least..=most).contains(&number) {
            report(key, format!("must be {least} to {most}"));
        }
    }
}

fn check_app(name: &str, app: &App, report: &mut dyn FnMut(&str, String)) {
    if !is_app_name(name) {
        report(&format!("apps.{name}"), "must be named with 1 to 64 of a-z, 0-9, - and _, without __".to_owned());
    }
    let key = format!("apps.{name}.default_quiet_hours");
    if app.default_quiet_hours.len() > MAX_INTERVALS {
        report(&key, format!("has more than {MAX_INTERVALS} intervals"));
    }
    for (index, interval) in app.default_quiet_hours.iter().enumerate() {
        check_interval(&format!("{key}[{index}]"), interval, report);
    }
    check_staleness(name, app, report);
    check_phones(name, app, report);
    if let Some(apns) = &app.apns {
        for problem in apns.problems() {
            check_provider(&format!("apps.{name}.apns"), Err(problem), report);
        }
    }
    if let Some(fcm) = &app.fcm {
        check_provider(&format!("apps.{name}.fcm"), fcm.check(), report);
    }
    if let Some(webpush) = &app.webpush {
        check_provider(&format!("apps.{name}.webpush"), webpush.check(), report);
    }
}

/// A device that is inactive is in no audience: to leave it out from later on would be without effect.
fn check_staleness(name: &str, app: &App, report: &mut dyn FnMut(&str, String)) {
    for (key, days, least) in [("stale_after_days", app.stale_after_days, 7), ("deactivate_after_days", app.deactivate_after_days, 30)] {
        if days.is_some_and(|days| !(least..=MAX_DAYS).contains(&days)) {
            report(&format!("apps.{name}.{key}"), format!("must be {least} to {MAX_DAYS}"));
        }
    }
    if let (Some(stale), Some(inactive)) = (app.stale_after_days, app.deactivate_after_days)
        && stale >= inactive
    {
        report(&format!("apps.{name}.stale_after_days"), format!("must be less than deactivate_after_days ({inactive})"));
    }
}

/// What phones are told.
fn check_phones(name: &str, app: &App, report: &mut dyn FnMut(&str, String)) {
    for (platform, version) in app.min_app_version.all() {
        if Version::read(version).is_none() {
            report(&format!("apps.{name}.min_app_version.{}", platform.as_str()), "must be a version, as 3.10.2".to_owned());
        }
    }
    for (platform, url) in app.upgrade_url.all() {
        let is_link = url.parse::<http::Uri>().is_ok_and(|uri| uri.scheme_str() == Some("https") && uri.authority().is_some());
        if !is_link {
            report(&format!("apps.{name}.upgrade_url.{}", platform.as_str()), "must be an https: URL".to_owned());
        }
    }
    let Poll { inbox_seconds, preferences_seconds } = app.poll;
    for (key, seconds) in [("inbox_seconds", inbox_seconds), ("preferences_seconds", preferences_seconds)] {
        if !(10..=86_400).contains(&seconds) {
            report(&format!("apps.{name}.poll.{key}"), "must be 10 to 86400".to_owned());
        }
    }
}

fn check_provider(section: &str, result: Result<(), InitError>, report: &mut dyn FnMut(&str, String)) {
    match result {
        Ok(()) => {}
        Err(InitError::Invalid { key, message }) => report(&format!("{section}.{key}"), message.to_owned()),
        Err(InitError::Origin { key, problem }) => report(&format!("{section}.{key}"), problem.to_string()),
        Err(InitError::Proxy { key, problem }) => report(&format!("{section}.{key}"), problem.to_string()),
        Err(other) => report(section, other.to_string()),
    }
}

/// Names are part of variables (`HERALD__APPS__DEMO__…`), where case is lost and two underscores part two keys.
fn is_app_name(name: &str) -> bool {
    let is_known = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_';
    (1..=64).contains(&name.len()) && name.bytes().all(is_known) && !name.contains("__")
}

fn check_interval(key: &str, interval: &QuietInterval, report: &mut dyn FnMut(&str, String)) {
    if interval.start == interval.end {
        report(key, "must not end when it starts".to_owned());
    }
    if interval.days.as_ref().is_some_and(Vec::is_empty) {
        report(&format!("{key}.days"), "must name a day; leave it out for all of them".to_owned());
    }
}
