//! The core component: integrity logic over an imported store and keystore.
