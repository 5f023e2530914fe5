//! Push tokens: which addresses are taken, and their hash. No message here ever repeats a token.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ParsedPublicKey};
use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, URL_SAFE_NO_PAD};
use http::Uri;

use super::device::{ProviderKind, PushToken, TokenHash};
use super::endpoint::Endpoint;
use super::hash::sha256;

/// Why a token is refused. The text is fit for callers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Nothing there.
    #[error("must not be empty")]
    Empty,
    /// Over the limit of its kind, in bytes.
    #[error("must have at most {0} bytes")]
    TooLong(usize),
    /// Not what Apple hands to apps.
    #[error("must be 32 to 400 hexadecimal digits, an even number of them")]
    NotHex,
    /// Not what Google hands to apps.
    #[error("may only have visible ASCII characters, without quotes and backslashes")]
    NotPlain,
    /// Not a Firebase installation id.
    #[error("may only have letters, digits, - and _")]
    NotFid,
    /// Not an address to which a push could be posted.
    #[error("must be an https address with a host, and without a user or a fragment")]
    NotHttps,
    /// Not a browser's public key.
    #[error("must be an uncompressed P-256 point: 65 bytes in base64url, the first of them 4")]
    NotPublicKey,
    /// Not a browser's shared secret.
    #[error("must be 16 bytes in base64url")]
    NotAuthSecret,
}

/// An FCM registration token, at most, in bytes.
pub const MAX_FCM_TOKEN: usize = 4096;
/// A Firebase installation id, at most, in bytes; today they have 22.
pub const MAX_FID: usize = 128;
/// A web push endpoint, at most, in bytes.
pub const MAX_ENDPOINT: usize = 2048;

/// Browsers write base64url without padding; some libraries do otherwise.
const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const LENIENT_URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);
const LENIENT_STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);

impl PushToken {
    /// A device token of APNs: 32 to 400 hexadecimal digits, kept in lower case. Apple says not to assume its size.
    pub fn apns(text: &str) -> Result<Self, TokenError> {
        match text.len() {
            0 => Err(TokenError::Empty),
            len if (32..=400).contains(&len) && len % 2 == 0 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
                Ok(Self::Apns(text.to_ascii_lowercase()))
            }
            _ => Err(TokenError::NotHex),
        }
    }

    /// A registration token of FCM: at most 4 KB of visible ASCII. Quotes and backslashes never occur in one and are refused, since the token is
    /// spliced into JSON.
    pub fn fcm(text: &str) -> Result<Self, TokenError> {
        check_length(text, MAX_FCM_TOKEN)?;
        if text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\') {
            Ok(Self::Fcm(text.to_owned()))
        } else {
            Err(TokenError::NotPlain)
        }
    }

    /// A Firebase installation id: base64url, 22 characters today.
    pub fn fcm_fid(text: &str) -> Result<Self, TokenError> {
        check_length(text, MAX_FID)?;
        if text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_') {
            Ok(Self::FcmFid(text.to_owned()))
        } else {
            Err(TokenError::NotFid)
        }
    }

    /// A web push subscription. The keys may come in either base64 alphabet, padded or not, and are kept as base64url without padding.
    ///
    /// The error comes with the field that it is about: `endpoint`, `keys.p256dh` or `keys.auth`. Which hosts may be posted to is not judged here.
    pub fn webpush(endpoint: &str, p256dh: &str, auth: &str) -> Result<Self, (&'static str, TokenError)> {
        check_endpoint(endpoint).map_err(|error| ("endpoint", error))?;
        let point = decode(p256dh).filter(|bytes| is_point(bytes));
        let secret = decode(auth).filter(|bytes| bytes.len() == 16);
        Ok(Self::Webpush {
            endpoint: endpoint.to_owned(),
            p256dh: URL_SAFE_NO_PAD.encode(point.ok_or(("keys.p256dh", TokenError::NotPublicKey))?),
            auth: URL_SAFE_NO_PAD.encode(secret.ok_or(("keys.auth", TokenError::NotAuthSecret))?),
        })
    }

    /// Who carries pushes to this kind of address.
    pub fn provider(&self) -> ProviderKind {
        match self {
            Self::Apns(_) => ProviderKind::Apns,
            Self::Fcm(_) | Self::FcmFid(_) => ProviderKind::Fcm,
            Self::Webpush { .. } => ProviderKind::Webpush,
        }
    }
}

impl TokenHash {
    /// The hash under which this address is stored and compared.
    pub fn of(token: &PushToken) -> Self {
        Self(sha256(token.identity().as_bytes()))
    }
}

fn check_length(text: &str, max: usize) -> Result<(), TokenError> {
    match text.len() {
        0 => Err(TokenError::Empty),
        len if len > max => Err(TokenError::TooLong(max)),
        _ => Ok(()),
    }
}

fn check_endpoint(text: &str) -> Result<(), TokenError> {
    check_length(text, MAX_ENDPOINT)?;
    let uri: Uri = text.parse().map_err(|_| TokenError::NotHttps)?;
    let has_user = uri.authority().is_some_and(|authority| authority.as_str().contains('@'));
    let plain = text.is_ascii() && !text.contains('#') && !has_user;
    if Endpoint::parse(text).is_some() && plain { Ok(()) } else { Err(TokenError::NotHttps) }
}

/// Whether bytes are an uncompressed point on P-256: with any other the browser's secret could not be agreed upon.
fn is_point(bytes: &[u8]) -> bool {
    bytes.len() == 65 && bytes.first() == Some(&4) && ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, bytes).is_ok()
}

/// The bytes of either alphabet, padded or not.
fn decode(text: &str) -> Option<Vec<u8>> {
    LENIENT_URL_SAFE.decode(text).or_else(|_| LENIENT_STANDARD.decode(text)).ok()
}

#[cfg(test)]
mod tests;
