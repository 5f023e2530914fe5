//! A message for a topic or a condition: Google sends one form to every platform, so it has the parts of all of them.

use http::HeaderMap;
use serde_json::{Map, Value};

use super::message::message;
use super::render::{complete, limited};
use super::settings::Display;
use super::splice::splice_to;
use crate::domain::broadcast::Broadcast;
use crate::domain::device::Platform;
use crate::providers::{Body, Message, RenderError, Rendered};

/// Google's limit on what a message to topics carries, all its parts together, in bytes of keys and values ("FCM Error Codes", message too
/// big).
const LIMIT: usize = 2048;

/// The parts of the platforms that have some. A silent push has none for browsers: those that subscribed get the data alone.
pub(super) fn render_broadcast(
    to: &Broadcast,
    sources: &[Message<'_>],
    (display, service_extension): (Display, bool),
) -> Result<Rendered, RenderError> {
    let destination = match to {
        Broadcast::FcmTopic(topic) => ("topic", topic.as_str()),
        Broadcast::FcmCondition(condition) => ("condition", condition.as_str()),
        Broadcast::ApnsChannel { .. } => return Err(RenderError::Unsupported),
    };
    let mut parts = Vec::with_capacity(sources.len());
    for source in sources {
        match message(source, display, service_extension) {
            Ok(form) => parts.push((source.platform, form)),
            Err(RenderError::Unsupported) => {}
            Err(error) => return Err(error),
        }
    }
    let mut form = join(parts);
    let apple = sources.iter().find(|source| source.platform == Platform::Ios);
    let size = complete(&mut form, apple, sources.first().and_then(|source| source.overrides))?;
    limited(size, LIMIT)?;
    Ok(Rendered { body: Body::Spliced(splice_to(destination, &form)), headers: HeaderMap::new(), size })
}

/// One form of all parts. What they have in `data` is Apple's there, since Google takes no other for Apple's systems; where another
/// platform's differs it stands in that platform's own part, which goes before the common one.
fn join(parts: Vec<(Platform, Map<String, Value>)>) -> Map<String, Value> {
    let common = parts.iter().find(|(platform, _)| *platform == Platform::Ios).or(parts.first());
    let common = common.and_then(|(_, form)| form.get("data")).cloned().unwrap_or_default();
    let mut joined = Map::from_iter([("data".to_owned(), common.clone())]);
    for (_, mut form) in parts {
        let own = form.remove("data").filter(|data| *data != common);
        for (name, mut part) in form {
            if let (Value::Object(part), Some(data)) = (&mut part, &own) {
                part.insert("data".to_owned(), data.clone());
            }
            joined.insert(name, part);
        }
    }
    joined
}

#[cfg(test)]
mod tests;
