//! Whether a target would get a payload at all, where a template says something else to each.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use crate::dispatch::directory::App;
use crate::dispatch::message::Message;
use crate::dispatch::node::Node;
use crate::dispatch::plan::Step;
use crate::dispatch::render::{Form, Unrendered};
use crate::dispatch::send::addressee;
use crate::domain::clock::Clock;
use crate::domain::delivery::Ending;
use crate::domain::id::Target;
use crate::domain::reason::{FailReason, SuppressReason};
use crate::providers::RenderError;
use crate::store::engine::Recipient;

/// How long payloads are made to see whether they can be.
const TIME: Duration = Duration::from_secs(1);
/// Payloads after which others have their turn.
const AT_ONCE: u32 = 20;

/// What is tried for a message's targets, one after the other. It takes time that the caller waits, so after [`TIME`] no more is tried.
pub(super) struct Trial<'a> {
    node: &'a Node,
    app: &'a App,
    message: &'a Message,
    is_needed: bool,
    left: Duration,
    tried: u32,
}

impl<'a> Trial<'a> {
    /// Of this message. One that says the same to all who get it in one form was rendered in all of them by now.
    pub(super) fn of((node, app): (&'a Node, &'a App), message: &'a Message) -> Self {
        Self { node, app, message, is_needed: !message.uses().is_shared(), left: TIME, tried: 0 }
    }

    /// What would become of a send to this one before it was handed over; `None`: it would be, or nobody knows.
    pub(super) async fn step(&mut self, recipient: &Recipient) -> Option<Step> {
        if !self.is_needed || self.left.is_zero() {
            return None;
        }
        let provider = self.app.providers.get(&recipient.provider)?;
        let began_at = self.node.monotonic();
        let variant = self.message.variant_for(recipient.person, Target::device(recipient.device));
        let form = Form::of(&self.message.notification, (recipient.provider, recipient.platform), variant, recipient.locale.as_deref());
        let to = (addressee(recipient), &*self.node.clock as &dyn Clock);
        let rendered = catch_unwind(AssertUnwindSafe(|| self.message.rendered((&**provider, self.app.generation), form, to)));
        self.left = self.left.saturating_sub(self.node.monotonic().saturating_sub(began_at));
        self.tried += 1;
        if self.tried.is_multiple_of(AT_ONCE) {
            tokio::task::yield_now().await;
        }
        Some(match rendered {
            Ok(rendered) => Step::End(ending(&rendered.err()?)),
            Err(_) => Step::Panicked,
        })
    }
}

fn ending(unrendered: &Unrendered) -> Ending {
    match unrendered {
        Unrendered::Words(_) | Unrendered::Form(RenderError::Invalid { .. } | RenderError::Forbidden { .. }) => {
            Ending::Failed(FailReason::RenderFailed)
        }
        Unrendered::Form(RenderError::TooLarge { .. }) => Ending::Failed(FailReason::PayloadTooLarge),
        Unrendered::Form(RenderError::Unsupported) => Ending::Suppressed(SuppressReason::Unsupported),
    }
}
