//! Stream probes: RTSP, HTTP streams, HLS.
