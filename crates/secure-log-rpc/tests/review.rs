//! Reviews of a log behind a wire.

use secure_log::memory::MemoryStore;
use secure_log_testkit::SharedStore;
use secure_log_testkit::reviewing::reviews_count_what_is_there;

use crate::support::{Here, open};

#[test]
fn reviews_count_what_a_server_has() {
    reviews_count_what_is_there(|| {
        let place = SharedStore::new(MemoryStore::new());
        move || open(Here(place.clone()))
    });
}
