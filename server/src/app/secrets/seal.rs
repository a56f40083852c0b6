//! Seals values with ChaCha20-Poly1305. Tenant and name are bound in: a sealed value that is copied into another row, or
//! another tenant's, does not open.

use domain::TenantId;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

use crate::app::{AppError, Result};
use crate::config::MasterKey;

/// The first byte of everything sealed so; another way of sealing gets another.
const FORMAT: u8 = 1;

/// Whose secret it is.
type Place<'a> = (TenantId, &'a str);

pub(in crate::app) struct Sealer(LessSafeKey);

impl Sealer {
    pub(in crate::app) fn new(key: &MasterKey) -> anyhow::Result<Sealer> {
        let key = UnboundKey::new(&CHACHA20_POLY1305, key.bytes());
        key.map(|it| Sealer(LessSafeKey::new(it))).map_err(|_| anyhow::anyhow!("the master key cannot be used"))
    }

    /// The format, a random nonce, and the encrypted value with its tag.
    pub(in crate::app) fn seal(&self, place: Place<'_>, value: &[u8]) -> Result<Vec<u8>> {
        let mut nonce = [0; NONCE_LEN];
        getrandom::fill(&mut nonce).map_err(|error| AppError::internal(error.to_string()))?;
        let mut sealed = value.to_vec();
        self.0
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), bound_to(place), &mut sealed)
            .map_err(|_| AppError::internal("a secret cannot be sealed"))?;
        Ok([[FORMAT].as_slice(), &nonce, &sealed].concat())
    }

    /// # Errors
    /// Sealed under another key or for another place, or damaged.
    pub(in crate::app) fn open(&self, place: Place<'_>, sealed: Vec<u8>) -> Result<Vec<u8>> {
        let wrong =
            || AppError::internal("a secret does not open: the master key is another one, or its row was changed");
        let Some((&[FORMAT], rest)) = sealed.split_first_chunk::<1>() else { return Err(wrong()) };
        let (nonce, value) = rest.split_first_chunk::<NONCE_LEN>().ok_or_else(wrong)?;
        let mut value = value.to_vec();
        let opened = self.0.open_in_place(Nonce::assume_unique_for_key(*nonce), bound_to(place), &mut value);
        Ok(opened.map_err(|_| wrong())?.to_vec())
    }
}

/// A tenant's id is of one length, so no two places give the same text.
fn bound_to((tenant, name): Place<'_>) -> Aad<Vec<u8>> {
    Aad::from(format!("parlour secret {tenant} {name}").into_bytes())
}

#[cfg(test)]
mod tests {
    use domain::TenantId;
    use uuid::Uuid;

    use super::Sealer;
    use crate::config::MasterKey;

    #[test]
    fn a_secret_opens_in_its_place_under_its_key_only() {
        let sealer = Sealer::new(&MasterKey::read(&"ab".repeat(32)).unwrap()).unwrap();
        let (mine, theirs) = (TenantId::from_uuid(Uuid::from_u128(1)), TenantId::from_uuid(Uuid::from_u128(2)));
        let sealed = sealer.seal((mine, "KEY"), b"value").unwrap();
        assert_eq!(sealer.open((mine, "KEY"), sealed.clone()).unwrap(), b"value");
        assert_ne!(sealer.seal((mine, "KEY"), b"value").unwrap(), sealed, "equal values do not look equal");
        assert!(!sealed.windows(5).any(|it| it == b"value"));
        assert!(sealer.open((theirs, "KEY"), sealed.clone()).is_err());
        assert!(sealer.open((mine, "key"), sealed.clone()).is_err());
        let other = Sealer::new(&MasterKey::read(&"ac".repeat(32)).unwrap()).unwrap();
        assert!(other.open((mine, "KEY"), sealed.clone()).is_err());
        for cut in 0..sealed.len() {
            assert!(sealer.open((mine, "KEY"), sealed[..cut].to_vec()).is_err(), "{cut}");
        }
    }
}
