//! Windows Media in a description: RTP carries whole ASF packets (`x-asf-pf`), so what the codecs are stands in the ASF header, which
//! the server puts into a session attribute (MS-RTSP; ffmpeg reads the same two attributes).

use super::{Description, Media};
use crate::asf::{Header, Stream};
use crate::base64;

/// How the value of `a=pgmpu` begins.
const HEADER: &str = "data:application/vnd.ms.wms-hdr.asfv1;base64,";

impl Description {
    /// The ASF header in `a=pgmpu`, if there is one that can be read.
    pub fn asf_header(&self) -> Option<Header> {
        let encoded = self.common.attribute("pgmpu")?.strip_prefix(HEADER)?;
        Header::parse(&base64::decode(encoded)?).ok()
    }
}

impl Media {
    /// Which stream of the ASF header this is: `a=stream`.
    pub fn asf_stream<'a>(&self, header: &'a Header) -> Option<&'a Stream> {
        header.stream(self.section.attribute("stream")?.parse().ok()?)
    }
}

#[cfg(test)]
mod tests {
    use crate::asf::{Kind, Stream};
    use crate::{base64, sdp};

    /// The form is that of MS-RTSP, the header VLC's.
    fn description(header: &[u8]) -> sdp::Description {
        let text = format!(
            "v=0\r\na=pgmpu:data:application/vnd.ms.wms-hdr.asfv1;base64,{}\r\n\
             m=audio 0 RTP/AVP 96\r\na=rtpmap:96 x-asf-pf/1000\r\na=control:audio\r\na=stream:2\r\n\
             m=video 0 RTP/AVP 96\r\na=rtpmap:96 x-asf-pf/1000\r\na=control:video\r\na=stream:1\r\n\
             m=application 0 RTP/AVP 97\r\na=rtpmap:97 x-wms-rtx/1000\r\na=control:rtx\r\na=stream:65536\r\n",
            base64::encode(header)
        );
        sdp::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn codecs_stand_in_the_asf_header() {
        let description = description(&include_bytes!("../../testdata/mms/vlc-describe.bin")[12..]);
        let header = description.asf_header().unwrap();
        let streams: Vec<Option<&Stream>> =
            description.media.iter().map(|media| media.asf_stream(&header)).collect();
        assert_eq!(streams[0].map(Stream::codec).as_deref(), Some("WMA2"));
        assert!(matches!(streams[1].map(|s| &s.kind), Some(Kind::Video { width: 320, height: 180, .. })));
        assert_eq!(streams[2], None, "retransmissions are no stream of the header");
    }

    #[test]
    fn a_header_that_cannot_be_read_is_none() {
        assert_eq!(description(b"no header").asf_header(), None);
        assert_eq!(sdp::parse(b"v=0\r\na=pgmpu:x\r\n").unwrap().asf_header(), None);
    }
}
