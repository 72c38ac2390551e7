//! The JSON-lines store of secure-log.
