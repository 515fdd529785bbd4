//! Codec: sdp.
