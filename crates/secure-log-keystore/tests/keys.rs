//! Keys are opened, derived, used and refused as docs/keys.md says.

use std::fs;

use crate::common::{PASSPHRASE, TestFolder, check_signer, data, openssl_public_key, seeded};
use secure_log::providers::{CheckpointSigner as _, KeyError, Keystore as _, MacKey as _};
use secure_log::sign::Algorithm;
use secure_log_keystore::{Config, SoftwareKeystore, Source};

#[test]
fn keys_made_by_openssl_sign() {
    let folder = TestFolder::with(&[
        ("openssl-ed25519.p8", "ed.p8"),
        ("openssl-scrypt.p8", "scrypt.p8"),
        ("openssl-p256.p8", "p256.p8"),
        ("openssl-rsa.p8", "rsa.p8"),
    ]);
    let keystore = folder.keystore(Some(PASSPHRASE));
    for (label, algorithm, public) in [
        ("ed", Algorithm::Ed25519, "openssl-ed25519.pub"),
        ("scrypt", Algorithm::Ed25519, "openssl-ed25519.pub"),
        ("p256", Algorithm::EcdsaP256, "openssl-p256.pub"),
        ("rsa", Algorithm::RsaPssSha256, "openssl-rsa.pub"),
    ] {
        let signer = keystore.signer(label).unwrap();
        assert_eq!(signer.algorithm(), algorithm);
        assert_eq!(signer.public_key(), openssl_public_key(public, algorithm), "{label}");
        check_signer(signer.as_ref());
    }
}

#[test]
fn ed25519_and_ecdsa_signatures_are_deterministic_and_rsa_ones_are_salted() {
    for algorithm in [Algorithm::Ed25519, Algorithm::EcdsaP256] {
        let key = seeded(algorithm).signing_key("a").unwrap();
        assert_eq!(key.sign(b"m"), key.sign(b"m"));
    }
    let folder = TestFolder::with(&[("openssl-rsa.p8", "rsa.p8")]);
    let key = folder.keystore(Some(PASSPHRASE)).signing_key("rsa").unwrap();
    assert_ne!(key.sign(b"m"), key.sign(b"m"));
}

#[test]
fn a_wrong_passphrase_is_denied_and_never_absent() {
    // The last two leave valid padding, as one in 256 does.
    let folder = TestFolder::with(&[("openssl-ed25519.p8", "ed.p8")]);
    for wrong in ["wrong", "correct-horse-battery-stapl", "wrong-198", "wrong-353"] {
        let error = folder.keystore(Some(wrong)).signing_key("ed").unwrap_err();
        assert!(matches!(error, KeyError::AccessDenied(_)), "{wrong}: {error}");
    }
    folder.keystore(Some(PASSPHRASE)).generate("mac", Some(secure_log_keystore::KeyKind::Symmetric)).unwrap();
    let error = folder.keystore(Some("wrong")).mac_key("mac").unwrap_err();
    assert!(matches!(error, KeyError::AccessDenied(_)), "{error}");
}

#[test]
fn what_decrypts_to_something_else_than_a_key_is_denied() {
    use pkcs8::pkcs5::pbes2;
    let cost = pbes2::Parameters::generate_scrypt_aes256cbc(scrypt_cost(4, 8, 1), &[1; 16], [2; 16]).unwrap();
    let sealed = cost.encrypt("p", b"\x30\x03\x02\x01\x05").unwrap();
    let file = pkcs8::EncryptedPrivateKeyInfoRef {
        encryption_algorithm: cost.into(),
        encrypted_data: pkcs8::der::asn1::OctetStringRef::new(&sealed).unwrap(),
    };
    let folder = TestFolder::new();
    fs::write(folder.path().join("a.p8"), pkcs8::der::Encode::to_der(&file).unwrap()).unwrap();
    denied(folder.keystore(Some("p")).signing_key("a"));
}

#[test]
fn encrypted_files_want_a_passphrase_and_plain_ones_want_none() {
    let files = [("openssl-ed25519.p8", "sealed.p8"), ("openssl-unencrypted.p8", "plain.p8")];
    let folder = TestFolder::with(&files);
    let hex = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    fs::write(folder.path().join("plain.key"), format!("{hex}\n")).unwrap();
    let (with, without) = (folder.keystore(Some(PASSPHRASE)), folder.keystore(None));

    check_signer(&without.signing_key("plain").unwrap());
    assert_eq!(without.mac_key("plain").unwrap().id().to_string(), "b3886dade6b77dec");
    let said = denied(without.signing_key("sealed"));
    assert!(said.contains("set SECURE_LOG_KEYSTORE_PASSPHRASE"), "{said}");

    check_signer(&with.signing_key("sealed").unwrap());
    assert!(denied(with.signing_key("plain")).contains("not encrypted"));
    assert!(denied(with.mac_key("plain")).contains("not encrypted"));
}

#[test]
fn absent_keys_are_not_found_and_a_missing_folder_is_a_failure() {
    let folder = TestFolder::new();
    let keystore = folder.keystore(Some(PASSPHRASE));
    let said = not_found(keystore.signing_key("none"));
    assert!(said.contains("none.p8") && said.contains("SECURE_LOG_KEYSTORE_DIR"), "{said}");
    assert!(not_found(keystore.mac_key("none")).contains("none.key"));
    not_found(keystore.wrapping_key("none"));

    fs::remove_dir(folder.path()).unwrap();
    let error = keystore.signing_key("none").unwrap_err();
    assert!(matches!(error, KeyError::Backend(_)), "{error}");
}

#[cfg(unix)]
#[test]
fn a_link_that_leads_nowhere_is_not_an_absent_key() {
    let folder = TestFolder::new();
    std::os::unix::fs::symlink("gone", folder.path().join("a.p8")).unwrap();
    let error = folder.keystore(None).signing_key("a").unwrap_err();
    assert!(matches!(error, KeyError::Backend(_)), "{error}");
}

#[test]
fn nothing_configured_says_what_to_set() {
    let keystore = SoftwareKeystore::new(Config { algorithm: Algorithm::Ed25519, source: Source::Nothing });
    let said = [
        not_found(keystore.signing_key("checkpoint-ed25519")),
        not_found(keystore.mac_key("checkpoint-ed25519")),
        not_found(keystore.wrapping_key("checkpoint-ed25519")),
    ];
    for said in said {
        assert!(said.contains("SECURE_LOG_KEYSTORE_DIR") && said.contains("SECURE_LOG_KEYSTORE_SEED"), "{said}");
    }
}

#[test]
fn hostile_labels_reach_no_file() {
    let folder = TestFolder::with(&[("openssl-unencrypted.p8", "a.p8")]);
    fs::create_dir(folder.path().join("inner")).unwrap();
    let source = Source::Folder { path: folder.path().join("inner"), passphrase: None };
    let keystore = SoftwareKeystore::new(Config { algorithm: Algorithm::Ed25519, source });
    let absolute = folder.path().join("a").to_str().unwrap().to_owned();
    let long = "x".repeat(5000);
    for label in ["../a", "..\\a", "./../a", &absolute, "", ".", "..", "a\0", &long] {
        not_found(keystore.signing_key(label));
        not_found(keystore.mac_key(label));
        not_found(seeded(Algorithm::Ed25519).signing_key(label));
    }
}

#[test]
fn a_key_for_another_use_is_denied() {
    let folder = TestFolder::with(&[("openssl-ed25519.p8", "ed.p8")]);
    let keystore = folder.keystore(Some(PASSPHRASE));
    keystore.generate("mac", Some(secure_log_keystore::KeyKind::Symmetric)).unwrap();
    assert!(denied(keystore.signing_key("mac")).contains("another use"));
    assert!(denied(keystore.mac_key("ed")).contains("another use"));
}

#[test]
fn weak_foreign_and_malformed_keys_are_refused() {
    let folder = TestFolder::with(&[("openssl-rsa1024.p8", "short.p8"), ("openssl-p384.p8", "p384.p8")]);
    let keystore = folder.keystore(Some(PASSPHRASE));
    for label in ["short", "p384"] {
        let error = keystore.signing_key(label).unwrap_err();
        assert!(matches!(error, KeyError::UnsupportedAlgorithm(_)), "{label}: {error}");
    }

    let sealed = fs::read(data("openssl-ed25519.p8")).unwrap();
    let public = fs::read(data("openssl-ed25519.pub")).unwrap();
    for (case, content) in [
        ("empty", Vec::new()),
        ("cut", sealed[..sealed.len() / 2].to_vec()),
        ("public", public),
        ("binary", vec![0x30, 0x84, 0xff, 0xff, 0xff, 0xff]),
        ("long", vec![b'-'; 1 << 20]),
    ] {
        fs::write(folder.path().join(format!("{case}.p8")), &content).unwrap();
        fs::write(folder.path().join(format!("{case}.key")), &content).unwrap();
        let error = keystore.signing_key(case).unwrap_err();
        assert!(matches!(error, KeyError::Backend(_)), "{case}: {error}");
        let error = keystore.mac_key(case).unwrap_err();
        assert!(matches!(error, KeyError::Backend(_)), "{case}: {error}");
        assert_eq!(error.to_string().contains("longer than"), case == "long", "{error}");
    }
}

#[test]
fn a_file_cannot_demand_unbounded_work() {
    use pkcs8::pkcs5::pbes2;
    let plain =
        pkcs8::SecretDocument::from_pem(&fs::read_to_string(data("openssl-unencrypted.p8")).unwrap()).unwrap().1;
    let costs = [
        pbes2::Parameters::generate_pbkdf2_sha256_aes256cbc(10_000_001, &[1; 16], [2; 16]).unwrap(),
        pbes2::Parameters::generate_scrypt_aes256cbc(scrypt_cost(19, 8, 1), &[1; 16], [2; 16]).unwrap(),
        pbes2::Parameters::generate_scrypt_aes256cbc(scrypt_cost(4, 8, 17), &[1; 16], [2; 16]).unwrap(),
    ];
    let folder = TestFolder::new();
    for cost in costs {
        // The ciphertext is of no matter: the cost is looked at before it.
        let sealed = pkcs8::EncryptedPrivateKeyInfoRef {
            encryption_algorithm: cost.into(),
            encrypted_data: pkcs8::der::asn1::OctetStringRef::new(plain.as_bytes()).unwrap(),
        };
        fs::write(folder.path().join("dear.p8"), pkcs8::der::Encode::to_der(&sealed).unwrap()).unwrap();
        let error = folder.keystore(Some("p")).signing_key("dear").unwrap_err();
        assert!(matches!(&error, KeyError::UnsupportedAlgorithm(said) if said.contains("cost")), "{error}");
    }
}

fn scrypt_cost(log_n: u8, r: u32, p: u32) -> scrypt::Params {
    scrypt::Params::new(log_n, r, p).unwrap()
}

#[test]
fn a_changed_or_removed_file_is_never_answered_from_memory() {
    let folder = TestFolder::with(&[("openssl-ed25519.p8", "a.p8")]);
    let keystore = folder.keystore(Some(PASSPHRASE));
    let first = keystore.signing_key("a").unwrap();
    assert_eq!(keystore.signing_key("a").unwrap().public_key(), first.public_key());
    fs::copy(data("openssl-p256.p8"), folder.path().join("a.p8")).unwrap();
    assert_eq!(keystore.signing_key("a").unwrap().algorithm(), Algorithm::EcdsaP256);
    fs::remove_file(folder.path().join("a.p8")).unwrap();
    not_found(keystore.signing_key("a"));
}

/// Fixed for ever: a host that lost everything but its seed must get its keys back. They were computed by other
/// implementations: HKDF-SHA-256 without salt, info `secure-log/v1/seed\n<purpose>\n<label>`, seed 00 01 .. 1f.
#[test]
fn derived_keys_are_these() {
    let ed = seeded(Algorithm::Ed25519).signing_key("checkpoint-ed25519").unwrap();
    let p256 = seeded(Algorithm::EcdsaP256).signing_key("checkpoint-p256").unwrap();
    let mac = seeded(Algorithm::Ed25519).mac_key("mac-1").unwrap();
    let wrapped = const_hex::decode(DERIVED_WRAPPED).unwrap();
    let plain = seeded(Algorithm::Ed25519).wrapping_key("kek-1").unwrap().unwrap(&wrapped, b"data").unwrap();
    assert_eq!(const_hex::encode(ed.public_key()), DERIVED_ED25519);
    assert_eq!(const_hex::encode(p256.public_key()), DERIVED_P256);
    assert_eq!(const_hex::encode(mac.mac(b"message").unwrap()), DERIVED_MAC);
    assert_eq!(*plain, b"secret");
    check_signer(&ed);
    check_signer(&p256);
}

const DERIVED_ED25519: &str = "22e37787ab65ae60a1c71f2e73fd5f9737710e390b0f368f6e9cfe3fc0cc6a53";
const DERIVED_P256: &str = "04c8564a56da79f93dc3f36042b61eeaec70706af2cd97943f3330dd72c40e7c8e\
    08eefdc6e1f74478ec4d034c27c65fba5b6f552e864cb97d05efc8052f489950";
const DERIVED_MAC: &str = "fb647236c65d1956a91bdb2f811af5d70523d99128f2ed50ef788a0d199f4388";
const DERIVED_WRAPPED: &str =
    "000102030405060708090a0b0c0d0e0f101112131415161754b0d7c73654f5d2286b3bb58eab539bd3d8a955a0fa";

#[test]
fn each_label_and_each_use_has_its_own_derived_key() {
    let keystore = seeded(Algorithm::Ed25519);
    let public = |label| keystore.signing_key(label).unwrap().public_key().to_vec();
    assert_eq!(public("a"), public("a"));
    assert_ne!(public("a"), public("b"));
    let wrapped = keystore.wrapping_key("a").unwrap().wrap(b"secret", b"").unwrap();
    assert!(keystore.wrapping_key("b").unwrap().unwrap(&wrapped, b"").is_err());
}

#[test]
fn a_seed_refuses_rsa_and_nothing_else() {
    let keystore = seeded(Algorithm::RsaPssSha256);
    let error = keystore.signing_key("a").unwrap_err();
    assert!(matches!(&error, KeyError::UnsupportedAlgorithm(said) if said.contains("SECURE_LOG_KEYSTORE_SEED")));
    keystore.mac_key("a").unwrap();
    keystore.wrapping_key("a").unwrap();
}

#[test]
fn nothing_printed_shows_a_secret() {
    let folder = TestFolder::with(&[("openssl-unencrypted.p8", "plain.p8"), ("openssl-ed25519.p8", "sealed.p8")]);
    let hex = "c0ffee".repeat(11)[..64].to_owned();
    fs::write(folder.path().join("mac.key"), &hex).unwrap();
    fs::write(folder.path().join("damaged.key"), &hex[1..]).unwrap();
    let seed = [0xa7; 32];
    let seeded = Config { algorithm: Algorithm::Ed25519, source: Source::Seed(secure_log_keystore::Seed::new(seed)) };
    let passphrase = "hunter2-hunter2";

    let mut printed = vec![format!("{seeded:?}")];
    let seeded = SoftwareKeystore::new(seeded);
    for keystore in [folder.keystore(None), folder.keystore(Some(passphrase)), seeded] {
        printed.push(format!("{keystore:?}"));
        for label in ["plain", "sealed", "mac", "damaged", "none", "../x"] {
            printed.push(format!("{:?}", keystore.signing_key(label)));
            printed.push(format!("{:?}", keystore.mac_key(label)));
            printed.push(format!("{:?}", keystore.wrapping_key(label)));
            printed.push(format!("{:?}", keystore.show(label, "name")));
        }
        printed.push(format!("{:?}", keystore.import("new", &[0x5a; 32], Some(passphrase.into()))));
        let sealed = fs::read(data("openssl-ed25519.p8")).unwrap();
        printed.push(format!("{:?}", keystore.import("new", &sealed, Some(passphrase.into()))));
    }
    let printed = printed.join("\n");

    let pkcs8 = fs::read_to_string(data("openssl-unencrypted.p8")).unwrap();
    let der = pkcs8::SecretDocument::from_pem(&pkcs8).unwrap().1;
    let secret = &der.as_bytes()[16..48];
    for secret in [secret.to_vec(), seed.to_vec(), const_hex::decode(&hex).unwrap(), vec![0x5a; 32]] {
        let decimal = format!("{:?}", &secret[..4]);
        for form in [const_hex::encode(&secret[..4]), decimal.trim_matches(['[', ']']).to_owned()] {
            assert!(!printed.contains(&form), "{form} in {printed}");
        }
    }
    assert!(!printed.contains(passphrase) && !printed.contains(pkcs8.lines().nth(1).unwrap()));
}

fn not_found<T: std::fmt::Debug>(result: Result<T, KeyError>) -> String {
    match result {
        Err(KeyError::NotFound(said)) => said,
        other => panic!("not absent: {other:?}"),
    }
}

fn denied<T: std::fmt::Debug>(result: Result<T, KeyError>) -> String {
    match result {
        Err(KeyError::AccessDenied(said)) => said,
        other => panic!("not denied: {other:?}"),
    }
}
