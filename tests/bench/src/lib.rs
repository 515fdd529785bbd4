//! Nothing but the two programs in `src/bin`; `cargo xtask bench` builds and runs them.
