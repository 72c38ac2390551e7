//! What is written is read back, and nothing else is read.

use super::*;
use crate::entry::{Entry, SigningRule, StreamRules, Tier};
use crate::hash::{Hash, KeyId, Suite};
use crate::record::*;

/// A sequence of numbers that is the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }

    fn bytes(&mut self, longest: u64) -> Vec<u8> {
        (0..self.roll(longest + 1)).map(|_| self.roll(256) as u8).collect()
    }

    fn text(&mut self, longest: u64, alphabet: &[&str]) -> String {
        (0..self.roll(longest + 1)).map(|_| alphabet[self.roll(alphabet.len() as u64) as usize]).collect()
    }

    fn plain(&mut self) -> String {
        self.text(20, &["a", "Z", "\"", "\\", " ", "é", "水", "\u{2028}", "/", "0123456789", "\u{80}", "😀"])
    }

    fn name(&mut self) -> String {
        format!("x{}", self.plain())
    }

    fn hash(&mut self) -> Hash {
        Hash(core::array::from_fn(|_| self.roll(256) as u8))
    }

    fn number(&mut self) -> u64 {
        let bits = self.roll(64);
        self.roll(u64::MAX) >> bits
    }

    fn time(&mut self) -> String {
        format!(
            "20{:02}-0{}-1{}T04:07:11.{:09}Z",
            self.roll(100),
            1 + self.roll(9),
            self.roll(10),
            self.roll(1_000_000_000)
        )
    }

    fn payload(&mut self) -> Vec<u8> {
        match self.roll(3) {
            0 => self.bytes(300),
            1 => self.text(100, &["{\"key\":", "\n", "\r", "\t", "\\", "value", "é"]).into_bytes(),
            _ => self.text(100, &["plain", " ", "\u{7f}", "\0", "\u{1b}"]).into_bytes(),
        }
    }

    fn entry(&mut self) -> Entry {
        Entry {
            version: self.number(),
            stream: self.name(),
            session: self.plain(),
            boot: self.plain(),
            seqno: self.number(),
            time: self.time(),
            event: self.plain(),
            severity: ["debug", "info", "notice", "emergency"][self.roll(4) as usize].into(),
            producer: self.plain(),
            encoding: self.plain(),
            payload: self.payload(),
            prev: self.hash(),
        }
    }
}

/// Writes the record, reads it back and compares.
fn round_trip(record: Record<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    write_record(&record, &mut out).unwrap();
    let line = out.strip_suffix(b"\n").unwrap();
    let parsed = parse_line(line).unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(line)));
    assert_eq!(parsed.record(&mut Vec::new()), Ok(record));
    out
}

#[test]
fn what_is_written_is_read_back() {
    let dice = &mut Dice(7);
    for _ in 0..2000 {
        let (entry, hash) = (dice.entry(), dice.hash());
        let bytes = entry.as_ref().encode();
        round_trip(Record::Entry(EntryRow { seqno: entry.seqno, stream: &entry.stream, hash, bytes: &bytes }));
        round_trip(Record::Pruned(PrunedRow { seqno: entry.seqno, stream: &entry.stream, hash }));
        let origin = "log.example/1".into();
        round_trip(Record::Log(&LogRow { id: [dice.roll(256) as u8; 16], origin, created: dice.time() }));
        round_trip(Record::Stream(&StreamRow {
            name: dice.name(),
            rules: StreamRules {
                tier: [Tier::Public, Tier::Protected, Tier::HighlyRestricted][dice.roll(3) as usize],
                suite: [Suite::Sha256, Suite::Blake3, Suite::HmacSha256(KeyId([9; 8]))][dice.roll(3) as usize],
                sign: [SigningRule::None, SigningRule::Segments, SigningRule::Entries][dice.roll(3) as usize],
                description: (dice.roll(2) == 0).then(|| dice.name()),
            },
            created: dice.time(),
            deprecated: (dice.roll(2) == 0).then(|| dice.time()),
        }));
        round_trip(Record::DataKey(&DataKeyRow {
            id: dice.hash(),
            stream: dice.name(),
            first: dice.number(),
            kek: dice.name(),
            alg: dice.plain(),
            wrapped: dice.bytes(80),
            created: dice.time(),
        }));
        let of = if dice.roll(2) == 0 { Subject::Entry(dice.number()) } else { Subject::Segment(dice.number()) };
        round_trip(Record::Signature(&SignatureRow {
            of,
            identity: dice.name(),
            alg: dice.plain(),
            key: dice.bytes(80),
            sig: dice.bytes(80),
        }));
        round_trip(Record::Segment(&SegmentRow {
            id: dice.number(),
            stream: dice.name(),
            first: dice.number(),
            last: dice.number(),
            count: dice.number(),
            root: dice.hash(),
            last_hash: dice.hash(),
            prev: dice.hash(),
            boot: dice.plain(),
            session: dice.plain(),
            policy: dice.hash(),
            closed: dice.time(),
        }));
        round_trip(Record::Witness(&WitnessRow {
            size: dice.number(),
            name: dice.name(),
            at: dice.time(),
            result: WitnessResult::NAMES[dice.roll(4) as usize].0,
            detail: dice.plain(),
        }));
        let sigs = (0..dice.roll(65)).map(|_| dice.plain()).collect();
        let head = round_trip(Record::Head(&HeadRow { size: dice.number(), root: dice.hash(), sigs }));
        assert!(head.starts_with(HEAD_PREFIX));
    }
}

#[test]
fn what_could_not_be_read_back_is_not_written() {
    let dice = &mut Dice(8);
    let good = dice.entry();
    let write = |entry: &Entry| {
        let mut out = b"before".to_vec();
        let bytes = entry.as_ref().encode();
        let row = EntryRow { seqno: entry.seqno, stream: &entry.stream, hash: Hash::ZERO, bytes: &bytes };
        let result = write_record(&Record::Entry(row), &mut out);
        assert_eq!(result.is_err(), out == b"before");
        result
    };
    assert_eq!(write(&good), Ok(()));
    for (field, bad) in [
        ("stream", Entry { stream: String::new(), ..good.clone() }),
        ("stream", Entry { stream: "x".repeat(256), ..good.clone() }),
        ("session", Entry { session: "a\nb".into(), ..good.clone() }),
        ("boot", Entry { boot: "\u{7f}".into(), ..good.clone() }),
        ("time", Entry { time: "2026-02-30T00:00:00.000000000Z".into(), ..good.clone() }),
        ("event", Entry { event: "\0".into(), ..good.clone() }),
        ("severity", Entry { severity: "fatal".into(), ..good.clone() }),
        ("producer", Entry { producer: "\u{1b}[2J".into(), ..good.clone() }),
        ("encoding", Entry { encoding: "\t".into(), ..good.clone() }),
    ] {
        assert_eq!(write(&bad), Err(WriteError::Field(field)));
    }
    let huge = Entry { payload: vec![b'\n'; 18 << 20], ..good.clone() };
    assert_eq!(write(&huge), Err(WriteError::TooLong));
    let bytes = good.as_ref().encode();
    let row = EntryRow { seqno: good.seqno ^ 1, stream: &good.stream, hash: Hash::ZERO, bytes: &bytes };
    assert_eq!(write_record(&Record::Entry(row), &mut Vec::new()), Err(WriteError::EntryMismatch));
    let row = EntryRow { seqno: good.seqno, bytes: &bytes[1..], ..row };
    assert!(matches!(write_record(&Record::Entry(row), &mut Vec::new()), Err(WriteError::Entry(_))));
}

#[test]
fn no_line_is_read_in_a_second_spelling() {
    let dice = &mut Dice(9);
    for _ in 0..3000 {
        let entry = dice.entry();
        let bytes = entry.as_ref().encode();
        let row = EntryRow { seqno: entry.seqno, stream: &entry.stream, hash: dice.hash(), bytes: &bytes };
        let mut line = round_trip(Record::Entry(row));
        line.pop();
        for _ in 0..=dice.roll(3) {
            let at = dice.roll(line.len() as u64) as usize;
            match dice.roll(3) {
                0 => line[at] = dice.roll(256) as u8,
                1 => drop(line.remove(at)),
                _ => line.insert(at, b"\" \\0{}[]:,u\x7f"[dice.roll(12) as usize]),
            }
        }
        // Whatever is still read is spelled as it would be written, where its kind is known.
        let Ok(parsed) = parse_line(&line) else { continue };
        let mut scratch = Vec::new();
        let mut again = Vec::new();
        match parsed.record(&mut scratch) {
            Ok(unknown @ Record::Unknown(_)) => {
                assert_eq!(write_record(&unknown, &mut again), Err(WriteError::Unknown));
                assert!(again.is_empty());
            }
            Ok(record) => {
                write_record(&record, &mut again).unwrap();
                assert_eq!(again.strip_suffix(b"\n"), Some(&line[..]));
            }
            Err(_) => {}
        }
    }
}

#[test]
fn any_bytes_are_read_without_a_panic() {
    let dice = &mut Dice(10);
    for start in [
        &b""[..],
        b"{\"t\":",
        b"{\"t\":\"head\",\"size\":",
        b"{\"t\":\"mystery\",\"a\":",
        b"{\"t\":\"log\",\"v\":1,\"id\":\"",
    ] {
        for _ in 0..5000 {
            let line = [start, &dice.bytes(40)].concat();
            let _ = parse_line(&line);
            let json: String = dice.text(20, &["\"", ",", ":", "[", "]", "{", "}", "1", "0", "\\", "u00", "é", "null"]);
            let _ = parse_line(&[start, json.as_bytes()].concat());
        }
    }
}

#[test]
fn well_spelled_records_that_are_not_known_are_told_from_malformed_ones() {
    let unknown = |kind: &str| Ok(Line::Unknown(UnknownLine { kind: kind.to_owned().into() }));
    assert_eq!(parse_line(br#"{"t":"mystery"}"#), unknown("mystery"));
    assert_eq!(parse_line(br#"{"t":"a\"b","x":[1,"y"]}"#), unknown("a\"b"));
    for malformed in [
        &b""[..],
        b"{}",
        b"[]",
        br#"{"x":1}"#,
        br#"{"t":1}"#,
        br#"{"t":"mystery" }"#,
        br#"{"t":"mystery","t":1}"#,
        br#"{"t":"mystery"}x"#,
        b"{\"t\":\"\x7f\"}",
        br#"{"t":"head"}"#,
    ] {
        assert!(matches!(parse_line(malformed), Err(LineError::Malformed { .. })), "{malformed:?}");
    }
    let long = vec![b' '; MAX_LINE_BYTES + 1];
    assert_eq!(parse_line(&long), Err(LineError::Malformed { detail: "longer than 34 MiB" }));
}
