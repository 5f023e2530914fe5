//! What a draft would come to, were it sent now: how many, why not, and what they would get. Nothing is written, nothing is delivered.

use std::collections::BTreeMap;

use super::accept;
use super::caps::{cap_of, foretell};
use super::directory::App;
use super::draft::{Draft, Rejected, To};
use super::explain::{How, Tally, peek};
use super::message::Message;
use super::node::Node;
use super::plan::{self, Context, Step};
use super::render::{self, Form};
use super::select::{only, part, selection};
use super::validate::{Addresses, Validated, validate};
use crate::domain::broadcast::Broadcast;
use crate::domain::category::Category;
use crate::domain::clock::Clock;
use crate::domain::decision::Push;
use crate::domain::delivery::Ending;
use crate::domain::device::{Platform, ProviderKind};
use crate::domain::due;
use crate::domain::explain::outcome_of;
use crate::domain::id::WorkId;
use crate::domain::notification::Audience;
use crate::domain::reason::WaitReason;
use crate::domain::work::{Stream, TakenWork, Targets, WorkKey, WorkKind};
use crate::providers::{Body, Piece, Provider, Rendered};
use crate::store;
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
    let facts = message.uses().people();
    let how = || How { latest_only, token_kind: token_kind.clone(), only: only(&message.notification, message.start_at), facts };
    let work = imagined(app, &message);
    let mut look = Look {
        node,
        app,
        message: &message,
        categories: &categories,
        work: &work,
        tally: Tally::default(),
        addresses: Addresses::default(),
    };
    let mut left_out = LeftOut::default();
    match to {
        To::Users(names) => look.at(peek(node, app, Targets::Users(each_once(names)), how()).await?).await?,
        To::Devices(names) => look.at(peek(node, app, Targets::Devices(each_once(names)), how()).await?).await?,
        To::Broadcast(to) => look.at(peek(node, app, Targets::Broadcast(to.provider()), how()).await?).await?,
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
                look.at(peek(node, app, Targets::Pairs(pairs), how()).await?).await?;
                if scan.last {
                    break;
                }
                after = scan.to;
            }
        }
    }
    let Look { tally, addresses, .. } = look;
    let mut rendered = payloads(node, app, &message, &addresses);
    if ask {
        validate(node, app, &message, &addresses, &mut rendered).await;
    }
    Ok(Preview { targeted: tally.0.values().sum(), left_out, rendered, decisions: tally.0 })
}

/// What was seen of a draft's targets so far.
struct Look<'a> {
    node: &'a Node,
    app: &'a App,
    message: &'a Message,
    categories: &'a BTreeMap<String, Category>,
    work: &'a TakenWork,
    tally: Tally,
    addresses: Addresses,
}

impl Look<'_> {
    /// Judges some targets, and adds what becomes of them.
    async fn at(&mut self, candidates: Vec<Candidate>) -> Result<(), store::Error> {
        let Self { node, app, message, categories, work, .. } = *self;
        let context = Context { now: node.now(), read_at: node.monotonic(), message, app, categories, work, run: None };
        let mut steps = Vec::with_capacity(candidates.len());
        for candidate in candidates {
            if let Some(recipient) = &candidate.recipient {
                self.addresses.note(recipient);
            }
            let recipient = candidate.recipient.clone();
            let step = plan::plan(&context, candidate);
            steps.push(end_of_vain_wait(&context, recipient.as_ref(), step));
        }
        foretell(node, message, cap_of(message, categories), &mut steps).await?;
        for step in steps {
            count(&mut self.tally, step);
        }
        Ok(())
    }
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
        slot: None,
        spent: false,
    }
}

/// The end of a target that waits only to be suppressed when it is due, as things stand.
fn end_of_vain_wait(context: &Context<'_>, recipient: Option<&Recipient>, step: Step) -> Step {
    let Step::Wait { due, .. } = step else { return step };
    let end = recipient.and_then(|recipient| {
        let question = plan::question(context.message, context.app, context.categories, recipient);
        outcome_of(due, &question).err()
    });
    end.map_or(step, |reason| Step::End(Ending::Suppressed(reason)))
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

/// The payloads of every provider the app has, in the default words and in each locale; a template is filled for one of the audience.
fn payloads(node: &Node, app: &App, message: &Message, addresses: &Addresses) -> Vec<RenderedPreview> {
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
            for locale in std::iter::once(None).chain(message.notification.by_locale().keys().cloned().map(Some)) {
                let form = Form { provider: *kind, platform: *platform, locale };
                let to = (addresses.addressee(form.locale.as_deref()), &*node.clock as &dyn Clock);
                let Ok(rendered) = message.rendered((&**provider, app.generation), form.clone(), to) else { continue };
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
