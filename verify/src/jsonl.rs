//! A copy of a log file, edited line by line as somebody would who controls the disk (docs/format.md s.7).

use std::fs;
use std::path::Path;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;
use wasmtime::error::Context;
use wasmtime::{Result, ensure, format_err};

use crate::host::encoder::Severity;

/// The lines of a log file, without their newlines.
#[derive(Clone, Debug)]
pub struct Lines {
    lines: Vec<Vec<u8>>,
}

impl Lines {
    /// Reads a file that ends with a newline.
    pub fn read(file: &Path) -> Result<Lines> {
        let bytes = fs::read(file).with_context(|| format!("{} cannot be read", file.display()))?;
        let text = bytes.strip_suffix(b"\n").with_context(|| format!("{} ends within a line", file.display()))?;
        Ok(Lines { lines: text.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect() })
    }

    /// The bytes of the file that they make.
    pub fn bytes(&self) -> Vec<u8> {
        self.lines.iter().flat_map(|line| line.iter().chain(b"\n")).copied().collect()
    }

    /// Where a line begins in them.
    pub fn offset(&self, at: usize) -> usize {
        self.lines[..at].iter().map(|line| line.len() + 1).sum()
    }

    /// How many they are.
    pub fn count(&self) -> usize {
        self.lines.len()
    }

    /// A line as JSON.
    pub fn object(&self, at: usize) -> Result<Value> {
        serde_json::from_slice(&self.lines[at]).with_context(|| format!("line {} is not JSON", at + 1))
    }

    /// The first line that `is` wanted, from line `from` on.
    pub fn find(&self, from: usize, is: impl Fn(&Value) -> bool) -> Result<usize> {
        for at in from..self.count() {
            if is(&self.object(at)?) {
                return Ok(at);
            }
        }
        wasmtime::bail!("the log has no such line after line {from}")
    }

    /// The lines of one type, in order.
    pub fn of_type(&self, kind: &str) -> Result<Vec<usize>> {
        let mut found = Vec::new();
        for at in 0..self.count() {
            if self.object(at)?["t"] == kind {
                found.push(at);
            }
        }
        Ok(found)
    }

    /// Changes a line as JSON; it must be another one afterwards.
    pub fn edit(&mut self, at: usize, change: impl FnOnce(&mut Value)) -> Result<()> {
        let mut object = self.object(at)?;
        change(&mut object);
        let line = object.to_string().into_bytes();
        ensure!(line != self.lines[at], "the edit of line {} changes nothing", at + 1);
        self.lines[at] = line;
        Ok(())
    }

    /// Puts an object in the place of a line, whether it is another one or not.
    pub fn replace(&mut self, at: usize, object: &Value) {
        self.lines[at] = object.to_string().into_bytes();
    }

    /// Changes the bytes of a line.
    pub fn edit_bytes(&mut self, at: usize, change: impl FnOnce(&mut Vec<u8>)) {
        change(&mut self.lines[at]);
    }

    /// Takes a line out.
    pub fn remove(&mut self, at: usize) {
        self.lines.remove(at);
    }

    /// Puts a copy of line `from` before line `to`.
    pub fn copy(&mut self, from: usize, to: usize) {
        self.lines.insert(to, self.lines[from].clone());
    }

    /// Puts an object before line `to`.
    pub fn insert(&mut self, to: usize, object: &Value) {
        self.lines.insert(to, object.to_string().into_bytes());
    }

    /// Puts an object after all lines.
    pub fn push(&mut self, object: &Value) {
        self.lines.push(object.to_string().into_bytes());
    }

    /// Exchanges two lines.
    pub fn swap(&mut self, one: usize, other: usize) {
        self.lines.swap(one, other);
    }

    /// Cuts everything after the first `count` lines.
    pub fn truncate(&mut self, count: usize) {
        self.lines.truncate(count);
    }
}

/// Flips the last bit of a hash, signature or id in hex.
pub fn flip(value: &mut Value) {
    if let Some(text) = value.as_str() {
        let last = if text.ends_with('0') { '1' } else { '0' };
        *value = format!("{}{last}", &text[..text.len() - 1]).into();
    }
}

/// Other bytes of the same length, in base64.
pub fn other_base64(text: &str) -> String {
    let mut bytes = BASE64_STANDARD.decode(text).unwrap_or_default();
    if let Some(byte) = bytes.last_mut() {
        *byte ^= 1;
    }
    BASE64_STANDARD.encode(bytes)
}

/// The word of the format for a severity, as the contract's case.
pub fn severity(word: &str) -> Result<Severity> {
    Ok(match word {
        "emergency" => Severity::Emergency,
        "alert" => Severity::Alert,
        "critical" => Severity::Critical,
        "error" => Severity::Error,
        "warning" => Severity::Warning,
        "notice" => Severity::Notice,
        "info" => Severity::Info,
        "debug" => Severity::Debug,
        other => return Err(format_err!("'{other}' is no severity")),
    })
}
