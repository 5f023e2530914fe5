//! A provider that does as it is told.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use serde_json::{Value, json};
use tokio::sync::watch;
use uuid::Uuid;

use crate::domain::broadcast::Broadcast;
use crate::domain::device::ProviderKind;
use crate::domain::outcome::Outcome;
use crate::providers::{Body, BroadcastPush, Handover, Message, Provider, Push, RenderError, Rendered};

/// Bytes that it takes.
pub(in crate::dispatch) const LIMIT: usize = 4096;
const ACCEPTED: Outcome = Outcome::Accepted { message_id: None, environment: None };

pub(in crate::dispatch) struct TestProvider {
    /// The ids of the pushes whose requests started, in order.
    started: Mutex<Vec<Uuid>>,
    /// What was handed over, by the ids of the pushes, in order.
    handed: Mutex<Vec<(Uuid, Value)>>,
    /// Answers are held while this is false.
    answers: watch::Sender<bool>,
    /// Rendering panics.
    pub(in crate::dispatch) panics: AtomicBool,
    /// What it answers.
    outcome: Mutex<Outcome>,
}

impl TestProvider {
    pub(in crate::dispatch) fn new() -> Self {
        Self {
            started: Mutex::default(),
            handed: Mutex::default(),
            answers: watch::Sender::new(true),
            panics: AtomicBool::new(false),
            outcome: Mutex::new(ACCEPTED),
        }
    }

    /// The ids of the pushes whose requests started, in order.
    pub(in crate::dispatch) fn started(&self) -> Vec<Uuid> {
        self.started.lock().unwrap().clone()
    }

    /// The ids of the pushes to devices whose requests started, each with its title and body.
    pub(in crate::dispatch) fn handed(&self) -> Vec<(Uuid, Value)> {
        self.handed.lock().unwrap().clone()
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

    fn render(&self, message: &Message<'_>) -> Result<Rendered, RenderError> {
        assert!(!self.panics.load(Ordering::SeqCst), "rendering panics, as the test wants it");
        let body = json!({"title": message.content.title, "body": message.content.body}).to_string();
        let size = body.len();
        if size > LIMIT {
            return Err(RenderError::TooLarge { size, limit: LIMIT });
        }
        Ok(Rendered { body: Body::Whole(Bytes::from(body)), headers: http::HeaderMap::new(), size })
    }

    async fn send(&self, push: Push) -> Outcome {
        let Body::Whole(body) = &push.rendered.body else { panic!("a whole body was rendered") };
        let words = serde_json::from_slice(body).unwrap();
        let outcome = self.answer(push.id, &push.handover).await;
        if !matches!(outcome, Outcome::Withheld) {
            self.handed.lock().unwrap().push((push.id, words));
        }
        outcome
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
