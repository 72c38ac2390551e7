//! Verifying a log in a file while others use it.

use secure_log_file::FileStore;
use secure_log_testkit::meanwhile::verifications_are_right_whatever_is_done_meanwhile;

#[test]
fn verifications_are_right_whatever_is_done_to_a_file_meanwhile() {
    let folder = tempfile::tempdir().unwrap();
    verifications_are_right_whatever_is_done_meanwhile(FileStore::open(folder.path().join("log.jsonl")).unwrap());
}
