//! A log in a database is archived and continued as in every other store.

use secure_log_sqlite::SqliteStore;
use secure_log_testkit::SharedStore;
use secure_log_testkit::archiving::a_log_is_archived_and_continued;

#[test]
fn a_log_in_a_database_is_archived_and_continued() {
    let folder = tempfile::tempdir().unwrap();
    let mut logs = 0;
    a_log_is_archived_and_continued(|| {
        logs += 1;
        let path = folder.path().join(format!("log-{logs}.db"));
        move || SqliteStore::open(&path).unwrap()
    });
}

#[test]
fn a_database_in_memory_is_archived_and_continued() {
    a_log_is_archived_and_continued(|| {
        let place = SharedStore::new(SqliteStore::in_memory().unwrap());
        move || place.clone()
    });
}
