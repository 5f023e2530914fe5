//! A notification's template: what fills it, and its words as they are now.

use std::collections::BTreeMap;

use super::dto::{NotificationRequest, TemplateUseRequest};
use super::validate::Given;
use crate::api::Api;
use crate::api::checks::Checks;
use crate::api::json::AnyValue;
use crate::api::problem::Problem;
use crate::dispatch::draft::Draft;
use crate::domain::id::AppId;
use crate::domain::name::{check_category_id, check_user_id};
use crate::domain::template::{MAX_VARIABLES, RESERVED, Template, UsedTemplate, Variables};
use crate::store::key::Scope;

/// Users with variables of their own, at most.
const MAX_USERS: usize = 10_000;

/// Checks and takes the template that a request names. Its words are still to be read.
pub(super) fn take(request: &mut NotificationRequest, is_broadcast: bool, checks: &mut Checks) -> Option<UsedTemplate> {
    let TemplateUseRequest { id, variables, per_user } = request.template.take()?;
    let beside = [
        ("localized", request.localized.is_some()),
        ("silent", request.silent == Some(true)),
        ("push_type", request.push_type.is_some()),
        ("live_activity", request.live_activity.is_some()),
        ("to.broadcast", is_broadcast),
    ];
    for (field, _) in beside.iter().filter(|(_, is_given)| *is_given) {
        checks.invalid(field, "cannot stand beside template");
    }
    match &id {
        Some(id) => checks.name("template.id", id, check_category_id),
        None => checks.required("template.id"),
    }
    let variables = variables.map(|value| named(value, "template.variables", checks)).unwrap_or_default();
    let shared = length(&variables);
    if shared > MAX_VARIABLES {
        checks.invalid("template.variables", format_args!("must have at most {MAX_VARIABLES} bytes"));
    }
    let mut own = BTreeMap::new();
    let per_user = per_user.map(|users| users.0).unwrap_or_default();
    if per_user.len() > MAX_USERS {
        checks.invalid("template.per_user", format_args!("must have at most {MAX_USERS} members"));
    }
    for (user, value) in per_user {
        let at = format!("template.per_user.{user}");
        checks.name(&at, &user, check_user_id);
        let theirs = named(value, &at, checks);
        if shared + length(&theirs) > MAX_VARIABLES {
            checks.invalid(&at, format_args!("must have at most {MAX_VARIABLES} bytes with those for everybody"));
        }
        own.insert(user, theirs);
        if checks.is_full() {
            break;
        }
    }
    Some(UsedTemplate { id: id.unwrap_or_default(), words: Template::default(), variables, per_user: own })
}

fn named(value: AnyValue, at: &str, checks: &mut Checks) -> Variables {
    let serde_json::Value::Object(variables) = value.0 else {
        checks.invalid(at, "must be an object");
        return Variables::new();
    };
    for name in variables.keys().filter(|name| RESERVED.contains(&name.as_str())) {
        checks.invalid(format_args!("{at}.{name}"), "is a name that templates give a meaning of their own");
    }
    variables
}

fn length(variables: &Variables) -> usize {
    serde_json::to_vec(variables).map_or(usize::MAX / 2, |bytes| bytes.len())
}

/// Puts the words of the draft's template into it: 422 where there is no such template, 403 where they are critical and the key may not.
pub(super) async fn read(api: &Api, app: AppId, draft: &mut Draft, given: Given) -> Result<(), Problem> {
    draft.read_template(&*api.store, app).await?;
    let is_critical = draft.template.as_ref().is_some_and(|used| used.words.is_critical());
    if is_critical && !given.may_be_critical { Err(Problem::scope_missing(Scope::Critical)) } else { Ok(()) }
}
