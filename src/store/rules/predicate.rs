//! Segments as SQL: a condition on a device `d` and its person `p` for a `WHERE`. What it means is [`Segment::matches`].
//!
//! The text is made of constants and of places for values, and of nothing else: names of tags are values, too. No part of it is ever NULL, so
//! that `NOT` is the plain complement. Texts are compared byte by byte, whatever the database's collation.

use super::super::engine::Selection;
use crate::domain::Timestamp;
use crate::domain::segment::{Comparison, Field, Leaf, Operand, Segment, Test, as_double};
use crate::domain::version::Version;

/// A value for a place of the text, in order.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::store) enum Value {
    Integer(i64),
    Text(String),
    Texts(Vec<String>),
    Number(f64),
    Numbers(Vec<f64>),
    Instant(Timestamp),
    Instants(Vec<Timestamp>),
}

/// A condition and its values.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::store) struct Predicate {
    /// The text.
    pub(in crate::store) text: String,
    /// What goes into its places, in order.
    pub(in crate::store) values: Vec<Value>,
}

/// How something is compared with the value at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) enum How {
    /// By an operator.
    Is(&'static str),
    /// It is in the list that the value is.
    In,
}

/// Where the databases differ. `place` and `name` are what [`Dialect::place`] made; `tags` is a column of JSON.
pub(in crate::store) trait Dialect {
    /// The place of the value of this number, counted from 1.
    fn place(number: usize) -> String;
    /// A column of text, compared.
    fn text(column: &str, how: How, place: &str) -> String;
    /// A column of instants, compared.
    fn instant(column: &str, how: How, place: &str) -> String;
    /// A column of text that begins as the value does.
    fn prefix(column: &str, place: &str) -> String;
    /// A tag is there.
    fn tag_exists(tags: &str, name: &str) -> String;
    /// A tag that is a text, compared.
    fn tag_text(tags: &str, name: &str, how: How, place: &str) -> String;
    /// A tag that is a number, compared.
    fn tag_number(tags: &str, name: &str, how: How, place: &str) -> String;
    /// A tag that is this.
    fn tag_bool(tags: &str, name: &str, is: bool) -> String;
    /// A tag that is a text and begins as the value does.
    fn tag_prefix(tags: &str, name: &str, place: &str) -> String;
}

/// The condition of a segment for an audience that is taken at `as_of`. `taken` values stand before its own.
pub(in crate::store) fn compile<D: Dialect>(segment: &Segment, as_of: Timestamp, taken: usize) -> Predicate {
    let mut compiler = Compiler { as_of, taken, values: Vec::new() };
    let text = compiler.node::<D>(segment);
    Predicate { text, values: compiler.values }
}

/// The condition of a selection: that a device follows the topic of this number, if it is still to be asked, and is meant by every segment.
/// `taken` values stand before its own.
pub(in crate::store) fn all_of<D: Dialect>(topic: Option<i64>, selection: &Selection, taken: usize) -> Predicate {
    let mut compiler = Compiler { as_of: selection.as_of, taken, values: Vec::new() };
    let mut parts: Vec<String> = topic.into_iter().map(|topic| compiler.follows::<D>(topic)).collect();
    parts.extend(selection.segments.iter().map(|segment| compiler.node::<D>(segment)));
    let text = if parts.is_empty() { "TRUE".to_owned() } else { join(&parts, " AND ") };
    Predicate { text, values: compiler.values }
}

/// A balanced tree, since databases bound how deep an expression may be.
fn join(parts: &[String], word: &str) -> String {
    match parts {
        [] => String::new(),
        [one] => one.clone(),
        _ => {
            let (left, right) = parts.split_at(parts.len() / 2);
            format!("({}{word}{})", join(left, word), join(right, word))
        }
    }
}

struct Compiler {
    as_of: Timestamp,
    taken: usize,
    values: Vec<Value>,
}

/// Where a field is kept.
enum Source<'f> {
    /// In a column of text.
    Text(&'static str),
    /// In a column of text, with the key by which it is compared beside it.
    Version { column: &'static str, key: &'static str },
    /// In a column of instants, which is never NULL.
    Instant(&'static str),
    /// In a document of tags, under a name.
    Tag { tags: &'static str, name: &'f str },
}

fn source(field: &Field) -> Source<'_> {
    match field {
        Field::Platform => Source::Text("d.platform"),
        Field::Locale => Source::Text("d.locale"),
        Field::Timezone => Source::Text("d.timezone"),
        Field::Model => Source::Text("d.model"),
        Field::AppVersion => Source::Version { column: "d.app_version", key: "d.app_version_key" },
        Field::OsVersion => Source::Version { column: "d.os_version", key: "d.os_version_key" },
        Field::LastSeenAt => Source::Instant("d.last_seen_at"),
        Field::CreatedAt => Source::Instant("d.created_at"),
        Field::Tag(name) => Source::Tag { tags: "d.tags", name },
        Field::UserTag(name) => Source::Tag { tags: "p.tags", name },
    }
}

fn operator(comparison: Comparison) -> &'static str {
    match comparison {
        Comparison::Eq | Comparison::Ne => "=",
        Comparison::Lt => "<",
        Comparison::Lte => "<=",
        Comparison::Gt => ">",
        Comparison::Gte => ">=",
    }
}

/// Never NULL.
fn sure(condition: &str) -> String {
    format!("(({condition}) IS TRUE)")
}

impl Compiler {
    fn place<D: Dialect>(&mut self, value: Value) -> String {
        self.values.push(value);
        D::place(self.taken + self.values.len())
    }

    /// Each is one look by key: the rest of the followers is left alone.
    fn follows<D: Dialect>(&mut self, topic: i64) -> String {
        let topic = self.place::<D>(Value::Integer(topic));
        let own = format!("(SELECT TRUE FROM topic_device f WHERE f.topic_pk = {topic} AND f.device_pk = d.pk LIMIT 1)");
        let of_user = format!("(SELECT TRUE FROM topic_person f WHERE f.topic_pk = {topic} AND f.person_pk = d.person_pk LIMIT 1)");
        format!("({} OR {})", sure(&own), sure(&of_user))
    }

    fn node<D: Dialect>(&mut self, segment: &Segment) -> String {
        match segment {
            Segment::Everyone => "TRUE".to_owned(),
            Segment::All(parts) => join(&self.nodes::<D>(parts), " AND "),
            Segment::Any(parts) => join(&self.nodes::<D>(parts), " OR "),
            Segment::Not(part) => format!("(NOT {})", self.node::<D>(part)),
            Segment::Leaf(leaf) => self.leaf::<D>(leaf),
        }
    }

    fn nodes<D: Dialect>(&mut self, parts: &[Segment]) -> Vec<String> {
        parts.iter().map(|part| self.node::<D>(part)).collect()
    }

    fn leaf<D: Dialect>(&mut self, leaf: &Leaf) -> String {
        match &leaf.test {
            Test::Exists(true) => self.exists::<D>(&leaf.field),
            Test::Exists(false) => format!("(NOT {})", self.exists::<D>(&leaf.field)),
            Test::Compare(comparison, operand) => {
                let is_so = self.compare::<D>(&leaf.field, operator(*comparison), operand);
                if *comparison == Comparison::Ne { format!("(NOT {is_so})") } else { is_so }
            }
            Test::In(operands) => self.any_of::<D>(&leaf.field, operands),
            Test::Prefix(start) => self.prefix::<D>(&leaf.field, start),
        }
    }

    fn exists<D: Dialect>(&mut self, field: &Field) -> String {
        match source(field) {
            Source::Text(column) | Source::Version { column, .. } | Source::Instant(column) => format!("({column} IS NOT NULL)"),
            Source::Tag { tags, name } => {
                let name = self.place::<D>(Value::Text(name.to_owned()));
                sure(&D::tag_exists(tags, &name))
            }
        }
    }

    fn prefix<D: Dialect>(&mut self, field: &Field, start: &str) -> String {
        match source(field) {
            Source::Text(column) | Source::Version { column, .. } => {
                let place = self.place::<D>(Value::Text(start.to_owned()));
                sure(&D::prefix(column, &place))
            }
            Source::Tag { tags, name } => {
                let name = self.place::<D>(Value::Text(name.to_owned()));
                let place = self.place::<D>(Value::Text(start.to_owned()));
                sure(&D::tag_prefix(tags, &name, &place))
            }
            // an instant is no text
            Source::Instant(_) => "FALSE".to_owned(),
        }
    }

    fn compare<D: Dialect>(&mut self, field: &Field, operator: &'static str, operand: &Operand) -> String {
        let value = match operand {
            Operand::Text(text) => Value::Text(text.clone()),
            Operand::Version(text) => Value::Text(Version::parse(text).sort_key()),
            Operand::Number(number) => Value::Number(as_double(number)),
            Operand::Moment(moment) => Value::Instant(moment.instant(self.as_of)),
            Operand::Bool(is) => return self.bool::<D>(field, *is),
        };
        self.against::<D>(field, How::Is(operator), value)
    }

    /// One list for each type there is, since a database's lists are of one.
    fn any_of<D: Dialect>(&mut self, field: &Field, operands: &[Operand]) -> String {
        let (mut texts, mut numbers, mut instants) = (Vec::new(), Vec::new(), Vec::new());
        for operand in operands {
            match operand {
                Operand::Text(text) => texts.push(text.clone()),
                Operand::Version(text) => texts.push(Version::parse(text).sort_key()),
                Operand::Number(number) => numbers.push(as_double(number)),
                Operand::Moment(moment) => instants.push(moment.instant(self.as_of)),
                Operand::Bool(_) => {}
            }
        }
        let mut parts = Vec::new();
        if !texts.is_empty() {
            parts.push(self.against::<D>(field, How::In, Value::Texts(texts)));
        }
        if !numbers.is_empty() {
            parts.push(self.against::<D>(field, How::In, Value::Numbers(numbers)));
        }
        if !instants.is_empty() {
            parts.push(self.against::<D>(field, How::In, Value::Instants(instants)));
        }
        for is in [true, false] {
            if operands.contains(&Operand::Bool(is)) {
                parts.push(self.bool::<D>(field, is));
            }
        }
        join(&parts, " OR ")
    }

    fn bool<D: Dialect>(&mut self, field: &Field, is: bool) -> String {
        let Source::Tag { tags, name } = source(field) else { return "FALSE".to_owned() };
        let name = self.place::<D>(Value::Text(name.to_owned()));
        sure(&D::tag_bool(tags, &name, is))
    }

    /// The field, if it is of the value's type, compared with it.
    fn against<D: Dialect>(&mut self, field: &Field, how: How, value: Value) -> String {
        let condition = match (source(field), &value) {
            (Source::Text(column) | Source::Version { key: column, .. }, Value::Text(_) | Value::Texts(_)) => {
                D::text(column, how, &self.place::<D>(value))
            }
            (Source::Instant(column), Value::Instant(_) | Value::Instants(_)) => D::instant(column, how, &self.place::<D>(value)),
            (Source::Tag { tags, name }, Value::Text(_) | Value::Texts(_)) => {
                let name = self.place::<D>(Value::Text(name.to_owned()));
                D::tag_text(tags, &name, how, &self.place::<D>(value))
            }
            (Source::Tag { tags, name }, Value::Number(_) | Value::Numbers(_)) => {
                let name = self.place::<D>(Value::Text(name.to_owned()));
                D::tag_number(tags, &name, how, &self.place::<D>(value))
            }
            _ => return "FALSE".to_owned(),
        };
        sure(&condition)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Everything it is asked for becomes a word with its places.
    struct Words;

    impl Dialect for Words {
        fn place(number: usize) -> String {
            format!("#{number}")
        }

        fn text(column: &str, how: How, place: &str) -> String {
            format!("{column} {how:?} {place}")
        }

        fn instant(column: &str, how: How, place: &str) -> String {
            format!("{column} {how:?} {place}")
        }

        fn prefix(column: &str, place: &str) -> String {
            format!("{column} begins {place}")
        }

        fn tag_exists(tags: &str, name: &str) -> String {
            format!("{tags} has {name}")
        }

        fn tag_text(tags: &str, name: &str, how: How, place: &str) -> String {
            format!("{tags} {name} {how:?} {place}")
        }

        fn tag_number(tags: &str, name: &str, how: How, place: &str) -> String {
            format!("{tags} {name} {how:?} {place}")
        }

        fn tag_bool(tags: &str, name: &str, is: bool) -> String {
            format!("{tags} {name} {is}")
        }

        fn tag_prefix(tags: &str, name: &str, place: &str) -> String {
            format!("{tags} {name} begins {place}")
        }
    }

    /// What callers write reaches the text nowhere.
    #[test]
    fn the_text_has_places_in_the_order_of_its_values() {
        let hostile = "'; DROP TABLE device; --";
        let segment = json!({"all": [
            {"field": format!("tags.{hostile}"), "op": "in", "value": [hostile, 1, true]},
            {"not": {"field": "model", "op": "prefix", "value": hostile}},
            {"field": format!("user.tags.{hostile}"), "op": "ne", "value": hostile},
        ]});
        let segment = Segment::parse(&segment, "segment").unwrap();
        let Predicate { text, values } = compile::<Words>(&segment, Timestamp::UNIX_EPOCH, 3);
        assert!(!text.contains("DROP"), "{text}");
        let places: Vec<usize> = text.split('#').skip(1).map(|rest| rest.split([' ', ')']).next().unwrap().parse().unwrap()).collect();
        assert_eq!(places, (4..4 + values.len()).collect::<Vec<_>>(), "{text}");
        let name = || Value::Text(hostile.to_owned());
        let expected = [name(), Value::Texts(vec![hostile.to_owned()]), name(), Value::Numbers(vec![1.0]), name(), name(), name(), name()];
        assert_eq!(values, expected);
    }

    #[test]
    fn a_thousand_conditions_are_no_deeper_than_a_few() {
        let leaf = json!({"field": "model", "op": "eq", "value": "x"});
        let segment = Segment::parse(&json!({"any": vec![leaf; 1000]}), "segment").unwrap();
        let text = compile::<Words>(&segment, Timestamp::UNIX_EPOCH, 0).text;
        let mut depth = 0_i32;
        let deepest = text.chars().map(|char| {
            depth += i32::from(char == '(') - i32::from(char == ')');
            depth
        });
        assert!(deepest.max().unwrap_or_default() < 20);
    }
}
