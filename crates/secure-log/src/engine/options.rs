//! How a log is opened, and what it needs besides a store.

use core::fmt;

use crate::error::LogError;
use crate::limits::{Invalid, check_name, check_origin, check_text};
use crate::providers::{Anchor, Clock, Keystore, Random};
use crate::verify::Trust;

/// What the engine needs of its surroundings.
pub struct Providers {
    /// Signing keys and the key of the keyed suite.
    pub keystore: Box<dyn Keystore + Send>,
    /// The place that remembers the last head; [`crate::providers::NoAnchor`] for none.
    pub anchor: Box<dyn Anchor + Send>,
    /// The time.
    pub clock: Box<dyn Clock + Send>,
    /// Random bytes for the log's, the session's and the boot's ids.
    pub random: Box<dyn Random + Send>,
}

impl fmt::Debug for Providers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Providers")
    }
}

/// How a log is opened. The defaults weaken nothing.
#[derive(Debug)]
pub struct LogOptions {
    /// Name of the log. Used when it is made; when set and the log has another, it is refused.
    pub origin: Option<String>,
    /// Label of the key that signs heads, required segments and required entries.
    pub identity: String,
    /// Label of the keyed suite's key.
    pub mac_label: Option<String>,
    /// Label of the key that wraps new data keys. Sealing needs one; opening uses whichever wrapped what it opens.
    pub kek_label: Option<String>,
    /// Session id of the entries; random when absent.
    pub session: Option<String>,
    /// Boot id of the entries; random when absent.
    pub boot: Option<String>,
    /// How often heads are signed.
    pub head_every: Every,
    /// How often heads are published to the anchor.
    pub anchor_every: AnchorEvery,
    /// What to do where the store holds no log.
    pub absent: Absent,
    /// What to do with entries that no trusted key attests.
    pub unattested: Unattested,
    /// Begin anew at an anchor that knows nothing of a log with entries, which is refused otherwise. An operator's choice:
    /// it is recorded in the log before the anchor is given a head.
    pub reanchor: bool,
    /// The last head of the log that this one continues, as a whole signed note ([`crate::archive::Archived::note`]). A log that is
    /// made says so in its first entry, and one that is there has to say it: a log that continues another head, or none, is
    /// refused. Without a name of its own it is called after that head, so that an anchor takes one continuation and no second.
    pub continues: Option<String>,
    /// Keys that may have signed heads and segments besides the keystore's own, witnesses, and their quorum.
    pub trust: Trust,
}

/// Label of the key that signs heads where none is named.
pub const DEFAULT_IDENTITY: &str = "checkpoint-ed25519";

impl Default for LogOptions {
    fn default() -> LogOptions {
        LogOptions {
            origin: None,
            identity: DEFAULT_IDENTITY.into(),
            mac_label: None,
            kek_label: None,
            session: None,
            boot: None,
            head_every: Every::Commit,
            anchor_every: AnchorEvery::Each(Every::Commit),
            absent: Absent::Make,
            unattested: Unattested::Refuse,
            reanchor: false,
            continues: None,
            trust: Trust::default(),
        }
    }
}

/// How often something is done, looked at when a call comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Every {
    /// At every commit.
    Commit,
    /// When so many entries came since the last time.
    Entries(u64),
    /// When so many milliseconds passed since the last time.
    Millis(u64),
}

/// How often heads are published to the anchor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnchorEvery {
    /// As often as this.
    Each(Every),
    /// When a segment is closed or a head is asked for.
    Close,
}

/// What to do where the store holds no log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Absent {
    /// Make one. Where an anchor knows of a log it is refused all the same, as the store was emptied.
    #[default]
    Make,
    /// Refuse to open it, so that who only looks makes nothing by a name that was mistyped.
    Refuse,
}

/// What to do with entries that no trusted key attests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Unattested {
    /// Refuse to open the log, so that an operator can look.
    #[default]
    Refuse,
    /// Keep them, and record in the log that they were adopted.
    Adopt,
    /// Have the store move them out of the log and keep them.
    SetAside,
}

impl LogOptions {
    pub(super) fn check(&self) -> Result<(), LogError> {
        if let Some(origin) = &self.origin {
            check_origin(origin)?;
        }
        check_name("head identity", &self.identity)?;
        if let Some(label) = &self.kek_label {
            check_name("wrapping key", label)?;
        }
        for (field, id) in [("session", &self.session), ("boot", &self.boot)] {
            if let Some(id) = id {
                check_text(field, id)?;
            }
        }
        Ok(())
    }
}

/// Reads `commit`, a number of entries such as `100`, or a time such as `250ms` or `2s`.
impl core::str::FromStr for Every {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Every, Invalid> {
        let number = |digits: &str| digits.parse::<u64>().ok().filter(|n| *n > 0);
        let every = match text {
            "commit" => Some(Every::Commit),
            _ => match (text.strip_suffix("ms"), text.strip_suffix('s')) {
                (Some(millis), _) => number(millis).map(Every::Millis),
                (None, Some(seconds)) => number(seconds).and_then(|n| n.checked_mul(1000)).map(Every::Millis),
                (None, None) => number(text).map(Every::Entries),
            },
        };
        every.ok_or_else(|| {
            Invalid::unusable("how often", "'commit', a number of entries, or a time such as 250ms or 2s")
        })
    }
}

/// Reads what [`Every`] reads, or `close`.
impl core::str::FromStr for AnchorEvery {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<AnchorEvery, Invalid> {
        if text == "close" { Ok(AnchorEvery::Close) } else { text.parse().map(AnchorEvery::Each) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_often_has_few_spellings() {
        assert_eq!("commit".parse(), Ok(Every::Commit));
        assert_eq!("100".parse(), Ok(Every::Entries(100)));
        assert_eq!("250ms".parse(), Ok(Every::Millis(250)));
        assert_eq!("2s".parse(), Ok(Every::Millis(2000)));
        assert_eq!("close".parse(), Ok(AnchorEvery::Close));
        for bad in ["", "0", "-1", "ms", "1.5s", "often", "close "] {
            assert!(bad.parse::<AnchorEvery>().is_err(), "{bad}");
        }
    }
}
