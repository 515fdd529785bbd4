//! Streams, whatever carries them.

catalogue! {
    // RTSP and RTP.
    RTSP_STATUS "E-RTSP-STATUS" Server Critical
        "The server answered an RTSP request with an error status."
        "look into the server's log; 404 means that the stream is not mounted, 503 that it cannot start"
    RTSP_TRANSPORT "E-RTSP-TRANSPORT" Server Critical
        "The server accepts none of the transports that were offered."
        "try --transport udp or tcp, and check what the server is configured for"
    RTSP_SDP "E-RTSP-SDP" Playlist Critical
        "The description names no track that can be set up, or cannot be read."
        "look at the description with -vvv: the source behind the server may be missing"
    RTSP_TRACKS "E-RTSP-TRACKS" Playlist Critical
        "The description lacks a track or codec that was expected."
        "compare the encoder's settings with --expect-tracks and --expect-codec"
    RTSP_SILENT "E-RTSP-SILENT" Media Critical
        "The server said 200 to PLAY and sent no media."
        "look at the encoder that feeds this stream; over UDP, at the firewall"
    RTSP_TRACK_SILENT "E-RTSP-TRACK-SILENT" Media Critical
        "One track sends media and another sends none."
        "look at the encoder's input for the silent track"
    RTSP_ENDED "E-RTSP-ENDED" Media Critical
        "The server ended a live stream while it was watched."
        "look at the encoder: it has stopped or restarts again and again"
    RTP_LOSS "E-RTP-LOSS" Media Warning
        "Packets were lost on the way."
        "compare with a TCP probe: loss only over UDP is the network, over both the server"
    RTP_JITTER "E-RTP-JITTER" Media Warning
        "Packets arrive at uneven times."
        "check the load of the server and of the path"
    RTP_GAP "E-RTP-GAP" Media Warning
        "The longest pause between two packets is too long."
        "look at the encoder and the server's load"
    RTP_RESTART "E-RTP-RESTART" Media Warning
        "The stream's source changed while it was watched."
        "look at the encoder: it restarts"

    // Windows Media.
    MMS_REFUSED "E-MMS-REFUSED" Server Critical
        "The server answered an MMS request with a failure."
        "look into the server's log; `not found` means that the publishing point does not exist or has stopped"
    MMS_FUNNEL "E-MMS-FUNNEL" Server Critical
        "The server takes commands and refuses to send media on the same TCP connection."
        "allow MMS over TCP in the server's plug-ins, or publish mmsh:// addresses"
    MMS_HEADER "E-MMS-HEADER" Playlist Critical
        "The server sent no ASF header, or one that cannot be read."
        "look at the encoder: a publishing point without a source has no header"
    MMS_TRACKS "E-MMS-TRACKS" Playlist Critical
        "The header lacks a track that was expected."
        "compare the encoder's settings with --expect-tracks"
    MMS_FILE "E-MMS-FILE" Playlist Critical
        "A channel that must be live is a file."
        "look at the publishing point: it plays a file instead of what the encoder sends"
    MMS_SILENT "E-MMS-SILENT" Media Critical
        "The server agreed to play and sent no media."
        "look at the encoder that feeds this publishing point"
    MMS_TRACK_SILENT "E-MMS-TRACK-SILENT" Media Critical
        "One track of the header sends media and another sends none."
        "look at the encoder's input for the silent track"
    MMS_ENDED "E-MMS-ENDED" Media Critical
        "The server ended a live stream while it was watched."
        "look at the encoder: it has stopped or restarts again and again"
    MMS_PACKETS "E-MMS-PACKETS" Media Critical
        "What comes as media are no ASF packets."
        "look at the encoder, and at whatever relays or rewrites the stream before this server"
    MMS_LOSS "E-MMS-LOSS" Media Warning
        "Numbers of ASF packets are missing: they were lost before this server, or it skips them for slow clients."
        "compare with the encoder's own log, and with the server's load and bandwidth limits"
    MMS_SPEED "E-MMS-SPEED" Media Warning
        "The stream's clock runs slower than the one on the wall: players will stop to buffer."
        "look at the encoder's load and at the bandwidth between encoder, server and here"
    MMS_RESTART "E-MMS-RESTART" Media Warning
        "The server announced another stream while it was watched."
        "look at the encoder: it restarts, or the playlist has moved to its next entry"

    // RealNetworks over PNA.
    PNM_REFUSED "E-PNM-REFUSED" Server Critical
        "The server answered a PNA request with a refusal."
        "compare the path with what the server mounts; a live stream is gone when its encoder is"
    PNM_HEADER "E-PNM-HEADER" Playlist Critical
        "The description of a PNA stream names nothing to play, or cannot be read."
        "look at the encoder or the file behind this path"
    PNM_TRACKS "E-PNM-TRACKS" Playlist Critical
        "The description of a PNA stream lacks a track that was expected."
        "compare the encoder's settings with --expect-tracks"
    PNM_FILE "E-PNM-FILE" Playlist Critical
        "A channel that must be live is a file."
        "look at the server's mount points: a file stands where the encoder's stream should be"
    PNM_PROOF "E-PNM-PROOF" Check Unknown
        "The server gives media over PNA only to players that can answer its challenge: nobody has published how."
        "probe the same stream over RTSP, or say --describe-only to check no more than that it is described"
    PNM_SILENT "E-PNM-SILENT" Media Critical
        "The server described the stream and sent no media."
        "look at the encoder that feeds this path"
    PNM_ENDED "E-PNM-ENDED" Media Critical
        "The server ended a stream while it was watched."
        "look at the encoder: it has stopped or restarts; `full` means that the server's licence or bandwidth is used up"
    PNM_SPEED "E-PNM-SPEED" Media Warning
        "The stream's clock runs slower than the one on the wall: players will stop to buffer."
        "look at the encoder's load and at the bandwidth between encoder, server and here"

    // RTMP.
    RTMP_REFUSED "E-RTMP-REFUSED" Server Critical
        "The server refused the application or the stream, or closed the connection instead of an answer."
        "compare application and stream name with the server's configuration; its log says who may play"
    RTMP_SILENT "E-RTMP-SILENT" Media Critical
        "The server agreed to play and sent no media: RTMP servers do so for a stream that nobody publishes."
        "look at the encoder: does it publish to this application, under this name?"
    RTMP_TRACKS "E-RTMP-TRACKS" Playlist Critical
        "The stream lacks a track that was expected."
        "compare the encoder's settings with --expect-tracks"
    RTMP_TRACK_SILENT "E-RTMP-TRACK-SILENT" Media Critical
        "One track of the stream sends frames and another sends none."
        "look at the encoder's input for the silent track"
    RTMP_FILE "E-RTMP-FILE" Playlist Critical
        "A channel that must be live is a recording."
        "look at the application: it plays a file instead of what the encoder sends"
    RTMP_ENDED "E-RTMP-ENDED" Media Critical
        "The stream ended while it was watched: its publisher left, or the server closed the connection."
        "look at the encoder: it has stopped or restarts again and again"
    RTMP_SPEED "E-RTMP-SPEED" Media Warning
        "The stream's time stamps run slower than the clock on the wall: players will stop to buffer."
        "look at the encoder's load and at the bandwidth between encoder, server and here"

    // SRT.
    SRT_TIMEOUT "E-SRT-TIMEOUT" Connect Critical
        "The listener neither answered nor refused the SRT handshake in time."
        "see that the listener runs and UDP passes; a listener for one caller, such as ffmpeg's, answers nobody while it has one"
    SRT_REJECTED "E-SRT-REJECTED" Server Critical
        "The listener refused the SRT connection."
        "compare the stream id and the settings of both sides, then look into the server's log"
    SRT_BUSY "E-SRT-BUSY" Server Critical
        "The listener refused the SRT connection because it is busy, full, or about to end."
        "count its callers and look at its limits"
    SRT_PASSPHRASE "E-SRT-PASSPHRASE" Server Critical
        "The passphrase is wrong, missing, or not wanted, so that media cannot be read."
        "compare the passphrases of both sides (--password-file)"
    SRT_SILENT "E-SRT-SILENT" Media Critical
        "The listener accepted the connection and sent no media."
        "look at the source that feeds the listener, and whether this port sends or receives"
    SRT_LOST_PEER "E-SRT-LOST-PEER" Server Critical
        "The server was there, then said nothing at all, or its port was closed."
        "look whether the server process hangs or has crashed, then at the way to it"
    SRT_LOSS "E-SRT-LOSS" Media Warning
        "Packets did not come within the latency, sent again or not: players show it."
        "raise the latency to four round trips or more; if that is no help, look at the way and at the sender's bandwidth limit"
    SRT_RESENT "E-SRT-RESENT" Media Warning
        "The server had to send many packets again: the way loses them, and the latency hides it still."
        "look for loss on the way (check_latency, mtr), and raise the latency before players show it"
    SRT_RTT "E-SRT-RTT" Media Warning
        "The round trip to the server is longer than expected."
        "look at the way to the server (mtr): another route, or a full queue"

    // Any stream.
    START_SLOW "E-START-SLOW" Media Warning
        "Media came, but late."
        "check the server's load and its way to the source"
    BITRATE "E-BITRATE" Media Warning
        "The bit rate is not what was expected."
        "look at the encoder's settings and its input"
    STREAM_SILENT "E-STREAM-SILENT" Media Critical
        "The server accepted the listener and sent no media."
        "look at the source that feeds this stream"
    STREAM_STALLED "E-STREAM-STALLED" Media Critical
        "Media came from the server's buffer, then no more."
        "the source has stalled: look at the encoder that feeds this stream"
    STREAM_ENDED "E-STREAM-ENDED" Media Critical
        "The server ended a live stream while it was watched."
        "look at the source that feeds this stream"
    STREAM_GAP "E-STREAM-GAP" Media Warning
        "The longest pause in the stream is too long."
        "look at the encoder and the server's load"
    STREAM_QUORUM "E-STREAM-QUORUM" Media Critical
        "Too few of a channel's URLs serve."
        "look at the findings of each URL: what they have in common is where to begin"
    AIR_SILENT "E-AIR-SILENT" Content Critical
        "Media flows, and no sound is in it."
        "listen to it: look at the studio's output and the encoder's audio input"
    AIR_FROZEN "E-AIR-FROZEN" Content Critical
        "Media flows, and the picture does not change."
        "look at it: the encoder's input has stopped, or what feeds it repeats its last picture"
    AIR_BLACK "E-AIR-BLACK" Content Critical
        "Media flows, and the picture is black or of one colour."
        "look at it: the encoder has lost its video input, or what feeds it shows nothing"
    AIR_UNDECIDED "E-AIR-UNDECIDED" Check Unknown
        "Whether there is dead air cannot be told from this payload."
        "leave the option away where the payload cannot be read, or accept it with --problem-state E-AIR-UNDECIDED=ok"
    NOT_MEDIA "E-NOT-MEDIA" Content Critical
        "The body is no media: a web page, a text, an error message."
        "open the URL in a browser: the server sends a page instead of the stream"
    TITLE "E-TITLE" Content Warning
        "The stream's title or name is missing or not as expected."
        "check what the source sends as metadata"
    CODEC "E-CODEC" Content Critical
        "The codec is not the expected one."
        "compare the encoder's settings with --expect-codec"
}
