//! Heads as any log may sign them: with lines of an extension after the three that there always are.

use secure_log::hash::Hash;
use secure_log::note::{Checkpoint, NoteError};

/// What the text of a note says of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The log.
    pub origin: String,
    /// How many entries it has.
    pub size: u64,
    /// Root of its tree.
    pub root: Hash,
}

impl Head {
    /// Reads the three lines that count. Those that follow are the log's own affair, and signed with them.
    pub fn parse(text: &str) -> Result<Head, NoteError> {
        let end = text.match_indices('\n').nth(2).map(|(at, _)| at + 1).ok_or(NoteError::NotAHead)?;
        let (lines, extension) = text.split_at(end);
        if !(extension.is_empty() || extension.ends_with('\n') && !extension.split_terminator('\n').any(str::is_empty))
        {
            return Err(NoteError::NotAHead);
        }
        let Checkpoint { origin, size, root } = Checkpoint::parse(lines)?;
        Ok(Head { origin, size, root })
    }

    /// The origin that a text names, whatever else there is in it.
    pub fn origin_of(text: &str) -> &str {
        text.split('\n').next().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_extension_is_passed_over() {
        let text = secure_log::note::text("log.example/1", 7, &Hash([3; 32]));
        let head = Head { origin: "log.example/1".into(), size: 7, root: Hash([3; 32]) };
        for extension in ["", "time 1\n", "a\nb c\n"] {
            assert_eq!(Head::parse(&format!("{text}{extension}")).as_ref(), Ok(&head));
        }
        for bad in ["\n", "a\n\n", "a\n\nb\n", "a"] {
            assert_eq!(Head::parse(&format!("{text}{bad}")), Err(NoteError::NotAHead), "{bad:?}");
        }
        assert_eq!(Head::parse("log.example/1\n7\n"), Err(NoteError::NotAHead));
    }
}
