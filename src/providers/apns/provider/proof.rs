//! Whether Apple takes the credential, for `herald check`: asked with a push for a token that nobody has, so that nobody gets anything.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use tokio::time::Instant;

use super::super::credential::Credential;
use super::super::headers::{PRIORITY, PUSH_TYPE, TOPIC};
use super::ApnsProvider;
use crate::domain::Timestamp;
use crate::domain::device::{Environment, PushToken};
use crate::domain::outcome::Outcome;
use crate::providers::{Body, Handover, InitError, Push, Rendered};

/// A token of the right form that no device has.
const NOBODY: &str = "bad0000000000000000000000000000000000000000000000000000000000000";
/// A background push: even if it arrived, nothing would be shown.
const BODY: &str = r#"{"aps":{"content-available":1},"herald_id":"00000000-0000-0000-0000-000000000000"}"#;

/// Why the credential is not proven.
#[derive(Debug, thiserror::Error)]
pub enum ProveError {
    /// It cannot be used at all.
    #[error(transparent)]
    Unusable(#[from] InitError),
    /// No environment takes it; with Apple's words, or why it could not be asked.
    #[error("Apple does not take it: {0}")]
    Refused(String),
}

/// What one environment says.
enum Answer {
    Takes,
    Refuses(String),
    Silent(String),
}

impl ApnsProvider {
    /// Signs a provider token, or looks whether the certificate is still valid, and asks both environments. Says which of them take it: newer
    /// keys are for one of the two.
    pub async fn prove(&self) -> Result<String, ProveError> {
        self.look()?;
        let mut answers = vec![(Environment::Production, self.ask(Environment::Production).await)];
        if self.production.pool.origin() != self.sandbox.pool.origin() {
            answers.push((Environment::Sandbox, self.ask(Environment::Sandbox).await));
        }
        let told: Vec<String> = answers.iter().map(|(environment, answer)| told(*environment, answer)).collect();
        let told = told.join(", ");
        if answers.iter().any(|(_, answer)| matches!(answer, Answer::Takes)) { Ok(told) } else { Err(ProveError::Refused(told)) }
    }

    /// What can be known without Apple.
    pub(in crate::providers::apns) fn look(&self) -> Result<(), InitError> {
        match &self.credential {
            Credential::Token(signer) => signer.prove().map_err(|source| InitError::Key { key: "key_file", expected: "EC P-256", source }),
            Credential::Certificate(certificate) if certificate.expires_at() <= self.context.clock.now() => {
                Err(InitError::Expired { key: "cert_file", at: certificate.expires_at() })
            }
            Credential::Certificate(_) => Ok(()),
        }
    }

    async fn ask(&self, environment: Environment) -> Answer {
        let body = Bytes::from_static(BODY.as_bytes());
        let push = self.push_to_nobody(environment, body.clone());
        match self.deliver_to(environment, (&push, NOBODY), &body, Instant::now() + self.context.send_timeout).await {
            Outcome::CredentialRefused { reason, .. } => Answer::Refuses(reason.to_string()),
            Outcome::Unavailable { reason, .. } | Outcome::Throttled { reason, .. } => Answer::Silent(reason.to_string()),
            Outcome::Withheld => Answer::Silent("not asked".to_owned()),
            // it looked at the token, or at the message: the credential was good enough for that
            Outcome::Accepted { .. } | Outcome::TokenDead { .. } | Outcome::TokenMismatched { .. } | Outcome::MessageRejected { .. } => {
                Answer::Takes
            }
        }
    }

    fn push_to_nobody(&self, environment: Environment, body: Bytes) -> Push {
        let mut headers = HeaderMap::new();
        headers.insert(PUSH_TYPE, HeaderValue::from_static("background"));
        headers.insert(PRIORITY, HeaderValue::from_static("5"));
        // what is no field's value was refused with the settings
        if let Ok(topic) = HeaderValue::try_from(&*self.bundle_id) {
            headers.insert(TOPIC, topic);
        }
        let (now, size) = (self.context.clock.now(), body.len());
        Push {
            rendered: Arc::new(Rendered { body: Body::Whole(body), headers, size }),
            token: PushToken::Apns(NOBODY.to_owned()),
            environment,
            id: uuid::Uuid::nil(),
            expires_at: None,
            now,
            handover: Handover::until(Timestamp::MAX_UTC, Duration::MAX, Arc::clone(&self.context.clock)),
        }
    }
}

fn told(environment: Environment, answer: &Answer) -> String {
    match answer {
        Answer::Takes => format!("{} takes it", environment.as_str()),
        Answer::Refuses(reason) => format!("{} refuses it ({reason})", environment.as_str()),
        Answer::Silent(reason) => format!("{} cannot be asked ({reason})", environment.as_str()),
    }
}
