//! Changing PINs: for operators. No key changes by it.

use crate::TokenKeystore;
use crate::connection::Connection;
use crate::cryptoki::{Cryptoki, Session as _, SlotId};
use crate::error::TokenError;
use crate::pin::Pin;
use crate::rv::Rv;

impl<C: Cryptoki> TokenKeystore<C> {
    /// Changes the user's PIN from the configured one (`C_SetPIN`); this keystore goes on with the new one.
    pub fn change_pin(&self, new: Pin) -> Result<(), TokenError> {
        let mut connection = self.configured("")?;
        let slot = connection.slot()?;
        let session = connection.open_read_write(slot)?;
        let old = connection.config().pin.as_ref().ok_or(TokenError::NoPin)?;
        let answer = session.set_pin(old, &new);
        answer.map_err(|rv| of_new_pin(&connection, slot, "C_SetPIN", rv))?;
        connection.use_pin(new);
        Ok(())
    }

    /// Sets the user's PIN as the security officer, whose PIN has to be configured (`C_InitPIN`): also one that is locked,
    /// or that nobody knows any more. This keystore goes on with the new one.
    pub fn reset_pin(&self, new: Pin) -> Result<(), TokenError> {
        let mut connection = self.configured("")?;
        let slot = connection.slot()?;
        let answer = connection.as_officer(slot, |session, _| session.init_pin(&new))?;
        answer.map_err(|rv| of_new_pin(&connection, slot, "C_InitPIN", rv))?;
        connection.use_pin(new);
        Ok(())
    }

    /// Changes the security officer's PIN from the configured one (`C_SetPIN`); this keystore goes on with the new one.
    /// Where it is lost or locked nobody can set it anew.
    pub fn change_so_pin(&self, new: Pin) -> Result<(), TokenError> {
        let mut connection = self.configured("")?;
        let slot = connection.slot()?;
        let answer = connection.as_officer(slot, |session, old| session.set_pin(old, &new))?;
        answer.map_err(|rv| of_new_pin(&connection, slot, "C_SetPIN", rv))?;
        connection.use_so_pin(new);
        Ok(())
    }
}

/// What a refused change means: what is wrong with a PIN that is to be one is told apart from a wrong one.
pub(crate) fn of_new_pin<C: Cryptoki>(
    connection: &Connection<C>,
    slot: SlotId,
    call: &'static str,
    rv: Rv,
) -> TokenError {
    match rv {
        Rv::PinLenRange | Rv::PinInvalid | Rv::PinTooWeak => match connection.library().token_info(slot) {
            Ok(info) => TokenError::NewPinRefused { rv, min: info.min_pin_len, max: info.max_pin_len },
            Err(rv) => TokenError::of_call("C_GetTokenInfo", rv),
        },
        rv => TokenError::of_call(call, rv),
    }
}
