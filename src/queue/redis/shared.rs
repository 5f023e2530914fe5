//! Short-lived values that the nodes share beside the queue, by Redis's own clock.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use redis::Script;

use super::super::Error;
use super::server::Server;

static LOOK: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("look.lua")));
static REPLACE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("replace.lua")));

/// Values by name. What Redis forgets is as if it had never been.
pub struct SharedValues {
    server: Arc<Server>,
    prefix: String,
}

/// What takes the place of a value.
#[derive(Clone, Copy)]
pub struct Change<'a> {
    /// What is thought to be there; where there is nothing, that is as good.
    pub expected: Option<&'a [u8]>,
    /// What shall be there.
    pub value: &'a [u8],
    /// What is there stays at least this long.
    pub rest: Duration,
    /// The new value is forgotten after this.
    pub lives: Duration,
}

impl SharedValues {
    pub(super) fn new(server: Arc<Server>, prefix: &str) -> Self {
        Self { server, prefix: prefix.to_owned() }
    }

    /// What is there, and for how long it has been.
    pub async fn look(&self, name: &str) -> Result<Option<(Vec<u8>, Duration)>, Error> {
        let found: Option<(Vec<u8>, u64)> = self.server.call(&LOOK.key(self.key(name))).await?;
        Ok(found.map(|(value, age)| (value, Duration::from_millis(age))))
    }

    /// Puts a value in the place of another, all in one step; `false` where something else is there than was thought, or what is there has
    /// not rested long enough.
    pub async fn replace(&self, name: &str, Change { expected, value, rest, lives }: Change<'_>) -> Result<bool, Error> {
        let mut call = REPLACE.key(self.key(name));
        call.arg(u8::from(expected.is_some())).arg(expected.unwrap_or_default()).arg(value);
        call.arg(rest.as_millis()).arg(lives.as_millis());
        Ok(self.server.call(&call).await?)
    }

    fn key(&self, name: &str) -> String {
        format!("{{{}:shared:{name}}}", self.prefix)
    }
}
