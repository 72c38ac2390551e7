//! The resource `chain`: archives, one after the other.

use std::cell::RefCell;

use secure_log::archive::{ChainReport, ChainVerifier, MAX_ARCHIVES};
use secure_log::verify::Trust;

use crate::bindings::exports::secure_log::verify::verifier::{
    self, GuestChain, Options, OptionsError, Progress, WrongOption,
};
use crate::{convert, given, wrong};

/// A verification of a chain, and the time that its report is given.
pub(crate) struct Chain {
    state: RefCell<State>,
    time: Option<String>,
}

enum State {
    Reading(Box<ChainVerifier>),
    /// With how far it came in the last file.
    Finished(ChainReport, Progress),
}

impl GuestChain for Chain {
    fn begin(options: Options) -> Result<verifier::Chain, OptionsError> {
        let (trust, time) = given(options)?;
        let reading = ChainVerifier::new(trust).map_err(|error| wrong(WrongOption::Trust, error.to_string()))?;
        let state = RefCell::new(State::Reading(Box::new(reading)));
        Ok(verifier::Chain::new(Chain { state, time }))
    }

    fn next_file(&self, name: String) -> Result<(), u32> {
        match &mut *self.state.borrow_mut() {
            State::Reading(verifier) => verifier.begin(&name).map_err(|_| MAX_ARCHIVES as u32),
            State::Finished(..) => Ok(()),
        }
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

    fn finish(&self) -> verifier::ChainReport {
        let progress = self.progress();
        self.state.replace_with(|state| {
            let nothing = ChainVerifier::new(Trust::new()).expect("no keys make sense together");
            match core::mem::replace(state, State::Reading(Box::new(nothing))) {
                State::Reading(verifier) => State::Finished(verifier.finish(), progress),
                finished => finished,
            }
        });
        match &*self.state.borrow() {
            State::Finished(report, _) => convert::chain_report(report, self.time.as_deref()),
            State::Reading(_) => unreachable!("it was finished above"),
        }
    }
}
