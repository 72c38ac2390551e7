//! Keys are made, imported, listed and shown, and never overwritten.

use std::process::Command;
use std::sync::Barrier;
use std::{fs, thread};

use crate::common::{PASSPHRASE, TestFolder, check_signer, data, openssl_public_key, seeded};
use secure_log::providers::Keystore as _;
use secure_log::sign::Algorithm;
use secure_log_keystore::{Config, KeyKind, ManageError, SoftwareKeystore, Source};

const SIGNING_KINDS: [(&str, Algorithm); 3] =
    [("ed", Algorithm::Ed25519), ("p256", Algorithm::EcdsaP256), ("rsa", Algorithm::RsaPssSha256)];

#[test]
fn generated_keys_sign_also_when_read_anew() {
    let folder = TestFolder::new();
    for (label, algorithm) in SIGNING_KINDS {
        let made = folder.keystore(Some(PASSPHRASE)).generate(label, Some(KeyKind::Signing(algorithm))).unwrap();
        assert_eq!((made.label.as_str(), made.kind), (label, KeyKind::Signing(algorithm)));
        assert!(made.verifier_key.as_ref().unwrap().starts_with(&format!("{label}+")));

        let keystore = folder.keystore(Some(PASSPHRASE));
        let signer = keystore.signer(label).unwrap();
        assert_eq!(signer.public_key(), made.public_key);
        check_signer(signer.as_ref());
        assert_eq!(keystore.show(label, label).unwrap(), made);
    }
    let rsa = folder.keystore(Some(PASSPHRASE)).show("rsa", "x").unwrap().public_key;
    let rsa: rsa::RsaPublicKey = rsa::pkcs8::DecodePublicKey::from_public_key_der(&rsa).unwrap();
    assert_eq!(rsa::traits::PublicKeyParts::size(&rsa) * 8, 3072);
}

#[test]
fn the_default_kind_is_the_keystores_algorithm() {
    let folder = TestFolder::new();
    let source = Source::Folder {
        path: folder.path().to_owned(),
        passphrase: secure_log_keystore::Passphrase::new(PASSPHRASE.into()),
    };
    let keystore = SoftwareKeystore::new(Config { algorithm: Algorithm::EcdsaP256, source });
    assert_eq!(keystore.generate("a", None).unwrap().kind, KeyKind::Signing(Algorithm::EcdsaP256));
}

#[test]
fn a_symmetric_key_hashes_wraps_and_opens_under_its_own_label_only() {
    let folder = TestFolder::new();
    let keystore = folder.keystore(Some(PASSPHRASE));
    let made = keystore.generate("mac", Some(KeyKind::Symmetric)).unwrap();
    assert!(made.public_key.is_empty() && made.verifier_key.is_none());
    assert_eq!(keystore.mac_key("mac").unwrap().id(), made.key_id.unwrap());
    assert_eq!(keystore.show("mac", "any").unwrap(), made);

    let wrapped = keystore.wrapping_key("mac").unwrap().wrap(b"key", b"data").unwrap();
    let again = folder.keystore(Some(PASSPHRASE)).wrapping_key("mac").unwrap();
    assert_eq!(*again.unwrap(&wrapped, b"data").unwrap(), b"key");

    fs::copy(folder.path().join("mac.key"), folder.path().join("other.key")).unwrap();
    let error = keystore.mac_key("other").unwrap_err();
    assert!(matches!(error, secure_log::providers::KeyError::AccessDenied(_)), "{error}");
}

#[test]
fn an_imported_symmetric_key_is_used_as_it_is() {
    let folder = TestFolder::new();
    let key: [u8; 32] = core::array::from_fn(|i| i as u8);
    let keystore = folder.keystore(Some(PASSPHRASE));
    let made = keystore.import("mac", &key, None).unwrap();
    assert_eq!(made.key_id.unwrap().to_string(), "b3886dade6b77dec");
    let error = keystore.import("mac-2", &key, Some("p".into())).unwrap_err();
    assert!(matches!(error, ManageError::Invalid(_)), "{error}");
}

#[test]
fn keys_of_openssl_are_imported_and_shown_with_their_verifier_keys() {
    // By tools/secure_log_ref.py.
    let verifier_keys = [
        "example.org/log+d1f0b271+AWTygzd4Eq8B6V644hMzhaMswIZe4JX4uGh5lZXjU3Fp",
        "example.org/log+35474ccc+AjBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABD1xoJNO7Nqsq0Vi1AlgOMwoXbWi2MStOcC7uQuLApbf8zUcs33R/\
         SfPIW/CjxJJDj/9c2TUg5izPX8EEMTdNyI=",
        "example.org/log+c9eaff8c+/3NlY3VyZS1sb2cvcnNhLXBzcy1zaGEyNTYKMIIBojANBgkqhkiG9w0BAQEFAAOCAY8AMIIBigKCAYEAltWOuUC0\
         ASZU4AioRLAqpYWVx92I33OI+vrBIVpQ1ebHuYpc7RbP7qA3qIs5hkZ1CeIi5+ArvZ4tkREdClRSJi5X3DfrbMoTsBNgRL8rivb7f/qKAb3o7MEh\
         4ZxaA4XzfjjYUABu31+9Es3rFVV4SF0IrfFG+kax1gE6RyWWfr3mCG9oHWQgElkg/WlXX8c0+W4Y4+R2qwQRyJZGWdTnYQSflqa4YhrsqHqAQJTD\
         rGAgqdCgbYHkQx9geLEPm/+pYBgsnlAj0cXl3fcZhtOyXPz3/gmzMdPI4sSTT0FxNbWsr6dtQcwvhV/eWnVBbVztXLItL5bgG7CTrGbZVP9xqXoe\
         obV1G9K7CWGNfL0Q8kDxBJFyzw5nOWsUwZKWHqvRfy8C6S634DrBF0u4tWt60ETVs5wwTFMqIYoTI8QXE6zgmH2tZafSgw4q2XF8I/cdgXyohJeR\
         8/ffPiKdmJ+hZwjhG/BH4xK9V7Ps+MYcxd8NODXdy7hIk6ybV8bJa4aXAgMBAAE=",
    ];
    let folder = TestFolder::new();
    let keystore = folder.keystore(Some("the keystore's own"));
    for ((label, algorithm), verifier_key) in SIGNING_KINDS.into_iter().zip(verifier_keys) {
        let name = if label == "ed" { "ed25519" } else { label };
        let pem = fs::read(data(&format!("openssl-{name}.p8"))).unwrap();
        keystore.import(label, &pem, Some(PASSPHRASE.into())).unwrap();
        let shown = keystore.show(label, "example.org/log").unwrap();
        assert_eq!(shown.public_key, openssl_public_key(&format!("openssl-{name}.pub"), algorithm));
        assert_eq!(shown.verifier_key.unwrap(), verifier_key);
        check_signer(keystore.signer(label).unwrap().as_ref());
    }
    // DER is taken too, and what is stored is under the keystore's passphrase.
    let pem = fs::read_to_string(data("openssl-unencrypted.p8")).unwrap();
    let der = pkcs8::SecretDocument::from_pem(&pem).unwrap().1;
    keystore.import("der", der.as_bytes(), None).unwrap();
    check_signer(keystore.signer("der").unwrap().as_ref());
    assert!(folder.keystore(Some(PASSPHRASE)).signer("der").is_err());
}

#[test]
fn what_cannot_be_imported_is_refused_and_leaves_nothing() {
    let folder = TestFolder::new();
    let keystore = folder.keystore(Some("own"));
    let read = |name: &str| fs::read(data(name)).unwrap();
    let import =
        |key: &[u8], passphrase: Option<&str>| keystore.import("a", key, passphrase.map(str::to_owned)).unwrap_err();
    assert!(matches!(import(&read("openssl-ed25519.p8"), None), ManageError::AccessDenied(_)));
    assert!(matches!(import(&read("openssl-ed25519.p8"), Some("wrong")), ManageError::AccessDenied(_)));
    assert!(matches!(import(&read("openssl-ed25519.p8"), Some("")), ManageError::Invalid(_)));
    assert!(matches!(import(&read("openssl-unencrypted.p8"), Some("p")), ManageError::Invalid(_)));
    assert!(matches!(import(&read("openssl-rsa1024.p8"), Some(PASSPHRASE)), ManageError::UnsupportedAlgorithm(_)));
    assert!(matches!(import(&read("openssl-p384.p8"), Some(PASSPHRASE)), ManageError::UnsupportedAlgorithm(_)));
    assert!(matches!(import(&[7; 31], None), ManageError::Invalid(_)));
    assert!(matches!(import(b"", None), ManageError::Invalid(_)));
    assert_eq!(folder.files(), [""; 0]);
}

#[test]
fn a_key_is_never_overwritten() {
    let folder = TestFolder::with(&[("openssl-ed25519.p8", "a.p8")]);
    let keystore = folder.keystore(Some(PASSPHRASE));
    let before = fs::read(folder.path().join("a.p8")).unwrap();
    for kind in [KeyKind::Signing(Algorithm::Ed25519), KeyKind::Symmetric] {
        assert!(matches!(keystore.generate("a", Some(kind)), Err(ManageError::KeyExists(_))));
    }
    assert!(matches!(keystore.import("a", &[7; 32], None), Err(ManageError::KeyExists(_))));
    assert_eq!(fs::read(folder.path().join("a.p8")).unwrap(), before);
    assert_eq!(folder.files(), ["a.p8"]);
}

#[test]
fn of_several_makers_of_one_label_one_wins() {
    let folder = TestFolder::new();
    let start = Barrier::new(8);
    let made: Vec<_> = thread::scope(|scope| {
        let makers: Vec<_> = (0..8)
            .map(|n| {
                let (folder, start) = (&folder, &start);
                let kind = if n % 2 == 0 { KeyKind::Symmetric } else { KeyKind::Signing(Algorithm::Ed25519) };
                scope.spawn(move || {
                    let keystore = folder.keystore(Some(PASSPHRASE));
                    start.wait();
                    keystore.generate("a", Some(kind))
                })
            })
            .collect();
        makers.into_iter().map(|maker| maker.join().unwrap()).collect()
    });
    let (won, lost): (Vec<_>, Vec<_>) = made.into_iter().partition(Result::is_ok);
    assert_eq!((won.len(), lost.len()), (1, 7));
    assert!(lost.iter().all(|error| matches!(error, Err(ManageError::KeyExists(_)))), "{lost:?}");
    assert_eq!(folder.files().len(), 1);
    assert_eq!(folder.keystore(Some(PASSPHRASE)).show("a", "a").as_ref(), won[0].as_ref());
}

#[test]
fn an_interrupted_making_is_named() {
    let folder = TestFolder::new();
    fs::write(folder.path().join(".a.new"), "half a key").unwrap();
    let keystore = folder.keystore(Some(PASSPHRASE));
    let Err(ManageError::KeyExists(said)) = keystore.generate("a", None) else { panic!("it was overwritten") };
    assert!(said.contains(".a.new"), "{said}");
    assert_eq!(keystore.list().unwrap(), [""; 0]);
    assert_eq!(fs::read_to_string(folder.path().join(".a.new")).unwrap(), "half a key");
}

#[cfg(unix)]
#[test]
fn only_the_owner_may_read_a_key_file() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = TestFolder::new();
    let keystore = folder.keystore(Some(PASSPHRASE));
    keystore.generate("a", None).unwrap();
    keystore.generate("b", Some(KeyKind::Symmetric)).unwrap();
    for file in folder.files() {
        assert_eq!(fs::metadata(folder.path().join(file)).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[test]
fn labels_are_listed_sorted_and_other_files_are_not() {
    let folder = TestFolder::with(&[("openssl-p256.p8", "b.p8"), ("openssl-ed25519.p8", "c.d.p8")]);
    let keystore = folder.keystore(Some(PASSPHRASE));
    keystore.generate("a", Some(KeyKind::Symmetric)).unwrap();
    for other in ["README", ".hidden.p8", "b.pub", "p8", "white space.p8"] {
        fs::write(folder.path().join(other), "").unwrap();
    }
    assert_eq!(keystore.list().unwrap(), ["a", "b", "c.d"]);
}

#[test]
fn without_a_folder_or_a_passphrase_no_key_is_made() {
    let folder = TestFolder::new();
    let nothing = SoftwareKeystore::new(Config { algorithm: Algorithm::Ed25519, source: Source::Nothing });
    for (keystore, set) in [
        (folder.keystore(None), "SECURE_LOG_KEYSTORE_PASSPHRASE"),
        (seeded(Algorithm::Ed25519), "SECURE_LOG_KEYSTORE_DIR"),
        (nothing, "SECURE_LOG_KEYSTORE_DIR"),
    ] {
        for made in [keystore.generate("a", None), keystore.import("a", &[7; 32], None)] {
            let Err(ManageError::Unsupported(said)) = made else { panic!("{made:?}") };
            assert!(said.contains(set), "{said}");
        }
    }
    assert_eq!(folder.files(), [""; 0]);
    assert!(matches!(seeded(Algorithm::Ed25519).list(), Err(ManageError::Unsupported(_))));
}

#[test]
fn a_seed_shows_the_labels_key_and_key_id() {
    let keystore = seeded(Algorithm::Ed25519);
    let shown = keystore.show("a", "example.org/log").unwrap();
    assert_eq!(shown.public_key, keystore.show("a", "b").unwrap().public_key);
    assert_eq!(shown.key_id.unwrap(), keystore.mac_key("a").unwrap().id());
}

#[test]
fn names_that_no_verifier_key_can_have_are_refused() {
    let keystore = seeded(Algorithm::Ed25519);
    for name in ["", "a b", "a+b", "a\n"] {
        assert!(matches!(keystore.show("a", name), Err(ManageError::Invalid(_))), "{name:?}");
    }
    for label in ["", "..", "a/b", "a+b"] {
        assert!(matches!(keystore.show(label, "a"), Err(ManageError::Invalid(_))), "{label:?}");
        assert!(matches!(keystore.generate(label, None), Err(ManageError::Invalid(_))), "{label:?}");
        assert!(matches!(keystore.import(label, &[7; 32], None), Err(ManageError::Invalid(_))), "{label:?}");
    }
    assert!(matches!(TestFolder::new().keystore(None).show("none", "a"), Err(ManageError::KeyNotFound(_)),));
}

/// Both ways: OpenSSL's keys here, ours there, with the signatures checked by OpenSSL.
#[test]
fn openssl_reads_and_verifies_what_is_made_here() {
    let folder = TestFolder::new();
    let openssl = |arguments: &[&str]| {
        Command::new("openssl").args(arguments).current_dir(folder.path()).output().map(|output| {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.success(), "openssl {arguments:?}: {said}");
        })
    };
    if openssl(&["version"]).is_err() {
        eprintln!("NOT CHECKED: there is no openssl here, so that nobody else read the keys made by this keystore");
        return;
    }
    let pass = format!("pass:{PASSPHRASE}");
    let fresh = [
        vec!["-algorithm", "ed25519"],
        vec!["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
        vec!["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
    ];
    let keystore = folder.keystore(Some(PASSPHRASE));
    for ((label, algorithm), fresh) in SIGNING_KINDS.into_iter().zip(fresh) {
        let theirs = format!("{label}-theirs");
        let out = format!("{theirs}.p8");
        openssl(&[&["genpkey", "-aes256", "-pass", &pass, "-out", &out], &fresh[..]].concat()).unwrap();
        check_signer(keystore.signer(&theirs).unwrap().as_ref());

        keystore.generate(label, Some(KeyKind::Signing(algorithm))).unwrap();
        let (file, public) = (format!("{label}.p8"), format!("{label}.pub"));
        openssl(&["pkey", "-in", &file, "-passin", &pass, "-pubout", "-out", &public]).unwrap();

        let signature = keystore.signer(label).unwrap().sign(b"a message").unwrap();
        let signature = match algorithm {
            Algorithm::EcdsaP256 => {
                p256::ecdsa::Signature::from_slice(&signature).unwrap().to_der().as_bytes().to_vec()
            }
            _ => signature,
        };
        fs::write(folder.path().join("message"), b"a message").unwrap();
        fs::write(folder.path().join("signature"), signature).unwrap();
        let verify =
            ["pkeyutl", "-verify", "-pubin", "-inkey", &public, "-rawin", "-in", "message", "-sigfile", "signature"];
        let options: &[&str] = match algorithm {
            Algorithm::Ed25519 => &[],
            Algorithm::EcdsaP256 => &["-digest", "sha256"],
            Algorithm::RsaPssSha256 => &[
                "-digest",
                "sha256",
                "-pkeyopt",
                "rsa_padding_mode:pss",
                "-pkeyopt",
                "rsa_pss_saltlen:32",
                "-pkeyopt",
                "rsa_mgf1_md:sha256",
            ],
        };
        openssl(&[&verify, options].concat()).unwrap();
    }
}
