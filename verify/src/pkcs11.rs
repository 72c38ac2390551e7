//! The tokens of a PKCS#11 module of this machine, for a stack that imports `pkcs11:token`.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use secure_log_pkcs11::{Attribute, AttributeType, Cryptoki, Module, ModuleSession, Pin, Session};
use wasmtime::component::{Component, HasSelf, Linker, Resource};
use wasmtime::{Engine, Result, Store};
use wasmtime_wasi::p2::bindings::sync::Command;
use wasmtime_wasi::{FsPerms, I32Exit, WasiCtxBuilder};

use crate::host::Guest;
use crate::merkle::sha256;

/// What `wit/pkcs11` says, as Rust; its documentation stands there.
#[allow(missing_docs)]
mod bindings {
    wasmtime::component::bindgen!({
        path: "../wit/pkcs11",
        world: "pkcs11:token/token-user@0.1.0",
        with: { "pkcs11:token/cryptoki.session": super::GuestSession },
    });
}

use bindings::pkcs11::token::cryptoki as wire;

secure_log_pkcs11::wit_conversions!(wire);

/// A module that all instances of a stack use.
///
/// To the module they are one application, which logs in once. Whoever comes after the first is asked for the same PIN
/// here, so that no instance uses a token whose PIN it does not know.
#[derive(Clone)]
pub(crate) struct SharedModule {
    module: Module,
    accepted: Arc<Mutex<Vec<Login>>>,
}

/// A slot, who opened it, and the hash of the PIN.
type Login = (wire::SlotId, wire::UserType, Vec<u8>);

/// A session of a guest.
pub struct GuestSession {
    slot: wire::SlotId,
    session: ModuleSession,
}

impl SharedModule {
    pub(crate) fn load(path: &Path) -> Result<SharedModule> {
        let module = Module::load(path).map_err(|error| wasmtime::format_err!("{}: {error}", path.display()))?;
        Ok(SharedModule { module, accepted: Arc::default() })
    }

    fn login(&self, opened: &GuestSession, user: wire::UserType, pin: &Pin) -> Result<(), wire::Rv> {
        let login: Login = (opened.slot, user, sha256(pin.expose().as_bytes()));
        let mut accepted = self.accepted.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = opened.session.login(user.into(), pin).map_err(wire::Rv::from);
        match answer {
            Ok(()) => {
                accepted.retain(|(slot, ..)| *slot != opened.slot);
                accepted.push(login);
                Ok(())
            }
            Err(wire::Rv::UserAlreadyLoggedIn) if !accepted.contains(&login) => Err(wire::Rv::PinIncorrect),
            Err(rv) => Err(rv),
        }
    }

    /// Whoever is logged in is known by the new PIN from here on.
    fn set_pin(&self, opened: &GuestSession, old: &Pin, new: &Pin) -> Result<(), wire::Rv> {
        let mut accepted = self.accepted.lock().unwrap_or_else(PoisonError::into_inner);
        opened.session.set_pin(old, new)?;
        for (slot, _, pin) in accepted.iter_mut() {
            if *slot == opened.slot {
                *pin = sha256(new.expose().as_bytes());
            }
        }
        Ok(())
    }
}

/// Gives a stack what it imports.
pub(crate) fn add_to_linker(linker: &mut Linker<Guest>) -> Result<()> {
    wire::add_to_linker::<_, HasSelf<Guest>>(linker, |guest| guest)
}

/// Runs a command component that imports a token, with those of a module: in the working folder, with the variables that
/// begin with SECURE_LOG. Answers its exit code.
pub fn run_command(command: &Path, module: &Path, arguments: &[String]) -> Result<i32> {
    let engine = Engine::default();
    let component = Component::from_file(&engine, command)?;
    let mut linker = Linker::new(&engine);
    wasmtime_wasi::p2::add_to_linker_sync(&mut linker)?;
    add_to_linker(&mut linker)?;
    let mut wasi = WasiCtxBuilder::new();
    wasi.inherit_stdio().allow_blocking_current_thread(true).arg("command").args(arguments);
    wasi.preopened_dir(".", ".", FsPerms::ReadWrite)?;
    for (name, value) in std::env::vars().filter(|(name, _)| name.starts_with("SECURE_LOG")) {
        wasi.env(name, value);
    }
    let mut guest = Guest::new(wasi.build());
    guest.module = Some(SharedModule::load(module)?);
    let mut store = Store::new(&engine, guest);
    let command = Command::instantiate(&mut store, &component, &linker)?;
    match command.wasi_cli_run().call_run(&mut store) {
        Ok(Ok(())) => Ok(0),
        Ok(Err(())) => {
            // It has said no exit code, and perhaps nothing else either.
            eprintln!("the command failed");
            Ok(1)
        }
        Err(error) => match error.downcast_ref::<I32Exit>() {
            Some(exit) => Ok(exit.0),
            None => Err(error),
        },
    }
}

impl Guest {
    fn module(&self) -> Result<&Module, wire::Rv> {
        Ok(&self.module.as_ref().ok_or(wire::Rv::TokenNotPresent)?.module)
    }

    fn session(&self, session: &Resource<GuestSession>) -> Result<&ModuleSession, wire::Rv> {
        Ok(&self.table.get(session).map_err(|_| wire::Rv::SessionHandleInvalid)?.session)
    }
}

impl wire::Host for Guest {
    fn get_slot_list(&mut self, token_present: bool) -> Result<Vec<wire::SlotId>, wire::Rv> {
        Ok(self.module()?.slot_list(token_present)?)
    }

    fn get_slot_info(&mut self, slot: wire::SlotId) -> Result<wire::SlotInfo, wire::Rv> {
        Ok(self.module()?.slot_info(slot)?.into())
    }

    fn get_token_info(&mut self, slot: wire::SlotId) -> Result<wire::TokenInfo, wire::Rv> {
        Ok(self.module()?.token_info(slot)?.into())
    }

    fn get_mechanism_list(&mut self, slot: wire::SlotId) -> Result<Vec<wire::MechanismType>, wire::Rv> {
        Ok(self.module()?.mechanism_list(slot)?)
    }

    fn init_token(&mut self, slot: wire::SlotId, so_pin: String, label: String) -> Result<(), wire::Rv> {
        Ok(self.module()?.init_token(slot, &Pin::new(so_pin), &label)?)
    }

    fn open_session(&mut self, slot: wire::SlotId, read_write: bool) -> Result<Resource<GuestSession>, wire::Rv> {
        let session = self.module()?.open_session(slot, read_write)?;
        self.table.push(GuestSession { slot, session }).map_err(|_| wire::Rv::SessionCount)
    }
}

impl wire::HostSession for Guest {
    fn login(&mut self, this: Resource<GuestSession>, user: wire::UserType, pin: String) -> Result<(), wire::Rv> {
        let module = self.module.as_ref().ok_or(wire::Rv::TokenNotPresent)?;
        let opened = self.table.get(&this).map_err(|_| wire::Rv::SessionHandleInvalid)?;
        module.login(opened, user, &Pin::new(pin))
    }

    fn logout(&mut self, this: Resource<GuestSession>) -> Result<(), wire::Rv> {
        Ok(self.session(&this)?.logout()?)
    }

    fn init_pin(&mut self, this: Resource<GuestSession>, pin: String) -> Result<(), wire::Rv> {
        Ok(self.session(&this)?.init_pin(&Pin::new(pin))?)
    }

    fn set_pin(&mut self, this: Resource<GuestSession>, old: String, new: String) -> Result<(), wire::Rv> {
        let module = self.module.as_ref().ok_or(wire::Rv::TokenNotPresent)?;
        let opened = self.table.get(&this).map_err(|_| wire::Rv::SessionHandleInvalid)?;
        module.set_pin(opened, &Pin::new(old), &Pin::new(new))
    }

    fn find_objects(
        &mut self,
        this: Resource<GuestSession>,
        template: Vec<wire::Attribute>,
    ) -> Result<Vec<wire::ObjectHandle>, wire::Rv> {
        Ok(self.session(&this)?.find_objects(&attributes(template))?)
    }

    fn get_attribute_value(
        &mut self,
        this: Resource<GuestSession>,
        object: wire::ObjectHandle,
        types: Vec<wire::AttributeType>,
    ) -> Result<Vec<Option<wire::Attribute>>, wire::Rv> {
        let types: Vec<AttributeType> = types.into_iter().map(Into::into).collect();
        let found = self.session(&this)?.attribute_value(object, &types)?;
        Ok(found.into_iter().map(|attribute| attribute.map(Into::into)).collect())
    }

    fn create_object(
        &mut self,
        this: Resource<GuestSession>,
        template: Vec<wire::Attribute>,
    ) -> Result<wire::ObjectHandle, wire::Rv> {
        Ok(self.session(&this)?.create_object(&attributes(template))?)
    }

    fn destroy_object(&mut self, this: Resource<GuestSession>, object: wire::ObjectHandle) -> Result<(), wire::Rv> {
        Ok(self.session(&this)?.destroy_object(object)?)
    }

    fn generate_key(
        &mut self,
        this: Resource<GuestSession>,
        mechanism: wire::Mechanism,
        template: Vec<wire::Attribute>,
    ) -> Result<wire::ObjectHandle, wire::Rv> {
        Ok(self.session(&this)?.generate_key(&mechanism.into(), &attributes(template))?)
    }

    fn generate_key_pair(
        &mut self,
        this: Resource<GuestSession>,
        mechanism: wire::Mechanism,
        public: Vec<wire::Attribute>,
        private: Vec<wire::Attribute>,
    ) -> Result<(wire::ObjectHandle, wire::ObjectHandle), wire::Rv> {
        let (public, private) = (attributes(public), attributes(private));
        Ok(self.session(&this)?.generate_key_pair(&mechanism.into(), &public, &private)?)
    }

    fn sign(
        &mut self,
        this: Resource<GuestSession>,
        mechanism: wire::Mechanism,
        key: wire::ObjectHandle,
        data: Vec<u8>,
    ) -> Result<Vec<u8>, wire::Rv> {
        Ok(self.session(&this)?.sign(&mechanism.into(), key, &data)?)
    }

    fn encrypt(
        &mut self,
        this: Resource<GuestSession>,
        mechanism: wire::Mechanism,
        key: wire::ObjectHandle,
        data: Vec<u8>,
    ) -> Result<Vec<u8>, wire::Rv> {
        Ok(self.session(&this)?.encrypt(&mechanism.into(), key, &data)?)
    }

    fn decrypt(
        &mut self,
        this: Resource<GuestSession>,
        mechanism: wire::Mechanism,
        key: wire::ObjectHandle,
        data: Vec<u8>,
    ) -> Result<Vec<u8>, wire::Rv> {
        Ok(self.session(&this)?.decrypt(&mechanism.into(), key, &data)?)
    }

    fn wrap_key(
        &mut self,
        this: Resource<GuestSession>,
        mechanism: wire::Mechanism,
        wrapping: wire::ObjectHandle,
        key: wire::ObjectHandle,
    ) -> Result<Vec<u8>, wire::Rv> {
        Ok(self.session(&this)?.wrap_key(&mechanism.into(), wrapping, key)?)
    }

    fn unwrap_key(
        &mut self,
        this: Resource<GuestSession>,
        mechanism: wire::Mechanism,
        unwrapping: wire::ObjectHandle,
        wrapped: Vec<u8>,
        template: Vec<wire::Attribute>,
    ) -> Result<wire::ObjectHandle, wire::Rv> {
        Ok(self.session(&this)?.unwrap_key(&mechanism.into(), unwrapping, &wrapped, &attributes(template))?)
    }

    fn generate_random(&mut self, this: Resource<GuestSession>, len: u32) -> Result<Vec<u8>, wire::Rv> {
        Ok(self.session(&this)?.generate_random(len)?)
    }

    fn drop(&mut self, this: Resource<GuestSession>) -> Result<()> {
        self.table.delete(this)?;
        Ok(())
    }
}

fn attributes(template: Vec<wire::Attribute>) -> Vec<Attribute> {
    template.into_iter().map(Into::into).collect()
}
