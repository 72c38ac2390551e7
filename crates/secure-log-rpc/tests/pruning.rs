//! Pruning of a log behind a wire.

use secure_log::memory::MemoryStore;
use secure_log_testkit::SharedStore;
use secure_log_testkit::pruning::the_independent_reader_says_the_same;

use crate::support::{Here, open};

#[test]
fn a_log_that_was_pruned_over_a_wire_is_what_the_independent_reader_says() {
    let folder = tempfile::tempdir().unwrap();
    let place = SharedStore::new(MemoryStore::new());
    the_independent_reader_says_the_same(|| open(Here(place.clone())), folder.path());
}
