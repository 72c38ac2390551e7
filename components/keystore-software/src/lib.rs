//! The software keystore as a component.
