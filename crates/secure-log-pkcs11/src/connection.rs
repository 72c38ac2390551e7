//! A session with the one token that is meant, opened when it is first needed and again after it was lost.

use crate::config::Config;
use crate::cryptoki::{
    Attribute, AttributeType, Cryptoki, MechanismType, ObjectClass, ObjectHandle, Session, SlotId, UserType,
};
use crate::error::TokenError;
use crate::pin::Pin;
use crate::rv::Rv;

/// The library, who uses it, and the session if there is one.
pub(crate) struct Connection<C: Cryptoki> {
    library: C,
    config: Config,
    session: Option<C::Session>,
    /// Counts sessions: handles of one mean nothing in the next.
    epoch: u64,
    /// What the token said of the user's PIN. It would say the same again, and have one try less.
    refused: Option<TokenError>,
    /// The same of the security officer's.
    so_refused: Option<TokenError>,
}

impl<C: Cryptoki> Connection<C> {
    pub(crate) fn new(library: C, config: Config) -> Connection<C> {
        Connection { library, config, session: None, epoch: 0, refused: None, so_refused: None }
    }

    pub(crate) fn library(&self) -> &C {
        &self.library
    }

    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    /// The session's number, after opening one if there is none.
    pub(crate) fn connect(&mut self) -> Result<u64, TokenError> {
        if self.session.is_none() {
            let slot = self.slot()?;
            self.session = Some(self.log_in(slot, false)?);
            self.epoch += 1;
        }
        Ok(self.epoch)
    }

    /// Does something with the session, which is given up when it proves to be gone.
    pub(crate) fn with<T>(&mut self, act: impl FnOnce(&C::Session) -> Result<T, TokenError>) -> Result<T, TokenError> {
        self.connect()?;
        let session = self.session.as_ref().ok_or(TokenError::BadAnswer("no session"))?;
        let answer = act(session);
        if matches!(answer, Err(TokenError::TokenRemoved(_))) {
            self.session = None;
        }
        answer
    }

    /// A session of its own, in which keys can be made and the PIN can be changed. The other one is given up.
    pub(crate) fn open_read_write(&mut self, slot: SlotId) -> Result<C::Session, TokenError> {
        self.session = None;
        self.log_in(slot, true)
    }

    /// Does something in a session in which the security officer is logged in, with the officer's PIN.
    pub(crate) fn as_officer<T>(
        &mut self,
        slot: SlotId,
        act: impl FnOnce(&C::Session, &Pin) -> T,
    ) -> Result<T, TokenError> {
        let pin = self.config.so_pin.as_ref().ok_or(TokenError::NoSoPin)?;
        if let Some(error) = &self.so_refused {
            return Err(error.clone());
        }
        // No user may be logged in at the same time.
        self.session = None;
        let session = self.library.open_session(slot, true);
        let session = session.map_err(|rv| TokenError::of_call("C_OpenSession", rv))?;
        if let Err(rv) = session.login(UserType::So, pin) {
            let error = match rv {
                Rv::PinIncorrect => TokenError::WrongSoPin,
                Rv::PinLocked => TokenError::SoPinLocked,
                rv => return Err(TokenError::of_call("C_Login", rv)),
            };
            self.so_refused = Some(error.clone());
            return Err(error);
        }
        let answer = act(&session, pin);
        // Other sessions of the library would keep the officer logged in.
        session.logout().map_err(|rv| TokenError::of_call("C_Logout", rv))?;
        Ok(answer)
    }

    /// Goes on with another PIN of the user.
    pub(crate) fn use_pin(&mut self, pin: Pin) {
        self.config.pin = Some(pin);
        self.refused = None;
    }

    /// Goes on with another PIN of the security officer.
    pub(crate) fn use_so_pin(&mut self, pin: Pin) {
        self.config.so_pin = Some(pin);
        self.so_refused = None;
    }

    /// What the token of a slot can do.
    pub(crate) fn mechanisms(&self, slot: SlotId) -> Result<Vec<MechanismType>, TokenError> {
        self.library.mechanism_list(slot).map_err(|rv| TokenError::of_call("C_GetMechanismList", rv))
    }

    /// The slot of the token that is meant.
    pub(crate) fn slot(&self) -> Result<SlotId, TokenError> {
        let mut found = Vec::new();
        let mut initialized = 0;
        for slot in self.slots()? {
            let info = self.library.token_info(slot).map_err(|rv| TokenError::of_call("C_GetTokenInfo", rv))?;
            if !info.flags.token_initialized {
                continue;
            }
            initialized += 1;
            if self.config.label.as_ref().is_none_or(|label| *label == info.label) {
                found.push(slot);
            }
        }
        match (found[..].first(), found.len(), &self.config.label) {
            (Some(slot), 1, _) => Ok(*slot),
            (Some(_), _, _) => Err(TokenError::SeveralTokens),
            (None, _, Some(label)) if initialized > 0 => Err(TokenError::NoSuchToken { label: label.clone() }),
            (None, ..) => Err(TokenError::NoToken),
        }
    }

    pub(crate) fn slots(&self) -> Result<Vec<SlotId>, TokenError> {
        self.library.slot_list(true).map_err(|rv| TokenError::of_call("C_GetSlotList", rv))
    }

    fn log_in(&mut self, slot: SlotId, read_write: bool) -> Result<C::Session, TokenError> {
        let pin = self.config.pin.as_ref().ok_or(TokenError::NoPin)?;
        if let Some(error) = &self.refused {
            return Err(error.clone());
        }
        let session = self.library.open_session(slot, read_write);
        let session = session.map_err(|rv| TokenError::of_call("C_OpenSession", rv))?;
        match session.login(UserType::User, pin) {
            // Sessions of one library share the login.
            Ok(()) | Err(Rv::UserAlreadyLoggedIn) => Ok(session),
            Err(rv) => {
                let error = TokenError::of_call("C_Login", rv);
                if matches!(error, TokenError::WrongPin | TokenError::PinLocked) {
                    self.refused = Some(error.clone());
                }
                Err(error)
            }
        }
    }
}

/// The one object of this class and label; none where there is none.
pub(crate) fn find_one(
    session: &impl Session,
    class: ObjectClass,
    label: &str,
    more: &[Attribute],
) -> Result<Option<ObjectHandle>, TokenError> {
    let mut template = vec![Attribute::Class(class), Attribute::Label(label.into())];
    template.extend_from_slice(more);
    let found = session.find_objects(&template).map_err(|rv| TokenError::of_call("C_FindObjects", rv))?;
    match found[..] {
        [] => Ok(None),
        [object] => Ok(Some(object)),
        _ => Err(TokenError::SeveralKeys { label: label.into() }),
    }
}

/// Attributes of an object, those that it has.
pub(crate) fn attributes(
    session: &impl Session,
    object: ObjectHandle,
    types: &[AttributeType],
) -> Result<Vec<Attribute>, TokenError> {
    let found = session.attribute_value(object, types);
    Ok(found.map_err(|rv| TokenError::of_call("C_GetAttributeValue", rv))?.into_iter().flatten().collect())
}

/// The value of one attribute out of several.
macro_rules! value_of {
    ($attributes:expr, $case:ident) => {
        $attributes.iter().find_map(|attribute| match attribute {
            $crate::cryptoki::Attribute::$case(value) => Some(value.clone()),
            _ => None,
        })
    };
}
pub(crate) use value_of;
