//! The fields that a campaign can have, as the OpenAPI document of this build's own API says: one list, for the daemon and for files.

use serde_json::{Map, Value as Json};

use super::tree::{Node, Value};

/// Where the document has what `POST /v1/campaigns` takes.
const REQUEST: &str = "/paths/~1v1~1campaigns/post/requestBody/content/application~1json/schema";

/// Something in a file that cannot be meant.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// The line that it is in.
    pub(super) line: Option<usize>,
    /// The way to it.
    pub(super) field: String,
    /// What is wrong with it.
    pub(super) message: String,
}

/// Names and types of all fields. What they may hold is the daemon's to say.
pub(super) struct Shape {
    document: Json,
    request: Json,
}

impl Shape {
    /// Of what the API takes.
    pub(super) fn of_campaigns() -> anyhow::Result<Self> {
        Ok(Self::at(serde_json::to_value(crate::api::document())?, REQUEST))
    }

    fn at(document: Json, pointer: &str) -> Self {
        let request = document.pointer(pointer).cloned().unwrap_or_default();
        Self { document, request }
    }

    /// The fields of the whole.
    pub(super) fn fields(&self) -> Vec<&str> {
        let properties = self.resolved(&self.request).get("properties").and_then(Json::as_object);
        properties.into_iter().flat_map(Map::keys).map(String::as_str).collect()
    }

    /// Every unknown name and every value of another type, by line.
    pub(super) fn faults(&self, node: &Node) -> Vec<Fault> {
        let mut faults = Vec::new();
        self.look(node, &self.request, "", &mut faults);
        faults.sort_by_key(|fault| fault.line);
        faults
    }

    fn look(&self, node: &Node, schema: &Json, way: &str, faults: &mut Vec<Fault>) {
        let Some(schema) = self.meant(node, schema) else { return };
        let is_of_type = types(schema).is_none_or(|types| types.iter().any(|name| is_of(node, name)));
        if !is_of_type {
            let field = if way.is_empty() { "the campaign".to_owned() } else { way.to_owned() };
            faults.push(Fault { line: node.line, field, message: format!("must be {}", wanted(schema)) });
            return;
        }
        match &node.value {
            Value::Plain(_) => {}
            Value::List(items) => {
                let Some(schema) = schema.get("items") else { return };
                for (place, item) in items.iter().enumerate() {
                    self.look(item, schema, &format!("{way}[{place}]"), faults);
                }
            }
            Value::Object(members) => {
                for (name, member) in members {
                    let way = if way.is_empty() { name.clone() } else { format!("{way}.{name}") };
                    match schema.get("properties").and_then(|known| known.get(name)).or_else(|| schema.get("additionalProperties")) {
                        Some(Json::Bool(false)) => {
                            faults.push(Fault { line: member.line, field: way, message: "is not a field".to_owned() });
                        }
                        Some(schema) => self.look(member, schema, &way, faults),
                        None => {}
                    }
                }
            }
        }
    }

    fn resolved<'a>(&'a self, schema: &'a Json) -> &'a Json {
        let reference = schema.get("$ref").and_then(Json::as_str).and_then(|reference| reference.strip_prefix('#'));
        reference.and_then(|pointer| self.document.pointer(pointer)).unwrap_or(schema)
    }

    /// Of several schemas the one that is meant; `None` where that cannot be told, or null is meant and allowed.
    fn meant<'a>(&'a self, node: &Node, schema: &'a Json) -> Option<&'a Json> {
        let schema = self.resolved(schema);
        let Some(choices) = schema.get("oneOf").and_then(Json::as_array) else { return Some(schema) };
        let is_null = |schema: &Json| schema.get("type").and_then(Json::as_str) == Some("null");
        if choices.iter().any(is_null) && node.value == Value::Plain(Json::Null) {
            return None;
        }
        let choices: Vec<&Json> = choices.iter().filter(|choice| !is_null(choice)).map(|choice| self.resolved(choice)).collect();
        if let [only] = choices.as_slice() {
            return self.meant(node, only);
        }
        let names_one = |choice: &&&Json| {
            let required = choice.get("required").and_then(Json::as_array).into_iter().flatten();
            required.filter_map(Json::as_str).any(|name| node.member(name).is_some())
        };
        let mut named = choices.iter().filter(names_one);
        match (named.next(), named.next()) {
            (Some(one), None) => Some(one),
            _ => None,
        }
    }
}

fn types(schema: &Json) -> Option<Vec<&str>> {
    match schema.get("type")? {
        Json::String(name) => Some(vec![name.as_str()]),
        Json::Array(names) => Some(names.iter().filter_map(Json::as_str).collect()),
        _ => None,
    }
}

fn is_of(node: &Node, name: &str) -> bool {
    match (&node.value, name) {
        (Value::Object(_), "object") | (Value::List(_), "array") => true,
        (Value::Plain(value), "null") => value.is_null(),
        (Value::Plain(value), "boolean") => value.is_boolean(),
        (Value::Plain(value), "string") => value.is_string(),
        (Value::Plain(value), "integer") => value.is_i64() || value.is_u64(),
        (Value::Plain(value), "number") => value.is_number(),
        _ => false,
    }
}

/// The type that is asked for, in the words of a sentence.
fn wanted(schema: &Json) -> String {
    let word = |name: &str| match name {
        "object" => "an object",
        "array" => "a list",
        "boolean" => "true or false",
        "integer" => "a whole number",
        "number" => "a number",
        _ => "a text",
    };
    let types = types(schema).unwrap_or_default();
    types.into_iter().filter(|name| *name != "null").map(word).collect::<Vec<_>>().join(" or ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shape() -> Shape {
        let document = json!({
            "request": {"$ref": "#/parts/Campaign"},
            "parts": {
                "Campaign": {
                    "type": "object", "additionalProperties": false,
                    "properties": {
                        "name": {"type": "string"}, "per_second": {"type": ["integer", "null"]}, "segment": {"$ref": "#/parts/Segment"},
                        "content": {"oneOf": [{"$ref": "#/parts/Content"}, {"type": "null"}]},
                        "labels": {"type": ["object", "null"], "additionalProperties": {"type": "string"}},
                        "variants": {"type": ["array", "null"], "items": {"$ref": "#/parts/Content"}},
                        "patch": {"type": "object"}
                    }
                },
                "Content": {"type": "object", "additionalProperties": false, "properties": {"title": {"type": ["string", "null"]}}},
                "Segment": {"oneOf": [
                    {"type": "object", "required": ["everyone"], "additionalProperties": false, "properties": {"everyone": {"type": "boolean"}}},
                    {"type": "object", "required": ["not"], "additionalProperties": false, "properties": {"not": {"$ref": "#/parts/Segment"}}}
                ]}
            }
        });
        Shape::at(document, "/request")
    }

    fn told(toml: &str) -> Vec<String> {
        let tell = |fault: Fault| format!("{}: {} {}", fault.line.unwrap_or_default(), fault.field, fault.message);
        shape().faults(&Node::from_toml(toml).unwrap()).into_iter().map(tell).collect()
    }

    #[test]
    fn the_api_says_what_a_campaign_has() {
        let shape = Shape::of_campaigns().unwrap();
        let fields = shape.fields();
        assert!(["name", "notification", "segment", "schedule", "variants"].iter().all(|name| fields.contains(name)), "{fields:?}");
        assert!(!fields.contains(&"status"), "{fields:?}");
        let wrong = json!({
            "notification": {"to": {"all": true}, "content": {"titel": "A"}}, "segment": {"all": [{"field": 1, "op": "eq", "value": 1}]},
            "schedule": {"cron": "* * * * *", "zone": "UTC"}, "variants": [{"name": "a", "weight": "1"}],
        });
        let faults: Vec<String> = shape.faults(&Node::from_json(wrong)).into_iter().map(|fault| fault.field).collect();
        assert_eq!(
            faults,
            ["notification.content.titel", "notification.to", "schedule.zone", "segment.all[0].field", "variants[0].weight"]
        );
    }

    #[test]
    fn every_unknown_name_and_wrong_type_is_told() {
        assert_eq!(
            told(
                "nam = 'x'\nper_second = '5'\n[content]\ntitel = 'a'\n[labels]\nteam = 1\n[[variants]]\ntitle = 'a'\n[[variants]]\nbody = 'a'\n\
                 [segment.not]\neveryone = 'yes'\n"
            ),
            [
                "1: nam is not a field",
                "2: per_second must be a whole number",
                "4: content.titel is not a field",
                "6: labels.team must be a text",
                "10: variants[1].body is not a field",
                "12: segment.not.everyone must be true or false",
            ]
        );
    }

    #[test]
    fn what_is_right_or_the_daemons_to_judge_passes() {
        assert_eq!(
            told("name = 'x'\nper_second = 5\npatch.any.thing = 1\n[segment]\nnot.everyone = true\n[labels]\nany = 'thing'\n"),
            [""; 0]
        );
        assert_eq!(told("[segment]\nwhatever = 1\n"), [""; 0], "which of several is meant cannot be told");
        let nulls = Node::from_json(json!({"content": null, "per_second": null, "variants": null}));
        assert_eq!(shape().faults(&nulls), []);
        assert_eq!(shape().faults(&Node::from_json(json!(["x"])))[0].message, "must be an object");
        assert_eq!(shape().fields(), ["content", "labels", "name", "patch", "per_second", "segment", "variants"]);
    }
}
