//! What a campaign says before it has types: a tree whose nodes know the line that they were written in.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value as Json};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// One value and where it was written.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Node {
    /// The line in the file, from 1, of its name or of itself in a list; `None` where it comes from a flag or from the daemon.
    pub(super) line: Option<usize>,
    pub(super) value: Value,
}

/// What a node holds.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    /// Null, a boolean, a number or a text.
    Plain(Json),
    List(Vec<Node>),
    /// No name twice.
    Object(Vec<(String, Node)>),
}

/// A file that cannot be read, at a line where one is known.
#[derive(Debug, PartialEq)]
pub(super) struct Unreadable {
    pub(super) line: Option<usize>,
    pub(super) message: String,
}

impl Node {
    /// An object without members, from nowhere.
    pub(super) fn empty() -> Self {
        Self { line: None, value: Value::Object(Vec::new()) }
    }

    /// What the daemon or a flag says.
    pub(super) fn from_json(value: Json) -> Self {
        let value = match value {
            Json::Array(items) => Value::List(items.into_iter().map(Self::from_json).collect()),
            Json::Object(members) => Value::Object(members.into_iter().map(|(name, value)| (name, Self::from_json(value))).collect()),
            plain => Value::Plain(plain),
        };
        Self { line: None, value }
    }

    /// As the daemon takes it.
    pub(super) fn to_json(&self) -> Json {
        match &self.value {
            Value::Plain(value) => value.clone(),
            Value::List(items) => Json::Array(items.iter().map(Self::to_json).collect()),
            Value::Object(members) => {
                Json::Object(members.iter().map(|(name, node)| (name.clone(), node.to_json())).collect::<Map<_, _>>())
            }
        }
    }

    /// Reads TOML. Dates are the texts that they are written as.
    pub(super) fn from_toml(text: &str) -> Result<Self, Unreadable> {
        let lines = Lines(text);
        let table = DeTable::parse(text).map_err(|error| Unreadable {
            line: error.span().map(|span| lines.at(span.start)),
            message: format!("is not TOML: {}", error.message()),
        })?;
        let value = of_table(table.get_ref(), &lines)?;
        Ok(Self { line: None, value })
    }

    /// Reads YAML 1.2, and so JSON. Dates are texts, and so are `yes`, `no`, `on` and `off`; no name may be repeated.
    pub(super) fn from_yaml(text: &str) -> Result<Self, Unreadable> {
        let options = serde_saphyr::options! {
            strict_booleans: true,
            reject_unsupported_tags: true,
            with_snippet: false,
        };
        serde_saphyr::from_str_with_options(text, options).map_err(|error| Unreadable {
            line: error.location().and_then(|place| usize::try_from(place.line()).ok()),
            message: format!("is not YAML as a campaign needs it: {}", error.render_with_formatter(&serde_saphyr::UserMessageFormatter)),
        })
    }

    /// The member of a name.
    pub(super) fn member(&self, name: &str) -> Option<&Self> {
        match &self.value {
            Value::Object(members) => members.iter().find(|(other, _)| other == name).map(|(_, node)| node),
            Value::Plain(_) | Value::List(_) => None,
        }
    }

    /// Puts a value at the end of a way of names, in the place of what was there; objects on the way are made. `false`: on the way is something
    /// else.
    pub(super) fn put(&mut self, way: &[&str], value: Json) -> bool {
        let Some((name, rest)) = way.split_first() else {
            *self = Self::from_json(value);
            return true;
        };
        let Value::Object(members) = &mut self.value else { return false };
        if let Some((_, node)) = members.iter_mut().find(|(other, _)| other == name) {
            return node.put(rest, value);
        }
        let mut node = Self::empty();
        let done = node.put(rest, value);
        members.push(((*name).to_owned(), node));
        done
    }

    /// Takes a member out.
    pub(super) fn remove(&mut self, name: &str) {
        if let Value::Object(members) = &mut self.value {
            members.retain(|(other, _)| other != name);
        }
    }

    /// The line of a field as the daemon names it (`variants[1].content.title`), or of the last thing on the way there that is in the file.
    pub(super) fn line_of(&self, field: &str) -> Option<usize> {
        let mut node = self;
        let mut line = node.line;
        for part in field.split(['.', '[']) {
            let next = match (&node.value, part.strip_suffix(']')) {
                (Value::List(items), Some(place)) => place.parse::<usize>().ok().and_then(|place| items.get(place)),
                _ => node.member(part),
            };
            let Some(next) = next else { break };
            node = next;
            line = node.line;
        }
        line
    }
}

/// Which line of a text a byte is in.
struct Lines<'a>(&'a str);

impl Lines<'_> {
    fn at(&self, offset: usize) -> usize {
        1 + self.0.bytes().take(offset).filter(|byte| *byte == b'\n').count()
    }
}

fn of_table(table: &DeTable<'_>, lines: &Lines<'_>) -> Result<Value, Unreadable> {
    let member = |(name, value): (&Spanned<_>, &Spanned<DeValue<'_>>)| {
        let line = lines.at(name.span().start);
        Ok((AsRef::<str>::as_ref(name.get_ref()).to_owned(), of_toml(value, line, lines)?))
    };
    Ok(Value::Object(table.iter().map(member).collect::<Result<_, _>>()?))
}

fn of_toml(value: &Spanned<DeValue<'_>>, line: usize, lines: &Lines<'_>) -> Result<Node, Unreadable> {
    let unusable = |what: &str| Unreadable { line: Some(line), message: format!("{what} is no number that can be sent") };
    let value = match value.get_ref() {
        DeValue::String(text) => Value::Plain(text.as_ref().into()),
        DeValue::Integer(number) => {
            let number = i64::from_str_radix(number.as_str(), number.radix()).map_err(|_| unusable(number.as_str()))?;
            Value::Plain(number.into())
        }
        DeValue::Float(number) => {
            let parsed = number.as_str().parse().ok().and_then(Number::from_f64);
            Value::Plain(Json::Number(parsed.ok_or_else(|| unusable(number.as_str()))?))
        }
        DeValue::Boolean(flag) => Value::Plain((*flag).into()),
        DeValue::Datetime(instant) => Value::Plain(instant.to_string().into()),
        DeValue::Array(items) => {
            Value::List(items.iter().map(|item| of_toml(item, lines.at(item.span().start), lines)).collect::<Result<_, _>>()?)
        }
        DeValue::Table(table) => of_table(table, lines)?,
    };
    Ok(Node { line: Some(line), value })
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let node = serde_saphyr::Spanned::<Value>::deserialize(from)?;
        Ok(Self { line: usize::try_from(node.referenced.line()).ok().filter(|line| *line > 0), value: node.value })
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(AnyValue)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value that JSON has")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Plain(Json::Null))
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Value, E> {
        Ok(Value::Plain(flag.into()))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Plain(number.into()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(Value::Plain(number.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<Value, E> {
        Number::from_f64(number).map(|number| Value::Plain(Json::Number(number))).ok_or_else(|| E::custom("must be a number"))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Plain(text.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = from.next_element()? {
            items.push(item);
        }
        Ok(Value::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Value, A::Error> {
        let mut members: Vec<(String, Node)> = Vec::new();
        while let Some(name) = from.next_key::<serde_saphyr::Spanned<String>>()? {
            let mut node: Node = from.next_value()?;
            node.line = usize::try_from(name.referenced.line()).ok().filter(|line| *line > 0).or(node.line);
            if members.iter().any(|(other, _)| *other == name.value) {
                return Err(A::Error::custom(format_args!("`{}` is repeated", name.value)));
            }
            members.push((name.value, node));
        }
        Ok(Value::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn both_forms_say_the_same() {
        let toml = "name = 'x'\nper_second = 500\n[schedule]\nat = 2026-12-01T09:00:00Z\n[notification]\nsilent = false\n\
                    content.relevance = 0.5\n[[variants]]\nname = 'a'\n[[variants]]\nname = 'b'\n";
        let yaml = "name: x\nper_second: 500\nschedule:\n  at: 2026-12-01T09:00:00Z\nnotification:\n  silent: false\n  content:\n    \
                    relevance: 0.5\nvariants:\n- name: a\n- name: b\n";
        let expected = json!({
            "name": "x", "per_second": 500, "schedule": {"at": "2026-12-01T09:00:00Z"},
            "notification": {"silent": false, "content": {"relevance": 0.5}}, "variants": [{"name": "a"}, {"name": "b"}],
        });
        let (toml, yaml) = (Node::from_toml(toml).unwrap(), Node::from_yaml(yaml).unwrap());
        assert_eq!(toml.to_json(), expected);
        assert_eq!(yaml.to_json(), expected);
        assert_eq!(Node::from_yaml(&expected.to_string()).unwrap().to_json(), expected, "JSON is YAML");
        for (field, in_toml, in_yaml) in [
            ("schedule.at", Some(4), Some(4)),
            ("variants[1].name", Some(11), Some(11)),
            ("notification.content.relevance", Some(7), Some(8)),
            ("notification.category", Some(5), Some(5)),
            ("segment", None, Some(1)),
        ] {
            assert_eq!((toml.line_of(field), yaml.line_of(field)), (in_toml, in_yaml), "{field}");
        }
    }

    #[test]
    fn what_yaml_is_known_to_guess_is_text() {
        let yaml = "country: no\nswitch: on\nversion: 1.10.0\nlocal: 2026-12-01T09:00:00\nclock: 09:30\nnothing: ~\nflag: true\n";
        let expected = json!({
            "country": "no", "switch": "on", "version": "1.10.0", "local": "2026-12-01T09:00:00", "clock": "09:30", "nothing": null, "flag": true,
        });
        assert_eq!(Node::from_yaml(yaml).unwrap().to_json(), expected);
    }

    #[test]
    fn what_cannot_be_meant_is_told_with_its_line() {
        for (text, line) in [
            ("name: a\nname: b\n", Some(2)),
            ("name: a\n  body: b\n", Some(2)),
            ("name: [a\n", None),
            ("name: !secret a\n", Some(1)),
            ("relevance: .nan\n", Some(1)),
            ("? [a]\n: b\n", Some(1)),
        ] {
            let error = Node::from_yaml(text).unwrap_err();
            assert!(line.is_none_or(|line| error.line == Some(line)), "{text}: {error:?}");
            assert!(!error.message.contains('\n'), "{text}: {error:?}");
        }
        for (text, line) in
            [("name = 1\nname = 2\n", 2), ("a = 1\nrelevance = nan\n", 2), ("a = \n", 1), ("big = 99999999999999999999\n", 1)]
        {
            assert_eq!(Node::from_toml(text).unwrap_err().line, Some(line), "{text}");
        }
    }

    /// A file of a few lines that would be read as thousands of millions of nodes.
    #[test]
    fn a_bomb_of_aliases_is_refused() {
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for n in 1..10 {
            let reference = format!("*a{}", n - 1);
            let line = format!("a{n}: &a{n} [{}]\n", [reference.as_str(); 10].join(", "));
            bomb.push_str(&line);
        }
        assert!(Node::from_yaml(&bomb).is_err());
    }

    #[test]
    fn a_flag_goes_over_the_file() {
        let mut node = Node::from_toml("name = 'x'\n[notification.content]\ntitle = 'a'\nbody = 'b'\n").unwrap();
        assert!(node.put(&["notification", "content", "title"], json!("c")));
        assert!(node.put(&["schedule"], json!({"at": "now"})));
        assert!(!node.put(&["name", "first"], json!("y")), "a name is no object");
        let expected = json!({"name": "x", "notification": {"content": {"title": "c", "body": "b"}}, "schedule": {"at": "now"}});
        assert_eq!(node.to_json(), expected);
        assert_eq!(node.line_of("notification.content.title"), None, "the file does not say it");
        assert_eq!(node.line_of("notification.content.body"), Some(4));
    }
}
