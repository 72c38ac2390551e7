//! The file store passes the suite of every store, on the system's own disk.

use secure_log_file::FileStore;
use secure_log_testkit::store_conformance;

store_conformance!(|| {
    let folder = tempfile::tempdir().expect("a folder for the test");
    move || FileStore::open(folder.path().join("log.jsonl")).expect("the log can be opened")
});
