//! The records of a log as JSON lines (format.md s.7).
