//! Standard input, and the file of a trust policy: nothing is read into memory without a bound.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, StdinLock};

use crate::failure::{Exit, Failure};

/// What one read from standard input asks for: a pipe holds as much.
const BUFFER: usize = 64 << 10;
/// What one read from a file asks for.
const FILE_PIECE: usize = 1 << 20;

/// All of standard input, of at most `limit` bytes. What it is for is named in the error.
pub(crate) fn read_all(what: &str, limit: usize) -> Result<Vec<u8>, Failure> {
    // With room from the start no copy is left behind by growing, which matters where the input is a key.
    let mut bytes = Vec::with_capacity(BUFFER.min(limit + 1));
    io::stdin().lock().take(limit as u64 + 1).read_to_end(&mut bytes).map_err(|error| Failure::input(&error))?;
    if bytes.len() > limit {
        return Err(Failure::new(Exit::Refused, "invalid", format!("{what}: at most {limit} bytes")));
    }
    Ok(bytes)
}

/// The same as text.
pub(crate) fn read_text(what: &str, limit: usize) -> Result<String, Failure> {
    String::from_utf8(read_all(what, limit)?)
        .map_err(|_| Failure::new(Exit::Refused, "invalid", format!("{what}: it is not UTF-8")))
}

/// A file in a folder that was opened for the command, of at most `limit` bytes of text.
pub(crate) fn read_file(what: &str, path: &str, limit: usize) -> Result<String, Failure> {
    let unreadable = |why: &dyn std::fmt::Display| Failure::usage(format!("{what}: \"{path}\" cannot be read: {why}"));
    let file = File::open(path).map_err(|error| unreadable(&error))?;
    let mut text = String::new();
    let length = file.take(limit as u64 + 1).read_to_string(&mut text).map_err(|error| unreadable(&error))?;
    if length > limit { Err(unreadable(&format!("it has more than {limit} bytes"))) } else { Ok(text) }
}

/// Hands standard input over in pieces, until no more are wanted.
pub(crate) fn pieces(mut take: impl FnMut(&[u8]) -> bool) -> Result<(), Failure> {
    let mut input = BufReader::with_capacity(BUFFER, io::stdin().lock());
    loop {
        let piece = match input.fill_buf() {
            Ok(piece) => piece,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(Failure::input(&error)),
        };
        let length = piece.len();
        if length == 0 || !take(piece) {
            return Ok(());
        }
        input.consume(length);
    }
}

/// Hands a file of a folder that was opened for the command over in pieces, until no more are wanted.
pub(crate) fn pieces_of(path: &str, mut take: impl FnMut(&[u8]) -> bool) -> Result<(), Failure> {
    let unreadable = |error: &io::Error| {
        let advice = "check the name, and the folders opened with `wasmtime run --dir`";
        Failure::new(Exit::Environment, "input", format!("\"{path}\" cannot be read: {error}")).advised(advice)
    };
    let mut file = File::open(path).map_err(|error| unreadable(&error))?;
    let mut piece = vec![0; FILE_PIECE];
    loop {
        match file.read(&mut piece) {
            Ok(length) if length > 0 && take(&piece[..length]) => {}
            Ok(_) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(unreadable(&error)),
        }
    }
}

/// Standard input, line by line.
pub(crate) fn lines(limit: usize) -> Lines<BufReader<StdinLock<'static>>> {
    Lines::new(BufReader::with_capacity(BUFFER, io::stdin().lock()), limit)
}

pub(crate) struct Lines<R> {
    input: R,
    limit: usize,
    /// Lines read so far.
    pub(crate) count: u64,
}

/// Why there is no further line.
#[derive(Debug)]
pub(crate) enum LineError {
    /// The line with this number has more bytes than the limit.
    TooLong(u64),
    Io(io::Error),
}

impl<R: Read> Lines<BufReader<R>> {
    fn new(input: BufReader<R>, limit: usize) -> Lines<BufReader<R>> {
        Lines { input, limit, count: 0 }
    }

    /// The next line without its `\n`; none at the end.
    pub(crate) fn next(&mut self) -> Result<Option<Vec<u8>>, LineError> {
        let mut line = Vec::new();
        let most = self.limit as u64 + 1;
        if self.input.by_ref().take(most).read_until(b'\n', &mut line).map_err(LineError::Io)? == 0 {
            return Ok(None);
        }
        self.count += 1;
        if line.last() == Some(&b'\n') {
            line.pop();
        } else if line.len() > self.limit {
            return Err(LineError::TooLong(self.count));
        }
        Ok(Some(line))
    }

    /// Whether the next line would have to be waited for.
    pub(crate) fn pauses(&self) -> bool {
        !self.input.buffer().contains(&b'\n')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines_of(input: &[u8]) -> Lines<BufReader<&[u8]>> {
        Lines::new(BufReader::with_capacity(4, input), 5)
    }

    #[test]
    fn lines_end_at_newlines_and_at_the_end() {
        let mut lines = lines_of(b"a\n\nbc\r\n12345\nlast");
        for expected in [b"a".as_slice(), b"", b"bc\r", b"12345", b"last"] {
            assert_eq!(lines.next().unwrap().unwrap(), expected);
        }
        assert!(lines.next().unwrap().is_none());
        assert_eq!(lines.count, 5);
    }

    #[test]
    fn a_line_over_the_limit_is_not_read_to_its_end() {
        let mut lines = lines_of(b"ok\n123456\n");
        assert_eq!(lines.next().unwrap().unwrap(), b"ok");
        assert!(matches!(lines.next(), Err(LineError::TooLong(2))));
        assert!(matches!(lines_of(b"123456").next(), Err(LineError::TooLong(1))));
    }

    #[test]
    fn input_pauses_when_no_whole_line_is_at_hand() {
        let mut lines = Lines::new(BufReader::new(b"a\nb\nc".as_slice()), 5);
        assert!(lines.pauses());
        lines.next().unwrap();
        assert!(!lines.pauses());
        lines.next().unwrap();
        assert!(lines.pauses());
    }
}
