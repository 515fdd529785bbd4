//! RTP that arrives, on the connection or by UDP, for as long as it is watched.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use futures_util::future::select_all;
use weir_contract::{Problem, fault};
use weir_wire::rtsp::Method;

use super::client::{Client, unreadable};
use super::{RESERVE, Seen, Watch};
use crate::Deadline;
use crate::datagrams::Datagrams;
use crate::rest::Rest;

/// An interleaved packet of fewer bytes holds no picture and no sound, only what H.264 and H.265 put before a picture (4 bytes of
/// framing, 12 of RTP, 2 or 3 of an access unit delimiter): what follows at once wakes us for both.
const WAKE_FOR: usize = 20;
/// Pairs of ports that are tried until one is free.
const PORT_TRIES: usize = 32;

/// The sockets of one track.
pub(super) struct Udp {
    rtp: Datagrams,
    rtcp: Datagrams,
    /// The even port of the pair.
    pub(super) port: u16,
}

impl Udp {
    /// An even port for RTP and the next one for RTCP (RFC 3550, section 11).
    pub(super) fn bind(local: Option<IpAddr>) -> Result<Self, Problem> {
        let ip = local.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        let failed = |error: std::io::Error| Problem::new(&fault::INTERNAL, format!("no UDP port: {error}"));
        for _ in 0..PORT_TRIES {
            let rtp = UdpSocket::bind((ip, 0)).map_err(failed)?;
            let port = rtp.local_addr().map_err(failed)?.port();
            let (even, odd) = (port & !1, port | 1);
            // The kernel gave one of the pair; the other may be taken.
            let Ok(other) = UdpSocket::bind((ip, if port == even { odd } else { even })) else {
                continue;
            };
            let (rtp, rtcp) = if port == even { (rtp, other) } else { (other, rtp) };
            let [rtp, rtcp] = [rtp, rtcp].map(|socket| Datagrams::new(socket).map_err(failed));
            return Ok(Self { rtp: rtp?, rtcp: rtcp?, port: even });
        }
        Err(Problem::new(&fault::INTERNAL, format!("no pair of free UDP ports in {PORT_TRIES} tries")))
    }

    /// Sends an empty packet each way, so that a stateful firewall before this host lets the answers in.
    pub(super) fn open_path(&self, rtp: SocketAddr, rtcp: Option<SocketAddr>) {
        /// RTP version 2, nothing else; servers drop it.
        const EMPTY_RTP: [u8; 12] = [0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        /// A receiver report without blocks (RFC 3550, section 6.4.2).
        const EMPTY_REPORT: [u8; 8] = [0x80, 201, 0, 1, 0, 0, 0, 0];
        // Whether they arrive decides nothing.
        let _ = self.rtp.socket().send_to(&EMPTY_RTP, rtp);
        if let Some(rtcp) = rtcp {
            let _ = self.rtcp.socket().send_to(&EMPTY_REPORT, rtcp);
        }
    }

    /// Hands on all that waits, with the time at which it came.
    fn drain(&mut self, clock: &Deadline, mut each: impl FnMut(&[u8], Duration)) {
        for socket in [&mut self.rtp, &mut self.rtcp] {
            // An error is an ICMP message about one of our packets, or a broken socket, which is silent from then on.
            let _ = socket.drain(clock, |datagram| each(datagram.bytes, datagram.at));
        }
    }
}

/// Waits for the first datagram of all.
async fn first_datagram(udp: &[Udp]) {
    /// Without an event queue for them the sockets are looked into so often.
    const LOOK: Duration = Duration::from_millis(20);
    let sockets = udp.iter().flat_map(|udp| [&udp.rtp, &udp.rtcp]);
    let (ready, ..) = select_all(sockets.map(|socket| Box::pin(socket.wait()))).await;
    if ready.is_err() {
        tokio::time::sleep(LOOK).await;
    }
}

impl Client<'_> {
    /// Receives until the watch is over, the server ends it, or patience or time run out.
    pub(super) async fn receive(
        &mut self,
        options: Watch<'_>,
        udp: &mut [Udp],
        url: &str,
        seen: &mut Seen,
    ) -> Result<(), Problem> {
        let probe = self.probe;
        let result =
            probe.stage("media", &fault::SERVER_TIMEOUT, self.receive_until(options, udp, url, seen)).await;
        seen.first_media = self.first_arrival();
        seen.until = probe.deadline.elapsed();
        // What still comes while we say goodbye is not counted.
        self.channels.clear();
        self.conn.wake_for(1);
        result
    }

    async fn receive_until(
        &mut self,
        options: Watch<'_>,
        udp: &mut [Udp],
        url: &str,
        seen: &mut Seen,
    ) -> Result<(), Problem> {
        let began = self.probe.deadline.elapsed();
        let last = self.probe.deadline.timeout().saturating_sub(RESERVE);
        let mut keep_alive = began + self.keep_alive_interval();
        let mut rest = Rest::new();
        let mut flowing = false;
        loop {
            while let Some(message) = self.decoder.next_message().map_err(|error| unreadable(&error))? {
                self.handle(message);
            }
            for (socket, udp) in udp.iter_mut().enumerate() {
                let (tracks, shared, tap) = (&mut self.tracks, &mut self.shared, self.tap);
                udp.drain(&self.probe.deadline, |bytes, at| {
                    let track = shared.as_mut().map_or(Some(socket), |shared| shared.track_of(socket, bytes));
                    if let Some((number, track)) = track.and_then(|n| Some((n, tracks.get_mut(n)?))) {
                        track.take(number, bytes, at, tap);
                    }
                });
                if let Some(track) = tracks.get_mut(socket) {
                    track.overflowed = udp.rtp.dropped().into();
                }
            }
            if !self.tracks.is_empty() && self.tracks.iter().all(|track| track.bye) {
                seen.ended = true;
                return Ok(());
            }
            let now = self.probe.deadline.elapsed();
            let first = self.first_arrival();
            let until = match first {
                Some(first) => first + options.time,
                None => began + options.patience,
            }
            .min(last);
            if now >= until {
                return Ok(());
            }
            if now >= keep_alive {
                let method = if self.get_parameter { Method::GetParameter } else { Method::Options };
                self.send(method, url, &[]).await?;
                keep_alive = now + self.keep_alive_interval();
            }
            if first.is_some() && !flowing {
                flowing = true;
                self.conn.wake_for(WAKE_FOR);
            }
            // Where datagrams flow, the kernel knows when each came: it is enough to look before the sockets are full.
            let looks = udp.iter().map(|udp| udp.rtp.rest().min(udp.rtcp.rest())).min().filter(|_| flowing);
            let next = until.min(keep_alive);
            tokio::select! {
                biased;
                // A reset is an end too: it comes when a server dies with something unread.
                read = self.read() => if !matches!(read, Ok(1..)) {
                    seen.ended = true;
                    return Ok(());
                },
                () = first_datagram(udp), if !udp.is_empty() && !flowing => {}
                () = rest.until(looks.map_or(next, |look| next.min(now + look)), now) => {}
            }
        }
    }

    /// Half of the session's timeout (RFC 2326, section 12.37).
    fn keep_alive_interval(&self) -> Duration {
        let timeout = self.session.as_ref().map_or(weir_wire::rtsp::DEFAULT_SESSION_TIMEOUT, |s| s.timeout);
        (timeout / 2).max(Duration::from_secs(1))
    }

    fn first_arrival(&self) -> Option<Duration> {
        self.tracks.iter().filter_map(|track| track.reception.first_arrival()).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;
    use weir_wire::rtp::{Packet, Reception};

    #[test]
    fn a_reader_that_rests_measures_jitter_and_gaps_as_they_were() {
        const RATE: u32 = 90_000;
        let ip = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let mut udp = Udp::bind(Some(ip)).expect("ports");
        let sender = UdpSocket::bind((ip, 0)).expect("a port");
        let clock = Deadline::after(Duration::from_secs(10));
        let (began, mut last, mut longest) = (Instant::now(), None, Duration::ZERO);
        for (sequence, pause) in (0_u16..).zip([40, 5, 120, 40, 40]) {
            // A sender whose time stamps say when it really sent, however busy the machine is.
            let now = began.elapsed();
            let ticks = u32::try_from(now.as_micros() * u128::from(RATE) / 1_000_000).expect("a second");
            let mut packet = vec![0x80, 96];
            packet.extend(sequence.to_be_bytes());
            packet.extend(ticks.to_be_bytes());
            packet.extend([0, 0, 0, 7, 1, 2, 3]);
            sender.send_to(&packet, (ip, udp.port)).expect("sent");
            longest = longest.max(now.saturating_sub(last.replace(now).unwrap_or(now)));
            std::thread::sleep(Duration::from_millis(pause));
        }
        let mut reception = Reception::new(Some(RATE));
        udp.drain(&clock, |bytes, at| reception.record(&Packet::parse(bytes).expect("RTP"), at));
        let seen = reception.statistics(reception.statistics(Duration::ZERO).last_arrival.expect("packets"));
        assert_eq!((seen.received, seen.missing), (5, 0));
        // Had the time of reading counted, the gap would be 0 and the jitter 12 ms.
        assert!(seen.longest_gap.abs_diff(longest) < Duration::from_millis(10), "{longest:?}, {seen:?}");
        assert!(seen.jitter.expect("a rate") < Duration::from_millis(4), "{seen:?}");
    }
}
