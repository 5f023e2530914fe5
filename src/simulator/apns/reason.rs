//! The reasons with which this look-alike refuses by itself, and their status.

use http::StatusCode;

macro_rules! reasons {
    ($($name:ident = $status:ident,)*) => {
        /// A reason as APNs writes it.
        #[derive(Clone, Copy, Debug, Eq, PartialEq)]
        pub(super) enum Reason { $($name,)* }

        impl Reason {
            /// The reason's name.
            pub(super) fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)* }
            }

            /// The status it is answered with.
            pub(super) fn status(self) -> StatusCode {
                match self { $(Self::$name => StatusCode::$status,)* }
            }
        }
    };
}

reasons! {
    BadChannelId = BAD_REQUEST,
    BadCollapseId = BAD_REQUEST,
    BadDeviceToken = BAD_REQUEST,
    BadExpirationDate = BAD_REQUEST,
    BadMessageId = BAD_REQUEST,
    BadPath = NOT_FOUND,
    BadPriority = BAD_REQUEST,
    BadRequestPayload = BAD_REQUEST,
    BadTopic = BAD_REQUEST,
    DuplicateHeaders = BAD_REQUEST,
    ExpiredProviderToken = FORBIDDEN,
    InvalidProviderToken = FORBIDDEN,
    InvalidPushType = BAD_REQUEST,
    MethodNotAllowed = METHOD_NOT_ALLOWED,
    MissingChannelId = BAD_REQUEST,
    MissingDeviceToken = BAD_REQUEST,
    MissingProviderToken = FORBIDDEN,
    MissingPushType = BAD_REQUEST,
    MissingTopic = BAD_REQUEST,
    PayloadEmpty = BAD_REQUEST,
    PayloadTooLarge = PAYLOAD_TOO_LARGE,
    TooManyProviderTokenUpdates = TOO_MANY_REQUESTS,
    TopicDisallowed = BAD_REQUEST,
    TopicMismatch = FORBIDDEN,
}
