//! RFC 6962 Merkle trees (format.md s.4): building, proving, checking.
//!
//! Nothing here recurses over leaves or holds them. A tree under construction is the roots of its complete
//! subtrees; a proof is first a list of the subtrees that it needs, which a store answers in one read.

use core::fmt;

use sha2::{Digest, Sha256};

use crate::hash::Hash;

pub(crate) mod many;

/// Hash of a leaf whose content is an entry-hash.
pub fn leaf_hash(entry_hash: &Hash) -> Hash {
    let mut input = [0; 33];
    input[1..].copy_from_slice(&entry_hash.0);
    Hash::sha256(&input)
}

/// Hash of an interior node.
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut input = [1; 65];
    input[1..33].copy_from_slice(&left.0);
    input[33..].copy_from_slice(&right.0);
    Hash::sha256(&input)
}

/// Root of the tree without leaves.
pub fn empty_root() -> Hash {
    Hash(Sha256::digest([]).into())
}

/// A complete subtree: `2^level` leaves from leaf `index << level`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Subtree {
    /// Its height; 0 is a leaf.
    pub level: u8,
    /// Its place among those of its level.
    pub index: u64,
}

/// A tree that grows at its right end: the roots of its complete subtrees, largest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CompactTree {
    size: u64,
    frontier: Vec<Hash>,
}

impl CompactTree {
    /// The tree without leaves.
    pub fn new() -> CompactTree {
        CompactTree::default()
    }

    /// The tree of this size whose complete subtrees, as [`frontier`] names them, have these roots. `None` when there are
    /// not as many as the size calls for.
    pub fn from_frontier(size: u64, frontier: Vec<Hash>) -> Option<CompactTree> {
        (frontier.len() == size.count_ones() as usize).then_some(CompactTree { size, frontier })
    }

    /// How many leaves it has.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The root of one of its largest complete subtrees, those that [`frontier`] names; `None` for any other.
    pub fn frontier_root(&self, subtree: Subtree) -> Option<Hash> {
        let level = u32::from(subtree.level);
        let on_frontier = level < 64 && self.size >> level & 1 == 1 && subtree.index == (self.size >> level) - 1;
        // Those to its left are larger: one for each higher bit of the size.
        let left = if level < 63 { (self.size >> (level + 1)).count_ones() } else { 0 };
        on_frontier.then(|| self.frontier[left as usize])
    }

    /// Appends the hash of a leaf.
    pub fn push(&mut self, leaf: Hash) {
        self.push_with(leaf, |_, _| {});
    }

    /// Appends the hash of a leaf, and reports each interior subtree that it completes, lowest first.
    pub fn push_with(&mut self, leaf: Hash, mut completed: impl FnMut(Subtree, &Hash)) {
        self.push_hashing(leaf, |subtree, left, right| {
            let hash = node_hash(left, right);
            completed(subtree, &hash);
            hash
        });
    }

    /// Appends the hash of a leaf; `hash` is [`node_hash`], for each interior subtree that is completed, lowest first.
    fn push_hashing(&mut self, leaf: Hash, mut hash: impl FnMut(Subtree, &Hash, &Hash) -> Hash) {
        let (mut root, mut level) = (leaf, 0);
        let mut index = self.size;
        while index & 1 == 1 {
            let left = self.frontier.pop().expect("each set bit of the size has a root on the frontier");
            index >>= 1;
            level += 1;
            root = hash(Subtree { level, index }, &left, &root);
        }
        self.frontier.push(root);
        self.size += 1;
    }

    /// The root.
    pub fn root(&self) -> Hash {
        fold(&self.frontier).unwrap_or_else(empty_root)
    }

    /// The root of the tree of `size` leaves that begins with these, of which there is at least one. `right` is what stands
    /// right of them there: the hashes of [`ProofPlan::right_of`].
    pub fn root_in(&self, size: u64, right: &[Hash]) -> Result<Hash, ProofError> {
        let steps = steps_to(self.size, size)?;
        let left = steps.iter().filter(|(side, ..)| *side == Side::Left).count();
        let (mut left, shared) = self.frontier.split_at(left);
        let mut right = right.iter();
        let mut hash = fold(shared).expect("a path ends in a subtree that has leaves of both trees");
        for (side, ..) in steps.iter().rev() {
            hash = match side {
                Side::Left => {
                    let (last, rest) = left.split_last().expect("each step on the left has a subtree of its own");
                    left = rest;
                    node_hash(last, &hash)
                }
                Side::Right => node_hash(&hash, right.next().ok_or(ProofError::TooShort)?),
            };
        }
        if right.next().is_some() { Err(ProofError::TooLong) } else { Ok(hash) }
    }
}

/// Pushes one leaf to several trees. Where they end with the same entries, as that of a log and that of its only stream do,
/// a node is hashed once.
#[derive(Debug, Default)]
pub(crate) struct SharedPush {
    leaf: Hash,
    /// Left, right and their node, by level.
    nodes: Vec<(Hash, Hash, Hash)>,
}

impl SharedPush {
    /// The leaf that is pushed from now on.
    pub(crate) fn begin(&mut self, leaf: Hash) {
        self.leaf = leaf;
        self.nodes.clear();
    }

    /// Appends the leaf.
    pub(crate) fn push(&mut self, tree: &mut CompactTree) {
        tree.push_hashing(self.leaf, |subtree, left, right| {
            let below = usize::from(subtree.level) - 1;
            if let Some((l, r, node)) = self.nodes.get(below)
                && (l, r) == (left, right)
            {
                return *node;
            }
            let node = node_hash(left, right);
            self.nodes.truncate(below);
            self.nodes.push((*left, *right, node));
            node
        });
    }
}

/// The complete subtrees of a tree of this size, largest first.
pub fn frontier(size: u64) -> Vec<Subtree> {
    cover(0, size)
}

/// A proof to be: each of its hashes is the fold of the roots of these complete subtrees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProofPlan(Vec<Vec<Subtree>>);

impl ProofPlan {
    /// What the proof that leaf `index` is in the tree of `size` leaves consists of, leaf first.
    pub fn inclusion(index: u64, size: u64) -> Result<ProofPlan, ProofError> {
        if index >= size {
            return Err(ProofError::IndexOutOfRange { index, size });
        }
        let (mut low, mut high) = (0, size);
        let mut ranges = Vec::new();
        while high - low > 1 {
            let middle = low + split(high - low);
            if index < middle {
                ranges.push(cover(middle, high));
                high = middle;
            } else {
                ranges.push(cover(low, middle));
                low = middle;
            }
        }
        ranges.reverse();
        Ok(ProofPlan(ranges))
    }

    /// What the proof that the tree of `new` leaves begins with that of `old` leaves consists of.
    pub fn consistency(old: u64, new: u64) -> Result<ProofPlan, ProofError> {
        let steps = steps_to(old, new)?;
        let low = steps.iter().rev().find(|(side, ..)| *side == Side::Left).map_or(0, |(_, _, high)| *high);
        let mut ranges: Vec<_> = steps.iter().map(|(_, from, to)| cover(*from, *to)).collect();
        // The verifier has the old root: it needs that subtree only where it is not the whole old tree.
        if low > 0 {
            ranges.push(cover(low, old));
        }
        ranges.reverse();
        Ok(ProofPlan(ranges))
    }

    /// What stands right of the first `old` leaves on the way to the root of the tree of `new`, lowest first. With the
    /// [`frontier`] left of a range of leaves it proves the range: see [`CompactTree::root_in`].
    pub fn right_of(old: u64, new: u64) -> Result<ProofPlan, ProofError> {
        let steps = steps_to(old, new)?;
        let right = steps.iter().rev().filter(|(side, ..)| *side == Side::Right);
        Ok(ProofPlan(right.map(|(_, from, to)| cover(*from, *to)).collect()))
    }

    /// The subtrees whose roots are needed, in the order in which [`ProofPlan::assemble`] takes them.
    pub fn subtrees(&self) -> impl Iterator<Item = Subtree> {
        self.0.iter().flatten().copied()
    }

    /// The proof, from the roots of [`ProofPlan::subtrees`]. `None` when there are not as many.
    pub fn assemble(&self, roots: &[Hash]) -> Option<Vec<Hash>> {
        let mut rest = roots;
        let mut proof = Vec::with_capacity(self.0.len());
        for range in &self.0 {
            let (taken, after) = rest.split_at_checked(range.len())?;
            proof.push(fold(taken)?);
            rest = after;
        }
        rest.is_empty().then_some(proof)
    }
}

/// On which side of the path each hash of an inclusion proof stands, leaf first: `true` on the right. `index` is
/// smaller than `size`.
pub fn sides(index: u64, size: u64) -> Vec<bool> {
    let (mut low, mut high) = (0, size);
    let mut sides = Vec::new();
    while high - low > 1 {
        let middle = low + split(high - low);
        let right = index < middle;
        sides.push(right);
        if right { high = middle } else { low = middle }
    }
    sides.reverse();
    sides
}

/// Checks that the leaf with this hash stands at `index` in the tree of `size` leaves (RFC 9162 s.2.1.3.2).
///
/// ```
/// use secure_log::{hash::Hash, tree};
/// let leaves: Vec<Hash> = (0..3u8).map(|i| tree::leaf_hash(&Hash::sha256(&[i]))).collect();
/// let root = tree::node_hash(&tree::node_hash(&leaves[0], &leaves[1]), &leaves[2]);
/// assert!(tree::verify_inclusion(&leaves[0], 0, 3, &[leaves[1], leaves[2]], &root).is_ok());
/// assert!(tree::verify_inclusion(&leaves[0], 1, 3, &[leaves[1], leaves[2]], &root).is_err());
/// ```
pub fn verify_inclusion(leaf: &Hash, index: u64, size: u64, proof: &[Hash], root: &Hash) -> Result<(), ProofError> {
    if index >= size {
        return Err(ProofError::IndexOutOfRange { index, size });
    }
    let (mut node, mut last) = (index, size - 1);
    let mut hash = *leaf;
    for step in proof {
        if last == 0 {
            return Err(ProofError::TooLong);
        }
        if node & 1 == 1 || node == last {
            hash = node_hash(step, &hash);
            if node & 1 == 0 {
                let skipped = node.trailing_zeros();
                node >>= skipped;
                last >>= skipped;
            }
        } else {
            hash = node_hash(&hash, step);
        }
        node >>= 1;
        last >>= 1;
    }
    if last != 0 {
        return Err(ProofError::TooShort);
    }
    if hash == *root { Ok(()) } else { Err(ProofError::RootMismatch { expected: *root, actual: hash }) }
}

/// Checks that the tree of `new` leaves begins with that of `old` leaves (RFC 9162 s.2.1.4.2). Sizes of zero prove
/// nothing and are refused.
pub fn verify_consistency(
    old: u64,
    old_root: &Hash,
    new: u64,
    new_root: &Hash,
    proof: &[Hash],
) -> Result<(), ProofError> {
    if old == 0 || old > new {
        return Err(ProofError::Sizes { old, new });
    }
    if old == new {
        return match proof {
            [] if old_root == new_root => Ok(()),
            [] => Err(ProofError::RootMismatch { expected: *old_root, actual: *new_root }),
            _ => Err(ProofError::TooLong),
        };
    }
    let (mut node, mut last) = (old - 1, new - 1);
    let skipped = node.trailing_ones();
    node >>= skipped;
    last >>= skipped;
    // A complete old tree is its own starting point.
    let (first, steps) =
        if old.is_power_of_two() { (old_root, proof) } else { proof.split_first().ok_or(ProofError::TooShort)? };
    let (mut old_hash, mut new_hash) = (*first, *first);
    for step in steps {
        if last == 0 {
            return Err(ProofError::TooLong);
        }
        if node & 1 == 1 || node == last {
            old_hash = node_hash(step, &old_hash);
            new_hash = node_hash(step, &new_hash);
            if node & 1 == 0 {
                let skipped = node.trailing_zeros();
                node >>= skipped;
                last >>= skipped;
            }
        } else {
            new_hash = node_hash(&new_hash, step);
        }
        node >>= 1;
        last >>= 1;
    }
    if last != 0 {
        return Err(ProofError::TooShort);
    }
    if old_hash != *old_root {
        return Err(ProofError::RootMismatch { expected: *old_root, actual: old_hash });
    }
    if new_hash != *new_root {
        return Err(ProofError::RootMismatch { expected: *new_root, actual: new_hash });
    }
    Ok(())
}

/// Why a proof proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProofError {
    /// The tree has no such leaf.
    IndexOutOfRange {
        /// The leaf that was asked for.
        index: u64,
        /// How many there are.
        size: u64,
    },
    /// Nothing can be proven between these sizes.
    Sizes {
        /// The smaller tree.
        old: u64,
        /// The larger one.
        new: u64,
    },
    /// Hashes are left over.
    TooLong,
    /// Hashes are missing.
    TooShort,
    /// The hashes lead to another root.
    RootMismatch {
        /// The root that was given.
        expected: Hash,
        /// Where the proof leads.
        actual: Hash,
    },
}

impl fmt::Display for ProofError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ProofError::IndexOutOfRange { index, size } => write!(f, "there is no leaf {index} in a tree of {size}"),
            ProofError::Sizes { old, new } => write!(f, "nothing can be proven from size {old} to size {new}"),
            ProofError::TooLong => f.write_str("the proof has more hashes than the tree has levels"),
            ProofError::TooShort => f.write_str("the proof has too few hashes"),
            ProofError::RootMismatch { expected, actual } => {
                write!(f, "the proof leads to {actual} and not to {expected}")
            }
        }
    }
}

impl std::error::Error for ProofError {}

/// On which side of a path something stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Left,
    Right,
}

/// What stands beside the path from the root of the tree of `new` leaves down to the subtree that ends where that of `old`
/// leaves ends, from the top: on which side, and from which leaf to which.
fn steps_to(old: u64, new: u64) -> Result<Vec<(Side, u64, u64)>, ProofError> {
    if old == 0 || old > new {
        return Err(ProofError::Sizes { old, new });
    }
    let (mut low, mut high) = (0, new);
    let mut steps = Vec::new();
    while high != old {
        let middle = low + split(high - low);
        if old <= middle {
            steps.push((Side::Right, middle, high));
            high = middle;
        } else {
            steps.push((Side::Left, low, middle));
            low = middle;
        }
    }
    Ok(steps)
}

/// The largest power of two smaller than `n`, for `n > 1`.
fn split(n: u64) -> u64 {
    1 << (63 - (n - 1).leading_zeros())
}

/// The largest complete subtrees that cover leaves `low..high`, left to right. `low` is a multiple of the largest
/// power of two in the range, as it is wherever RFC 6962 splits.
fn cover(low: u64, high: u64) -> Vec<Subtree> {
    let mut out = Vec::new();
    let mut at = low;
    while at < high {
        let level = 63 - (high - at).leading_zeros();
        out.push(Subtree { level: level as u8, index: at >> level });
        at += 1 << level;
    }
    out
}

/// Folds complete subtrees, right to left, into the hash of their range.
fn fold(hashes: &[Hash]) -> Option<Hash> {
    let (last, rest) = hashes.split_last()?;
    Some(rest.iter().rev().fold(*last, |right, left| node_hash(left, &right)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As far as trees are tried exhaustively.
    const ALL_SIZES: u64 = 130;

    fn leaves(n: u64) -> Vec<Hash> {
        (0..n).map(|i| leaf_hash(&Hash::sha256(&i.to_be_bytes()))).collect()
    }

    /// The recursive definition of RFC 6962 s.2.1.
    fn naive_root(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => empty_root(),
            [one] => *one,
            _ => {
                let (left, right) = leaves.split_at(split(leaves.len() as u64) as usize);
                node_hash(&naive_root(left), &naive_root(right))
            }
        }
    }

    fn naive_subtree(subtree: Subtree, leaves: &[Hash]) -> Hash {
        let from = (subtree.index << subtree.level) as usize;
        naive_root(&leaves[from..from + (1 << subtree.level)])
    }

    fn naive_inclusion(leaves: &[Hash], index: usize) -> Vec<Hash> {
        if leaves.len() == 1 {
            return Vec::new();
        }
        let (left, right) = leaves.split_at(split(leaves.len() as u64) as usize);
        let (mut proof, sibling) = if index < left.len() {
            (naive_inclusion(left, index), naive_root(right))
        } else {
            (naive_inclusion(right, index - left.len()), naive_root(left))
        };
        proof.push(sibling);
        proof
    }

    fn naive_consistency(leaves: &[Hash], old: usize, whole: bool) -> Vec<Hash> {
        if old == leaves.len() {
            return if whole { Vec::new() } else { vec![naive_root(leaves)] };
        }
        let (left, right) = leaves.split_at(split(leaves.len() as u64) as usize);
        let (mut proof, sibling) = if old <= left.len() {
            (naive_consistency(left, old, whole), naive_root(right))
        } else {
            (naive_consistency(right, old - left.len(), false), naive_root(left))
        };
        proof.push(sibling);
        proof
    }

    fn prove(plan: ProofPlan, leaves: &[Hash]) -> Vec<Hash> {
        let roots: Vec<Hash> = plan.subtrees().map(|s| naive_subtree(s, leaves)).collect();
        plan.assemble(&roots).unwrap()
    }

    #[test]
    fn a_range_is_proven_by_what_stands_beside_it() {
        let all = leaves(ALL_SIZES);
        for size in 1..=ALL_SIZES {
            let root = naive_root(&all[..size as usize]);
            for last in 1..=size {
                let right = prove(ProofPlan::right_of(last, size).unwrap(), &all[..size as usize]);
                for first in [1, last / 2 + 1, last] {
                    let left = frontier(first - 1).into_iter().map(|s| naive_subtree(s, &all)).collect();
                    let mut tree = CompactTree::from_frontier(first - 1, left).unwrap();
                    all[first as usize - 1..last as usize].iter().for_each(|leaf| tree.push(*leaf));
                    assert_eq!(tree.root_in(size, &right), Ok(root), "{first} to {last} of {size}");
                    let one_more = [&right[..], &[root]].concat();
                    assert_eq!(tree.root_in(size, &one_more), Err(ProofError::TooLong));
                    if let Some((_, fewer)) = right.split_first() {
                        assert_eq!(tree.root_in(size, fewer), Err(ProofError::TooShort));
                        let mut other = right.clone();
                        other[0].0[0] ^= 1;
                        assert_ne!(tree.root_in(size, &other), Ok(root));
                    }
                }
            }
        }
        for (old, new) in [(0, 0), (0, 3), (4, 3)] {
            assert_eq!(ProofPlan::right_of(old, new), Err(ProofError::Sizes { old, new }));
        }
        assert_eq!(CompactTree::new().root_in(3, &[]), Err(ProofError::Sizes { old: 0, new: 3 }));
    }

    #[test]
    fn roots_frontiers_and_completed_subtrees_are_those_of_the_definition() {
        let all = leaves(ALL_SIZES);
        let mut tree = CompactTree::new();
        for size in 0..=ALL_SIZES {
            let some = &all[..size as usize];
            assert_eq!(tree.root(), naive_root(some), "size {size}");
            let subtrees = frontier(size);
            let roots = subtrees.iter().map(|s| naive_subtree(*s, some)).collect();
            assert_eq!(CompactTree::from_frontier(size, roots), Some(tree.clone()));
            for level in 0..9 {
                for index in 0..=size >> level {
                    let subtree = Subtree { level, index };
                    let root = subtrees.contains(&subtree).then(|| naive_subtree(subtree, some));
                    assert_eq!(tree.frontier_root(subtree), root, "{subtree:?} of {size}");
                }
            }
            if size < ALL_SIZES {
                tree.push_with(all[size as usize], |s, hash| assert_eq!(*hash, naive_subtree(s, &all)));
            }
        }
    }

    #[test]
    fn inclusion_proofs_of_all_sizes() {
        let all = leaves(ALL_SIZES);
        for size in 1..=ALL_SIZES {
            let some = &all[..size as usize];
            let root = naive_root(some);
            for index in 0..size {
                let proof = prove(ProofPlan::inclusion(index, size).unwrap(), some);
                assert_eq!(proof, naive_inclusion(some, index as usize));
                let leaf = &all[index as usize];
                assert_eq!(verify_inclusion(leaf, index, size, &proof, &root), Ok(()));
                let folded = proof.iter().zip(sides(index, size)).fold(*leaf, |hash, (sibling, right)| {
                    if right { node_hash(&hash, sibling) } else { node_hash(sibling, &hash) }
                });
                assert_eq!(folded, root);
                // A proof is for one place only.
                for other in 0..size {
                    assert_eq!(verify_inclusion(leaf, other, size, &proof, &root).is_ok(), other == index);
                }
                let mut longer = proof.clone();
                longer.push(root);
                assert!(verify_inclusion(leaf, index, size, &longer, &root).is_err());
                if let Some((_, shorter)) = proof.split_last() {
                    assert!(verify_inclusion(leaf, index, size, shorter, &root).is_err());
                    assert!(verify_inclusion(&root, 0, 1, &proof, &root).is_err());
                }
            }
        }
        assert!(verify_inclusion(&all[0], 0, 0, &[], &all[0]).is_err());
        assert!(ProofPlan::inclusion(3, 3).is_err());
    }

    #[test]
    fn consistency_proofs_of_all_sizes() {
        let all = leaves(ALL_SIZES);
        let roots: Vec<Hash> = (0..=ALL_SIZES).map(|n| naive_root(&all[..n as usize])).collect();
        for new in 1..=ALL_SIZES {
            for old in 1..=new {
                let proof = prove(ProofPlan::consistency(old, new).unwrap(), &all[..new as usize]);
                assert_eq!(proof, naive_consistency(&all[..new as usize], old as usize, true));
                let (old_root, new_root) = (&roots[old as usize], &roots[new as usize]);
                assert_eq!(verify_consistency(old, old_root, new, new_root, &proof), Ok(()));
                let mut longer = proof.clone();
                longer.push(*old_root);
                assert!(verify_consistency(old, old_root, new, new_root, &longer).is_err());
                if let Some((_, shorter)) = proof.split_last() {
                    assert!(verify_consistency(old, old_root, new, new_root, shorter).is_err());
                    assert!(verify_consistency(old, new_root, new, old_root, &proof).is_err());
                }
            }
        }
        assert!(verify_consistency(0, &empty_root(), 3, &roots[3], &[]).is_err());
        assert!(verify_consistency(0, &empty_root(), 0, &empty_root(), &[]).is_err());
        assert!(verify_consistency(4, &roots[4], 3, &roots[3], &[]).is_err());
    }

    #[test]
    fn sizes_up_to_the_largest_do_not_overflow() {
        let hash = Hash([7; 32]);
        for size in [1 << 62, (1 << 63) - 1, 1 << 63, u64::MAX] {
            let plan = ProofPlan::inclusion(size - 1, size).unwrap();
            assert!(plan.0.len() <= 64);
            let proof = plan.assemble(&vec![hash; plan.subtrees().count()]).unwrap();
            assert!(matches!(
                verify_inclusion(&hash, size - 1, size, &proof, &hash),
                Err(ProofError::RootMismatch { .. })
            ));
            let plan = ProofPlan::consistency(size - 1, size).unwrap();
            let proof = plan.assemble(&vec![hash; plan.subtrees().count()]).unwrap();
            assert!(verify_consistency(size - 1, &hash, size, &hash, &proof).is_err());
        }
    }
}
