//! From the tree to types: a serde deserialiser whose errors know the way to the value they are about.
//!
//! An environment variable's text takes the type that is asked for, so that `HERALD__DISPATCH__PERMITS=100` is a number
//! and a key id of ten digits stays text.

use std::collections::btree_map;
use std::slice;

use serde::de::value::StrDeserializer;
use serde::de::{self, DeserializeSeed, IntoDeserializer, MapAccess, SeqAccess, Unexpected, Visitor};
use serde::forward_to_deserialize_any;

use super::failure::Failure;
use super::tree::{Node, Step, Value};

impl Node {
    fn unexpected(&self) -> Unexpected<'_> {
        match &self.value {
            Value::Text(text) | Value::Untyped(text) => Unexpected::Str(text),
            Value::Integer(number) => Unexpected::Signed(*number),
            Value::Float(number) => Unexpected::Float(*number),
            Value::Boolean(flag) => Unexpected::Bool(*flag),
            Value::List(_) => Unexpected::Seq,
            Value::Table(_) => Unexpected::Map,
            Value::Foreign => Unexpected::Other("a date or a number beyond 64 bits"),
            Value::Blank => Unexpected::Unit,
        }
    }

    fn visit_list<'de, V: Visitor<'de>>(&self, visitor: V) -> Result<V::Value, Failure> {
        match &self.value {
            Value::List(items) => visitor.visit_seq(Items { items: items.iter().enumerate() }),
            Value::Untyped(text) => match Self::parse_untyped(text, &self.origin) {
                Some(node @ Self { value: Value::List(_), .. }) => node.visit_list(visitor),
                _ => Err(Failure::wrong("must be a list as TOML writes it: [\"a\", \"b\"]")),
            },
            Value::Blank => visitor.visit_seq(Items { items: [].iter().enumerate() }),
            _ => de::Deserializer::deserialize_any(self, visitor),
        }
    }

    fn visit_table<'de, V: Visitor<'de>>(&self, visitor: V) -> Result<V::Value, Failure> {
        match &self.value {
            Value::Table(entries) => visitor.visit_map(Entries { entries: entries.iter(), present: None }),
            Value::Untyped(text) => match Self::parse_untyped(text, &self.origin) {
                Some(node @ Self { value: Value::Table(_), .. }) => node.visit_table(visitor),
                _ => Err(Failure::wrong("must be a table as TOML writes it: { key = \"value\" }")),
            },
            Value::Blank => visitor.visit_map(Entries { entries: btree_map::Iter::default(), present: None }),
            // Not left to the visitor: a derived one takes a list for a struct's fields in order.
            _ => Err(de::Error::invalid_type(self.unexpected(), &visitor)),
        }
    }

    fn visit_number<'de, V: Visitor<'de>>(&self, visitor: V) -> Result<V::Value, Failure> {
        match &self.value {
            Value::Untyped(text) => match text.parse::<i64>() {
                Ok(number) => visitor.visit_i64(number),
                Err(_) => Err(de::Error::invalid_type(self.unexpected(), &visitor)),
            },
            Value::Blank => visitor.visit_i64(0),
            _ => de::Deserializer::deserialize_any(self, visitor),
        }
    }
}

impl<'de> de::Deserializer<'de> for &Node {
    type Error = Failure;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match &self.value {
            Value::Text(text) | Value::Untyped(text) => visitor.visit_str(text),
            Value::Integer(number) => visitor.visit_i64(*number),
            Value::Float(number) => visitor.visit_f64(*number),
            Value::Boolean(flag) => visitor.visit_bool(*flag),
            Value::List(_) => self.visit_list(visitor),
            Value::Table(_) => self.visit_table(visitor),
            Value::Foreign => Err(de::Error::invalid_type(self.unexpected(), &visitor)),
            Value::Blank => visitor.visit_str(""),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match &self.value {
            Value::Untyped(text) => match text.parse() {
                Ok(flag) => visitor.visit_bool(flag),
                Err(_) => Err(Failure::wrong("must be true or false")),
            },
            Value::Blank => visitor.visit_bool(false),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_i8<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.visit_number(visitor)
    }

    fn deserialize_i16<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.visit_number(visitor)
    }

    fn deserialize_i32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.visit_number(visitor)
    }

    fn deserialize_i64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.visit_number(visitor)
    }

    fn deserialize_u8<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.visit_number(visitor)
    }

    fn deserialize_u16<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.visit_number(visitor)
    }

    fn deserialize_u32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.visit_number(visitor)
    }

    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.visit_number(visitor)
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match &self.value {
            Value::Untyped(text) => match text.parse::<f64>() {
                Ok(number) if number.is_finite() => visitor.visit_f64(number),
                _ => Err(Failure::wrong("must be a number")),
            },
            Value::Blank => visitor.visit_f64(0.0),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match &self.value {
            Value::Blank => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.visit_list(visitor)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Failure> {
        self.visit_list(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.visit_table(visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(self, _: &'static str, _: &'static [&'static str], visitor: V) -> Result<V::Value, Failure> {
        self.visit_table(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(self, _: &'static str, _: &'static [&'static str], visitor: V) -> Result<V::Value, Failure> {
        match &self.value {
            Value::Text(text) | Value::Untyped(text) => visitor.visit_enum(IntoDeserializer::<Failure>::into_deserializer(text.as_str())),
            Value::Blank => visitor.visit_enum(IntoDeserializer::<Failure>::into_deserializer("")),
            _ => self.deserialize_any(visitor),
        }
    }

    /// A struct that ignores what it does not know asks for this: a key that nothing reads.
    fn deserialize_ignored_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Failure> {
        Err(Failure::unknown())
    }

    forward_to_deserialize_any! { i128 u128 char str string bytes byte_buf unit unit_struct tuple_struct identifier }
}

struct Items<'a> {
    items: std::iter::Enumerate<slice::Iter<'a, Node>>,
}

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = Failure;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Failure> {
        // A blank item was reported and taken out; the others keep their places.
        let mut items = self.items.by_ref().filter(|(_, node)| !matches!(node.value, Value::Blank));
        items.next().map(|(index, node)| seed.deserialize(node).map_err(|failure| failure.under(Step::Index(index)))).transpose()
    }
}

struct Entries<'a> {
    entries: btree_map::Iter<'a, String, Node>,
    present: Option<(&'a String, &'a Node)>,
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = Failure;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Failure> {
        self.present = self.entries.next();
        let Some((key, _)) = self.present else { return Ok(None) };
        let name = StrDeserializer::<Failure>::new(key);
        seed.deserialize(name).map(Some).map_err(|failure| failure.under(Step::Key(key.clone())))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Failure> {
        let Some((key, node)) = self.present.take() else { return Err(Failure::wrong("a value was read before its key")) };
        seed.deserialize(node).map_err(|failure| failure.under(Step::Key(key.clone())))
    }
}
