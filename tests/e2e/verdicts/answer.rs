//! What a provider says to a push, or fails to.

use std::fmt::{self, Display, Formatter};

use serde_json::{Value, json};

/// A word that no provider documents.
pub(super) const UNKNOWN: &str = "SomethingNew";

/// Whom the push is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum To {
    /// A device of the platform that the provider is for.
    Device,
    /// An iPhone that is reached through FCM.
    Ios,
    /// A channel of Apple's.
    Channel,
}

/// An answer, and the push that gets it.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    /// A rule of the simulator's, but for whom it is.
    rule: Value,
    /// What is kept of it, where something is: the provider's word.
    pub(super) word: String,
    pub(super) to: To,
    /// Seconds from the request after which it is repeated at the earliest, where the provider asks for more than any backoff.
    pub(super) patience: Option<u32>,
    /// Whether its lane has sent nothing before.
    pub(super) is_first: bool,
    /// Whether the push is tried once, and then over.
    pub(super) is_now_or_never: bool,
}

/// A status and the provider's word.
pub(super) fn answer(status: u16, word: &str) -> Answer {
    Answer::of(json!({"respond": {"status": status, "reason": word}}), word)
}

/// A status and nothing else.
pub(super) fn bare(status: u16) -> Answer {
    Answer::of(json!({"respond": {"status": status}}), &format!("status {status}"))
}

/// A status and a page for people, as a proxy in between answers.
pub(super) fn page(status: u16) -> Answer {
    bare(status).with("body", "<html>no</html>")
}

/// No answer: what happens to the stream or connection in its place.
pub(super) fn fault(name: &str) -> Answer {
    Answer::of(json!({ "fault": name }), name)
}

impl Answer {
    fn of(rule: Value, word: &str) -> Self {
        Self { rule, word: word.to_owned(), to: To::Device, patience: None, is_first: false, is_now_or_never: false }
    }

    /// To the first request only; what is repeated is accepted.
    pub(super) fn once(mut self) -> Self {
        self.rule["times"] = json!(1);
        self
    }

    /// With another member of the simulator's `respond`.
    pub(super) fn with(mut self, member: &str, value: impl Into<Value>) -> Self {
        self.rule["respond"][member] = value.into();
        self
    }

    /// With a `Retry-After`, in seconds.
    pub(super) fn retry_after(self, seconds: u32) -> Self {
        self.with("retry_after", seconds).waited_for(seconds)
    }

    /// After which nothing is tried for so many seconds: the provider's pages say so.
    pub(super) fn waited_for(self, seconds: u32) -> Self {
        Self { patience: Some(seconds), ..self }
    }

    /// Of which something else is kept than its own word.
    pub(super) fn kept_as(self, word: &str) -> Self {
        Self { word: word.to_owned(), ..self }
    }

    /// To another than a device of the provider's platform.
    pub(super) fn at(self, to: To) -> Self {
        Self { to, ..self }
    }

    /// On a lane that has sent nothing before.
    pub(super) fn first(self) -> Self {
        Self { is_first: true, ..self }
    }

    /// To a push of `ttl_seconds` 0.
    pub(super) fn now_or_never(self) -> Self {
        Self { is_now_or_never: true, ..self }
    }

    /// The rule for the pushes of one token.
    pub(super) fn rule(&self, provider: &str, token: &str) -> Value {
        let mut rule = self.rule.clone();
        (rule["provider"], rule["token_prefix"]) = (json!(provider), json!(token));
        rule
    }
}

impl Display for Answer {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { rule, to, is_first, is_now_or_never, .. } = self;
        write!(f, "{rule} to {to:?}, first: {is_first}, now or never: {is_now_or_never}")
    }
}
