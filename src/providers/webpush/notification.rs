//! What a browser shows: the part that Web Push and FCM's browsers have alike.

use serde_json::{Map, Value, json};

use crate::providers::Message;

/// `title`, `body`, `image`, `tag`, `actions`, as the Notifications API of browsers names them.
pub(in crate::providers) fn notification(message: &Message<'_>) -> Map<String, Value> {
    let content = message.content;
    let texts = [
        ("title", content.title.as_deref()),
        ("body", content.body.as_deref()),
        ("image", content.image_url.as_deref()),
        ("tag", Some(message.collapse_id)),
    ];
    let mut form: Map<String, Value> = texts.into_iter().filter_map(|(name, text)| Some((name.to_owned(), Value::from(text?)))).collect();
    if let Some(actions) = &content.actions {
        let actions = actions.iter().map(|action| json!({"action": action.id, "title": action.title})).collect();
        form.insert("actions".to_owned(), Value::Array(actions));
    }
    form
}
