//! The text of an API key: `herald_`, by which scanners know a leaked one, the key's id, and 256 bits that nobody guesses.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;

const PREFIX: &str = "herald_";
/// The secret of a key, in base64url.
const SECRET_LEN: usize = 43;

/// The text of a key; to be shown once.
pub fn write(id: Uuid, secret: &[u8; 32]) -> String {
    format!("{PREFIX}{}_{}", id.simple(), URL_SAFE_NO_PAD.encode(secret))
}

/// The id that a text carries. Keys of before there were ids in them have none, nor has what is no key.
pub fn id_of(text: &str) -> Option<Uuid> {
    let (id, secret) = text.strip_prefix(PREFIX)?.split_at_checked(uuid::fmt::Simple::LENGTH)?;
    let is_whole = secret.len() == 1 + SECRET_LEN && secret.starts_with('_');
    Uuid::try_parse(id).ok().filter(|_| is_whole)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_text_leads_back_to_its_key(id: u128, secret: [u8; 32]) {
            let id = Uuid::from_u128(id);
            let text = write(id, &secret);
            prop_assert_eq!(text.len(), 83);
            prop_assert_eq!(id_of(&text), Some(id));
        }

        #[test]
        fn what_is_no_key_is_read_as_none(text: String) {
            prop_assert_eq!(id_of(&text), None);
        }
    }

    #[test]
    fn an_older_key_has_no_id() {
        let newer = write(Uuid::nil(), &[7; 32]);
        for text in [
            "herald_dev_key",
            "",
            "herald_",
            &format!("herald_{}", URL_SAFE_NO_PAD.encode([7; 32])),
            &newer[1..],
            &newer[..newer.len() - 1],
            &format!("{newer}A"),
            &newer.replacen("0_", "0-", 1),
            &newer.replacen("_0", "_x", 1),
            &"é".repeat(60),
        ] {
            assert_eq!(id_of(text), None, "{text}");
        }
    }
}
