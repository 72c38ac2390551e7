//! The vectors of Project Wycheproof. They are read where `SECURE_LOG_PUBLIC_VECTORS` says they are.

use crate::support::*;
use hmac::{KeyInit, Mac};
use secure_log::hash::HmacKey;
use secure_log::note::VerifierKey;
use secure_log::sign::{Algorithm, SignatureError, verify};
use serde_json::Value;
use sha2::Sha256;

#[test]
fn ed25519() {
    let Some(groups) = groups("ed25519_test.json") else { return };
    let mut valid = 0;
    each(&groups, |group, case, wanted| {
        let key = hex(&group["publicKey"]["pk"]);
        let ok = verify(Algorithm::Ed25519, &key, &hex(&case["msg"]), &hex(&case["sig"])).is_ok();
        assert_eq!(ok, wanted, "{case}");
        valid += u32::from(ok);
    });
    assert!(valid >= 80, "{valid}");
}

#[test]
fn ecdsa_p256() {
    let Some(groups) = groups("ecdsa_secp256r1_sha256_p1363_test.json") else { return };
    let (mut valid, mut high) = (0, 0);
    each(&groups, |group, case, wanted| {
        let (key, message, signature) =
            (hex(&group["publicKey"]["uncompressed"]), hex(&case["msg"]), hex(&case["sig"]));
        let result = verify(Algorithm::EcdsaP256, &key, &message, &signature);
        if wanted && signature[32..] > HALF_ORDER[..] {
            // Right by the letter of ECDSA, and a second signature where somebody made a first one.
            let reason = "a high s";
            assert_eq!(result, Err(SignatureError::Form { algorithm: Algorithm::EcdsaP256, reason }), "{case}");
            let low = p256::ecdsa::Signature::from_slice(&signature).unwrap().normalize_s();
            assert_eq!(verify(Algorithm::EcdsaP256, &key, &message, &low.to_bytes()), Ok(()), "{case}");
            high += 1;
        } else {
            assert_eq!(result.is_ok(), wanted, "{case}");
            valid += u32::from(result.is_ok());
        }
    });
    assert!(valid >= 40 && high >= 1, "{valid} {high}");
}

/// Half of the order of P-256, rounded down: the largest low s.
const HALF_ORDER: [u8; 32] = [
    0x7f, 0xff, 0xff, 0xff, 0x80, 0x00, 0x00, 0x00, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xde, 0x73, 0x7d,
    0x56, 0xd3, 0x8b, 0xcf, 0x42, 0x79, 0xdc, 0xe5, 0x61, 0x7e, 0x31, 0x92, 0xa8,
];

#[test]
fn rsa_pss() {
    for file in ["rsa_pss_2048_sha256_mgf1_32_test.json", "rsa_pss_3072_sha256_mgf1_32_test.json"] {
        let Some(groups) = groups(file) else { return };
        let mut valid = 0;
        each(&groups, |group, case, wanted| {
            let key = hex(&group["publicKeyDer"]);
            let ok = verify(Algorithm::RsaPssSha256, &key, &hex(&case["msg"]), &hex(&case["sig"])).is_ok();
            assert_eq!(ok, wanted, "{file}: {case}");
            valid += u32::from(ok);
            // The same signature in a note, whose key is a text.
            let Ok(message) = String::from_utf8(hex(&case["msg"])) else { return };
            let in_note = VerifierKey::new("a", Algorithm::RsaPssSha256, &key).unwrap();
            assert_eq!(in_note.to_string().parse().as_ref(), Ok(&in_note));
            let line = in_note.signature_line(&hex(&case["sig"])).unwrap();
            assert_eq!(in_note.check_line(&line, &message).is_ok(), wanted, "{file}: {case}");
        });
        assert!(valid >= 50, "{file}: {valid}");
    }
}

/// The keys of this file name the algorithm id-RSASSA-PSS and its parameters. format.md s.5 has one spelling of an RSA
/// key, rsaEncryption with NULL, so that each of them is refused; the same moduli, spelled that way, verify the same.
#[test]
fn rsa_pss_with_parameters() {
    let Some(parametrised) = groups("rsa_pss_2048_sha256_mgf1_32_params_test.json") else { return };
    let Some(plain) = groups("rsa_pss_2048_sha256_mgf1_32_test.json") else { return };
    let mut valid = 0;
    each(&parametrised, |group, case, wanted| {
        let (message, signature) = (hex(&case["msg"]), hex(&case["sig"]));
        let refused = verify(Algorithm::RsaPssSha256, &hex(&group["publicKeyDer"]), &message, &signature);
        assert!(matches!(refused, Err(SignatureError::Key { .. })), "{case}");
        let same = |other: &&Value| other["publicKey"]["modulus"] == group["publicKey"]["modulus"];
        let spelled = plain.iter().find(same).expect("both files have the same keys");
        let key = hex(&spelled["publicKeyDer"]);
        let ok = verify(Algorithm::RsaPssSha256, &key, &message, &signature).is_ok();
        assert_eq!(ok, wanted, "{case}");
        valid += u32::from(ok);
    });
    assert!(valid >= 50, "{valid}");
}

#[test]
fn hmac_sha256() {
    let Some(groups) = groups("hmac_sha256_test.json") else { return };
    let (mut ours, mut valid) = (0, 0);
    each(&groups, |group, case, wanted| {
        let (key, message, tag) = (hex(&case["key"]), hex(&case["msg"]), hex(&case["tag"]));
        let size = group["tagSize"].as_u64().unwrap() as usize / 8;
        // A key of the keyed suite has 32 bytes; the algorithm below it is checked with all of them.
        let mac = match <[u8; 32]>::try_from(&key[..]) {
            Ok(key) => {
                ours += 1;
                HmacKey::new(key).mac(&message)
            }
            Err(_) => {
                let mut mac = hmac::Hmac::<Sha256>::new_from_slice(&key).unwrap();
                mac.update(&message);
                mac.finalize().into_bytes().into()
            }
        };
        assert_eq!(mac[..size] == tag[..], wanted, "{case}");
        valid += u32::from(wanted);
    });
    assert!(ours >= 40 && valid >= 40, "{ours} {valid}");
}

fn groups(file: &str) -> Option<Vec<Value>> {
    let mut vectors = json(&public(&format!("wycheproof/{file}"))?);
    let groups = vectors["testGroups"].take();
    let tests: u64 = items(&groups).iter().map(|group| items(&group["tests"]).len() as u64).sum();
    assert_eq!(Some(tests), vectors["numberOfTests"].as_u64(), "{file}");
    Some(items(&groups).clone())
}

/// Calls `check` with each case, its group, and whether the case is valid. None of these files has a case of which
/// either answer would do.
fn each(groups: &[Value], mut check: impl FnMut(&Value, &Value, bool)) {
    for group in groups {
        for case in items(&group["tests"]) {
            let wanted = match text(&case["result"]) {
                "valid" => true,
                "invalid" => false,
                other => panic!("{other}: {case}"),
            };
            check(group, case, wanted);
        }
    }
}
