//! Segments in SQLite's words. Tags are looked up by their unescaped names (`json_each`), since a path has no place for a name.

use super::super::rules::predicate::{Dialect, How, Value};
use super::batch::Binds;
use super::json::List;
use super::row::micros;

/// SQLite's words.
pub(super) struct Sqlite;

impl Sqlite {
    /// A comparison of values without an affinity of their own: as they are, text by its bytes.
    fn compared(left: &str, how: How, place: &str) -> String {
        match how {
            How::Is(operator) => format!("{left} {operator} {place}"),
            How::In => format!("{left} IN (SELECT value FROM json_each({place}))"),
        }
    }

    fn tag(tags: &str, name: &str, condition: &str) -> String {
        format!("EXISTS (SELECT 1 FROM json_each({tags}) t WHERE t.key = {name} AND {condition})")
    }
}

impl Dialect for Sqlite {
    fn place(number: usize) -> String {
        format!("?{number}")
    }

    fn text(column: &str, how: How, place: &str) -> String {
        Self::compared(column, how, place)
    }

    fn instant(column: &str, how: How, place: &str) -> String {
        Self::compared(column, how, place)
    }

    fn prefix(column: &str, place: &str) -> String {
        format!("substr({column}, 1, length({place})) = {place}")
    }

    fn tag_exists(tags: &str, name: &str) -> String {
        Self::tag(tags, name, "t.type <> 'null'")
    }

    fn tag_text(tags: &str, name: &str, how: How, place: &str) -> String {
        Self::tag(tags, name, &format!("t.type = 'text' AND {}", Self::compared("t.atom", how, place)))
    }

    fn tag_number(tags: &str, name: &str, how: How, place: &str) -> String {
        let number = Self::compared("CAST(t.atom AS REAL)", how, place);
        Self::tag(tags, name, &format!("t.type IN ('integer', 'real') AND {number}"))
    }

    fn tag_bool(tags: &str, name: &str, is: bool) -> String {
        Self::tag(tags, name, if is { "t.type = 'true'" } else { "t.type = 'false'" })
    }

    fn tag_prefix(tags: &str, name: &str, place: &str) -> String {
        Self::tag(tags, name, &format!("t.type = 'text' AND {}", Self::prefix("t.atom", place)))
    }
}

/// Puts the values into their places.
pub(super) fn bind(binds: &mut Binds, values: &[Value]) {
    for value in values {
        match value {
            Value::Integer(number) => binds.push(*number),
            Value::Text(text) => binds.push(text.as_str()),
            Value::Texts(texts) => binds.push(List::of_texts(texts.iter().map(String::as_str))),
            Value::Number(number) => binds.push(*number),
            Value::Numbers(numbers) => binds.push(List::of(numbers.iter().copied().map(serde_json::Value::from))),
            Value::Instant(at) => binds.push(micros(*at)),
            Value::Instants(instants) => binds.push(List::of(instants.iter().copied().map(micros))),
        };
    }
}
