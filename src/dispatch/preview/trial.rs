//! Whether a target would get a payload at all, where a template says something else to each.

use std::time::Duration;

use crate::dispatch::directory::App;
use crate::dispatch::message::Message;
use crate::dispatch::node::Node;
use crate::dispatch::proof::PATIENCE;
use crate::dispatch::render::{Form, Unrendered};
use crate::dispatch::send::addressee;
use crate::domain::clock::Clock;
use crate::domain::delivery::Ending;
use crate::domain::id::Target;
use crate::domain::reason::{FailReason, SuppressReason};
use crate::providers::RenderError;
use crate::store::engine::Recipient;

/// What is tried for a message's targets, one after the other. It takes time that the caller waits, so after [`PATIENCE`] no more is tried.
pub(super) struct Trial<'a> {
    node: &'a Node,
    app: &'a App,
    message: &'a Message,
    is_needed: bool,
    left: Duration,
}

impl<'a> Trial<'a> {
    /// Of this message. One that says the same to all who get it in one form was rendered in all of them by now.
    pub(super) fn of((node, app): (&'a Node, &'a App), message: &'a Message) -> Self {
        Self { node, app, message, is_needed: !message.uses().is_shared(), left: PATIENCE }
    }

    /// How a send to this one would end before it was handed over; `None`: it would be, or nobody knows.
    pub(super) fn ending(&mut self, recipient: &Recipient) -> Option<Ending> {
        if !self.is_needed || self.left.is_zero() {
            return None;
        }
        let provider = self.app.providers.get(&recipient.provider)?;
        let began_at = self.node.monotonic();
        let variant = self.message.variant_for(recipient.person, Target::device(recipient.device));
        let form = Form::of(&self.message.notification, (recipient.provider, recipient.platform), variant, recipient.locale.as_deref());
        let to = (addressee(recipient), &*self.node.clock as &dyn Clock);
        let rendered = self.message.rendered((&**provider, self.app.generation), form, to);
        self.left = self.left.saturating_sub(self.node.monotonic().saturating_sub(began_at));
        Some(match rendered.err()? {
            Unrendered::Words(_) | Unrendered::Form(RenderError::Invalid { .. } | RenderError::Forbidden { .. }) => {
                Ending::Failed(FailReason::RenderFailed)
            }
            Unrendered::Form(RenderError::TooLarge { .. }) => Ending::Failed(FailReason::PayloadTooLarge),
            Unrendered::Form(RenderError::Unsupported) => Ending::Suppressed(SuppressReason::Unsupported),
        })
    }
}
