//! The SQLite store passes the suite of every store, in a file and in memory.

mod file {
    use secure_log_sqlite::SqliteStore;
    use secure_log_testkit::store_conformance;

    store_conformance!(|| {
        let folder = tempfile::tempdir().expect("a folder for the test");
        move || SqliteStore::open(folder.path().join("log.db")).expect("the log can be opened")
    });
}

mod memory {
    use secure_log_sqlite::SqliteStore;
    use secure_log_testkit::{SharedStore, store_conformance};

    store_conformance!(|| {
        let place = SharedStore::new(SqliteStore::in_memory().expect("a database in memory"));
        move || place.clone()
    });
}
