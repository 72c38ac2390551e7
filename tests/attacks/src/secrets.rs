//! Row 31: secrets are in no answer, on no standard error and in no file of a log.

use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secure_log::entry::{SigningRule, StreamRules, Tier};
use secure_log::hash::{KeyId, Suite};
use secure_log::providers::Keystore as _;
use secure_log::sealed::{Place, Secret, unwrap_secret};
use secure_log_testkit::attacks::{IDENTITY, MAC_LABEL, Said, Subject, log_key};
use secure_log_testkit::postgres::{PASSWORD, server};
use secure_log_testkit::{OwnedRecord, TestKeystore};
use secure_log_verify::host::encoder::Severity;
use secure_log_verify::host::sealing::Erasure;
use wasmtime::{Result, ensure};

use crate::composed::Composed;
use crate::keys::{KEK, KeyFolder, OTHER_KEK, signing_seed, wrapping_secret};
use crate::stacks::{Kept, Stacks};
use crate::{Check, Seen, check};

/// The checks. They look through what all checks before them were answered.
pub fn checks() -> Vec<Check> {
    vec![check("31", "memory, file, database and PostgreSQL: no secret is answered, printed or stored", nowhere)]
}

const PASSPHRASE: &str = "correct horse battery staple";
const WRONG_PASSPHRASE: &str = "incorrect horse";
/// What is sealed, and shown to nobody.
const SEALED: &[u8] = b"the one thing that is nowhere in clear";
const SEED: [u8; 32] = [0xa5; 32];

fn nowhere(stacks: &Stacks) -> Result<Seen> {
    let mut data_keys = Vec::new();
    let files = [Kept::InMemory, Kept::InFile, Kept::AsReleased, Kept::InDatabase, Kept::InDatabaseAsReleased];
    let server = stacks.database().and_then(|_| server());
    let on_server = [Kept::InPostgres, Kept::InPostgresAsReleased].into_iter().filter(|_| server.is_some());
    for kept in files.into_iter().chain(on_server) {
        use_every_kind_of_key(stacks, kept)?;
        data_keys.extend(seal_and_erase(stacks, kept)?);
    }
    let mut places = vec![("answers and standard error".to_owned(), searchable(&stacks.transcript.bytes()))];
    collect(&stacks.folder(), &mut places)?;
    if let Some(server) = server {
        // What it has in memory it writes to its files.
        server.psql("postgres", "CHECKPOINT");
        collect(&server.data().join("base"), &mut places)?;
    }
    let expected = if server.is_some() { 21 } else { 15 };
    ensure!(data_keys.len() == expected, "three data keys in each place, and not {}", data_keys.len());
    let data_keys = data_keys.iter().flat_map(|key| forms(&key[..])).collect();
    let secrets = [
        ("a key that wraps", [KEK, OTHER_KEK].iter().flat_map(|label| forms(&wrapping_secret(label))).collect()),
        ("a data key", data_keys),
        ("what was sealed", forms(SEALED)),
        ("the key that signs", forms(&signing_seed())),
        ("the key of the keyed suite", forms(&TestKeystore::mac_secret(MAC_LABEL))),
        ("the seed", forms(&SEED)),
        ("the passphrase", vec![PASSPHRASE.into()]),
        ("the wrong passphrase", vec![WRONG_PASSPHRASE.into()]),
        ("the password of the database", password_forms()),
    ];
    for (place, text) in &places {
        for (what, forms) in &secrets {
            let found = forms.iter().find(|form| text.contains(form.as_str()));
            ensure!(found.is_none(), "{what} is in {place}, as {found:?}");
        }
    }
    // What is public is found in the same way, or nothing of this shows anything.
    let public = forms(log_key(IDENTITY).public_key().as_bytes());
    let there = |place: &str| public.iter().any(|form| place.contains(form.as_str()));
    ensure!(there(&places[0].1), "the public key is among the answers");
    ensure!(places[1..].iter().any(|(_, text)| there(text)), "the public key is in the files");
    if server.is_none() {
        eprintln!("NOT RUN: what is in PostgreSQL was not looked through");
    }
    Ok(Seen::Held(format!(
        "{} places, {} bytes",
        places.len(),
        places.iter().map(|(_, text)| text.chars().count()).sum::<usize>()
    )))
}

fn use_every_kind_of_key(stacks: &Stacks, kept: Kept) -> Result<()> {
    let folder = stacks.folder().with_file_name(format!("encrypted-{kept:?}"));
    let (right, wrong) = (KeyFolder::encrypted(&folder, PASSPHRASE)?, WRONG_PASSPHRASE);
    let mut log = stacks.fresh(kept);
    let config = log.config().to_owned();
    ensure!(log.call(|log| log.open_existing(&config)).is_err(), "there is no log yet");
    let mut log = stacks.fresh_with(kept, |around| right.give_to(around).without("SECURE_LOG_MAC_LABEL"));
    ensure!(log.open() == Ok(()), "a log opens with an encrypted key");
    live(&mut log, false);
    let mut log = stacks.fresh_with(kept, |around| {
        right.give_to(around).variable("SECURE_LOG_KEYSTORE_PASSPHRASE", wrong).without("SECURE_LOG_MAC_LABEL")
    });
    ensure!(log.open() == Err("access-denied".into()), "a wrong passphrase is no key");
    let seeded = |seed: String| {
        stacks.fresh_with(kept, move |around| {
            around.without("SECURE_LOG_KEYSTORE").variable("SECURE_LOG_KEYSTORE_SEED", seed)
        })
    };
    let mut log = seeded(const_hex::encode(SEED));
    ensure!(log.open() == Ok(()), "a log opens with keys of a seed");
    live(&mut log, true);
    let mut log = seeded(format!("{}z", &const_hex::encode(SEED)[..63]));
    ensure!(log.open().is_err(), "a seed that is no hexadecimal number");
    let mut log = stacks.fresh(kept);
    ensure!(log.open() == Ok(()), "a log opens with keys of a folder");
    live(&mut log, true);
    Ok(())
}

/// Seals, has its data keys wrapped anew, and erases; answers the data keys.
fn seal_and_erase(stacks: &Stacks, kept: Kept) -> Result<Vec<Secret>> {
    let mut log = stacks.fresh(kept);
    ensure!(log.open() == Ok(()), "a log opens that can seal");
    for (stream, tier) in [("protected", Tier::Protected), ("restricted", Tier::HighlyRestricted)] {
        log.create_stream(stream, &StreamRules { tier, ..StreamRules::default() }).expect("a stream that seals");
        let sealed = log.call(|log| log.append_sealed(stream, "e", Severity::Info, "test", SEALED, "text"));
        let seqno = sealed.expect("a payload is sealed").seqno;
        log.read(seqno).expect("it is read as it stands");
        assert!(log.append(stream, "in clear").is_err() && log.read(1000).is_err());
        log.close(stream).expect("a segment");
    }
    let records = log.records();
    let id = records.iter().find_map(|record| match record {
        OwnedRecord::Log(row) => Some(row.id),
        _ => None,
    });
    let id = id.expect("a log has an id");
    let kek = TestKeystore::new().wrapping(KEK).wrapping_key(KEK).expect("the testkit has this key");
    let unwrapped = |record: &OwnedRecord| match record {
        OwnedRecord::DataKey(row) => {
            let place = Place { log: &id, stream: &row.stream };
            Some(unwrap_secret(place, row, &*kek).expect("it is what the key wrapped"))
        }
        _ => None,
    };
    let keys = records.iter().filter_map(unwrapped).collect();
    log.call(|log| log.reseal(None, OTHER_KEK)).expect("data keys are wrapped anew");
    assert!(log.call(|log| log.reseal(None, "nobody")).is_err());
    log.call(|log| log.erase("restricted", Erasure::Stream)).expect("data keys are erased");
    log.call(|log| log.verify_log_opening()).expect("it is verified with everything opened");
    Ok(keys)
}

/// Signs, hashes under the key, and provokes errors.
fn live(log: &mut Composed<'_>, keyed: bool) {
    let signed = |suite| StreamRules { suite, sign: SigningRule::Segments, ..StreamRules::default() };
    log.create_stream("signed", &signed(Suite::Sha256)).expect("a stream that is signed");
    // The stack fills in the id of the key that it is configured with.
    let keyed_stream = log.create_stream("keyed", &signed(Suite::HmacSha256(KeyId([0; 8]))));
    assert_eq!(keyed_stream.is_ok(), keyed, "{keyed_stream:?}");
    for stream in ["signed", "keyed", "plain"] {
        log.append(stream, "an entry").expect("an entry");
        log.close(stream).expect("a segment");
        assert!(log.close(stream).is_err() && log.read(1000).is_err());
    }
    log.call(|log| log.verify_segment_signature(1)).expect("the first segment is signed");
    log.call(|log| log.status()).expect("an open log has a state");
    assert_eq!(log.verify(), Said::Valid);
}

/// The ways in which bytes are usually shown.
fn forms(secret: &[u8]) -> Vec<String> {
    let hex = const_hex::encode(secret);
    let decimal = secret.iter().map(u8::to_string).collect::<Vec<_>>().join(", ");
    // Of base64 what does not hang on the bytes before and after, of which there may be 0, 1 or 2 in a group of three.
    let base64 = [0, 1, 2].map(|before| STANDARD.encode([&[0; 2][..before], secret].concat())[4..24].to_owned());
    let plain = [searchable(&secret[..16]), hex[..32].into(), hex[..32].to_uppercase(), decimal[..40].into()];
    plain.into_iter().chain(base64).collect()
}

/// As it is, and as a connection string has it.
fn password_forms() -> Vec<String> {
    let encoded = PASSWORD.bytes().map(|byte| format!("%{byte:02x}")).collect();
    vec![PASSWORD.into(), encoded]
}

/// Bytes as characters of the same numbers: the standard library searches text fast, and bytes not at all.
fn searchable(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).collect()
}

fn collect(folder: &Path, places: &mut Vec<(String, String)>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, places)?;
        } else {
            places.push((path.display().to_string(), searchable(&fs::read(&path)?)));
        }
    }
    Ok(())
}
