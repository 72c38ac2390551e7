//! The PostgreSQL store passes the suite of every store, and the other suites that stores have in common.

mod support;

use secure_log::store::SecureLogStore;
use secure_log_postgres::PostgresStore;
use secure_log_testkit::conformance::stores;
use secure_log_testkit::querying::queries_find_what_a_naive_filter_finds;

use support::{database, fresh};

type Open = Box<dyn FnMut() -> PostgresStore>;

#[test]
fn the_suite_of_every_store() {
    let Some(postgres) = database() else { return };
    let checks = stores::all::<PostgresStore, Open>();
    assert!(checks.len() > 20, "the suite has {} checks", checks.len());
    for (name, check) in checks {
        eprintln!("{name}");
        let mut open: Open = Box::new(fresh(&postgres));
        check(&mut open);
    }
}

#[test]
fn queries_find_what_a_naive_filter_finds_in_a_database() {
    let Some(postgres) = database() else { return };
    queries_find_what_a_naive_filter_finds(|| fresh(&postgres)());
}

#[test]
fn logs_of_a_database_are_listed_and_know_nothing_of_each_other() {
    let Some(postgres) = database() else { return };
    assert_eq!(postgres.logs(None, 10).unwrap(), [""; 0], "there is no table yet");
    for name in ["b", "a", "\u{10ffff}", "a/b"] {
        let mut store = postgres.store(name);
        store.insert(&secure_log_testkit::LogBuilder::new().create()).unwrap();
        assert_eq!(postgres.store(name).heads(None, 9).unwrap().len(), 1);
    }
    assert_eq!(postgres.store("none").log().unwrap(), None);
    assert_eq!(postgres.logs(None, 10).unwrap(), ["a", "a/b", "b", "\u{10ffff}"]);
    assert_eq!(postgres.logs(Some("a/b"), 1).unwrap(), ["b"]);
    assert_eq!(postgres.logs(Some("\u{10ffff}"), 1).unwrap(), [""; 0]);
}

#[cfg(debug_assertions)]
mod engine {
    use std::path::Path;

    use secure_log::record::DataKeyRow;
    use secure_log_postgres::Postgres;
    use secure_log_testkit::archiving::a_log_is_archived_and_continued;
    use secure_log_testkit::following::{follows_another_process, follows_every_writer};
    use secure_log_testkit::interrupted::wrapping_keys;
    use secure_log_testkit::meanwhile::verifications_are_right_whatever_is_done_meanwhile;
    use secure_log_testkit::paging::pages_have_each_entry_once_while_others_append;
    use secure_log_testkit::postgres::server;
    use secure_log_testkit::reviewing::reviews_count_what_is_there;
    use secure_log_testkit::sealing::seal_wrap_and_erase;

    use super::*;

    #[test]
    fn pages_have_each_entry_once() {
        let Some(postgres) = database() else { return };
        pages_have_each_entry_once_while_others_append(fresh(&postgres)());
    }

    #[test]
    fn verifications_are_right_whatever_is_done_to_a_database_meanwhile() {
        let Some(postgres) = database() else { return };
        verifications_are_right_whatever_is_done_meanwhile(fresh(&postgres)());
    }

    #[test]
    fn reviews_count_what_is_in_a_database() {
        let Some(postgres) = database() else { return };
        reviews_count_what_is_there(|| fresh(&postgres));
    }

    #[test]
    fn a_log_in_a_database_is_archived_and_continued() {
        let Some(postgres) = database() else { return };
        a_log_is_archived_and_continued(|| fresh(&postgres));
    }

    #[test]
    fn every_writer_is_followed() {
        let Some(postgres) = database() else { return };
        let open = fresh(&postgres);
        follows_every_writer(open);
    }

    #[test]
    fn another_process_is_followed() {
        let open = |config: &Path| Postgres::connect(config.to_str().unwrap()).unwrap().store("followed");
        // The other process has the connection string for its place.
        let place: String = match std::env::var_os("SECURE_LOG_TEST_APPENDS_TO") {
            Some(place) => place.into_string().unwrap(),
            None => match server() {
                Some(server) => server.database(),
                None => return,
            },
        };
        follows_another_process("engine::another_process_is_followed", Path::new(&place), open);
    }

    #[test]
    fn payloads_are_sealed_and_their_keys_leave_the_tables() {
        let Some(postgres) = database() else { return };
        let open = fresh(&postgres);
        let holds = |row: &DataKeyRow| open().data_keys("sealed").unwrap().contains(row);
        seal_wrap_and_erase(open.clone(), wrapping_keys, ["kek-1", "kek-2"], holds);
    }
}
