//! UDP as Windows Media servers want it (MS-RTSP): retransmissions are set up first, with a pair of ports, and all media comes to
//! one port; they say 461 to anything else. Which track a packet is of, its SSRC tells.

use weir_contract::Problem;
use weir_wire::rtp::is_rtcp;
use weir_wire::rtsp::{Method, Transport};
use weir_wire::sdp::Description;

use super::Seen;
use super::client::Client;
use super::receive::Udp;

/// The encoding of the track that carries retransmissions.
const RETRANSMISSIONS: &str = "x-wms-rtx";

/// The control URL of the retransmissions, where there are any.
pub(super) fn retransmissions(description: &Description) -> Option<&str> {
    let is = |format: &weir_wire::sdp::Format| format.encoding.eq_ignore_ascii_case(RETRANSMISSIONS);
    description.media.iter().find(|media| media.formats.iter().any(is))?.control()
}

/// The tracks that share a port.
#[derive(Debug, Default)]
pub(super) struct Shared {
    /// The sender of each track: as announced, and whether it has been heard.
    senders: Vec<(Option<u32>, bool)>,
}

impl Shared {
    /// The track of a packet that came to the socket with this number: the first is that of media, the second that of
    /// retransmissions, which are of no track.
    pub(super) fn track_of(&mut self, socket: usize, packet: &[u8]) -> Option<usize> {
        let at = if is_rtcp(packet) { 4 } else { 8 };
        let ssrc = packet.get(at..at + 4).filter(|_| socket == 0)?;
        let ssrc = ssrc.try_into().map_or(0, u32::from_be_bytes);
        let known = self.senders.iter().position(|(own, _)| *own == Some(ssrc));
        // Not announced, or another one than announced: a track that nothing has been heard of.
        let track = known.or_else(|| self.senders.iter().position(|(_, heard)| !heard)).unwrap_or(0);
        if let Some(sender) = self.senders.get_mut(track) {
            *sender = (Some(ssrc), true);
        }
        Some(track)
    }
}

impl Client<'_> {
    /// SETUP of retransmissions and of every track; the socket of media, and that of retransmissions.
    pub(super) async fn setup_udp_shared(
        &mut self,
        retransmissions: &str,
        controls: &[String],
        seen: &mut Seen,
    ) -> Result<Vec<Udp>, Problem> {
        let again = Udp::bind(self.local_ip())?;
        let offer = Transport::offer_udp(again.port);
        let answer = self.call("setup", Method::Setup, retransmissions, &[("Transport", &offer)]).await?;
        self.agreed_on_udp(&answer, &again, seen)?;
        let media = Udp::bind(self.local_ip())?;
        let offer = Transport::offer_udp_one_port(media.port);
        let mut senders = Vec::new();
        for control in controls {
            let answer = self.call("setup", Method::Setup, control, &[("Transport", &offer)]).await?;
            senders.push((self.agreed_on_udp(&answer, &media, seen)?.ssrc, false));
        }
        self.shared = Some(Shared { senders });
        Ok(vec![media, again])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rtp(ssrc: u8) -> [u8; 12] {
        [0x80, 96, 0, 0, 0, 0, 0, 0, 0, 0, 0, ssrc]
    }

    #[test]
    fn packets_find_their_track_by_sender() {
        let mut announced = Shared { senders: vec![(Some(1), false), (Some(2), false)] };
        let tracks: Vec<_> = [2, 1, 2].map(|ssrc| announced.track_of(0, &rtp(ssrc))).into();
        assert_eq!(tracks, [Some(1), Some(0), Some(1)]);
        assert_eq!(announced.track_of(0, &[0x80, 200, 0, 1, 0, 0, 0, 2]), Some(1), "RTCP");
        assert_eq!(announced.track_of(1, &rtp(1)), None, "a retransmission");
        assert_eq!(announced.track_of(0, &[0x80]), None);
    }

    #[test]
    fn senders_that_were_not_announced_are_taken_in_turn() {
        for senders in [vec![(None, false), (None, false)], vec![(Some(8), false), (Some(9), false)]] {
            let mut shared = Shared { senders };
            let tracks: Vec<_> = [5, 6, 5, 6].map(|ssrc| shared.track_of(0, &rtp(ssrc))).into();
            assert_eq!(tracks, [Some(0), Some(1), Some(0), Some(1)]);
        }
    }
}
