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

    // Any stream.
    START_SLOW "E-START-SLOW" Media Warning
        "Media came, but late."
        "check the server's load and its way to the source"
    BITRATE "E-BITRATE" Media Warning
        "The bit rate is not what was expected."
        "look at the encoder's settings and its input"
    STREAM_SILENT "E-STREAM-SILENT" Media Critical
        "The server accepted the listener and sent no media."
        "look at the source that feeds this mount"
    STREAM_STALLED "E-STREAM-STALLED" Media Critical
        "Media came from the server's buffer, then no more."
        "the source has stalled: look at the encoder that feeds this mount"
    STREAM_ENDED "E-STREAM-ENDED" Media Critical
        "The server ended a live stream while it was watched."
        "look at the source that feeds this mount"
    STREAM_GAP "E-STREAM-GAP" Media Warning
        "The longest pause in the stream is too long."
        "look at the encoder and the server's load"
    STREAM_QUORUM "E-STREAM-QUORUM" Media Critical
        "Too few of a channel's URLs serve."
        "look at the findings of each URL: what they have in common is where to begin"
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
