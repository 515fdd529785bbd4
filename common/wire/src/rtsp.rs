//! Codec: rtsp.
