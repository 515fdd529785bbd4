//! Codec: http1.
