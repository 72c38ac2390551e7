//! The lines that an evidence bundle has beside those of a log (format.md s.11).

use std::borrow::Cow;

use super::canonical;
use super::line::Line;
use super::parse::{LineError, name, parse_line};
use super::scan::{Content, Malformed, Scanner};
use super::write::{WriteError, Writer};
use super::{MAX_LINE_BYTES, is_name};
use crate::bundle::{Claim, MAX_HINT_BYTES, is_hint};
use crate::hash::{Hash, KeyId};
use crate::proof::MAX_PROOF_HASHES;

/// One line of a bundle, well spelled.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::large_enum_variant, reason = "one is there at a time, and a box would be an allocation a line")]
pub enum BundleLine<'a> {
    /// What the bundle claims to prove.
    Claim(Claim),
    /// The bundle is of another version of the format.
    OtherVersion(u64),
    /// A trust policy, as somebody proposes it.
    Policy(Cow<'a, str>),
    /// The key of the keyed suite that the stream's next entry is hashed under.
    Suite(Cow<'a, str>, KeyId),
    /// The entry with this seqno follows, apart from what is claimed.
    Apart(u64),
    /// The entry with this seqno is under the head: an inclusion proof.
    Included(u64, Vec<Hash>),
    /// What stands left of a range of entries, largest first.
    Left(Vec<Hash>),
    /// What stands right of it, lowest first.
    Right(Vec<Hash>),
    /// A line that a log has, too.
    Record(Line<'a>),
}

/// Reads one line of a bundle, without its newline, as strictly as [`parse_line`] reads those of a log.
pub fn parse_bundle_line(line: &[u8]) -> Result<BundleLine<'_>, LineError> {
    const OWN: [&[u8]; 5] =
        [br#"{"t":"bundle""#, br#"{"t":"policy""#, br#"{"t":"suite""#, br#"{"t":"apart""#, br#"{"t":"proof""#];
    if line.len() > MAX_LINE_BYTES || !OWN.iter().any(|own| line.starts_with(own)) {
        return parse_line(line).map(BundleLine::Record);
    }
    if line.starts_with(br#"{"t":"policy""#) && line.len() > MAX_POLICY_LINE_BYTES {
        return Err(LineError::Malformed { detail: "not the text of a policy" });
    }
    let line = core::str::from_utf8(line).map_err(|_| LineError::Malformed { detail: "not UTF-8" })?;
    own_line(&mut Scanner::new(line)).map_err(|detail| LineError::Malformed { detail })
}

/// The longest line of a policy: each byte of it escaped as two, and what stands around it.
const MAX_POLICY_LINE_BYTES: usize = 2 * MAX_HINT_BYTES + 64;

fn own_line<'a>(s: &mut Scanner<'a>) -> Result<BundleLine<'a>, Malformed> {
    s.literal(r#"{"t":"#)?;
    let line = match &*s.string()? {
        "bundle" => {
            s.literal(r#","v":"#)?;
            match s.number()? {
                1 => BundleLine::Claim(claim(s)?),
                other => {
                    canonical::rest_of_object(s)?;
                    return Ok(BundleLine::OtherVersion(other));
                }
            }
        }
        "policy" => {
            s.literal(r#","text":"#)?;
            let (text, content) = s.any_string()?;
            if content == Content::Control || !is_hint(&text) {
                return Err("not the text of a policy");
            }
            BundleLine::Policy(text)
        }
        "suite" => {
            s.literal(r#","stream":"#)?;
            let stream = name(s)?;
            s.literal(r#","key":"#)?;
            BundleLine::Suite(stream, KeyId(s.hex()?))
        }
        "apart" => {
            s.literal(r#","seqno":"#)?;
            BundleLine::Apart(s.number()?)
        }
        _ => proof(s)?,
    };
    s.literal("}")?;
    s.end()?;
    Ok(line)
}

fn claim(s: &mut Scanner<'_>) -> Result<Claim, Malformed> {
    s.literal(r#","kind":"#)?;
    let kind = s.string()?;
    s.literal(r#","stream":"#)?;
    let stream = if s.take("null") { None } else { Some(name(s)?.into_owned()) };
    s.literal(r#","first":"#)?;
    let first = s.number()?;
    s.literal(r#","last":"#)?;
    let last = s.number()?;
    match (&*kind, stream) {
        ("entry", None) if first == last && first > 0 => Ok(Claim::Entry { seqno: first }),
        ("range", None) if (1..=last).contains(&first) => Ok(Claim::Range { first, last }),
        ("stream", Some(name)) if (1..=last).contains(&first) => Ok(Claim::Stream { name, first, last }),
        _ => Err("not what a bundle can claim"),
    }
}

fn proof<'a>(s: &mut Scanner<'a>) -> Result<BundleLine<'a>, Malformed> {
    if s.take(r#","of":"entry","seqno":"#) {
        let seqno = s.number()?;
        return Ok(BundleLine::Included(seqno, hashes(s)?));
    }
    if s.take(r#","of":"left""#) {
        return hashes(s).map(BundleLine::Left);
    }
    s.literal(r#","of":"right""#)?;
    hashes(s).map(BundleLine::Right)
}

fn hashes(s: &mut Scanner<'_>) -> Result<Vec<Hash>, Malformed> {
    s.literal(r#","hashes":["#)?;
    let mut hashes = Vec::new();
    while !s.take("]") {
        if !hashes.is_empty() {
            s.literal(",")?;
        }
        if hashes.len() == MAX_PROOF_HASHES {
            return Err("more hashes than any tree has levels");
        }
        hashes.push(Hash(s.hex()?));
    }
    Ok(hashes)
}

/// Appends the line to `out`, with its newline, or nothing at all.
pub fn write_bundle_line(line: &BundleLine<'_>, out: &mut Vec<u8>) -> Result<(), WriteError> {
    let start = out.len();
    let written = write(line, &mut Writer { out });
    match written {
        Ok(()) => out.push(b'\n'),
        Err(_) => out.truncate(start),
    }
    written
}

fn write(line: &BundleLine<'_>, w: &mut Writer<'_>) -> Result<(), WriteError> {
    match line {
        BundleLine::Claim(claim) => {
            w.raw(r#"{"t":"bundle","v":1,"kind":""#);
            w.raw(claim.kind());
            w.raw(r#"","stream":"#);
            match claim.stream() {
                Some(stream) => w.name("stream", stream)?,
                None => w.raw("null"),
            }
            let (first, last) = claim.range();
            w.raw(r#","first":"#);
            w.number(first);
            w.raw(r#","last":"#);
            w.number(last);
        }
        BundleLine::Policy(text) if is_hint(text) => {
            w.raw(r#"{"t":"policy","text":"#);
            w.plain_text("text", text)?;
        }
        BundleLine::Suite(stream, key) if is_name(stream) => {
            w.raw(r#"{"t":"suite","stream":"#);
            w.name("stream", stream)?;
            w.raw(r#","key":"#);
            w.hex(&key.0);
        }
        BundleLine::Apart(seqno) => {
            w.raw(r#"{"t":"apart","seqno":"#);
            w.number(*seqno);
        }
        BundleLine::Included(seqno, hashes) => {
            w.raw(r#"{"t":"proof","of":"entry","seqno":"#);
            w.number(*seqno);
            w.hashes(hashes);
        }
        BundleLine::Left(hashes) => {
            w.raw(r#"{"t":"proof","of":"left""#);
            w.hashes(hashes);
        }
        BundleLine::Right(hashes) => {
            w.raw(r#"{"t":"proof","of":"right""#);
            w.hashes(hashes);
        }
        BundleLine::Policy(_) => return Err(WriteError::Field("text")),
        BundleLine::Suite(..) => return Err(WriteError::Field("stream")),
        BundleLine::OtherVersion(_) | BundleLine::Record(_) => return Err(WriteError::Unknown),
    }
    w.raw("}");
    Ok(())
}

impl Writer<'_> {
    fn hashes(&mut self, hashes: &[Hash]) {
        self.raw(r#","hashes":["#);
        for (index, hash) in hashes.iter().enumerate() {
            self.raw(if index == 0 { "" } else { "," });
            self.hash(hash);
        }
        self.raw("]");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines() -> Vec<BundleLine<'static>> {
        let range = Claim::Range { first: 1, last: u64::MAX };
        let stream = Claim::Stream { name: "a\"b".into(), first: 2, last: 9 };
        vec![
            BundleLine::Claim(Claim::Entry { seqno: 7 }),
            BundleLine::Claim(range),
            BundleLine::Claim(stream),
            BundleLine::Policy("log a+00000000+AA==\n\tquorum none\n".into()),
            BundleLine::Policy("\n".repeat(MAX_HINT_BYTES).into()),
            BundleLine::Suite("a".into(), KeyId([7; 8])),
            BundleLine::Apart(3),
            BundleLine::Included(3, vec![Hash::ZERO, Hash([1; 32])]),
            BundleLine::Left(Vec::new()),
            BundleLine::Right(vec![Hash([2; 32]); MAX_PROOF_HASHES]),
        ]
    }

    #[test]
    fn lines_come_back_as_they_were_written() {
        for line in lines() {
            let mut written = Vec::new();
            write_bundle_line(&line, &mut written).unwrap();
            assert_eq!(written.pop(), Some(b'\n'));
            assert_eq!(parse_bundle_line(&written), Ok(line.clone()), "{line:?}");
            for cut in (0..written.len()).take(5000) {
                let read = parse_bundle_line(&written[..cut]);
                assert!(read.is_err(), "{read:?}");
            }
        }
    }

    #[test]
    fn what_cannot_be_read_back_is_not_written() {
        for line in [
            BundleLine::Policy("x".repeat(MAX_HINT_BYTES + 1).into()),
            BundleLine::Policy("\u{1b}[2J".into()),
            BundleLine::Policy("".into()),
            BundleLine::Suite("".into(), KeyId([7; 8])),
            BundleLine::OtherVersion(2),
            BundleLine::Claim(Claim::Stream { name: "a\n".into(), first: 1, last: 1 }),
        ] {
            let mut written = b"before".to_vec();
            assert!(write_bundle_line(&line, &mut written).is_err(), "{line:?}");
            assert_eq!(written, b"before");
        }
    }

    #[test]
    fn a_line_has_one_spelling_and_is_bounded() {
        let hash = format!("\"{}\"", Hash::ZERO);
        let many = vec![hash.as_str(); MAX_PROOF_HASHES + 1].join(",");
        for wrong in [
            r#"{"t":"bundle","v":1,"kind":"entry","stream":null,"first":7,"last":8}"#,
            r#"{"t":"bundle","v":1,"kind":"entry","stream":null,"first":0,"last":0}"#,
            r#"{"t":"bundle","v":1,"kind":"entry","stream":"a","first":7,"last":7}"#,
            r#"{"t":"bundle","v":1,"kind":"range","stream":null,"first":8,"last":7}"#,
            r#"{"t":"bundle","v":1,"kind":"range","stream":null,"first":0,"last":7}"#,
            r#"{"t":"bundle","v":1,"kind":"stream","stream":null,"first":1,"last":7}"#,
            r#"{"t":"bundle","v":1,"kind":"log","stream":null,"first":1,"last":7}"#,
            r#"{"t":"bundle","v":2,"x":1.5}"#,
            r#"{"t":"policy","text":""}"#,
            r#"{"t":"policy","text":"\u001b"}"#,
            r#"{"t":"proof","of":"entry","hashes":[]}"#,
            r#"{"t":"proof","of":"left","hashes":[],"x":1}"#,
            r#"{"t":"proof","of":"middle","hashes":[]}"#,
            r#"{"t":"proof","of":"right","hashes":["00"]}"#,
            &format!(r#"{{"t":"proof","of":"right","hashes":[{many}]}}"#),
            &format!(r#"{{"t":"proof","of":"right","hashes":[{hash},]}}"#),
        ] {
            assert!(parse_bundle_line(wrong.as_bytes()).is_err(), "{wrong}");
        }
        assert_eq!(parse_bundle_line(br#"{"t":"bundle","v":2,"x":[1]}"#), Ok(BundleLine::OtherVersion(2)));
        let longer = format!(r#"{{"t":"policy","text":"{}"}}"#, "x".repeat(MAX_HINT_BYTES + 1));
        assert!(parse_bundle_line(longer.as_bytes()).is_err());
    }
}
