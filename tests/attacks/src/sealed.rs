//! Rows 20 and 28: sealed payloads that are offered in another place, and data keys that were deleted, changed and swapped.

use secure_log::entry::{Entry, StreamRules, Tier};
use secure_log::record::DataKeyRow;
use secure_log_testkit::attacks::{Answered, Said, Subject};
use secure_log_testkit::forge::{Reach, rechain};
use secure_log_testkit::{OwnedRecord, SeededRandom, count, seed};
use secure_log_verify::host::Surroundings;
use secure_log_verify::host::encoder::Severity;
use wasmtime::{Result, ensure};

use crate::composed::Composed;
use crate::keys::{KeyFolder, OTHER_KEK};
use crate::stacks::{Kept, Stacks};
use crate::{Check, Seen, check_over};

/// What is sealed here.
const SECRET: &str = "whatever was sealed";
/// What an encoding ends with that names the sealing.
const SUFFIX: &str = "+aead-xchacha20poly1305-v1";
/// Where the id of the data key and the ciphertext stand in a sealed payload (format.md s.8).
const ID: core::ops::Range<usize> = 3..35;
const CIPHERTEXT: usize = 63;

/// The checks.
pub fn checks() -> Vec<Check> {
    let mut checks = Vec::new();
    for kept in [Kept::InMemory, Kept::AsReleased, Kept::InDatabaseAsReleased, Kept::InPostgresAsReleased] {
        let name = "a data key that was deleted is found, and one that was changed or swapped opens nothing";
        checks.push(check_over(kept, "28", name, deleted_and_swapped));
        let name = "what was sealed opens under no other stream, log, key or encoding";
        checks.push(check_over(kept, "20", name, elsewhere));
    }
    checks
}

/// An edit, what a verification says of it, and with which word opening is refused.
type Edit = (&'static str, fn(&mut Vec<OwnedRecord>), Said, &'static str);

fn deleted_and_swapped(stacks: &Stacks, kept: Kept) -> Result<Seen> {
    let mut log = sealing(stacks, kept, |around| around);
    let seqno = seal(&mut log, "a", "text");
    seal(&mut log, "b", "text");
    let records = log.records();
    let gone = Said::Invalid { code: "dek-missing".into(), at: format!("seqno {seqno}") };
    let edits: [Edit; 9] = [
        ("deleted", |records| records.retain(|r| !is_key_of(r, "a")), gone.clone(), "data-key-missing"),
        ("moved to another stream", |records| key_of(records, "a").stream = "b".into(), gone, "data-key-missing"),
        ("swapped for another stream's", |records| swap(records), Said::Valid, "data-key-refused"),
        ("changed in one bit", |records| key_of(records, "a").wrapped[40] ^= 1, Said::Valid, "data-key-refused"),
        ("cut", |records| key_of(records, "a").wrapped.truncate(30), Said::Valid, "data-key-refused"),
        ("made longer", |records| key_of(records, "a").wrapped.push(0), Said::Valid, "data-key-refused"),
        ("another key's", |records| key_of(records, "a").kek = OTHER_KEK.into(), Said::Valid, "data-key-refused"),
        ("nobody's", |records| key_of(records, "a").kek = "nobody".into(), Said::Valid, "key-not-found"),
        ("wrapped otherwise", |records| key_of(records, "a").alg = "aes-kwp".into(), Said::Valid, "data-key-refused"),
    ];
    let mut judged = 0;
    for (name, edit, verdict, refusal) in edits {
        let mut edited = records.clone();
        edit(&mut edited);
        let mut log = laid(stacks, kept, &edited, |around| around);
        // Nobody but who has the key can tell that what it wrapped was changed, and who tries to open it is told.
        ensure!(log.verify() == verdict, "{name}: expected {verdict:?}, found {:?}", log.verify());
        ensure!(open(&mut log, seqno) == Err(refusal.into()), "{name}: opening answers {:?}", open(&mut log, seqno));
        judged += 1;
    }
    let random = &mut SeededRandom::new(seed());
    for _ in 0..count(20, 400) {
        let mut edited = records.clone();
        let wrapped = &mut key_of(&mut edited, "a").wrapped;
        let bit = random.below(8 * wrapped.len() as u64) as usize;
        wrapped[bit / 8] ^= 1 << (bit % 8);
        let mut log = laid(stacks, kept, &edited, |around| around);
        let answer = open(&mut log, seqno);
        ensure!(answer == Err("data-key-refused".into()), "bit {bit} of a wrapped key: opening answers {answer:?}");
        judged += 1;
    }
    let mut untouched = laid(stacks, kept, &records, |around| around);
    ensure!(open(&mut untouched, seqno) == Ok(SECRET.into()), "what nobody touched opens");
    Ok(Seen::Held(format!("{judged} edits of data keys; two are found by everybody, and none opens anything")))
}

/// The log has no key that signs, so that whoever holds its store can make everything fit again, and sealing is all that holds.
fn elsewhere(stacks: &Stacks, kept: Kept) -> Result<Seen> {
    let keyless = KeyFolder::that_only_wraps(&stacks.folder().with_file_name("wrapping-keys"))?;
    let around = |around| keyless.give_to(around);
    let mut log = sealing(stacks, kept, around);
    let seqno = seal(&mut log, "a", "text");
    let in_b = seal(&mut log, "b", "text");
    log.close("a").expect("a segment");
    let later = seal(&mut log, "a", "text");
    let records = log.records();
    let mut other_log = sealing(stacks, kept, around);
    let there = seal(&mut other_log, "a", "text");
    let theirs = other_log.records();

    let payload = |records: &[OwnedRecord], seqno| entry_at(records, seqno).payload;
    let (of_a, of_later, of_another_log) =
        (payload(&records, seqno), payload(&records, later), payload(&theirs, there));
    let key_of_another_log = key_of(&mut theirs.clone(), "a").clone();
    let mut judged = 0;
    let mut refused = |name: &str, at: u64, edit: &dyn Fn(&mut Vec<OwnedRecord>), refusals: &[&str]| {
        let mut edited = records.clone();
        edit(&mut edited);
        rechain(&mut edited, Reach::Heads);
        let mut log = laid(stacks, kept, &edited, around);
        let answer = open(&mut log, at);
        judged += 1;
        let expected = answer.as_ref().is_err_and(|refusal| refusals.contains(&refusal.as_str()));
        ensure!(expected, "{name}: expected one of {refusals:?}, found {answer:?}");
        Ok(())
    };
    let offered = |records: &mut Vec<OwnedRecord>, at: u64, payload: &[u8]| {
        edit_at(records, at, |entry| entry.payload = payload.into());
    };
    refused("under another stream", in_b, &|r| offered(r, in_b, &of_a), &["data-key-missing"])?;
    let with_its_key = |records: &mut Vec<OwnedRecord>| {
        offered(records, in_b, &of_a);
        let row = DataKeyRow { stream: "b".into(), ..key_of(records, "a").clone() };
        *key_of(records, "b") = row;
    };
    refused("under another stream, with its data key", in_b, &with_its_key, &["data-key-refused"])?;
    let from_another_log = |records: &mut Vec<OwnedRecord>| {
        offered(records, seqno, &of_another_log);
        *key_of(records, "a") = key_of_another_log.clone();
    };
    refused("in another log, with its data key", seqno, &from_another_log, &["data-key-refused"])?;
    let under_another_key = |records: &mut Vec<OwnedRecord>| {
        let mut payload = of_a.clone();
        payload[ID].copy_from_slice(&of_later[ID]);
        offered(records, later, &payload);
    };
    refused("under another key of its stream", later, &under_another_key, &["payload-refused"])?;
    let as_json = |records: &mut Vec<OwnedRecord>| {
        edit_at(records, seqno, |entry| entry.encoding = format!("application/json{SUFFIX}"));
    };
    refused("under another encoding", seqno, &as_json, &["payload-refused"])?;
    let in_clear = |records: &mut Vec<OwnedRecord>| edit_at(records, seqno, |entry| entry.encoding = "text".into());
    refused("as if it were not sealed", seqno, &in_clear, &["not-sealed"])?;
    let of_a_later_version = |records: &mut Vec<OwnedRecord>| {
        edit_at(records, seqno, |entry| entry.encoding = "text+aead-unheard-of-v9".into());
    };
    refused("as sealed in a way that nobody knows", seqno, &of_a_later_version, &["not-implemented"])?;
    for length in [0, 1, ID.end, CIPHERTEXT, of_a.len() - 1] {
        refused("cut", seqno, &|r| offered(r, seqno, &of_a[..length]), &["payload-refused"])?;
    }
    let random = &mut SeededRandom::new(seed());
    for _ in 0..count(20, 400) {
        let bit = random.below(8 * of_a.len() as u64) as usize;
        let mut changed = of_a.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        let expected: &[&str] = if ID.contains(&(bit / 8)) { &["data-key-missing"] } else { &["payload-refused"] };
        refused(&format!("bit {bit} changed"), seqno, &|r| offered(r, seqno, &changed), expected)?;
    }
    let mut untouched = laid(stacks, kept, &records, around);
    ensure!(open(&mut untouched, seqno) == Ok(SECRET.into()), "what nobody touched opens");
    Ok(Seen::Held(format!("{judged} places and changes, of which none opens anything")))
}

/// A log with two streams that seal.
fn sealing<'s>(stacks: &'s Stacks, kept: Kept, adjust: impl FnOnce(Surroundings) -> Surroundings) -> Composed<'s> {
    let mut log = stacks.fresh_with(kept, |around| adjust(around).without("SECURE_LOG_MAC_LABEL"));
    log.open().expect("a log opens that is not there yet");
    for stream in ["a", "b"] {
        let rules = StreamRules { tier: Tier::Protected, ..StreamRules::default() };
        log.create_stream(stream, &rules).expect("a stream that seals");
    }
    log
}

fn seal(log: &mut Composed<'_>, stream: &str, encoding: &str) -> u64 {
    let sealed =
        log.call(|log| log.append_sealed(stream, "test.event", Severity::Info, "test", SECRET.as_bytes(), encoding));
    sealed.expect("a payload is sealed").seqno
}

/// A log that holds these records and is open.
fn laid<'s>(
    stacks: &'s Stacks,
    kept: Kept,
    records: &[OwnedRecord],
    adjust: impl FnOnce(Surroundings) -> Surroundings,
) -> Composed<'s> {
    let mut log = stacks.fresh_with(kept, |around| adjust(around).without("SECURE_LOG_MAC_LABEL"));
    match kept {
        Kept::AsReleased => {
            log.lay_file(&secure_log_testkit::to_jsonl(records)).expect("a file can be written");
        }
        _ => log.lay(records),
    }
    log.open().expect("nothing that opening a log looks at was edited");
    log
}

/// What an entry opens to. It is noted nowhere, as what is noted is looked through for what was sealed.
fn open(log: &mut Composed<'_>, seqno: u64) -> Answered<String> {
    let opened = log.answered_unnoted(|log| log.open_payload(seqno))?;
    Ok(String::from_utf8_lossy(&opened.payload).into_owned())
}

fn is_key_of(record: &OwnedRecord, stream: &str) -> bool {
    matches!(record, OwnedRecord::DataKey(row) if row.stream == stream)
}

/// The first data key of a stream.
fn key_of<'r>(records: &'r mut [OwnedRecord], stream: &str) -> &'r mut DataKeyRow {
    let key = records.iter_mut().find_map(|record| match record {
        OwnedRecord::DataKey(row) if row.stream == stream => Some(row),
        _ => None,
    });
    key.expect("the stream has a data key")
}

fn swap(records: &mut [OwnedRecord]) {
    let of_b = key_of(records, "b").wrapped.clone();
    let of_a = core::mem::replace(&mut key_of(records, "a").wrapped, of_b);
    key_of(records, "b").wrapped = of_a;
}

fn entry_at(records: &[OwnedRecord], seqno: u64) -> Entry {
    let found = records.iter().filter(|record| record.seqno() == Some(seqno)).find_map(OwnedRecord::entry);
    found.expect("there is such an entry")
}

fn edit_at(records: &mut [OwnedRecord], seqno: u64, edit: impl FnOnce(&mut Entry)) {
    let found = records.iter_mut().find(|record| record.seqno() == Some(seqno));
    found.expect("there is such an entry").edit_entry(edit);
}
