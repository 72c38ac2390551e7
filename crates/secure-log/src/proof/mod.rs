//! Proofs that leave the log, and checking them without it (docs/proofs.md).
//!
//! **In scope**: what a stranger can check who has nothing but a proof and the log's verifier key: a head, that an entry
//! stands under a head, that a head extends another one, and that two heads contradict each other.
//! **Out of scope**: making proofs is the engine's work ([`crate::SecureLog::prove_inclusion`] and its neighbours), the
//! arithmetic is [`crate::tree`]'s, and a whole log is verified by [`crate::verify`].
//!
//! Every verifying function takes what is not trusted first, and what the caller trusts last. What it answers can be made
//! in no other way.
//!
//! | file | holds |
//! |---|---|
//! | `head` | heads that the log's key signed |
//! | `tlog` | a proof of one entry as a text: C2SP tlog-proof |
//! | `page` | a page of a query |
//! | `gossip` | comparing two heads of one log |
//! | `equivocation` | the evidence when they contradict each other |
//! | `refused` | why something proves nothing |

mod equivocation;
mod gossip;
mod head;
mod page;
mod refused;
mod tlog;

use crate::hash::Hash;
use crate::tree::{self, leaf_hash};

pub use crate::proof::equivocation::{Equivocation, MAX_EQUIVOCATION_BYTES, VerifiedEquivocation};
pub use crate::proof::gossip::{Comparison, compare_entries, compare_heads};
pub use crate::proof::head::{VerifiedHead, verify_head};
pub use crate::proof::page::{Asked, MAX_PAGE_BYTES, MAX_PAGE_ROWS, PageProof, PageRow, Shown, VerifiedPage};
pub use crate::proof::refused::{PageFault, Refused};
pub use crate::proof::tlog::{MAX_TLOG_PROOF_BYTES, TlogProof, VerifiedEntry};

/// As many hashes as a proof in a tree of 2^64 leaves has at most.
pub const MAX_PROOF_HASHES: usize = 65;

/// An entry at its place in the log tree of a size, with its proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InclusionProof {
    /// The entry; its leaf has the index `seqno - 1`.
    pub seqno: u64,
    /// The entry's hash.
    pub entry_hash: Hash,
    /// Size of the tree.
    pub size: u64,
    /// Root of the tree.
    pub root: Hash,
    /// From the leaf's sibling up.
    pub hashes: Vec<Hash>,
}

/// Two sizes of one log tree, with the proof that the larger tree begins with the smaller one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsistencyProof {
    /// Size of the smaller tree.
    pub old_size: u64,
    /// Root of the smaller tree.
    pub old_root: Hash,
    /// Size of the larger tree.
    pub new_size: u64,
    /// Root of the larger tree.
    pub new_root: Hash,
    /// The proof.
    pub hashes: Vec<Hash>,
}

/// Checks that the entry with this hash is entry `seqno` of a log whose tree of `size` leaves has this root. The last two
/// are those of a head that the caller trusts.
///
/// ```
/// use secure_log::hash::Hash;
/// use secure_log::proof::verify_inclusion;
/// use secure_log::tree::{leaf_hash, node_hash};
/// let entries = [Hash::sha256(b"first"), Hash::sha256(b"second")];
/// let root = node_hash(&leaf_hash(&entries[0]), &leaf_hash(&entries[1]));
/// let proof = [leaf_hash(&entries[0])];
/// assert!(verify_inclusion(&proof, &entries[1], 2, 2, &root).is_ok());
/// assert!(verify_inclusion(&proof, &entries[1], 1, 2, &root).is_err(), "it stands at another place");
/// ```
pub fn verify_inclusion(hashes: &[Hash], entry_hash: &Hash, seqno: u64, size: u64, root: &Hash) -> Result<(), Refused> {
    // There is no entry 0, and no leaf with the index that this makes of it.
    let index = seqno.wrapping_sub(1);
    Ok(tree::verify_inclusion(&leaf_hash(entry_hash), index, size, hashes, root)?)
}

/// Checks that the tree of a newer head begins with that of an older one. Size and root are those of two heads that the
/// caller trusts; sizes of 0 prove nothing and are refused.
///
/// ```
/// use secure_log::hash::Hash;
/// use secure_log::proof::verify_consistency;
/// use secure_log::tree::{leaf_hash, node_hash};
/// let (one, two) = (leaf_hash(&Hash::sha256(b"first")), leaf_hash(&Hash::sha256(b"second")));
/// let root = node_hash(&one, &two);
/// assert!(verify_consistency(&[two], (1, &one), (2, &root)).is_ok());
/// assert!(verify_consistency(&[two], (2, &root), (1, &one)).is_err(), "a log does not shrink");
/// ```
pub fn verify_consistency(
    hashes: &[Hash],
    (old_size, old_root): (u64, &Hash),
    (new_size, new_root): (u64, &Hash),
) -> Result<(), Refused> {
    Ok(tree::verify_consistency(old_size, old_root, new_size, new_root, hashes)?)
}
