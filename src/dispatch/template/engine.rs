//! A template that was compiled, and what it is filled with.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::LazyLock;
use std::time::Duration;

use minijinja::{Environment, ErrorKind, UndefinedBehavior, Value};

use super::check::{Refused, check};
use super::filters::{self, Left};
use crate::domain::clock::Clock;
use crate::domain::content::Content;
use crate::domain::device::Platform;
use crate::domain::profile::Tags;
use crate::domain::template::{Template, UsedTemplate, Variables};

/// How long the words of one form may take.
pub const TIME: Duration = Duration::from_millis(50);
/// How many bytes the words of one form may have.
const OUTPUT: usize = 64 * 1024;
/// Instructions of one text, at most. The slowest there are take 2 µs each where the code is optimised.
const FUEL: u64 = 10_000;

/// What all templates have in common, so that one costs little more than its own texts.
static BASE: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut env = Environment::empty();
    env.set_undefined_behavior(UndefinedBehavior::Strict);
    env.set_fuel(Some(FUEL));
    filters::add(&mut env);
    env
});

/// Why a template cannot be stored or filled. It holds names and places of the template, never a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}{}: {what}", .line.map(|line| format!(", line {line}")).unwrap_or_default())]
pub struct Fault {
    /// Which text: `content.title`, `localized.fr.body`.
    pub place: String,
    /// In which line, from 1 on.
    pub line: Option<usize>,
    /// What is wrong.
    pub what: String,
}

impl Fault {
    /// Of a template of which nothing else is known.
    pub fn unknown() -> Self {
        Self { place: "content".to_owned(), line: None, what: "cannot be read".to_owned() }
    }
}

/// What a template asks for besides the variables that everybody has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "any of them may be, whatever the others are")]
pub struct Uses {
    /// Variables of the user's own, or the `user_id`.
    pub user: bool,
    /// `user.tags`.
    pub user_tags: bool,
    /// `device`.
    pub device: bool,
    /// The device's `locale`.
    pub locale: bool,
}

impl Uses {
    /// Whether people and devices have to be read for it.
    pub fn people(self) -> bool {
        self.user || self.user_tags || self.device
    }

    /// Whether it is the same for all who get it in one form.
    pub fn is_shared(self) -> bool {
        !self.people() && !self.locale
    }
}

/// Whom words are for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Addressee<'a> {
    /// The `user_id`; `None` where nobody is signed in.
    pub user: Option<&'a str>,
    /// The user's tags.
    pub user_tags: Option<&'a Tags>,
    /// The device's tags.
    pub device_tags: Option<&'a Tags>,
    /// The device's locale.
    pub locale: Option<&'a str>,
}

/// A template whose texts were checked and compiled.
pub struct Engine {
    env: Environment<'static>,
    /// Names that are neither given by the template itself nor part of the language.
    names: BTreeSet<String>,
    uses: Uses,
}

impl Engine {
    /// Checks and compiles every text for users who have these variables of their own; all that is wrong.
    pub fn of(template: &Template, per_user: &BTreeMap<String, Variables>) -> Result<Self, Vec<Fault>> {
        let mut env = BASE.clone();
        let (mut faults, mut names) = (Vec::new(), BTreeSet::new());
        for (place, content) in template.places() {
            let compiled = content.map_texts(|field, text| {
                let name = format!("{place}.{field}");
                match compile(&mut env, &name, text) {
                    Ok(found) => names.extend(found),
                    Err(Refused { line, what }) => faults.push(Fault { place: name, line, what }),
                }
                Ok::<String, std::convert::Infallible>(String::new())
            });
            drop(compiled);
        }
        names.remove("range");
        let uses = uses(&names, per_user);
        if faults.is_empty() { Ok(Self { env, names, uses }) } else { Err(faults) }
    }

    /// Names that the template looks up and does not give a value itself.
    pub fn names(&self) -> &BTreeSet<String> {
        &self.names
    }

    /// What of it differs among those who get it.
    pub fn uses(&self) -> Uses {
        self.uses
    }

    /// Fills the words that serve these locales, the nearest first, where `over` does not say something nearer.
    pub fn fill(
        &self,
        used: &UsedTemplate,
        (locales, over): (&[&str], &Content),
        (platform, to): (Platform, Addressee<'_>),
        clock: &dyn Clock,
    ) -> Result<Content, Fault> {
        let mut meter = Meter { clock, until: clock.monotonic() + TIME, left: OUTPUT };
        let given = self.given(used, platform, to);
        let localized = locales.iter().filter_map(|tag| Some((format!("localized.{tag}"), used.words.localized.get(*tag)?)));
        let mut filled = over.clone();
        for (place, layer) in localized.chain([("content".to_owned(), &used.words.content)]) {
            let made = layer.beyond(&filled).map_texts(|field, _| self.text(format!("{place}.{field}"), &given, &mut meter))?;
            filled = filled.over(&made);
        }
        Ok(filled)
    }

    fn text(&self, place: String, given: &Value, meter: &mut Meter<'_>) -> Result<String, Fault> {
        let mut output = Output { text: Vec::new(), meter };
        let rendered = self.env.get_template(&place).and_then(|template| template.render_captured_to(given.clone(), &mut output));
        let (is_full, is_late) = (output.meter.left == 0, output.meter.is_late());
        if let Err(error) = rendered.map(drop) {
            let what = match error.kind() {
                ErrorKind::WriteFailure if is_late => "takes too long".to_owned(),
                ErrorKind::WriteFailure if is_full => format!("is longer than {OUTPUT} bytes"),
                kind => kind.to_string(),
            };
            return Err(Fault { place, line: error.line(), what });
        }
        if is_late {
            return Err(Fault { place, line: None, what: "takes too long".to_owned() });
        }
        String::from_utf8(output.text).map_err(|_| Fault { place, line: None, what: "is no text".to_owned() })
    }

    /// What the texts see. Only what [`Engine::uses`] knows of is there at all: what is shared can show nobody's own.
    fn given(&self, used: &UsedTemplate, platform: Platform, to: Addressee<'_>) -> Value {
        let uses = self.uses;
        let variables = used.variables_of(to.user.filter(|_| uses.user));
        let mut given: BTreeMap<String, Value> =
            variables.iter().filter_map(|(name, value)| Some((name.clone(), value_of(value)?))).collect();
        given.insert("variables".to_owned(), members(&variables));
        given.insert("platform".to_owned(), Value::from(platform.as_str()));
        if let Some(user) = to.user.filter(|_| uses.user) {
            given.insert("user_id".to_owned(), Value::from(user));
        }
        if uses.user_tags {
            given.insert("user".to_owned(), tagged(to.user_tags));
        }
        if uses.device {
            given.insert("device".to_owned(), tagged(to.device_tags));
        }
        if let Some(locale) = to.locale.filter(|_| uses.locale) {
            given.insert("locale".to_owned(), Value::from(locale));
        }
        let (name, left) = Left::all();
        given.insert(name.to_owned(), left);
        Value::from(given)
    }
}

fn uses(names: &BTreeSet<String>, per_user: &BTreeMap<String, Variables>) -> Uses {
    let has = |name: &str| names.contains(name);
    let own = per_user.values().any(|own| own.keys().any(|name| has(name))) || (has("variables") && !per_user.is_empty());
    Uses { user: has("user_id") || own, user_tags: has("user"), device: has("device"), locale: has("locale") }
}

fn compile(env: &mut Environment<'static>, name: &str, text: &str) -> Result<BTreeSet<String>, Refused> {
    check(text)?;
    let unknown = |error: minijinja::Error| Refused { line: error.line(), what: error.kind().to_string() };
    env.add_template_owned(name.to_owned(), text.to_owned()).map_err(unknown)?;
    let template = env.get_template(name).map_err(unknown)?;
    Ok(template.undeclared_variables(false).into_iter().collect())
}

fn tagged(tags: Option<&Tags>) -> Value {
    let tags: BTreeMap<String, Value> =
        tags.into_iter().flatten().filter_map(|(name, value)| Some((name.clone(), value_of(value)?))).collect();
    Value::from(BTreeMap::from([("tags".to_owned(), Value::from(tags))]))
}

fn members(map: &Variables) -> Value {
    let members: BTreeMap<String, Value> = map.iter().filter_map(|(name, value)| Some((name.clone(), value_of(value)?))).collect();
    Value::from(members)
}

/// A value of JSON; null is as if it were not there.
fn value_of(json: &serde_json::Value) -> Option<Value> {
    match json {
        serde_json::Value::Null => None,
        serde_json::Value::Bool(truth) => Some(Value::from(*truth)),
        serde_json::Value::Number(number) => Some(match (number.as_i64(), number.as_u64()) {
            (Some(whole), _) => Value::from(whole),
            (None, Some(whole)) => Value::from(whole),
            (None, None) => Value::from(number.as_f64().unwrap_or_default()),
        }),
        serde_json::Value::String(text) => Some(Value::from(text.as_str())),
        serde_json::Value::Array(items) => Some(Value::from(items.iter().filter_map(value_of).collect::<Vec<Value>>())),
        serde_json::Value::Object(map) => Some(members(map)),
    }
}

/// What the words of one form may still take.
struct Meter<'a> {
    clock: &'a dyn Clock,
    until: Duration,
    left: usize,
}

impl Meter<'_> {
    fn is_late(&self) -> bool {
        self.clock.monotonic() > self.until
    }
}

/// A text as it is written: it ends where there is no room or time left.
struct Output<'m, 'a> {
    text: Vec<u8>,
    meter: &'m mut Meter<'a>,
}

impl io::Write for Output<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(left) = self.meter.left.checked_sub(bytes.len()).filter(|_| !self.meter.is_late()) else {
            self.meter.left = 0;
            return Err(io::ErrorKind::QuotaExceeded.into());
        };
        self.meter.left = left;
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
