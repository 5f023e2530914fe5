//! What a draft would come to, as things stand: how many, when, why not, and what they would get. Nothing is written, nothing is delivered.

mod look;
mod payload;
mod timeline;
mod trial;

use std::collections::BTreeMap;

pub(super) use payload::Life;
pub use payload::RenderedPreview;
pub use timeline::Moment;

use look::Look;
use payload::payloads;

use super::accept;
use super::directory::App;
use super::draft::{Draft, Rejected, To};
use super::explain::{How, peek};
use super::message::Message;
use super::node::Node;
use super::select::{only, part, selection};
use super::validate::validate;
use crate::domain::work::Targets;
use crate::store;
use crate::store::engine::Candidate;
use crate::store::notification::LeftOut;

/// Devices of an audience that are looked at in one read.
const PAGE: usize = 5000;

/// What is asked of a preview.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// Have providers check the payloads, as far as they do such a thing.
    pub validate: bool,
    /// Say of each target what becomes of it when it is due, as for a campaign, rather than that it is `scheduled` until then.
    pub when_due: bool,
}

/// What a draft would come to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Preview {
    /// Targets.
    pub targeted: u64,
    /// Devices that would be no targets.
    pub left_out: LeftOut,
    /// `send`, or the reason of a deferral, a suppression or a failure, and how many. What waits only to be suppressed, or to fail since it cannot be
    /// rendered, is told as that. Whether it can be is tried for as many as a second is enough for; the others are held to be fine.
    pub decisions: BTreeMap<String, u64>,
    /// How many devices would be sent to at which instant and in which zone, in that order, at most 10 000 of them: where there are more, instants
    /// are rounded down to the minute or as coarsely as they must be. Those that are due at once are at the start, deferred ones at the end of what
    /// defers them; those that are suppressed are not in it. A pace spreads it further, of which it says nothing.
    pub timeline: Vec<Moment>,
    /// One payload for each provider, platform, variant and locale.
    pub rendered: Vec<RenderedPreview>,
}

/// Previews a draft.
pub async fn preview(node: &Node, app: &App, draft: Draft, Asked { validate: ask, when_due }: Asked) -> Result<Preview, Rejected> {
    let categories = node.directory.categories(app.id).await?;
    let to = draft.to.clone();
    let (_, message) = accept::compose(node, app, draft).await?;
    let mut look = Look::new((node, app), &message, &categories, when_due);
    let mut left_out = LeftOut::default();
    match to {
        To::Users(names) => look.at(targets(node, app, &message, Targets::Users(each_once(names))).await?).await?,
        To::Devices(names) => look.at(targets(node, app, &message, Targets::Devices(each_once(names))).await?).await?,
        To::Broadcast(to) => look.at(targets(node, app, &message, Targets::Broadcast(to.provider())).await?).await?,
        To::All | To::Segment(_) | To::Topic(_) => left_out = audience(&mut look, (node, app), &message).await?,
    }
    let (decisions, timeline, addresses) = look.ended();
    let mut rendered = payloads(node, app, &message, &addresses)?;
    if ask {
        validate(node, app, &message, &addresses, &mut rendered).await;
    }
    Ok(Preview { targeted: decisions.values().sum(), left_out, decisions, timeline, rendered })
}

/// Looks at everybody whom an audience that is not named would take when the notification begins; who would be left out.
async fn audience(look: &mut Look<'_>, (node, app): (&Node, &App), message: &Message) -> Result<LeftOut, store::Error> {
    let selection = selection(&message.notification, message.start_at);
    let limit = part(PAGE, &selection);
    let (mut left_out, mut after) = (LeftOut::default(), 0);
    loop {
        let scan = node.store.read_devices(app.id, after, limit, &selection).await?;
        let is_stale = |last_seen_at| app.staleness.leaves_out(last_seen_at, message.start_at);
        let (stale, meant): (Vec<_>, Vec<_>) = scan.devices.into_iter().partition(|member| is_stale(member.last_seen_at));
        left_out.stale += stale.len() as u64;
        let pairs = meant.into_iter().map(|member| member.pair).collect();
        look.at(targets(node, app, message, Targets::Pairs(pairs)).await?).await?;
        if scan.last {
            return Ok(left_out);
        }
        after = scan.to;
    }
}

async fn targets(node: &Node, app: &App, message: &Message, targets: Targets) -> Result<Vec<Candidate>, store::Error> {
    let how = How {
        latest_only: message.notification.latest_device_only,
        token_kind: message.notification.push_type.token_kind(),
        only: only(&message.notification, message.start_at),
        facts: message.uses().people(),
    };
    peek(node, app, targets, how).await
}

/// A name given twice is one target, also where nothing is known of it.
fn each_once(mut names: Vec<String>) -> Vec<String> {
    names.sort_unstable();
    names.dedup();
    names
}
