//! The imported token, as the library sees it.

use secure_log_pkcs11::{
    Attribute, AttributeType, Cryptoki, Mechanism, MechanismType, ObjectHandle, Pin, Rv, Session, SlotId, SlotInfo,
    TokenInfo, UserType,
};

use crate::bindings::pkcs11::token::cryptoki as wire;

secure_log_pkcs11::wit_conversions!(wire);

/// Whatever token the composition or the host gives.
#[derive(Clone, Copy)]
pub(crate) struct Imported;

/// A session with it.
pub(crate) struct ImportedSession(wire::Session);

impl Cryptoki for Imported {
    type Session = ImportedSession;

    fn slot_list(&self, token_present: bool) -> Result<Vec<SlotId>, Rv> {
        Ok(wire::get_slot_list(token_present)?)
    }

    fn slot_info(&self, slot: SlotId) -> Result<SlotInfo, Rv> {
        Ok(wire::get_slot_info(slot)?.into())
    }

    fn token_info(&self, slot: SlotId) -> Result<TokenInfo, Rv> {
        Ok(wire::get_token_info(slot)?.into())
    }

    fn mechanism_list(&self, slot: SlotId) -> Result<Vec<MechanismType>, Rv> {
        Ok(wire::get_mechanism_list(slot)?)
    }

    fn init_token(&self, slot: SlotId, so_pin: &Pin, label: &str) -> Result<(), Rv> {
        Ok(wire::init_token(slot, so_pin.expose(), label)?)
    }

    fn open_session(&self, slot: SlotId, read_write: bool) -> Result<ImportedSession, Rv> {
        Ok(ImportedSession(wire::open_session(slot, read_write)?))
    }
}

impl Session for ImportedSession {
    fn login(&self, user: UserType, pin: &Pin) -> Result<(), Rv> {
        Ok(self.0.login(user.into(), pin.expose())?)
    }

    fn logout(&self) -> Result<(), Rv> {
        Ok(self.0.logout()?)
    }

    fn init_pin(&self, pin: &Pin) -> Result<(), Rv> {
        Ok(self.0.init_pin(pin.expose())?)
    }

    fn set_pin(&self, old: &Pin, new: &Pin) -> Result<(), Rv> {
        Ok(self.0.set_pin(old.expose(), new.expose())?)
    }

    fn find_objects(&self, template: &[Attribute]) -> Result<Vec<ObjectHandle>, Rv> {
        Ok(self.0.find_objects(&attributes(template))?)
    }

    fn attribute_value(&self, object: ObjectHandle, types: &[AttributeType]) -> Result<Vec<Option<Attribute>>, Rv> {
        let types: Vec<wire::AttributeType> = types.iter().map(|kind| (*kind).into()).collect();
        let found = self.0.get_attribute_value(object, &types)?;
        Ok(found.into_iter().map(|attribute| attribute.map(Into::into)).collect())
    }

    fn create_object(&self, template: &[Attribute]) -> Result<ObjectHandle, Rv> {
        Ok(self.0.create_object(&attributes(template))?)
    }

    fn destroy_object(&self, object: ObjectHandle) -> Result<(), Rv> {
        Ok(self.0.destroy_object(object)?)
    }

    fn generate_key(&self, mechanism: &Mechanism, template: &[Attribute]) -> Result<ObjectHandle, Rv> {
        Ok(self.0.generate_key(&mechanism.clone().into(), &attributes(template))?)
    }

    fn generate_key_pair(
        &self,
        mechanism: &Mechanism,
        public: &[Attribute],
        private: &[Attribute],
    ) -> Result<(ObjectHandle, ObjectHandle), Rv> {
        Ok(self.0.generate_key_pair(&mechanism.clone().into(), &attributes(public), &attributes(private))?)
    }

    fn sign(&self, mechanism: &Mechanism, key: ObjectHandle, data: &[u8]) -> Result<Vec<u8>, Rv> {
        Ok(self.0.sign(&mechanism.clone().into(), key, data)?)
    }

    fn encrypt(&self, mechanism: &Mechanism, key: ObjectHandle, data: &[u8]) -> Result<Vec<u8>, Rv> {
        Ok(self.0.encrypt(&mechanism.clone().into(), key, data)?)
    }

    fn decrypt(&self, mechanism: &Mechanism, key: ObjectHandle, data: &[u8]) -> Result<Vec<u8>, Rv> {
        Ok(self.0.decrypt(&mechanism.clone().into(), key, data)?)
    }

    fn wrap_key(&self, mechanism: &Mechanism, wrapping: ObjectHandle, key: ObjectHandle) -> Result<Vec<u8>, Rv> {
        Ok(self.0.wrap_key(&mechanism.clone().into(), wrapping, key)?)
    }

    fn unwrap_key(
        &self,
        mechanism: &Mechanism,
        unwrapping: ObjectHandle,
        wrapped: &[u8],
        template: &[Attribute],
    ) -> Result<ObjectHandle, Rv> {
        Ok(self.0.unwrap_key(&mechanism.clone().into(), unwrapping, wrapped, &attributes(template))?)
    }

    fn generate_random(&self, len: u32) -> Result<Vec<u8>, Rv> {
        Ok(self.0.generate_random(len)?)
    }
}

fn attributes(template: &[Attribute]) -> Vec<wire::Attribute> {
    template.iter().map(|attribute| attribute.clone().into()).collect()
}
