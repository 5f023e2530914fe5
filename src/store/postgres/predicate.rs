//! Segments in PostgreSQL's words. Each place says its type, since the text is prepared without its values.

use super::super::rules::predicate::{Dialect, How, Value};
use super::batch::Binds;

/// PostgreSQL's words.
pub(super) struct Postgres;

impl Postgres {
    fn compared(left: &str, how: How, place: &str, kind: &str) -> String {
        match how {
            How::Is(operator) => format!("{left} {operator} {place}::{kind}"),
            How::In => format!("{left} = ANY ({place}::{kind}[])"),
        }
    }

    /// Only a tag of this type is converted: any other would be an error.
    fn tag(tags: &str, name: &str, kind: &str, condition: &str) -> String {
        format!("CASE WHEN jsonb_typeof({tags} -> {name}::text) = '{kind}' THEN {condition} END")
    }
}

impl Dialect for Postgres {
    fn place(number: usize) -> String {
        format!("${number}")
    }

    fn text(column: &str, how: How, place: &str) -> String {
        Self::compared(&format!("{column} COLLATE \"C\""), how, place, "text")
    }

    fn instant(column: &str, how: How, place: &str) -> String {
        Self::compared(column, how, place, "timestamptz")
    }

    fn prefix(column: &str, place: &str) -> String {
        format!("starts_with({column}, {place}::text)")
    }

    fn tag_exists(tags: &str, name: &str) -> String {
        format!("jsonb_typeof({tags} -> {name}::text) <> 'null'")
    }

    fn tag_text(tags: &str, name: &str, how: How, place: &str) -> String {
        let text = format!("({tags} ->> {name}::text) COLLATE \"C\"");
        Self::tag(tags, name, "string", &Self::compared(&text, how, place, "text"))
    }

    fn tag_number(tags: &str, name: &str, how: How, place: &str) -> String {
        let number = format!("({tags} -> {name}::text)::double precision");
        Self::tag(tags, name, "number", &Self::compared(&number, how, place, "double precision"))
    }

    fn tag_bool(tags: &str, name: &str, is: bool) -> String {
        format!("{tags} -> {name}::text = '{is}'::jsonb")
    }

    fn tag_prefix(tags: &str, name: &str, place: &str) -> String {
        Self::tag(tags, name, "string", &format!("starts_with({tags} ->> {name}::text, {place}::text)"))
    }
}

/// Puts the values into their places.
pub(super) fn bind(binds: &mut Binds, values: &[Value]) {
    for value in values {
        match value {
            Value::Integer(number) => binds.push(*number),
            Value::Text(text) => binds.push(text.as_str()),
            Value::Texts(texts) => binds.push(texts.as_slice()),
            Value::Number(number) => binds.push(*number),
            Value::Numbers(numbers) => binds.push(numbers.as_slice()),
            Value::Instant(at) => binds.push(*at),
            Value::Instants(instants) => binds.push(instants.as_slice()),
        };
    }
}
