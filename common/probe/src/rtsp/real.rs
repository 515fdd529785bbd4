//! RTSP as `RealServer` and Helix want it: who we are, an answer to their challenge, the rules that we subscribe to; then RDT.
//!
//! They serve plain RTP, too, for what is not of their own kind. RDT is asked for when the description marks a track as theirs.

use weir_contract::Problem;
use weir_wire::rdt::{self, CHALLENGE_HEADER, Packet, Packets, Response, STREAM_END, Sequence};
use weir_wire::rtp;
use weir_wire::rtsp::{Method, Transport};
use weir_wire::sdp::Media;

use super::client::Client;
use super::{Seen, Track};

/// What players say of themselves; servers compare none of it.
const INTRODUCTION: [(&str, &str); 4] = [
    ("ClientChallenge", "9e26d33f2984236010ef6253fb1887f7"),
    ("PlayerStarttime", "[28/03/2003:22:50:23 00:00]"),
    ("CompanyID", "KnKV4M4I/B2FjJ1TToLycw=="),
    ("GUID", "00000000-0000-0000-0000-000000000000"),
];
/// Servers that give their challenge only to those who introduce themselves.
const SERVERS: [&str; 3] = ["helix", "realserver", "rmserver"];
/// Bits per second for which rules are chosen: the best of several bit rates, as players on a wire do.
const BANDWIDTH: u32 = 10_485_800;

/// What is known of a server of this kind.
#[derive(Debug, Default)]
pub(super) struct Real {
    response: Option<Response>,
    /// The description that SETUP means.
    pub(super) etag: Option<String>,
    /// The track of each `set` number, once RDT has been agreed on.
    sets: Vec<u16>,
    sequences: Vec<Sequence>,
}

impl Client<'_> {
    /// After OPTIONS: introduces us to a server that is of this kind.
    pub(super) async fn introduce(
        &mut self,
        greeting: &weir_wire::rtsp::Response,
        seen: &mut Seen,
    ) -> Result<(), Problem> {
        let server = greeting.headers.get("Server").unwrap_or_default().to_ascii_lowercase();
        let challenge = greeting.headers.get(CHALLENGE_HEADER).map(str::to_owned);
        if challenge.is_none() && !SERVERS.iter().any(|name| server.contains(name)) {
            return Ok(());
        }
        let url = self.url.clone();
        let answer = self.call("options", Method::Options, &url, &INTRODUCTION).await?;
        self.learn(&answer, seen);
        let challenge = answer.headers.get(CHALLENGE_HEADER).map(str::to_owned).or(challenge);
        let response = challenge.as_deref().map(Response::to);
        self.real = Some(Real { response, ..Real::default() });
        Ok(())
    }

    /// SETUP of every track for RDT on the connection, and the subscription; `Some` is the status with which the server refused.
    pub(super) async fn setup_rdt(
        &mut self,
        media: &[&Media],
        controls: &[String],
        aggregate: &str,
    ) -> Result<Option<(u16, String)>, Problem> {
        let Real { response, etag, .. } = self.real.take().unwrap_or_default();
        let response = response.as_ref().map(Response::header);
        let mut sets = Vec::new();
        for ((number, channel), control) in (0_u16..).zip((0_u8..).step_by(2)).zip(controls) {
            let offer = rdt::offer_tcp(channel);
            let mut headers = vec![("Transport", offer.as_str())];
            headers.extend(etag.as_deref().map(|etag| ("If-Match", etag)));
            headers
                .extend(response.as_deref().filter(|_| number == 0).map(|value| ("RealChallenge2", value)));
            let answer = self.call("setup", Method::Setup, control, &headers).await?;
            if answer.status != 200 {
                self.channels.clear();
                return Ok(Some((answer.status, answer.reason)));
            }
            self.keep_session(&answer);
            let transport = Transport::parse(answer.headers.get("Transport").unwrap_or_default());
            self.channels.push(transport.interleaved.map_or(channel, |pair| pair.rtp));
            let set = control.rsplit_once("streamid=").and_then(|(_, set)| set.parse().ok());
            sets.push(set.unwrap_or(number));
        }
        let rules = sets.iter().zip(media).flat_map(|(set, media)| {
            let rules = rdt::rules_for(media.rule_book().unwrap_or("rule;"), BANDWIDTH);
            rules.into_iter().map(move |rule| format!("stream={set};rule={rule}"))
        });
        let rules: Vec<String> = rules.collect();
        let subscribed =
            self.call("setup", Method::SetParameter, aggregate, &[("Subscribe", &rules.join(","))]).await?;
        Self::expect_ok(Method::SetParameter, &subscribed)?;
        self.real =
            Some(Real { response: None, etag, sequences: vec![Sequence::default(); sets.len()], sets });
        Ok(None)
    }

    /// Counts the packets of one frame, if RDT has been agreed on: whether it has.
    pub(super) fn take_rdt(&mut self, channel: u8, frame: &[u8]) -> bool {
        let Some(real) = self.real.as_mut().filter(|real| !real.sets.is_empty()) else { return false };
        if self.channels.is_empty() {
            // The watch is over.
            return true;
        }
        let now = self.probe.deadline.elapsed();
        for packet in Packets::of(frame) {
            let track_of = |set: u16| real.sets.iter().position(|own| *own == set);
            match packet {
                Ok(Packet::Data { set, sequence, timestamp, payload, key, .. }) => {
                    let Some(track) = track_of(set) else { continue };
                    let sequence = real.sequences[track].of(sequence);
                    let packet = rtp::Packet {
                        marker: key,
                        payload_type: 0,
                        sequence,
                        timestamp,
                        ssrc: set.into(),
                        payload,
                    };
                    self.tracks[track].reception.record(&packet, now);
                }
                Ok(Packet::Control { set, kind: STREAM_END }) => {
                    if let Some(track) = track_of(set) {
                        self.tracks[track].bye = true;
                    }
                }
                Ok(Packet::Control { .. }) => {}
                Err(_) => {
                    let own = |rtp: &u8| *rtp == channel || rtp.wrapping_add(1) == channel;
                    let track = self.channels.iter().position(own).unwrap_or_default();
                    self.tracks[track].garbage += 1;
                }
            }
        }
        true
    }
}

impl Track {
    /// What the codec's own data says, under the rule that a player takes.
    pub(super) fn describe_real(&mut self, media: &Media) {
        use weir_wire::realmedia::Codec;

        let rule = media.rule_book().and_then(|book| rdt::rules_for(book, BANDWIDTH).first().copied());
        let Some(codec) = media.real_codec(rule.unwrap_or_default()) else { return };
        self.codec = Some(codec.name());
        if let Codec::Video { width, height, frame_rate, .. } = codec {
            let (width, height) = (width.into(), height.into());
            self.resolution = Some(weir_wire::sdp::Resolution { width, height });
            self.frame_rate = Some(frame_rate).filter(|rate| *rate > 0.0);
        }
    }
}
