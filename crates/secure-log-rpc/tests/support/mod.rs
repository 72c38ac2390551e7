//! Transports for tests.

use std::time::Duration;

use secure_log::memory::MemoryStore;
use secure_log::store::SecureLogStore;
use secure_log_rpc::{RemoteStore, Retry, Transport, TransportError, handle};
use secure_log_testkit::SharedStore;

/// A server in the test's own process.
#[derive(Clone, Debug)]
pub(crate) struct Here<S>(pub(crate) S);

impl<S: SecureLogStore> Transport for Here<S> {
    fn rpc(&mut self, method: &str, params: &str) -> Result<String, TransportError> {
        handle(&mut self.0, method, params).map_err(|refusal| TransportError::Refused(refusal.to_string()))
    }
}

/// A store that several clients call in turn.
pub(crate) type Shared = SharedStore<MemoryStore>;

/// Attempts without pauses.
pub(crate) fn at_once() -> Retry {
    Retry::after(&[Duration::ZERO; 5], |_| ())
}

/// Opens the store behind the transport.
pub(crate) fn open<T: Transport>(transport: T) -> RemoteStore<T> {
    RemoteStore::open_with(transport, "test", at_once()).expect("the server answers")
}
