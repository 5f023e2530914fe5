//! The payloads of a preview: as providers would get them, with a stand-in for what only the moment of a send knows.

use crate::dispatch::directory::App;
use crate::dispatch::message::Message;
use crate::dispatch::node::Node;
use crate::dispatch::render::{self, Form};
use crate::dispatch::validate::{Addresses, Validated};
use crate::dispatch::words::wordings;
use crate::domain::broadcast::Broadcast;
use crate::domain::clock::Clock;
use crate::domain::decision::Push;
use crate::domain::device::{Platform, ProviderKind};
use crate::domain::due;
use crate::domain::notification::Audience;
use crate::providers::{Body, Piece, Provider, Rendered};

/// A payload as the provider would get it, with a stand-in for the token.
#[derive(Clone, Debug, PartialEq)]
pub struct RenderedPreview {
    /// Whose form.
    pub provider: ProviderKind,
    /// For what; `None`: for all that the provider carries to, in one.
    pub platform: Option<Platform>,
    /// The key under `localized`; `None` the default words.
    pub locale: Option<String>,
    /// The variant's name; `None`: there are none.
    pub variant: Option<String>,
    /// What counts towards the provider's limit.
    pub bytes: usize,
    /// The body.
    pub payload: serde_json::Value,
    /// What its provider says of it, where it was asked.
    pub validated: Option<Validated>,
}

/// The payloads of every provider the app has, of each variant in the default words and in each locale; a template is filled for one of the audience.
pub(super) fn payloads(node: &Node, app: &App, message: &Message, addresses: &Addresses) -> Vec<RenderedPreview> {
    let life = Life::of(app, message);
    let notification = &message.notification;
    if let Audience::Broadcast(to) = &notification.audience {
        return app
            .providers
            .get(&to.provider())
            .and_then(|provider| of_broadcast(&**provider, message, (to, &life)))
            .into_iter()
            .collect();
    }
    let mut payloads = Vec::new();
    for (kind, provider) in &app.providers {
        for platform in render::platforms(*kind) {
            for (variant, locale) in wordings(notification) {
                let form = Form { provider: *kind, platform: *platform, variant, locale: locale.map(ToOwned::to_owned) };
                let to = (addresses.addressee(locale), &*node.clock as &dyn Clock);
                let Ok(rendered) = message.rendered((&**provider, app.generation), form, to) else { continue };
                payloads.push(RenderedPreview {
                    provider: *kind,
                    platform: Some(*platform),
                    locale: locale.map(ToOwned::to_owned),
                    variant: variant.and_then(|place| notification.variants.get(place)).map(|variant| variant.name.clone()),
                    bytes: rendered.size,
                    payload: payload(&rendered, &life),
                    validated: None,
                });
            }
        }
    }
    payloads
}

/// A broadcast's one payload.
fn of_broadcast(provider: &dyn Provider, message: &Message, (to, life): (&Broadcast, &Life)) -> Option<RenderedPreview> {
    let rendered = render::broadcast(message, provider, to).ok()?;
    Some(RenderedPreview {
        provider: to.provider(),
        platform: None,
        locale: None,
        variant: None,
        bytes: rendered.size,
        payload: payload(&rendered, life),
        validated: None,
    })
}

/// How long a push lives once it is due at a device in the app's zone: in seconds, and until when.
pub(in crate::dispatch) struct Life {
    pub(in crate::dispatch) seconds: i64,
    until: i64,
}

impl Life {
    pub(in crate::dispatch) fn of(app: &App, message: &Message) -> Self {
        let (push, zone) = (Push::of(&message.notification, None, message.start_at), app.defaults.timezone);
        let (due, end) = (due::due_at(&push, zone).unwrap_or(message.start_at), due::expires_at(&push, zone));
        let seconds = (end - due).num_seconds().max(0);
        // now or never, as providers are told it
        Self { seconds, until: if seconds == 0 { 0 } else { end.timestamp() } }
    }
}

fn payload(rendered: &Rendered, life: &Life) -> serde_json::Value {
    let mut bytes = Vec::new();
    match &rendered.body {
        Body::Whole(whole) | Body::Sealed(whole) => bytes.extend_from_slice(whole),
        Body::Spliced(pieces) => {
            for piece in pieces.iter() {
                match piece {
                    Piece::Shared(shared) => bytes.extend_from_slice(shared),
                    Piece::Address => bytes.extend_from_slice(br#""token":"<token>""#),
                    Piece::SecondsLeft => bytes.extend_from_slice(life.seconds.to_string().as_bytes()),
                    Piece::ExpiresAt => bytes.extend_from_slice(life.until.to_string().as_bytes()),
                }
            }
        }
    }
    serde_json::from_slice(&bytes).unwrap_or(serde_json::Value::Null)
}
