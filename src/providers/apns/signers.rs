//! The signers of a process. Apple counts tokens per team and key, so apps that share both must share one.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;

use super::shelf::Shelf;
use super::token::Signer;
use crate::domain::clock::Clock;
use crate::providers::{InitError, Secret, TokenShare};

/// One signer for each team and key.
#[derive(Default)]
pub struct Signers {
    by_key: Mutex<HashMap<(String, String), Kept>>,
    share: Option<Arc<dyn TokenShare>>,
}

#[derive(Debug)]
struct Kept {
    pem: Secret,
    signer: Arc<Signer>,
}

impl Signers {
    /// Signers whose tokens are those of other nodes too.
    pub fn sharing(share: Arc<dyn TokenShare>) -> Self {
        Self { by_key: Mutex::default(), share: Some(share) }
    }

    /// The signer of this team and key; a new one if there is none yet or the key's text has changed (a reload).
    pub(super) fn signer(&self, team_id: &str, key_id: &str, pem: &Secret, clock: &Arc<dyn Clock>) -> Result<Arc<Signer>, InitError> {
        let mut by_key = self.by_key.lock().unwrap_or_else(PoisonError::into_inner);
        let name = (team_id.to_owned(), key_id.to_owned());
        if let Some(kept) = by_key.get(&name).filter(|kept| kept.pem.expose() == pem.expose()) {
            return Ok(Arc::clone(&kept.signer));
        }
        let refused = |source| InitError::Key { key: "key_file", expected: "EC P-256", source };
        let shelf = self.share.as_ref().map(|share| shelf(share, (team_id, key_id), pem)).transpose()?;
        let signer = Signer::new((team_id, key_id), pem.expose().as_bytes(), Arc::clone(clock), shelf).map_err(refused)?;
        let signer = Arc::new(signer);
        by_key.insert(name, Kept { pem: pem.clone(), signer: Arc::clone(&signer) });
        Ok(signer)
    }
}

/// The key's bytes and not its text, which nodes may have with other line ends.
fn shelf(share: &Arc<dyn TokenShare>, ids: (&str, &str), pem: &Secret) -> Result<Shelf, InitError> {
    let invalid = InitError::Invalid { key: "key_file", message: "no EC P-256 private key in PEM (PKCS#8)" };
    let Ok(key) = PrivateKeyDer::from_pem_slice(pem.expose().as_bytes()) else { return Err(invalid) };
    Shelf::new(Arc::clone(share), ids, key.secret_der()).map_err(|_| invalid)
}

impl fmt::Debug for Signers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signers").field("by_key", &self.by_key).field("shares", &self.share.is_some()).finish()
    }
}

#[cfg(test)]
mod tests {
    use rcgen::KeyPair;

    use super::*;
    use crate::providers::testing::TestClock;

    const TEAM: &str = "DEF123GHIJ";
    const KEY: &str = "ABC123DEFG";

    #[test]
    fn apps_of_one_team_and_key_share_a_signer_until_the_key_changes() {
        let clock: Arc<dyn Clock> = TestClock::new();
        let pem = || Secret::new(KeyPair::generate().unwrap().serialize_pem());
        let (signers, key) = (Signers::default(), pem());
        let first = signers.signer(TEAM, KEY, &key, &clock).unwrap();
        assert!(Arc::ptr_eq(&first, &signers.signer(TEAM, KEY, &key, &clock).unwrap()));
        assert!(!Arc::ptr_eq(&first, &signers.signer(TEAM, "OTHER12345", &key, &clock).unwrap()));
        assert!(!Arc::ptr_eq(&first, &signers.signer(TEAM, KEY, &pem(), &clock).unwrap()));
    }
}
