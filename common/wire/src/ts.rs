//! Codec: ts.
