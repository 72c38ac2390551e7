//! Sealed payloads over a wire: the whole life of data keys, and a connection that is cut at any call.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use secure_log::error::LogError;
use secure_log::memory::MemoryStore;
use secure_log::record::DataKeyRow;
use secure_log::store::SecureLogStore;
use secure_log_rpc::{RemoteStore, Transport, TransportError};
use secure_log_testkit::SharedStore;
use secure_log_testkit::interrupted::{Interrupted, wrapping_keys};
use secure_log_testkit::sealing::seal_wrap_and_erase;

use crate::support::{Here, Shared, at_once, open};

/// What is done over the wire is done to the server's rows: they hold no key any more that was erased or wrapped anew.
#[test]
fn row_28_the_server_holds_no_key_that_was_erased_or_wrapped_anew() {
    let place = SharedStore::new(MemoryStore::new());
    let holds = |row: &DataKeyRow| place.clone().data_keys("sealed").unwrap().contains(row);
    seal_wrap_and_erase(|| open(Here(place.clone())), wrapping_keys, ["kek-1", "kek-2"], holds);
}

/// What becomes of a call, and of those that follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cut {
    /// It never arrives, and neither does any other.
    Before,
    /// It is carried out, its answer is lost, and no other call arrives.
    After,
    /// It never arrives; the next one does.
    BeforeOnce,
    /// It is carried out, and its answer is lost; the next call arrives.
    AfterOnce,
}

/// A connection that is cut at a call.
struct Wire {
    server: Here<Shared>,
    /// Calls that were made.
    calls: Arc<AtomicU64>,
    cut: Option<(u64, Cut)>,
}

impl Transport for Wire {
    fn rpc(&mut self, method: &str, params: &str) -> Result<String, TransportError> {
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        let lost = || Err(TransportError::Unknown("the connection was cut".into()));
        match self.cut {
            Some((at, Cut::Before | Cut::After)) if call > at => lost(),
            Some((at, Cut::Before | Cut::BeforeOnce)) if call == at => lost(),
            Some((at, _)) if call == at => {
                // The server does not know that nobody hears it.
                let _ = self.server.rpc(method, params);
                lost()
            }
            _ => self.server.rpc(method, params),
        }
    }
}

/// Does it over a wire, and answers how many calls that took.
fn over(place: &Shared, what: Interrupted, cut: Option<(u64, Cut)>) -> (Result<(), LogError>, u64) {
    let calls = Arc::new(AtomicU64::new(0));
    let wire = Wire { server: Here(place.clone()), calls: Arc::clone(&calls), cut };
    let store = RemoteStore::open_with(wire, "test", at_once());
    let done = store.map_err(LogError::from).and_then(|store| what.act(store));
    (done, calls.load(Ordering::Relaxed))
}

fn at_every_call(what: Interrupted) {
    let prepared = || {
        let place = SharedStore::new(MemoryStore::new());
        let sealed = Interrupted::prepare(place.clone());
        (place, sealed)
    };
    let (done, calls) = over(&prepared().0, what, None);
    assert_eq!(done, Ok(()));
    assert!(calls > 10, "it takes {calls} calls");
    let (mut kept, mut survived) = (0, 0);
    for call in 0..calls {
        for cut in [Cut::Before, Cut::After, Cut::BeforeOnce, Cut::AfterOnce] {
            let (place, sealed) = prepared();
            let (done, _) = over(&place, what, Some((call, cut)));
            let at = format!("call {call} of {calls}, {cut:?}: {done:?}");
            what.check(open(Here(place)), sealed, done.is_ok(), &at);
            *if done.is_ok() { &mut survived } else { &mut kept } += 1;
        }
    }
    assert!(kept >= 2 * calls - 1 && survived >= calls, "{kept} failed and {survived} succeeded of {calls} calls");
}

#[test]
fn a_connection_that_is_cut_at_any_call_of_an_erasure_leaves_it_done_or_not_begun() {
    at_every_call(Interrupted::Erasing);
}

#[test]
fn a_connection_that_is_cut_at_any_call_of_wrapping_anew_leaves_all_keys_or_none() {
    at_every_call(Interrupted::Rewrapping);
}
