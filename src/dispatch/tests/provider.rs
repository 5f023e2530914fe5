//! A provider that does as it is told.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::watch;
use uuid::Uuid;

use crate::domain::broadcast::Broadcast;
use crate::domain::device::ProviderKind;
use crate::domain::outcome::Outcome;
use crate::providers::{Body, BroadcastPush, Handover, Message, Provider, Push, RenderError, Rendered};

const ACCEPTED: Outcome = Outcome::Accepted { message_id: None, environment: None };

pub(in crate::dispatch) struct TestProvider {
    /// The ids of the pushes whose requests started, in order.
    started: Mutex<Vec<Uuid>>,
    /// Answers are held while this is false.
    answers: watch::Sender<bool>,
    /// Rendering panics.
    pub(in crate::dispatch) panics: AtomicBool,
    /// What it answers.
    outcome: Mutex<Outcome>,
}

impl TestProvider {
    pub(in crate::dispatch) fn new() -> Self {
        Self { started: Mutex::default(), answers: watch::Sender::new(true), panics: AtomicBool::new(false), outcome: Mutex::new(ACCEPTED) }
    }

    /// The ids of the pushes whose requests started, in order.
    pub(in crate::dispatch) fn started(&self) -> Vec<Uuid> {
        self.started.lock().unwrap().clone()
    }

    /// Has it answer with this from now on.
    pub(in crate::dispatch) fn answer_with(&self, outcome: Outcome) {
        *self.outcome.lock().unwrap() = outcome;
    }

    /// Holds its answers, or lets them go.
    pub(in crate::dispatch) fn answers(&self, whether: bool) {
        self.answers.send_replace(whether);
    }
}

#[async_trait]
impl Provider for TestProvider {
    fn kind(&self) -> ProviderKind {
        ProviderKind::Apns
    }

    fn render(&self, _message: &Message<'_>) -> Result<Rendered, RenderError> {
        assert!(!self.panics.load(Ordering::SeqCst), "rendering panics, as the test wants it");
        Ok(Rendered { body: Body::Whole(Bytes::from_static(b"{}")), headers: http::HeaderMap::new(), size: 2 })
    }

    async fn send(&self, push: Push) -> Outcome {
        self.answer(push.id, &push.handover).await
    }

    fn render_broadcast(&self, _to: &Broadcast, messages: &[Message<'_>]) -> Result<Rendered, RenderError> {
        self.render(&messages[0])
    }

    async fn send_broadcast(&self, push: BroadcastPush) -> Outcome {
        self.answer(push.id, &push.handover).await
    }
}

impl TestProvider {
    async fn answer(&self, id: Uuid, handover: &Handover) -> Outcome {
        if !handover.start() {
            return Outcome::Withheld;
        }
        self.started.lock().unwrap().push(id);
        let mut answers = self.answers.subscribe();
        if answers.wait_for(|answers| *answers).await.is_err() {
            return Outcome::Withheld;
        }
        self.outcome.lock().unwrap().clone()
    }
}
