//! A PKCS#11 module of the host, loaded by the crate `cryptoki`.
//!
//! That crate calls into C, which is the one place below this interface where a fault of somebody else's code can do
//! anything at all: a module is trusted like the host itself.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, Rv as NativeRv, RvError};
use cryptoki::mechanism::aead::GcmParams as NativeGcmParams;
use cryptoki::mechanism::eddsa::{EddsaParams, EddsaSignatureScheme};
use cryptoki::mechanism::rsa::{PkcsMgfType, PkcsPssParams};
use cryptoki::mechanism::{Mechanism as NativeMechanism, MechanismType as NativeMechanismType};
use cryptoki::object as native;
use cryptoki::session as native_session;
use cryptoki::slot::Slot;
use cryptoki::types::{AuthPin, Ulong};

use crate::cryptoki::{
    Attribute, AttributeType, Cryptoki, GcmParams, KeyType, Mechanism, MechanismType, ObjectClass, ObjectHandle,
    Session, SlotId, SlotInfo, TokenFlags, TokenInfo, UserType,
};
use crate::pin::Pin;
use crate::rv::Rv;

/// A module, loaded and initialized.
#[derive(Clone, Debug)]
pub struct Module(Pkcs11);

/// Why a module cannot be used.
#[derive(Debug)]
pub struct LoadError(Error);

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the PKCS#11 module cannot be loaded: {}", self.0)
    }
}

impl std::error::Error for LoadError {}

impl Module {
    /// Loads a module, such as `/usr/lib/softhsm/libsofthsm2.so`. One that this process has initialized already is used
    /// as it is.
    pub fn load(path: &Path) -> Result<Module, LoadError> {
        let module = Pkcs11::new(path).map_err(LoadError)?;
        match module.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
            Ok(()) | Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => Ok(Module(module)),
            Err(error) => Err(LoadError(error)),
        }
    }
}

impl Cryptoki for Module {
    type Session = ModuleSession;

    fn slot_list(&self, token_present: bool) -> Result<Vec<SlotId>, Rv> {
        let slots = if token_present { self.0.get_slots_with_token() } else { self.0.get_all_slots() };
        Ok(slots.map_err(failed)?.iter().map(Slot::id).collect())
    }

    fn slot_info(&self, slot: SlotId) -> Result<SlotInfo, Rv> {
        let info = self.0.get_slot_info(slot_of(slot)?).map_err(failed)?;
        Ok(SlotInfo {
            slot_description: info.slot_description().into(),
            manufacturer_id: info.manufacturer_id().into(),
            token_present: info.token_present(),
            removable_device: info.removable_device(),
            hw_slot: info.hardware_slot(),
        })
    }

    fn token_info(&self, slot: SlotId) -> Result<TokenInfo, Rv> {
        let info = self.0.get_token_info(slot_of(slot)?).map_err(failed)?;
        Ok(TokenInfo {
            label: info.label().into(),
            manufacturer_id: info.manufacturer_id().into(),
            model: info.model().into(),
            serial_number: info.serial_number().into(),
            min_pin_len: info.min_pin_length() as u64,
            max_pin_len: info.max_pin_length() as u64,
            flags: TokenFlags {
                rng: info.rng(),
                write_protected: info.write_protected(),
                login_required: info.login_required(),
                user_pin_initialized: info.user_pin_initialized(),
                token_initialized: info.token_initialized(),
                user_pin_count_low: info.user_pin_count_low(),
                user_pin_final_try: info.user_pin_final_try(),
                user_pin_locked: info.user_pin_locked(),
                so_pin_count_low: info.so_pin_count_low(),
                so_pin_final_try: info.so_pin_final_try(),
                so_pin_locked: info.so_pin_locked(),
            },
        })
    }

    /// Those that the crate knows; for the others there would be no way to ask for them.
    fn mechanism_list(&self, slot: SlotId) -> Result<Vec<MechanismType>, Rv> {
        let list = self.0.get_mechanism_list(slot_of(slot)?).map_err(failed)?;
        Ok(list.into_iter().map(|kind| *kind).collect())
    }

    fn init_token(&self, slot: SlotId, so_pin: &Pin, label: &str) -> Result<(), Rv> {
        self.0.init_token(slot_of(slot)?, &auth_pin(so_pin), label).map_err(failed)
    }

    fn open_session(&self, slot: SlotId, read_write: bool) -> Result<ModuleSession, Rv> {
        let slot = slot_of(slot)?;
        let session = if read_write { self.0.open_rw_session(slot) } else { self.0.open_ro_session(slot) };
        Ok(ModuleSession { session: session.map_err(failed)?, objects: Mutex::default() })
    }
}

/// A session with a token of a [`Module`].
#[derive(Debug)]
pub struct ModuleSession {
    session: native_session::Session,
    /// The objects that were answered: a number that nobody was given never reaches the module.
    objects: Mutex<BTreeMap<ObjectHandle, native::ObjectHandle>>,
}

impl ModuleSession {
    fn answered(&self, object: native::ObjectHandle) -> ObjectHandle {
        let handle = object.handle();
        self.objects.lock().unwrap_or_else(PoisonError::into_inner).insert(handle, object);
        handle
    }

    fn object(&self, handle: ObjectHandle, unknown: Rv) -> Result<native::ObjectHandle, Rv> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner).get(&handle).copied().ok_or(unknown)
    }
}

impl Session for ModuleSession {
    fn login(&self, user: UserType, pin: &Pin) -> Result<(), Rv> {
        let user = match user {
            UserType::So => native_session::UserType::So,
            UserType::User => native_session::UserType::User,
        };
        self.session.login(user, Some(&auth_pin(pin))).map_err(failed)
    }

    fn logout(&self) -> Result<(), Rv> {
        self.session.logout().map_err(failed)
    }

    fn init_pin(&self, pin: &Pin) -> Result<(), Rv> {
        self.session.init_pin(&auth_pin(pin)).map_err(failed)
    }

    fn set_pin(&self, old: &Pin, new: &Pin) -> Result<(), Rv> {
        self.session.set_pin(&auth_pin(old), &auth_pin(new)).map_err(failed)
    }

    fn find_objects(&self, template: &[Attribute]) -> Result<Vec<ObjectHandle>, Rv> {
        let found = self.session.find_objects(&to_native(template)?).map_err(failed)?;
        Ok(found.into_iter().map(|object| self.answered(object)).collect())
    }

    fn attribute_value(&self, object: ObjectHandle, types: &[AttributeType]) -> Result<Vec<Option<Attribute>>, Rv> {
        let wanted: Vec<_> = types.iter().map(|kind| type_to_native(*kind)).collect();
        let object = self.object(object, Rv::ObjectHandleInvalid)?;
        let found = self.session.get_attributes(object, &wanted).map_err(failed)?;
        let found: Vec<Attribute> = found.into_iter().filter_map(from_native).collect();
        Ok(types.iter().map(|kind| found.iter().find(|attribute| attribute.kind() == *kind).cloned()).collect())
    }

    fn create_object(&self, template: &[Attribute]) -> Result<ObjectHandle, Rv> {
        Ok(self.answered(self.session.create_object(&new_object(template)?).map_err(failed)?))
    }

    fn destroy_object(&self, object: ObjectHandle) -> Result<(), Rv> {
        self.session.destroy_object(self.object(object, Rv::ObjectHandleInvalid)?).map_err(failed)
    }

    fn generate_key(&self, mechanism: &Mechanism, template: &[Attribute]) -> Result<ObjectHandle, Rv> {
        let template = new_object(template)?;
        with_mechanism(mechanism, |mechanism| self.session.generate_key(mechanism, &template))
            .map(|object| self.answered(object))
    }

    fn generate_key_pair(
        &self,
        mechanism: &Mechanism,
        public: &[Attribute],
        private: &[Attribute],
    ) -> Result<(ObjectHandle, ObjectHandle), Rv> {
        let (public, private) = (new_object(public)?, new_object(private)?);
        with_mechanism(mechanism, |mechanism| self.session.generate_key_pair(mechanism, &public, &private))
            .map(|(public, private)| (self.answered(public), self.answered(private)))
    }

    fn sign(&self, mechanism: &Mechanism, key: ObjectHandle, data: &[u8]) -> Result<Vec<u8>, Rv> {
        let key = self.object(key, Rv::KeyHandleInvalid)?;
        with_mechanism(mechanism, |mechanism| self.session.sign(mechanism, key, data))
    }

    fn encrypt(&self, mechanism: &Mechanism, key: ObjectHandle, data: &[u8]) -> Result<Vec<u8>, Rv> {
        let key = self.object(key, Rv::KeyHandleInvalid)?;
        with_mechanism(mechanism, |mechanism| self.session.encrypt(mechanism, key, data))
    }

    fn decrypt(&self, mechanism: &Mechanism, key: ObjectHandle, data: &[u8]) -> Result<Vec<u8>, Rv> {
        let key = self.object(key, Rv::KeyHandleInvalid)?;
        with_mechanism(mechanism, |mechanism| self.session.decrypt(mechanism, key, data))
    }

    fn wrap_key(&self, mechanism: &Mechanism, wrapping: ObjectHandle, key: ObjectHandle) -> Result<Vec<u8>, Rv> {
        let wrapping = self.object(wrapping, Rv::WrappingKeyHandleInvalid)?;
        let key = self.object(key, Rv::KeyHandleInvalid)?;
        with_mechanism(mechanism, |mechanism| self.session.wrap_key(mechanism, wrapping, key))
    }

    fn unwrap_key(
        &self,
        mechanism: &Mechanism,
        unwrapping: ObjectHandle,
        wrapped: &[u8],
        template: &[Attribute],
    ) -> Result<ObjectHandle, Rv> {
        let unwrapping = self.object(unwrapping, Rv::UnwrappingKeyHandleInvalid)?;
        let template = new_object(template)?;
        with_mechanism(mechanism, |mechanism| self.session.unwrap_key(mechanism, unwrapping, wrapped, &template))
            .map(|object| self.answered(object))
    }

    fn generate_random(&self, len: u32) -> Result<Vec<u8>, Rv> {
        self.session.generate_random_vec(len).map_err(failed)
    }
}

fn slot_of(slot: SlotId) -> Result<Slot, Rv> {
    Slot::try_from(slot).map_err(|_| Rv::SlotIdInvalid)
}

fn auth_pin(pin: &Pin) -> AuthPin {
    AuthPin::from(pin.expose().to_owned())
}

/// The code of a failure. What the crate refuses by itself has the code that a module would have answered.
fn failed(error: Error) -> Rv {
    match error {
        Error::Pkcs11(RvError::UnknownErrorCode(code) | RvError::VendorDefined(code), _) => Rv::from_code(code),
        Error::Pkcs11(error, _) => {
            let same = |rv: &&Rv| NativeRv::from(rv.code()) == NativeRv::Error(error);
            Rv::ALL.iter().find(same).copied().unwrap_or(Rv::GeneralError)
        }
        Error::NullFunctionPointer | Error::MissingSymbol(_) => Rv::FunctionNotSupported,
        Error::NotSupported => Rv::MechanismInvalid,
        Error::TryFromInt(_) | Error::TryFromSlice(_) | Error::NulError(_) | Error::InvalidValue => Rv::ArgumentsBad,
        _ => Rv::GeneralError,
    }
}

/// Calls with the mechanism as the crate has it.
fn with_mechanism<T>(
    mechanism: &Mechanism,
    call: impl FnOnce(&NativeMechanism<'_>) -> Result<T, Error>,
) -> Result<T, Rv> {
    let simple = match mechanism {
        Mechanism::AesGcm(GcmParams { iv, aad, tag_bits }) => {
            let (mut iv, bits) = (iv.clone(), ulong(*tag_bits)?);
            let params = NativeGcmParams::new(&mut iv, aad, bits).map_err(failed)?;
            return call(&NativeMechanism::AesGcm(params)).map_err(failed);
        }
        Mechanism::RsaPkcsPss(salt) => NativeMechanism::RsaPkcsPss(PkcsPssParams {
            hash_alg: NativeMechanismType::SHA256,
            mgf: PkcsMgfType::MGF1_SHA256,
            s_len: ulong(*salt)?,
        }),
        Mechanism::RsaPkcsKeyPairGen => NativeMechanism::RsaPkcsKeyPairGen,
        Mechanism::EcKeyPairGen => NativeMechanism::EccKeyPairGen,
        Mechanism::EcEdwardsKeyPairGen => NativeMechanism::EccEdwardsKeyPairGen,
        Mechanism::GenericSecretKeyGen => NativeMechanism::GenericSecretKeyGen,
        Mechanism::AesKeyGen => NativeMechanism::AesKeyGen,
        Mechanism::Eddsa => NativeMechanism::Eddsa(EddsaParams::new(EddsaSignatureScheme::Pure)),
        Mechanism::Ecdsa => NativeMechanism::Ecdsa,
        Mechanism::Sha256Hmac => NativeMechanism::Sha256Hmac,
        // The crate has no way to ask for it.
        Mechanism::AesKeyWrapKwp => return Err(Rv::MechanismInvalid),
    };
    call(&simple).map_err(failed)
}

/// The template of an object that is to be made. A module takes the parameters of a curve apart, in C: SoftHSM 2.6.1 reads
/// as far as the length in them says, beyond their end, and takes the process with it.
fn new_object(template: &[Attribute]) -> Result<Vec<native::Attribute>, Rv> {
    for attribute in template {
        if let Attribute::EcParams(params) = attribute
            && !is_der_element(params)
        {
            return Err(Rv::DomainParamsInvalid);
        }
    }
    to_native(template)
}

/// Whether these are a tag, a length and as many bytes.
fn is_der_element(bytes: &[u8]) -> bool {
    match bytes {
        [_, length @ 0..=0x7f, rest @ ..] => rest.len() == usize::from(*length),
        [_, 0x81, length @ 0x80..=0xff, rest @ ..] => rest.len() == usize::from(*length),
        [_, 0x82, high @ 1..=0xff, low, rest @ ..] => rest.len() == usize::from(u16::from_be_bytes([*high, *low])),
        _ => false,
    }
}

fn ulong(number: u64) -> Result<Ulong, Rv> {
    usize::try_from(number).ok().and_then(|number| number.try_into().ok()).ok_or(Rv::MechanismParamInvalid)
}

/// Makes the conversions of attributes: a line for those that are the same on both sides.
macro_rules! conversions {
    ($($case:ident),*) => {
        fn type_to_native(kind: AttributeType) -> native::AttributeType {
            match kind {
                AttributeType::Class => native::AttributeType::Class,
                AttributeType::KeyType => native::AttributeType::KeyType,
                AttributeType::Label => native::AttributeType::Label,
                AttributeType::ModulusBits => native::AttributeType::ModulusBits,
                AttributeType::ValueLen => native::AttributeType::ValueLen,
                $(AttributeType::$case => native::AttributeType::$case,)*
            }
        }

        fn to_native(template: &[Attribute]) -> Result<Vec<native::Attribute>, Rv> {
            template
                .iter()
                .map(|attribute| {
                    Ok(match attribute.clone() {
                        Attribute::Class(class) => native::Attribute::Class(
                            native::ObjectClass::try_from(class.number()).map_err(|_| Rv::AttributeValueInvalid)?,
                        ),
                        Attribute::KeyType(kind) => native::Attribute::KeyType(
                            native::KeyType::try_from(kind.number()).map_err(|_| Rv::AttributeValueInvalid)?,
                        ),
                        Attribute::Label(label) => native::Attribute::Label(label.into_bytes()),
                        Attribute::ModulusBits(bits) => native::Attribute::ModulusBits(ulong(bits)?),
                        Attribute::ValueLen(bytes) => native::Attribute::ValueLen(ulong(bytes)?),
                        $(Attribute::$case(value) => native::Attribute::$case(value),)*
                    })
                })
                .collect()
        }

        /// A label that is not UTF-8 is shown as one that is, and can then not be asked for.
        fn from_native(attribute: native::Attribute) -> Option<Attribute> {
            Some(match attribute {
                native::Attribute::Class(class) => Attribute::Class(ObjectClass::from_number(*class)),
                native::Attribute::KeyType(kind) => Attribute::KeyType(KeyType::from_number(*kind)),
                native::Attribute::Label(label) => Attribute::Label(String::from_utf8_lossy(&label).into_owned()),
                native::Attribute::ModulusBits(bits) => Attribute::ModulusBits(*bits),
                native::Attribute::ValueLen(bytes) => Attribute::ValueLen(*bytes),
                $(native::Attribute::$case(value) => Attribute::$case(value),)*
                _ => return None,
            })
        }
    };
}

conversions!(
    Token,
    Private,
    Id,
    Sensitive,
    Encrypt,
    Decrypt,
    Wrap,
    Unwrap,
    Sign,
    Verify,
    Extractable,
    Local,
    NeverExtractable,
    AlwaysSensitive,
    Modulus,
    PublicExponent,
    EcParams,
    EcPoint,
    Value
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ED25519_PARAMS, P256_PARAMS};

    #[test]
    fn parameters_are_whole_or_never_reach_a_module() {
        let long = [&[0x30, 0x82, 1, 0], &[0; 256][..]].concat();
        let middle = [&[0x30, 0x81, 0x80], &[0; 128][..]].concat();
        for whole in [ED25519_PARAMS, P256_PARAMS, b"\x13\x0cedwards25519", &[5, 0], &middle, &long] {
            assert!(is_der_element(whole));
            for length in 0..whole.len() {
                let cut = new_object(&[Attribute::EcParams(whole[..length].into())]);
                assert_eq!(cut.map(drop), Err(Rv::DomainParamsInvalid), "{whole:?} cut to {length}");
            }
            assert!(!is_der_element(&[whole, &[0]].concat()));
        }
        // Lengths have one spelling.
        assert!(
            !is_der_element(&[5, 0x81, 1, 0]) && !is_der_element(&[5, 0x82, 0, 1, 0]) && !is_der_element(&[5, 0x80])
        );
    }
}
