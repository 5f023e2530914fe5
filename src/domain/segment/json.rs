//! Segments from JSON and back.

use chrono::{DateTime, SubsecRound, Timelike};
use serde_json::{Map, Value, json};

use super::{Comparison, Field, Leaf, MAX_DEPTH, MAX_LEAVES, MAX_VALUES, Moment, Operand, Segment, Test};
use crate::domain::device::Platform;

/// Errors beyond this are not looked for.
const ENOUGH: usize = 30;
/// The longest way back of `days_ago`: a century.
const MAX_DAYS_AGO: u64 = 36_500;

const INSTANT: &str =
    "must be an instant in RFC 3339, such as 2026-12-01T09:00:00Z, or {\"days_ago\": n}, n a whole number from 0 to 36500";

/// What is wrong with a node.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path} {message}")]
pub struct SegmentError {
    /// Where: `segment.any[2].op`.
    pub path: String,
    /// `unknown_field` for a member that no node has, `required` for one that is absent, else `invalid`.
    pub code: &'static str,
    /// What is to be there instead. The text is fit for callers and repeats no value.
    pub message: String,
}

impl Segment {
    /// Reads a segment that stands at `path` of what the caller wrote; or says what is wrong with it, node by node.
    pub fn parse(value: &Value, path: &str) -> Result<Self, Vec<SegmentError>> {
        let mut parser = Parser { leaves: 0, errors: Vec::new() };
        let segment = parser.node(value, path, 1);
        if parser.leaves > MAX_LEAVES {
            parser.refuse(path.to_owned(), "invalid", format!("must have at most {MAX_LEAVES} conditions"));
        }
        segment.filter(|_| parser.errors.is_empty()).ok_or(parser.errors)
    }

    /// As callers write it.
    pub fn to_json(&self) -> Value {
        let list = |parts: &[Self]| parts.iter().map(Self::to_json).collect::<Vec<_>>();
        match self {
            Self::Everyone => json!({"everyone": true}),
            Self::All(parts) => json!({"all": list(parts)}),
            Self::Any(parts) => json!({"any": list(parts)}),
            Self::Not(part) => json!({"not": part.to_json()}),
            Self::Leaf(leaf) => leaf.to_json(),
        }
    }
}

/// One look at a tree.
struct Parser {
    leaves: usize,
    errors: Vec<SegmentError>,
}

impl Parser {
    fn refuse(&mut self, path: String, code: &'static str, message: impl Into<String>) {
        if self.errors.len() < ENOUGH {
            self.errors.push(SegmentError { path, code, message: message.into() });
        }
    }

    fn node(&mut self, value: &Value, path: &str, depth: usize) -> Option<Segment> {
        if depth > MAX_DEPTH {
            self.refuse(path.to_owned(), "invalid", format!("is deeper than {MAX_DEPTH} nodes"));
            return None;
        }
        let Some(members) = value.as_object() else {
            self.refuse(path.to_owned(), "invalid", "must be an object");
            return None;
        };
        let kinds: Vec<&str> = ["everyone", "all", "any", "not", "field"].into_iter().filter(|kind| members.contains_key(*kind)).collect();
        let [kind] = *kinds.as_slice() else {
            self.refuse(path.to_owned(), "invalid", "must have exactly one of everyone, all, any, not, field");
            return None;
        };
        let known: &[&str] = if kind == "field" { &["field", "op", "value"] } else { &[kind] };
        for name in members.keys().filter(|name| !known.contains(&name.as_str())) {
            self.refuse(format!("{path}.{name}"), "unknown_field", "there is no such field here");
        }
        let at = format!("{path}.{kind}");
        let inner = members.get(kind)?;
        match kind {
            "everyone" => {
                self.leaves += 1;
                if inner != &Value::Bool(true) {
                    self.refuse(at, "invalid", "can only be true");
                }
                Some(Segment::Everyone)
            }
            "all" => self.list(inner, &at, depth).map(Segment::All),
            "any" => self.list(inner, &at, depth).map(Segment::Any),
            "not" => self.node(inner, &at, depth + 1).map(|part| Segment::Not(Box::new(part))),
            _ => self.leaf(members, path).map(Segment::Leaf),
        }
    }

    fn list(&mut self, value: &Value, path: &str, depth: usize) -> Option<Vec<Segment>> {
        let Some(parts) = value.as_array().filter(|parts| !parts.is_empty()) else {
            self.refuse(path.to_owned(), "invalid", "must be a list of at least one condition");
            return None;
        };
        let mut read = Vec::with_capacity(parts.len().min(MAX_LEAVES));
        for (place, part) in parts.iter().enumerate() {
            if self.leaves > MAX_LEAVES || self.errors.len() >= ENOUGH {
                return None;
            }
            read.extend(self.node(part, &format!("{path}[{place}]"), depth + 1));
        }
        (read.len() == parts.len()).then_some(read)
    }

    fn leaf(&mut self, members: &Map<String, Value>, path: &str) -> Option<Leaf> {
        self.leaves += 1;
        let field = members.get("field").and_then(Value::as_str).and_then(Field::parse);
        if field.is_none() {
            self.refuse(format!("{path}.field"), "invalid", format!("must be one of {}, tags.<name>, user.tags.<name>", Field::words()));
        }
        let op = self.required(members, "op", path)?;
        let value = self.required(members, "value", path)?;
        let field = field?;
        let Some(op) = op.as_str().and_then(Op::parse).filter(|op| field.takes(*op)) else {
            self.refuse(format!("{path}.op"), "invalid", format!("must be one of {}", field.ops()));
            return None;
        };
        match op.test(&field, value) {
            Ok(test) => Some(Leaf { field, test }),
            Err((below, message)) => {
                self.refuse(format!("{path}.value{below}"), "invalid", message);
                None
            }
        }
    }

    fn required<'v>(&mut self, members: &'v Map<String, Value>, name: &str, path: &str) -> Option<&'v Value> {
        let value = members.get(name);
        if value.is_none() {
            self.refuse(format!("{path}.{name}"), "required", "is required");
        }
        value
    }
}

/// The fields that are no tags.
const FIELDS: [(&str, Field); 8] = [
    ("platform", Field::Platform),
    ("locale", Field::Locale),
    ("timezone", Field::Timezone),
    ("app_version", Field::AppVersion),
    ("os_version", Field::OsVersion),
    ("model", Field::Model),
    ("last_seen_at", Field::LastSeenAt),
    ("created_at", Field::CreatedAt),
];

impl Field {
    fn words() -> String {
        FIELDS.map(|(word, _)| word).join(", ")
    }

    fn parse(text: &str) -> Option<Self> {
        let named = |name: &str| (!name.is_empty() && !name.contains('\0')).then(|| name.to_owned());
        if let Some(name) = text.strip_prefix("tags.") {
            return named(name).map(Self::Tag);
        }
        if let Some(name) = text.strip_prefix("user.tags.") {
            return named(name).map(Self::UserTag);
        }
        FIELDS.iter().find(|(word, _)| *word == text).map(|(_, field)| field.clone())
    }

    fn word(&self) -> String {
        match self {
            Self::Tag(name) => format!("tags.{name}"),
            Self::UserTag(name) => format!("user.tags.{name}"),
            _ => FIELDS.iter().find(|(_, field)| field == self).map(|(word, _)| (*word).to_owned()).unwrap_or_default(),
        }
    }

    fn takes(&self, op: Op) -> bool {
        op != Op::Prefix || !matches!(self, Self::LastSeenAt | Self::CreatedAt)
    }

    fn ops(&self) -> String {
        let words: Vec<&str> = OPS.iter().filter(|(_, op)| self.takes(*op)).map(|(word, _)| *word).collect();
        words.join(", ")
    }

    /// A value to compare with; what it must be instead, where it is none.
    fn operand(&self, value: &Value) -> Result<Operand, String> {
        let text = || value.as_str().filter(|text| !text.contains('\0')).map(ToOwned::to_owned);
        let a_text = "must be a string";
        match self {
            Self::Locale | Self::Timezone | Self::Model => text().map(Operand::Text).ok_or(a_text),
            Self::Platform => {
                let known = [Platform::Ios, Platform::Android, Platform::Web].map(Platform::as_str);
                text().filter(|text| known.contains(&text.as_str())).map(Operand::Text).ok_or("must be one of ios, android, web")
            }
            Self::AppVersion | Self::OsVersion => text().map(Operand::Version).ok_or(a_text),
            Self::LastSeenAt | Self::CreatedAt => moment(value).map(Operand::Moment).ok_or(INSTANT),
            Self::Tag(_) | Self::UserTag(_) => match value {
                Value::Number(number) => Some(Operand::Number(number.clone())),
                Value::Bool(is) => Some(Operand::Bool(*is)),
                _ => text().map(Operand::Text),
            }
            .ok_or("must be a string, a number, or true or false"),
        }
        .map_err(ToOwned::to_owned)
    }
}

fn moment(value: &Value) -> Option<Moment> {
    match value {
        Value::String(text) => {
            let at = DateTime::parse_from_rfc3339(text).ok()?.to_utc();
            // a leap second has no place in a count of seconds; the store keeps microseconds
            let at = if at.nanosecond() >= 1_000_000_000 { at.with_nanosecond(999_999_999)? } else { at };
            Some(Moment::At(at.trunc_subsecs(6)))
        }
        Value::Object(members) if members.len() == 1 => {
            let days = members.get("days_ago")?.as_u64().filter(|days| *days <= MAX_DAYS_AGO)?;
            u32::try_from(days).ok().map(Moment::DaysAgo)
        }
        _ => None,
    }
}

/// The words of the operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Op {
    Compare(Comparison),
    In,
    Exists,
    Prefix,
}

const OPS: [(&str, Op); 9] = [
    ("eq", Op::Compare(Comparison::Eq)),
    ("ne", Op::Compare(Comparison::Ne)),
    ("in", Op::In),
    ("lt", Op::Compare(Comparison::Lt)),
    ("lte", Op::Compare(Comparison::Lte)),
    ("gt", Op::Compare(Comparison::Gt)),
    ("gte", Op::Compare(Comparison::Gte)),
    ("exists", Op::Exists),
    ("prefix", Op::Prefix),
];

impl Op {
    fn parse(text: &str) -> Option<Self> {
        OPS.iter().find(|(word, _)| *word == text).map(|(_, op)| *op)
    }

    fn word(self) -> &'static str {
        OPS.iter().find(|(_, op)| *op == self).map(|(word, _)| *word).unwrap_or_default()
    }

    /// The test, or where below the value it is wrong and what it must be.
    fn test(self, field: &Field, value: &Value) -> Result<Test, (String, String)> {
        let here = |message: &str| (String::new(), message.to_owned());
        match self {
            Self::Exists => value.as_bool().map(Test::Exists).ok_or_else(|| here("must be true or false")),
            Self::Prefix => {
                let start = value.as_str().filter(|text| !text.contains('\0'));
                start.map(|start| Test::Prefix(start.to_owned())).ok_or_else(|| here("must be a string"))
            }
            Self::Compare(comparison) => {
                let operand = field.operand(value).map_err(|message| here(&message))?;
                let is_ordered = !matches!(comparison, Comparison::Eq | Comparison::Ne);
                if is_ordered && matches!(operand, Operand::Bool(_)) {
                    return Err(here("must be a string or a number"));
                }
                Ok(Test::Compare(comparison, operand))
            }
            Self::In => {
                let Some(values) = value.as_array().filter(|values| (1..=MAX_VALUES).contains(&values.len())) else {
                    return Err(here(&format!("must be a list of 1 to {MAX_VALUES} values")));
                };
                let operand = |(place, value)| field.operand(value).map_err(|message| (format!("[{place}]"), message));
                values.iter().enumerate().map(operand).collect::<Result<_, _>>().map(Test::In)
            }
        }
    }
}

impl Leaf {
    fn to_json(&self) -> Value {
        let (op, value) = match &self.test {
            Test::Exists(expected) => (Op::Exists, Value::Bool(*expected)),
            Test::Compare(comparison, operand) => (Op::Compare(*comparison), operand.to_json()),
            Test::In(operands) => (Op::In, operands.iter().map(Operand::to_json).collect()),
            Test::Prefix(start) => (Op::Prefix, Value::from(start.as_str())),
        };
        json!({"field": self.field.word(), "op": op.word(), "value": value})
    }
}

impl Operand {
    fn to_json(&self) -> Value {
        match self {
            Self::Text(text) | Self::Version(text) => Value::from(text.as_str()),
            Self::Number(number) => Value::Number(number.clone()),
            Self::Bool(is) => Value::Bool(*is),
            Self::Moment(Moment::At(at)) => Value::from(at.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true)),
            Self::Moment(Moment::DaysAgo(days)) => json!({"days_ago": days}),
        }
    }
}
