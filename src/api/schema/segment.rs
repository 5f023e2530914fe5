//! A segment as an OpenAPI schema: a tree of conditions.

use utoipa::openapi::schema::{AdditionalProperties, ArrayBuilder, Schema, SchemaType, Type};
use utoipa::openapi::{ObjectBuilder, OneOfBuilder, Ref, RefOr};
use utoipa::{PartialSchema, ToSchema};

use crate::domain::segment::{MAX_DEPTH, MAX_LEAVES};

/// Which devices are meant.
pub(crate) enum Segment {}

const OPS: [&str; 9] = ["eq", "ne", "in", "lt", "lte", "gt", "gte", "exists", "prefix"];

fn object(member: &str, of: impl Into<RefOr<Schema>>) -> ObjectBuilder {
    ObjectBuilder::new().property(member, of).required(member).additional_properties(Some(AdditionalProperties::FreeForm(false)))
}

fn words<const N: usize>(words: [&'static str; N]) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(SchemaType::new(Type::String)).enum_values(Some(words))
}

fn itself() -> Ref {
    Ref::from_schema_name("Segment")
}

fn list() -> ArrayBuilder {
    ArrayBuilder::new().items(itself()).min_items(Some(1))
}

impl PartialSchema for Segment {
    fn schema() -> RefOr<Schema> {
        let only_true = ObjectBuilder::new().schema_type(SchemaType::new(Type::Boolean)).enum_values(Some([true]));
        let field = ObjectBuilder::new().schema_type(SchemaType::new(Type::String)).description(Some(
            "`platform`, `locale`, `timezone`, `app_version`, `os_version`, `model`, `last_seen_at`, `created_at`, `tags.<name>` or `user.tags.<name>`",
        ));
        let value = ObjectBuilder::new().schema_type(SchemaType::AnyValue).description(Some(
            "Of the field's type: a string, for tags also a number, true or false, for instants RFC 3339 or `{\"days_ago\": n}`; a list of them \
             for `in`, true or false for `exists`",
        ));
        let leaf = ObjectBuilder::new()
            .property("field", field)
            .property("op", words(OPS))
            .property("value", value)
            .required("field")
            .required("op")
            .required("value")
            .additional_properties(Some(AdditionalProperties::FreeForm(false)));
        OneOfBuilder::new()
            .item(object("everyone", only_true))
            .item(object("all", list()))
            .item(object("any", list()))
            .item(object("not", itself()))
            .item(leaf)
            .description(Some(format!(
                "Which devices are meant, {MAX_DEPTH} nodes deep and with {MAX_LEAVES} conditions at most. A device that lacks the field, or has it in \
                 another type, matches `ne` and `exists: false` and nothing else; `not` is the plain complement. Texts are compared byte by \
                 byte, `app_version` and `os_version` as versions, numbers as doubles. `days_ago` counts days of 24 hours back from when the \
                 audience is taken."
            )))
            .into()
    }
}

impl ToSchema for Segment {}
