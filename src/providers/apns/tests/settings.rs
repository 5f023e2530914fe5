//! What is wrong with settings, by the name of the key.

use super::certificate::with_certificate;
use super::*;

#[test]
fn wrong_settings_are_named_by_their_key() {
    let authority = Authority::new();
    let good = settings("https://api.push.apple.com", &authority);
    good.check().unwrap();
    for (key, bad) in [
        ("bundle_id", Settings { bundle_id: "com.example demo".to_owned(), ..good.clone() }),
        ("key_id", Settings { key_id: "ABC".to_owned(), ..good.clone() }),
        ("team_id", Settings { team_id: String::new(), ..good.clone() }),
        ("endpoint", Settings { endpoint: "api.push.apple.com".to_owned(), ..good.clone() }),
        ("sandbox_endpoint", Settings { sandbox_endpoint: "http://example.com".to_owned(), ..good.clone() }),
        ("key_file", Settings { key_file: "".into(), ..good.clone() }),
        ("bundle_id", Settings { bundle_id: String::new(), ..good.clone() }),
        ("cert_file", Settings { cert_file: Some("push.p12".into()), ..good.clone() }),
        ("cert_password", Settings { cert_password: Some(Secret::new("x".to_owned())), ..good.clone() }),
        ("cert_password_file", Settings { cert_password_file: Some("x".into()), ..good.clone() }),
        ("key_id", Settings { key_id: good.key_id.clone(), ..with_certificate(&good, "push.p12") }),
        ("team_id", Settings { team_id: good.team_id.clone(), ..with_certificate(&good, "push.p12") }),
        (
            "cert_password_file",
            Settings {
                cert_password: Some(Secret::new("x".to_owned())),
                cert_password_file: Some("x".into()),
                ..with_certificate(&good, "push.p12")
            },
        ),
    ] {
        assert_eq!(bad.check().unwrap_err().key(), key);
    }
    with_certificate(&good, "push.p12").check().unwrap();
    let context = context(&TestClock::new());
    let error = ApnsProvider::load(&good, &Signers::default(), &context).unwrap_err();
    assert_eq!(error.key(), "key_file");
    let error = ApnsProvider::new(&good, &Secret::new("no key".to_owned()), &Signers::default(), &context).unwrap_err();
    assert_eq!(error.key(), "key_file");
    let no_roots = Settings { ca_file: Some("/nowhere.pem".into()), ..good };
    assert_eq!(ApnsProvider::new(&no_roots, &key(), &Signers::default(), &context).unwrap_err().key(), "ca_file");
}

#[test]
fn unknown_settings_are_refused() {
    let text = r#"{"bundle_id":"a","key_file":"k","key_id":"k","team_id":"t","bundel_id":"x"}"#;
    assert!(serde_json::from_str::<Settings>(text).unwrap_err().to_string().contains("bundel_id"));
}
