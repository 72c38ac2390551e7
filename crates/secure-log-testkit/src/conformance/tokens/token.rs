//! What a token does, whoever uses it.

use secure_log::hash::HmacKey;
use secure_log_pkcs11::{
    Attribute, AttributeType, Cryptoki, GcmParams, KeyType, Mechanism, ObjectClass, Rv, Session, UserType,
};

use super::{SO_PIN, Token, USER_PIN, ed25519, given_secret, pin, private_template, public_template, secret};

pub(super) fn information<C: Cryptoki>(token: &Token<C>) {
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
        gcm_with(b""),
    ] {
        assert!(mechanisms.contains(&needed.number()), "{needed:?} is missing");
    }
    assert_eq!(mechanisms.contains(&Mechanism::AesKeyWrapKwp.number()), token.habits.wraps_by_kwp);
    let unknown = 0xffff_fff0;
    assert_eq!(token.library.token_info(unknown), Err(Rv::SlotIdInvalid));
    assert_eq!(token.library.slot_info(unknown), Err(Rv::SlotIdInvalid));
    assert_eq!(token.library.open_session(unknown, false).map(drop), Err(Rv::SlotIdInvalid));

    let session = token.session(false);
    let (first, second) = (session.generate_random(32), session.generate_random(32));
    assert_eq!(first.as_ref().map(Vec::len), Ok(32));
    assert_ne!(first, second);
}

pub(super) fn logins<C: Cryptoki>(token: &Token<C>) {
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

pub(super) fn private_objects<C: Cryptoki>(token: &Token<C>) {
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

pub(super) fn pins<C: Cryptoki>(token: &Token<C>) {
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

pub(super) fn locking<C: Cryptoki>(token: &Token<C>) {
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

pub(super) fn initialized_again<C: Cryptoki>(token: &Token<C>) {
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

pub(super) fn secrets_stay<C: Cryptoki>(token: &Token<C>) {
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
        if token.habits.wraps_by_kwp {
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

pub(super) fn permissions<C: Cryptoki>(token: &Token<C>) {
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
    // The length in these parameters goes beyond them.
    let mut beyond = no_curve;
    beyond.push(Attribute::EcParams(vec![0x13, 0x15, 0x90, 0x09]));
    for mechanism in [Mechanism::EcKeyPairGen, Mechanism::EcEdwardsKeyPairGen] {
        assert!(session.generate_key_pair(&mechanism, &beyond, &private_template("x", true)).is_err());
    }
    let no_value = [
        Attribute::Class(ObjectClass::SecretKey),
        Attribute::KeyType(KeyType::GenericSecret),
        Attribute::Label("no value".into()),
    ];
    assert_eq!(session.create_object(&no_value), Err(Rv::TemplateIncomplete));
    let left = session.find_objects(&no_value).expect("objects are found").len();
    assert_eq!(left, usize::from(token.habits.leaves_refused_objects), "what was refused is not there");
    drop(session);

    let session = token.session(false);
    session.login(UserType::User, &pin(USER_PIN)).expect("the user logs in");
    assert_eq!(ed25519(&session, "k2", true), Err(Rv::SessionReadOnly));
    let found = session.find_objects(&[Attribute::Class(ObjectClass::PrivateKey), Attribute::Label("k".into())]);
    assert_eq!(session.destroy_object(found.expect("objects are found")[0]), Err(Rv::SessionReadOnly));
}

pub(super) fn macs<C: Cryptoki>(token: &Token<C>) {
    let session = token.user();
    let key = given_secret(&session, KeyType::GenericSecret, &[7; 32], &[Attribute::Sign(true)]);
    for message in [&b""[..], b"a message", &[0xa5; 5000]] {
        assert_eq!(session.sign(&Mechanism::Sha256Hmac, key, message), Ok(HmacKey::new([7; 32]).mac(message).to_vec()));
    }
}

/// Test case 14 of the proposal of GCM: a key, a vector and a block of zeros.
pub(super) fn gcm<C: Cryptoki>(token: &Token<C>) {
    const CIPHERTEXT: [u8; 32] = [
        0xce, 0xa7, 0x40, 0x3d, 0x4d, 0x60, 0x6b, 0x6e, 0x07, 0x4e, 0xc5, 0xd3, 0xba, 0xf3, 0x9d, 0x18, 0xd0, 0xd1,
        0xc8, 0xa7, 0x99, 0x99, 0x6b, 0xf0, 0x26, 0x5b, 0x98, 0xb5, 0xd4, 0x8a, 0xb9, 0x19,
    ];
    let session = token.user();
    let uses = [Attribute::Encrypt(true), Attribute::Decrypt(true)];
    let key = given_secret(&session, KeyType::Aes, &[0; 32], &uses);
    assert_eq!(session.encrypt(&gcm_with(b""), key, &[0; 16]), Ok(CIPHERTEXT.to_vec()));
    assert_eq!(session.decrypt(&gcm_with(b""), key, &CIPHERTEXT), Ok(vec![0; 16]));
    let sealed = session.encrypt(&gcm_with(b"data"), key, b"text").expect("it is encrypted");
    assert_eq!(session.decrypt(&gcm_with(b"data"), key, &sealed), Ok(b"text".to_vec()));
    assert_eq!(session.decrypt(&gcm_with(b"other"), key, &sealed), Err(token.habits.changed_ciphertext));
    for bit in 0..sealed.len() * 8 {
        let mut flipped = sealed.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(
            session.decrypt(&gcm_with(b"data"), key, &flipped),
            Err(token.habits.changed_ciphertext),
            "bit {bit}"
        );
    }
}

fn gcm_with(aad: &[u8]) -> Mechanism {
    Mechanism::AesGcm(GcmParams { iv: vec![0; 12], aad: aad.into(), tag_bits: 128 })
}

/// The first example of RFC 5649.
pub(super) fn key_wrap<C: Cryptoki>(token: &Token<C>) {
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
    let wrapped = session.wrap_key(&Mechanism::AesKeyWrapKwp, kek, key);
    if token.habits.wraps_by_kwp {
        assert_eq!(wrapped, Ok(WRAPPED.to_vec()));
    } else {
        assert_eq!(wrapped, Err(Rv::MechanismInvalid));
    }
}

pub(super) fn lifetimes<C: Cryptoki>(token: &Token<C>) {
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

/// The PIN of the check below and of that over the keystore.
pub(super) const SECRET: &str = "XYZZY-not-to-be-seen";

pub(super) fn no_pin_in_texts<C: Cryptoki>(token: &Token<C>) {
    assert!(!format!("{:?}", pin(SECRET)).contains("XYZZY"));
    let session = token.session(true);
    for rv in [
        session.login(UserType::So, &pin(SECRET)).expect_err("the PIN is wrong"),
        session.login(UserType::User, &pin(SECRET)).expect_err("the PIN is wrong"),
        session.set_pin(&pin(SECRET), &pin(SECRET)).expect_err("the PIN is wrong"),
    ] {
        let said = format!("{rv:?} {rv}");
        assert!(!said.contains("XYZZY"), "{said}");
    }
}
