//! Reviews of a log in a database.

use secure_log_sqlite::SqliteStore;
use secure_log_testkit::reviewing::reviews_count_what_is_there;

#[test]
fn reviews_count_what_is_in_a_database() {
    let folder = tempfile::tempdir().unwrap();
    let mut files = 0;
    reviews_count_what_is_there(|| {
        files += 1;
        let path = folder.path().join(format!("{files}.db"));
        move || SqliteStore::open(&path).unwrap()
    });
}
