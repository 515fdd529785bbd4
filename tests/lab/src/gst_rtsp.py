"""An RTSP server of GStreamer: /live (H.264 + PCMA, live), /black (black and silent), /vod (an MP4 file), /hang (a
pipeline without queues, whose DESCRIBE never answers)."""
import argparse
import gi
gi.require_version('Gst', '1.0')
gi.require_version('GstRtsp', '1.0')
gi.require_version('GstRtspServer', '1.0')
from gi.repository import Gio, GLib, Gst, GstRtsp, GstRtspServer

args = argparse.ArgumentParser()
args.add_argument('--address', required=True)
args.add_argument('--port', required=True)
args.add_argument('--transports', default='udp,tcp')
args.add_argument('--vod', required=True)
args.add_argument('--auth', choices=['digest', 'basic'])
args.add_argument('--name')
args.add_argument('--tls', nargs=2, metavar=('CERT', 'KEY'))
args = args.parse_args()

Gst.init(None)
server = GstRtspServer.RTSPServer.new()
server.set_address(args.address)
server.set_service(args.port)
mounts = server.get_mount_points()
lower = GstRtsp.RTSPLowerTrans
transports = lower(0)
for name in args.transports.split(','):
    transports |= {'udp': lower.UDP, 'tcp': lower.TCP}[name]

LIVE = ('( videotestsrc is-live=true pattern=%s ! video/x-raw,width=320,height=180,framerate=15/1'
        ' ! x264enc tune=zerolatency speed-preset=ultrafast bitrate=200 key-int-max=15'
        ' ! h264parse ! rtph264pay name=pay0 pt=96 config-interval=1'
        ' audiotestsrc is-live=true wave=%s ! audio/x-raw,rate=8000,channels=1 ! alawenc ! rtppcmapay name=pay1 pt=8 )')
VOD = ('( filesrc location=' + args.vod + ' ! qtdemux name=d d.video_0 %s h264parse ! rtph264pay name=pay0 pt=96'
       ' config-interval=1 d.audio_0 %s aacparse ! rtpmp4gpay name=pay1 pt=97 )')
MOUNTS = {
    '/live': LIVE % ('smpte', 'sine'),
    '/black': LIVE % ('black', 'silence'),
    '/vod': VOD % ('! queue !', '! queue !'),
    '/hang': VOD % ('!', '!'),
}

def permit(factory, role):
    grant = Gst.Structure.new_empty(role)
    grant.set_value('media.factory.access', True)
    grant.set_value('media.factory.construct', True)
    factory.add_role_from_structure(grant)

for path, launch in MOUNTS.items():
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch(launch)
    factory.set_shared(path in ('/live', '/black'))
    factory.set_protocols(transports)
    permit(factory, 'user')
    mounts.add_factory(path, factory)

if args.auth or args.tls:
    auth = GstRtspServer.RTSPAuth()
    auth.set_realm('weir')
    token = GstRtspServer.RTSPToken()
    token.set_string('media.factory.role', 'user')
    if args.auth == 'digest':
        auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
        auth.add_digest('user', 's3cret', token)
    elif args.auth == 'basic':
        auth.set_supported_methods(GstRtsp.RTSPAuthMethod.BASIC)
        auth.add_basic(GstRtspServer.RTSPAuth.make_basic('user', 's3cret'), token)
    else:  # TLS alone: everybody is the user
        auth.set_default_token(token)
    if args.tls:
        auth.set_tls_certificate(Gio.TlsCertificate.new_from_files(*args.tls))
    server.set_auth(auth)

if args.name:
    def rename(_client, _session, message):
        message.remove_header(GstRtsp.RTSPHeaderField.SERVER, -1)
        message.add_header(GstRtsp.RTSPHeaderField.SERVER, args.name)

    server.connect('client-connected', lambda _server, client: client.connect('send-message', rename))

server.attach(None)
GLib.MainLoop().run()
