//! Making the tables, and bringing those of an earlier version up to date.

use secure_log::store::StoreError;

use crate::connection::Connection;
use crate::failure::Failed;
use crate::pool::pause;
use crate::schema::{MIGRATIONS, VERSION, VERSION_TABLE};

/// How often it is begun again: somebody else may be at it.
const TRIES: u32 = 8;

/// Whether the tables are there. Those of an earlier version are brought up to date.
pub(crate) fn check(connection: &mut Connection) -> Result<bool, Failed> {
    match version(connection)? {
        None => Ok(false),
        Some(found) if found > VERSION => Err(StoreError::LaterVersion {
            at: "the database".into(),
            what: format!("version {found} of its tables, where this one knows {VERSION}"),
        }
        .into()),
        Some(VERSION) => Ok(true),
        Some(_) => create(connection).map(|()| true),
    }
}

/// Makes what is missing. Every statement may be run twice, and by two at a time: of those who make one thing at once an engine
/// tells all but one that it is there, some by an error that says something else.
pub(crate) fn create(connection: &mut Connection) -> Result<(), Failed> {
    let mut tries = 0;
    loop {
        match create_once(connection) {
            Err(Failed::Store(_) | Failed::Again(_)) if tries < TRIES => {
                pause(tries);
                tries += 1;
            }
            done => return done,
        }
    }
}

fn create_once(connection: &mut Connection) -> Result<(), Failed> {
    VERSION_TABLE.iter().try_for_each(|sql| connection.script(sql))?;
    let from = version(connection)?.and_then(|version| usize::try_from(version).ok()).unwrap_or(0);
    for migration in MIGRATIONS.iter().skip(from) {
        migration.iter().try_for_each(|sql| connection.script(sql))?;
    }
    let sql = "INSERT INTO secure_log.version (one, version) VALUES (1, $1)
        ON CONFLICT (one) DO UPDATE SET version = excluded.version WHERE secure_log.version.version < excluded.version";
    connection.query(sql, &[&VERSION]).map(drop)
}

/// `None` where there are no tables, or they were not finished.
fn version(connection: &mut Connection) -> Result<Option<i64>, Failed> {
    let sql =
        "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'secure_log' AND table_name = 'version'";
    let there: i64 = connection.query(sql, &[])?.rows.first().map_or(0, |row| row.get(0));
    if there == 0 {
        return Ok(None);
    }
    let found = connection.query("SELECT version FROM secure_log.version WHERE one = 1", &[])?;
    Ok(found.rows.first().map(|row| row.get(0)))
}
