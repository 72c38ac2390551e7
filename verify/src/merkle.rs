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
