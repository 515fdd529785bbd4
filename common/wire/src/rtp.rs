//! Codec: rtp.
