//! Deadlines, names, sockets, TLS and one async function a protocol.
