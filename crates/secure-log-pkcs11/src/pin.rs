//! A PIN, which is never printed.

use std::fmt;

use zeroize::Zeroizing;

/// A PIN. It is zeroed when dropped and never printed.
#[derive(Clone)]
pub struct Pin(Zeroizing<String>);

impl Pin {
    /// Takes a PIN. What is too short or too long, the token says.
    pub fn new(text: String) -> Pin {
        Pin(Zeroizing::new(text))
    }

    /// The PIN itself, for whoever hands it to a token.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pin(..)")
    }
}
