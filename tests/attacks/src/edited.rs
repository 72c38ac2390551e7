//! Rows 1 to 19: a log that was edited while nobody looked.

use secure_log_testkit::attacks::{
    MAC_LABEL, Said, Subject, edits, flips, no_edit_passes_with, no_flip_passes_with, no_stored_bit_passes_with,
    sample_records, to_jsonl,
};
use secure_log_testkit::{OwnedRecord, SeededRandom, count, seed};
use secure_log_verify::host::Surroundings;
use wasmtime::{Result, ensure};

use crate::keys::KeyFolder;
use crate::stacks::{Kept, Stacks};
use crate::{Check, Seen, check_over};

/// The checks.
pub fn checks() -> Vec<Check> {
    let mut checks = Vec::new();
    for kept in [Kept::InMemory, Kept::AsReleased, Kept::InDatabaseAsReleased, Kept::InPostgresAsReleased] {
        checks.push(check_over(kept, "1-4, 8, 9, 15-17, 19", "no edit passes", no_edit_passes));
        checks.push(check_over(kept, "1", "no bit of an entry can be flipped", no_flip_passes));
        checks.push(check_over(kept, "19", "a keyed stream without its key", without_key));
    }
    checks
}

fn judge(stacks: &Stacks, kept: Kept, records: &[OwnedRecord]) -> Said {
    judge_with(stacks, kept, records, |surroundings| surroundings)
}

fn judge_with(
    stacks: &Stacks,
    kept: Kept,
    records: &[OwnedRecord],
    adjust: impl FnOnce(Surroundings) -> Surroundings,
) -> Said {
    let mut log = stacks.fresh_with(kept, adjust);
    match kept {
        Kept::AsReleased => log.lay_file(&to_jsonl(records)).expect("a file can be written"),
        // Tables have no place for what an edit may have put there twice.
        Kept::InDatabaseAsReleased | Kept::InPostgresAsReleased => {
            log.lay(records);
            return log.open_and_verify().of_tables();
        }
        _ => {
            log.lay(records);
            assert!(log.records() == records, "the store holds what it was given");
        }
    }
    log.open_and_verify()
}

fn no_edit_passes(stacks: &Stacks, kept: Kept) -> Result<Seen> {
    let mut refused = 0;
    no_edit_passes_with(|records| {
        let said = judge(stacks, kept, records);
        refused += u64::from(matches!(said, Said::Refused(_)));
        said
    });
    Ok(Seen::Held(format!("{} edits, {refused} of them refused when the log is opened or read", edits().len())))
}

fn no_flip_passes(stacks: &Stacks, kept: Kept) -> Result<Seen> {
    let mut judged = 0;
    if kept != Kept::AsReleased {
        let untouched = sample_records();
        // Laying a log takes a server longer.
        let bits = if kept.is_in_postgres() { 40 } else { 200 };
        no_stored_bit_passes_with(bits, |seqno, bit| {
            judged += 1;
            let mut log = stacks.fresh(kept);
            log.lay(&untouched);
            log.flip(seqno, bit);
            log.open_and_verify()
        });
    } else {
        let (file, all) = flips();
        let mut random = SeededRandom::new(seed());
        let drawn = match count(0, 1) {
            0 => (0..200).map(|_| *random.pick(&all)).collect(),
            _ => all,
        };
        no_flip_passes_with(&file, &drawn, |bytes| {
            judged += 1;
            let mut log = stacks.at(kept, &stacks.folder(), "flipped.jsonl");
            log.lay_file(bytes).expect("a file can be written");
            log.open_and_verify()
        });
    }
    Ok(Seen::Held(format!("{judged} bits")))
}

fn without_key(stacks: &Stacks, kept: Kept) -> Result<Seen> {
    let another = KeyFolder::with_mac_key(&stacks.folder().with_file_name("other-keys"), &[7; 32])?;
    let records = sample_records();
    let said = [
        judge_with(stacks, kept, &records, |surroundings| surroundings.without("SECURE_LOG_MAC_LABEL")),
        judge_with(stacks, kept, &records, |surroundings| another.give_to(surroundings)),
    ];
    for said in &said {
        let Said::Incomplete { missing } = said else { wasmtime::bail!("expected incomplete, found {said:?}") };
        ensure!(missing.iter().any(|what| what.contains("stream 'keyed'")), "it does not name the stream: {missing:?}");
    }
    let absent = judge_with(stacks, kept, &records, |surroundings| {
        surroundings.variable("SECURE_LOG_MAC_LABEL", format!("{MAC_LABEL}-that-is-not-there"))
    });
    ensure!(absent == Said::Refused("key-not-found".into()), "a label without a key: {absent:?}");
    Ok(Seen::Held("incomplete without one and with another, key-not-found for a label that has none".into()))
}
