//! Proving many leaves at once: what their proofs have in common is named once.

use crate::hash::Hash;
use crate::tree::{CompactTree, Subtree, frontier, leaf_hash, node_hash};

/// Leaves of a tree by their index, ascending, with the entry-hashes that they are taken to hold.
type Leaves<'a> = &'a [(u64, Hash)];

/// The complete subtrees that make up a tree of this size together with these leaves, from left to right.
pub(crate) fn without(size: u64, leaves: Leaves<'_>) -> Vec<Subtree> {
    let mut others = Vec::new();
    for (subtree, leaves) in shared_out(size, leaves) {
        split(subtree, leaves, &mut others);
    }
    others
}

/// The root of the tree of this size that has these leaves, and these roots of what [`without`] names. `None` where they are not
/// as many as it names, or a leaf is none of the tree.
pub(crate) fn root_with(size: u64, leaves: Leaves<'_>, others: Vec<Hash>) -> Option<Hash> {
    if leaves.last().is_some_and(|(index, _)| *index >= size) {
        return None;
    }
    let mut others = others.into_iter();
    let parts = shared_out(size, leaves);
    let roots = parts.map(|(subtree, leaves)| join(subtree, leaves, &mut others)).collect::<Option<_>>()?;
    CompactTree::from_frontier(size, roots).filter(|_| others.next().is_none()).map(|tree| tree.root())
}

/// The largest complete subtrees of a tree of this size, each with the leaves that it has.
fn shared_out(size: u64, mut leaves: Leaves<'_>) -> impl Iterator<Item = (Subtree, Leaves<'_>)> {
    frontier(size).into_iter().map(move |subtree| {
        let (within, behind) = cut(leaves, end(subtree));
        leaves = behind;
        (subtree, within)
    })
}

/// As deep as the tree is high, which is 64 at most.
fn split(subtree: Subtree, leaves: Leaves<'_>, others: &mut Vec<Subtree>) {
    if leaves.is_empty() {
        others.push(subtree);
    } else if subtree.level > 0 {
        let (left, right) = halves(subtree);
        let (in_left, in_right) = cut(leaves, end(left));
        split(left, in_left, others);
        split(right, in_right, others);
    }
}

fn join(subtree: Subtree, leaves: Leaves<'_>, others: &mut impl Iterator<Item = Hash>) -> Option<Hash> {
    match leaves {
        [] => others.next(),
        [(index, hash)] if subtree == (Subtree { level: 0, index: *index }) => Some(leaf_hash(hash)),
        _ if subtree.level == 0 => None,
        _ => {
            let (left, right) = halves(subtree);
            let (in_left, in_right) = cut(leaves, end(left));
            Some(node_hash(&join(left, in_left, others)?, &join(right, in_right, others)?))
        }
    }
}

fn halves(subtree: Subtree) -> (Subtree, Subtree) {
    let half = |which| Subtree { level: subtree.level - 1, index: 2 * subtree.index + which };
    (half(0), half(1))
}

/// The leaf behind its last.
fn end(subtree: Subtree) -> u64 {
    (subtree.index + 1) << subtree.level
}

fn cut(leaves: Leaves<'_>, end: u64) -> (Leaves<'_>, Leaves<'_>) {
    leaves.split_at(leaves.partition_point(|(index, _)| *index < end))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(index: u64) -> Hash {
        Hash::sha256(&index.to_be_bytes())
    }

    fn tree(size: u64) -> CompactTree {
        let mut tree = CompactTree::new();
        (0..size).for_each(|index| tree.push(leaf_hash(&entry(index))));
        tree
    }

    fn roots(wanted: &[Subtree]) -> Vec<Hash> {
        let root = |subtree: &Subtree| {
            let mut tree = CompactTree::new();
            (end(*subtree) - (1 << subtree.level)..end(*subtree)).for_each(|index| tree.push(leaf_hash(&entry(index))));
            tree.root()
        };
        wanted.iter().map(root).collect()
    }

    /// Every set of leaves of every small tree: all that is there is proven, and nothing with one bit of it changed.
    #[test]
    fn any_leaves_of_a_tree_are_proven_together() {
        for size in 1..=9u64 {
            let root = tree(size).root();
            for set in 0..1u32 << size {
                let leaves: Vec<_> = (0..size).filter(|i| set >> i & 1 == 1).map(|i| (i, entry(i))).collect();
                let others = roots(&without(size, &leaves));
                assert_eq!(root_with(size, &leaves, others.clone()), Some(root), "{leaves:?} of {size}");
                for changed in 0..leaves.len() {
                    let mut leaves = leaves.clone();
                    leaves[changed].1.0[7] ^= 1;
                    assert_ne!(root_with(size, &leaves, others.clone()), Some(root), "leaf {changed} of {size}");
                }
                for changed in 0..others.len() {
                    let mut others = others.clone();
                    others[changed].0[7] ^= 1;
                    assert_ne!(root_with(size, &leaves, others), Some(root), "subtree {changed} of {size}");
                }
            }
        }
    }

    #[test]
    fn what_is_no_leaf_of_the_tree_proves_nothing() {
        let others = |leaves: Leaves<'_>| roots(&without(4, leaves));
        let twice = [(1, entry(1)), (1, entry(1))];
        assert_eq!(root_with(4, &twice, others(&twice)), None);
        let descending = [(2, entry(2)), (1, entry(1))];
        assert_ne!(root_with(4, &descending, others(&descending)), Some(tree(4).root()));
        let behind = [(1, entry(1)), (4, entry(4))];
        assert_eq!(root_with(4, &behind, others(&behind)), None);
        let few = [(1, entry(1))];
        assert_eq!(root_with(4, &few, others(&few)[1..].to_vec()), None);
        assert_eq!(root_with(4, &few, [others(&few), vec![entry(9)]].concat()), None);
    }
}
