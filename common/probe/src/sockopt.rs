//! A socket option that neither the standard library nor nix has.
#![allow(
    unsafe_code,
    reason = "nix's own macro for options that it does not list; it expands to one setsockopt"
)]

use nix::libc;
use nix::sys::socket::sockopt::SetUsize;

/// `SO_RCVLOWAT`: the reader of a TCP socket is woken when so many bytes wait, or at the end of the stream (tcp(7), Linux 4.18).
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReceiveLowat;

nix::setsockopt_impl!(ReceiveLowat, libc::SOL_SOCKET, libc::SO_RCVLOWAT, usize, SetUsize);
