//! Queries of a log in a file, beside a naive filter.

use secure_log_file::FileStore;
use secure_log_testkit::querying::queries_find_what_a_naive_filter_finds;

#[test]
fn queries_find_what_a_naive_filter_finds_in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let mut number = 0;
    queries_find_what_a_naive_filter_finds(|| {
        number += 1;
        FileStore::open(folder.path().join(format!("{number}.jsonl"))).unwrap()
    });
}
