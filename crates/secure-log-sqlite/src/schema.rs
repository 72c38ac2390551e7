//! The tables, and how a database of an earlier version becomes one of this version.
//!
//! docs/sqlite.md describes them for whoever looks into a database.

/// What marks a database as ours: `PRAGMA application_id`.
pub const APPLICATION_ID: i64 = 0x534c_4f47;

/// Each leads to the next version, `PRAGMA user_version`, from the one before.
pub(crate) const MIGRATIONS: [&str; 2] = [V1, V2];

/// The version that this code reads and writes.
pub const VERSION: i64 = MIGRATIONS.len() as i64;

/// From this version on there is a table of keys.
pub(crate) const KEYED_VERSION: usize = 2;

// No trigger looks at what is inserted into `entry`: with one, SQLite journals every page of the table and its indexes before
// each row, which takes four times as long as the row.
const V1: &str = "
CREATE TABLE log (id BLOB NOT NULL, origin TEXT NOT NULL, created TEXT NOT NULL);

CREATE TABLE record (place INTEGER PRIMARY KEY, kind INTEGER NOT NULL, id INTEGER NOT NULL);

CREATE TABLE stream (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, rules INTEGER NOT NULL);
CREATE TABLE stream_rules (
    id INTEGER PRIMARY KEY, stream INTEGER NOT NULL, tier TEXT NOT NULL, suite TEXT NOT NULL, key BLOB,
    sign TEXT NOT NULL, description TEXT, created TEXT NOT NULL, deprecated TEXT
);
CREATE INDEX stream_rules_stream ON stream_rules (stream);

CREATE TABLE word (id INTEGER PRIMARY KEY, value TEXT NOT NULL UNIQUE);

CREATE TABLE entry (
    seqno INTEGER PRIMARY KEY, stream INTEGER NOT NULL, hash BLOB NOT NULL, bytes BLOB,
    time INTEGER, severity INTEGER, event INTEGER, producer INTEGER, session INTEGER
);
CREATE INDEX entry_stream ON entry (stream);
CREATE INDEX entry_time ON entry (time);
CREATE INDEX entry_severity ON entry (severity);
CREATE INDEX entry_event ON entry (event);
CREATE INDEX entry_producer ON entry (producer);
CREATE INDEX entry_session ON entry (session);

CREATE TABLE waypoint (
    stream INTEGER NOT NULL, block INTEGER NOT NULL, seqno INTEGER NOT NULL, PRIMARY KEY (stream, block)
) WITHOUT ROWID;
CREATE INDEX waypoint_seqno ON waypoint (stream, seqno);

CREATE TABLE segment (
    id INTEGER PRIMARY KEY, stream INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
    count INTEGER NOT NULL, root BLOB NOT NULL, last_hash BLOB NOT NULL, prev BLOB NOT NULL, boot TEXT NOT NULL,
    session TEXT NOT NULL, policy BLOB NOT NULL, closed TEXT NOT NULL, ordinal INTEGER NOT NULL
);
CREATE INDEX segment_stream ON segment (stream, last);

CREATE TABLE signature (
    id INTEGER PRIMARY KEY, kind INTEGER NOT NULL, subject INTEGER NOT NULL, identity TEXT NOT NULL, alg TEXT NOT NULL,
    key BLOB NOT NULL, sig BLOB NOT NULL
);
CREATE INDEX signature_subject ON signature (kind, subject);

CREATE TABLE data_key (
    id INTEGER PRIMARY KEY, name BLOB NOT NULL, stream INTEGER NOT NULL, first INTEGER NOT NULL, kek TEXT NOT NULL,
    alg TEXT NOT NULL, wrapped BLOB NOT NULL, created TEXT NOT NULL
);
CREATE INDEX data_key_stream ON data_key (stream);
CREATE INDEX data_key_name ON data_key (name);

CREATE TABLE witness (
    id INTEGER PRIMARY KEY, size INTEGER NOT NULL, name TEXT NOT NULL, at TEXT NOT NULL, outcome TEXT NOT NULL,
    detail TEXT NOT NULL
);

CREATE TABLE head (
    number INTEGER PRIMARY KEY, place INTEGER NOT NULL, size INTEGER NOT NULL, root BLOB NOT NULL,
    sigs TEXT NOT NULL
);

CREATE TABLE node (
    tree INTEGER NOT NULL, level INTEGER NOT NULL, at INTEGER NOT NULL, hash BLOB NOT NULL,
    PRIMARY KEY (tree, level, at)
) WITHOUT ROWID;

CREATE TABLE aside (id INTEGER PRIMARY KEY, part INTEGER NOT NULL, line TEXT NOT NULL);

CREATE TABLE permit (reason TEXT NOT NULL);

CREATE TRIGGER entry_stays BEFORE DELETE ON entry WHEN NOT EXISTS (SELECT 1 FROM permit)
BEGIN SELECT RAISE(ROLLBACK, 'entries of an audit log are never deleted'); END;
CREATE TRIGGER entry_is_final BEFORE UPDATE ON entry WHEN NOT EXISTS (SELECT 1 FROM permit)
BEGIN SELECT RAISE(ROLLBACK, 'entries of an audit log are never changed'); END;
CREATE TRIGGER segment_stays BEFORE DELETE ON segment WHEN NOT EXISTS (SELECT 1 FROM permit)
BEGIN SELECT RAISE(ROLLBACK, 'segments of an audit log are never deleted'); END;
CREATE TRIGGER segment_is_final BEFORE UPDATE ON segment WHEN NOT EXISTS (SELECT 1 FROM permit)
BEGIN SELECT RAISE(ROLLBACK, 'segments of an audit log are never changed'); END;
CREATE TRIGGER segment_is_new BEFORE INSERT ON segment WHEN EXISTS (SELECT 1 FROM segment WHERE id = NEW.id)
BEGIN SELECT RAISE(ROLLBACK, 'segments of an audit log are never replaced'); END;
";

// Rows are found by key, so that they stand in that order, and in no other. The migration computes those of the entries that are there.
const V2: &str = "
CREATE TABLE entry_key (key BLOB NOT NULL, seqno INTEGER NOT NULL, PRIMARY KEY (key, seqno)) WITHOUT ROWID;
";
