//! Socket options that neither the standard library nor nix has.
#![allow(
    unsafe_code,
    reason = "nix's own macro for options that it does not list, which expands to one setsockopt, and one getsockopt"
)]

use std::io::{Error, Result};
use std::os::fd::{AsFd, AsRawFd};

use nix::libc;
use nix::sys::socket::sockopt::SetUsize;

/// `SO_RCVLOWAT`: the reader of a TCP socket is woken when so many bytes wait, or at the end of the stream (tcp(7), Linux 4.18).
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReceiveLowat;

nix::setsockopt_impl!(ReceiveLowat, libc::SOL_SOCKET, libc::SO_RCVLOWAT, usize, SetUsize);

/// Reads a socket option into `value`, which holds the kernel's question and gets its answer; how many bytes that has.
///
/// # Errors
/// That of the system.
pub fn read(socket: impl AsFd, level: i32, name: i32, value: &mut [u8]) -> Result<usize> {
    let mut length = libc::socklen_t::try_from(value.len()).map_err(Error::other)?;
    let fd = socket.as_fd().as_raw_fd();
    // SAFETY: `value` may be written to for `length` bytes, and the kernel writes no more than it is told.
    let done = unsafe { libc::getsockopt(fd, level, name, value.as_mut_ptr().cast(), &raw mut length) };
    if done == 0 { Ok(length as usize) } else { Err(Error::last_os_error()) }
}
