//! Codec: auth.
