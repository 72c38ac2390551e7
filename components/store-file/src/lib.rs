//! A store component over the JSON-lines file store.
