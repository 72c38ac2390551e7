//! The command line of secure-log as a wasi:cli/run component.
