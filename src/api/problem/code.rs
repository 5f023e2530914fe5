//! The stable words of the contract for what can go wrong.

use http::StatusCode;

/// The stable words of the contract, each with its status and its title.
macro_rules! codes {
    ($($variant:ident = $status:ident, $code:literal, $title:literal;)*) => {
        /// What went wrong, machine-readable.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Code { $($variant,)* }

        impl Code {
            #[cfg(test)]
            pub(crate) const ALL: &'static [Self] = &[$(Self::$variant,)*];

            pub(crate) fn status(self) -> StatusCode {
                match self { $(Self::$variant => StatusCode::$status,)* }
            }

            pub(crate) fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $code,)* }
            }

            pub(super) fn type_uri(self) -> &'static str {
                match self { $(Self::$variant => concat!("urn:herald:", $code),)* }
            }

            pub(super) fn title(self) -> &'static str {
                match self { $(Self::$variant => $title,)* }
            }
        }
    };
}

codes! {
    BadJson = BAD_REQUEST, "bad_json", "The body is not JSON";
    BadRequest = BAD_REQUEST, "bad_request", "The request cannot be read";
    KeyInvalid = UNAUTHORIZED, "key_invalid", "The API key is missing, unknown or expired";
    TokenExpired = UNAUTHORIZED, "token_expired", "The access token has expired: refresh it";
    TokenInvalid = UNAUTHORIZED, "token_invalid", "The token is none of ours: sign in again";
    TokenRevoked = UNAUTHORIZED, "token_revoked", "The token was revoked: sign in again";
    RefreshTokenReused = UNAUTHORIZED, "refresh_token_reused", "The refresh token was spent: sign in again";
    ScopeMissing = FORBIDDEN, "scope_missing", "The credential lacks a scope";
    UserMismatch = FORBIDDEN, "user_mismatch", "The client token is another user's";
    NotFound = NOT_FOUND, "not_found", "There is no such thing";
    MethodNotAllowed = METHOD_NOT_ALLOWED, "method_not_allowed", "The method is not allowed here";
    RequestTimeout = REQUEST_TIMEOUT, "request_timeout", "The body did not arrive in time";
    IdempotencyInProgress = CONFLICT, "idempotency_in_progress", "The first request with this idempotency key is being handled";
    DeviceOfAnotherUser = CONFLICT, "device_of_another_user", "The device is another user's";
    CampaignStarted = CONFLICT, "campaign_started", "The campaign was started";
    InvalidTransition = CONFLICT, "invalid_transition", "From where it is there is no such step";
    KeyRotated = CONFLICT, "key_rotated", "Another key took its place";
    TooManyWebhooks = CONFLICT, "too_many_webhooks", "The app has as many webhooks as it may";
    KeyExpired = CONFLICT, "key_expired", "The key has expired";
    Stale = PRECONDITION_FAILED, "stale", "It was changed in the meantime";
    BodyTooLarge = PAYLOAD_TOO_LARGE, "body_too_large", "The body is too large";
    PayloadTooLarge = PAYLOAD_TOO_LARGE, "payload_too_large", "Too large for a provider";
    UnsupportedMediaType = UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", "The body is of another type";
    Invalid = UNPROCESSABLE_ENTITY, "invalid", "The request is invalid";
    CursorMismatch = UNPROCESSABLE_ENTITY, "cursor_mismatch", "The cursor belongs to another list";
    CursorExpired = UNPROCESSABLE_ENTITY, "cursor_expired", "The cursor is too old";
    IdempotencyKeyReused = UNPROCESSABLE_ENTITY, "idempotency_key_reused", "The idempotency key came with another body";
    ClientTooOld = UPGRADE_REQUIRED, "client_too_old", "This version of the app is too old";
    RateLimited = TOO_MANY_REQUESTS, "rate_limited", "Too many requests";
    Internal = INTERNAL_SERVER_ERROR, "internal", "Something went wrong here";
    Overloaded = SERVICE_UNAVAILABLE, "overloaded", "Too much is under way";
    StoreUnavailable = SERVICE_UNAVAILABLE, "store_unavailable", "The store cannot be reached";
    NotReady = SERVICE_UNAVAILABLE, "not_ready", "Not ready";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_written_once() {
        let mut words: Vec<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), Code::ALL.len());
        assert!(Code::ALL.iter().all(|code| code.status().is_client_error() || code.status().is_server_error()));
    }
}
