//! What the index keeps of each line, in records of one size. Integers are little endian.

use secure_log::hash::Hash;

use crate::reader::Span;

/// A record of fixed size.
pub(crate) trait Row: Copy {
    const SIZE: usize;
    fn put(&self, out: &mut Vec<u8>);
    /// Reads exactly [`Row::SIZE`] bytes.
    fn take(bytes: &[u8]) -> Self;
}

/// Declares a record whose fields stand one behind the other.
macro_rules! row {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub(crate) struct $name {
            $($(#[$field_doc])* pub(crate) $field: $type,)+
        }

        impl Row for $name {
            const SIZE: usize = 0 $(+ <$type as Row>::SIZE)+;

            fn put(&self, out: &mut Vec<u8>) {
                $(self.$field.put(out);)+
            }

            fn take(bytes: &[u8]) -> $name {
                let mut rest = bytes;
                $(let $field = <$type as Row>::take(rest.split_off(..<$type as Row>::SIZE).expect("rows are read whole"));)+
                debug_assert!(rest.is_empty());
                $name { $($field,)+ }
            }
        }
    };
}

row! {
    /// An entry, or what stands in its place. Its seqno is its place in the table, from 1.
    EntryAt {
        line: Span,
        /// The number of its stream; 0 when no record made that stream.
        stream: u32,
        /// The stream's entry before it; 0 for the first.
        previous: u64,
        /// Its place in the stream, from 0.
        ordinal: u64,
    }
}

row! {
    /// The last entry of each full block of a stream's entries, so that any of them is found in a few steps.
    Waypoint {
        seqno: u64,
        link: Link,
    }
}

row! {
    /// A closed segment. Its id is its place in the table, from 1.
    SegmentAt {
        line: Span,
        stream: u32,
        link: Link,
        first: u64,
        last: u64,
        /// Place in the stream of its first entry.
        first_ordinal: u64,
        /// How many entries it has; 0 when it names entries that are not its stream's.
        leaves: u64,
        /// Where its tree's hashes begin in their table.
        nodes: u64,
    }
}

row! {
    /// The steps back from an element of a chain: places in its table, from 1; 0 where there is none.
    Link {
        /// Place in the chain, from 0.
        ordinal: u64,
        previous: u64,
        /// A far step back. The distances are those of a skew-binary number, so any element is O(log n) steps away.
        jump: u64,
    }
}

row! {
    /// A head. Its number is its place in the table, from 1.
    HeadAt {
        line: Span,
    }
}

row! {
    /// A line in a chain of few: the data keys of a stream, the signatures of a segment.
    Linked {
        line: Span,
        /// The place in the table of the one before it, from 1; 0 for the first.
        previous: u64,
    }
}

row! {
    /// A witness's answer. Its number is its place in the table, from 1.
    WitnessAt {
        line: Span,
    }
}

row! {
    /// What changes of a stream as the log grows. Seqnos, ids and places are from 1; 0 means that there is none.
    StreamNow {
        /// Where its newest record begins.
        row: u64,
        first: u64,
        last: u64,
        /// How many entries it has.
        count: u64,
        last_waypoint: u64,
        last_segment: u64,
        last_data_key: u64,
    }
}

row! {
    /// What changes of a closed segment: where its newest signature is, from 1.
    SegmentNow {
        last_signature: u64,
    }
}

row! {
    /// What is known of some entries that follow each other, and where the rest of it is (see [`super::facts`]).
    BlockAt {
        /// The seqno of the first of them.
        first: u64,
        count: u32,
        /// Where its parts begin in their file.
        offset: u64,
        /// In ticks, of those that are not pruned.
        earliest: u64,
        latest: u64,
        /// Which severities occur: the bit with the number of each.
        severities: u32,
        stream: WordsAt,
        event: WordsAt,
        producer: WordsAt,
        session: WordsAt,
    }
}

row! {
    /// How many words a column of a block has, and how many bytes they have.
    WordsAt {
        count: u32,
        text: u32,
    }
}

impl Row for u64 {
    const SIZE: usize = 8;

    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_le_bytes());
    }

    fn take(bytes: &[u8]) -> u64 {
        u64::from_le_bytes(bytes.try_into().expect("rows are read whole"))
    }
}

impl Row for u32 {
    const SIZE: usize = 4;

    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_le_bytes());
    }

    fn take(bytes: &[u8]) -> u32 {
        u32::from_le_bytes(bytes.try_into().expect("rows are read whole"))
    }
}

impl Row for Span {
    const SIZE: usize = 12;

    fn put(&self, out: &mut Vec<u8>) {
        self.offset.put(out);
        self.len.put(out);
    }

    fn take(bytes: &[u8]) -> Span {
        Span { offset: u64::take(&bytes[..8]), len: u32::take(&bytes[8..]) }
    }
}

/// An interior hash; all zero stands for one that nobody computed.
impl Row for Hash {
    const SIZE: usize = 32;

    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }

    fn take(bytes: &[u8]) -> Hash {
        Hash::try_from(bytes).expect("rows are read whole")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_read_as_they_were_written() {
        let link = Link { ordinal: 1, previous: 2, jump: u64::MAX };
        let line = Span { offset: 1 << 40, len: 7 };
        let row = SegmentAt { line, stream: 3, link, first: 4, last: 5, first_ordinal: 6, leaves: 7, nodes: 8 };
        let mut bytes = Vec::new();
        row.put(&mut bytes);
        assert_eq!(bytes.len(), SegmentAt::SIZE);
        assert_eq!(SegmentAt::take(&bytes), row);
        assert_eq!(EntryAt::SIZE, 32);
    }
}
