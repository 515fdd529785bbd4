//! Codec: hls.
