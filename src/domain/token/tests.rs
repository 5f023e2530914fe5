use super::*;

const ENDPOINT: &str = "https://fcm.googleapis.com/fcm/send/abc";
/// The keys of RFC 8291, appendix A.
const P256DH: &str = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4";
const AUTH: &str = "BTBZMqHH6r4Tts7J_aSIgg";

#[test]
fn apns_tokens_are_hex_of_some_length() {
    assert_eq!(PushToken::apns(&"aB".repeat(32)).unwrap().identity(), "ab".repeat(32));
    for good in [32, 64, 160, 400] {
        assert!(PushToken::apns(&"0".repeat(good)).is_ok(), "{good}");
    }
    for bad in [1, 30, 31, 33, 65, 399, 402] {
        assert_eq!(PushToken::apns(&"0".repeat(bad)), Err(TokenError::NotHex), "{bad}");
    }
    assert_eq!(PushToken::apns(""), Err(TokenError::Empty));
    for bad in ["<", " ", "g", "é", "\0"] {
        assert_eq!(PushToken::apns(&bad.repeat(64)), Err(TokenError::NotHex), "{bad:?}");
    }
}

#[test]
fn fcm_tokens_are_one_plain_word() {
    for good in ["x", "cXy_9-:APA91bH", "dead-2-token", &"a".repeat(4096)] {
        assert_eq!(PushToken::fcm(good).unwrap().identity(), good);
    }
    assert_eq!(PushToken::fcm(""), Err(TokenError::Empty));
    assert_eq!(PushToken::fcm(&"a".repeat(4097)), Err(TokenError::TooLong(4096)));
    for bad in ["a b", " a", "a\n", "a\0", "a\"", "a\\", "é"] {
        assert_eq!(PushToken::fcm(bad), Err(TokenError::NotPlain), "{bad:?}");
    }
}

#[test]
fn installation_ids_are_base64url() {
    assert_eq!(PushToken::fcm_fid("dGVzdC1maWQtMDAwMDAwMD").unwrap().provider(), ProviderKind::Fcm);
    assert_eq!(PushToken::fcm_fid(""), Err(TokenError::Empty));
    assert_eq!(PushToken::fcm_fid("a:b"), Err(TokenError::NotFid));
    assert_eq!(PushToken::fcm_fid(&"a".repeat(129)), Err(TokenError::TooLong(128)));
}

#[test]
fn subscriptions_are_kept_in_one_alphabet() {
    let plain = PushToken::webpush(ENDPOINT, P256DH, AUTH).unwrap();
    let standard = |text: &str| text.replace('-', "+").replace('_', "/");
    let padded = |text: &str| format!("{text}{}", "=".repeat((4 - text.len() % 4) % 4));
    for (p256dh, auth) in
        [(standard(P256DH), standard(AUTH)), (padded(P256DH), padded(AUTH)), (padded(&standard(P256DH)), padded(&standard(AUTH)))]
    {
        assert_eq!(PushToken::webpush(ENDPOINT, &p256dh, &auth), Ok(plain.clone()));
    }
    assert_eq!(plain.identity(), ENDPOINT);
    assert_eq!(plain, PushToken::Webpush { endpoint: ENDPOINT.to_owned(), p256dh: P256DH.to_owned(), auth: AUTH.to_owned() });
}

#[test]
fn a_bad_subscription_names_its_field() {
    let compressed = URL_SAFE_NO_PAD.encode([2; 33]);
    let no_point = URL_SAFE_NO_PAD.encode([5; 65]);
    let off_the_curve = URL_SAFE_NO_PAD.encode([4; 65]);
    for p256dh in ["", "!", AUTH, &compressed, &no_point, &off_the_curve] {
        assert_eq!(PushToken::webpush(ENDPOINT, p256dh, AUTH), Err(("keys.p256dh", TokenError::NotPublicKey)), "{p256dh}");
    }
    for auth in ["", "AAAA", P256DH, "BTBZMqHH6r4Tts7J aSIgg"] {
        assert_eq!(PushToken::webpush(ENDPOINT, P256DH, auth), Err(("keys.auth", TokenError::NotAuthSecret)), "{auth}");
    }
    assert_eq!(PushToken::webpush("", P256DH, AUTH), Err(("endpoint", TokenError::Empty)));
    let long = format!("https://a/{}", "b".repeat(2048));
    assert_eq!(PushToken::webpush(&long, P256DH, AUTH), Err(("endpoint", TokenError::TooLong(2048))));
    for endpoint in [
        "http://a.example/x",
        "//a.example/x",
        "/x",
        "a.example",
        "https://",
        "https:///x",
        "https://:443/x",
        "https://a.example:/x",
        "https://a.example:99999/x",
        "https://ann:secret@a.example/x",
        "https://a.example/x#y",
        "https://a.example/x y",
        "https://é.example/",
        "https://a.example/\0",
        "ftp://a.example/",
        "wss://a.example/",
        "not an address",
    ] {
        assert_eq!(PushToken::webpush(endpoint, P256DH, AUTH), Err(("endpoint", TokenError::NotHttps)), "{endpoint}");
    }
}

#[test]
fn messages_never_repeat_the_token() {
    let secret = "secret token";
    for error in [PushToken::apns(secret), PushToken::fcm(secret), PushToken::fcm_fid(secret)] {
        assert!(!error.unwrap_err().to_string().contains("secret"));
    }
}

#[test]
fn the_hash_is_of_the_address_alone() {
    let one = PushToken::webpush(ENDPOINT, P256DH, AUTH).unwrap();
    let other_keys = PushToken::webpush(ENDPOINT, P256DH, &URL_SAFE_NO_PAD.encode([7; 16])).unwrap();
    assert_eq!(TokenHash::of(&one), TokenHash::of(&other_keys));
    assert_eq!(TokenHash::of(&PushToken::apns(&"AB".repeat(32)).unwrap()), TokenHash::of(&PushToken::apns(&"ab".repeat(32)).unwrap()));
    // SHA-256 of "abc"
    assert_eq!(TokenHash::of(&PushToken::fcm("abc").unwrap()).hint(), "ba7816bf");
}
