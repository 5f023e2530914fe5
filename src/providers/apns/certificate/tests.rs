//! Certificates as Apple makes them, in each of the two forms.

use std::io::Write;

use p12_keystore::{EncryptionAlgorithm, KeyStoreEntry, PrivateKey, PrivateKeyChain};
use rcgen::{CertificateParams, CustomExtension, DnType, KeyPair, date_time_ymd};
use tempfile::NamedTempFile;

use super::*;

const BUNDLE: &str = "com.example.demo";
/// A sequence of each topic, as a UTF-8 string, and of the sequence of its kinds.
const LISTED: &[u8] = b"\x30\x38\x0c\x10com.example.demo\x30\x05\x0c\x03app\x0c\x15com.example.demo.voip\x30\x06\x0c\x04voip";

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_after = date_time_ymd(2027, 3, 4);
    params
}

fn listing() -> CertificateParams {
    let mut params = params("Apple Push Services: com.example.demo");
    params.custom_extensions.push(CustomExtension::from_oid_content(&[1, 2, 840, 113_635, 100, 6, 3, 6], LISTED.to_vec()));
    params
}

fn made(params: &CertificateParams) -> (Vec<u8>, String, KeyPair) {
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    (certificate.der().to_vec(), certificate.pem(), key)
}

fn file(suffix: &str, bytes: &[u8]) -> NamedTempFile {
    let mut file = tempfile::Builder::new().suffix(suffix).tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file
}

fn pem(params: &CertificateParams) -> Certificate {
    let (_, pem, key) = made(params);
    Certificate::load(file(".pem", format!("{pem}{}", key.serialize_pem()).as_bytes()).path(), None).unwrap()
}

fn p12(algorithm: EncryptionAlgorithm, password: &str) -> NamedTempFile {
    let (der, _, key) = made(&listing());
    let certificate = p12_keystore::Certificate::from_der(&der).unwrap();
    let key = PrivateKey::from_der(key.serialized_der()).unwrap();
    let mut store = KeyStore::new();
    store.add_entry("push", KeyStoreEntry::PrivateKeyChain(PrivateKeyChain::new("1", key, [certificate])));
    file(".p12", &store.writer(password).encryption_algorithm(algorithm).write().unwrap())
}

#[test]
fn a_p12_is_read_with_its_password() {
    for algorithm in [EncryptionAlgorithm::PbeWithHmacSha256AndAes256, EncryptionAlgorithm::PbeWithShaAnd3KeyTripleDesCbc] {
        let file = p12(algorithm, "s3cret");
        let certificate = Certificate::load(file.path(), Some(&Secret::new("s3cret".to_owned()))).unwrap();
        assert_eq!(certificate.expires_at(), Utc.with_ymd_and_hms(2027, 3, 4, 0, 0, 0).unwrap());
        assert!(certificate.is_for(BUNDLE));
        crate::providers::http2::client_config_as(None, Some(certificate.identity())).unwrap();
        for password in [None, Some(Secret::new("wrong".to_owned()))] {
            assert_eq!(Certificate::load(file.path(), password.as_ref()).unwrap_err().key(), "cert_file");
        }
    }
}

#[test]
fn a_certificate_that_lists_topics_covers_these() {
    let certificate = pem(&listing());
    assert_eq!(certificate.topics, Topics::Listed(vec![BUNDLE.to_owned(), format!("{BUNDLE}.voip")]));
    assert!(certificate.is_for(BUNDLE) && !certificate.is_for("com.example.other") && !certificate.is_for("com.example"));
    for (push_type, is_covered) in [
        (PushType::Alert, true),
        (PushType::Background, true),
        (PushType::Voip, true),
        (PushType::Complication, false),
        (PushType::LiveActivity, false),
        (PushType::Location, false),
    ] {
        let topic = format!("{BUNDLE}{}", push_type.topic_suffix());
        assert_eq!(certificate.covers(push_type, &topic), is_covered, "{push_type:?}");
    }
}

#[test]
fn the_subject_tells_the_app_where_no_topics_are_listed() {
    let mut with_uid = params("Whatever");
    with_uid.distinguished_name.push(DnType::CustomDnType(vec![0, 9, 2342, 19_200_300, 100, 1, 1]), BUNDLE);
    for (params, topics) in [
        (with_uid, Topics::Of(BUNDLE.to_owned())),
        (params("Apple Push Services: com.example.demo"), Topics::Of(BUNDLE.to_owned())),
        (params("Apple Development IOS Push Services: com.example.demo"), Topics::Of(BUNDLE.to_owned())),
        (params("our own"), Topics::Untold),
    ] {
        let certificate = pem(&params);
        assert_eq!(certificate.topics, topics);
        assert!(certificate.is_for(BUNDLE));
        assert_eq!(certificate.is_for("com.example.other"), topics == Topics::Untold);
        assert!(certificate.covers(PushType::Alert, BUNDLE) && !certificate.covers(PushType::Location, "com.example.demo.location-query"));
    }
}

#[test]
fn what_is_no_certificate_with_its_key_is_named() {
    let (der, pem, key) = made(&listing());
    for (suffix, bytes, message) in [
        (".pem", pem.clone().into_bytes(), "private key"),
        (".pem", key.serialize_pem().into_bytes(), "certificate"),
        (".pem", b"nothing".to_vec(), "certificate"),
        (".p12", der, "PKCS #12"),
        (".p12", Vec::new(), "PKCS #12"),
    ] {
        let error = Certificate::load(file(suffix, &bytes).path(), None).unwrap_err();
        assert_eq!(error.key(), "cert_file");
        assert!(error.to_string().contains(message), "{error}");
    }
    let error = Certificate::load(Path::new("/nowhere.p12"), None).unwrap_err();
    assert!(matches!(error, InitError::Unreadable { key: "cert_file", .. }));
}

#[test]
fn nothing_of_the_key_is_shown() {
    let shown = format!("{:?}", pem(&listing()));
    assert!(shown.contains(BUNDLE) && !shown.contains("Pkcs8"), "{shown}");
}

#[test]
fn a_key_that_is_not_the_certificate_s_is_refused() {
    let ((_, pem, _), (_, _, other)) = (made(&listing()), made(&listing()));
    let certificate = Certificate::load(file(".pem", format!("{pem}{}", other.serialize_pem()).as_bytes()).path(), None).unwrap();
    assert!(crate::providers::http2::client_config_as(None, Some(certificate.identity())).is_err());
}
