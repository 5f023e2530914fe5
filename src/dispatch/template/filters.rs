//! The filters and tests there are. What a filter reads and writes of texts is counted, so that few instructions cannot do much.
#![expect(clippy::needless_pass_by_value, reason = "minijinja calls them with values")]

use std::borrow::Cow;
use std::sync::atomic::{AtomicUsize, Ordering};

use minijinja::value::Object;
use minijinja::{Environment, Error, ErrorKind, State, Value, filters, tests};

/// Bytes that the filters of one render read and write, at most.
const BYTES: usize = 512 * 1024;
/// What a filter may write at once, in bytes.
const AT_ONCE: usize = 16 * 1024;
/// The longest range.
const MAX_RANGE: isize = 1_000;
/// The name under which filters find what is left: no template can write it.
const LEFT: &str = "what is left";

/// The filters there are.
pub(super) const FILTERS: [&str; 20] = [
    "abs",
    "capitalize",
    "count",
    "d",
    "default",
    "first",
    "float",
    "int",
    "items",
    "join",
    "last",
    "length",
    "lower",
    "replace",
    "reverse",
    "round",
    "title",
    "trim",
    "truncate",
    "upper",
];
/// The tests there are.
pub(super) const TESTS: [&str; 12] =
    ["boolean", "defined", "divisibleby", "even", "in", "mapping", "none", "number", "odd", "sequence", "string", "undefined"];

/// What the filters of a render may still read and write.
#[derive(Debug)]
pub(super) struct Left(AtomicUsize);

impl Object for Left {}

impl Left {
    /// All of it, as filters find it.
    pub(super) fn all() -> (&'static str, Value) {
        (LEFT, Value::from_object(Self(AtomicUsize::new(BYTES))))
    }
}

fn too_much() -> Error {
    Error::new(ErrorKind::OutOfFuel, "filters read and write too much")
}

/// Takes so many bytes off what is left.
fn spend(state: &State<'_, '_>, bytes: usize) -> Result<(), Error> {
    let left = state.lookup(LEFT);
    let left = left.as_ref().and_then(|left| left.downcast_object_ref::<Left>()).ok_or_else(too_much)?;
    let take = |left: usize| left.checked_sub(bytes);
    left.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).map(drop).map_err(|_| too_much())
}

fn spend_one(state: &State<'_, '_>, read: usize, written: String) -> Result<Value, Error> {
    spend(state, read + written.len())?;
    Ok(Value::from(written))
}

/// Adds these filters, tests and functions, and no others.
pub(super) fn add(env: &mut Environment<'_>) {
    env.add_filter("upper", |state: &State<'_, '_>, text: Cow<'_, str>| spend_one(state, text.len(), text.to_uppercase()));
    env.add_filter("lower", |state: &State<'_, '_>, text: Cow<'_, str>| spend_one(state, text.len(), text.to_lowercase()));
    env.add_filter("title", |state: &State<'_, '_>, text: Cow<'_, str>| spend_one(state, text.len(), filters::title(text.clone())));
    env.add_filter("capitalize", |state: &State<'_, '_>, text: Cow<'_, str>| spend_one(state, text.len(), capitalize(&text)));
    env.add_filter("trim", |state: &State<'_, '_>, text: Cow<'_, str>| spend_one(state, text.len(), text.trim().to_owned()));
    env.add_filter("truncate", truncate);
    env.add_filter("replace", replace);
    env.add_filter("join", join);
    env.add_filter("reverse", |state: &State<'_, '_>, value: Value| {
        spend(state, size(&value))?;
        filters::reverse(&value)
    });
    env.add_filter("length", filters::length);
    env.add_filter("count", filters::length);
    env.add_filter("default", filters::default);
    env.add_filter("d", filters::default);
    env.add_filter("first", filters::first);
    env.add_filter("last", filters::last);
    env.add_filter("items", filters::items);
    env.add_filter("round", filters::round);
    env.add_filter("abs", filters::abs);
    env.add_filter("int", filters::int);
    env.add_filter("float", filters::float);
    env.add_test("boolean", tests::is_boolean);
    env.add_test("defined", tests::is_defined);
    env.add_test("divisibleby", tests::is_divisibleby);
    env.add_test("even", tests::is_even);
    env.add_test("in", tests::is_in);
    env.add_test("mapping", tests::is_mapping);
    env.add_test("none", tests::is_none);
    env.add_test("number", tests::is_number);
    env.add_test("odd", tests::is_odd);
    env.add_test("sequence", tests::is_sequence);
    env.add_test("string", tests::is_string);
    env.add_test("undefined", tests::is_undefined);
    env.add_function("range", range);
}

/// The length of a text in bytes, or of a list.
fn size(value: &Value) -> usize {
    value.as_str().map(str::len).or_else(|| value.len()).unwrap_or_default()
}

fn capitalize(text: &str) -> String {
    let mut marks = text.chars();
    let first: String = marks.next().map(|first| first.to_uppercase().collect()).unwrap_or_default();
    first + &marks.as_str().to_lowercase()
}

/// The first so many characters, with `…` for the rest.
fn truncate(state: &State<'_, '_>, text: Cow<'_, str>, length: usize) -> Result<Value, Error> {
    let cut = text.char_indices().nth(length).map(|(at, _)| at);
    let shorter = cut.and_then(|at| text.get(..at)).map_or_else(|| text.to_string(), |kept| format!("{}…", kept.trim_end()));
    spend_one(state, text.len(), shorter)
}

fn replace(state: &State<'_, '_>, text: Cow<'_, str>, from: Cow<'_, str>, to: Cow<'_, str>) -> Result<Value, Error> {
    let found = text.matches(&*from).count();
    let length = found.checked_mul(to.len()).and_then(|added| added.checked_add(text.len())).filter(|length| *length <= AT_ONCE);
    spend(state, length.ok_or_else(too_much)?)?;
    spend_one(state, text.len(), text.replace(&*from, &to))
}

fn join(state: &State<'_, '_>, value: Value, between: Option<Cow<'_, str>>) -> Result<Value, Error> {
    let between = between.as_deref().unwrap_or_default();
    let mut joined = String::new();
    for (n, item) in value.try_iter()?.enumerate() {
        let text = item.to_string();
        spend(state, text.len() + between.len())?;
        if n > 0 {
            joined.push_str(between);
        }
        joined.push_str(&text);
        if joined.len() > AT_ONCE {
            return Err(too_much());
        }
    }
    Ok(Value::from(joined))
}

/// Whole numbers, at most 1 000.
fn range(state: &State<'_, '_>, from: isize, to: Option<isize>) -> Result<Value, Error> {
    let (from, to) = to.map_or((0, from), |to| (from, to));
    let length = to.saturating_sub(from).max(0);
    if length > MAX_RANGE {
        return Err(Error::new(ErrorKind::InvalidOperation, "range has too many elements"));
    }
    spend(state, length.unsigned_abs())?;
    Ok(Value::from((from..to).map(Value::from).collect::<Vec<Value>>()))
}
