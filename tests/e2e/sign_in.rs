//! The app's own JWTs in the place of client tokens.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use crate::clock::now;
use crate::daemon::{Client, Process, Simulator, until};

const ISSUER: &str = "https://id.example.com";

/// Somebody else's sign-in: a key and its public half.
struct Identity(Ed25519KeyPair);

impl Identity {
    fn new(seed: u8) -> Self {
        Self(Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap())
    }

    fn key_set(&self) -> String {
        let x = URL_SAFE_NO_PAD.encode(self.0.public_key().as_ref());
        json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "x": x, "kid": "k1", "use": "sig"}]}).to_string()
    }

    fn sign(&self, claims: &Value) -> String {
        let header = Header { kid: Some("k1".to_owned()), ..Header::new(Algorithm::EdDSA) };
        jsonwebtoken::encode(&header, claims, &EncodingKey::from_ed_der(self.0.to_pkcs8v1().unwrap().as_ref())).unwrap()
    }

    fn token_of(&self, user: &str) -> String {
        self.sign(&json!({"iss": ISSUER, "aud": "demo-app", "uid": user, "exp": now().timestamp() + 600}))
    }
}

/// A daemon whose app trusts this identity, and a key of its backend.
fn daemon(simulator: &Simulator, identity: &Identity) -> (Process, Client) {
    std::fs::write(simulator.dir.path().join("jwks.json"), identity.key_set()).unwrap();
    simulator.configure(&format!(
        "[apps.demo.sign_in]\nissuer = \"{ISSUER}\"\naudience = \"demo-app\"\njwks_file = \"jwks.json\"\nuser_claim = \"uid\"\ndevice_claim = \"did\""
    ));
    let key = simulator.key("send,manage,read");
    let daemon = simulator.serve(&[]);
    let client = Client::new(&daemon.url, &key);
    (daemon, client)
}

#[tokio::test]
async fn a_token_of_the_apps_own_sign_in_is_a_client_token() {
    let simulator = Simulator::start();
    let identity = Identity::new(1);
    let (_daemon, backend) = daemon(&simulator, &identity);
    let seconds = now().timestamp();
    let ann = backend.with_key(&identity.token_of("ann"));
    let registered = ann.put("/v1/devices/phone", &json!({"platform": "android", "token": "well-1", "future": 1})).await.expect(201);
    assert_eq!(registered["user_id"], "ann");
    backend.with_key(registered["receipt_token"].as_str().unwrap()).post("/v1/receipts", &json!({"receipts": []})).await.expect(202);
    ann.get("/v1/me/preferences").await.expect(200);
    ann.get("/v1/users/ann/preferences").await.problem(403, "scope_missing");
    backend.with_key(&identity.token_of("bob")).get("/v1/devices/phone").await.problem(404, "not_found");
    let claims = |changes: Value| {
        let mut claims = json!({"iss": ISSUER, "aud": ["demo-app", "web"], "uid": "ann", "exp": seconds + 600});
        claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        identity.sign(&claims)
    };
    for (token, status, code) in [
        (claims(json!({})), 200, ""),
        (claims(json!({"did": "phone"})), 200, ""),
        (claims(json!({"did": "tablet"})), 404, "not_found"),
        (claims(json!({"uid": null, "did": "phone"})), 404, "not_found"),
        (claims(json!({"exp": seconds - 61})), 401, "token_expired"),
        (claims(json!({"exp": seconds + 2 * 24 * 3600})), 401, "token_invalid"),
        (claims(json!({"nbf": seconds + 300})), 401, "token_invalid"),
        (claims(json!({"iss": "https://elsewhere"})), 401, "token_invalid"),
        (claims(json!({"aud": "other"})), 401, "token_invalid"),
        (claims(json!({"uid": null})), 401, "token_invalid"),
        (Identity::new(2).token_of("ann"), 401, "token_invalid"),
    ] {
        let answer = backend.with_key(&token).get("/v1/devices/phone").await;
        assert_eq!(answer.status, status, "{}", answer.body);
        if status != 200 {
            answer.problem(status, code);
        }
    }
}

/// A key that the sign-in has taken back is good for nothing once the configuration was read again, and a broken file changes nothing.
#[tokio::test]
async fn keys_are_read_again_with_the_apps() {
    let simulator = Simulator::start();
    let (old, new) = (Identity::new(1), Identity::new(2));
    let (daemon, backend) = daemon(&simulator, &old);
    let reload = async |result: &str, times: usize| {
        daemon.signal("HUP");
        let line = format!("herald_reloads_total{{result=\"{result}\"}} {times}");
        until(&line, async || backend.get("/metrics").await.body.as_str().unwrap().contains(&line).then_some(())).await;
    };
    let file = simulator.dir.path().join("jwks.json");
    let [by_old, by_new] = [&old, &new].map(|identity| backend.with_key(&identity.token_of("ann")));
    by_old.get("/v1/me/devices").await.expect(200);
    by_new.get("/v1/me/devices").await.problem(401, "token_invalid");
    std::fs::write(&file, "{}").unwrap();
    reload("refused", 1).await;
    by_old.get("/v1/me/devices").await.expect(200);
    std::fs::write(&file, new.key_set()).unwrap();
    reload("done", 1).await;
    by_old.get("/v1/me/devices").await.problem(401, "token_invalid");
    by_new.get("/v1/me/devices").await.expect(200);
}
