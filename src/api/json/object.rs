//! Requests come as JSON objects only. What serde derives would also take a list, as if its items were the fields in order.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, Visitor};

/// What is read from the members of an object; [`crate::api::json::objects`] implements it.
pub(crate) trait FromMembers<'de>: Sized {
    /// The derived reading.
    fn from_members<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error>;
}

/// Reads an object, and nothing else.
pub(crate) fn from_object<'de, T: FromMembers<'de>, D: Deserializer<'de>>(from: D) -> Result<T, D::Error> {
    struct Object<T>(PhantomData<T>);

    impl<'de, T: FromMembers<'de>> Visitor<'de> for Object<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a map")
        }

        fn visit_map<A: MapAccess<'de>>(self, from: A) -> Result<T, A::Error> {
            T::from_members(MapAccessDeserializer::new(from))
        }
    }

    from.deserialize_map(Object(PhantomData))
}

/// `Deserialize` for types that derive it with `#[serde(remote = "Self")]`: from objects only.
macro_rules! objects {
    ($($name:ty),* $(,)?) => {$(
        impl<'de> $crate::api::json::FromMembers<'de> for $name {
            fn from_members<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                // the derived function, which hides the trait's
                <$name>::deserialize(from)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                $crate::api::json::from_object(from)
            }
        }
    )*};
}
pub(crate) use objects;
