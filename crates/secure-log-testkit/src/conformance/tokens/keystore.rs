//! What the keystore makes of a token: keys by label, and errors that say what is wrong.

use secure_log::engine::DEFAULT_IDENTITY;
use secure_log::memory::MemoryStore;
use secure_log::providers::KeyError;
use secure_log::record::DataKeyRow;
use secure_log::sign::Algorithm;
use secure_log::store::SecureLogStore;
use secure_log_pkcs11::{
    Attribute, AttributeType, Config, Cryptoki, Mechanism, NewKey, Session, TokenError, TokenKeystore, UserType,
    WrappedKeyError, WrappingAlgorithm,
};

use super::token::SECRET;
use super::{SO_PIN, Token, USER_PIN, ed25519, pin, private_template, public_template, secret};
use crate::conformance::signers;
use crate::{SharedStore, sealing};

impl<C: Cryptoki + Clone> Token<C> {
    fn keystore(&self, user_pin: &str) -> TokenKeystore<C> {
        self.keystore_of(Some(user_pin), None)
    }

    fn keystore_of(&self, user_pin: Option<&str>, so_pin: Option<&str>) -> TokenKeystore<C> {
        let config = Config { pin: user_pin.map(pin), so_pin: so_pin.map(pin), label: Some(self.label.clone()) };
        TokenKeystore::new(self.library.clone(), config)
    }
}

pub(super) fn signing<C: Cryptoki<Session: Send> + Clone + Send + 'static>(token: &Token<C>) {
    let keystore = token.keystore(USER_PIN);
    for algorithm in Algorithm::ALL {
        let label = algorithm.as_str();
        let made = keystore.generate(label, NewKey::Signing(algorithm)).expect("a key is made");
        assert!(made.verifier_key.is_some());
        assert_eq!(keystore.generate(label, NewKey::Mac).map(drop), Err(TokenError::KeyExists { label: label.into() }));
    }
    // Another keystore, as after a restart.
    drop(keystore);
    let keystore = token.keystore(USER_PIN);
    for algorithm in Algorithm::ALL {
        signers::signing(&keystore, algorithm.as_str(), algorithm);
    }
    signers::unknown_labels(&keystore);
    let mut labels: Vec<&str> = Algorithm::ALL.map(Algorithm::as_str).to_vec();
    labels.sort_unstable();
    assert_eq!(keystore.list().expect("keys are listed"), labels);
}

pub(super) fn hashing<C: Cryptoki<Session: Send> + Clone + Send + 'static>(token: &Token<C>) {
    let keystore = token.keystore(USER_PIN);
    let made = keystore.generate("mac", NewKey::Mac).expect("a key is made");
    assert!(made.key_id.is_some() && made.public_key.is_none());
    signers::keyed_hashing(&keystore, "mac");
    assert_eq!(keystore.describe("mac", "mac"), Ok(made));
}

pub(super) fn sealing<C: Cryptoki<Session: Send> + Clone + Send + 'static>(token: &Token<C>) {
    let keystore = token.keystore(USER_PIN);
    keystore.generate(DEFAULT_IDENTITY, NewKey::Signing(Algorithm::Ed25519)).expect("a key is made");
    for algorithm in WrappingAlgorithm::ALL {
        if algorithm == WrappingAlgorithm::AesKwp && !token.habits.wraps_by_kwp {
            continue;
        }
        let labels = ["first", "second"].map(|which| format!("{which}-{}", algorithm.as_str()));
        for label in &labels {
            keystore.generate(label, NewKey::Wrapping(algorithm)).expect("a key is made");
        }
        let place = SharedStore::new(MemoryStore::new());
        let holds = |row: &DataKeyRow| {
            assert_eq!(row.alg, algorithm.as_str());
            place.clone().data_keys(&row.stream).is_ok_and(|rows| rows.contains(row))
        };
        let labels = [&*labels[0], &*labels[1]];
        sealing::seal_wrap_and_erase(|| place.clone(), || token.keystore(USER_PIN), labels, holds);
    }
}

pub(super) fn wrapping<C: Cryptoki<Session: Send> + Clone + Send + 'static>(token: &Token<C>) {
    let keystore = token.keystore(USER_PIN);
    let made_new = |algorithm: WrappingAlgorithm| keystore.generate(algorithm.as_str(), NewKey::Wrapping(algorithm));
    for algorithm in WrappingAlgorithm::ALL {
        let made = made_new(algorithm).map(drop);
        if algorithm == WrappingAlgorithm::AesKwp && !token.habits.wraps_by_kwp {
            assert_eq!(made, Err(TokenError::UnsupportedMechanism("CKM_AES_KEY_WRAP_KWP")));
            continue;
        }
        assert_eq!(made, Ok(()));
        let key = keystore.wrapping_key(algorithm.as_str()).expect("the key wraps");
        assert_eq!(key.algorithm(), algorithm);
        for length in [1, 8, 20, 32, 512] {
            let plain = vec![0x5a; length];
            let wrapped = key.wrap(&plain, b"data").expect("it is wrapped");
            assert_eq!(*key.unwrap(&wrapped, b"data").expect("it is unwrapped"), plain);
        }
        assert!(key.wrap(&[], b"data").is_err() && key.wrap(&[0; 513], b"data").is_err());

        let wrapped = key.wrap(&[0x5a; 32], b"data").expect("it is wrapped");
        let is_refused =
            |wrapped: &[u8], data: &[u8]| key.unwrap(wrapped, data).map(drop) == Err(WrappedKeyError::NotAuthentic);
        for bit in 0..wrapped.len() * 8 {
            let mut flipped = wrapped.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(is_refused(&flipped, b"data"), "{algorithm:?}, bit {bit}");
        }
        for length in 0..wrapped.len() {
            assert!(is_refused(&wrapped[..length], b"data"), "{algorithm:?}, length {length}");
        }
        assert!(is_refused(&[&wrapped[..], &[0; 8]].concat(), b"data"), "{algorithm:?}");
        assert_eq!(is_refused(&wrapped, b"other"), algorithm.binds_associated_data(), "{algorithm:?}");
        // A key by another name is another key.
        keystore.generate("other", NewKey::Wrapping(algorithm)).expect("a key is made");
        let other = keystore.wrapping_key("other").expect("the key wraps");
        assert_eq!(other.unwrap(&wrapped, b"data").map(drop), Err(WrappedKeyError::NotAuthentic));
        drop(other);
        destroy(token, "other");
    }
    // A token that wraps by neither is none that this keystore is for.
    assert!(keystore.list().expect("keys are listed").contains(&WrappingAlgorithm::AesGcm.as_str().to_owned()));
    let keys = 1 + usize::from(token.habits.wraps_by_kwp);
    assert_eq!(token.user().find_objects(&[]).map(|all| all.len()), Ok(keys), "nothing that was wrapped stays");

    keystore.generate("mac", NewKey::Mac).expect("a key is made");
    let refused = keystore.wrapping_key("mac").map(drop).expect_err("a key for hashing does not wrap");
    assert!(matches!(refused, TokenError::NotPermitted { .. }), "{refused:?}");
}

fn destroy<C: Cryptoki>(token: &Token<C>, label: &str) {
    let session = token.user();
    for object in session.find_objects(&[Attribute::Label(label.into())]).expect("objects are found") {
        session.destroy_object(object).expect("it is destroyed");
    }
}

pub(super) fn errors<C: Cryptoki<Session: Send> + Clone + Send + 'static>(token: &Token<C>) {
    let session = token.user();
    ed25519(&session, "k", true).expect("a key is made");
    session.generate_key(&Mechanism::GenericSecretKeyGen, &secret("m", Attribute::Sign(true))).expect("a key is made");
    ed25519(&session, "twice", true).expect("a key is made");
    ed25519(&session, "twice", true).expect("a key is made");
    let mut mute = private_template("mute", true);
    mute.retain(|known| known.kind() != AttributeType::Sign);
    mute.push(Attribute::Sign(false));
    let mute = session.generate_key_pair(&Mechanism::EcEdwardsKeyPairGen, &public_template("mute", true), &mute);
    mute.expect("a key is made");
    let (public, _) = ed25519(&session, "half", true).expect("a key is made");
    session.destroy_object(public).expect("the public key is destroyed");
    drop(session);

    let keystore = token.keystore(USER_PIN);
    let error = |label: &str| keystore.signing_key(label).map(drop).expect_err("no such key may sign");
    let label = |label: &str| label.to_owned();
    assert_eq!(error("absent"), TokenError::NoSuchKey { label: label("absent") });
    assert_eq!(error("twice"), TokenError::SeveralKeys { label: label("twice") });
    assert_eq!(error("half"), TokenError::NoPublicKey { label: label("half") });
    assert_eq!(error("mute"), TokenError::NotPermitted { label: label("mute"), what: "sign" });
    assert!(matches!(error("m"), TokenError::NotPermitted { .. }), "a key for another use is never no key");
    let mac = |label: &str| keystore.mac_key(label).map(drop).expect_err("no such key may hash");
    assert!(matches!(mac("k"), TokenError::NotPermitted { .. }));
    assert_eq!(mac("absent"), TokenError::NoSuchKey { label: label("absent") });
    drop(keystore);

    let denied = |error: TokenError| matches!(KeyError::from(error), KeyError::AccessDenied(_));
    let wrong = token.keystore("not the user's");
    let flags = || token.library.token_info(token.slot).expect("a token is described").flags;
    // Far more often than there are tries.
    for _ in 0..20 {
        let error = wrong.signing_key("k").map(drop).expect_err("the PIN is wrong");
        assert_eq!(error, TokenError::WrongPin);
        assert!(denied(error));
    }
    assert!(!flags().user_pin_locked && !flags().user_pin_final_try, "a PIN that was refused is offered once");

    let elsewhere = Config { pin: Some(pin(USER_PIN)), so_pin: None, label: Some("no such token".into()) };
    let elsewhere = TokenKeystore::new(token.library.clone(), elsewhere);
    let error = elsewhere.signing_key("k").map(drop).expect_err("there is no such token");
    assert_eq!(error, TokenError::NoSuchToken { label: label("no such token") });
    let nothing = TokenKeystore::new(token.library.clone(), Config::default());
    let error = nothing.signing_key("k").map(drop).expect_err("nothing is configured");
    assert!(matches!(KeyError::from(error), KeyError::NotFound(text) if text.contains("SECURE_LOG_PKCS11_PIN")));
    let no_pin = Config { label: Some(token.label.clone()), ..Config::default() };
    let error = TokenKeystore::new(token.library.clone(), no_pin).signing_key("k").map(drop).expect_err("no PIN");
    assert_eq!(error, TokenError::NoPin);
}

pub(super) fn pins<C: Cryptoki<Session: Send> + Clone + Send + 'static>(token: &Token<C>) {
    const NEW_PIN: &str = "a new user's PIN";
    const NEW_SO_PIN: &str = "a new officer's PIN";
    let keystore = token.keystore_of(Some(USER_PIN), Some(SO_PIN));
    keystore.generate("k", NewKey::Signing(Algorithm::Ed25519)).expect("a key is made");
    let signs = |keystore: &TokenKeystore<C>| keystore.signing_key("k").and_then(|key| key.sign_message(b"m"));
    let signature = signs(&keystore).expect("it signs");

    for bad in ["", "short", &"x".repeat(300)] {
        let refused = |answer: Result<(), TokenError>| matches!(answer, Err(TokenError::NewPinRefused { .. }));
        // How short is too short, the token says.
        if bad.len() as u64 >= token.library.token_info(token.slot).expect("a token is described").min_pin_len
            && bad.len() < 100
        {
            continue;
        }
        assert!(refused(keystore.change_pin(pin(bad))), "{bad:?}");
        assert!(refused(keystore.reset_pin(pin(bad))), "{bad:?}");
        assert!(refused(keystore.change_so_pin(pin(bad))), "{bad:?}");
    }
    assert_eq!(signs(&keystore), Ok(signature.clone()), "what was refused changed nothing");

    // With no other session that is logged in, the new one is what it logs in with.
    keystore.change_pin(pin("in between")).expect("the user changes the PIN");
    assert_eq!(signs(&keystore), Ok(signature.clone()), "the keystore goes on with the new one");
    let running = token.keystore("in between");
    let key = running.signing_key("k").expect("the key is there");
    keystore.change_pin(pin(NEW_PIN)).expect("the user changes the PIN");
    assert_eq!(signs(&keystore), Ok(signature.clone()), "the keystore goes on with the new one");
    assert_eq!(key.sign_message(b"m"), Ok(signature.clone()), "and another one with its session");
    drop((keystore, key, running));
    assert_eq!(signs(&token.keystore(USER_PIN)), Err(TokenError::WrongPin));
    assert_eq!(signs(&token.keystore(NEW_PIN)), Ok(signature.clone()));
    let stale = token.keystore(USER_PIN);
    let low = || token.library.token_info(token.slot).expect("a token is described").flags.user_pin_final_try;
    for _ in 0..20 {
        assert_eq!(stale.change_pin(pin("whatever it is")), Err(TokenError::WrongPin));
    }
    assert!(!low(), "a PIN that was refused is offered once");

    // Forgotten or locked, it is all the same to the officer.
    let session = token.session(true);
    for _ in 0..token.habits.tries.unwrap_or(1) {
        session.login(UserType::User, &pin("not the user's")).expect_err("the PIN is wrong");
    }
    drop(session);
    let forgotten = match token.habits.tries {
        Some(_) => TokenError::PinLocked,
        None => TokenError::WrongPin,
    };
    let keystore = token.keystore_of(Some(USER_PIN), Some(SO_PIN));
    assert_eq!(signs(&keystore), Err(forgotten));
    assert_eq!(token.keystore(USER_PIN).reset_pin(pin(NEW_PIN)), Err(TokenError::NoSoPin));
    let impostor = token.keystore_of(Some(USER_PIN), Some("not the officer's"));
    for _ in 0..20 {
        assert_eq!(impostor.reset_pin(pin(NEW_PIN)), Err(TokenError::WrongSoPin));
    }
    assert!(!token.library.token_info(token.slot).expect("a token is described").flags.so_pin_final_try);
    keystore.reset_pin(pin(USER_PIN)).expect("the officer sets a PIN");
    assert_eq!(signs(&keystore), Ok(signature.clone()), "no key changes by that, and the keystore goes on");
    assert_eq!(signs(&token.keystore(USER_PIN)), Ok(signature.clone()));

    keystore.change_so_pin(pin(NEW_SO_PIN)).expect("the officer changes the PIN");
    keystore.reset_pin(pin(NEW_PIN)).expect("the keystore goes on with the officer's new one");
    drop(keystore);
    let old = token.keystore_of(None, Some(SO_PIN));
    assert_eq!(old.reset_pin(pin(USER_PIN)), Err(TokenError::WrongSoPin));
    let new = token.keystore_of(None, Some(NEW_SO_PIN));
    new.reset_pin(pin(USER_PIN)).expect("no user need be configured");
    drop(new);
    assert_eq!(signs(&token.keystore(USER_PIN)), Ok(signature));
}

pub(super) fn no_pin_in_texts<C: Cryptoki<Session: Send> + Clone + Send + 'static>(token: &Token<C>) {
    let config = || Config { pin: Some(pin(SECRET)), so_pin: Some(pin(SECRET)), label: Some(token.label.clone()) };
    let keystore = TokenKeystore::new(token.library.clone(), config());
    let mut said = vec![format!("{:?}", config()), format!("{keystore:?}")];
    let another = || pin("XYZZY-neither");
    for error in [
        keystore.signing_key("k").map(drop).expect_err("the PIN is wrong"),
        keystore.mac_key("k").map(drop).expect_err("the PIN is wrong"),
        keystore.generate("k", NewKey::Mac).map(drop).expect_err("the PIN is wrong"),
        keystore.list().map(drop).expect_err("the PIN is wrong"),
        keystore.change_pin(another()).expect_err("the PIN is wrong"),
        keystore.reset_pin(another()).expect_err("the PIN is wrong"),
        keystore.change_so_pin(another()).expect_err("the PIN is wrong"),
        token.keystore(USER_PIN).change_pin(pin(&"XYZZY".repeat(100))).expect_err("the PIN is too long"),
    ] {
        said.push(format!("{error:?} {error} {:?}", KeyError::from(error.clone())));
    }
    for text in said {
        assert!(!text.contains("XYZZY"), "{text}");
    }
}
