//! An anchor component that writes a line a head on standard error, for whoever collects them. It needs no configuration:
//! who composes it means it.

use std::io::Stderr;

use secure_log::providers::AnchorError;
use secure_log_anchor::LineAnchor;
use secure_log_guest::AnchorProvider;

struct StandardError;

impl AnchorProvider for StandardError {
    type Anchor = LineAnchor<Stderr>;

    fn configured() -> Result<Option<LineAnchor<Stderr>>, AnchorError> {
        Ok(Some(LineAnchor::new(std::io::stderr())))
    }
}

secure_log_guest::export_anchor!(StandardError);
