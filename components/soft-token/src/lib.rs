//! The soft token component: `secure-log-token` on the files that the host shows, behind `pkcs11:token`.
//!
//! Everything that it decides, the library decides (docs/pkcs11.md); here are conversions only.

mod bindings {
    #![allow(unsafe_code, missing_docs, reason = "generated code is the only unsafe code here, and has no comments")]
    wit_bindgen::generate!({ world: "token-provider", path: "../../wit/pkcs11" });
    export!(Component);

    use super::Component;
}

use std::alloc::System;
use std::path::PathBuf;

use bindings::exports::pkcs11::token::cryptoki as wire;
use secure_log_disk::OsDisk;
use secure_log_pkcs11::{Attribute, AttributeType, Cryptoki, Mechanism, Pin, Session};
use secure_log_token::{SoftSession, SoftToken};
use zeroizing_alloc::ZeroAlloc;

/// Keys cross to others and back in buffers that the bindings free: they, and all others, are zeroed when they are freed.
#[global_allocator]
static ALLOCATOR: ZeroAlloc<System> = ZeroAlloc(System);

/// Names the folder of the token.
const TOKEN_DIR: &str = "SECURE_LOG_PKCS11_TOKEN_DIR";

secure_log_pkcs11::wit_conversions!(wire);

thread_local! {
    /// The token of this component instance, which has one thread; none where no folder is named.
    static TOKEN: Option<SoftToken<OsDisk>> =
        std::env::var(TOKEN_DIR).ok().filter(|dir| !dir.is_empty()).map(|dir| SoftToken::new(OsDisk, PathBuf::from(dir)));
}

/// Calls the token. Without a folder there is a slot and no token in it.
fn token<T>(call: impl FnOnce(&SoftToken<OsDisk>) -> Result<T, secure_log_pkcs11::Rv>) -> Result<T, wire::Rv> {
    TOKEN.with(|token| match token {
        Some(token) => call(token).map_err(wire::Rv::from),
        None => Err(wire::Rv::TokenNotPresent),
    })
}

struct Component;

struct Opened(SoftSession<OsDisk>);

impl wire::Guest for Component {
    type Session = Opened;

    fn get_slot_list(token_present: bool) -> Result<Vec<wire::SlotId>, wire::Rv> {
        match token(|token| token.slot_list(token_present)) {
            Err(wire::Rv::TokenNotPresent) => Ok(Vec::new()),
            other => other,
        }
    }

    fn get_slot_info(slot: wire::SlotId) -> Result<wire::SlotInfo, wire::Rv> {
        Ok(token(|token| token.slot_info(slot))?.into())
    }

    fn get_token_info(slot: wire::SlotId) -> Result<wire::TokenInfo, wire::Rv> {
        Ok(token(|token| token.token_info(slot))?.into())
    }

    fn get_mechanism_list(slot: wire::SlotId) -> Result<Vec<wire::MechanismType>, wire::Rv> {
        token(|token| token.mechanism_list(slot))
    }

    fn init_token(slot: wire::SlotId, so_pin: String, label: String) -> Result<(), wire::Rv> {
        token(|token| token.init_token(slot, &Pin::new(so_pin), &label))
    }

    fn open_session(slot: wire::SlotId, read_write: bool) -> Result<wire::Session, wire::Rv> {
        Ok(wire::Session::new(Opened(token(|token| token.open_session(slot, read_write))?)))
    }
}

impl wire::GuestSession for Opened {
    fn login(&self, user: wire::UserType, pin: String) -> Result<(), wire::Rv> {
        Ok(self.0.login(user.into(), &Pin::new(pin))?)
    }

    fn logout(&self) -> Result<(), wire::Rv> {
        Ok(self.0.logout()?)
    }

    fn init_pin(&self, pin: String) -> Result<(), wire::Rv> {
        Ok(self.0.init_pin(&Pin::new(pin))?)
    }

    fn set_pin(&self, old_pin: String, new_pin: String) -> Result<(), wire::Rv> {
        Ok(self.0.set_pin(&Pin::new(old_pin), &Pin::new(new_pin))?)
    }

    fn find_objects(&self, template: Vec<wire::Attribute>) -> Result<Vec<wire::ObjectHandle>, wire::Rv> {
        Ok(self.0.find_objects(&attributes(template))?)
    }

    fn get_attribute_value(
        &self,
        object: wire::ObjectHandle,
        types: Vec<wire::AttributeType>,
    ) -> Result<Vec<Option<wire::Attribute>>, wire::Rv> {
        let types: Vec<AttributeType> = types.into_iter().map(Into::into).collect();
        let found = self.0.attribute_value(object, &types)?;
        Ok(found.into_iter().map(|attribute| attribute.map(Into::into)).collect())
    }

    fn create_object(&self, template: Vec<wire::Attribute>) -> Result<wire::ObjectHandle, wire::Rv> {
        Ok(self.0.create_object(&attributes(template))?)
    }

    fn destroy_object(&self, object: wire::ObjectHandle) -> Result<(), wire::Rv> {
        Ok(self.0.destroy_object(object)?)
    }

    fn generate_key(
        &self,
        mechanism: wire::Mechanism,
        template: Vec<wire::Attribute>,
    ) -> Result<wire::ObjectHandle, wire::Rv> {
        Ok(self.0.generate_key(&mechanism.into(), &attributes(template))?)
    }

    fn generate_key_pair(
        &self,
        mechanism: wire::Mechanism,
        public_key: Vec<wire::Attribute>,
        private_key: Vec<wire::Attribute>,
    ) -> Result<(wire::ObjectHandle, wire::ObjectHandle), wire::Rv> {
        Ok(self.0.generate_key_pair(&mechanism.into(), &attributes(public_key), &attributes(private_key))?)
    }

    fn sign(&self, mechanism: wire::Mechanism, key: wire::ObjectHandle, data: Vec<u8>) -> Result<Vec<u8>, wire::Rv> {
        Ok(self.0.sign(&mechanism.into(), key, &data)?)
    }

    fn encrypt(&self, mechanism: wire::Mechanism, key: wire::ObjectHandle, data: Vec<u8>) -> Result<Vec<u8>, wire::Rv> {
        Ok(self.0.encrypt(&mechanism.into(), key, &data)?)
    }

    fn decrypt(&self, mechanism: wire::Mechanism, key: wire::ObjectHandle, data: Vec<u8>) -> Result<Vec<u8>, wire::Rv> {
        Ok(self.0.decrypt(&mechanism.into(), key, &data)?)
    }

    fn wrap_key(
        &self,
        mechanism: wire::Mechanism,
        wrapping_key: wire::ObjectHandle,
        key: wire::ObjectHandle,
    ) -> Result<Vec<u8>, wire::Rv> {
        Ok(self.0.wrap_key(&mechanism.into(), wrapping_key, key)?)
    }

    fn unwrap_key(
        &self,
        mechanism: wire::Mechanism,
        unwrapping_key: wire::ObjectHandle,
        wrapped_key: Vec<u8>,
        template: Vec<wire::Attribute>,
    ) -> Result<wire::ObjectHandle, wire::Rv> {
        let mechanism = Mechanism::from(mechanism);
        Ok(self.0.unwrap_key(&mechanism, unwrapping_key, &wrapped_key, &attributes(template))?)
    }

    fn generate_random(&self, len: u32) -> Result<Vec<u8>, wire::Rv> {
        Ok(self.0.generate_random(len)?)
    }
}

fn attributes(template: Vec<wire::Attribute>) -> Vec<Attribute> {
    template.into_iter().map(Into::into).collect()
}
