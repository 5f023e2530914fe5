//! A template is refused when it is stored, or is filled within its bounds or not at all.
#![no_main]

use std::collections::BTreeMap;

use herald::dispatch::template::{Addressee, Engine};
use herald::domain::content::Content;
use herald::domain::device::Platform;
use herald::domain::template::{Template, UsedTemplate};
use herald::system::SystemClock;
use libfuzzer_sys::fuzz_target;

/// What all texts of a template may come to, in bytes.
const OUTPUT: usize = 64 * 1024;

fuzz_target!(|text: &str| {
    let words = Template { content: Content { body: Some(text.to_owned()), ..Content::default() }, ..Template::default() };
    let Ok(engine) = Engine::of(&words, &BTreeMap::new()) else { return };
    let variables = serde_json::json!({"name": "Ann", "items": [1, 2.5, "three", null], "a": {"b": {"c": "d"}}, "long": "x".repeat(4096)});
    let used = UsedTemplate { id: "t".to_owned(), words, variables: variables.as_object().unwrap().clone(), per_user: BTreeMap::new() };
    let to = Addressee { user: Some("u1"), locale: Some("fr"), ..Addressee::default() };
    if let Ok(filled) = engine.fill(&used, (&["fr"], &Content::default()), (Platform::Ios, to), &SystemClock) {
        assert!(filled.body.unwrap().len() <= OUTPUT);
    }
});
