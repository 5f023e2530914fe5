//! The app's own tokens, in fuzzing.

use aws_lc_rs::signature::KeyPair as _;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use super::{SignIn, SignInSettings, SignIns};
use crate::api::client_tokens::fuzz::{is_signed, key, now, signed};
use crate::domain::id::AppId;
use crate::domain::name::{check_device_id, check_user_id};

/// An app's token is of no sign-in, is refused, or is signed and names whom there can be.
pub fn app_token(text: &str) {
    let all = sign_ins();
    for token in [text, &signed(text)] {
        if let Some(Ok(read)) = all.read(token, now()) {
            assert!(is_signed(token) && (read.user.is_some() || read.device.is_some()), "{read:?}");
            assert!(read.user.is_none_or(|user| check_user_id(&user).is_ok()));
            assert!(read.device.is_none_or(|device| check_device_id(&device).is_ok()));
        }
    }
}

fn sign_ins() -> SignIns {
    let settings = SignInSettings {
        issuer: "https://id.example.com".into(),
        audience: "demo-app".into(),
        jwks_file: "unused".into(),
        user_claim: "sub".into(),
        device_claim: Some("device".into()),
    };
    let x = URL_SAFE_NO_PAD.encode(key().public_key().as_ref());
    let set = json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "x": x}]}).to_string();
    let all = SignIns::default();
    all.replace([(AppId(1), SignIn::new(settings, set.as_bytes()).unwrap())]);
    all
}
