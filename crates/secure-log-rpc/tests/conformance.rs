//! A store behind the wire passes the suite of every store.

use secure_log::memory::MemoryStore;
use secure_log_testkit::{SharedStore, store_conformance};

use crate::support::{Here, open};

store_conformance!(|| {
    let place = SharedStore::new(MemoryStore::new());
    move || open(Here(place.clone()))
});
