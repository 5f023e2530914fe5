//! The slow look at a body that the typed pass refused: every error with its path.

use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_path_to_error::{Path, Segment};

use super::message::field_error;
use super::strict::AnyValue;
use super::{Reading, Unknown};
use crate::api::problem::Problem;
use crate::dispatch::draft::FieldError;

/// Errors that are looked for, at most: each costs a pass.
const MAX_PASSES: usize = 30;

/// Reads what can be read, and says what is wrong with the rest. `Err` where it is not JSON, or where nothing is left to read.
pub(super) fn read<T: DeserializeOwned>(bytes: &[u8], unknown: Unknown) -> Result<Reading<T>, Problem> {
    let AnyValue(mut tree) = serde_json::from_slice(bytes).map_err(|error| Problem::bad_json(error.to_string()))?;
    let mut errors = Vec::new();
    find_nul(&tree, &mut String::new(), &mut errors);
    for _ in 0..MAX_PASSES {
        let error = match serde_path_to_error::deserialize(&tree) {
            Ok(value) => return Ok(Reading { value, errors }),
            Err(error) => error,
        };
        let path = error.path();
        let field = if path.iter().len() == 0 { String::new() } else { path.to_string() };
        let found = field_error(field, &error.inner().to_string());
        if unknown == Unknown::Ignored && found.code == "unknown_field" && leave_out(&mut tree, &path.iter().collect::<Vec<_>>()) {
            continue;
        }
        // what was taken out is absent, and what held it may be odd without it; that is not for want of the caller
        if !errors.iter().any(|error| is_within(&error.field, &found.field)) {
            errors.push(found);
        }
        if !take_out(&mut tree, path) {
            break;
        }
    }
    if errors.is_empty() {
        errors.push(FieldError {
            field: String::new(),
            code: "unknown_field",
            message: "has too many members that are not known".to_owned(),
        });
    }
    Err(Problem::invalid(errors))
}

fn is_within(field: &str, other: &str) -> bool {
    field.strip_prefix(other).is_some_and(|rest| rest.is_empty() || other.is_empty() || rest.starts_with(['.', '[']))
}

/// Removes the member at `path`; of a list with a wrong item, the whole list, so that the places of its other items do not shift.
fn take_out(tree: &mut Value, path: &Path) -> bool {
    let names: Vec<&str> =
        path.iter().map_while(|segment| if let Segment::Map { key } = segment { Some(key.as_str()) } else { None }).collect();
    let Some((last, parents)) = names.split_last() else { return false };
    let parent = parents.iter().try_fold(tree, |at, name| at.get_mut(*name));
    parent.and_then(Value::as_object_mut).is_some_and(|members| members.remove(*last).is_some())
}

/// Removes the member at `path` wherever it is: of a list, from all its items at once, since they are alike. Whether it was there.
fn leave_out(tree: &mut Value, path: &[&Segment]) -> bool {
    match (path, tree) {
        ([Segment::Map { key }], Value::Object(members)) => members.remove(key).is_some(),
        ([Segment::Map { key }, below @ ..], Value::Object(members)) => members.get_mut(key).is_some_and(|member| leave_out(member, below)),
        ([Segment::Seq { .. }, below @ ..], Value::Array(items)) => {
            items.iter_mut().filter_map(|item| leave_out(item, below).then_some(())).count() > 0
        }
        _ => false,
    }
}

fn find_nul(value: &Value, path: &mut String, errors: &mut Vec<FieldError>) {
    const MESSAGE: &str = "must not have a NUL character";
    match value {
        Value::String(text) if text.contains('\0') => errors.push(FieldError::invalid(path.as_str(), MESSAGE)),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                let length = path.len();
                path.extend(["[", &index.to_string(), "]"]);
                find_nul(item, path, errors);
                path.truncate(length);
            }
        }
        Value::Object(members) => {
            for (name, member) in members {
                if name.contains('\0') {
                    errors.push(FieldError::invalid(path.as_str(), MESSAGE));
                    continue;
                }
                let length = path.len();
                path.push_str(if length == 0 { "" } else { "." });
                path.push_str(name);
                find_nul(member, path, errors);
                path.truncate(length);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
