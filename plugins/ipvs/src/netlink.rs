//! The kernel's netlink socket: one question, its answers, a deadline.

use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socket_with};
use thiserror::Error;
use weir_probe::Deadline;
use weir_wire::ip_vs::netlink::{Message, Messages, NetlinkError, family_id, get_family};
use weir_wire::ip_vs::{Key, MAX_ROWS};

/// The kernel fills at most half of this at once; 4 KiB would truncate.
const BUFFER: usize = 64 * 1024;

/// Why the kernel gave no answer.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Error {
    /// A system call failed.
    #[error("netlink {what}: {errno}")]
    System {
        /// The call.
        what: &'static str,
        /// Its error.
        errno: Errno,
    },
    /// The kernel refused the question.
    #[error("the kernel refuses to tell {what}: {errno}")]
    Refused {
        /// What was asked for.
        what: &'static str,
        /// Its error.
        errno: Errno,
    },
    /// The answer is broken.
    #[error("the kernel's answer: {0}")]
    Broken(#[from] NetlinkError),
    /// The answer is longer than the buffer, or has no end.
    #[error("the kernel's answer about {0} is too long")]
    TooLong(&'static str),
    /// No answer in time.
    #[error("the kernel did not tell {0} in time")]
    Deadline(&'static str),
}

impl Error {
    /// Whether a right is missing (`CAP_NET_ADMIN` in the initial user namespace).
    pub const fn is_permission(&self) -> bool {
        matches!(self, Self::Refused { errno: Errno::PERM | Errno::ACCESS, .. })
    }
}

/// A socket of one netlink protocol.
#[derive(Debug)]
pub struct Socket {
    fd: OwnedFd,
    sequence: u32,
    buffer: Vec<u8>,
    deadline: Deadline,
}

impl Socket {
    /// A socket of the generic protocol.
    ///
    /// # Errors
    /// That of the system.
    pub fn generic(deadline: Deadline) -> Result<Self, Error> {
        Self::open(Some(rustix::net::netlink::GENERIC), deadline)
    }

    /// A socket of the routing protocol.
    ///
    /// # Errors
    /// That of the system.
    pub fn route(deadline: Deadline) -> Result<Self, Error> {
        Self::open(None, deadline)
    }

    fn open(protocol: Option<rustix::net::Protocol>, deadline: Deadline) -> Result<Self, Error> {
        let fd = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, protocol)
            .map_err(|errno| Error::System { what: "socket", errno })?;
        // Without a time limit a lost answer would hang us; 0 would mean none.
        let limit = deadline.remaining().max(std::time::Duration::from_millis(1));
        set_socket_timeout(&fd, Timeout::Recv, Some(limit))
            .map_err(|errno| Error::System { what: "socket timeout", errno })?;
        Ok(Self { fd, sequence: 0, buffer: vec![0; BUFFER], deadline })
    }

    /// Asks, and gives each record of the answer to `each`.
    ///
    /// # Errors
    /// The kernel's refusal, a broken answer, none in time.
    pub fn ask(
        &mut self,
        what: &'static str,
        question: impl FnOnce(u32) -> Vec<u8>,
        mut each: impl FnMut(&[u8]) -> Result<(), NetlinkError>,
    ) -> Result<(), Error> {
        self.sequence += 1;
        send(&self.fd, &question(self.sequence), SendFlags::empty())
            .map_err(|errno| Error::System { what: "send", errno })?;
        let mut records = 0;
        loop {
            let length = match recv(&self.fd, &mut self.buffer[..], RecvFlags::TRUNC) {
                Ok((_, length)) => length,
                Err(Errno::INTR) => continue,
                Err(Errno::AGAIN) => return Err(Error::Deadline(what)),
                Err(errno) => return Err(Error::System { what: "receive", errno }),
            };
            let bytes = self.buffer.get(..length).ok_or(Error::TooLong(what))?;
            for message in Messages::new(bytes) {
                match message? {
                    Message::End { sequence, errno } if sequence == self.sequence => {
                        let errno = i32::try_from(errno).unwrap_or(i32::MAX);
                        return match errno {
                            0 => Ok(()),
                            errno => Err(Error::Refused { what, errno: Errno::from_raw_os_error(errno) }),
                        };
                    }
                    Message::Record { sequence, payload, .. } if sequence == self.sequence => each(payload)?,
                    _ => {} // an answer to an earlier question
                }
                records += 1;
            }
            if records > MAX_ROWS {
                return Err(Error::TooLong(what));
            }
            if self.deadline.remaining().is_zero() {
                return Err(Error::Deadline(what));
            }
        }
    }
}

/// The `IPVS` family of the generic protocol.
#[derive(Debug)]
pub struct Ipvs {
    socket: Socket,
    family: u16,
}

/// What to ask the family for.
type Question = fn(u16, u32) -> Vec<u8>;

impl Ipvs {
    /// Finds the family. **This loads the kernel's module**: only to be called when `/proc/net/ip_vs` is there.
    ///
    /// # Errors
    /// As of [`Socket::ask`].
    pub fn open(deadline: Deadline) -> Result<Self, Error> {
        let mut socket = Socket::generic(deadline)?;
        let mut family = 0;
        socket.ask(
            "the family IPVS",
            |sequence| get_family("IPVS", sequence),
            |payload| {
                family = family_id(payload)?;
                Ok(())
            },
        )?;
        Ok(Self { socket, family })
    }

    /// All records of one question.
    ///
    /// # Errors
    /// As of [`Socket::ask`].
    pub fn all<T>(
        &mut self,
        what: &'static str,
        question: Question,
        decode: impl Fn(&[u8]) -> Result<T, NetlinkError>,
    ) -> Result<Vec<T>, Error> {
        let family = self.family;
        let mut records = Vec::new();
        self.socket.ask(
            what,
            |sequence| question(family, sequence),
            |payload| {
                records.push(decode(payload)?);
                Ok(())
            },
        )?;
        Ok(records)
    }

    /// All records of one question about a service.
    ///
    /// # Errors
    /// As of [`Socket::ask`].
    pub fn of<T>(
        &mut self,
        what: &'static str,
        question: fn(u16, u32, &Key) -> Vec<u8>,
        key: &Key,
        decode: impl Fn(&[u8]) -> Result<T, NetlinkError>,
    ) -> Result<Vec<T>, Error> {
        let family = self.family;
        let mut records = Vec::new();
        self.socket.ask(
            what,
            |sequence| question(family, sequence, key),
            |payload| {
                records.push(decode(payload)?);
                Ok(())
            },
        )?;
        Ok(records)
    }
}
