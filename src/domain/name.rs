//! The names that callers give: which are taken.

/// Why a name is refused. The text is fit for callers and does not repeat the name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing there.
    #[error("must not be empty")]
    Empty,
    /// More characters than are taken.
    #[error("must have at most {0} characters")]
    TooLong(usize),
    /// A character outside the alphabet of ids.
    #[error("may only have letters, digits and . _ : - of ASCII")]
    Alphabet,
    /// A control character.
    #[error("must not have control characters")]
    Control,
}

/// A `device_id`, at most, in characters.
pub const MAX_DEVICE_ID: usize = 128;
/// A `user_id`, at most, in characters.
pub const MAX_USER_ID: usize = 256;
/// The id of a category, topic or template, at most, in characters.
pub const MAX_CATEGORY_ID: usize = 64;
/// The id of a Live Activity (`ActivityKit`'s are UUIDs) or the name of its attributes' type, at most, in characters.
pub const MAX_ACTIVITY_NAME: usize = 64;

/// A `device_id`: 1–128 of `A-Za-z0-9._:-`.
pub fn check_device_id(name: &str) -> Result<(), NameError> {
    check_id(name, MAX_DEVICE_ID)
}

/// The id of a category, topic or template: 1–64 of `A-Za-z0-9._:-`.
pub fn check_category_id(name: &str) -> Result<(), NameError> {
    check_id(name, MAX_CATEGORY_ID)
}

/// The id of a Live Activity or the name of its attributes' type: 1–64 of `A-Za-z0-9._:-`.
pub fn check_activity_name(name: &str) -> Result<(), NameError> {
    check_id(name, MAX_ACTIVITY_NAME)
}

/// A `user_id`: 1–256 characters, none of them a control character.
pub fn check_user_id(name: &str) -> Result<(), NameError> {
    check_length(name, MAX_USER_ID)?;
    if name.chars().any(char::is_control) { Err(NameError::Control) } else { Ok(()) }
}

fn check_id(name: &str, max: usize) -> Result<(), NameError> {
    check_length(name, max)?;
    if name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte)) { Ok(()) } else { Err(NameError::Alphabet) }
}

fn check_length(name: &str, max: usize) -> Result<(), NameError> {
    if name.is_empty() {
        Err(NameError::Empty)
    } else if name.chars().nth(max).is_some() {
        Err(NameError::TooLong(max))
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_an_alphabet_and_a_length() {
        assert_eq!(check_device_id("A1.b_c:d-e"), Ok(()));
        assert_eq!(check_device_id(&"a".repeat(128)), Ok(()));
        assert_eq!(check_device_id(&"a".repeat(129)), Err(NameError::TooLong(128)));
        assert_eq!(check_device_id(""), Err(NameError::Empty));
        for name in ["a b", "a/b", "é", "a\0", "a,b", "a\n"] {
            assert_eq!(check_device_id(name), Err(NameError::Alphabet), "{name:?}");
        }
        assert_eq!(check_category_id(&"m".repeat(64)), Ok(()));
        assert_eq!(check_category_id(&"m".repeat(65)), Err(NameError::TooLong(64)));
    }

    #[test]
    fn a_user_id_is_anything_a_backend_may_have() {
        for name in ["u1", "a/b", "ann@example.com", "名前", " ", "%00"] {
            assert_eq!(check_user_id(name), Ok(()), "{name:?}");
        }
        // characters are counted, not bytes
        assert_eq!(check_user_id(&"é".repeat(256)), Ok(()));
        assert_eq!(check_user_id(&"é".repeat(257)), Err(NameError::TooLong(256)));
        assert_eq!(check_user_id(""), Err(NameError::Empty));
        for name in ["a\0", "a\n", "\u{7f}", "\u{85}"] {
            assert_eq!(check_user_id(name), Err(NameError::Control), "{name:?}");
        }
    }
}
