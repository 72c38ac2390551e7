//! A log over a wire is archived and continued as in every other store.

use secure_log::memory::MemoryStore;
use secure_log_testkit::SharedStore;
use secure_log_testkit::archiving::a_log_is_archived_and_continued;

use crate::support::{Here, open};

#[test]
fn a_log_over_a_wire_is_archived_and_continued() {
    a_log_is_archived_and_continued(|| {
        let place = SharedStore::new(MemoryStore::new());
        move || open(Here(place.clone()))
    });
}
