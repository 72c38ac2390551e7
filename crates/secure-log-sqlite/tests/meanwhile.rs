//! Verifying a log in a database while others use it.

use secure_log_sqlite::SqliteStore;
use secure_log_testkit::meanwhile::verifications_are_right_whatever_is_done_meanwhile;

#[test]
fn verifications_are_right_whatever_is_done_to_a_database_meanwhile() {
    let folder = tempfile::tempdir().unwrap();
    verifications_are_right_whatever_is_done_meanwhile(SqliteStore::open(folder.path().join("log.db")).unwrap());
}
