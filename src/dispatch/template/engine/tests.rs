use std::sync::Arc;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::system::SystemClock;

fn template(json: &serde_json::Value) -> Template {
    serde_json::from_value(json.clone()).unwrap()
}

fn body(text: &str) -> Template {
    template(&json!({"content": {"body": text}}))
}

fn used(words: Template, variables: &serde_json::Value, per_user: &serde_json::Value) -> UsedTemplate {
    let per_user = serde_json::from_value(per_user.clone()).unwrap();
    UsedTemplate { id: "lunch".to_owned(), words, variables: variables.as_object().unwrap().clone(), per_user }
}

fn fill(used: &UsedTemplate, locales: &[&str], to: Addressee<'_>) -> Result<Content, Fault> {
    let engine = Engine::of(&used.words, &used.per_user).unwrap();
    engine.fill(used, (locales, &Content::default()), (Platform::Ios, to), &SystemClock)
}

/// A text, filled with these variables.
fn filled(text: &str, variables: &serde_json::Value) -> Result<String, Fault> {
    fill(&used(body(text), variables, &json!({})), &[], Addressee::default()).map(|content| content.body.unwrap())
}

#[test]
fn texts_are_filled() {
    let variables =
        json!({"name": "Ann", "n": 2, "price": 2.5, "items": ["a", "b"], "no": null, "html": "<b> & \"", "deep": {"x": [1, {"y": "z"}]}});
    for (text, expected) in [
        ("Hello {{ name }}!", "Hello Ann!"),
        ("{{ variables.name }}", "Ann"),
        ("{{ html }}", "<b> & \""),
        ("{% if n > 1 %}{{ n }} new{% else %}one new{% endif %}", "2 new"),
        ("{{ items|join(', ') }} {{ items|length }}", "a, b 2"),
        ("{% for item in items %}{{ loop.index }}{{ item }}{% endfor %}", "1a2b"),
        ("{{ no|default('nothing') }}{{ missing|d('-') }}", "nothing-"),
        ("{{ price|float * n|int }}", "5.0"),
        ("{{ name|upper }}{{ name|replace('n', 'b') }}{{ 'a long text'|truncate(6) }}", "ANNAbba long…"),
        ("{{ deep.x[1].y }}", "z"),
        ("{{ platform }}", "ios"),
        ("{% for n in range(3) %}{{ n }}{% endfor %}", "012"),
        ("{% set x = name %}{{ x }}", "Ann"),
    ] {
        assert_eq!(filled(text, &variables).as_deref(), Ok(expected), "{text}");
    }
}

#[test]
fn every_text_of_the_words_is_filled() {
    let words = template(&json!({"content": {
        "title": "{{ x }}1", "subtitle": "{{ x }}2", "body": "{{ x }}3", "image_url": "https://e.example/{{ x }}4", "sound": "{{ x }}5",
        "thread_id": "{{ x }}6", "link": "{{ x }}7", "android_channel": "{{ x }}8", "action_set": "{{ x }}9", "badge": 3,
        "actions": [{"id": "{{ x }}10", "title": "{{ x }}11"}], "data": {"k": "{{ x }}12"},
    }}));
    let content = fill(&used(words, &json!({"x": "v"}), &json!({})), &[], Addressee::default()).unwrap();
    let text = serde_json::to_string(&content).unwrap();
    assert!((1..=12).all(|n| text.contains(&format!("v{n}\""))), "{text}");
    assert!(!text.contains("{{") && content.badge == Some(3), "{text}");
}

#[test]
fn the_nearest_words_are_filled_and_no_others() {
    let words = template(&json!({
        "content": {"title": "t {{ x }}", "body": "b {{ x }}", "subtitle": "{{ missing }}"},
        "localized": {"fr": {"title": "fr {{ x }}", "subtitle": "s"}, "fr-CA": {"title": "ca {{ x }}"}},
    }));
    let used = used(words, &json!({"x": 1}), &json!({}));
    let content = fill(&used, &["fr-CA", "fr"], Addressee::default()).unwrap();
    assert_eq!((content.title.as_deref(), content.body.as_deref(), content.subtitle.as_deref()), (Some("ca 1"), Some("b 1"), Some("s")));
    let fault = fill(&used, &[], Addressee::default()).unwrap_err();
    assert_eq!((fault.place.as_str(), fault.line), ("content.subtitle", Some(1)));
    let engine = Engine::of(&used.words, &used.per_user).unwrap();
    let nearer = Content { subtitle: Some("given".to_owned()), ..Content::default() };
    let content = engine.fill(&used, (&[], &nearer), (Platform::Web, Addressee::default()), &SystemClock).unwrap();
    assert_eq!((content.subtitle.as_deref(), content.title.as_deref()), (Some("given"), Some("t 1")));
}

#[test]
fn people_see_what_is_theirs() {
    let tags = |value: &str| Tags::from([("plan".to_owned(), json!(value))]);
    let (user_tags, device_tags) = (tags("pro"), tags("beta"));
    let words = body("{{ greeting }} {{ name }} {{ user_id }} {{ user.tags.plan }} {{ device.tags.plan }} {{ locale }}");
    let used = used(words, &json!({"greeting": "hi", "name": "you"}), &json!({"ann": {"name": "Ann"}}));
    let to = Addressee { user: Some("ann"), user_tags: Some(&user_tags), device_tags: Some(&device_tags), locale: Some("fr-CA") };
    let fill = |to| fill(&used, &[], to).map(|content| content.body.unwrap());
    assert_eq!(fill(to).as_deref(), Ok("hi Ann ann pro beta fr-CA"));
    assert_eq!(fill(Addressee { user: Some("ben"), ..to }).as_deref(), Ok("hi you ben pro beta fr-CA"));
    for lacking in [Addressee { user: None, ..to }, Addressee { user_tags: None, ..to }, Addressee { locale: None, ..to }] {
        assert_eq!(fill(lacking).unwrap_err().what, "undefined value");
    }
}

/// What is rendered once for all must be able to show nobody's own.
#[test]
fn what_differs_among_people_is_known_beforehand() {
    let per_user = BTreeMap::from([("ann".to_owned(), Variables::from_iter([("name".to_owned(), json!("Ann"))]))]);
    let none = BTreeMap::new();
    let uses = |text: &str, per_user: &BTreeMap<String, Variables>| Engine::of(&body(text), per_user).unwrap().uses();
    for (text, per_user, expected) in [
        ("{{ name }} {{ platform }}", &none, Uses::default()),
        ("{{ name }}", &per_user, Uses { user: true, ..Uses::default() }),
        ("{{ other }}", &per_user, Uses::default()),
        ("{{ variables.name }}", &per_user, Uses { user: true, ..Uses::default() }),
        ("{{ variables.name }}", &none, Uses::default()),
        ("{% if user_id == 'a' %}x{% endif %}", &none, Uses { user: true, ..Uses::default() }),
        ("{% for t in user.tags %}x{% endfor %}", &none, Uses { user_tags: true, ..Uses::default() }),
        ("{{ 'x' if true else device.tags.a }}", &none, Uses { device: true, ..Uses::default() }),
        ("{% set a = locale %}", &none, Uses { locale: true, ..Uses::default() }),
    ] {
        assert_eq!(uses(text, per_user), expected, "{text}");
    }
}

#[test]
fn a_fault_names_place_and_line_and_no_value() {
    let secret = "s3cret";
    for (text, what) in [
        ("\n{{ missing }}", "undefined value"),
        ("\n{{ x|int + 1 }}", "invalid operation"),
        ("\n{{ x - 1 }}", "invalid operation"),
        ("\n{{ x.y.z }}", "undefined value"),
        ("\n{{ x|round }}", "invalid operation"),
        ("\n{% for a in 5 %}{% endfor %}", "invalid operation"),
    ] {
        let fault = filled(text, &json!({ "x": secret })).unwrap_err();
        assert_eq!((fault.place.as_str(), fault.line, fault.what.as_str()), ("content.body", Some(2), what), "{text}");
        assert!(!format!("{fault} {fault:?}").contains(secret), "{fault}");
    }
    let faults =
        Engine::of(&template(&json!({"content": {"title": "{{"}, "localized": {"fr": {"body": "\n\n{% if %}"}}})), &BTreeMap::new())
            .err()
            .unwrap();
    let told: Vec<(&str, Option<usize>)> = faults.iter().map(|fault| (fault.place.as_str(), fault.line)).collect();
    assert_eq!(told, [("content.title", Some(1)), ("localized.fr.body", Some(3))]);
}

/// Each of them ends, and none takes much memory: what is read and written is counted.
#[test]
fn hostile_templates_end() {
    let long = "ab".repeat(4000);
    let variables = json!({"x": long, "list": vec![1; 2000], "nested": {"a": vec![vec!["b"; 100]; 5]}});
    for text in [
        "{% for a in range(1000) %}{% for b in range(1000) %}{% for c in range(1000) %}{% endfor %}{% endfor %}{% endfor %}",
        "{% for a in list %}{{ x }}{% endfor %}",
        "{% for a in list %}{% set y = x|upper %}{% endfor %}",
        "{% for a in list %}{% set y = x|replace('a', x) %}{% endfor %}",
        "{% for a in list %}{% set y = x|replace('', x) %}{% endfor %}",
        "{% for a in list %}{% set y = list|join(x) %}{% endfor %}",
        "{% for a in list %}{% set y = nested|upper|title|lower %}{% endfor %}",
        "{% for a in range(1001) %}{% endfor %}",
        "{{ range(-9223372036854775807, 9223372036854775807)|length }}",
        "{{ 9 ** 9 ** 9 ** 9 }}",
        "{{ 10 ** 300 * 10 ** 300 }}",
        "{% for a in list %}{% for b in list %}{{ a }}{% endfor %}{% endfor %}",
    ] {
        let fault = filled(text, &variables).unwrap_err();
        assert!(!fault.what.is_empty() && !fault.to_string().contains("abab"), "{text}: {fault}");
    }
    for text in [
        "{% for a in list %}{% if 'abb' in x %}1{% endif %}{% endfor %}",
        "{% for a in list %}{% if x == x %}{% endif %}{% endfor %}",
        "{% for a in list %}{% set y = list|reverse %}{% endfor %}",
        "{{ -9223372036854775808 // -1 }}",
    ] {
        drop(filled(text, &variables));
    }
}

/// A clock that a test moves at every look.
struct Hurried(std::sync::atomic::AtomicU64);

impl Clock for Hurried {
    fn now(&self) -> crate::domain::Timestamp {
        crate::domain::Timestamp::default()
    }

    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.0.fetch_add(20, std::sync::atomic::Ordering::Relaxed))
    }
}

#[test]
fn what_takes_too_long_is_ended() {
    let used = used(body("{{ x }}{{ x }}{{ x }}{{ x }}{{ x }}"), &json!({"x": 1}), &json!({}));
    let clock: Arc<dyn Clock> = Arc::new(Hurried(std::sync::atomic::AtomicU64::new(0)));
    let engine = Engine::of(&used.words, &used.per_user).unwrap();
    let fault = engine.fill(&used, (&[], &Content::default()), (Platform::Ios, Addressee::default()), &*clock).unwrap_err();
    assert_eq!(fault.what, "takes too long");
}

#[test]
fn all_texts_of_a_form_share_the_bound_on_what_is_written() {
    let line = "{{ x }}".repeat(3);
    let words = template(&json!({"content": {"title": line, "body": line, "subtitle": line}}));
    let used = used(words, &json!({"x": "y".repeat(8_000)}), &json!({}));
    assert_eq!(fill(&used, &[], Addressee::default()).unwrap_err().what, "is longer than 65536 bytes");
}

proptest! {
    /// Whatever is taken is filled or fails, and never goes beyond its bounds.
    #[test]
    fn what_is_taken_stays_within_its_bounds(
        parts in proptest::collection::vec(proptest::sample::select(vec![
            "{{ x }}", "{% for a in list %}", "{% endfor %}", "{% if x %}", "{% endif %}", "{{ list|join(x) }}", "{{ x|upper|replace('a', x) }}",
            "{% set x = x|title %}", "{{ x[:5] }}", "{{ list|length * 5 }}", "{% for b in range(900) %}", "{{ a }}", "text", "{{ x|truncate(9) }}",
        ]), 0..14),
    ) {
        let text: String = parts.concat();
        if let Ok(engine) = Engine::of(&body(&text), &BTreeMap::new()) {
            let used = used(body(&text), &json!({"x": "ab".repeat(500), "list": vec!["z"; 300]}), &json!({}));
            if let Ok(content) = engine.fill(&used, (&[], &Content::default()), (Platform::Ios, Addressee::default()), &SystemClock) {
                prop_assert!(content.body.unwrap().len() <= OUTPUT);
            }
        }
    }
}
