//! Queries of a log behind the wire, beside a naive filter.

use secure_log::memory::MemoryStore;
use secure_log_testkit::querying::queries_find_what_a_naive_filter_finds;

use crate::support::{Here, open};

#[test]
fn queries_of_a_remote_log_find_what_a_naive_filter_finds() {
    queries_find_what_a_naive_filter_finds(|| open(Here(MemoryStore::new())));
}
