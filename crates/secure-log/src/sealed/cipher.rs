//! XChaCha20-Poly1305, by the crate `chacha20poly1305` or, with the feature `ring` and where there is no WebAssembly, by `ring`.
//!
//! `ring` has ChaCha20-Poly1305 and no XChaCha20: that is its ChaCha20-Poly1305 under a key that HChaCha20 derives from the key and
//! the first 16 bytes of the nonce (draft-irtf-cfrg-xchacha-03 s.2.3). Both make the same bytes, which a test compares.

use crate::sealed::{NONCE_BYTES, NotAuthentic, Secret, TAG_BYTES};

#[cfg(all(feature = "ring", not(target_family = "wasm")))]
pub(super) use by_ring::{decrypt, encrypt};
#[cfg(not(all(feature = "ring", not(target_family = "wasm"))))]
pub(super) use portable::{decrypt, encrypt};

#[cfg(any(test, not(all(feature = "ring", not(target_family = "wasm")))))]
mod portable {
    use chacha20poly1305::aead::AeadInOut;
    use chacha20poly1305::{KeyInit, Tag, XChaCha20Poly1305, XNonce};

    use super::{NONCE_BYTES, NotAuthentic, Secret, TAG_BYTES};

    /// Encrypts in place, and answers the tag.
    pub(crate) fn encrypt(key: &Secret, nonce: &[u8; NONCE_BYTES], aad: &[u8], text: &mut [u8]) -> [u8; TAG_BYTES] {
        let cipher = XChaCha20Poly1305::new(&(**key).into());
        let tag = cipher.encrypt_inout_detached(&XNonce::from(*nonce), aad, text.into());
        tag.expect("a payload is far shorter than 256 GiB").into()
    }

    /// Decrypts in place. What does not decrypt leaves nothing that is of use.
    pub(crate) fn decrypt(
        key: &Secret,
        nonce: &[u8; NONCE_BYTES],
        aad: &[u8],
        text: &mut [u8],
        tag: &[u8; TAG_BYTES],
    ) -> Result<(), NotAuthentic> {
        let cipher = XChaCha20Poly1305::new(&(**key).into());
        let decrypted = cipher.decrypt_inout_detached(&XNonce::from(*nonce), aad, text.into(), &Tag::from(*tag));
        decrypted.map_err(|_| NotAuthentic)
    }
}

#[cfg(all(feature = "ring", not(target_family = "wasm")))]
mod by_ring {
    use chacha20::{R20, hchacha};
    use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
    use zeroize::Zeroizing;

    use super::{NONCE_BYTES, NotAuthentic, Secret, TAG_BYTES};

    /// Encrypts in place, and answers the tag.
    pub(crate) fn encrypt(key: &Secret, nonce: &[u8; NONCE_BYTES], aad: &[u8], text: &mut [u8]) -> [u8; TAG_BYTES] {
        let (key, nonce) = derived(key, nonce);
        let tag = key.seal_in_place_separate_tag(nonce, Aad::from(aad), text);
        let tag = tag.expect("a payload is far shorter than 256 GiB");
        tag.as_ref().try_into().expect("a tag has 16 bytes")
    }

    /// Decrypts in place. What does not decrypt leaves nothing that is of use.
    pub(crate) fn decrypt(
        key: &Secret,
        nonce: &[u8; NONCE_BYTES],
        aad: &[u8],
        text: &mut [u8],
        tag: &[u8; TAG_BYTES],
    ) -> Result<(), NotAuthentic> {
        let (key, nonce) = derived(key, nonce);
        let decrypted = key.open_in_place_separate_tag(nonce, Aad::from(aad), (*tag).into(), text, 0..);
        decrypted.map(drop).map_err(|_| NotAuthentic)
    }

    /// The key and the nonce of one payload. Our copy of the key is zeroed; `ring` does not zero its own.
    fn derived(key: &Secret, nonce: &[u8; NONCE_BYTES]) -> (LessSafeKey, Nonce) {
        let (first, last) = nonce.split_first_chunk::<16>().expect("24 bytes are more than 16");
        let derived: Zeroizing<[u8; 32]> = Zeroizing::new(hchacha::<R20>(&(**key).into(), &(*first).into()).into());
        let mut rest = [0; NONCE_LEN];
        rest[4..].copy_from_slice(last);
        let key = UnboundKey::new(&CHACHA20_POLY1305, derived.as_slice()).expect("the key has 32 bytes");
        (LessSafeKey::new(key), Nonce::assume_unique_for_key(rest))
    }

    #[cfg(test)]
    mod tests {
        use super::super::portable;
        use super::*;

        #[test]
        fn both_implementations_make_and_open_the_same_bytes() {
            for length in (0..300).chain([1023, 1024, 1025, 70_000]) {
                let drawn = crate::hash::Hash::sha256(&usize::to_le_bytes(length)).0;
                let (key, aad) = (Zeroizing::new(drawn), vec![drawn[1]; length % 131]);
                let nonce: [u8; NONCE_BYTES] = *drawn.last_chunk().expect("24 are not more than 32");
                let text: Vec<u8> = (0..length).map(|at| drawn[at % 32] ^ at as u8).collect();
                let (mut ours, mut theirs) = (text.clone(), text.clone());
                let tag = encrypt(&key, &nonce, &aad, &mut ours);
                assert_eq!(tag, portable::encrypt(&key, &nonce, &aad, &mut theirs), "{length}");
                assert_eq!(ours, theirs, "{length}");
                assert_eq!(decrypt(&key, &nonce, &aad, &mut theirs, &tag), Ok(()), "{length}");
                assert_eq!(portable::decrypt(&key, &nonce, &aad, &mut ours, &tag), Ok(()), "{length}");
                assert!(ours == text && theirs == text, "{length}");
            }
        }
    }
}
