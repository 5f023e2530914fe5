//! What a draft would come to, were it sent now: how many, why not, and what they would get. Nothing is written, nothing is delivered.

use std::collections::BTreeMap;

use super::accept;
use super::directory::App;
use super::draft::{Draft, Rejected, To};
use super::explain::{How, Tally, peek};
use super::message::Message;
use super::node::Node;
use super::plan::{self, Context, Step};
use super::render::{self, Form};
use super::select::{only, part, selection};
use super::validate::{Addresses, Validated, validate};
use crate::domain::Timestamp;
use crate::domain::broadcast::Broadcast;
use crate::domain::decision::Push;
use crate::domain::device::{Platform, ProviderKind};
use crate::domain::due;
use crate::domain::explain::outcome_of;
use crate::domain::id::WorkId;
use crate::domain::notification::Audience;
use crate::domain::reason::{SuppressReason, WaitReason};
use crate::domain::work::{Stream, TakenWork, Targets, WorkKey, WorkKind};
use crate::providers::{Body, Piece, Provider, Rendered};
use crate::store::engine::{Candidate, Recipient};
use crate::store::notification::LeftOut;

/// Devices of an audience that are looked at in one read.
const PAGE: usize = 5000;

/// What a draft would come to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Preview {
    /// Targets.
    pub targeted: u64,
    /// Devices that would be no targets.
    pub left_out: LeftOut,
    /// `send`, or the reason of a deferral or a suppression, and how many.
    pub decisions: BTreeMap<String, u64>,
    /// One payload for each provider, platform and locale.
    pub rendered: Vec<RenderedPreview>,
}

/// A payload as the provider would get it, with a stand-in for the token.
#[derive(Clone, Debug, PartialEq)]
pub struct RenderedPreview {
    /// Whose form.
    pub provider: ProviderKind,
    /// For what; `None`: for all that the provider carries to, in one.
    pub platform: Option<Platform>,
    /// The key under `localized`; `None` the default words.
    pub locale: Option<String>,
    /// What counts towards the provider's limit.
    pub bytes: usize,
    /// The body.
    pub payload: serde_json::Value,
    /// What its provider says of it, where it was asked.
    pub validated: Option<Validated>,
}

/// Previews a draft; `ask`: has providers check the payloads, as far as they do such a thing.
pub async fn preview(node: &Node, app: &App, draft: Draft, ask: bool) -> Result<Preview, Rejected> {
    let categories = node.directory.categories(app.id).await?;
    let (to, token_kind) = (draft.to.clone(), draft.push_type.token_kind());
    let latest_only = draft.latest_device_only;
    let (_, message) = accept::compose(node, app, draft).await?;
    let how = || How { latest_only, token_kind: token_kind.clone(), only: only(&message.notification, message.start_at) };
    let work = imagined(app, &message);
    let (mut tally, mut addresses, mut left_out) = (Tally::default(), Addresses::default(), LeftOut::default());
    let mut look = |candidates: Vec<Candidate>| {
        let context =
            Context { now: node.now(), read_at: node.monotonic(), message: &message, app, categories: &categories, work: &work, run: None };
        for candidate in candidates {
            let recipient = candidate.recipient.clone();
            if let Some(recipient) = &recipient {
                addresses.note(recipient);
            }
            match plan::plan(&context, candidate) {
                Step::Wait { due, reason, .. } => {
                    tally.add(in_vain(&context, recipient.as_ref(), due).map_or(reason.as_str(), |end| end.as_str()));
                }
                step => count(&mut tally, step),
            }
        }
    };
    match to {
        To::Users(names) => look(peek(node, app, Targets::Users(each_once(names)), how()).await?),
        To::Devices(names) => look(peek(node, app, Targets::Devices(each_once(names)), how()).await?),
        To::Broadcast(to) => look(peek(node, app, Targets::Broadcast(to.provider()), how()).await?),
        To::All | To::Segment(_) | To::Topic(_) => {
            let selection = selection(&message.notification, message.start_at);
            let limit = part(PAGE, &selection);
            let mut after = 0;
            loop {
                let scan = node.store.read_devices(app.id, after, limit, &selection).await?;
                let now = node.now();
                let (stale, meant): (Vec<_>, Vec<_>) =
                    scan.devices.into_iter().partition(|member| app.staleness.leaves_out(member.last_seen_at, now));
                left_out.stale += stale.len() as u64;
                let pairs = meant.into_iter().map(|member| member.pair).collect();
                look(peek(node, app, Targets::Pairs(pairs), how()).await?);
                if scan.last {
                    break;
                }
                after = scan.to;
            }
        }
    }
    let mut rendered = payloads(app, &message);
    if ask {
        validate(node, app, &message, &addresses, &mut rendered).await;
    }
    Ok(Preview { targeted: tally.0.values().sum(), left_out, rendered, decisions: tally.0 })
}

/// A name given twice is one target, also where nothing is known of it.
fn each_once(mut names: Vec<String>) -> Vec<String> {
    names.sort_unstable();
    names.dedup();
    names
}

fn imagined(app: &App, message: &Message) -> TakenWork {
    let key = WorkKey { app: app.id, notification: message.id, work: WorkId(0) };
    TakenWork {
        key,
        epoch: 1,
        takes: 1,
        kind: WorkKind::Send,
        stream: Stream::Normal,
        fan_out: false,
        targets: Targets::Pairs(Vec::new()),
        attempt: 0,
        reason: None,
        first: true,
        expires_at: message.expires_at,
        spent: false,
    }
}

/// Why a target that waits would be suppressed when it is due, as things stand.
fn in_vain(context: &Context<'_>, recipient: Option<&Recipient>, due: Timestamp) -> Option<SuppressReason> {
    let question = plan::question(context.message, context.app, context.categories, recipient?);
    outcome_of(due, &question).err()
}

fn count(tally: &mut Tally, step: Step) {
    match step {
        Step::Skip => {}
        Step::Send(_) => tally.add("send"),
        Step::Wait { reason, .. } => tally.add(reason.as_str()),
        Step::End(ending) => tally.add(ending.reason().unwrap_or(ending.state().as_str())),
        Step::Panicked => tally.add(WaitReason::DeadLetter.as_str()),
    }
}

/// The payloads of every provider the app has, in the default words and in each locale.
fn payloads(app: &App, message: &Message) -> Vec<RenderedPreview> {
    let life = Life::of(app, message);
    if let Audience::Broadcast(to) = &message.notification.audience {
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
            for locale in std::iter::once(None).chain(message.notification.localized.keys().cloned().map(Some)) {
                let form = Form { provider: *kind, platform: *platform, locale };
                let Ok(rendered) = message.rendered(&**provider, app.generation, form.clone()) else { continue };
                payloads.push(RenderedPreview {
                    provider: *kind,
                    platform: Some(*platform),
                    locale: form.locale,
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
    let payload = payload(&rendered, life);
    Some(RenderedPreview { provider: to.provider(), platform: None, locale: None, bytes: rendered.size, payload, validated: None })
}

/// How long a push lives once it is due at a device in the app's zone: in seconds, and until when.
pub(super) struct Life {
    pub(super) seconds: i64,
    until: i64,
}

impl Life {
    pub(super) fn of(app: &App, message: &Message) -> Self {
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
