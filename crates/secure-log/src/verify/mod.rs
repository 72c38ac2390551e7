//! Verifying a log (trust.md).
