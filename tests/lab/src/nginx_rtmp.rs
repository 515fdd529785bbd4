//! nginx with the RTMP module: RTMP itself, and the HLS and DASH that the module makes of it.

use std::fs;
use std::path::PathBuf;

use anyhow::Result;

use crate::{Clip, Lab, Nginx, Process};

/// A running nginx with the RTMP applications `live`, `vod`, and `closed`, in which nobody may play.
pub struct NginxRtmp {
    lab: Lab,
    web: Nginx,
    rtmp_port: u16,
    media: PathBuf,
}

impl Lab {
    /// nginx with its RTMP module (needs "nginx-rtmp" and "ffmpeg").
    pub fn nginx_rtmp(&self) -> Result<NginxRtmp> {
        let rtmp_port = self.port();
        let media = self.subdir(&self.name("rtmp-media"), None)?;
        let (folder, listen) = (media.display(), self.listen());
        let web = self
            .nginx()
            // Without its cleanup, which takes the files of a stream away that has stood still for twice the playlist's length.
            .with_main(&format!(
                "load_module /usr/lib/nginx/modules/ngx_rtmp_module.so;
rtmp {{ access_log off; server {{ listen {listen}:{rtmp_port}; application live {{ live on;
  hls on; hls_path {folder}/hls; hls_fragment 1s; hls_playlist_length 5s; hls_cleanup off;
  dash on; dash_path {folder}/dash; dash_fragment 1s; dash_playlist_length 5s; dash_cleanup off; }}
  application closed {{ live on; deny play all; }}
  application vod {{ play {folder}/vod; }} }} }}
"
            ))
            .with(&format!("location /hls {{ root {folder}; }} location /dash {{ root {folder}; }}"))
            .with("location /stat { rtmp_stat all; }")
            .start()?;
        Ok(NginxRtmp { lab: self.clone(), web, rtmp_port, media })
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
        self.app_url("live", stream)
    }

    /// `rtmp://.../APP/STREAM`.
    pub fn app_url(&self, app: &str, stream: &str) -> String {
        format!("rtmp://127.0.0.1:{}/{app}/{stream}", self.rtmp_port)
    }

    /// The URL of a clip on demand.
    pub fn on_demand(&self, clip: Clip) -> Result<String> {
        let vod = self.media.join("vod");
        fs::create_dir_all(&vod)?;
        fs::copy(clip.path()?, vod.join(clip.file_name()))?;
        Ok(self.app_url("vod", &format!("mp4:{}", clip.file_name())))
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
