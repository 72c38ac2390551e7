//! The verifier as a component that imports nothing, not even WASI: `secure_log::verify` behind `secure-log:verify`.
//!
//! It is built for `wasm32-unknown-unknown`, where the standard library has no way to the host, and made a component by
//! `secure-log-composition-check --componentize`.

mod bindings {
    #![allow(unsafe_code, missing_docs, reason = "generated code is the only unsafe code here, and has no comments")]
    wit_bindgen::generate!({ world: "file-verifier", path: "../../wit/verify" });
    export!(Verifier);

    use super::Verifier;
}
mod chain;
mod convert;
mod wrapping;

use std::cell::RefCell;
use std::collections::BTreeSet;

use bindings::exports::secure_log::verify::verifier::{
    self, Guest, GuestVerification, Options, OptionsError, Progress, Report, WrongOption,
};
use secure_log::bundle::FileVerifier;
use secure_log::hash::HmacKey;
use secure_log::time::Timestamp;
use secure_log::verify::Trust;
use wrapping::GivenKey;
use zeroize::{Zeroize as _, Zeroizing};

struct Verifier;

impl Guest for Verifier {
    type Verification = Verification;
    type Chain = chain::Chain;
}

/// A verification, and the time that its report is given.
struct Verification {
    state: RefCell<State>,
    time: Option<String>,
}

enum State {
    Reading(Box<FileVerifier>),
    /// With how far it came.
    Finished(Box<Report>, Progress),
}

impl GuestVerification for Verification {
    fn begin(options: Options) -> Result<verifier::Verification, OptionsError> {
        let (trust, time) = given(options)?;
        let reading = FileVerifier::new(trust).map_err(|error| wrong(WrongOption::Trust, error.to_string()))?;
        let state = RefCell::new(State::Reading(Box::new(reading)));
        Ok(verifier::Verification::new(Verification { state, time }))
    }

    fn push(&self, bytes: Vec<u8>) -> bool {
        match &mut *self.state.borrow_mut() {
            State::Reading(verifier) => verifier.push(&bytes),
            State::Finished(..) => false,
        }
    }

    fn progress(&self) -> Progress {
        match &*self.state.borrow() {
            State::Reading(verifier) => convert::progress(verifier.progress()),
            State::Finished(_, progress) => *progress,
        }
    }

    fn finish(&self) -> Report {
        let progress = self.progress();
        self.state.replace_with(|state| {
            let nothing = FileVerifier::new(Trust::new()).expect("no keys make sense together");
            match core::mem::replace(state, State::Reading(Box::new(nothing))) {
                State::Reading(verifier) => {
                    let report = convert::report_of_file(&verifier.finish(), self.time.as_deref());
                    State::Finished(Box::new(report), progress)
                }
                finished => finished,
            }
        });
        match &*self.state.borrow() {
            State::Finished(report, _) => (**report).clone(),
            State::Reading(_) => unreachable!("it was finished above"),
        }
    }
}

/// What is trusted, and the time of the report. The keys among the options are zeroed.
fn given(mut options: Options) -> Result<(Trust, Option<String>), OptionsError> {
    let mac_keys = Zeroizing::new(core::mem::take(&mut options.mac_keys));
    let trust = trust(&options, &mac_keys);
    options.wrapping_keys.iter_mut().for_each(|given| given.key.zeroize());
    Ok((trust?, time(options.time)?))
}

fn trust(options: &Options, mac_keys: &[Vec<u8>]) -> Result<Trust, OptionsError> {
    let mut trust: Trust = match &options.policy {
        Some(policy) => policy.parse().map_err(|error| convert::policy_error(&error))?,
        None => Trust::new(),
    };
    if let Some(origin) = &options.origin {
        trust.set_origin(origin);
    }
    for (number, key) in (1..).zip(mac_keys) {
        let key = <[u8; 32]>::try_from(&key[..]).map(Zeroizing::new).map_err(|_| {
            let message = format!("key {number} of the keyed suite has {} bytes, and not 32", key.len());
            wrong(WrongOption::MacKey, message)
        })?;
        trust.add_hmac_key(HmacKey::new(*key));
    }
    let mut labels = BTreeSet::new();
    for key in &options.wrapping_keys {
        let refused = |what: &str| wrong(WrongOption::WrappingKey, format!("the wrapping key {:?} {what}", key.label));
        let given = GivenKey::new(&key.key).ok_or_else(|| refused("has not 32 bytes"))?;
        if !labels.insert(&key.label) {
            return Err(refused("is there twice"));
        }
        trust.add_wrapping_key(&key.label, Box::new(given));
    }
    Ok(trust)
}

fn time(seconds: Option<u64>) -> Result<Option<String>, OptionsError> {
    let Some(seconds) = seconds else { return Ok(None) };
    let time = i64::try_from(seconds).ok().and_then(|seconds| Timestamp::from_unix(seconds, 0));
    let message = || wrong(WrongOption::Time, format!("no date is {seconds} seconds after 1970"));
    time.map(|time| Some(time.to_string())).ok_or_else(message)
}

fn wrong(wrong: WrongOption, message: String) -> OptionsError {
    OptionsError { wrong, line: 0, column: 0, message }
}
