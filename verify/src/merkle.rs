//! RFC 6962 trees over SHA-256 (docs/format.md s.4), written once more, so that the stack is not its own witness.

use sha2::{Digest, Sha256};

use crate::host::log::ProofStep;

/// SHA-256.
pub fn sha256(bytes: &[u8]) -> Vec<u8> {
    Sha256::digest(bytes).to_vec()
}

/// The root over these entry hashes.
pub fn root(entry_hashes: &[Vec<u8>]) -> Vec<u8> {
    match entry_hashes {
        [] => sha256(b""),
        [one] => leaf(one),
        several => {
            let (left, right) = several.split_at(several.len().next_power_of_two() / 2);
            node(&root(left), &root(right))
        }
    }
}

/// The root that an inclusion proof leads to from this entry hash.
pub fn fold(entry_hash: &[u8], path: &[ProofStep]) -> Vec<u8> {
    path.iter().fold(leaf(entry_hash), |hash, step| {
        if step.right { node(&hash, &step.sibling_hash) } else { node(&step.sibling_hash, &hash) }
    })
}

/// The root that the proof of a leaf leads to in the tree of a size, by the definition: which half it is in, at each level.
/// None when the proof has another length.
pub fn is_in(entry_hash: &[u8], seqno: u64, size: u64, hashes: &[Vec<u8>]) -> Option<Vec<u8>> {
    fn follow(hash: Vec<u8>, index: u64, size: u64, hashes: &[Vec<u8>]) -> Option<Vec<u8>> {
        if size == 1 {
            return hashes.is_empty().then_some(hash);
        }
        let (half, (sibling, below)) = (size.next_power_of_two() / 2, hashes.split_last()?);
        if index < half {
            Some(node(&follow(hash, index, half, below)?, sibling))
        } else {
            Some(node(sibling, &follow(hash, index - half, size - half, below)?))
        }
    }
    follow(leaf(entry_hash), seqno - 1, size, hashes)
}

/// Whether a proof shows that the tree of a size begins with that of a smaller one, by the definition.
pub fn extends(old: u64, old_root: &[u8], new: u64, new_root: &[u8], hashes: &[Vec<u8>]) -> bool {
    /// Roots of the old and of the new tree, both within a subtree; `whole` while the old tree is all of it on the left.
    fn follow(old: u64, new: u64, whole: Option<&[u8]>, hashes: &[Vec<u8>]) -> Option<(Vec<u8>, Vec<u8>)> {
        if old == new {
            return match (whole, hashes) {
                (Some(root), []) => Some((root.to_vec(), root.to_vec())),
                (None, [root]) => Some((root.clone(), root.clone())),
                _ => None,
            };
        }
        let (half, (sibling, below)) = (new.next_power_of_two() / 2, hashes.split_last()?);
        if old <= half {
            let (old_root, new_root) = follow(old, half, whole, below)?;
            Some((old_root, node(&new_root, sibling)))
        } else {
            let (old_root, new_root) = follow(old - half, new - half, None, below)?;
            Some((node(sibling, &old_root), node(sibling, &new_root)))
        }
    }
    follow(old, new, Some(old_root), hashes).is_some_and(|(o, n)| o == old_root && n == new_root)
}

/// A tree that grows by one leaf at a time: the roots of its complete subtrees with their sizes, largest first.
#[derive(Default)]
pub struct Growing {
    subtrees: Vec<(u64, Vec<u8>)>,
}

impl Growing {
    /// Adds an entry hash.
    pub fn push(&mut self, entry_hash: &[u8]) {
        let (mut size, mut hash) = (1, leaf(entry_hash));
        while let Some((_, left)) = self.subtrees.pop_if(|(left, _)| *left == size) {
            (size, hash) = (2 * size, node(&left, &hash));
        }
        self.subtrees.push((size, hash));
    }

    /// The root as it stands.
    pub fn root(&self) -> Vec<u8> {
        let mut subtrees = self.subtrees.iter().rev();
        let Some((_, last)) = subtrees.next() else { return root(&[]) };
        subtrees.fold(last.clone(), |right, (_, left)| node(left, &right))
    }
}

fn leaf(entry_hash: &[u8]) -> Vec<u8> {
    sha256(&[&[0], entry_hash].concat())
}

fn node(left: &[u8], right: &[u8]) -> Vec<u8> {
    sha256(&[&[1], left, right].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_leaves_split_at_two() {
        let [a, b, c] = [[1; 32], [2; 32], [3; 32]].map(|hash| hash.to_vec());
        let expected = node(&node(&leaf(&a), &leaf(&b)), &leaf(&c));
        assert_eq!(root(&[a.clone(), b.clone(), c.clone()]), expected);
        let path = [ProofStep { sibling_hash: node(&leaf(&a), &leaf(&b)), right: false }];
        assert_eq!(fold(&c, &path), expected);
    }

    #[test]
    fn a_growing_tree_has_the_root_of_its_leaves() {
        let leaves: Vec<_> = (0..33).map(|n| vec![n; 32]).collect();
        let mut growing = Growing::default();
        for size in 0..leaves.len() {
            assert_eq!(growing.root(), root(&leaves[..size]), "{size}");
            growing.push(&leaves[size]);
        }
    }
}
