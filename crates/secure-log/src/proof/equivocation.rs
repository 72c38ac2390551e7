//! Evidence that a log signed two histories, as a text that a third person checks with the log's key alone.

use core::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::hash::Hash;
use crate::note::{MAX_NOTE_BYTES, Note};
use crate::proof::head::verify_note;
use crate::proof::tlog::{TlogProof, parse_hashes, write_hashes};
use crate::proof::{MAX_PROOF_HASHES, Refused, VerifiedHead, verify_inclusion};
use crate::verify::Trust;

/// The longest evidence that is read: two notes, two proofs with lines of at most 51 bytes, and the first lines.
pub const MAX_EQUIVOCATION_BYTES: usize = 2 * (MAX_NOTE_BYTES + (MAX_PROOF_HASHES + 2) * 51) + 100;

const FIRST_LINE: &str = "secure-log/equivocation@v1\n";

/// Two signed heads that cannot be of one history, as somebody claims: nothing of it is checked before
/// [`Equivocation::verify`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Equivocation {
    notes: [Note; 2],
    /// Where the sizes differ: an entry under each head, at one place.
    entries: Option<Entries>,
}

/// Different entries at one place. Only their hashes stand here: evidence gives away no content.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entries {
    index: u64,
    sides: [Side; 2],
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Side {
    entry_hash: Hash,
    hashes: Vec<Hash>,
}

/// Two heads of one log that contradict each other. Only [`Equivocation::verify`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedEquivocation {
    heads: [VerifiedHead; 2],
    seqno: Option<u64>,
}

impl VerifiedEquivocation {
    /// The heads.
    pub fn heads(&self) -> &[VerifiedHead; 2] {
        &self.heads
    }

    /// The entry that is another one under each head, where that is what the evidence shows.
    pub fn seqno(&self) -> Option<u64> {
        self.seqno
    }
}

/// Whether two heads of one log contradict each other by themselves.
pub(super) fn contradict(heads: &[VerifiedHead; 2]) -> Result<bool, Refused> {
    let [one, other] = heads;
    if one.origin() != other.origin() {
        return Err(Refused::AnotherLog { expected: one.origin().into(), found: other.origin().into() });
    }
    let differ = one.size() == other.size() && one.root() != other.root();
    Ok(differ || one.is_impossible() || other.is_impossible())
}

impl Equivocation {
    pub(super) fn of_heads(notes: [Note; 2]) -> Equivocation {
        Equivocation { notes, entries: None }
    }

    pub(super) fn of_entries([one, other]: [TlogProof; 2], [one_hash, other_hash]: [Hash; 2]) -> Equivocation {
        let sides =
            [Side { entry_hash: one_hash, hashes: one.hashes }, Side { entry_hash: other_hash, hashes: other.hashes }];
        Equivocation { notes: [one.note, other.note], entries: Some(Entries { index: one.index, sides }) }
    }

    /// Reads evidence in its one spelling.
    pub fn parse(text: &str) -> Result<Equivocation, Refused> {
        let shape = Refused::Malformed("not two heads, and nothing besides or an entry under each");
        if text.len() > MAX_EQUIVOCATION_BYTES {
            return Err(Refused::TooLarge { limit: MAX_EQUIVOCATION_BYTES, found: text.len() });
        }
        let rest = text.strip_prefix(FIRST_LINE).ok_or(Refused::Malformed("the first line is not that of evidence"))?;
        // None of its parts holds a blank line: a head is three lines, and its signatures are lines that begin with a dash.
        let parts: Vec<&str> = rest.strip_suffix('\n').ok_or(shape.clone())?.split("\n\n").collect();
        let note = |text: &str, sigs: &str| Note::parse(&format!("{}\n\n{sigs}\n", text.trim_start_matches('\n')));
        let evidence = match parts[..] {
            [one, one_sigs, other, other_sigs] => {
                Equivocation::of_heads([note(one, one_sigs)?, note(other, other_sigs)?])
            }
            [index, one_proof, one, one_sigs, other_proof, other, other_sigs] => Equivocation {
                notes: [note(one, one_sigs)?, note(other, other_sigs)?],
                entries: Some(Entries {
                    index: index.strip_prefix("index ").and_then(|index| index.parse().ok()).ok_or(shape.clone())?,
                    sides: [Side::parse(one_proof)?, Side::parse(other_proof)?],
                }),
            },
            _ => return Err(shape),
        };
        if evidence.to_string() == text { Ok(evidence) } else { Err(shape) }
    }

    /// Checks that a known key of one log signed both heads and that they cannot be of one history: one size and two roots,
    /// a root that no empty log has, or different entries at one place.
    pub fn verify(&self, trust: &Trust) -> Result<VerifiedEquivocation, Refused> {
        let heads = [verify_note(&self.notes[0], trust)?, verify_note(&self.notes[1], trust)?];
        let by_themselves = contradict(&heads)?;
        let Some(Entries { index, sides }) = &self.entries else {
            return match by_themselves {
                true => Ok(VerifiedEquivocation { heads, seqno: None }),
                false => Err(Refused::NoContradiction),
            };
        };
        let seqno = index.checked_add(1).ok_or(Refused::Malformed("no entry has the last of all indices"))?;
        for (side, head) in sides.iter().zip(&heads) {
            verify_inclusion(&side.hashes, &side.entry_hash, seqno, head.size(), head.root())?;
        }
        if sides[0].entry_hash == sides[1].entry_hash {
            return Err(Refused::NoContradiction);
        }
        Ok(VerifiedEquivocation { heads, seqno: Some(seqno) })
    }
}

impl Side {
    fn parse(text: &str) -> Result<Side, Refused> {
        let mut lines = text.split('\n');
        let entry =
            lines.next().and_then(|line| line.strip_prefix("entry ")).map(|hash| parse_hashes([hash].into_iter()));
        let entry_hash = entry.ok_or(Refused::Malformed("an entry is 'entry' and its hash in base64"))??[0];
        Ok(Side { entry_hash, hashes: parse_hashes(lines)? })
    }
}

impl fmt::Display for Equivocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(FIRST_LINE)?;
        if let Some(Entries { index, .. }) = &self.entries {
            writeln!(f, "index {index}")?;
        }
        for (at, note) in self.notes.iter().enumerate() {
            if let Some(Entries { sides, .. }) = &self.entries {
                writeln!(f, "\nentry {}", BASE64.encode(sides[at].entry_hash.0))?;
                write_hashes(f, &sides[at].hashes)?;
            }
            write!(f, "\n{note}")?;
        }
        Ok(())
    }
}
