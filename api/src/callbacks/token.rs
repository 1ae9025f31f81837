//! The token in the path of a callback: says which attempt at which item it completes, and proves that it was made
//! here. Pure.
//!
//! Base64url, without padding, of the batch (16 bytes), the index (4), the attempt (2), the second at which it expires
//! (8), all big endian, the name of the space (the rest), and the first 16 bytes of an HMAC-SHA256 over all of that.
//! The space is part of it because every query is scoped by one.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use flotilla_core::{BatchId, ItemIndex, Space};
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use sha2::Sha256;

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) space: Space,
    pub(crate) batch: BatchId,
    pub(crate) index: ItemIndex,
    pub(crate) attempt: u16,
    /// To the second.
    pub(crate) expires_at: Timestamp,
}

/// What tokens are signed with.
#[derive(Clone)]
pub(crate) struct Key(Hmac<Sha256>);

/// Bytes of everything before the name of the space.
const FIXED: usize = 16 + 4 + 2 + 8;
/// Bytes of the signature.
const SIGNATURE: usize = 16;
/// Longer text is no token: spaces have at most 63 bytes.
const MAX_TEXT: usize = (FIXED + 63 + SIGNATURE).div_ceil(3) * 4;

impl Key {
    pub(crate) fn new(secret: [u8; 32]) -> Self {
        // As HMAC itself pads a key that is shorter than a block.
        let mut block = [0; 64];
        block[..32].copy_from_slice(&secret);
        Self(Hmac::new(&block.into()))
    }

    /// `token` as text.
    pub(crate) fn sign(&self, token: &Token) -> String {
        let mut bytes = Vec::with_capacity(FIXED + 63 + SIGNATURE);
        bytes.extend(token.batch.0.as_bytes());
        bytes.extend(token.index.to_be_bytes());
        bytes.extend(token.attempt.to_be_bytes());
        bytes.extend(token.expires_at.as_second().to_be_bytes());
        bytes.extend(token.space.as_str().as_bytes());
        let signature = self.0.clone().chain_update(&bytes).finalize().into_bytes();
        bytes.extend(&signature[..SIGNATURE]);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The token behind `text`, whether or not it has expired. `None` for everything that was not signed with this key:
    /// a caller learns nothing about why.
    pub(crate) fn verify(&self, text: &str) -> Option<Token> {
        if text.len() > MAX_TEXT {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (signed, signature) = bytes.split_at_checked(bytes.len().checked_sub(SIGNATURE)?)?;
        // In constant time.
        let mac = self.0.clone().chain_update(signed);
        mac.verify_truncated_left(signature).ok()?;
        let (batch, rest) = signed.split_first_chunk::<16>()?;
        let (index, rest) = rest.split_first_chunk()?;
        let (attempt, rest) = rest.split_first_chunk()?;
        let (second, space) = rest.split_first_chunk()?;
        Some(Token {
            space: str::from_utf8(space).ok()?.parse().ok()?,
            batch: BatchId(uuid::Uuid::from_bytes(*batch)),
            index: u32::from_be_bytes(*index),
            attempt: u16::from_be_bytes(*attempt),
            expires_at: Timestamp::from_second(i64::from_be_bytes(*second)).ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn token() -> Token {
        Token {
            space: "team-a".parse().unwrap(),
            batch: BatchId(uuid::Uuid::from_u128(0x019a_8c1e_5b7e)),
            index: 12,
            attempt: 3,
            expires_at: Timestamp::from_second(1_800_000_000).unwrap(),
        }
    }

    #[test]
    fn the_form_does_not_drift() {
        let text = Key::new([7; 32]).sign(&token());
        assert_eq!(text.len(), (FIXED + 6 + SIGNATURE) * 8 / 6 + 1);
        assert!(
            text.bytes()
                .all(|c| c.is_ascii_alphanumeric() || c == b'-' || c == b'_'),
            "{text}"
        );
        assert_eq!(Key::new([7; 32]).verify(&text), Some(token()));
        assert_eq!(Key::new([8; 32]).verify(&text), None, "signed by somebody else");
    }

    proptest! {
        #[test]
        fn what_was_signed_reads_back(
            batch in any::<u128>(), index in any::<u32>(), attempt in any::<u16>(), second in 0_i64..200_000_000_000,
            space in "[a-z0-9][a-z0-9_-]{0,62}", secret in any::<[u8; 32]>(),
        ) {
            let token = Token {
                space: space.parse().unwrap(),
                batch: BatchId(uuid::Uuid::from_u128(batch)),
                index,
                attempt,
                expires_at: Timestamp::from_second(second).unwrap(),
            };
            let key = Key::new(secret);
            prop_assert_eq!(key.verify(&key.sign(&token)), Some(token));
        }

        /// Not one bit may differ, none may be missing, and nothing may be added.
        #[test]
        fn what_was_changed_is_refused(at in 0_usize..1_000, with in any::<u8>(), cut in 1_usize..60) {
            let key = Key::new([7; 32]);
            let text = key.sign(&token());
            let mut bytes = URL_SAFE_NO_PAD.decode(&text).unwrap();
            let at = at % bytes.len();
            if bytes[at] != with {
                bytes[at] = with;
                prop_assert_eq!(key.verify(&URL_SAFE_NO_PAD.encode(&bytes)), None);
            }
            prop_assert_eq!(key.verify(&text[..text.len() - cut]), None);
            prop_assert_eq!(key.verify(&format!("{text}A")), None);
        }

        #[test]
        fn rubbish_is_refused(text in "\\PC{0,300}") {
            prop_assert_eq!(Key::new([7; 32]).verify(&text), None);
        }
    }
}
