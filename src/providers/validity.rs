//! What a provider says of a message that it is shown and does not deliver.

use crate::domain::outcome::Reason;

/// A provider's opinion of a message (FCM's `validate_only`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Validity {
    /// It would take it.
    Valid,
    /// It would refuse it, whomever it is for.
    Invalid {
        /// The provider's word.
        reason: Reason,
        /// The field that it names, from the root of the provider's form: `message.android.ttl`.
        field: Option<String>,
        /// What it says, without the address.
        message: String,
    },
    /// It refuses the address that the message named, and says nothing of the message.
    AddressRefused {
        /// The provider's word.
        reason: Reason,
    },
    /// It said nothing: it could not be reached, asks for patience, or refuses the credential.
    Unanswered {
        /// The provider's word, or what the connection suffered.
        reason: Reason,
    },
}
