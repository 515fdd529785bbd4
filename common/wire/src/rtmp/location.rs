//! Where a stream is: the path of an RTMP URL holds an application, perhaps an instance of it, and the stream's name, and nothing
//! tells where one ends.

use thiserror::Error;

/// The two names that RTMP wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// The application and its instance: `live`, `live/_definst_`.
    pub app: String,
    /// The stream with its query: `news`, `mp4:films/a.mp4`, `news?token=x`.
    pub stream: String,
}

/// A path without one of the names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum LocationError {
    /// Nothing after the host.
    #[error("names no application")]
    NoApp,
    /// Only an application.
    #[error("names no stream")]
    NoStream,
}

impl Location {
    /// Splits `path`, which is what follows the host: path and query. As ffmpeg does: `app/stream`, and with more parts
    /// `app/instance/stream`, unless the second one is a stream by its colon (`vod/mp4:films/a.mp4`). A stream in the query
    /// (`live?vhost=a.example.net/news`) leaves the query to the application.
    ///
    /// `app` and `stream`, where given, are believed, and the path is what is left.
    ///
    /// # Errors
    /// [`LocationError`].
    pub fn split(path: &str, app: Option<&str>, stream: Option<&str>) -> Result<Self, LocationError> {
        let path = path.trim_start_matches('/');
        let (own_app, own_stream) = match (app, stream) {
            (Some(_), Some(_)) => ("", ""),
            (None, Some(stream)) => {
                let app = path.strip_suffix(stream).unwrap_or(path);
                (app.trim_end_matches('/'), "")
            }
            (Some(app), None) => {
                let rest = path.strip_prefix(app).filter(|rest| rest.is_empty() || rest.starts_with('/'));
                ("", rest.unwrap_or(path).trim_start_matches('/'))
            }
            (None, None) => apart(path),
        };
        let (app, stream) = (app.unwrap_or(own_app), stream.unwrap_or(own_stream));
        if app.is_empty() {
            return Err(LocationError::NoApp);
        }
        if stream.is_empty() {
            return Err(LocationError::NoStream);
        }
        Ok(Self { app: app.to_owned(), stream: stream.to_owned() })
    }
}

fn apart(path: &str) -> (&str, &str) {
    let query = path.find('?').unwrap_or(path.len());
    let names = &path[..query];
    let Some(first) = names.find('/').filter(|slash| slash + 1 < query) else {
        // The stream may stand behind the application's query.
        let Some((app, stream)) = path.rsplit_once('/').filter(|(app, _)| app.len() > query) else {
            return (path, "");
        };
        return (app, stream);
    };
    let rest = &names[first + 1..];
    match rest.find('/') {
        Some(slash) if !rest[..slash].contains(':') && slash + 1 < rest.len() => {
            let end = first + 1 + slash;
            (&path[..end], &path[end + 1..])
        }
        _ => (&path[..first], &path[first + 1..]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(path: &str, app: Option<&str>, stream: Option<&str>) -> (String, String) {
        let location = Location::split(path, app, stream).expect(path);
        (location.app, location.stream)
    }

    #[test]
    fn paths_are_split_as_players_do() {
        for (path, app, stream) in [
            ("/live/news", "live", "news"),
            ("/live/news?token=a/b", "live", "news?token=a/b"),
            ("/live/_definst_/news", "live/_definst_", "news"),
            ("/live/inst/a/b?c", "live/inst", "a/b?c"),
            ("/vod/mp4:films/a.mp4", "vod", "mp4:films/a.mp4"),
            ("/live?vhost=a.example.net/news", "live?vhost=a.example.net", "news"),
            ("//live/news/", "live", "news/"),
        ] {
            assert_eq!(split(path, None, None), (app.to_owned(), stream.to_owned()), "{path}");
        }
    }

    #[test]
    fn options_decide_where_a_path_cannot() {
        let is = |app: &str, stream: &str| (app.to_owned(), stream.to_owned());
        assert_eq!(split("/live/a/b", Some("live"), None), is("live", "a/b"));
        assert_eq!(split("/live/a/b", None, Some("a/b")), is("live", "a/b"));
        assert_eq!(split("/lives/a", Some("live"), None), is("live", "lives/a"));
        assert_eq!(split("", Some("live"), Some("news")), is("live", "news"));
        assert_eq!(split("/a/b/c/d", None, Some("news")), is("a/b/c/d", "news"));
    }

    #[test]
    fn a_name_that_is_missing_is_named() {
        for (path, app, error) in [
            ("/", None, LocationError::NoApp),
            ("", None, LocationError::NoApp),
            ("/live", None, LocationError::NoStream),
            ("/live/", None, LocationError::NoStream),
            ("/live?x=1", None, LocationError::NoStream),
            ("/live", Some("live"), LocationError::NoStream),
        ] {
            assert_eq!(Location::split(path, app, None), Err(error), "{path}");
        }
    }
}
