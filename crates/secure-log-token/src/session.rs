//! A session with the token: what it is asked, and who may ask it.

use std::fmt;
use std::sync::{Arc, Mutex};

use secure_log_disk::Disk;
use secure_log_pkcs11::{Attribute, AttributeType, Mechanism, ObjectHandle, Pin, Rv, Session, UserType};
use zeroize::Zeroizing;

use crate::key::{self, check_permitted};
use crate::object::Object;
use crate::pins;
use crate::state::State;
use crate::template::Template;
use crate::token::lock;

/// At most so many random bytes in one call.
const MAX_RANDOM_BYTES: u32 = 1 << 20;

/// A session with a [`SoftToken`](crate::SoftToken).
pub struct SoftSession<D: Disk> {
    pub(crate) state: Arc<Mutex<State<D>>>,
    pub(crate) session: u64,
}

impl<D: Disk> SoftSession<D> {
    /// Keeps new objects where the template says, which is the same place for all of them.
    fn keep(&self, state: &mut State<D>, of_token: bool, objects: Vec<Object>) -> Result<Vec<ObjectHandle>, Rv> {
        if of_token {
            return state.add_to_token(objects);
        }
        state.add_to_session(self.session, objects)
    }

    /// Fails unless a key may be made here.
    fn check_may_make(&self, state: &State<D>, of_token: bool) -> Result<(), Rv> {
        state.check_user()?;
        if of_token { state.check_read_write(self.session) } else { Ok(()) }
    }
}

impl<D: Disk> Session for SoftSession<D> {
    fn login(&self, user: UserType, pin: &Pin) -> Result<(), Rv> {
        lock(&self.state).login(user, pin)
    }

    fn logout(&self) -> Result<(), Rv> {
        lock(&self.state).logout()
    }

    fn init_pin(&self, pin: &Pin) -> Result<(), Rv> {
        lock(&self.state).init_pin(pin)
    }

    fn set_pin(&self, old: &Pin, new: &Pin) -> Result<(), Rv> {
        lock(&self.state).set_pin(self.session, old, new)
    }

    fn find_objects(&self, template: &[Attribute]) -> Result<Vec<ObjectHandle>, Rv> {
        lock(&self.state).find(template)
    }

    fn attribute_value(&self, object: ObjectHandle, types: &[AttributeType]) -> Result<Vec<Option<Attribute>>, Rv> {
        let mut state = lock(&self.state);
        let loaded = state.object(object)?;
        Ok(types.iter().map(|kind| loaded.object.shown(*kind)).collect())
    }

    fn create_object(&self, template: &[Attribute]) -> Result<ObjectHandle, Rv> {
        let mut state = lock(&self.state);
        state.check_user()?;
        let mut template = Template::new(template)?;
        let secret = Zeroizing::new(template.value()?);
        if secret.is_empty() {
            return Err(Rv::AttributeValueInvalid);
        }
        let attributes = template.foreign_secret_key(secret.len() as u64)?;
        one(state.add_to_session(self.session, vec![Object { attributes, secret }])?)
    }

    fn destroy_object(&self, object: ObjectHandle) -> Result<(), Rv> {
        lock(&self.state).destroy(self.session, object)
    }

    fn generate_key(&self, mechanism: &Mechanism, template: &[Attribute]) -> Result<ObjectHandle, Rv> {
        let mut state = lock(&self.state);
        let mut template = Template::new(template)?;
        let of_token = template.is_of_token();
        self.check_may_make(&state, of_token)?;
        let (kind, secret) = key::generate_secret(mechanism, &mut template)?;
        let attributes = template.generated_secret_key(kind, secret.len() as u64)?;
        one(self.keep(&mut state, of_token, vec![Object { attributes, secret }])?)
    }

    fn generate_key_pair(
        &self,
        mechanism: &Mechanism,
        public: &[Attribute],
        private: &[Attribute],
    ) -> Result<(ObjectHandle, ObjectHandle), Rv> {
        let mut state = lock(&self.state);
        let (mut public, private) = (Template::new(public)?, Template::new(private)?);
        let of_token = private.is_of_token();
        if public.is_of_token() != of_token {
            // A pair stays together: a public key without its private one helps nobody.
            return Err(Rv::TemplateInconsistent);
        }
        self.check_may_make(&state, of_token)?;
        let pair = key::generate_pair(mechanism, &mut public)?;
        let mut public = public.public_key(pair.kind)?;
        public.extend(pair.public);
        let private = private.private_key(pair.kind)?;
        let objects = vec![
            Object { attributes: public, secret: Zeroizing::default() },
            Object { attributes: private, secret: pair.private },
        ];
        match self.keep(&mut state, of_token, objects)?[..] {
            [public, private] => Ok((public, private)),
            _ => Err(Rv::GeneralError),
        }
    }

    fn sign(&self, mechanism: &Mechanism, key: ObjectHandle, data: &[u8]) -> Result<Vec<u8>, Rv> {
        let mut state = lock(&self.state);
        let loaded = state.key(key)?;
        check_permitted(&loaded.object, Attribute::Sign(true))?;
        loaded.key.sign(mechanism, data)
    }

    fn encrypt(&self, mechanism: &Mechanism, key: ObjectHandle, data: &[u8]) -> Result<Vec<u8>, Rv> {
        let mut state = lock(&self.state);
        let loaded = state.key(key)?;
        check_permitted(&loaded.object, Attribute::Encrypt(true))?;
        loaded.key.encrypt(mechanism, data)
    }

    fn decrypt(&self, mechanism: &Mechanism, key: ObjectHandle, data: &[u8]) -> Result<Vec<u8>, Rv> {
        let mut state = lock(&self.state);
        let loaded = state.key(key)?;
        check_permitted(&loaded.object, Attribute::Decrypt(true))?;
        Ok(loaded.key.decrypt(mechanism, data)?.to_vec())
    }

    fn wrap_key(&self, mechanism: &Mechanism, wrapping: ObjectHandle, key: ObjectHandle) -> Result<Vec<u8>, Rv> {
        let mut state = lock(&self.state);
        let wrapped = &state.key(key)?.object;
        if !wrapped.has(Attribute::Extractable(true)) {
            return Err(Rv::KeyUnextractable);
        }
        let plaintext = wrapped.secret.clone();
        let loaded = state.object(wrapping).map_err(|_| Rv::WrappingKeyHandleInvalid)?;
        check_permitted(&loaded.object, Attribute::Wrap(true))?;
        loaded.key.wrap(mechanism, &plaintext)
    }

    fn unwrap_key(
        &self,
        mechanism: &Mechanism,
        unwrapping: ObjectHandle,
        wrapped: &[u8],
        template: &[Attribute],
    ) -> Result<ObjectHandle, Rv> {
        let mut state = lock(&self.state);
        state.check_user()?;
        let loaded = state.object(unwrapping).map_err(|_| Rv::UnwrappingKeyHandleInvalid)?;
        check_permitted(&loaded.object, Attribute::Unwrap(true))?;
        let secret = loaded.key.unwrap(mechanism, wrapped)?;
        let attributes = Template::new(template)?.foreign_secret_key(secret.len() as u64)?;
        one(state.add_to_session(self.session, vec![Object { attributes, secret }])?)
    }

    fn generate_random(&self, len: u32) -> Result<Vec<u8>, Rv> {
        if len > MAX_RANDOM_BYTES {
            return Err(Rv::ArgumentsBad);
        }
        let mut bytes = Vec::with_capacity(len as usize + 32);
        while bytes.len() < len as usize {
            bytes.extend_from_slice(pins::random::<32>()?.as_slice());
        }
        bytes.truncate(len as usize);
        Ok(bytes)
    }
}

impl<D: Disk> Drop for SoftSession<D> {
    fn drop(&mut self) {
        lock(&self.state).close_session(self.session);
    }
}

impl<D: Disk> fmt::Debug for SoftSession<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SoftSession({})", self.session)
    }
}

fn one(handles: Vec<ObjectHandle>) -> Result<ObjectHandle, Rv> {
    handles.first().copied().ok_or(Rv::GeneralError)
}
