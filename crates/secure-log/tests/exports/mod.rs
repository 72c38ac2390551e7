//! Exports and imports: what is written can be checked by its own rows, a store that lies makes the log give out nothing that
//! could be believed, and what does not verify is never a log (docs/export.md).

mod checker;
mod forms;
mod importing;
mod lying;
mod ocsf;

use crate::world::*;
use secure_log::SecureLog;
use secure_log::engine::{Erase, NewEntry};
use secure_log::entry::{Severity, SigningRule, StreamRules, Tier};
use secure_log::error::LogError;
use secure_log::export::{ExportFailure, ExportOptions, Exported, Format};
use secure_log::hash::Suite;
use secure_log::store::SecureLogStore;

/// Everything that makes a field hard to write.
const HOSTILE: [&[u8]; 12] = [
    b"",
    b"=cmd|' /C calc'!A0",
    b"+1+1",
    b"-2",
    b"@SUM(A1:A9)",
    b"\tx",
    b"\r\n\"quoted\", and, commas\r\n",
    b"'already",
    b"nul \0 and \x1b[2J",
    "bidi \u{202e}drowssap\u{202c} \u{feff} \u{2028}".as_bytes(),
    b"\xff\xfe not text",
    b"{\"json\":\"\\\"\"}",
];

/// A log with every suite, severity, signing rule and tier, hostile names, closed segments, and an erased payload.
fn written(world: &World) -> Log {
    let mut log = world.open_with(|options| options.kek_label = Some(KEK.into())).unwrap();
    let mac = log.mac_suite().unwrap();
    log.create_stream("signed", &signed(SigningRule::Entries)).unwrap();
    log.create_stream("keyed", &hashed(mac)).unwrap();
    log.create_stream("blake3", &hashed(Suite::Blake3)).unwrap();
    log.create_stream("sealed", &StreamRules { tier: Tier::Protected, ..StreamRules::default() }).unwrap();
    log.create_stream("restricted", &StreamRules { tier: Tier::HighlyRestricted, ..StreamRules::default() }).unwrap();
    for (payload, severity) in HOSTILE.iter().zip(Severity::ALL.iter().cycle()) {
        let new = |stream| NewEntry { severity: *severity, ..entry(stream, payload) };
        log.append_batch(&["signed", "keyed", "blake3", "plain", "=formula\u{202e}\"name"].map(new)).unwrap();
        log.append_sealed_batch(&["sealed", "restricted"].map(new)).unwrap();
    }
    log.close_segment("sealed").unwrap();
    log.close_segment("signed").unwrap();
    log.erase("sealed", Erase::Stream).unwrap();
    log.append_sealed(&entry("sealed", b"after the erasure")).unwrap();
    log.change_suite("plain", Suite::Blake3).unwrap();
    log.append(&NewEntry { event: "odd\"event", producer: "-producer", encoding: "@text", ..entry("plain", b"last") })
        .unwrap();
    log.deprecate_stream("plain").unwrap();
    log
}

const KEK: &str = "kek-of-exports";

/// A world whose keystore wraps data keys, too.
fn sealing() -> World {
    let world = World::new();
    World { keys: world.keys.clone().wrapping(KEK), ..world }
}

fn export<S: SecureLogStore>(log: &mut SecureLog<S>, options: &ExportOptions) -> Result<(String, Exported), LogError> {
    let mut out = Vec::new();
    match log.write_export(options, &mut out, |_| {}) {
        Ok(exported) => {
            assert_eq!(exported.bytes, out.len() as u64);
            Ok((String::from_utf8(out).expect("an export is UTF-8"), exported))
        }
        Err(ExportFailure::Log(error)) => Err(error),
        Err(other) => panic!("{other}"),
    }
}

fn whole(format: Format) -> ExportOptions {
    ExportOptions::new(format)
}
