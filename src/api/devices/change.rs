//! From a request to a change of a device, checked.

use super::dto::DeviceRequest;
use super::token::Allows;
use crate::api::checks::Checks;
use crate::api::json::{Given, Reading, Unknown};
use crate::api::problem::{Code, Problem};
use crate::api::tags::{self, Tags};
use crate::domain::device::{Change, Device, DeviceChange, Environment, Platform, ProviderKind};
use crate::domain::name::check_user_id;
use crate::domain::principal::Principal;

const MAX_VERSION: usize = 64;
const MAX_MODEL: usize = 128;

/// Whether the stored device must be known before a request can be judged: it names a provider or a token, but no platform.
pub(super) fn needs_stored(request: &DeviceRequest) -> bool {
    let judges = matches!(request.provider, Given::Value(_) | Given::Null)
        || matches!(request.token, Given::Value(_))
        || matches!(request.environment, Given::Value(_));
    judges && request.platform.as_value().is_none()
}

/// Whether a token is judged by the platform's usual provider, while the stored device may have another.
pub(super) fn guesses_provider(request: &DeviceRequest) -> bool {
    request.platform.as_value().is_some() && request.provider == Given::Absent && request.token.as_value().is_some()
}

/// The change that a request asks for; `stored` where the device is known and matters.
pub(super) fn change(
    reading: Reading<DeviceRequest>,
    by: Principal,
    how: Tags,
    stored: Option<&Device>,
    allows: Allows<'_>,
) -> Result<DeviceChange, Problem> {
    let mut checks = Checks::with(reading.errors);
    let request = reading.value;
    if request.platform == Given::Null {
        checks.invalid("platform", "cannot be cleared");
    }
    if request.token == Given::Null {
        checks.invalid("token", "cannot be cleared");
    }
    check_texts(&request, Unknown::of(&by), &mut checks);
    let platform = request.platform.as_value().copied();
    let provider = provider_of(&request, stored);
    let known_platform = platform.or(stored.map(|device| device.platform));
    if let (Some(platform), Some(provider)) = (known_platform, provider)
        && !carries(provider, platform)
    {
        checks.invalid("provider", format_args!("{} cannot carry pushes to {}", provider.as_str(), platform.as_str()));
    }
    if request.environment.as_value() == Some(&Environment::Sandbox) && provider.is_some_and(|provider| provider != ProviderKind::Apns) {
        checks.invalid("environment", "sandbox is for apns only");
    }
    let token = match (request.token, provider) {
        (Given::Value(token), Some(provider)) => token.for_provider(provider, allows, &mut checks),
        (Given::Value(_), None) => {
            checks.required("platform");
            None
        }
        (Given::Absent | Given::Null, _) => None,
    };
    let change = DeviceChange {
        by,
        user: request.user_id.into_change(),
        platform,
        provider: if request.provider == Given::Absent { None } else { provider },
        environment: request.environment.into_change(),
        token,
        permission: request.permission.into_change(),
        timezone: request.timezone.into_change(),
        locale: request.locale.into_change(),
        app_version: request.app_version.into_change(),
        os_version: request.os_version.into_change(),
        model: request.model.into_change(),
        tags: tags::take(request.tags, how, &mut checks),
        imported: None,
    };
    checks.done(change)
}

/// Who will carry, as far as can be said: the one named, else the stored one while the platform stays, else the platform's usual one.
fn provider_of(request: &DeviceRequest, stored: Option<&Device>) -> Option<ProviderKind> {
    let platform = request.platform.as_value().copied().or(stored.map(|device| device.platform));
    match request.provider {
        Given::Value(provider) => Some(provider),
        Given::Null => platform.map(Platform::default_provider),
        Given::Absent => match stored {
            Some(device) if platform == Some(device.platform) => Some(device.provider),
            _ => platform.map(Platform::default_provider),
        },
    }
}

fn carries(provider: ProviderKind, platform: Platform) -> bool {
    match provider {
        ProviderKind::Apns => platform == Platform::Ios,
        ProviderKind::Fcm => true,
        ProviderKind::Webpush => platform == Platform::Web,
    }
}

fn check_texts(request: &DeviceRequest, unknown: Unknown, checks: &mut Checks) {
    if let Some(user) = request.user_id.as_value() {
        checks.name("user_id", user, check_user_id);
    }
    if let Some(zone) = request.timezone.as_value() {
        checks.zone_of("timezone", zone, unknown);
    }
    if let Some(locale) = request.locale.as_value() {
        checks.locale("locale", locale);
    }
    checks.line("app_version", request.app_version.as_value().map(String::as_str), MAX_VERSION);
    checks.line("os_version", request.os_version.as_value().map(String::as_str), MAX_VERSION);
    checks.line("model", request.model.as_value().map(String::as_str), MAX_MODEL);
}

/// Whether a stored device would turn a guess about its provider.
pub(super) fn turns_guess(change: &Result<DeviceChange, Problem>, stored: &Device) -> bool {
    let guessed = change.as_ref().ok().and_then(|change| change.token.as_ref()).map(crate::domain::device::PushToken::provider);
    guessed.is_none_or(|provider| provider != stored.provider)
}

/// 422 for a token that does not fit what the device has after the change.
pub(super) fn token_of_other_provider() -> Problem {
    Problem::invalid_field("token", "invalid", "does not fit the device's provider; give provider and token together")
}

/// Whether a change says whose the device is.
pub(super) fn names_user(change: &DeviceChange) -> bool {
    !matches!(change.user, Change::Keep)
}

/// 409 for a device that is another's, asked for without the token that it has.
pub(super) fn device_of_another_user() -> Problem {
    Problem::new(Code::DeviceOfAnotherUser, "this device is another user's, and the request does not carry its token: take a new id")
}
