//! Queries of a log in a database, beside a naive filter.

use secure_log_sqlite::SqliteStore;
use secure_log_testkit::querying::queries_find_what_a_naive_filter_finds;

#[test]
fn queries_in_a_file_find_what_a_naive_filter_finds() {
    let folder = tempfile::tempdir().unwrap();
    let mut number = 0;
    queries_find_what_a_naive_filter_finds(|| {
        number += 1;
        SqliteStore::open(folder.path().join(format!("{number}.db"))).unwrap()
    });
}
