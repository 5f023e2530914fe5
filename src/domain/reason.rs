//! Why a push waits, was not sent, failed or ended: the fixed words of the contract.

macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        pub enum $name { $($(#[$doc])* #[serde(rename = $text)] $variant,)* }

        impl $name {
            /// Every one there is.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// As callers see it and the store keeps it.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// The one that is written so.
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$variant),)* _ => None }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}
pub(crate) use words;

words! {
    /// Why a target waits.
    WaitReason {
        /// Its time has not come: `send_at` or `send_at_local`.
        Scheduled = "scheduled",
        /// It is in the person's quiet hours, or muted.
        QuietHours = "quiet_hours",
        /// Held by the campaign's pace.
        Pace = "pace",
        /// The provider asked for patience.
        Throttled = "throttled",
        /// The provider could not be reached, or failed.
        Unavailable = "unavailable",
        /// The lane is paused until someone resumes it.
        LanePaused = "lane_paused",
        /// The run is paused.
        Paused = "paused",
        /// Its takes are spent.
        DeadLetter = "dead_letter",
    }
}

words! {
    /// Why a target was not sent to.
    SuppressReason {
        /// The person switched the push channel off.
        PushOff = "push_off",
        /// The person switched the category off, or never on.
        CategoryOff = "category_off",
        /// The system lets the app show nothing.
        PermissionDenied = "permission_denied",
        /// In quiet hours, under the policy `drop`.
        QuietHours = "quiet_hours",
        /// Held past the end of its life.
        WouldExpire = "would_expire",
        /// The category's cap is reached.
        FrequencyCap = "frequency_cap",
        /// The named user or device has no active device.
        NoActiveDevice = "no_active_device",
        /// The device belongs to someone else by now.
        UserChanged = "user_changed",
        /// A newer one with the same collapse key was sent.
        Superseded = "superseded",
        /// The device cannot take this kind of push.
        Unsupported = "unsupported",
        /// The local time had passed when the notification began.
        SkippedPastLocalTime = "skipped_past_local_time",
    }
}

words! {
    /// Why a send failed for good.
    FailReason {
        /// The token is dead.
        TokenDead = "token_dead",
        /// The token belongs to another environment, app or sender.
        TokenMismatched = "token_mismatched",
        /// The provider refused the message.
        MessageRejected = "message_rejected",
        /// Too large for the provider after rendering.
        PayloadTooLarge = "payload_too_large",
        /// It could not be rendered.
        RenderFailed = "render_failed",
        /// Retries are over.
        GaveUp = "gave_up",
    }
}
