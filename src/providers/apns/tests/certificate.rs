//! A push certificate in the place of a token key.

use super::*;

/// The same app with a certificate in the place of its key.
pub(super) fn with_certificate(settings: &Settings, file: impl Into<std::path::PathBuf>) -> Settings {
    let (key_file, key_id, team_id) = Default::default();
    Settings { key_file, key_id, team_id, cert_file: Some(file.into()), ..settings.clone() }
}

#[tokio::test]
async fn a_certificate_stands_for_the_token() {
    let authority = Authority::new();
    let server = Server::start(&authority, |_| refusal(403, "ExpiredProviderToken")).await;
    let context = context(&TestClock::new());
    let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(rcgen::DnType::CommonName, "Apple Push Services: com.example.demo");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("push.pem");
    std::fs::write(&file, authority.client_pem(params)).unwrap();
    let settings = with_certificate(&settings(&server.url(), &authority), file);
    let provider = ApnsProvider::load(&settings, &Signers::default(), &context).unwrap();
    assert!(provider.credential_expires_at().is_some());
    provider.look().unwrap();
    let setup = Setup { server, clock: TestClock::new(), context, provider };
    let refused = setup.send().await;
    assert!(matches!(refused, Outcome::CredentialRefused { .. }), "there is no other token: {refused:?}");
    let seen = setup.server.seen();
    assert_eq!((seen.len(), seen[0].certified, seen[0].header("authorization")), (1, true, None));
    assert_eq!(seen[0].header("apns-topic"), Some("com.example.demo"));
    let content = Content { title: Some("Ann".to_owned()), ..Content::default() };
    let overrides = json!({"headers": {"apns-push-type": "location"}});
    let location = crate::providers::Message { overrides: Some(&overrides), ..message(&content, Platform::Ios) };
    let refused = setup.provider.render(&location).unwrap_err();
    assert!(matches!(refused, crate::providers::RenderError::Invalid { ref field, .. } if field == "apns.headers.apns-push-type"));
    let asked = crate::providers::Message { push_type: &PushType::Location, ..message(&content, Platform::Ios) };
    let refused = setup.provider.render(&asked).unwrap_err();
    assert!(matches!(refused, crate::providers::RenderError::Invalid { ref field, .. } if field == "push_type"), "{refused:?}");
    let other = Settings { bundle_id: "com.example.other".to_owned(), ..settings };
    assert_eq!(ApnsProvider::load(&other, &Signers::default(), &setup.context).unwrap_err().key(), "bundle_id");
}

#[tokio::test]
async fn a_certificate_that_has_expired_is_said_so() {
    let authority = Authority::new();
    let context = context(&TestClock::new());
    let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
    params.not_after = rcgen::date_time_ymd(2020, 1, 1);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("push.pem");
    std::fs::write(&file, authority.client_pem(params)).unwrap();
    let settings = with_certificate(&settings("https://127.0.0.1:1", &authority), file);
    let provider = ApnsProvider::load(&settings, &Signers::default(), &context).unwrap();
    let error = provider.look().unwrap_err();
    assert_eq!((error.key(), error.to_string().as_str()), ("cert_file", "cert_file: expired at 2020-01-01 00:00:00 UTC"));
}
