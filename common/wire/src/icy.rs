//! Codec: icy.
