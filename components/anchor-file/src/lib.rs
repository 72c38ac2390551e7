//! An anchor component that keeps the last head of each log in a file: `SECURE_LOG_ANCHOR` is its path under a preopened
//! folder, which is better not the store's. Unset, there is no anchor, and it says so.

use secure_log::providers::AnchorError;
use secure_log_anchor::FileAnchor;
use secure_log_guest::AnchorProvider;

struct File;

impl AnchorProvider for File {
    type Anchor = FileAnchor;

    fn configured() -> Result<Option<FileAnchor>, AnchorError> {
        FileAnchor::from_environment()
    }
}

secure_log_guest::export_anchor!(File);
