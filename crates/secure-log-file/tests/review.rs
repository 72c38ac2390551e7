//! Reviews of a log in a file.

use secure_log_file::FileStore;
use secure_log_testkit::reviewing::reviews_count_what_is_there;

#[test]
fn reviews_count_what_is_in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let mut files = 0;
    reviews_count_what_is_there(|| {
        files += 1;
        let path = folder.path().join(format!("{files}.jsonl"));
        // Who only reads opens it beside the writer.
        let mut options = secure_log_file::Options::default();
        options.hold_lock = false;
        move || FileStore::open_on(secure_log_file::disk::OsDisk, &path, options.clone()).unwrap()
    });
}
