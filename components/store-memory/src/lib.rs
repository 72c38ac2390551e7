//! A store component that keeps a log in memory.
