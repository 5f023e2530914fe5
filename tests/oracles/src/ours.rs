//! Herald's own rendering, as the JSON that goes on the wire.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::Bytes;
use herald::domain::device::Platform;
use herald::domain::id::NotificationId;
use herald::domain::push_type::PushType;
use herald::providers::apns::{self, ApnsProvider, Signers};
use herald::providers::fcm::{self, FcmProvider, ServiceAccount};
use herald::providers::{Body, Context, Message, Piece, Provider, RenderError, Rendered, Secret};
use herald::system::{SystemClock, SystemRng};
use rcgen::KeyPair;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::words::Words;

/// Arrives as `herald_id`.
pub(crate) const ID: &str = "00000000-0000-0000-0000-000000000007";
/// What stands where a device's address, its time left and its end of life would be.
pub(crate) const TOKEN: &str = "t";
const SECONDS_LEFT: &str = "60";
const EXPIRES_AT: &str = "1800000060";

struct Providers {
    apns: ApnsProvider,
    /// Of an app whose service extension wants to see every alert.
    apns_extended: ApnsProvider,
    fcm: FcmProvider,
}

static PROVIDERS: LazyLock<Providers> = LazyLock::new(|| {
    let context = Context {
        clock: Arc::new(SystemClock),
        rng: Arc::new(SystemRng),
        tasks: TaskTracker::new(),
        cancel: CancellationToken::new(),
        send_timeout: Duration::from_secs(10),
        provider_floors: true,
    };
    Providers { apns: apns(false, &context), apns_extended: apns(true, &context), fcm: fcm(&context) }
});

fn apns(service_extension: bool, context: &Context) -> ApnsProvider {
    let key = Secret::new(KeyPair::generate().unwrap().serialize_pem());
    let settings: apns::Settings = serde_json::from_value(json!({
        "bundle_id": "com.example.demo", "service_extension": service_extension,
        "key_file": "AuthKey_ABC123DEFG.p8", "key_id": "ABC123DEFG", "team_id": "DEF123GHIJ",
    }))
    .unwrap();
    ApnsProvider::new(&settings, &key, &Signers::default(), context).unwrap()
}

fn fcm(context: &Context) -> FcmProvider {
    let key = KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048).unwrap();
    let account = json!({"project_id": "demo", "client_email": "herald@demo.iam.gserviceaccount.com", "private_key": key.serialize_pem()});
    let account = ServiceAccount::parse(&Secret::new(account.to_string())).unwrap();
    let settings: fcm::Settings = serde_json::from_value(json!({"service_account_file": "service-account.json"})).unwrap();
    FcmProvider::new(&settings, account, context).unwrap()
}

/// A push to Apple: its header fields and its payload.
pub(crate) fn to_apple(words: &Words, overrides: Option<&Value>) -> Result<(Rendered, Value), RenderError> {
    let provider = if words.service_extension { &PROVIDERS.apns_extended } else { &PROVIDERS.apns };
    let rendered = provider.render(&message(words, Platform::Ios, overrides))?;
    let json = whole(&rendered);
    Ok((rendered, json))
}

/// A message to Google, with its address.
pub(crate) fn to_google(words: &Words, platform: Platform, overrides: Option<&Value>) -> Result<Value, RenderError> {
    let mut json = whole(&PROVIDERS.fcm.render(&message(words, platform, overrides))?);
    Ok(json["message"].take())
}

fn message<'a>(words: &'a Words, platform: Platform, overrides: Option<&'a Value>) -> Message<'a> {
    Message {
        notification: NotificationId(uuid::Uuid::from_u128(7)),
        platform,
        content: &words.content,
        silent: words.silent,
        push_type: &PushType::Usual,
        start_at: chrono::DateTime::UNIX_EPOCH,
        priority: words.priority,
        collapse_id: &words.collapse_id,
        expires_at: Some(chrono::DateTime::UNIX_EPOCH),
        overrides,
    }
}

fn whole(rendered: &Rendered) -> Value {
    let Body::Spliced(pieces) = &rendered.body else {
        let (Body::Whole(bytes) | Body::Sealed(bytes)) = &rendered.body else { return Value::Null };
        return serde_json::from_slice(bytes).unwrap();
    };
    let address = format!("\"token\":\"{TOKEN}\"");
    let filled: Vec<&[u8]> = pieces
        .iter()
        .map(|piece| match piece {
            Piece::Shared(bytes) => Bytes::as_ref(bytes),
            Piece::Address => address.as_bytes(),
            Piece::SecondsLeft => SECONDS_LEFT.as_bytes(),
            Piece::ExpiresAt => EXPIRES_AT.as_bytes(),
        })
        .collect();
    serde_json::from_slice(&filled.concat()).unwrap()
}
