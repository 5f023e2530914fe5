//! `validate_only`: FCM checks a message as it would a push, and delivers nothing.

use bytes::{BufMut, Bytes, BytesMut};

use super::error_body::ErrorBody;
use crate::domain::device::PushToken;
use crate::domain::outcome::{Outcome, Reason};
use crate::providers::Validity;

/// The beginning of a body that is not to be delivered; the rest is a send's after its brace.
const BEGINNING: &[u8] = b"{\"validate_only\":true,";
/// What is kept of Google's text, in characters.
const LONGEST: usize = 500;

/// A send's body, as one that is only checked.
pub(super) fn body(send: &[u8]) -> Option<Bytes> {
    let rest = send.strip_prefix(b"{")?;
    let mut body = BytesMut::with_capacity(BEGINNING.len() + rest.len());
    body.put_slice(BEGINNING);
    body.put_slice(rest);
    Some(body.freeze())
}

/// What an outcome of such a body says of the message. `answer` is the refusal's body, `token` what must not be in the answer.
pub(super) fn validity(outcome: Outcome, answer: &[u8], token: &PushToken) -> Validity {
    match outcome {
        Outcome::Accepted { .. } => Validity::Valid,
        Outcome::MessageRejected { reason, .. } => {
            let error = ErrorBody::parse(answer);
            let clean = |text: &str| without(token, text).chars().filter(|c| !c.is_control()).take(LONGEST).collect::<String>();
            Validity::Invalid { reason, field: error.fields.first().map(|field| clean(field)), message: clean(&error.message) }
        }
        Outcome::TokenDead { reason, .. } | Outcome::TokenMismatched { reason } => Validity::AddressRefused { reason },
        Outcome::CredentialRefused { reason, .. } | Outcome::Throttled { reason, .. } | Outcome::Unavailable { reason, .. } => {
            Validity::Unanswered { reason }
        }
        Outcome::Withheld => Validity::Unanswered { reason: Reason::new("withheld") },
    }
}

fn without(token: &PushToken, text: &str) -> String {
    match token {
        PushToken::Fcm(address) | PushToken::FcmFid(address) if !address.is_empty() => text.replace(address.as_str(), "<token>"),
        PushToken::Fcm(_) | PushToken::FcmFid(_) | PushToken::Apns(_) | PushToken::Webpush { .. } => text.to_owned(),
    }
}
