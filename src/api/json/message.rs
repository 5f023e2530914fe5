//! serde's errors in words for callers. They never repeat the value, which may be a token.

use crate::dispatch::draft::FieldError;

/// The error at `path` (empty: the body itself) that serde words as `text`.
pub(super) fn field_error(path: String, text: &str) -> FieldError {
    let text = text.split_once(" at line ").map_or(text, |(text, _)| text);
    if text.starts_with("unknown field ") {
        return FieldError { field: path, code: "unknown_field", message: "there is no such field here".to_owned() };
    }
    if let Some(name) = text.strip_prefix("missing field ") {
        return FieldError { field: below(path, name.trim_matches('`')), code: "required", message: "is required".to_owned() };
    }
    let told = ["invalid type: ", "invalid value: ", "invalid length ", "unknown variant "].iter().any(|start| text.starts_with(start));
    let message = match text.rsplit_once(", expected ") {
        Some((_, expected)) if told => format!("must be {}", wanted(expected)),
        _ => text.to_owned(),
    };
    FieldError::invalid(path, message)
}

fn below(path: String, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { path + "." + name }
}

fn wanted(expected: &str) -> String {
    match expected {
        "u8" => format!("a whole number from 0 to {}", u8::MAX),
        "u16" => format!("a whole number from 0 to {}", u16::MAX),
        "u32" => format!("a whole number from 0 to {}", u32::MAX),
        "u64" | "usize" => "a whole number, 0 or more".to_owned(),
        "i32" | "i64" => "a whole number".to_owned(),
        "f32" | "f64" => "a number".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "a sequence" => "a list".to_owned(),
        "a map" => "an object".to_owned(),
        "string or map" => "a string".to_owned(),
        text if text.starts_with("struct ") => "an object".to_owned(),
        text => text.replace('`', ""),
    }
}
