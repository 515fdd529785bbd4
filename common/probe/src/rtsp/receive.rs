//! RTP that arrives, on the connection or by UDP, for as long as it is watched.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::task::Poll;
use std::time::Duration;

use tokio::io::ReadBuf;
use tokio::net::UdpSocket;
use weir_contract::{Problem, fault};
use weir_wire::rtsp::Method;

use super::client::{Client, unreadable};
use super::{RESERVE, Seen, Watch};

/// Larger datagrams than an Ethernet's come from jumbo frames.
const DATAGRAM_MAX: usize = 64 * 1024;
/// Pairs of ports that are tried until one is free.
const PORT_TRIES: usize = 32;

/// The sockets of one track.
pub(super) struct Udp {
    rtp: UdpSocket,
    rtcp: UdpSocket,
    /// The even port of the pair.
    pub(super) port: u16,
}

impl Udp {
    /// An even port for RTP and the next one for RTCP (RFC 3550, section 11).
    pub(super) async fn bind(local: Option<IpAddr>) -> Result<Self, Problem> {
        let ip = local.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        let failed = |error: std::io::Error| Problem::new(&fault::INTERNAL, format!("no UDP port: {error}"));
        for _ in 0..PORT_TRIES {
            let rtp = UdpSocket::bind((ip, 0)).await.map_err(failed)?;
            let port = rtp.local_addr().map_err(failed)?.port();
            let (even, odd) = (port & !1, port | 1);
            // The kernel gave one of the pair; the other may be taken.
            let Ok(other) = UdpSocket::bind((ip, if port == even { odd } else { even })).await else {
                continue;
            };
            let (rtp, rtcp) = if port == even { (rtp, other) } else { (other, rtp) };
            return Ok(Self { rtp, rtcp, port: even });
        }
        Err(Problem::new(&fault::INTERNAL, format!("no pair of free UDP ports in {PORT_TRIES} tries")))
    }

    /// Sends an empty packet each way, so that a stateful firewall before this host lets the answers in.
    pub(super) async fn open_path(&mut self, rtp: SocketAddr, rtcp: Option<SocketAddr>) {
        /// RTP version 2, nothing else; servers drop it.
        const EMPTY_RTP: [u8; 12] = [0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        /// A receiver report without blocks (RFC 3550, section 6.4.2).
        const EMPTY_REPORT: [u8; 8] = [0x80, 201, 0, 1, 0, 0, 0, 0];
        // Whether they arrive decides nothing.
        let _ = self.rtp.send_to(&EMPTY_RTP, rtp).await;
        if let Some(rtcp) = rtcp {
            let _ = self.rtcp.send_to(&EMPTY_REPORT, rtcp).await;
        }
    }
}

/// Waits for a datagram on any of the sockets; the number of its track and its length.
async fn datagram(sockets: &[Udp], buffer: &mut [u8]) -> (usize, usize) {
    std::future::poll_fn(|context| {
        for (track, udp) in sockets.iter().enumerate() {
            for socket in [&udp.rtp, &udp.rtcp] {
                let mut read = ReadBuf::new(buffer);
                // An error is an ICMP message about one of our packets; the next datagram may still come.
                if let Poll::Ready(Ok(())) = socket.poll_recv(context, &mut read) {
                    return Poll::Ready((track, read.filled().len()));
                }
            }
        }
        Poll::Pending
    })
    .await
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
        result
    }

    async fn receive_until(
        &mut self,
        options: Watch<'_>,
        udp: &mut [Udp],
        url: &str,
        seen: &mut Seen,
    ) -> Result<(), Problem> {
        let mut datagrams = if udp.is_empty() { Vec::new() } else { vec![0; DATAGRAM_MAX] };
        let began = self.probe.deadline.elapsed();
        let last = self.probe.deadline.timeout().saturating_sub(RESERVE);
        let mut keep_alive = began + self.keep_alive_interval();
        // One timer for the whole watch: setting a new one for each packet costs more than the packet.
        let mut alarm = began;
        let mut timer = std::pin::pin!(tokio::time::sleep(Duration::ZERO));
        loop {
            while let Some(message) = self.decoder.next_message().map_err(|error| unreadable(&error))? {
                self.handle(message);
            }
            if !self.tracks.is_empty() && self.tracks.iter().all(|track| track.bye) {
                seen.ended = true;
                return Ok(());
            }
            let now = self.probe.deadline.elapsed();
            let until = match self.first_arrival() {
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
            let next = until.min(keep_alive);
            if next != alarm {
                alarm = next;
                timer.as_mut().reset(tokio::time::Instant::now() + next.saturating_sub(now));
            }
            tokio::select! {
                // A reset is an end too: it comes when a server dies with something unread.
                read = self.read() => if !matches!(read, Ok(1..)) {
                    seen.ended = true;
                    return Ok(());
                },
                (track, length) = datagram(udp, &mut datagrams) => {
                    let now = self.probe.deadline.elapsed();
                    self.tracks[track].take(&datagrams[..length], now);
                }
                () = timer.as_mut() => alarm = began,
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
