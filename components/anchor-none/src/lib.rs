//! The anchor component that knows nothing and says so.
