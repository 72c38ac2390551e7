//! Pages of a query while others append.

use secure_log_sqlite::SqliteStore;
use secure_log_testkit::paging::pages_have_each_entry_once_while_others_append;

#[test]
fn pages_of_a_log_in_a_database_have_each_entry_once() {
    let folder = tempfile::tempdir().unwrap();
    pages_have_each_entry_once_while_others_append(SqliteStore::open(folder.path().join("log.db")).unwrap());
}
