//! Why a command did not do what it was asked: a sentence that says what happened, one that says what to do, and the exit
//! code that a script branches on.

use std::borrow::Cow;

use crate::bindings::keys::keystore::manage::ManageError;
use crate::bindings::secure_log::log::tree::ProofError;
use crate::bindings::secure_log::log::types::{LogError, SizeMismatch};
use crate::text::hex;

/// The exit codes. docs/command.md explains them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// Done; of a verification: valid.
    Success = 0,
    /// The record, or a proof, does not verify.
    Invalid = 1,
    /// The command line was not understood.
    Usage = 2,
    /// Something could not be checked.
    Incomplete = 3,
    /// The log refused: nothing was written.
    Refused = 4,
    /// The store, the keystore, the anchor, or standard input or output failed.
    Environment = 5,
}

/// The exit codes and what they stand for, as the help lists them.
pub(crate) const EXITS: [(Exit, &str); 6] = [
    (Exit::Success, "done; of a verification: valid"),
    (Exit::Invalid, "invalid: the record, or a proof, does not verify"),
    (Exit::Usage, "the command line was not understood"),
    (Exit::Incomplete, "incomplete: something could not be checked"),
    (Exit::Refused, "refused: not found, over a limit, a conflict; nothing was written"),
    (Exit::Environment, "the store, the keystore, the anchor, or standard input or output failed"),
];

/// Why a command failed.
#[derive(Debug, PartialEq)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    /// A word for programs: the case of the error in wit/log.wit or wit/keys, or the code of a finding.
    pub(crate) code: Cow<'static, str>,
    /// Where in the record it was found, where that is known.
    pub(crate) at: Option<String>,
    /// What happened.
    pub(crate) what: String,
    /// What to do about it.
    pub(crate) advice: Option<Cow<'static, str>>,
}

impl Failure {
    pub(crate) fn new(exit: Exit, code: &'static str, what: impl Into<String>) -> Failure {
        Failure { exit, code: code.into(), at: None, what: what.into(), advice: None }
    }

    pub(crate) fn usage(what: impl Into<String>) -> Failure {
        Failure::new(Exit::Usage, "usage", what)
    }

    pub(crate) fn input(error: &std::io::Error) -> Failure {
        Failure::new(Exit::Environment, "input", format!("standard input could not be read: {error}"))
    }

    pub(crate) fn advised(self, advice: impl Into<Cow<'static, str>>) -> Failure {
        Failure { advice: Some(advice.into()), ..self }
    }

    pub(crate) fn at(self, at: String) -> Failure {
        Failure { at: Some(at), ..self }
    }
}

impl From<LogError> for Failure {
    fn from(error: LogError) -> Failure {
        match error {
            LogError::LogNotFound(config) => refused("log-not-found", format!("there is no log at \"{config}\""))
                .advised("check the name, and the folders opened with `wasmtime run --dir`; `open` makes a log"),
            LogError::EntryNotFound(seqno) => {
                refused("entry-not-found", format!("there is no entry {seqno}, or it was pruned"))
                    .advised("`status` says how many entries there are")
            }
            LogError::StreamNotFound(name) => refused("stream-not-found", format!("there is no stream \"{name}\""))
                .advised("`list streams` names those that there are"),
            LogError::StreamExists(name) => refused("stream-exists", format!("there is a stream \"{name}\" already"))
                .advised("a stream's rules never change: choose another name"),
            LogError::StreamDeprecated(name) => {
                refused("stream-deprecated", format!("stream \"{name}\" was deprecated and takes no more entries"))
                    .advised("append to another stream")
            }
            LogError::LogClosed(size) => {
                refused("log-closed", format!("the log was closed with {size} entries, to be archived, and takes no more"))
                    .advised("write to the log that continues it; `continue` makes one")
            }
            LogError::StreamProtected(name) => {
                refused("stream-protected", format!("what is appended to stream \"{name}\" has to be sealed"))
                    .advised("`append --sealed`")
            }
            LogError::StreamNotProtected(name) => refused(
                "stream-not-protected",
                format!("stream \"{name}\" is public or not there: nothing is sealed in it"),
            )
            .advised("`create-stream STREAM --tier protected` makes one whose payloads are sealed"),
            LogError::NotSealed(seqno) => refused("not-sealed", format!("the payload of entry {seqno} is not sealed"))
                .advised("`read` prints it"),
            LogError::PayloadErased(seqno) => {
                refused("payload-erased", format!("the payload of entry {seqno} was erased, on record"))
            }
            LogError::PseudonymKeyMissing(name) => refused(
                "pseudonym-key-missing",
                format!("the key for pseudonyms of stream \"{name}\" is gone: nothing can be appended to it any more"),
            )
            .advised("append to another stream"),
            LogError::ErasesMore(range) => refused(
                "erases-more",
                format!("one data key seals entries {} to {}, which is more than was to be erased", range.first, range.last),
            )
            .advised("erase all of these; segments that are closed more often are erased in smaller parts"),
            LogError::SegmentNotFound(0) => refused("segment-not-found", "the entry's segment is not closed yet")
                .advised("`close` its stream first"),
            LogError::SegmentNotFound(id) => refused("segment-not-found", format!("there is no segment {id}"))
                .advised("`list segments` names those that there are"),
            LogError::SegmentAlreadyClosed(id) => {
                refused("segment-already-closed", format!("segment {id} was closed before"))
            }
            LogError::EmptySegment(name) => {
                refused("empty-segment", format!("nothing was appended to stream \"{name}\" since its last close"))
            }
            LogError::HeadNotFound(size) => refused("head-not-found", format!("there is no head of size {size}"))
                .advised("sizes that can be asked for are those that a commit ended with"),
            LogError::HeadUnsigned(size) => {
                refused("head-unsigned", format!("the head of size {size} is not signed by a key of the log"))
                    .advised("`sign --head` signs the head as it stands now, if there is a key")
            }
            LogError::NotCovered(found) => {
                refused("not-covered", format!("a head of size {} does not cover entry {}", found.size, found.seqno))
            }
            LogError::UnprovableSizes(sizes) => refused("unprovable-sizes", unprovable(sizes.old, sizes.new)),
            LogError::NotImplemented => refused("not-implemented", "this version cannot do that"),
            LogError::Invalid(detail) => refused("invalid", detail),
            LogError::KeyEnded(ended) => refused(
                "key-ended",
                format!("the key \"{}\" ended with entry {}: the log goes on under {}", ended.identity, ended.last, ended.successor),
            )
            .advised("set SECURE_LOG_HEAD_IDENTITY to the label of that key; `key show LABEL --name ORIGIN` prints which it is"),
            LogError::NotOpen => refused("not-open", "the log is not open"),
            LogError::AlreadyOpen => refused("already-open", "the log is open already"),
            LogError::Conflict => {
                refused("conflict", "other writers were faster several times in a row").advised(LATER)
            }
            LogError::Locked(detail) => {
                refused("locked", format!("another writer holds the store: {detail}")).advised(LATER)
            }

            LogError::ChainBroken(found) => {
                invalid("chain-broken", found.reason).at(format!("seqno {}", found.seqno)).advised(EVIDENCE)
            }
            LogError::InclusionMismatch(found) => invalid(
                "inclusion-mismatch",
                format!("the proof does not show that the entry is in segment {}", found.segment_id),
            )
            .at(format!("seqno {}", found.seqno)),
            LogError::DataKeyMissing(seqno) => {
                invalid("data-key-missing", "its data key is gone, and no entry says that it was erased")
                    .at(format!("seqno {seqno}"))
                    .advised(EVIDENCE)
            }
            LogError::DataKeyRefused(key) => invalid(
                "data-key-refused",
                format!(
                    "the data key {} is not what the key \"{}\" wrapped: it was changed, or that label is another key's now",
                    hex(&key.id),
                    key.kek
                ),
            )
            .advised(EVIDENCE),
            LogError::PayloadRefused(seqno) => {
                invalid("payload-refused", "it is not what its data key sealed for its stream and encoding")
                    .at(format!("seqno {seqno}"))
                    .advised(EVIDENCE)
            }
            LogError::Encoding(detail) => invalid("encoding", detail).advised(EVIDENCE),
            LogError::Rollback(sizes) => {
                let SizeMismatch { expected, found } = sizes;
                let what =
                    format!("the store was rolled back or cut: {expected} entries are attested, and it has {found}");
                invalid("rollback", what).advised(EVIDENCE)
            }
            LogError::Fork(sizes) => {
                let SizeMismatch { expected, found } = sizes;
                let what = format!("what is shown at size {found} does not extend what is known at size {expected}");
                invalid("fork", what).advised(EVIDENCE)
            }
            LogError::PolicyMismatch(detail) => invalid("policy-mismatch", detail).advised(EVIDENCE),
            LogError::Corrupt(damage) => invalid("corrupt", damage.detail).at(damage.at).advised(EVIDENCE),
            LogError::InvalidRecord(finding) => {
                Failure { code: finding.code.into(), ..invalid("", finding.detail) }.at(finding.at).advised(EVIDENCE)
            }

            LogError::Unattested(range) => {
                Failure::new(Exit::Incomplete, "unattested", "no trusted key signed a head over these entries")
                    .at(format!("seqno {} to {}", range.first, range.last))
                    .advised(CHOOSE)
            }

            LogError::LaterVersion(found) => {
                Failure::new(Exit::Incomplete, "later-version", found.what).at(found.at).advised(LATER_VERSION)
            }

            LogError::Storage(detail) => environment("storage", detail).advised(STORE),
            LogError::AnchorMissing(size) => environment(
                "anchor-missing",
                format!("the anchor knows of no such log, and the store has {size} entries"),
            )
            .advised("the anchor was emptied, or it is another log's: find out which; after that, 'recover --reanchor' begins anew there"),
            LogError::Anchor(detail) => environment("anchor", detail),
            LogError::KeyNotFound(detail) => environment("key-not-found", detail).advised(KEYS),
            LogError::MacKeyMissing(key) => {
                let what = match key.configured {
                    None => format!("stream \"{}\" is hashed under a key, and none is configured", key.stream),
                    Some(id) => format!("stream \"{}\" is hashed under another key than {}", key.stream, hex(&id)),
                };
                environment("mac-key-missing", what)
                    .advised("set SECURE_LOG_MAC_LABEL to the label of the key that the stream was made with")
            }
            // These say themselves what to set.
            LogError::AccessDenied(detail) => environment("access-denied", detail),
            LogError::UnsupportedAlgorithm(detail) => environment("unsupported-algorithm", detail),
            LogError::Keystore(detail) => environment("keystore", detail),
        }
    }
}

impl From<ProofError> for Failure {
    fn from(error: ProofError) -> Failure {
        let incomplete = |code, what: String| Failure::new(Exit::Incomplete, code, what);
        match error {
            ProofError::BadKey(what) => Failure::usage(format!("--key or --policy: {what}")),
            ProofError::Malformed(what) => invalid("malformed", what),
            ProofError::SignatureInvalid(what) => invalid("signature-invalid", what),
            ProofError::UnknownKey(origin) => {
                incomplete("unknown-key", format!("what is of \"{origin}\" is not signed by a key that is trusted"))
                    .advised("`key show LABEL --name ORIGIN` prints the key of a log; take it from who keeps the log")
            }
            ProofError::QuorumNotMet(origin) => incomplete(
                "quorum-not-met",
                format!("the witnesses that the policy asks for have not cosigned this head of \"{origin}\""),
            )
            .advised("a proof under a head that they cosigned shows it: `prove-entry` of a log that is anchored"),
            ProofError::AnotherLog(logs) => {
                invalid("another-log", format!("it is of \"{}\" and not of \"{}\"", logs.found, logs.expected))
            }
            ProofError::AnotherSeqno(seqnos) => invalid(
                "another-seqno",
                format!("it is entry {} that is offered as entry {}", seqnos.found, seqnos.expected),
            ),
            ProofError::IndexOutOfRange(leaf) => {
                invalid("index-out-of-range", format!("there is no leaf {} in a tree of {}", leaf.index, leaf.size))
            }
            ProofError::UnprovableSizes(sizes) => invalid("unprovable-sizes", unprovable(sizes.old, sizes.new)),
            ProofError::TooLong => invalid("too-long", "the proof has more hashes than it needs"),
            ProofError::TooShort => invalid("too-short", "the proof has too few hashes"),
            ProofError::RootMismatch(roots) => invalid(
                "root-mismatch",
                format!("the proof leads to {} and not to {}", hex(&roots.found), hex(&roots.expected)),
            ),
            ProofError::UnknownSuite(version) => {
                incomplete("unknown-suite", format!("entries of version {version} are not known here"))
                    .advised("a later version knows them")
            }
            ProofError::MacKeyMissing => {
                incomplete("mac-key-missing", "the entry is hashed under a key, and no such key is here".into())
                    .advised("who holds the key can check it with the library")
            }
            ProofError::AnotherSubmission => invalid(
                "another-submission",
                "the receipt is of something else than this segment, or of another signature",
            )
            .advised("`submissions SEGMENT` prints what it has to be of"),
            ProofError::NoContradiction => invalid("no-contradiction", "the two heads do not contradict each other"),
        }
    }
}

impl From<ManageError> for Failure {
    fn from(error: ManageError) -> Failure {
        match error {
            ManageError::KeyNotFound(detail) => {
                refused("key-not-found", detail).advised("`key list` names those that there are")
            }
            ManageError::KeyExists(detail) => refused("key-exists", detail)
                .advised("a key is never overwritten: choose another label, or move the old key away"),
            ManageError::UnsupportedAlgorithm(detail) => refused("unsupported-algorithm", detail),
            ManageError::Invalid(detail) => refused("invalid", detail),
            // These say themselves what to set.
            ManageError::AccessDenied(detail) => environment("access-denied", detail),
            ManageError::Unsupported(detail) => environment("unsupported", detail),
            ManageError::Backend(detail) => environment("keystore", detail),
        }
    }
}

const EVIDENCE: &str = "keep the store as it is and compare it with a copy; nothing is repaired in place";
const LATER: &str = "nothing was written: call again";
const LATER_VERSION: &str =
    "a later version wrote it: go on with that one, which knows what to keep right; nothing was written";
const STORE: &str = "is the folder there, opened with `wasmtime run --dir`, writable, and the disk not full?";
const KEYS: &str = "hand variables over with `wasmtime run --env NAME`, and open the folder that they name with --dir";
const CHOOSE: &str = "check that the key is the log's; then `recover --adopt` keeps these entries, and `recover --set-aside` moves them out";

fn unprovable(old: u64, new: u64) -> String {
    format!("nothing can be proven from size {old} to size {new}")
}

fn refused(code: &'static str, what: impl Into<String>) -> Failure {
    Failure::new(Exit::Refused, code, what)
}

fn invalid(code: &'static str, what: impl Into<String>) -> Failure {
    Failure::new(Exit::Invalid, code, what)
}

fn environment(code: &'static str, what: impl Into<String>) -> Failure {
    Failure::new(Exit::Environment, code, what)
}
