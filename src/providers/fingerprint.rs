//! What a credential is known by, without a word of it.

use aws_lc_rs::digest::{Context, SHA256};
use zeroize::Zeroizing;

/// Tells a credential from others: the same on every node that has it, whatever its files are called. Nothing can be learnt from it.
pub type Fingerprint = [u8; 32];

/// Of these parts.
pub(super) fn fingerprint(parts: &[&[u8]]) -> Fingerprint {
    let mut digest = Context::new(&SHA256);
    for part in parts {
        digest.update(&(part.len() as u64).to_be_bytes());
        digest.update(part);
    }
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest.finish().as_ref());
    bytes
}

/// Of a key's text (PEM), which nodes may have with other line ends.
pub(super) fn of_pem(pem: &[u8]) -> Fingerprint {
    let plain: Zeroizing<Vec<u8>> = pem.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect::<Vec<u8>>().into();
    fingerprint(&[&plain])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_told_apart_and_line_ends_are_not() {
        assert_eq!(of_pem(b"a\nb"), of_pem(b"a\r\nb\n"));
        assert_ne!(fingerprint(&[b"ab", b"c"]), fingerprint(&[b"a", b"bc"]));
        assert_ne!(fingerprint(&[b"ab"]), fingerprint(&[b"ab", b""]));
    }
}
