//! Sealed payloads over a log in a database: what of a data key is left in its files.

use rusqlite::Connection;
use secure_log::engine::Erase;
use secure_log::entry::{StreamRules, Tier};
use secure_log::error::LogError;
use secure_log::store::{SecureLogStore, StoreError};
use secure_log_sqlite::SqliteStore;
use secure_log_testkit::interrupted::wrapping_keys;
use secure_log_testkit::sealing::{folder_holds, open_sealing, seal_wrap_and_erase, sealed_entry};

#[test]
fn row_28_no_file_of_the_database_holds_a_key_that_was_erased_or_wrapped_anew() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.db");
    // Somebody else has the database open all the time, and reads nothing at the moment.
    let mut other = SqliteStore::open(&path).unwrap();
    let holds = |row: &_| folder_holds(folder.path(), row);
    seal_wrap_and_erase(|| SqliteStore::open(&path).unwrap(), wrapping_keys, ["kek-1", "kek-2"], holds);
    assert!(other.log().unwrap().is_some());
}

#[test]
fn a_database_in_memory_seals_and_erases() {
    let place = secure_log_testkit::SharedStore::new(SqliteStore::in_memory().unwrap());
    let holds = |row: &secure_log::record::DataKeyRow| place.clone().data_keys("sealed").unwrap().contains(row);
    seal_wrap_and_erase(|| place.clone(), wrapping_keys, ["kek-1", "kek-2"], holds);
}

/// Who reads while a key is erased keeps the write-ahead log from being emptied, in which the key still is: it is not
/// acknowledged as gone, and the next use of the stream makes up for it.
#[test]
fn an_erasure_is_not_acknowledged_while_a_reader_keeps_the_key() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.db");
    let mut log = open_sealing(SqliteStore::open(&path).unwrap(), wrapping_keys(), "kek-1").unwrap();
    log.create_stream("sealed", &StreamRules { tier: Tier::Protected, ..StreamRules::default() }).unwrap();
    let sealed = log.append_sealed(&sealed_entry(b"x")).unwrap().0.seqno;
    let row = log.store_mut().data_keys("sealed").unwrap().remove(0);
    let reader = Connection::open(&path).unwrap();
    reader.execute_batch("BEGIN").unwrap();
    reader.query_row("SELECT count(*) FROM entry", [], |_| Ok(())).unwrap();
    let kept = log.erase("sealed", Erase::Stream).unwrap_err();
    assert!(matches!(&kept, LogError::Store(StoreError::Io { .. } | StoreError::Locked { .. })), "{kept:?}");
    assert!(folder_holds(folder.path(), &row), "or the reader kept nothing");
    assert_eq!(log.open_payload(sealed).unwrap_err(), LogError::PayloadErased(sealed), "also while it is kept");
    drop(reader);
    assert_eq!(log.open_payload(sealed).unwrap_err(), LogError::PayloadErased(sealed));
    assert!(!folder_holds(folder.path(), &row));
    assert_eq!(log.erase("sealed", Erase::Stream).unwrap().keys, []);
}
