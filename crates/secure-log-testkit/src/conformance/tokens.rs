//! What every PKCS#11 token has to do, in software or not.
//!
//! Where the standard leaves a token a choice, or where one does not follow it, [`Habits`] says what it does instead, so
//! that the suite is the list of the differences. A difference that is not named here is a failure.

use secure_log::hash::HmacKey;
use secure_log::providers::KeyError;
use secure_log::sign::Algorithm;
use secure_log_pkcs11::{
    Attribute, AttributeType, Config, Cryptoki, ED25519_PARAMS, GcmParams, KeyType, Mechanism, NewKey, ObjectClass,
    ObjectHandle, P256_PARAMS, Pin, Rv, Session, SlotId, TokenError, TokenKeystore, UserType,
};

use super::signers;
use crate::{SeededRandom, count};

/// The security officer's PIN of a token under test.
pub const SO_PIN: &str = "so-pin-48151623";
/// The user's PIN of a token under test.
pub const USER_PIN: &str = "user-pin-42108";
/// The label of a token under test.
pub const TOKEN_LABEL: &str = "suite";

/// A token under test: initialized, with both PINs and no object, for this check alone.
pub struct Token<C> {
    /// Its library, of which there may be several instances.
    pub library: C,
    /// Its slot.
    pub slot: SlotId,
    /// Its label, which no other token of the library has.
    pub label: String,
    /// What it does its own way.
    pub habits: Habits,
}

/// What a token does its own way.
#[derive(Clone, Copy, Debug)]
pub struct Habits {
    /// Wrong PINs in a row that lock the user's PIN; none where nothing does. The standard leaves it to the token.
    pub tries: Option<u32>,
    /// Whether a private key can be made that is extractable or not sensitive. The standard allows a token to refuse it
    /// (`CKR_TEMPLATE_INCONSISTENT`) and not to.
    pub makes_extractable_private_keys: bool,
    /// What a key of another kind than the mechanism wants comes to. The standard: `CKR_KEY_TYPE_INCONSISTENT`.
    pub wrong_kind_of_key: Rv,
    /// What an unknown object comes to where a key is meant. The standard: `CKR_KEY_HANDLE_INVALID`.
    pub unknown_key: Rv,
    /// What a ciphertext that was changed comes to. The standard: `CKR_ENCRYPTED_DATA_INVALID`.
    pub changed_ciphertext: Rv,
    /// What a template without the curve comes to. The standard: `CKR_TEMPLATE_INCOMPLETE`.
    pub no_curve: Rv,
    /// What logging out without a login comes to. The standard: `CKR_USER_NOT_LOGGED_IN`.
    pub logout_without_login: Result<(), Rv>,
}

impl Habits {
    /// As the standard says, and with tries that run out.
    pub const STANDARD: Habits = Habits {
        tries: Some(10),
        makes_extractable_private_keys: false,
        wrong_kind_of_key: Rv::KeyTypeInconsistent,
        unknown_key: Rv::KeyHandleInvalid,
        changed_ciphertext: Rv::EncryptedDataInvalid,
        no_curve: Rv::TemplateIncomplete,
        logout_without_login: Err(Rv::UserNotLoggedIn),
    };

    /// SoftHSM 2.6.1: wrong PINs lock nothing and private keys can be made to leave, both of which the standard leaves to the
    /// token; a changed ciphertext has a general error and logging out twice is fine, both of which it does not.
    pub const SOFTHSM: Habits = Habits {
        tries: None,
        makes_extractable_private_keys: true,
        changed_ciphertext: Rv::GeneralError,
        logout_without_login: Ok(()),
        ..Habits::STANDARD
    };
}

/// A check of the suite.
pub type Check<C> = fn(&Token<C>);

/// All checks by their names. Each wants a token of its own.
pub fn all<C: Cryptoki<Session: Send> + Clone + Send + 'static>() -> Vec<(&'static str, Check<C>)> {
    vec![
        ("it says what it is", information::<C>),
        ("logins", logins::<C>),
        ("private objects are for the user", private_objects::<C>),
        ("PINs are set and changed", pins::<C>),
        ("wrong PINs lock it, if anything does", locking::<C>),
        ("it is initialized again by its own officer alone", initialized_again::<C>),
        ("keys of every kind sign", signing::<C>),
        ("secrets stay", secrets_stay::<C>),
        ("keys do what they were made for", permissions::<C>),
        ("MACs are those of everybody else", macs::<C>),
        ("AES-GCM is that of everybody else", gcm::<C>),
        ("key wrapping is that of RFC 5649", wrapping::<C>),
        ("objects of the token stay, those of the session go", lifetimes::<C>),
        ("the keystore says what is wrong", keystore_errors::<C>),
        ("templates of every kind", random_templates::<C>),
        ("no text holds a PIN", no_pin_in_texts::<C>),
    ]
}

fn pin(text: &str) -> Pin {
    Pin::new(text.into())
}

impl<C: Cryptoki> Token<C> {
    fn session(&self, read_write: bool) -> C::Session {
        self.library.open_session(self.slot, read_write).expect("a session opens")
    }

    /// A session that may write, with the user logged in.
    fn user(&self) -> C::Session {
        let session = self.session(true);
        // Another session of the library may have logged in.
        let answer = session.login(UserType::User, &pin(USER_PIN));
        assert!(matches!(answer, Ok(()) | Err(Rv::UserAlreadyLoggedIn)), "{answer:?}");
        session
    }
}

impl<C: Cryptoki + Clone> Token<C> {
    fn keystore(&self, user_pin: &str) -> TokenKeystore<C> {
        let config = Config { pin: Some(pin(user_pin)), so_pin: None, label: Some(self.label.clone()) };
        TokenKeystore::new(self.library.clone(), config)
    }
}

fn information<C: Cryptoki>(token: &Token<C>) {
    assert!(token.library.slot_list(true).expect("slots are listed").contains(&token.slot));
    assert!(token.library.slot_info(token.slot).expect("a slot is described").token_present);
    let info = token.library.token_info(token.slot).expect("a token is described");
    assert_eq!(info.label, token.label);
    assert!(!info.serial_number.is_empty());
    let flags = info.flags;
    assert!(flags.token_initialized && flags.user_pin_initialized && flags.login_required && flags.rng);
    assert!(!flags.user_pin_locked && !flags.so_pin_locked && !flags.user_pin_final_try);
    assert!(info.min_pin_len <= USER_PIN.len() as u64 && info.max_pin_len >= SO_PIN.len() as u64);

    let mechanisms = token.library.mechanism_list(token.slot).expect("mechanisms are listed");
    for needed in [
        Mechanism::EcEdwardsKeyPairGen,
        Mechanism::EcKeyPairGen,
        Mechanism::RsaPkcsKeyPairGen,
        Mechanism::GenericSecretKeyGen,
        Mechanism::AesKeyGen,
        Mechanism::Eddsa,
        Mechanism::Ecdsa,
        Mechanism::RsaPkcsPss(32),
        Mechanism::Sha256Hmac,
    ] {
        assert!(mechanisms.contains(&needed.number()), "{needed:?} is missing");
    }
    let unknown = 0xffff_fff0;
    assert_eq!(token.library.token_info(unknown), Err(Rv::SlotIdInvalid));
    assert_eq!(token.library.slot_info(unknown), Err(Rv::SlotIdInvalid));
    assert_eq!(token.library.open_session(unknown, false).map(drop), Err(Rv::SlotIdInvalid));

    let session = token.session(false);
    let (first, second) = (session.generate_random(32), session.generate_random(32));
    assert_eq!(first.as_ref().map(Vec::len), Ok(32));
    assert_ne!(first, second);
}

fn logins<C: Cryptoki>(token: &Token<C>) {
    let (first, second) = (token.session(true), token.session(false));
    assert_eq!(first.logout(), token.habits.logout_without_login);
    assert_eq!(first.login(UserType::User, &pin("not the user's")), Err(Rv::PinIncorrect));
    assert_eq!(first.login(UserType::User, &pin(SO_PIN)), Err(Rv::PinIncorrect), "each PIN is its role's");
    assert_eq!(first.login(UserType::So, &pin(SO_PIN)), Err(Rv::SessionReadOnlyExists));
    assert_eq!(first.login(UserType::User, &pin(USER_PIN)), Ok(()));
    assert_eq!(second.login(UserType::User, &pin(USER_PIN)), Err(Rv::UserAlreadyLoggedIn), "the login is shared");
    assert_eq!(second.logout(), Ok(()));
    assert_eq!(first.login(UserType::User, &pin(USER_PIN)), Ok(()), "the logout is shared");
    drop(second);
    assert_eq!(first.login(UserType::So, &pin(SO_PIN)), Err(Rv::UserAnotherAlreadyLoggedIn));
    drop(first);

    let session = token.session(true);
    assert_eq!(session.login(UserType::So, &pin(SO_PIN)), Ok(()), "the last session took the login with it");
    assert_eq!(token.library.open_session(token.slot, false).map(drop), Err(Rv::SessionReadWriteSoExists));
}

fn private_objects<C: Cryptoki>(token: &Token<C>) {
    let session = token.user();
    let (_, private) = ed25519(&session, "k", true).expect("a key is made");
    assert_eq!(session.find_objects(&[]).map(|all| all.len()), Ok(2));
    assert_eq!(session.find_objects(&[Attribute::Label("k".into())]).map(|all| all.len()), Ok(2));
    assert_eq!(session.find_objects(&[Attribute::Class(ObjectClass::PrivateKey)]), Ok(vec![private]));
    assert_eq!(session.find_objects(&[Attribute::Label("other".into())]), Ok(vec![]));

    session.logout().expect("the user logs out");
    let seen = session.find_objects(&[]).expect("objects are found");
    assert_eq!(seen.len(), 1, "only the public key is for everybody");
    let shown = session.attribute_value(seen[0], &[AttributeType::Class, AttributeType::Label]);
    let expected = [Attribute::Class(ObjectClass::PublicKey), Attribute::Label("k".into())];
    assert_eq!(shown, Ok(expected.map(Some).to_vec()));
    assert!(session.sign(&Mechanism::Eddsa, private, b"message").is_err(), "nobody is logged in");
    drop(session);

    let officer = token.session(true);
    officer.login(UserType::So, &pin(SO_PIN)).expect("the officer logs in");
    let private = officer.find_objects(&[Attribute::Class(ObjectClass::PrivateKey)]);
    assert_eq!(private, Ok(vec![]), "private objects are not the officer's");
}

fn pins<C: Cryptoki>(token: &Token<C>) {
    let session = token.user();
    ed25519(&session, "k", true).expect("a key is made");
    assert_eq!(session.set_pin(&pin("not the user's"), &pin("a new user's PIN")), Err(Rv::PinIncorrect));
    assert_eq!(session.set_pin(&pin(USER_PIN), &pin("")), Err(Rv::PinLenRange));
    assert_eq!(session.set_pin(&pin(USER_PIN), &pin("a new user's PIN")), Ok(()));
    assert_eq!(session.init_pin(&pin(USER_PIN)), Err(Rv::UserNotLoggedIn), "only the officer sets a PIN");
    drop(session);

    let session = token.session(true);
    assert_eq!(session.login(UserType::User, &pin(USER_PIN)), Err(Rv::PinIncorrect));
    assert_eq!(session.login(UserType::User, &pin("a new user's PIN")), Ok(()));
    assert_eq!(session.find_objects(&[]).map(|all| all.len()), Ok(2), "objects stay");
    drop(session);

    let officer = token.session(true);
    officer.login(UserType::So, &pin(SO_PIN)).expect("the officer logs in");
    assert_eq!(officer.init_pin(&pin("")), Err(Rv::PinLenRange));
    assert_eq!(officer.init_pin(&pin("the officer's choice")), Ok(()));
    assert_eq!(officer.set_pin(&pin(SO_PIN), &pin("another officer's")), Ok(()), "who is logged in changes their own");
    drop(officer);

    let session = token.session(true);
    assert_eq!(session.login(UserType::So, &pin(SO_PIN)), Err(Rv::PinIncorrect));
    assert_eq!(session.login(UserType::So, &pin("another officer's")), Ok(()));
    session.logout().expect("the officer logs out");
    assert_eq!(session.login(UserType::User, &pin("the officer's choice")), Ok(()));
    assert_eq!(session.find_objects(&[]).map(|all| all.len()), Ok(2), "objects stay");
    drop(session);
    let read_only = token.session(false);
    assert_eq!(read_only.set_pin(&pin("the officer's choice"), &pin(USER_PIN)), Err(Rv::SessionReadOnly));
}

fn locking<C: Cryptoki>(token: &Token<C>) {
    let session = token.session(true);
    let wrong = || session.login(UserType::User, &pin("not the user's"));
    let flags = || token.library.token_info(token.slot).expect("a token is described").flags;
    let Some(tries) = token.habits.tries else {
        for _ in 0..15 {
            assert_eq!(wrong(), Err(Rv::PinIncorrect));
        }
        assert!(flags().user_pin_count_low && !flags().user_pin_locked);
        assert_eq!(session.login(UserType::User, &pin(USER_PIN)), Ok(()));
        return;
    };
    // A right one forgives those before it.
    for _ in 1..tries {
        assert_eq!(wrong(), Err(Rv::PinIncorrect));
    }
    assert!(flags().user_pin_count_low && flags().user_pin_final_try && !flags().user_pin_locked);
    assert_eq!(session.login(UserType::User, &pin(USER_PIN)), Ok(()));
    assert!(!flags().user_pin_count_low && !flags().user_pin_final_try);
    session.logout().expect("the user logs out");
    for _ in 0..tries {
        assert_eq!(wrong(), Err(Rv::PinIncorrect));
    }
    assert!(flags().user_pin_locked && !flags().so_pin_locked);
    assert_eq!(wrong(), Err(Rv::PinLocked));
    assert_eq!(session.login(UserType::User, &pin(USER_PIN)), Err(Rv::PinLocked), "the right one is too late");
    session.login(UserType::So, &pin(SO_PIN)).expect("the officer logs in");
    session.init_pin(&pin(USER_PIN)).expect("the officer sets a PIN");
    session.logout().expect("the officer logs out");
    assert_eq!(session.login(UserType::User, &pin(USER_PIN)), Ok(()));
    assert!(!flags().user_pin_locked);
}

fn initialized_again<C: Cryptoki>(token: &Token<C>) {
    let session = token.user();
    ed25519(&session, "k", true).expect("a key is made");
    let again = |so_pin: &str| token.library.init_token(token.slot, &pin(so_pin), &token.label);
    assert_eq!(again(SO_PIN), Err(Rv::SessionExists));
    drop(session);
    assert_eq!(again("not the officer's"), Err(Rv::PinIncorrect));
    assert_eq!(again(SO_PIN), Ok(()));
    let info = token.library.token_info(token.slot).expect("a token is described");
    assert!(info.flags.token_initialized && !info.flags.user_pin_initialized);
    let session = token.session(true);
    assert_eq!(session.login(UserType::User, &pin(USER_PIN)), Err(Rv::UserPinNotInitialized));
    session.login(UserType::So, &pin(SO_PIN)).expect("the officer logs in");
    session.init_pin(&pin(USER_PIN)).expect("the officer sets a PIN");
    session.logout().expect("the officer logs out");
    session.login(UserType::User, &pin(USER_PIN)).expect("the user logs in");
    assert_eq!(session.find_objects(&[]), Ok(vec![]), "a new token has no object");
}

fn signing<C: Cryptoki<Session: Send> + Clone + Send + 'static>(token: &Token<C>) {
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

fn secrets_stay<C: Cryptoki>(token: &Token<C>) {
    let session = token.user();
    let (_, private) = ed25519(&session, "k", true).expect("a key is made");
    let mac = session.generate_key(&Mechanism::GenericSecretKeyGen, &secret("m", Attribute::Sign(true)));
    let wrapping = session.generate_key(&Mechanism::AesKeyGen, &secret("w", Attribute::Wrap(true))).expect("a key");
    for key in [private, mac.expect("a key is made"), wrapping] {
        use AttributeType as A;
        let shown = session
            .attribute_value(key, &[A::Value, A::Sensitive, A::Extractable, A::AlwaysSensitive, A::NeverExtractable]);
        let shown = shown.expect("attributes are answered");
        assert_eq!(shown[0], None, "the secret is not shown");
        assert_eq!(
            shown[1..],
            [
                Some(Attribute::Sensitive(true)),
                Some(Attribute::Extractable(false)),
                Some(Attribute::AlwaysSensitive(true)),
                Some(Attribute::NeverExtractable(true)),
            ]
        );
        let all = session.attribute_value(key, AttributeType::ALL).expect("attributes are answered");
        assert!(!all.iter().flatten().any(|attribute| attribute.kind() == A::Value));
        if wraps(token) {
            let wrapped = session.wrap_key(&Mechanism::AesKeyWrapKwp, wrapping, key);
            assert_eq!(wrapped, Err(Rv::KeyUnextractable));
        }
    }
    for attribute in [Attribute::Extractable(true), Attribute::Sensitive(false)] {
        let mut template = private_template("x", true);
        template.retain(|known| known.kind() != attribute.kind());
        template.push(attribute);
        let made = session.generate_key_pair(&Mechanism::EcEdwardsKeyPairGen, &public_template("x", true), &template);
        match token.habits.makes_extractable_private_keys {
            true => assert!(made.is_ok()),
            false => assert_eq!(made, Err(Rv::TemplateInconsistent)),
        }
    }
}

fn permissions<C: Cryptoki>(token: &Token<C>) {
    let session = token.user();
    let (public, private) = ed25519(&session, "k", true).expect("a key is made");
    let mute = |known: &Attribute| known.kind() != AttributeType::Sign;
    let mut template: Vec<Attribute> = private_template("mute", true).into_iter().filter(mute).collect();
    template.push(Attribute::Sign(false));
    let made = session.generate_key_pair(&Mechanism::EcEdwardsKeyPairGen, &public_template("mute", true), &template);
    let (_, mute) = made.expect("a key is made");
    assert_eq!(session.sign(&Mechanism::Eddsa, mute, b"m"), Err(Rv::KeyFunctionNotPermitted));
    assert!(session.sign(&Mechanism::Eddsa, public, b"m").is_err(), "a public key does not sign");
    assert_eq!(session.sign(&Mechanism::Sha256Hmac, private, b"m"), Err(token.habits.wrong_kind_of_key));
    assert_eq!(session.sign(&Mechanism::AesKeyGen, private, b"m"), Err(Rv::MechanismInvalid));
    assert_eq!(session.sign(&Mechanism::Eddsa, 0xffff_0001, b"m"), Err(token.habits.unknown_key));
    assert_eq!(session.attribute_value(0xffff_0001, &[AttributeType::Class]), Err(Rv::ObjectHandleInvalid));
    let no_curve: Vec<Attribute> =
        public_template("x", true).into_iter().filter(|known| known.kind() != AttributeType::EcParams).collect();
    let made = session.generate_key_pair(&Mechanism::EcKeyPairGen, &no_curve, &private_template("x", true));
    assert_eq!(made, Err(token.habits.no_curve));
    drop(session);

    let session = token.session(false);
    session.login(UserType::User, &pin(USER_PIN)).expect("the user logs in");
    assert_eq!(ed25519(&session, "k2", true), Err(Rv::SessionReadOnly));
    let found = session.find_objects(&[Attribute::Class(ObjectClass::PrivateKey), Attribute::Label("k".into())]);
    assert_eq!(session.destroy_object(found.expect("objects are found")[0]), Err(Rv::SessionReadOnly));
}

fn macs<C: Cryptoki<Session: Send> + Clone + Send + 'static>(token: &Token<C>) {
    let session = token.user();
    let key = given_secret(&session, KeyType::GenericSecret, &[7; 32], &[Attribute::Sign(true)]);
    for message in [&b""[..], b"a message", &[0xa5; 5000]] {
        assert_eq!(session.sign(&Mechanism::Sha256Hmac, key, message), Ok(HmacKey::new([7; 32]).mac(message).to_vec()));
    }
    drop(session);
    let keystore = token.keystore(USER_PIN);
    let made = keystore.generate("mac", NewKey::Mac).expect("a key is made");
    assert!(made.key_id.is_some() && made.public_key.is_none());
    signers::keyed_hashing(&keystore, "mac");
    assert_eq!(keystore.describe("mac", "mac"), Ok(made));
}

/// Test case 14 of the proposal of GCM: a key, a vector and a block of zeros.
fn gcm<C: Cryptoki>(token: &Token<C>) {
    const CIPHERTEXT: [u8; 32] = [
        0xce, 0xa7, 0x40, 0x3d, 0x4d, 0x60, 0x6b, 0x6e, 0x07, 0x4e, 0xc5, 0xd3, 0xba, 0xf3, 0x9d, 0x18, 0xd0, 0xd1,
        0xc8, 0xa7, 0x99, 0x99, 0x6b, 0xf0, 0x26, 0x5b, 0x98, 0xb5, 0xd4, 0x8a, 0xb9, 0x19,
    ];
    let session = token.user();
    let uses = [Attribute::Encrypt(true), Attribute::Decrypt(true)];
    let key = given_secret(&session, KeyType::Aes, &[0; 32], &uses);
    let with = |aad: &[u8]| Mechanism::AesGcm(GcmParams { iv: vec![0; 12], aad: aad.into(), tag_bits: 128 });
    assert_eq!(session.encrypt(&with(b""), key, &[0; 16]), Ok(CIPHERTEXT.to_vec()));
    assert_eq!(session.decrypt(&with(b""), key, &CIPHERTEXT), Ok(vec![0; 16]));
    let sealed = session.encrypt(&with(b"data"), key, b"text").expect("it is encrypted");
    assert_eq!(session.decrypt(&with(b"data"), key, &sealed), Ok(b"text".to_vec()));
    assert_eq!(session.decrypt(&with(b"other"), key, &sealed), Err(token.habits.changed_ciphertext));
    for bit in 0..sealed.len() * 8 {
        let mut flipped = sealed.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(session.decrypt(&with(b"data"), key, &flipped), Err(token.habits.changed_ciphertext), "bit {bit}");
    }
}

/// The first example of RFC 5649, and the keystore's use of it.
fn wrapping<C: Cryptoki<Session: Send> + Clone + Send + 'static>(token: &Token<C>) {
    let keystore = token.keystore(USER_PIN);
    keystore.generate("kek", NewKey::Wrapping).expect("a key is made");
    if !wraps(token) {
        let refused = keystore.wrapping_key("kek").map(drop);
        assert_eq!(refused, Err(TokenError::UnsupportedMechanism("CKM_AES_KEY_WRAP_KWP")));
        return;
    }
    const KEK: [u8; 24] = [
        0x58, 0x40, 0xdf, 0x6e, 0x29, 0xb0, 0x2a, 0xf1, 0xab, 0x49, 0x3b, 0x70, 0x5b, 0xf1, 0x6e, 0xa1, 0xae, 0x83,
        0x38, 0xf4, 0xdc, 0xc1, 0x76, 0xa8,
    ];
    const KEY: [u8; 20] = [
        0xc3, 0x7b, 0x7e, 0x64, 0x92, 0x58, 0x43, 0x40, 0xbe, 0xd1, 0x22, 0x07, 0x80, 0x89, 0x41, 0x15, 0x50, 0x68,
        0xf7, 0x38,
    ];
    const WRAPPED: [u8; 32] = [
        0x13, 0x8b, 0xde, 0xaa, 0x9b, 0x8f, 0xa7, 0xfc, 0x61, 0xf9, 0x77, 0x42, 0xe7, 0x22, 0x48, 0xee, 0x5a, 0xe6,
        0xae, 0x53, 0x60, 0xd1, 0xae, 0x6a, 0x5f, 0x54, 0xf3, 0x73, 0xfa, 0x54, 0x3b, 0x6a,
    ];
    let session = token.user();
    let kek = given_secret(&session, KeyType::Aes, &KEK, &[Attribute::Wrap(true), Attribute::Unwrap(true)]);
    let key = given_secret(&session, KeyType::GenericSecret, &KEY, &[]);
    assert_eq!(session.wrap_key(&Mechanism::AesKeyWrapKwp, kek, key), Ok(WRAPPED.to_vec()));
    drop(session);

    let kek = keystore.wrapping_key("kek").expect("the key wraps");
    for length in [1, 8, 20, 32, 512] {
        let plain = vec![0x5a; length];
        let wrapped = kek.wrap(&plain).expect("it is wrapped");
        assert_eq!(*kek.unwrap(&wrapped).expect("it is unwrapped"), plain);
    }
    let wrapped = kek.wrap(&[0x5a; 32]).expect("it is wrapped");
    for bit in 0..wrapped.len() * 8 {
        let mut flipped = wrapped.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(kek.unwrap(&flipped).is_err(), "bit {bit}");
    }
    for length in 0..wrapped.len() {
        assert!(kek.unwrap(&wrapped[..length]).is_err(), "length {length}");
    }
    let session = token.user();
    assert_eq!(session.find_objects(&[]).map(|all| all.len()), Ok(1), "nothing that was wrapped stays");
}

fn lifetimes<C: Cryptoki>(token: &Token<C>) {
    let (first, second) = (token.user(), token.session(true));
    ed25519(&first, "of the token", true).expect("a key is made");
    ed25519(&first, "of the session", false).expect("a key is made");
    let count_of = |session: &C::Session, label: &str| {
        session.find_objects(&[Attribute::Label(label.into())]).expect("objects are found").len()
    };
    assert_eq!((count_of(&second, "of the token"), count_of(&second, "of the session")), (2, 2));
    drop(first);
    assert_eq!((count_of(&second, "of the token"), count_of(&second, "of the session")), (2, 0));
    drop(second);

    let session = token.user();
    let found = session.find_objects(&[Attribute::Label("of the token".into())]).expect("objects are found");
    assert_eq!(found.len(), 2);
    for object in found {
        assert_eq!(session.destroy_object(object), Ok(()));
        assert_eq!(session.destroy_object(object), Err(Rv::ObjectHandleInvalid));
    }
    assert_eq!(count_of(&session, "of the token"), 0);
    drop(session);
    assert_eq!(count_of(&token.user(), "of the token"), 0);
}

fn keystore_errors<C: Cryptoki<Session: Send> + Clone + Send + 'static>(token: &Token<C>) {
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

/// Whatever is asked for, the answer is an object or an error; a secret that is not to be seen is not seen.
fn random_templates<C: Cryptoki>(token: &Token<C>) {
    let mut random = SeededRandom::new(crate::seed());
    let session = token.user();
    for round in 0..count(60, 1000) {
        let (first, second) = (random_template(&mut random), random_template(&mut random));
        let made: Vec<ObjectHandle> = match random.below(4) {
            0 => session.create_object(&first).into_iter().collect(),
            1 => {
                let kinds = [Mechanism::AesKeyGen, Mechanism::GenericSecretKeyGen, Mechanism::Eddsa];
                session.generate_key(pick(&mut random, &kinds), &first).into_iter().collect()
            }
            // RSA keys take seconds to make, and their templates are read by the same code.
            _ => {
                let kinds = [Mechanism::EcEdwardsKeyPairGen, Mechanism::EcKeyPairGen, Mechanism::AesKeyGen];
                let made = session.generate_key_pair(pick(&mut random, &kinds), &first, &second);
                made.into_iter().flat_map(|(public, private)| [public, private]).collect()
            }
        };
        for object in made {
            let shown = session.attribute_value(object, AttributeType::ALL).expect("attributes are answered");
            let shown: Vec<Attribute> = shown.into_iter().flatten().collect();
            let is = |attribute: Attribute| shown.contains(&attribute);
            let secret = is(Attribute::Sensitive(true)) || is(Attribute::Extractable(false));
            let has_value = shown.iter().any(|attribute| attribute.kind() == AttributeType::Value);
            assert!(!(secret && has_value), "round {round}: {first:?}, {second:?} shows a secret");
            session.destroy_object(object).expect("what was made can be destroyed");
        }
        let found = session.find_objects(&first).expect("any template can be searched for");
        assert!(found.is_empty(), "round {round}: nothing is left of {first:?}");
    }
}

fn no_pin_in_texts<C: Cryptoki<Session: Send> + Clone + Send + 'static>(token: &Token<C>) {
    const SECRET: &str = "XYZZY-not-to-be-seen";
    let mut said = vec![format!("{:?}", pin(SECRET))];
    let config = || Config { pin: Some(pin(SECRET)), so_pin: Some(pin(SECRET)), label: Some(token.label.clone()) };
    said.push(format!("{:?}", config()));
    let keystore = TokenKeystore::new(token.library.clone(), config());
    said.push(format!("{keystore:?}"));
    for error in [
        keystore.signing_key("k").map(drop).expect_err("the PIN is wrong"),
        keystore.mac_key("k").map(drop).expect_err("the PIN is wrong"),
        keystore.generate("k", NewKey::Mac).map(drop).expect_err("the PIN is wrong"),
        keystore.list().map(drop).expect_err("the PIN is wrong"),
    ] {
        said.push(format!("{error:?} {error} {:?}", KeyError::from(error.clone())));
    }
    let session = token.session(true);
    let rv = session.login(UserType::So, &pin(SECRET)).expect_err("the PIN is wrong");
    said.push(format!("{rv:?} {rv}"));
    let rv = session.set_pin(&pin(SECRET), &pin(SECRET)).expect_err("the PIN is wrong");
    said.push(format!("{rv:?} {rv}"));
    for text in said {
        assert!(!text.contains(SECRET) && !text.contains("XYZZY"), "{text}");
    }
}

// ---- What the checks are made of.

fn wraps<C: Cryptoki>(token: &Token<C>) -> bool {
    let mechanisms = token.library.mechanism_list(token.slot).expect("mechanisms are listed");
    mechanisms.contains(&Mechanism::AesKeyWrapKwp.number())
}

fn public_template(label: &str, of_token: bool) -> Vec<Attribute> {
    vec![
        Attribute::Token(of_token),
        Attribute::Private(false),
        Attribute::Label(label.into()),
        Attribute::Verify(true),
        Attribute::EcParams(ED25519_PARAMS.into()),
    ]
}

fn private_template(label: &str, of_token: bool) -> Vec<Attribute> {
    vec![
        Attribute::Token(of_token),
        Attribute::Private(true),
        Attribute::Label(label.into()),
        Attribute::Sensitive(true),
        Attribute::Extractable(false),
        Attribute::Sign(true),
    ]
}

fn ed25519(session: &impl Session, label: &str, of_token: bool) -> Result<(ObjectHandle, ObjectHandle), Rv> {
    let (public, private) = (public_template(label, of_token), private_template(label, of_token));
    session.generate_key_pair(&Mechanism::EcEdwardsKeyPairGen, &public, &private)
}

fn secret(label: &str, for_what: Attribute) -> Vec<Attribute> {
    vec![
        Attribute::Token(true),
        Attribute::Private(true),
        Attribute::Label(label.into()),
        Attribute::Sensitive(true),
        Attribute::Extractable(false),
        Attribute::ValueLen(32),
        for_what,
    ]
}

/// A key of the session whose value everybody knows.
fn given_secret(session: &impl Session, kind: KeyType, value: &[u8], uses: &[Attribute]) -> ObjectHandle {
    let mut template = vec![
        Attribute::Class(ObjectClass::SecretKey),
        Attribute::KeyType(kind),
        Attribute::Token(false),
        Attribute::Private(true),
        Attribute::Sensitive(false),
        Attribute::Extractable(true),
        Attribute::Value(value.into()),
    ];
    template.extend_from_slice(uses);
    session.create_object(&template).expect("a key of the session is made")
}

fn pick<'a, T>(random: &mut SeededRandom, all: &'a [T]) -> &'a T {
    &all[random.below(all.len() as u64) as usize]
}

fn random_template(random: &mut SeededRandom) -> Vec<Attribute> {
    let mut template = vec![Attribute::Label(format!("random-{}", random.word()))];
    for kind in AttributeType::ALL {
        if random.below(3) == 0 {
            template.push(random_attribute(random, *kind));
        }
    }
    template
}

fn random_attribute(random: &mut SeededRandom, kind: AttributeType) -> Attribute {
    let flag = random.below(2) == 0;
    let number = *pick(random, &[0, 1, 16, 31, 32, 33, 2048, u64::from(u32::MAX)]);
    let length = *pick(random, &[0, 1, 16, 32, 65, 1000]);
    let bytes: Vec<u8> = (0..length).map(|_| random.word() as u8).collect();
    let classes = [ObjectClass::PublicKey, ObjectClass::PrivateKey, ObjectClass::SecretKey, ObjectClass::Data];
    let kinds = [KeyType::Aes, KeyType::GenericSecret, KeyType::Ec, KeyType::EcEdwards, KeyType::Rsa];
    match kind {
        AttributeType::Class => Attribute::Class(*pick(random, &classes)),
        AttributeType::KeyType => Attribute::KeyType(*pick(random, &kinds)),
        AttributeType::Label => Attribute::Label("another".into()),
        AttributeType::Id => Attribute::Id(bytes),
        AttributeType::Modulus => Attribute::Modulus(bytes),
        AttributeType::PublicExponent => Attribute::PublicExponent(bytes),
        AttributeType::EcParams => {
            Attribute::EcParams(pick(random, &[ED25519_PARAMS.to_vec(), P256_PARAMS.to_vec(), bytes]).clone())
        }
        AttributeType::EcPoint => Attribute::EcPoint(bytes),
        AttributeType::Value => Attribute::Value(bytes),
        AttributeType::ModulusBits => Attribute::ModulusBits(number),
        AttributeType::ValueLen => Attribute::ValueLen(number),
        AttributeType::Token => Attribute::Token(flag),
        AttributeType::Private => Attribute::Private(flag),
        AttributeType::Sensitive => Attribute::Sensitive(flag),
        AttributeType::Encrypt => Attribute::Encrypt(flag),
        AttributeType::Decrypt => Attribute::Decrypt(flag),
        AttributeType::Wrap => Attribute::Wrap(flag),
        AttributeType::Unwrap => Attribute::Unwrap(flag),
        AttributeType::Sign => Attribute::Sign(flag),
        AttributeType::Verify => Attribute::Verify(flag),
        AttributeType::Extractable => Attribute::Extractable(flag),
        AttributeType::Local => Attribute::Local(flag),
        AttributeType::NeverExtractable => Attribute::NeverExtractable(flag),
        AttributeType::AlwaysSensitive => Attribute::AlwaysSensitive(flag),
    }
}
