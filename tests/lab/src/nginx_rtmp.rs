//! nginx with the RTMP module: RTMP itself, and the HLS and DASH that the module makes of it.

use anyhow::Result;

use crate::{Clip, Lab, Nginx, Process};

/// A running nginx with the RTMP application `live`.
pub struct NginxRtmp {
    lab: Lab,
    web: Nginx,
    rtmp_port: u16,
}

impl Lab {
    /// nginx with its RTMP module (needs "nginx-rtmp" and "ffmpeg").
    pub fn nginx_rtmp(&self) -> Result<NginxRtmp> {
        let rtmp_port = self.port();
        let media = self.subdir(&self.name("rtmp-media"), None)?;
        let (folder, listen) = (media.display(), self.listen());
        let web = self
            .nginx()
            .with_main(&format!(
                "load_module /usr/lib/nginx/modules/ngx_rtmp_module.so;
rtmp {{ access_log off; server {{ listen {listen}:{rtmp_port}; application live {{ live on;
  hls on; hls_path {folder}/hls; hls_fragment 1s; hls_playlist_length 5s;
  dash on; dash_path {folder}/dash; dash_fragment 1s; dash_playlist_length 5s; }} }} }}
"
            ))
            .with(&format!("location /hls {{ root {folder}; }} location /dash {{ root {folder}; }}"))
            .with("location /stat { rtmp_stat all; }")
            .start()?;
        Ok(NginxRtmp { lab: self.clone(), web, rtmp_port })
    }
}

impl NginxRtmp {
    /// An encoder publishes `stream`; waits until its HLS playlist is there.
    pub fn publish(&self, stream: &str, clip: Clip) -> Result<Process> {
        let mut ffmpeg = self.lab.encoder(clip)?;
        ffmpeg.args(["-c", "copy", "-f", "flv", &self.rtmp_url(stream)]);
        let encoder = Process::start(&self.lab, &self.lab.name("rtmp-encoder"), ffmpeg)?;
        let playlist = self.hls_url(stream);
        encoder.until(&playlist, || self.lab.get(&playlist).is_ok_and(|text| text.contains("#EXTINF")))?;
        Ok(encoder)
    }

    /// `rtmp://.../live/STREAM`.
    pub fn rtmp_url(&self, stream: &str) -> String {
        format!("rtmp://127.0.0.1:{}/live/{stream}", self.rtmp_port)
    }

    /// The media playlist of a stream.
    pub fn hls_url(&self, stream: &str) -> String {
        self.web.url(&format!("/hls/{stream}.m3u8"))
    }

    /// The DASH manifest of a stream.
    pub fn dash_url(&self, stream: &str) -> String {
        self.web.url(&format!("/dash/{stream}.mpd"))
    }

    /// The web server; `url("/stat")` is the statistics page of the module.
    pub fn web(&self) -> &Nginx {
        &self.web
    }
}
