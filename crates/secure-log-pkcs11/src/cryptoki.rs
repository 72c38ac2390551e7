//! `pkcs11:token/cryptoki` (wit/pkcs11, which says what each call does) as Rust: the same names, the same types.
//!
//! One trait stands for every token: the soft token, a token that another component has, and a module of the host.

use crate::pin::Pin;
use crate::rv::Rv;

/// `CK_SLOT_ID`.
pub type SlotId = u64;
/// `CK_OBJECT_HANDLE`.
pub type ObjectHandle = u64;
/// `CK_MECHANISM_TYPE`.
pub type MechanismType = u64;

/// A library of tokens.
pub trait Cryptoki {
    /// `CK_SESSION_HANDLE`; dropping it closes the session.
    type Session: Session;

    /// `C_GetSlotList`.
    fn slot_list(&self, token_present: bool) -> Result<Vec<SlotId>, Rv>;
    /// `C_GetSlotInfo`.
    fn slot_info(&self, slot: SlotId) -> Result<SlotInfo, Rv>;
    /// `C_GetTokenInfo`.
    fn token_info(&self, slot: SlotId) -> Result<TokenInfo, Rv>;
    /// `C_GetMechanismList`.
    fn mechanism_list(&self, slot: SlotId) -> Result<Vec<MechanismType>, Rv>;
    /// `C_InitToken`.
    fn init_token(&self, slot: SlotId, so_pin: &Pin, label: &str) -> Result<(), Rv>;
    /// `C_OpenSession`.
    fn open_session(&self, slot: SlotId, read_write: bool) -> Result<Self::Session, Rv>;
}

/// A session with a token.
pub trait Session {
    /// `C_Login`.
    fn login(&self, user: UserType, pin: &Pin) -> Result<(), Rv>;
    /// `C_Logout`.
    fn logout(&self) -> Result<(), Rv>;
    /// `C_InitPIN`.
    fn init_pin(&self, pin: &Pin) -> Result<(), Rv>;
    /// `C_SetPIN`.
    fn set_pin(&self, old: &Pin, new: &Pin) -> Result<(), Rv>;
    /// `C_FindObjects`.
    fn find_objects(&self, template: &[Attribute]) -> Result<Vec<ObjectHandle>, Rv>;
    /// `C_GetAttributeValue`.
    fn attribute_value(&self, object: ObjectHandle, types: &[AttributeType]) -> Result<Vec<Option<Attribute>>, Rv>;
    /// `C_CreateObject`.
    fn create_object(&self, template: &[Attribute]) -> Result<ObjectHandle, Rv>;
    /// `C_DestroyObject`.
    fn destroy_object(&self, object: ObjectHandle) -> Result<(), Rv>;
    /// `C_GenerateKey`.
    fn generate_key(&self, mechanism: &Mechanism, template: &[Attribute]) -> Result<ObjectHandle, Rv>;
    /// `C_GenerateKeyPair`: the public and the private key.
    fn generate_key_pair(
        &self,
        mechanism: &Mechanism,
        public: &[Attribute],
        private: &[Attribute],
    ) -> Result<(ObjectHandle, ObjectHandle), Rv>;
    /// `C_Sign`.
    fn sign(&self, mechanism: &Mechanism, key: ObjectHandle, data: &[u8]) -> Result<Vec<u8>, Rv>;
    /// `C_Encrypt`.
    fn encrypt(&self, mechanism: &Mechanism, key: ObjectHandle, data: &[u8]) -> Result<Vec<u8>, Rv>;
    /// `C_Decrypt`.
    fn decrypt(&self, mechanism: &Mechanism, key: ObjectHandle, data: &[u8]) -> Result<Vec<u8>, Rv>;
    /// `C_WrapKey`.
    fn wrap_key(&self, mechanism: &Mechanism, wrapping: ObjectHandle, key: ObjectHandle) -> Result<Vec<u8>, Rv>;
    /// `C_UnwrapKey`.
    fn unwrap_key(
        &self,
        mechanism: &Mechanism,
        unwrapping: ObjectHandle,
        wrapped: &[u8],
        template: &[Attribute],
    ) -> Result<ObjectHandle, Rv>;
    /// `C_GenerateRandom`.
    fn generate_random(&self, len: u32) -> Result<Vec<u8>, Rv>;
}

/// `CK_SLOT_INFO`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the standard has the meaning of each")]
pub struct SlotInfo {
    pub slot_description: String,
    pub manufacturer_id: String,
    pub token_present: bool,
    pub removable_device: bool,
    pub hw_slot: bool,
}

/// The flags of `CK_TOKEN_INFO` that say what can be done and what is left of the PINs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "the standard has the meaning of each")]
pub struct TokenFlags {
    pub rng: bool,
    pub write_protected: bool,
    pub login_required: bool,
    pub user_pin_initialized: bool,
    pub token_initialized: bool,
    pub user_pin_count_low: bool,
    pub user_pin_final_try: bool,
    pub user_pin_locked: bool,
    pub so_pin_count_low: bool,
    pub so_pin_final_try: bool,
    pub so_pin_locked: bool,
}

/// `CK_TOKEN_INFO`, texts without their padding.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the standard has the meaning of each")]
pub struct TokenInfo {
    pub label: String,
    pub manufacturer_id: String,
    pub model: String,
    pub serial_number: String,
    pub min_pin_len: u64,
    pub max_pin_len: u64,
    pub flags: TokenFlags,
}

/// `CK_USER_TYPE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserType {
    /// The security officer, who sets PINs and uses no key.
    So,
    /// Who uses keys.
    User,
}

/// Makes an enumeration of numbers that keeps those that it does not know.
macro_rules! open_numbers {
    ($(#[$doc:meta])* $name:ident { $($case:ident = $number:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[allow(missing_docs, reason = "the standard has the meaning of each")]
        pub enum $name {
            $($case,)*
            Other(u64),
        }

        impl $name {
            /// The number in the standard.
            pub fn number(self) -> u64 {
                match self {
                    $($name::$case => $number,)*
                    $name::Other(number) => number,
                }
            }

            /// The case of a number.
            pub fn from_number(number: u64) -> $name {
                match number {
                    $($number => $name::$case,)*
                    other => $name::Other(other),
                }
            }
        }
    };
}

open_numbers! {
    /// `CK_OBJECT_CLASS`.
    ObjectClass { Data = 0, Certificate = 1, PublicKey = 2, PrivateKey = 3, SecretKey = 4, }
}

open_numbers! {
    /// `CK_KEY_TYPE`.
    KeyType { Rsa = 0, Ec = 3, GenericSecret = 0x10, Aes = 0x1f, EcEdwards = 0x40, Sha256Hmac = 0x2b, }
}

/// Makes both enumerations of attributes out of one table.
macro_rules! attributes {
    ($d:tt $($case:ident($value:ty),)*) => {
        /// `CK_ATTRIBUTE_TYPE`, those that keys for signing, hashing and wrapping have.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[allow(missing_docs, reason = "the standard has the meaning of each")]
        pub enum AttributeType {
            $($case,)*
        }

        impl AttributeType {
            /// All of them.
            pub const ALL: &[AttributeType] = &[$(AttributeType::$case,)*];
        }

        /// `CK_ATTRIBUTE`: what an object is, and what a template asks for.
        #[derive(Clone, PartialEq, Eq)]
        #[allow(missing_docs, reason = "the standard has the meaning of each")]
        pub enum Attribute {
            $($case($value),)*
        }

        impl Attribute {
            /// Which attribute it is.
            pub fn kind(&self) -> AttributeType {
                match self {
                    $(Attribute::$case(_) => AttributeType::$case,)*
                }
            }
        }

        /// Values of secrets are not printed.
        impl std::fmt::Debug for Attribute {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                if let Attribute::Value(_) = self {
                    return f.write_str("Value(..)");
                }
                match self {
                    $(Attribute::$case(value) => f.debug_tuple(stringify!($case)).field(value).finish(),)*
                }
            }
        }

        /// Between these and the same types that a generator of bindings made. Called by `wit_conversions`.
        #[doc(hidden)]
        #[macro_export]
        macro_rules! wit_attributes {
            ($d wit:ident) => {
                impl From<$crate::Attribute> for $d wit::Attribute {
                    fn from(attribute: $crate::Attribute) -> Self {
                        match attribute {
                            $($crate::Attribute::$case(value) => Self::$case(value.into()),)*
                        }
                    }
                }

                impl From<$d wit::Attribute> for $crate::Attribute {
                    fn from(attribute: $d wit::Attribute) -> Self {
                        match attribute {
                            $($d wit::Attribute::$case(value) => Self::$case(value.into()),)*
                        }
                    }
                }

                impl From<$crate::AttributeType> for $d wit::AttributeType {
                    fn from(kind: $crate::AttributeType) -> Self {
                        match kind {
                            $($crate::AttributeType::$case => Self::$case,)*
                        }
                    }
                }

                impl From<$d wit::AttributeType> for $crate::AttributeType {
                    fn from(kind: $d wit::AttributeType) -> Self {
                        match kind {
                            $($d wit::AttributeType::$case => Self::$case,)*
                        }
                    }
                }
            };
        }
    };
}

attributes! { $
    Class(ObjectClass),
    Token(bool),
    Private(bool),
    Label(String),
    Id(Vec<u8>),
    KeyType(KeyType),
    Sensitive(bool),
    Encrypt(bool),
    Decrypt(bool),
    Wrap(bool),
    Unwrap(bool),
    Sign(bool),
    Verify(bool),
    Extractable(bool),
    Local(bool),
    NeverExtractable(bool),
    AlwaysSensitive(bool),
    Modulus(Vec<u8>),
    ModulusBits(u64),
    PublicExponent(Vec<u8>),
    EcParams(Vec<u8>),
    EcPoint(Vec<u8>),
    Value(Vec<u8>),
    ValueLen(u64),
}

/// `CK_MECHANISM`, with its parameter where it has one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "wit/pkcs11 and the standard have the meaning of each")]
pub enum Mechanism {
    RsaPkcsKeyPairGen,
    EcKeyPairGen,
    EcEdwardsKeyPairGen,
    GenericSecretKeyGen,
    AesKeyGen,
    Eddsa,
    Ecdsa,
    /// Over SHA-256, with a salt of so many bytes.
    RsaPkcsPss(u64),
    Sha256Hmac,
    AesGcm(GcmParams),
    AesKeyWrapKwp,
}

impl Mechanism {
    /// The number in the standard.
    pub fn number(&self) -> MechanismType {
        match self {
            Mechanism::RsaPkcsKeyPairGen => 0x0000,
            Mechanism::RsaPkcsPss(_) => 0x000d,
            Mechanism::Sha256Hmac => 0x0251,
            Mechanism::GenericSecretKeyGen => 0x0350,
            Mechanism::EcKeyPairGen => 0x1040,
            Mechanism::Ecdsa => 0x1041,
            Mechanism::EcEdwardsKeyPairGen => 0x1055,
            Mechanism::Eddsa => 0x1057,
            Mechanism::AesKeyGen => 0x1080,
            Mechanism::AesGcm(_) => 0x1087,
            Mechanism::AesKeyWrapKwp => 0x210b,
        }
    }
}

/// `CK_GCM_PARAMS`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the standard has the meaning of each")]
pub struct GcmParams {
    pub iv: Vec<u8>,
    pub aad: Vec<u8>,
    pub tag_bits: u64,
}

/// `CKA_EC_PARAMS` of Ed25519: the object identifier 1.3.101.112.
pub const ED25519_PARAMS: &[u8] = &[0x06, 0x03, 0x2b, 0x65, 0x70];
/// `CKA_EC_PARAMS` of P-256: the object identifier 1.2.840.10045.3.1.7.
pub const P256_PARAMS: &[u8] = &[0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
