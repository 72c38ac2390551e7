//! The software keystore of secure-log.
