//! The values that names and patterns stand for.

use secure_log::query::Pattern;
use secure_log::store::StoreError;

use crate::database::{Database, Value};
use crate::row::bound;
use crate::store::SqliteStore;

/// Names that are held against a pattern. Where more begin like it, the index is of no use for it: reading the entries is.
const MAX_NAMES: u64 = 1024;

/// Values of a column whose lists are merged.
const MAX_VALUES: usize = 64;

/// Names from one on.
pub(crate) const WORDS: &str = "SELECT id, value FROM word WHERE value >= ? ORDER BY value LIMIT ?";
pub(crate) const STREAMS: &str = "SELECT number, name FROM stream WHERE name >= ? ORDER BY name LIMIT ?";

/// Numbers that stand for names; `None` where the index says nothing of them.
type Numbers = Option<Vec<i64>>;

impl<D: Database> SqliteStore<D> {
    /// The numbers of the streams with such names.
    pub(super) fn streams_of(&mut self, patterns: &[Pattern]) -> Result<Numbers, StoreError> {
        self.numbers_of(patterns, STREAMS, Self::stream_number)
    }

    /// The numbers of such words.
    pub(super) fn words_of(&mut self, patterns: &[Pattern]) -> Result<Numbers, StoreError> {
        self.numbers_of(patterns, WORDS, Self::find_word)
    }

    /// The number of this word.
    pub(super) fn word_of(&mut self, word: Option<&str>) -> Result<Numbers, StoreError> {
        word.map(|word| Ok(self.find_word(word)?.into_iter().collect())).transpose()
    }

    fn numbers_of(
        &mut self,
        patterns: &[Pattern],
        sql: &'static str,
        find: impl Fn(&mut Self, &str) -> Result<Option<i64>, StoreError>,
    ) -> Result<Numbers, StoreError> {
        if patterns.is_empty() {
            return Ok(None);
        }
        let mut numbers = Vec::new();
        for pattern in patterns {
            if let Some(name) = pattern.name() {
                numbers.extend(find(self, name)?);
                continue;
            }
            let mut read = 0;
            let values = [Value::Text(pattern.prefix()), bound(MAX_NAMES + 1)];
            self.each_while("a list of names", sql, &values, |row| {
                let name = row.text(1)?;
                if !name.starts_with(pattern.prefix()) {
                    return Ok(false);
                }
                read += 1;
                if pattern.matches(name) {
                    numbers.push(row.integer(0)?);
                }
                Ok(true)
            })?;
            if read > MAX_NAMES {
                return Ok(None);
            }
        }
        numbers.sort_unstable();
        numbers.dedup();
        Ok((numbers.len() <= MAX_VALUES).then_some(numbers))
    }
}
