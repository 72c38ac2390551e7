//! The client: having a head cosigned by one witness.
//!
//! A witness may be anybody's and answer anything. No more is read of an answer than [`MAX_ANSWER_BYTES`], and a cosignature
//! counts only once it was checked with the key that the trust policy gives the witness.

use core::fmt;
use core::time::Duration;
use std::time::Instant;

use secure_log::hash::Hash;
use secure_log::note::{MAX_SIGNATURES, Note, NoteError, VerifierKey};
use secure_log::providers::WitnessOutcome;

use crate::endpoint::{ADD_CHECKPOINT_PATH, SIZE_TYPE};
use crate::head::Head;
use crate::request::{AddCheckpoint, decimal};

/// The longest answer that is read: 64 cosignatures by witnesses with names of 255 bytes have 24 KiB.
pub const MAX_ANSWER_BYTES: usize = 32 << 10;
/// No more is shown of a witness's sentence.
const MAX_SHOWN_BYTES: usize = 240;
/// So often a request is made that gets no answer, if that is known so fast.
const ATTEMPTS: u32 = 2;
const QUICKLY: Duration = Duration::from_secs(1);

/// Carries requests.
pub trait Post {
    /// Posts a body and answers what came back, of which the body has at most `limit` bytes. It does so, or fails, within a
    /// time that it bounds. The error says why, for a person to read.
    fn post(&mut self, url: &str, body: &str, limit: usize) -> Result<AnsweredPost, String>;
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnsweredPost {
    /// The HTTP status.
    pub status: u16,
    /// The header of this name, if it is there once.
    pub content_type: Option<String>,
    /// The body.
    pub body: Vec<u8>,
}

/// A witness that is asked over a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteWitness {
    /// What the policy calls it.
    pub name: String,
    /// Its key.
    pub key: VerifierKey,
    /// The address before `/add-checkpoint`.
    pub url: String,
}

impl RemoteWitness {
    /// Has a head cosigned that continues the one of `old_size`. Answers signature lines by the witness's key, which were
    /// checked.
    pub fn cosign(
        &self,
        post: &mut impl Post,
        note: &Note,
        old_size: u64,
        proof: &[Hash],
    ) -> Result<Vec<String>, Unwitnessed> {
        let request = AddCheckpoint { old_size, proof: proof.to_vec(), note: note.clone() }.to_string();
        let url = format!("{}{ADD_CHECKPOINT_PATH}", self.url.trim_end_matches('/'));
        let mut why = String::new();
        for _ in 0..ATTEMPTS {
            let began = Instant::now();
            match post.post(&url, &request, MAX_ANSWER_BYTES) {
                Ok(answer) => return self.read(&answer, &note.text, old_size),
                Err(error) => why = error,
            }
            if began.elapsed() > QUICKLY {
                break;
            }
        }
        Err(Unwitnessed::Unreachable(harmless(&why)))
    }

    fn read(&self, answer: &AnsweredPost, text: &str, old_size: u64) -> Result<Vec<String>, Unwitnessed> {
        if answer.body.len() > MAX_ANSWER_BYTES {
            return Err(Unwitnessed::Nonsense("an answer that is too long"));
        }
        let body = core::str::from_utf8(&answer.body);
        match answer.status {
            200 => self.cosignatures(body.map_err(|_| Unwitnessed::Nonsense("an answer that is no text"))?, text),
            409 => {
                let named = answer.content_type.as_deref() == Some(SIZE_TYPE);
                let size = body.ok().filter(|_| named).and_then(|body| decimal(body.strip_suffix('\n')?));
                // That its head of this very size is another one, a witness may say without a size.
                let own = Head::parse(text).ok().filter(|head| !named && head.size == old_size).map(|head| head.size);
                Err(size.or(own).map_or(Unwitnessed::Nonsense("a conflict without a size"), Unwitnessed::Conflict))
            }
            422 => Err(Unwitnessed::Inconsistent(old_size)),
            // These say that it may be otherwise later.
            status @ (429 | 500..) => Err(Unwitnessed::Unreachable(format!("it answered {status}"))),
            status => {
                let said = harmless(&String::from_utf8_lossy(&answer.body));
                Err(Unwitnessed::Refused { status, said })
            }
        }
    }

    fn cosignatures(&self, body: &str, text: &str) -> Result<Vec<String>, Unwitnessed> {
        let body = body.strip_suffix('\n').ok_or(Unwitnessed::Nonsense("a line that does not end"))?;
        let mut ours = Vec::new();
        for (index, line) in body.split('\n').enumerate() {
            let line = line.strip_prefix("— ").ok_or(Unwitnessed::Nonsense("a line that is no signature"))?;
            if index == MAX_SIGNATURES {
                return Err(Unwitnessed::Nonsense("too many signatures"));
            }
            // Those by other keys are nobody's here.
            if self.key.check_line(line, text).map_err(Unwitnessed::WrongSignature)? {
                ours.push(line.to_owned());
            }
        }
        if ours.is_empty() { Err(Unwitnessed::OtherKeys) } else { Ok(ours) }
    }
}

/// The beginning of a text that somebody else chose, without anything that a terminal would obey.
fn harmless(text: &str) -> String {
    let text = text.trim();
    let shown = &text[..text.floor_char_boundary(MAX_SHOWN_BYTES)];
    shown.escape_debug().collect()
}

/// Why a witness did not cosign a head.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unwitnessed {
    /// Its last head has this size, and the request named another; or it has another head of the size that was named.
    Conflict(u64),
    /// Its last head has the size that was named, and the proof does not lead from there to the head.
    Inconsistent(u64),
    /// It refuses.
    Refused {
        /// The HTTP status.
        status: u16,
        /// The beginning of what it said.
        said: String,
    },
    /// It answered something that the protocol does not have.
    Nonsense(&'static str),
    /// A line that names its key is not by it, or is no signature.
    WrongSignature(NoteError),
    /// It answered cosignatures, and none is by its key.
    OtherKeys,
    /// It did not answer, or said that it cannot now.
    Unreachable(String),
}

impl Unwitnessed {
    /// What the log is told.
    pub fn outcome(&self) -> WitnessOutcome {
        let why = self.to_string();
        match self {
            Unwitnessed::Conflict(_) | Unwitnessed::Inconsistent(_) => WitnessOutcome::Conflict(why),
            Unwitnessed::Unreachable(_) => WitnessOutcome::Unreachable(why),
            _ => WitnessOutcome::Refused(why),
        }
    }
}

impl fmt::Display for Unwitnessed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unwitnessed::Conflict(size) => write!(f, "its last head has size {size}"),
            Unwitnessed::Inconsistent(size) => {
                write!(f, "the head does not continue the one of size {size} that it has")
            }
            Unwitnessed::Refused { status, said } => write!(f, "it answered {status}: {said}"),
            Unwitnessed::Nonsense(what) => write!(f, "it answered {what}"),
            Unwitnessed::WrongSignature(error) => write!(f, "its cosignature is wrong: {error}"),
            Unwitnessed::OtherKeys => f.write_str("its cosignature is by another key than the policy gives it"),
            Unwitnessed::Unreachable(why) => write!(f, "it did not answer: {why}"),
        }
    }
}

impl std::error::Error for Unwitnessed {}
