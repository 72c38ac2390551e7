//! Who a store talks to, and how: certificates are checked wherever there is TLS, and passwords are shown nowhere.

use std::path::PathBuf;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use secure_log::store::{SecureLogStore, StoreError};
use secure_log_postgres::Postgres;
use secure_log_testkit::LogBuilder;
use secure_log_testkit::postgres::{PASSWORD, Server};

/// An authority that nobody else knows: its certificate, and what signs others.
fn authority() -> (String, Issuer<'static, KeyPair>) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new([]).unwrap();
    params.distinguished_name.push(DnType::CommonName, "an authority of the test");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let pem = params.self_signed(&key).unwrap().pem();
    (pem, Issuer::new(params, key))
}

/// A server that has TLS under the name `localhost`, and the file with whom to trust.
fn server() -> Option<(Server, PathBuf)> {
    let server = Server::start(&["-c", "fsync=off"])?;
    let (root, issuer) = authority();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(["localhost".into()]).unwrap().signed_by(&key, &issuer).unwrap();
    let certificate = server.keep("server.crt", &certificate.pem());
    let key = server.keep("server.key", &key.serialize_pem());
    for (name, path) in [("ssl_cert_file", certificate), ("ssl_key_file", key)] {
        server.psql("postgres", &format!("ALTER SYSTEM SET {name} = '{}'", path.display()));
    }
    server.psql("postgres", "ALTER SYSTEM SET ssl = on");
    server.psql("postgres", "SELECT pg_reload_conf()");
    while server.psql("postgres", "SHOW ssl") != "on" {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let root = server.keep("root.pem", &root);
    Some((server, root))
}

#[test]
fn a_server_is_the_one_that_its_certificate_names_or_nobody_talks_to_it() {
    let Some((server, root)) = server() else { return };
    let (other, _) = authority();
    let other = server.keep("other.pem", &other);
    let string = |host: &str, root: &PathBuf, more: &str| {
        let place = server.place("postgres").replace("host=127.0.0.1", &format!("host={host}"));
        format!("{place} sslrootcert={} {more}", root.display())
    };
    for more in ["", "sslmode=require", "sslmode=verify-full", "sslmode=prefer", "channel_binding=require"] {
        let postgres =
            Postgres::connect(&string("localhost", &root, more)).unwrap_or_else(|error| panic!("{more}: {error}"));
        let encrypted = "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
            WHERE ssl AND application_name = 'secure-log'";
        assert_eq!(server.psql("postgres", encrypted), "1", "{more}");
        drop(postgres);
        // Until it has noticed that we are gone.
        while server.psql("postgres", encrypted) != "0" {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }
    for (host, root, more) in
        [("127.0.0.1", &root, ""), ("localhost", &other, ""), ("localhost", &other, "sslmode=prefer")]
    {
        let refused = Postgres::connect(&string(host, root, more)).map(drop).unwrap_err();
        assert!(refused.to_string().contains("certificate"), "{host} {more}: {refused:?}");
    }
    let postgres = Postgres::connect(&string("localhost", &root, "")).unwrap();
    postgres.store("log").insert(&LogBuilder::new().create()).unwrap();
    assert_eq!(postgres.logs(None, 9).unwrap(), ["log"]);
}

#[test]
fn a_server_without_tls_has_to_be_asked_for() {
    let Some(server) = secure_log_testkit::postgres::server() else { return };
    let place = server.place("postgres");
    let root = server.keep("nobody.pem", &authority().0);
    let root = format!("sslrootcert={}", root.display());
    for more in ["", "sslmode=require"] {
        let refused = Postgres::connect(&format!("{place} {root} {more}")).map(drop).unwrap_err();
        assert!(refused.to_string().contains("TLS"), "{refused:?}");
    }
    Postgres::connect(&format!("{place} {root} sslmode=prefer")).unwrap();
    Postgres::connect(&format!("{place} sslmode=disable")).unwrap();
    // Without TLS there is nothing to bind a login to.
    assert!(Postgres::connect(&format!("{place} sslmode=disable channel_binding=require")).is_err());
}

#[test]
fn who_is_refused_is_told_so_at_once_and_no_password_is_shown() {
    let Some(server) = secure_log_testkit::postgres::server() else { return };
    let right = server.config("postgres");
    let wrong_password = right.replace(&PASSWORD.replace('\'', "\\'"), "hunter2");
    let begun = std::time::Instant::now();
    for string in
        [wrong_password, server.config("no_such_database"), right.replace("user=postgres", "user=nobody_known")]
    {
        let refused = Postgres::connect(&string).map(drop).unwrap_err();
        assert!(matches!(refused, StoreError::Config(_)), "{refused:?}");
        assert!(!format!("{refused:?} {refused}").contains("hunter2"));
    }
    assert!(begun.elapsed().as_secs() < 10, "{:?}", begun.elapsed());
    let postgres = Postgres::connect(&right).unwrap();
    assert!(!format!("{postgres:?}").contains("quoted"), "{postgres:?}");
    for name in ["", "a\u{0}b", &"x".repeat(256)] {
        assert!(matches!(postgres.store(name).log(), Err(StoreError::Config(_))), "{name:?}");
    }
}

#[test]
fn tables_are_made_once_by_whoever_comes_and_those_of_a_later_version_are_left_alone() {
    let Some(server) = secure_log_testkit::postgres::server() else { return };
    let database = server.new_database();
    let string = server.config(&database);
    std::thread::scope(|scope| {
        for number in 0..8 {
            let string = &string;
            scope.spawn(move || {
                // Each as if it were a process of its own.
                let mut store = Postgres::connect(string).unwrap().store(&format!("log {number}"));
                store.insert(&LogBuilder::new().create()).unwrap();
            });
        }
    });
    let postgres = Postgres::connect(&string).unwrap();
    assert_eq!(postgres.logs(None, 99).unwrap().len(), 8);
    assert_eq!(
        server.psql(&database, "SELECT version FROM secure_log.version"),
        secure_log_postgres::VERSION.to_string()
    );
    server.psql(&database, "UPDATE secure_log.version SET version = version + 1");
    let refused = Postgres::connect(&string).map(drop);
    assert!(matches!(refused, Err(StoreError::LaterVersion { .. })), "{refused:?}");
    // What was not finished is gone on with.
    server.psql(&database, "DELETE FROM secure_log.version; DROP TABLE secure_log.node");
    let mut store = Postgres::connect(&string).unwrap().store("another");
    assert_eq!(store.log().unwrap(), None);
    store.insert(&LogBuilder::new().create()).unwrap();
}
