use proptest::prelude::*;

use super::*;

const ONE: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const TWO: &str = "ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8=";

fn seal(text: &str) -> Seal {
    Seal::parse(text).unwrap()
}

#[test]
fn what_is_sealed_opens_in_its_place_only() {
    let seal = seal(ONE);
    let kept = seal.seal(Place::Secret("a"), "hush".to_owned()).unwrap();
    assert!(!kept.contains("hush"));
    assert_eq!(seal.open(Place::Secret("a"), &kept).as_deref(), Some("hush"));
    assert_eq!(seal.open(Place::Secret("b"), &kept), None);
    assert_eq!(seal.open(Place::Proof, &kept), None);
}

#[test]
fn the_same_text_is_never_sealed_alike() {
    let seal = seal(ONE);
    let kept: std::collections::HashSet<String> = (0..100).map(|_| seal.seal(Place::Proof, "hush".to_owned()).unwrap()).collect();
    assert_eq!(kept.len(), 100);
}

#[test]
fn the_first_key_seals_and_all_of_them_open() {
    let (old, new) = (seal(ONE), seal(&format!("# the new one\n{TWO} # of today\n\n  {ONE}\n")));
    let kept = old.seal(Place::Proof, "hush".to_owned()).unwrap();
    assert_eq!(new.open(Place::Proof, &kept).as_deref(), Some("hush"));
    let anew = new.seal(Place::Proof, "hush".to_owned()).unwrap();
    assert_eq!(old.open(Place::Proof, &anew), None);
    assert_eq!(seal(TWO).open(Place::Proof, &anew).as_deref(), Some("hush"));
    assert_eq!(new.id(), seal(TWO).id());
}

#[test]
fn without_a_key_or_behind_the_word_plain_nothing_is_sealed() {
    let (none, plain) = (Seal::default(), seal(&format!("plain\n{ONE}")));
    let kept = seal(ONE).seal(Place::Proof, "hush".to_owned()).unwrap();
    for (seal, opened) in [(&none, None), (&plain, Some("hush"))] {
        assert_eq!(seal.seal(Place::Proof, "hush".to_owned()).unwrap(), "hush");
        assert_eq!(seal.open(Place::Proof, "hush").as_deref(), Some("hush"));
        assert_eq!(seal.open(Place::Proof, &kept).as_deref(), opened);
        assert_eq!(seal.proof().unwrap(), None);
        assert_eq!(seal.id(), "plain");
    }
}

#[test]
fn a_proof_tells_whether_a_key_is_there() {
    let (one, two) = (seal(ONE), seal(TWO));
    let proof = one.proof().unwrap().unwrap();
    assert_eq!(one.check(one.id(), &proof), Ok(()));
    assert_eq!(two.check(one.id(), &proof), Err(Locked::OtherKey(one.id().to_owned())));
    assert_eq!(Seal::default().check(one.id(), &proof), Err(Locked::NoKey(one.id().to_owned())));
    assert_eq!(one.check(one.id(), PROOF), Err(Locked::OtherKey(one.id().to_owned())), "nobody sealed it");
    assert_eq!(one.check(two.id(), &proof), Err(Locked::OtherKey(two.id().to_owned())), "another key did");
}

#[test]
fn keys_are_told_apart_from_what_is_none() {
    let short = "AAECAwQFBgcICQoLDA0ODw==";
    for (text, expected) in [
        ("", "holds no key"),
        ("# nothing\n\n", "holds no key"),
        ("plain\n", "holds no key"),
        (short, "line 1 is no such key"),
        (&format!("{ONE}\nhush!\n"), "line 2 is no such key"),
        (&format!("{ONE}\n{}\n", ONE.trim_end_matches('=')), "has the key of line 2 twice"),
        (&format!("{ONE}\nplain\n"), "has `plain` on line 2"),
        (&format!("plain\nplain\n{ONE}\n"), "has `plain` on line 2"),
    ] {
        let error = Seal::parse(text).unwrap_err().to_string();
        assert!(error.contains(expected), "{text:?}: {error}");
        assert!(!error.contains("hush"), "{error}");
    }
    let path = std::path::Path::new("no/such.key");
    assert!(Seal::load(path).unwrap_err().to_string().starts_with("cannot be read: "));
}

#[test]
fn keys_are_not_shown() {
    let shown = format!("{:?}", seal(&format!("{ONE}\n{TWO}")));
    assert_eq!(shown, format!("[{:?}, {:?}]", seal(ONE).id(), seal(TWO).id()));
}

proptest! {
    #[test]
    fn every_text_is_opened_as_it_was(text in ".*", name in "[^\0]*") {
        let seal = seal(ONE);
        let kept = seal.seal(Place::Secret(&name), text.clone()).unwrap();
        prop_assert!(kept.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_:".contains(&byte)), "{kept}");
        let opened = seal.open(Place::Secret(&name), &kept);
        prop_assert_eq!(opened.as_deref(), Some(text.as_str()));
    }

    #[test]
    fn a_text_that_was_changed_does_not_open(at in 0..60_usize, to in "[A-Za-z0-9:_-]") {
        let seal = seal(ONE);
        let kept = seal.seal(Place::Proof, "hush, nobody must know".to_owned()).unwrap();
        let at = MARK.len() + at % (kept.len() - MARK.len());
        let mut changed = kept.clone();
        changed.replace_range(at..=at, &to);
        let is_same = changed == kept;
        prop_assert_eq!(seal.open(Place::Proof, &changed).is_some(), is_same);
    }

    #[test]
    fn whatever_is_there_is_read_or_refused(kept in ".*") {
        let sealed = format!("{MARK}{}:{kept}", seal(ONE).id());
        prop_assert!(seal(ONE).open(Place::Proof, &sealed).is_none());
    }
}
