//! RTP that arrives, on the connection or by UDP, for as long as it is watched.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use futures_util::future::select_all;
use weir_contract::{Problem, fault};
use weir_wire::rtsp::Method;

use super::client::Client;
use super::{RESERVE, Seen, Watch};
use crate::Deadline;
use crate::datagrams::Datagrams;
use crate::rest::Rest;

/// An interleaved packet of fewer bytes holds no picture and no sound, only what H.264 and H.265 put before a picture (4 bytes of
/// framing, 12 of RTP, 2 or 3 of an access unit delimiter): what follows at once wakes us for both.
const WAKE_FOR: usize = 20;
/// While media flows, what came is looked at so often: a wake-up that only notes when is half the price.
const LOOK: Duration = Duration::from_millis(500);
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
        let mut rest = Rest::new(self.probe.deadline);
        let (mut flowing, mut closed) = (false, false);
        loop {
            while let Some(message) = self.next_message()? {
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
            if closed || !self.tracks.is_empty() && self.tracks.iter().all(|track| track.bye) {
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
            // The kernel knows when each datagram came: it is enough to look before the sockets are full.
            let look = udp.iter().map(|udp| udp.rtp.rest().min(udp.rtcp.rest())).min().unwrap_or(LOOK);
            let next = until.min(keep_alive);
            let next = if flowing { next.min(now + look) } else { next };
            closed = if flowing || udp.is_empty() {
                self.gather(flowing, &mut rest, next).await
            } else {
                tokio::select! {
                    biased;
                    read = self.read() => !matches!(read, Ok(1..)),
                    () = first_datagram(udp) => false,
                    () = rest.until(next) => false,
                }
            };
        }
    }

    /// Reads what comes on the connection until `at`: once, or as much as there is room for when media flows. Whether that was its
    /// end.
    async fn gather(&mut self, flowing: bool, rest: &mut Rest, at: Duration) -> bool {
        loop {
            match self.read_until(rest, at).await {
                Ok(Some(1..)) if flowing && !self.is_full() => {}
                Ok(None | Some(1..)) => return false,
                // A reset is an end too: it comes when a server dies with something unread.
                Ok(Some(0)) | Err(_) => return true,
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
    use std::io::Write;
    use std::net::TcpListener;
    use std::time::Instant;

    use weir_wire::rtp::{Packet, Reception, Statistics};
    use weir_wire::sdp;

    use super::*;
    use crate::rtsp::{Delivery, Track};
    use crate::{NetOptions, Probe, block_on, together};

    const RATE: u32 = 90_000;
    const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    #[test]
    fn what_the_description_does_not_name_is_no_media() {
        let description = sdp::parse(b"v=0\r\nm=audio 0 RTP/AVP 8\r\n").expect("a description");
        let mut track = Track::new(&description.media[0], None);
        for (sequence, payload_type) in (0..).zip([8, 8, 13, 8]) {
            let head = [0x80, payload_type, 0, sequence, 0, 0, 0, 0, 0, 0, 0, 7];
            track.take(0, &[head.as_slice(), &[1; 20]].concat(), Duration::from_millis(20), None);
        }
        let counted = track.reception.statistics(Duration::from_millis(20));
        assert_eq!((counted.bytes, counted.missing, track.unnamed), (60, 0, 1));
    }

    /// Sends five packets whose time stamps say when they really went, however busy the machine is. The longest pause between two.
    fn send_five(mut send: impl FnMut(&[u8])) -> Duration {
        let (began, mut last, mut longest) = (Instant::now(), None, Duration::ZERO);
        for (sequence, pause) in (0_u16..).zip([40, 5, 120, 40, 40]) {
            let now = began.elapsed();
            let ticks = u32::try_from(now.as_micros() * u128::from(RATE) / 1_000_000).expect("a second");
            let mut packet = vec![0x80, 96];
            packet.extend(sequence.to_be_bytes());
            packet.extend(ticks.to_be_bytes());
            packet.extend([0, 0, 0, 7]);
            packet.extend([1; 20]);
            send(&packet);
            longest = longest.max(now.saturating_sub(last.replace(now).unwrap_or(now)));
            std::thread::sleep(Duration::from_millis(pause));
        }
        longest
    }

    /// Had the time of decoding counted, the gap would be 0 and the jitter 12 ms.
    fn as_they_were(reception: &Reception, longest: Duration) {
        let last = reception.statistics(Duration::ZERO).last_arrival.expect("packets");
        let seen: Statistics = reception.statistics(last);
        assert_eq!((seen.received, seen.missing), (5, 0));
        assert!(seen.longest_gap.abs_diff(longest) < Duration::from_millis(10), "{longest:?}, {seen:?}");
        assert!(seen.jitter.expect("a rate") < Duration::from_millis(4), "{seen:?}");
    }

    #[test]
    fn a_reader_that_rests_measures_jitter_and_gaps_as_they_were() {
        let mut udp = Udp::bind(Some(LOCAL)).expect("ports");
        let sender = UdpSocket::bind((LOCAL, 0)).expect("a port");
        let clock = Deadline::after(Duration::from_secs(10));
        let longest = send_five(|packet| {
            sender.send_to(packet, (LOCAL, udp.port)).expect("sent");
        });
        let mut reception = Reception::new(Some(RATE));
        udp.drain(&clock, |bytes, at| reception.record(&Packet::parse(bytes).expect("RTP"), at));
        as_they_were(&reception, longest);
    }

    /// Watches a connection on which five packets come, beside `others` that watch silence.
    fn five_on_a_connection(others: usize) {
        let listener = TcpListener::bind((LOCAL, 0)).expect("a port");
        let address = listener.local_addr().expect("an address");
        let server = std::thread::spawn(move || {
            let silent: Vec<_> = (0..others).map(|_| listener.accept().expect("another")).collect();
            let (mut media, _) = listener.accept().expect("a client");
            let longest = send_five(|packet| {
                let length = u16::try_from(packet.len()).expect("short");
                let frame = [&[b'$', 0], &length.to_be_bytes()[..], packet].concat();
                media.write_all(&frame).expect("sent");
            });
            drop(media);
            (longest, silent)
        });
        let watch = async |probe: &Probe, conn| {
            let options = Watch {
                delivery: Delivery::Tcp,
                time: Duration::from_secs(5),
                patience: Duration::from_secs(1),
                credentials: None,
                user_agent: "test",
                tap: None,
            };
            let mut client = Client::new(probe, conn, "", options);
            client.tracks.push(Track {
                kind: "video".to_owned(),
                codec: None,
                resolution: None,
                frame_rate: None,
                reception: Reception::new(Some(RATE)),
                bye: false,
                garbage: 0,
                unnamed: 0,
                overflowed: 0,
                formats: Vec::new(),
            });
            client.channels.push(0);
            let mut seen = Seen::default();
            client.receive(options, &mut [], "", &mut seen).await.expect("watched");
            (client.tracks.remove(0).reception, seen.ended)
        };
        let mut watched = block_on(async {
            let probe = Probe::new(Duration::from_secs(10), NetOptions::default());
            let mut connections = Vec::new();
            for _ in 0..=others {
                connections.push(probe.connect(address).await.expect("connected"));
            }
            together(others + 1, connections.into_iter().map(|conn| watch(&probe, conn))).await
        })
        .expect("a runtime");
        let (longest, _silent) = server.join().expect("a server");
        let (reception, ended) = watched.pop().expect("the last connection's");
        as_they_were(&reception, longest);
        assert!(ended && watched.iter().all(|(_, ended)| !ended));
    }

    #[test]
    fn what_is_decoded_late_came_when_it_came() {
        five_on_a_connection(0);
    }

    #[test]
    fn in_company_nobody_waits_for_another_ones_silence() {
        five_on_a_connection(2);
    }
}
