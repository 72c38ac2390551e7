//! What every keystore has to do.

use secure_log::hash::KeyId;
use secure_log::providers::{KeyError, Keystore};
use secure_log::sign::{Algorithm, PublicKey, verify};

/// Makes a test for each signing key of a keystore: `(keystore, { test_name: "label" => Algorithm::Ed25519, .. })`.
#[macro_export]
macro_rules! signer_conformance {
    ($keystore:expr, { $($test:ident: $label:expr => $algorithm:expr),+ $(,)? }) => {
        $(
            #[test]
            fn $test() {
                $crate::conformance::signers::signing(&$keystore, $label, $algorithm);
            }
        )+

        #[test]
        fn an_unknown_label_is_said_to_be_unknown() {
            $crate::conformance::signers::unknown_labels(&$keystore);
        }
    };
}

/// What is signed verifies, under this key and for this message only.
pub fn signing(keystore: &dyn Keystore, label: &str, algorithm: Algorithm) {
    let signer = keystore.signer(label).expect("the key is there");
    assert_eq!(signer.algorithm(), algorithm);
    let public = signer.public_key().to_vec();
    let key = PublicKey::new(algorithm, &public).expect("the public key has the form of format.md s.5");
    assert_eq!(key.as_bytes(), public);

    let large = vec![0xa5; 1 << 20];
    let messages: [&[u8]; 5] = [b"", b"\0", b"secure-log/v1/entry\n", &[0xff; 57], &large];
    for (index, message) in messages.iter().enumerate() {
        let signature = signer.sign(message).expect("a message can be signed");
        assert_eq!(verify(algorithm, &public, message, &signature), Ok(()), "message {index}");
        for (other, wrong) in messages.iter().enumerate().filter(|(other, _)| *other != index) {
            assert!(verify(algorithm, &public, wrong, &signature).is_err(), "message {index} passes as {other}");
        }
        let mut flipped = signature;
        flipped[7] ^= 1;
        assert!(verify(algorithm, &public, message, &flipped).is_err());
    }

    // Opened again it is the same key.
    let again = keystore.signer(label).expect("the key is still there");
    assert_eq!(again.public_key(), public);
    let signature = again.sign(b"again").expect("a message can be signed");
    assert_eq!(verify(algorithm, &public, b"again", &signature), Ok(()));
}

/// A label without a key is `NotFound`, and the text names it.
pub fn unknown_labels(keystore: &dyn Keystore) {
    for label in ["no-such-key", ""] {
        match keystore.signer(label).map(|_| ()) {
            Err(KeyError::NotFound(text)) => assert!(text.contains(label), "{text:?} does not name {label:?}"),
            other => panic!("label {label:?}: NotFound was expected, and not {other:?}"),
        }
    }
    assert!(matches!(keystore.mac("no-such-key").map(|_| ()), Err(KeyError::NotFound(_))));
}

/// A key of the keyed suite gives one answer a message, and has a name.
pub fn keyed_hashing(keystore: &dyn Keystore, label: &str) {
    let key = keystore.mac(label).expect("the key is there");
    let of = |message: &[u8]| key.mac(message).expect("a message can be hashed");
    let large = vec![0xa5; 1 << 20];
    let hashes = [of(b""), of(b"a"), of(b"b"), of(&large)];
    for (index, hash) in hashes.iter().enumerate() {
        assert!(!hashes[..index].contains(hash), "two messages have one hash");
        assert_ne!(hash, &[0; 32]);
    }
    let again = keystore.mac(label).expect("the key is still there");
    assert_eq!(again.mac(b"a").expect("a message can be hashed"), hashes[1]);
    assert_eq!(KeyId::from_mac(&of(KeyId::LABEL)), KeyId::from_mac(&of(KeyId::LABEL)));
}
