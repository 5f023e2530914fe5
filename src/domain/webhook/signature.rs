//! How messages are signed (Standard Webhooks, "Signature scheme": symmetric).

use aws_lc_rs::hmac::{self, HMAC_SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

/// A secret, in bytes: the specification has 24 to 64.
pub const SECRET_BYTES: usize = 32;

/// What a secret's text begins with.
const PREFIX: &str = "whsec_";

/// A secret as people copy it.
pub fn secret_text(secret: &[u8]) -> Zeroizing<String> {
    Zeroizing::new(format!("{PREFIX}{}", *Zeroizing::new(STANDARD.encode(secret))))
}

/// `webhook-signature` of a body: `v1,` and the base64 of the HMAC-SHA-256 of `id.timestamp.body` for each secret, with a space between them.
/// `timestamp`: UNIX seconds, of the attempt.
pub fn signatures<'a>(secrets: impl IntoIterator<Item = &'a [u8]>, id: &str, timestamp: i64, body: &[u8]) -> String {
    let each: Vec<String> = secrets.into_iter().map(|secret| signature(secret, id, timestamp, body)).collect();
    each.join(" ")
}

fn signature(secret: &[u8], id: &str, timestamp: i64, body: &[u8]) -> String {
    let mut context = hmac::Context::with_key(&hmac::Key::new(HMAC_SHA256, secret));
    context.update(format!("{id}.{timestamp}.").as_bytes());
    context.update(body);
    format!("v1,{}", STANDARD.encode(context.sign()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const SIGNED: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

    /// The test vector of the specification's libraries.
    #[test]
    fn it_is_that_of_standard_webhooks() {
        let secret = STANDARD.decode(TEXT.trim_start_matches(PREFIX)).unwrap();
        let sign = |secrets: &[&[u8]]| {
            signatures(secrets.iter().copied(), "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#)
        };
        assert_eq!(sign(&[&secret]), SIGNED);
        let both = sign(&[&[7; SECRET_BYTES], &secret]);
        let (first, second) = both.split_once(' ').unwrap();
        assert_eq!(second, SIGNED);
        assert!(first.starts_with("v1,") && first != second);
        assert_eq!(*secret_text(&secret), TEXT);
    }

    #[test]
    fn whatever_is_signed_counts() {
        let of = |secret: &[u8], id, at, body: &[u8]| signatures([secret], id, at, body);
        let base = of(&[1], "a", 1, b"x");
        for other in [of(&[2], "a", 1, b"x"), of(&[1], "b", 1, b"x"), of(&[1], "a", 2, b"x"), of(&[1], "a", 1, b"y")] {
            assert_ne!(other, base);
        }
    }
}
