//! Part of accept: a template is filled for those of whom everything is known by now, so that what is missing is told before the 202.

use std::borrow::Cow;
use std::time::Duration;

use super::draft::{FieldError, Rejected, To};
use super::message::Message;
use super::template::{Addressee, Fault};
use super::words::{self, Wording};
use crate::domain::clock::Clock;
use crate::domain::content::Content;
use crate::domain::device::Platform;

/// Users for whom it is tried, at most: it takes time that its caller waits.
const TRIED: usize = 100;
/// How long that may take.
const PATIENCE: Duration = Duration::from_millis(200);

/// Users that are named, as many as are tried.
pub(super) fn sample(to: &To) -> Vec<String> {
    match to {
        To::Users(names) => names.iter().take(TRIED).cloned().collect(),
        To::Devices(_) | To::All | To::Segment(_) | To::Topic(_) | To::Broadcast(_) => Vec::new(),
    }
}

/// Fills the template for named users, where it shows nothing that only the store or a device knows. A template that says the same to everybody is filled with the payloads.
pub(super) fn fill(message: &Message, users: &[String], clock: &dyn Clock) -> Result<(), Rejected> {
    let template = message.template().map_err(|fault| refusal(message, &fault))?;
    let Some((used, engine)) = template else { return Ok(()) };
    let uses = engine.uses();
    if uses.is_shared() || uses.user_tags || uses.device || uses.locale {
        return Ok(());
    }
    let notification = &message.notification;
    let of = |(variant, locale): Wording<'_>| {
        let over = words::of_variant(notification, (variant, locale), Cow::Borrowed(&notification.content)).into_owned();
        (locale.map(|locale| words::chain(&used.words.localized, locale)).unwrap_or_default(), over)
    };
    let wordings: Vec<(Vec<&str>, Content)> = words::wordings(notification).map(of).collect();
    let until = clock.monotonic() + PATIENCE;
    for user in users {
        if clock.monotonic() > until {
            break;
        }
        let to = Addressee { user: Some(user), ..Addressee::default() };
        for (chain, over) in &wordings {
            let filled = engine.fill(used, (chain, over), (Platform::Ios, to), clock);
            filled.map(drop).map_err(|fault| refusal_of(message, &fault, used.per_user.contains_key(user).then_some(user)))?;
        }
    }
    Ok(())
}

/// Why a template cannot be used like this: names of it, and what is missing.
pub(super) fn refusal(message: &Message, fault: &Fault) -> Rejected {
    refusal_of(message, fault, None)
}

fn refusal_of(message: &Message, fault: &Fault, user: Option<&String>) -> Rejected {
    let field = user.map_or_else(|| "template.variables".to_owned(), |user| format!("template.per_user.{user}"));
    let id = message.notification.template.as_ref().map_or("", |template| &template.id);
    let missing = missing(message, user.map(String::as_str));
    let missing = if missing.is_empty() { String::new() } else { format!("; without a value: {}", missing.join(", ")) };
    Rejected::Invalid(vec![FieldError { field, code: "render_failed", message: format!("template {id:?}, {fault}{missing}") }])
}

/// Names that the template looks up and nobody gave a value.
fn missing(message: &Message, user: Option<&str>) -> Vec<String> {
    let Ok(Some((used, engine))) = message.template() else { return Vec::new() };
    let given = used.variables_of(user);
    let is_known = |name: &str| given.get(name).is_some_and(|value| !value.is_null()) || crate::domain::template::RESERVED.contains(&name);
    engine.names().iter().filter(|name| !is_known(name)).take(10).cloned().collect()
}
