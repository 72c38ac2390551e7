//! A store that fails when a test says so.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use secure_log::store::{SecureLogStore, StoreError, Torn};

use crate::layer::{Layer, Method};

/// A store whose calls fail on command. See [`Faults`].
#[derive(Debug)]
pub struct FaultStore<S> {
    inner: S,
    faults: Faults,
}

/// Says what fails, also while an engine owns the store. Clones speak of the same store.
///
/// ```
/// use secure_log::{memory::MemoryStore, store::SecureLogStore};
/// use secure_log_testkit::{Effect, Fault, FaultStore, LogBuilder};
///
/// let (mut store, faults) = FaultStore::new(MemoryStore::new());
/// faults.arm(Fault::on_write(1, Effect::FailsButStored));
/// assert!(store.insert(&LogBuilder::new().create()).is_err());
/// assert!(store.log()?.is_some());
/// # Ok::<(), secure_log::store::StoreError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Faults(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    armed: Option<Fault>,
    crashed: bool,
    calls: u64,
    writes: u64,
    error: Option<StoreError>,
}

/// What goes wrong, once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// At which call from now on, from 1.
    pub at: u64,
    /// Only calls that write are counted.
    pub writes_only: bool,
    /// How.
    pub effect: Effect,
}

/// How a call goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It fails, and nothing has changed.
    FailsNotStored,
    /// It fails, and what it was to do is done.
    FailsButStored,
    /// Nothing has changed, and nothing works until [`Faults::restart`].
    CrashNotStored,
    /// What it was to do is done, and nothing works until [`Faults::restart`].
    CrashButStored,
}

impl Effect {
    /// All of them.
    pub const ALL: [Effect; 4] =
        [Effect::FailsNotStored, Effect::FailsButStored, Effect::CrashNotStored, Effect::CrashButStored];

    fn stores(self) -> bool {
        matches!(self, Effect::FailsButStored | Effect::CrashButStored)
    }

    fn crashes(self) -> bool {
        matches!(self, Effect::CrashNotStored | Effect::CrashButStored)
    }
}

impl Fault {
    /// At call `at` from now on, whatever it is.
    pub fn on_call(at: u64, effect: Effect) -> Fault {
        Fault { at, writes_only: false, effect }
    }

    /// At call `at` from now on of those that write.
    pub fn on_write(at: u64, effect: Effect) -> Fault {
        Fault { at, writes_only: true, effect }
    }
}

impl Faults {
    /// Lets a call fail. An earlier fault that did not come yet is forgotten.
    pub fn arm(&self, fault: Fault) {
        let mut state = self.state();
        let done = if fault.writes_only { state.writes } else { state.calls };
        state.armed = Some(Fault { at: done + fault.at, ..fault });
    }

    /// What failing calls answer from now on, in place of an I/O error.
    pub fn answer(&self, error: StoreError) {
        self.state().error = Some(error);
    }

    /// The process starts anew: what a crash has stopped works again.
    pub fn restart(&self) {
        self.state().crashed = false;
    }

    /// Whether the armed fault is still to come.
    pub fn is_armed(&self) -> bool {
        self.state().armed.is_some()
    }

    /// Calls so far, failed ones too.
    pub fn calls(&self) -> u64 {
        self.state().calls
    }

    /// Calls so far that write.
    pub fn writes(&self) -> u64 {
        self.state().writes
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a call, and answers what is to go wrong with it.
    fn next(&self, method: Method) -> Option<Effect> {
        let mut state = self.state();
        state.calls += 1;
        state.writes += u64::from(method.writes());
        if state.crashed {
            return Some(Effect::CrashNotStored);
        }
        let State { calls, writes, .. } = *state;
        let fault = state.armed.take_if(|fault| match fault.writes_only {
            true => method.writes() && fault.at == writes,
            false => fault.at == calls,
        })?;
        state.crashed = fault.effect.crashes();
        Some(fault.effect)
    }

    fn error(&self, method: Method) -> StoreError {
        let injected = || StoreError::Io { operation: format!("{method:?}"), detail: "a fault of the test".into() };
        self.state().error.clone().unwrap_or_else(injected)
    }
}

impl<S> FaultStore<S> {
    /// Stands before `inner`, and does nothing until it is told to.
    pub fn new(inner: S) -> (FaultStore<S>, Faults) {
        let faults = Faults::default();
        (FaultStore::under(inner, faults.clone()), faults)
    }

    /// Stands before `inner`, and fails when `faults` says so.
    pub fn under(inner: S, faults: Faults) -> FaultStore<S> {
        FaultStore { inner, faults }
    }

    /// The store behind it.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S: SecureLogStore> Layer for FaultStore<S> {
    type Store = S;

    fn call<T>(&mut self, method: Method, run: impl FnOnce(&mut S) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let Some(effect) = self.faults.next(method) else { return run(&mut self.inner) };
        if effect.stores() {
            // Whether the store took it does not matter: the caller is not told.
            let _ = run(&mut self.inner);
        }
        Err(self.faults.error(method))
    }

    fn torn_below(&mut self) -> Option<Torn> {
        self.inner.torn()
    }
}

#[cfg(test)]
mod tests {
    use secure_log::memory::MemoryStore;

    use super::*;
    use crate::{LogBuilder, SharedStore};

    #[test]
    fn each_effect_does_what_it_says() {
        for effect in Effect::ALL {
            let below = SharedStore::new(MemoryStore::new());
            let (mut store, faults) = FaultStore::new(below.clone());
            let mut log = LogBuilder::new();
            store.insert(&log.create()).unwrap();
            faults.arm(Fault::on_write(2, effect));
            store.insert(&log.commit().entry("a", b"1").finish()).unwrap();
            store.log().unwrap();
            assert!(faults.is_armed());
            assert!(matches!(store.insert(&log.commit().entry("a", b"2").finish()), Err(StoreError::Io { .. })));
            assert!(!faults.is_armed());
            let size = below.with(|store| store.heads(None, 1).unwrap()[0].head.size);
            assert_eq!(size, if effect.stores() { 2 } else { 1 }, "{effect:?}");
            assert_eq!(store.log().is_err(), effect.crashes(), "{effect:?}");
            faults.restart();
            store.log().unwrap();
        }
    }

    #[test]
    fn any_call_can_fail_with_any_error() {
        let (mut store, faults) = FaultStore::new(MemoryStore::new());
        faults.answer(StoreError::Locked { detail: "busy".into() });
        faults.arm(Fault::on_call(2, Effect::FailsNotStored));
        store.log().unwrap();
        assert_eq!(store.segment_count(), Err(StoreError::Locked { detail: "busy".into() }));
        store.segment_count().unwrap();
        assert_eq!((faults.calls(), faults.writes()), (3, 0));
    }
}
