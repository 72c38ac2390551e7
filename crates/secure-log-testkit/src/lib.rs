//! Strict in-memory providers, fault injection and conformance suites for secure-log.
