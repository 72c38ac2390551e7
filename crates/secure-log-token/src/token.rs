//! The token as a library of one slot.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use secure_log_disk::{Disk, Patience};
use secure_log_pkcs11::{
    Cryptoki, GcmParams, Mechanism, MechanismType, Pin, Rv, SlotId, SlotInfo, TokenFlags, TokenInfo,
};

use crate::attempts::RETRY_LIMIT;
use crate::folder::Folder;
use crate::pins::{Cost, MAX_PIN_BYTES, MIN_PIN_BYTES};
use crate::session::SoftSession;
use crate::state::State;

/// The only slot.
const SLOT: SlotId = 0;
const MANUFACTURER: &str = "secure-log";
/// When so many tries are left, the flags say that it becomes tight: after the first wrong one.
const LOW_FAILURES: u64 = 1;

/// A token in the files of a folder. Its slot always has it; what it is not before `init_token` is initialized.
///
/// Several of them, in one process or in several, may have one folder: each sees what the others made when it looks for
/// objects.
pub struct SoftToken<D>(pub(crate) Arc<Mutex<State<D>>>);

/// What can be chosen of a [`SoftToken`].
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// What PINs cost to stretch in a token that this one initializes; another has its own.
    pub cost: Cost,
    /// How long to wait for another instance that writes.
    pub patience: Patience,
}

impl Default for Options {
    fn default() -> Options {
        Options { cost: Cost::DEFAULT, patience: Patience::default() }
    }
}

impl<D: Disk> SoftToken<D> {
    /// The token in this folder, which is made when the token is initialized. Nothing is read before somebody asks.
    pub fn new(disk: D, folder: PathBuf) -> SoftToken<D> {
        SoftToken::with_options(disk, folder, Options::default())
    }

    /// The same, with other options.
    pub fn with_options(disk: D, folder: PathBuf, options: Options) -> SoftToken<D> {
        let folder = Folder::new(disk, folder, options.patience);
        SoftToken(Arc::new(Mutex::new(State::new(folder, options.cost))))
    }

    fn state(&self, slot: SlotId) -> Result<MutexGuard<'_, State<D>>, Rv> {
        check_slot(slot)?;
        Ok(lock(&self.0))
    }
}

fn check_slot(slot: SlotId) -> Result<(), Rv> {
    if slot == SLOT { Ok(()) } else { Err(Rv::SlotIdInvalid) }
}

pub(crate) fn lock<D>(state: &Mutex<State<D>>) -> MutexGuard<'_, State<D>> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<D: Disk> Cryptoki for SoftToken<D> {
    type Session = SoftSession<D>;

    fn slot_list(&self, _token_present: bool) -> Result<Vec<SlotId>, Rv> {
        Ok(vec![SLOT])
    }

    fn slot_info(&self, slot: SlotId) -> Result<SlotInfo, Rv> {
        check_slot(slot)?;
        Ok(SlotInfo {
            slot_description: "a folder of files".into(),
            manufacturer_id: MANUFACTURER.into(),
            token_present: true,
            removable_device: false,
            hw_slot: false,
        })
    }

    fn token_info(&self, slot: SlotId) -> Result<TokenInfo, Rv> {
        let mut info = TokenInfo {
            label: String::new(),
            manufacturer_id: MANUFACTURER.into(),
            model: "soft token".into(),
            serial_number: String::new(),
            min_pin_len: MIN_PIN_BYTES as u64,
            max_pin_len: MAX_PIN_BYTES as u64,
            flags: TokenFlags { rng: true, login_required: true, ..TokenFlags::default() },
        };
        if let Some((header, attempts)) = self.state(slot)?.token()? {
            info.label.clone_from(&header.label);
            info.serial_number = const_hex::encode(header.serial);
            let tried =
                |failures: u64| (failures >= LOW_FAILURES, failures + 1 == RETRY_LIMIT, failures >= RETRY_LIMIT);
            let (user_low, user_final, user_locked) = tried(attempts.user_failures);
            let (so_low, so_final, so_locked) = tried(attempts.so_failures);
            info.flags = TokenFlags {
                token_initialized: true,
                user_pin_initialized: header.user.is_some(),
                user_pin_count_low: user_low,
                user_pin_final_try: user_final,
                user_pin_locked: user_locked,
                so_pin_count_low: so_low,
                so_pin_final_try: so_final,
                so_pin_locked: so_locked,
                ..info.flags
            };
        }
        Ok(info)
    }

    fn mechanism_list(&self, slot: SlotId) -> Result<Vec<MechanismType>, Rv> {
        check_slot(slot)?;
        let no_params = GcmParams { iv: Vec::new(), aad: Vec::new(), tag_bits: 0 };
        let all = [
            Mechanism::RsaPkcsKeyPairGen,
            Mechanism::EcKeyPairGen,
            Mechanism::EcEdwardsKeyPairGen,
            Mechanism::GenericSecretKeyGen,
            Mechanism::AesKeyGen,
            Mechanism::Eddsa,
            Mechanism::Ecdsa,
            Mechanism::RsaPkcsPss(0),
            Mechanism::Sha256Hmac,
            Mechanism::AesGcm(no_params),
            Mechanism::AesKeyWrapKwp,
        ];
        Ok(all.iter().map(Mechanism::number).collect())
    }

    fn init_token(&self, slot: SlotId, so_pin: &Pin, label: &str) -> Result<(), Rv> {
        self.state(slot)?.init_token(so_pin, label)
    }

    fn open_session(&self, slot: SlotId, read_write: bool) -> Result<SoftSession<D>, Rv> {
        let session = self.state(slot)?.open_session(read_write)?;
        Ok(SoftSession { state: Arc::clone(&self.0), session })
    }
}

/// Another name for the same library: sessions and login are shared.
impl<D> Clone for SoftToken<D> {
    fn clone(&self) -> SoftToken<D> {
        SoftToken(Arc::clone(&self.0))
    }
}

impl<D> fmt::Debug for SoftToken<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SoftToken(..)")
    }
}
