//! Pages of a query while others append.

use secure_log_file::disk::OsDisk;
use secure_log_file::{FileStore, Options};
use secure_log_testkit::paging::pages_have_each_entry_once_while_others_append;

/// The index is written now and then, so that pages are answered from its files, from memory, and from what is still collected.
#[test]
fn pages_of_a_log_in_a_file_have_each_entry_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = Options::default();
    options.index_every = 20_000;
    let store = FileStore::open_on(OsDisk, folder.path().join("audit.jsonl"), options).unwrap();
    pages_have_each_entry_once_while_others_append(store);
}
