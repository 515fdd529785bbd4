//! UDP sockets that are read in batches: the kernel says when each datagram arrived, so the reader may rest in between.
//!
//! A wake-up costs more than a datagram. [`Datagrams::drain`] takes everything that waits with few system calls, and
//! [`Datagrams::rest`] says how long the reader may do something else: shorter when the socket's buffer fills, so that it never
//! overflows. Should it overflow all the same, [`Datagrams::dropped`] counts what was lost here and not in the network.

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd, AsRawFd};
use std::time::{Duration, SystemTime};

use nix::cmsg_space;
use nix::libc::in6_pktinfo;
use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg, setsockopt, sockopt,
};
use nix::sys::time::TimeSpec;

use crate::Deadline;
use crate::rest::Rest;

/// Datagrams taken with one system call.
const BATCH: usize = 32;
/// Jumbo frames fit; a longer datagram is cut and marked.
const DATAGRAM_MAX: usize = 9216;
/// Asked of the kernel: 0.8 s of 20 Mbit/s. Without the right to more it gives what `net.core.rmem_max` allows.
const BUFFER: usize = 4 << 20;
/// What a datagram takes of the socket's buffer at most, beside its bytes: a network card's page (`skb->truesize`).
const OVERHEAD: usize = 4096;
/// The reader rests so long at first, ...
const REST_FIRST: Duration = Duration::from_millis(25);
/// ... never less than this while much comes, ...
const REST_MIN: Duration = Duration::from_millis(2);
/// ... and so a datagram is seen so late at most.
const REST_MAX: Duration = Duration::from_millis(250);

/// A datagram as it arrived.
#[derive(Clone, Copy, Debug)]
pub struct Datagram<'a> {
    /// What it holds.
    pub bytes: &'a [u8],
    /// Whether it was longer than [`bytes`](Self::bytes).
    pub cut: bool,
    /// Who sent it.
    pub from: SocketAddr,
    /// When the kernel received it, since the start of the check. Never before the one before it. The first datagrams may carry the
    /// time at which they were read: a kernel that nobody had asked for time stamps takes a moment to begin with them.
    pub at: Duration,
    /// Hops that it could still have gone.
    pub ttl: Option<u8>,
    /// The number of the interface by which it came; told of IPv6 only, where a group's socket hears every interface.
    pub interface: Option<u32>,
}

/// A UDP socket for streams.
#[derive(Debug)]
pub struct Datagrams {
    /// Not registered with the runtime: that would wake up for every datagram, whether somebody waits or not.
    socket: UdpSocket,
    buffer: Box<[u8]>,
    /// Bytes that the kernel keeps for us.
    room: usize,
    rest: Duration,
    dropped: u32,
    last: Duration,
}

impl Datagrams {
    /// Takes over a bound socket.
    ///
    /// # Errors
    /// What the kernel refuses.
    pub fn new(socket: UdpSocket) -> io::Result<Self> {
        // The first needs a right, the second is cut to what is allowed.
        if setsockopt(&socket, sockopt::RcvBufForce, &BUFFER).is_err() {
            setsockopt(&socket, sockopt::RcvBuf, &BUFFER)?;
        }
        setsockopt(&socket, sockopt::ReceiveTimestampns, &true)?;
        setsockopt(&socket, sockopt::RxqOvfl, &1)?;
        match socket.local_addr()?.ip() {
            IpAddr::V4(_) => setsockopt(&socket, sockopt::Ipv4RecvTtl, &true)?,
            IpAddr::V6(_) => {
                setsockopt(&socket, sockopt::Ipv6RecvHopLimit, &true)?;
                setsockopt(&socket, sockopt::Ipv6RecvPacketInfo, &true)?;
            }
        }
        let room = nix::sys::socket::getsockopt(&socket, sockopt::RcvBuf)?;
        socket.set_nonblocking(true)?;
        Ok(Self {
            socket,
            // Zeroed by the kernel page by page, where datagrams come to lie.
            buffer: vec![0; BATCH * DATAGRAM_MAX].into_boxed_slice(),
            room,
            rest: REST_FIRST,
            dropped: 0,
            last: Duration::ZERO,
        })
    }

    /// The socket, to send from it.
    pub const fn socket(&self) -> &UdpSocket {
        &self.socket
    }

    /// Datagrams that our own buffer had no room for.
    pub const fn dropped(&self) -> u32 {
        self.dropped
    }

    /// How long the reader may rest now.
    pub const fn rest(&self) -> Duration {
        self.rest
    }

    /// Waits until a datagram waits.
    ///
    /// # Errors
    /// When the socket is broken.
    pub async fn wait(&self) -> io::Result<()> {
        tokio::net::UdpSocket::from_std(self.socket.try_clone()?)?.readable().await
    }

    /// Waits until a datagram waits, or until `at`.
    pub(crate) async fn wait_until(&self, rest: &mut Rest, at: Duration) {
        if rest.alone_on(self.socket.as_fd(), at) {
            return;
        }
        tokio::select! {
            biased;
            _ = self.wait() => {}
            () = rest.until(at) => {}
        }
    }

    /// Hands on all that waits, at most what the buffer holds: a sender that is faster than we are must not keep us here.
    /// Returns how many there were.
    ///
    /// # Errors
    /// An ICMP message about what we sent ([`io::ErrorKind::ConnectionRefused`]); the next datagram may still come.
    pub fn drain(&mut self, clock: &Deadline, mut each: impl FnMut(Datagram<'_>)) -> io::Result<usize> {
        let (mut count, mut used) = (0, 0);
        while used < self.room {
            let room = &mut used;
            let read = batch(self.socket.as_raw_fd(), &mut self.buffer, |datagram, age, dropped| {
                *room += datagram.bytes.len() + OVERHEAD;
                self.dropped = self.dropped.max(dropped);
                self.last = self.last.max(clock.elapsed().saturating_sub(age));
                each(Datagram { at: self.last, ..datagram });
            });
            match read {
                Ok(read) => count += read,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
            if count % BATCH != 0 {
                break;
            }
        }
        self.rest = if used > self.room / 2 {
            self.rest / 2
        } else if used < self.room / 4 {
            self.rest * 2
        } else {
            self.rest
        }
        .clamp(REST_MIN, REST_MAX);
        Ok(count)
    }
}

/// What control messages say about a datagram.
#[derive(Clone, Copy, Default)]
struct Fact {
    length: usize,
    cut: bool,
    from: Option<SocketAddr>,
    age: Duration,
    ttl: Option<u8>,
    interface: Option<u32>,
    dropped: u32,
}

/// One system call's worth of datagrams, each with its age and the kernel's count of those that it had no room for.
fn batch(
    socket: std::os::fd::RawFd,
    buffer: &mut [u8],
    mut each: impl FnMut(Datagram<'_>, Duration, u32),
) -> io::Result<usize> {
    // Anew each time: the kernel shortens what it was given for control messages.
    let space = cmsg_space!(TimeSpec, u32, i32, in6_pktinfo);
    let mut headers = MultiHeaders::<SockaddrStorage>::preallocate(BATCH, Some(space));
    let mut facts = [Fact::default(); BATCH];
    let mut count = 0;
    {
        let mut slots: Vec<[IoSliceMut<'_>; 1]> =
            buffer.chunks_exact_mut(DATAGRAM_MAX).map(|slot| [IoSliceMut::new(slot)]).collect();
        let received = recvmmsg(socket, &mut headers, slots.iter_mut(), MsgFlags::MSG_DONTWAIT, None)?;
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        for (message, fact) in received.zip(&mut facts) {
            fact.length = message.bytes.min(DATAGRAM_MAX);
            fact.cut = message.flags.contains(MsgFlags::MSG_TRUNC);
            fact.from = message.address.and_then(sender);
            for control in message.cmsgs().into_iter().flatten() {
                match control {
                    // A clock that was set in between makes it older than it is; nothing can be younger than now.
                    ControlMessageOwned::ScmTimestampns(at) => fact.age = now.saturating_sub(at.into()),
                    ControlMessageOwned::RxqOvfl(count) => fact.dropped = count,
                    ControlMessageOwned::Ipv4Ttl(hops) | ControlMessageOwned::Ipv6HopLimit(hops) => {
                        fact.ttl = u8::try_from(hops).ok();
                    }
                    ControlMessageOwned::Ipv6PacketInfo(info) => fact.interface = Some(info.ipi6_ifindex),
                    _ => {}
                }
            }
            count += 1;
        }
    }
    for (slot, fact) in buffer.chunks_exact(DATAGRAM_MAX).zip(facts).take(count) {
        let Fact { length, cut, from, age, ttl, interface, dropped } = fact;
        let Some(from) = from else { continue };
        each(
            Datagram { bytes: &slot[..length], cut, from, ttl, interface, at: Duration::ZERO },
            age,
            dropped,
        );
    }
    Ok(count)
}

fn sender(address: SockaddrStorage) -> Option<SocketAddr> {
    let v4 = address.as_sockaddr_in().map(|a| SocketAddr::from((a.ip(), a.port())));
    v4.or_else(|| address.as_sockaddr_in6().map(|a| SocketAddr::from((a.ip(), a.port()))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block_on;

    fn pair() -> (UdpSocket, UdpSocket) {
        let (sender, receiver) =
            (UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
        sender.connect(receiver.local_addr().unwrap()).unwrap();
        (sender, receiver)
    }

    #[test]
    fn arrival_is_when_the_kernel_received_not_when_we_looked() {
        let (sender, receiver) = pair();
        let seen = block_on(async {
            let clock = Deadline::after(Duration::from_secs(10));
            let mut datagrams = Datagrams::new(receiver).unwrap();
            // The kernel begins to stamp some time after it was asked, when nobody else on the host had asked before.
            let mut stamps = false;
            while !stamps {
                assert!(clock.remaining() > Duration::from_secs(2), "the kernel does not stamp");
                sender.send(b"is it?").unwrap();
                std::thread::sleep(Duration::from_millis(50));
                let _ =
                    datagrams.drain(&clock, |d| stamps = clock.elapsed() >= d.at + Duration::from_millis(45));
            }
            sender.send(b"one").unwrap();
            std::thread::sleep(Duration::from_millis(300));
            sender.send(b"three").unwrap();
            std::thread::sleep(Duration::from_millis(200));
            datagrams.wait().await.unwrap();
            let mut seen = Vec::new();
            let count = datagrams.drain(&clock, |d| seen.push((d.bytes.len(), d.at, d.ttl, d.from))).unwrap();
            assert_eq!(count, 2);
            assert!(clock.elapsed().saturating_sub(seen[1].1) >= Duration::from_millis(190), "{seen:?}");
            seen
        })
        .unwrap();
        assert_eq!((seen[0].0, seen[1].0), (3, 5));
        assert_eq!((seen[0].2, seen[0].3), (Some(64), sender.local_addr().unwrap()));
        let between = seen[1].1.saturating_sub(seen[0].1);
        assert!(between >= Duration::from_millis(299), "{seen:?}");
    }

    #[test]
    fn what_our_own_buffer_had_no_room_for_is_counted_as_ours() {
        let (sender, receiver) = pair();
        block_on(async {
            let clock = Deadline::after(Duration::from_secs(10));
            let mut datagrams = Datagrams::new(receiver).unwrap();
            setsockopt(&datagrams.socket, sockopt::RcvBuf, &20_000).unwrap();
            let mut received = 0;
            for _ in 0..500 {
                sender.send(&[7; 1316]).unwrap();
            }
            while datagrams.drain(&clock, |_| received += 1).unwrap() > 0 {}
            assert!(received < 500, "nothing was dropped");
            // The kernel tells it with the next one.
            sender.send(b"last").unwrap();
            datagrams.wait().await.unwrap();
            datagrams.drain(&clock, |_| received += 1).unwrap();
            assert_eq!(received + datagrams.dropped(), 501);
        })
        .unwrap();
    }

    #[test]
    fn the_reader_rests_longer_while_little_comes_and_less_while_much_does() {
        let (sender, receiver) = pair();
        block_on(async {
            let clock = Deadline::after(Duration::from_secs(10));
            let mut datagrams = Datagrams::new(receiver).unwrap();
            for _ in 0..10 {
                assert_eq!(datagrams.drain(&clock, |_| {}).unwrap(), 0);
            }
            assert_eq!(datagrams.rest(), REST_MAX);
            datagrams.room = 10 * OVERHEAD;
            for _ in 0..10 {
                sender.send(&[7; 1316]).unwrap();
            }
            let mut seen = 0;
            while seen < 10 {
                datagrams.wait().await.unwrap();
                seen += datagrams.drain(&clock, |_| {}).unwrap();
            }
            assert!(datagrams.rest() < REST_MAX);
        })
        .unwrap();
    }
}
