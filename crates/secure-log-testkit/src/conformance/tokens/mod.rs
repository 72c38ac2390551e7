//! What every PKCS#11 token has to do, in software or not.
//!
//! Where the standard leaves a token a choice, or where one does not follow it, [`Habits`] says what it does instead, so
//! that the suite is the list of the differences. A difference that is not named here is a failure.

mod keystore;
mod templates;
mod token;

use secure_log_pkcs11::{
    Attribute, Cryptoki, ED25519_PARAMS, KeyType, Mechanism, ObjectClass, ObjectHandle, Pin, Rv, Session, SlotId,
    UserType,
};

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
    /// Whether `C_CreateObject` leaves in the session what it refused. The standard: a call that fails makes nothing.
    pub leaves_refused_objects: bool,
    /// Whether it has `CKM_AES_KEY_WRAP_KWP`. The standard leaves it to the token.
    pub wraps_by_kwp: bool,
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
        leaves_refused_objects: false,
        wraps_by_kwp: true,
    };

    /// SoftHSM 2.6.1: wrong PINs lock nothing, private keys can be made to leave and RFC 5649 is missing, all of which the
    /// standard leaves to the token; a changed ciphertext has a general error, logging out twice is fine and an object that was
    /// refused may be there all the same, none of which it does.
    pub const SOFTHSM: Habits = Habits {
        tries: None,
        makes_extractable_private_keys: true,
        changed_ciphertext: Rv::GeneralError,
        logout_without_login: Ok(()),
        leaves_refused_objects: true,
        wraps_by_kwp: false,
        ..Habits::STANDARD
    };
}

/// A check of the suite.
pub type Check<C> = fn(&Token<C>);

/// All checks by their names. Each wants a token of its own.
pub fn all<C: Cryptoki<Session: Send> + Clone + Send + 'static>() -> Vec<(&'static str, Check<C>)> {
    vec![
        ("it says what it is", token::information::<C>),
        ("logins", token::logins::<C>),
        ("private objects are for the user", token::private_objects::<C>),
        ("PINs are set and changed", token::pins::<C>),
        ("wrong PINs lock it, if anything does", token::locking::<C>),
        ("it is initialized again by its own officer alone", token::initialized_again::<C>),
        ("secrets stay", token::secrets_stay::<C>),
        ("keys do what they were made for", token::permissions::<C>),
        ("MACs are those of everybody else", token::macs::<C>),
        ("AES-GCM is that of everybody else", token::gcm::<C>),
        ("key wrapping is that of RFC 5649, if there is any", token::key_wrap::<C>),
        ("objects of the token stay, those of the session go", token::lifetimes::<C>),
        ("no text of it holds a PIN", token::no_pin_in_texts::<C>),
        ("templates of every kind", templates::random_templates::<C>),
        ("keystore: keys of every kind sign", keystore::signing::<C>),
        ("keystore: keys hash", keystore::hashing::<C>),
        ("keystore: keys wrap", keystore::wrapping::<C>),
        ("keystore: keys wrap the data keys of a log", keystore::sealing::<C>),
        ("keystore: it says what is wrong", keystore::errors::<C>),
        ("keystore: PINs are changed, and set by the officer", keystore::pins::<C>),
        ("keystore: no text holds a PIN", keystore::no_pin_in_texts::<C>),
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

// ---- What the checks are made of.

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
